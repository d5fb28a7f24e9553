"""The first code of the ``kiln`` process. It loads next to nothing, so that Ctrl-C is in order from the start."""

from __future__ import annotations

import signal


def start() -> None:
    """Be the ``kiln`` command. Until all is loaded there is nothing to clean up, and Ctrl-C just ends the process."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not ignored, as in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from builder.cli.main import main  # noqa: PLC0415 - this is what takes its time

    main()

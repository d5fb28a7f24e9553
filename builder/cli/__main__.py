"""``python -m builder.cli`` is the ``kiln`` command."""

from builder.cli.start import start

start()

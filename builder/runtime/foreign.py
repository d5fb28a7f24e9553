"""A command given to ``docker run`` that is not ours is executed, not swallowed."""

from __future__ import annotations

import os
import sys

from .places import find_places


def execute(arguments: list[str]) -> int:
    """Replace this process by the command, which sees the bundle's packages and code; 126 or 127 as a shell would."""
    places = find_places()
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(places.packages), str(places.code), *filter(None, [environment.get("PYTHONPATH")])]
    )
    try:
        os.execvpe(arguments[0], arguments, environment)  # noqa: S606 - it is what the person asked for
    except FileNotFoundError:
        print(
            f"kiln: no command {arguments[0]!r} in this image; its own are auto, serve, check and probe",
            file=sys.stderr,
        )
        return 127
    except OSError as error:
        print(f"kiln: cannot run {arguments[0]!r}: {error.strerror}", file=sys.stderr)
        return 126

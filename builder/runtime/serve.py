"""Score over HTTP: bind, start the first worker, and only then import the server.

The port is bound before anything else is done, so that platforms which take "listening" for "alive" are content, and
the first worker imports the author's code while the server imports its own.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
from datetime import UTC, datetime

from .bundle import BundleJsonError, read_bundle
from .log_text import show_fields, wants_text
from .places import find_places
from .settings import SettingError, Settings, decide_settings, decide_worker_environment
from .spawn import spawn_worker

EXIT_USAGE = 64
EXIT_LOAD_FAILED = 70
EXIT_CANNOT_BIND = 71
EXIT_CONFIGURATION = 78


def log_fatal(message: str) -> None:
    """Print one line in the form of all others, before there is a log."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": time, "level": "critical", "logger": "kiln", "message": message}
    print(show_fields(line) if wants_text(os.environ, 1) else json.dumps(line), flush=True)


def bind(settings: Settings) -> socket.socket:
    """Return a listening socket; a connection made from now on waits rather than being refused."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def serve(arguments: list[str]) -> int:
    """Serve until told to end; return the exit code (docs/reference/runtime.md lists them)."""
    environment = dict(os.environ)
    match arguments:
        case []:
            pass
        case ["--port", port]:
            environment["SAGEMAKER_BIND_TO_PORT"] = port
        case _:
            log_fatal(f"serve takes --port and nothing else, not {' '.join(arguments)}")
            return EXIT_USAGE
    places = find_places()
    try:
        bundle = read_bundle(places.bundle_json)
        settings = decide_settings(bundle, environment)
    except (BundleJsonError, SettingError) as error:
        log_fatal(str(error))
        return EXIT_CONFIGURATION
    try:
        listener = bind(settings)
    except OSError as error:
        log_fatal(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}")
        return EXIT_CANNOT_BIND
    worker_environment = decide_worker_environment(bundle, settings)
    spawned = [spawn_worker(worker_environment)]  # the others follow when this one has loaded
    sys.path.append(str(places.server_packages))
    main = importlib.import_module(f"{__package__}.server.main")
    return int(main.run(bundle, settings, listener, spawned, worker_environment))

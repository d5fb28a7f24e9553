"""Start scoring for Lambda: workers first, so that they load while the server's own packages are imported."""

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import sys

from ..bundle import BundleJsonError, read_bundle
from ..places import find_places
from ..serve import EXIT_CONFIGURATION, EXIT_USAGE, log_fatal
from ..settings import WORKER_NAMES, SettingError, decide_settings, decide_worker_environment
from ..spawn import spawn_worker
from .runtime_api import RuntimeApi

ADDRESS = "AWS_LAMBDA_RUNTIME_API"


def serve(arguments: list[str]) -> int:
    """Serve invocations; return the exit code."""
    address = os.environ.get(ADDRESS, "")
    if arguments or not address:
        log_fatal("lambda takes no arguments" if arguments else f"{ADDRESS} is not set; this is not AWS Lambda")
        return EXIT_USAGE
    places = find_places()
    environment = dict(os.environ)
    try:
        bundle = read_bundle(places.bundle_json)
        settings = decide_settings(bundle, environment)
    except (BundleJsonError, SettingError) as error:
        log_fatal(str(error))
        RuntimeApi(address).fail_to_start("Runtime.InvalidConfiguration", str(error))
        return EXIT_CONFIGURATION
    if not any(environment.get(name, "").strip() for name in WORKER_NAMES):
        # an environment gets one event at a time: more workers than one would only cost memory
        settings = dataclasses.replace(settings, workers=1, threads=settings.cores)
    settings = dataclasses.replace(settings, load_attempts=1, hold=settings.startup_timeout)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # until the loop has a handler of its own
    worker_environment = decide_worker_environment(bundle, settings)
    spawned = [spawn_worker(worker_environment) for _ in range(settings.workers)]
    sys.path.append(str(places.server_packages))
    loop = importlib.import_module(f"{__package__}.loop")
    return int(loop.run(bundle, settings, address, spawned, worker_environment))

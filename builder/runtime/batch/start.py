"""Start a batch run: the arguments first, then the workers, which load while the server's own packages are imported."""

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import sys

from ..bundle import BundleJsonError, read_bundle
from ..places import find_places
from ..serve import EXIT_CONFIGURATION, EXIT_USAGE
from ..settings import SettingError, decide_settings, decide_worker_environment
from ..spawn import spawn_worker
from .files import find_overlap
from .options import UsageError, parse_options, wants_help


def score(arguments: list[str]) -> int:
    """Score a batch; return the exit code."""
    if wants_help(arguments):
        return 0
    try:
        options = parse_options(arguments, os.environ)
        if overlap := find_overlap(options.inputs, options.output):
            raise UsageError(f"the output {options.output} would be input too, being in {overlap}")  # noqa: TRY301
    except UsageError as error:
        print(f"batch: {error}; batch --help lists the options", file=sys.stderr)
        return EXIT_USAGE
    places = find_places()
    try:
        bundle = read_bundle(places.bundle_json)
        settings = decide_settings(bundle)
    except (BundleJsonError, SettingError) as error:
        print(f"batch: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    settings = dataclasses.replace(settings, access_log=False, max_queue=max(settings.max_queue, 4096))
    # as process 1 of a container nothing ends this before there is a handler
    signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))
    worker_environment = decide_worker_environment(bundle, settings)
    spawned = [spawn_worker(worker_environment) for _ in range(settings.workers)]
    sys.path.append(str(places.server_packages))
    run = importlib.import_module(f"{__package__}.run")
    return int(run.run(bundle, settings, options, spawned, worker_environment))

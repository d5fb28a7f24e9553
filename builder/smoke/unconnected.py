"""The code imported and the model loaded with the network cut: what reading the code cannot see is seen here."""

from __future__ import annotations

import time
from dataclasses import replace

from builder.engine.runner import Instance, Runner, RunOptions
from builder.oci.image import Image
from builder.smoke.comparison import Difference
from builder.smoke.logs import find_load_fault
from builder.smoke.report import TestResult
from builder.smoke.scenarios import BuiltIn, Kind

_COMMAND = ("check",)
_PAUSE = 0.05
_LINES = 1000


def try_unconnected(image: Image, runner: Runner, options: RunOptions, *, limit: float) -> TestResult:
    """Run the image's own ``check`` in a second container with no network; it must end with 0 in ``limit`` seconds.

    A model that is fetched when it is loaded, or code that asks a service at import, is found so: neither is in the
    image that ships.
    """
    began = time.monotonic()
    instance = runner.start(image, replace(options, command=_COMMAND, network=False))
    try:
        difference = _judge(instance, began + limit, limit)
    finally:
        instance.remove()
    return TestResult(
        name=BuiltIn.UNCONNECTED,
        kind=Kind.BUILT_IN,
        passed=difference is None,
        seconds=time.monotonic() - began,
        status=None,
        differences=(difference,) if difference else (),
    )


def _judge(instance: Instance, deadline: float, limit: float) -> Difference | None:
    while (state := instance.exit_state()) is None:
        if time.monotonic() >= deadline:
            return Difference(
                at="load", want=f"loaded within {limit:g} s (service.startup_timeout)", got="still loading"
            )
        time.sleep(_PAUSE)
    if state.code == 0:
        return None
    cause = find_load_fault(instance.logs(_LINES))
    return Difference(at="load", want="loaded without a network", got=cause or f"exit code {state.code}")

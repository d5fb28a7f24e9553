"""Choosing a place to run the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from builder.engine.docker import DockerEngine
from builder.engine.namespaces import NamespaceRunner
from builder.engine.runner import Runner
from builder.errors import EngineUnavailableError
from builder.oci.image import Image
from builder.pipeline.workshop import Workshop

AUTO = "auto"
DOCKER = "docker"
NAMESPACES = "namespaces"
RUNNERS = (AUTO, DOCKER, NAMESPACES)

Progress = Callable[[str], None]


def require_engine() -> None:
    """Raise an EngineUnavailableError now, before anything is built, when there is no engine to build or run with."""
    with DockerEngine.connect():
        pass


@contextmanager
def open_runner(choice: str, workshop: Workshop, image: Image, *, tags: tuple[str, ...]) -> Iterator[Runner]:
    """Lend the place that runs the image: the engine, with the image loaded and tagged, or this machine's namespaces.

    ``auto`` takes the engine where one answers and says so when none does.
    """
    engine = None
    if choice in (AUTO, DOCKER):
        try:
            engine = DockerEngine.connect()
        except EngineUnavailableError as error:
            if choice == DOCKER:
                raise
            fault = error.faults[0]
            where = f" at {fault.at}" if fault.at else ""
            workshop.terminal.say(f"  {fault.fact}{where}; running the image in this machine's own namespaces")
    if engine is None:
        runner = NamespaceRunner(workshop.store)
        with workshop.terminal.step("unpack", f"unpack for {runner.name}") as step:
            runner.prepare(image, progress=step.note)
        yield runner
        return
    with engine:
        with workshop.terminal.step("load", f"load into {engine.name}") as step:
            engine.load(image, workshop.store, tags=tags, progress=step.note)
        yield engine

"""Bringing what was built into the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from builder.bundle.model import Bundle
from builder.engine.loading import ImageLoader
from builder.engine.plain import open_plain
from builder.errors import UsageError
from builder.oci.image import BlobSource, Image
from builder.pipeline.stages import host_platform
from builder.pipeline.workshop import Workshop
from builder.plan.model import Plan


class Loader(Protocol):
    """What loads images: an engine, or only the part of its client that does."""

    @property
    def name(self) -> str:
        """``docker`` or ``podman``, with its version."""

    def load(self, image: Image, blobs: BlobSource, *, like: tuple[str, ...] = ()) -> str:
        """Bring an image in and return the ID the engine has it under."""

    def tag(self, image_id: str, name: str) -> None:
        """Give an image a name; the name moves if another image had it."""


class Loading:
    """The image that runs on this machine, on its way into the engine: sent first, named once all is well."""

    def __init__(self, workshop: Workshop, loader: Loader, plan: Plan) -> None:
        self._workshop = workshop
        self._loader = loader
        self._plan = plan
        self._held: tuple[Image, str] | None = None

    def send(self, images: Sequence[Image]) -> None:
        """Bring the image in; it has no name yet."""
        [image] = [image for image in images if image.config.platform == self._plan.platform]
        if self._held is None or self._held[0] != image:
            with self._workshop.terminal.step("load", f"load into {self._loader.name}"):
                held = self._loader.load(image, self._workshop.store, like=(self._plan.tag,))
            self._held = image, held

    def name(self, images: Sequence[Image], tags: Sequence[str]) -> None:
        """Give the image its names, once it is there."""
        self.send(images)
        if self._held is not None:
            for tag in tags:
                self._loader.tag(self._held[1], tag)


@contextmanager
def open_loading(workshop: Workshop, bundle: Bundle, plans: Sequence[Plan]) -> Iterator[Loading]:
    """Find the engine and lend what brings it the image of this machine's platform.

    No engine is an EngineUnavailableError; plans none of which is for this machine are a UsageError.
    """
    host = host_platform(bundle)
    mine = [plan for plan in plans if plan.platform == host]
    if not mine:
        raise UsageError.of("no image that runs on this machine is built", at="--load", want=str(host))
    api = open_plain()
    if api is None:
        from builder.engine.docker import DockerEngine  # noqa: PLC0415 - finds and speaks to engines of every kind

        with DockerEngine.connect() as engine:
            yield Loading(workshop, engine, mine[0])
        return
    with api:
        yield Loading(workshop, ImageLoader(api, api.version, api.info), mine[0])

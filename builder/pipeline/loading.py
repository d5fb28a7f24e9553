"""Bringing what was built into the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
    """The image that runs on this machine, on its way into the engine: sent first, named once all is well.

    Given ``abort``, which ends a call under way, it is sent beside whatever else is done.
    """

    def __init__(
        self,
        workshop: Workshop,
        find_loader: Callable[[], Loader],
        plan: Plan,
        *,
        abort: Callable[[], None] | None = None,
    ) -> None:
        self._workshop = workshop
        self._find_loader = find_loader
        self._plan = plan
        self._abort = abort
        self._beside = ThreadPoolExecutor(1) if abort is not None and workshop.settings.jobs > 1 else None
        self._sent: tuple[Image, Future[tuple[Loader, str]]] | None = None

    def send(self, images: Sequence[Image]) -> Future[tuple[Loader, str]]:
        """Begin to bring the image in, unless that was begun; it has no name yet."""
        [image] = [image for image in images if image.config.platform == self._plan.platform]
        if self._sent is None or self._sent[0] != image:
            if self._beside is not None:
                held = self._beside.submit(self._bring, image)
            else:
                held = Future()
                held.set_result(self._bring(image))
            self._sent = image, held
        return self._sent[1]

    def settle(self, images: Sequence[Image]) -> tuple[Loader, str]:
        """Wait until the image is there and return who has it under which ID; what kept it away is raised."""
        return self.send(images).result()

    def name(self, images: Sequence[Image], tags: Sequence[str]) -> None:
        """Give the image its names, once it is there."""
        loader, held = self.settle(images)
        for tag in tags:
            loader.tag(held, tag)

    def close(self) -> None:
        """Send an image nobody will name no further."""
        if self._beside is None:
            return
        if self._abort is not None and self._sent is not None and not self._sent[1].done():
            self._abort()
        self._beside.shutdown()

    def _bring(self, image: Image) -> tuple[Loader, str]:
        loader = self._find_loader()
        with self._workshop.terminal.step("load", f"load into {loader.name}"):
            return loader, loader.load(image, self._workshop.store, like=(self._plan.tag,))


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
            yield Loading(workshop, lambda: engine, mine[0])
        return
    with api:
        loading = Loading(workshop, lambda: ImageLoader(api, api.version, api.info), mine[0], abort=api.abort)
        try:
            yield loading
        finally:
            loading.close()

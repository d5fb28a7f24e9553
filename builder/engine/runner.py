"""What smoke needs of a place that runs images; a container engine and this machine's namespaces both fill it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from builder.oci.image import Image

PROCESS_LIMIT = 1024
"""Processes and threads a container may have; a leak ends there and not with the machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """How a container is run: always hardened as in production.

    Read-only root, a tmpfs at /tmp, every capability dropped, no new privileges, user ``uid`` in group 0, and the
    limits below. ``memory`` is bytes, ``cpu`` cores. ``command`` replaces the image's own.
    """

    memory: int
    cpu: float
    uid: int
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    network: bool = True
    """False cuts the network off, but for loopback; the service can then not be asked from outside."""
    health_interval: float | None = None
    """Seconds between health probes instead of the image's own, so that a test need not wait; the probe itself, its
    timeout, start period and retries stay the image's. Every runner honours it (Docker: ``healthcheck.interval`` of
    the container alone). None keeps the image's interval."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer. ``seconds`` is how long it took; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ExitState:
    """How a container's main process ended. ``code`` is 128 + n after signal n."""

    code: int
    was_killed_for_memory: bool = False
    seconds: float = 0.0
    """How long it took to end after it was asked to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Executed:
    """A program that was run inside the container."""

    code: int
    output: str


class Instance(Protocol):
    """One running container. ``remove`` must be called in the end, whatever happened."""

    def request(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        """Send one HTTP request to the service. No connection or no answer in time is a ConnectionError."""

    def execute(self, argv: Sequence[str], *, timeout: float) -> Executed:
        """Run a program inside, as the same user."""

    def health(self) -> str | None:
        """Return ``starting``, ``healthy`` or ``unhealthy`` by the image's own HEALTHCHECK, None without one."""

    def exit_state(self) -> ExitState | None:
        """Return how the main process ended, or None while it runs."""

    def memory_kills(self) -> int:
        """Return how many processes inside were ended for want of memory so far, as far as the place can tell."""

    def logs(self, lines: int) -> str:
        """Return the last lines of what the container printed."""

    def changes(self) -> tuple[str, ...]:
        """Return absolute paths outside /tmp that were added, changed or removed since the start."""

    def stop(self, grace: float) -> ExitState:
        """Send SIGTERM, wait up to ``grace`` seconds, then kill; return how it ended."""

    def remove(self) -> None:
        """Kill what still runs and leave nothing behind."""


class Runner(Protocol):
    """A place that runs images by digest."""

    @property
    def name(self) -> str:
        """``docker``, ``podman`` or ``namespaces``, with a version."""

    @property
    def cuts_network(self) -> bool:
        """True when no container here has a network but loopback, asked or not."""

    @property
    def unapplied(self) -> tuple[str, ...]:
        """Hardening this place could not apply, a few words each; empty when all of it was."""

    def start(self, image: Image, options: RunOptions) -> Instance:
        """Run exactly this image, checked by its image ID; it need not be ready when this returns.

        An image the engine holds under another ID is a DigestMismatchError, a container that cannot be created is
        an EngineError.
        """

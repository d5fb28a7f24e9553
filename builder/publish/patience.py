"""How long to try again: exponential backoff with full jitter, and what the server asks for."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar

from builder.host.clock import Clock
from builder.publish.faults import TransientRegistryError

_T = TypeVar("_T")

LONGEST_REQUESTED = 120.0
"""A server that asks for a longer pause than this is not waited for any longer."""


class AbandonedError(Exception):
    """The work this belongs to is given up, because another part of it failed; never seen by a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """Tries ``attempts`` times; pauses are ``first`` seconds, doubled each time up to ``longest``, times a random part.

    The random part is between a half and one, so that many clients do not come back at the same moment. Once
    ``abandoned`` is set, pauses end and nothing is tried again.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 20.0
    clock: Clock = field(default_factory=Clock)
    jitter: Callable[[], float] = random.random
    abandoned: threading.Event = field(default_factory=threading.Event)

    def delay(self, failures: int, requested: float | None = None) -> float:
        """Return the pause in seconds after so many failures (1 or more); never shorter than the server requested."""
        pause = min(self.longest, self.first * 2.0 ** (failures - 1)) * (0.5 + self.jitter() / 2)
        return max(pause, min(requested or 0.0, LONGEST_REQUESTED))

    def wait(self, failures: int, requested: float | None = None) -> None:
        """Pause; AbandonedError when the work is given up meanwhile."""
        self.clock.sleep(self.delay(failures, requested), until=self.abandoned)
        self.check()

    def check(self) -> None:
        """Raise AbandonedError when the work is given up."""
        if self.abandoned.is_set():
            raise AbandonedError

    def persist(self, act: Callable[[], _T], *, attempts: int | None = None) -> _T:
        """Return what ``act`` returns, calling it again after each TransientRegistryError; the last one is raised."""
        attempts = attempts or self.attempts
        for failures in range(1, attempts):
            try:
                return act()
            except TransientRegistryError as error:
                self.wait(failures, error.retry_after)
        return act()

    def requested_delay(self, retry_after: str | None) -> float | None:
        """Read a Retry-After header (RFC 9110 §10.2.3): seconds or a date; None when absent or unreadable."""
        if not retry_after:
            return None
        if retry_after.strip().isdigit():
            return float(retry_after)
        try:
            return max(0.0, parsedate_to_datetime(retry_after).timestamp() - self.clock.now())
        except ValueError:
            return None

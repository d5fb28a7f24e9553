"""What a protocol is made of: routes, and for those that score how a request is read and its outcome is worded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..bundle import Bundle
from ..settings import Settings
from ..wire import SCORE
from .failure import Failure
from .intake import Reader
from .message import Request, Response

Handler = Callable[[Request], Response]
Fail = Callable[[Request, Failure], Response]


@dataclass(slots=True)
class Intake:
    """What a request asks of a worker.

    ``payload`` and ``records`` are for the pool: what to score and how many records it counts for. ``context`` is
    whatever the dialect's own ``write`` needs to know. ``kind`` is a word of :mod:`wire`; work that is not scoring has
    ``proceed``, which takes the worker's answer and returns what to ask next, or refuses. ``place`` is where the
    records stood in the body, None for a record that was the body: what the worker says of one is told by it.
    """

    payload: Any
    records: int
    context: Any = None
    kind: str = SCORE
    proceed: Callable[[Any], Intake] | None = None
    place: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How one route scores. ``read`` raises :class:`failure.RefusedError`; ``write`` gets one prediction a record.

    A route that ``streams`` sends the answer of a ``predict`` that yields while it is made; others wait for all of it.
    """

    read: Callable[[Request], Intake]
    write: Callable[[Request, Intake, Any], Response]
    fail: Fail
    streams: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A path, the methods it takes, and what answers them.

    A ``{name}`` in the pattern matches one segment, or a part of one, and is found in ``request.parameters``. A plain
    handler may refuse, which ``fail`` puts into words. ``operation`` names its description in the OpenAPI document.
    """

    methods: tuple[str, ...]
    pattern: str
    does: Handler | Dialect
    fail: Fail
    operation: str
    quiet: bool = False
    """Logged only on demand, since probes ask every few seconds."""


@dataclass(kw_only=True, slots=True)
class Service:
    """What protocols know of the service they are part of."""

    bundle: Bundle
    settings: Settings
    reader: Reader
    environment: Mapping[str, str]
    read_state: Callable[[], str]
    """``ready``, or what keeps the model from being so."""
    measure: Handler
    """Answers with the metrics."""
    routes: Sequence[Route] = field(default_factory=tuple)
    """All routes, once they are gathered."""
    passing: Dialect | None = None
    """For a contract whose script reads requests itself: how a route that may carry any body scores.

    The protocol of that contract sets it; the others use it where a platform only names a path, and refuse otherwise.
    """
    sample_prediction: Any = None
    """What the model answered to the bundle's sample, once it did."""

    @property
    def is_ready(self) -> bool:
        """Whether a model is loaded."""
        return self.read_state() == "ready"

"""Why a request has no prediction, before any protocol has put it into words of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from ..wire import REFUSED
from .message import Headers

MOST_FAULTS = 200
"""Faults told of one request; a body of ten thousand bad records has more than anyone reads."""
RETRY: Headers = (("retry-after", "1"),)


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request. ``field`` is a path such as ``records[3].age``, empty for the body."""

    field: str
    value: Any
    rule: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What went wrong: a status, a sentence for people, every fault for programs.

    ``outcome`` is a word of :mod:`wire` or of :mod:`work`, and ``REFUSED`` where the request never reached the model.
    ``request_id`` is set when the log has more to tell; ``hidden`` counts faults beyond those listed.
    """

    status: int
    message: str
    faults: tuple[Fault, ...] = ()
    hidden: int = 0
    headers: Headers = ()
    outcome: str = REFUSED
    request_id: str = ""


class UnspeakableError(ValueError):
    """The author's code answered what cannot be sent."""


UNSPEAKABLE = (ValueError, OverflowError)
"""What says that an answer has no form in HTTP or JSON: half of a surrogate pair, or a number of 5000 digits."""


class RefusedError(Exception):
    """A request that does not reach the model, or that the model cannot take."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def refuse(status: int, message: str, faults: Iterable[Fault] = (), headers: Headers = ()) -> RefusedError:
    """Make a refusal with a sentence of its own."""
    return RefusedError(Failure(status=status, message=message, faults=tuple(faults), headers=headers))


def refuse_faults(faults: Iterable[Fault], status: int = 400) -> RefusedError:
    """Make the refusal of a body that breaks rules: the first three are told in words, up to 200 are listed."""
    given = iter(faults)
    told = tuple(islice(given, MOST_FAULTS))
    hidden = sum(1 for _ in given)
    sentence = " ".join(fault.message for fault in told[:3])
    more = len(told) + hidden - 3
    if more > 0:
        sentence += f" And {more} more {'fault' if more == 1 else 'faults'}."
    return RefusedError(Failure(status=status, message=sentence, faults=told, hidden=hidden))

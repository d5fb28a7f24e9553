"""What is asked of a running image: the requests every image must answer rightly, and the bundle's own. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from builder.bundle.model import Bundle, Expectation
from builder.engine.runner import Answer
from builder.smoke.comparison import SENTENCE_KEYS, Difference, compare_answer, shorten, wrong_status
from builder.smoke.responses import response_judge

READY_PATH = "/readyz"
_SHORTEST_HELP = 10
_NOT_THE_SCRIPTS = frozenset({404, 502, 503, 504})
_REFUSED = 400


class Kind(StrEnum):
    """Whose test it is."""

    BUILT_IN = "built-in"
    BUNDLE = "bundle"


class BuiltIn(StrEnum):
    """The names of the tests every image gets."""

    READY = "becomes ready"
    HARDENED = "runs hardened"
    ALIVE = "says it is alive"
    UNKNOWN_ROUTE = "refuses an unknown route"
    MALFORMED = "refuses a malformed body"
    HEALTH = "HEALTHCHECK turns healthy"
    WRITES = "writes nothing outside /tmp"
    STOPS = "ends on SIGTERM within its grace period"
    UNCONNECTED = "loads with the network cut"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One request and the judgement of its answer."""

    name: str
    kind: Kind
    method: str
    path: str
    judge: Callable[[Answer], tuple[Difference, ...]]
    body: bytes | None = None
    content_type: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers."""
        return {"content-type": self.content_type} if self.content_type else {}


def scenarios_of(bundle: Bundle) -> tuple[Scenario, ...]:
    """Return every request to send to a ready image, in order: the built-in ones, then the bundle's."""
    score = bundle.scoring.contract.scoring_path
    reaches_script = bundle.scoring.contract.reads_requests and bundle.schemas.request is None
    built_in = (
        Scenario(
            name=BuiltIn.ALIVE,
            kind=Kind.BUILT_IN,
            method="GET",
            path="/livez",
            judge=_judge(Expectation(status=200)),
        ),
        Scenario(
            name=BuiltIn.UNKNOWN_ROUTE,
            kind=Kind.BUILT_IN,
            method="GET",
            path="/there-is-no-such-route",
            judge=_judge(Expectation(status=404)),
        ),
        Scenario(
            name=BuiltIn.MALFORMED,
            kind=Kind.BUILT_IN,
            method="POST",
            path=score,
            body=b'{"this is": not JSON',
            content_type="application/json",
            judge=judge_answered if reaches_script else judge_refusal,
        ),
    )
    own = (
        Scenario(
            name=test.name,
            kind=Kind.BUNDLE,
            method="POST",
            path=test.path,
            body=test.request,
            content_type=test.content_type,
            judge=_judge(test.expect, response_judge(bundle.schemas)),
        )
        for test in bundle.smoke
    )
    return (*built_in, *own)


def judge_answered(answer: Answer) -> tuple[Difference, ...]:
    """Judge the answer to a body that is not JSON where the script reads bodies itself: it may do what it likes."""
    return (wrong_status("an answer of the script", answer),) if answer.status in _NOT_THE_SCRIPTS else ()


def judge_refusal(answer: Answer) -> tuple[Difference, ...]:
    """Judge the answer to a body that is not JSON: a 4xx whose own JSON body says what is wrong."""
    text = answer.body.decode(errors="replace")
    if not 400 <= answer.status < 500:
        return (wrong_status("a refusal: 4xx", answer),)
    try:
        body = json.loads(text)
    except ValueError:
        return (Difference(at="$", want="a JSON body that says what is wrong", got=shorten(text) or "an empty body"),)
    words = [body.get(key) for key in SENTENCE_KEYS] if isinstance(body, dict) else []
    if any(isinstance(word, str) and len(word) >= _SHORTEST_HELP for word in words):
        return ()
    return (Difference(at="$.error", want="a sentence that says what is wrong", got=shorten(text)),)


def _judge(
    expect: Expectation, judge_accepted: Callable[[Answer], tuple[Difference, ...]] | None = None
) -> Callable[[Answer], tuple[Difference, ...]]:
    def judge(answer: Answer) -> tuple[Difference, ...]:
        found = compare_answer(expect, answer)
        if judge_accepted and answer.status == expect.status and answer.status < _REFUSED:
            found += judge_accepted(answer)
        return found

    return judge

"""Wanted against got: whole JSON bodies within a tolerance, values by path, error text, time. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from builder.bundle.model import Expectation
from builder.engine.runner import Answer

SHOWN = 10
"""Differences reported of one answer; the first ones say what is wrong."""
_LONGEST = 400
_LONGEST_SENTENCE = 200
SENTENCE_KEYS = ("error", "message", "detail")
"""Where an answer's own JSON body may say in words what is wrong."""
_STEP = re.compile(r"""\.(?P<name>[^.\[\]]+) | \[(?P<index>-?\d+)\] | \['(?P<quoted>[^']*)'\]""", re.VERBOSE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that is not as wanted. ``at`` is ``status``, ``time``, ``error`` or a path such as ``$.a[0].b``."""

    at: str
    want: str
    got: str

    def to_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"at": self.at, "want": self.want, "got": self.got}


def compare_answer(expect: Expectation, answer: Answer) -> tuple[Difference, ...]:
    """Return the first differences between an answer and what was expected of it; none when it is as wanted.

    An answer with another status is another answer altogether: its status and its own words are the only difference.
    """
    return tuple(islice(_differences(expect, answer), SHOWN))


def compare(want: Any, got: Any, *, rtol: float, atol: float, path: str = "$") -> Iterator[Difference]:
    """Yield where two JSON values differ, front to back.

    Numbers are equal when ``|got - want| <= atol + rtol * |want|``; an integer equals the same number written as a
    float, true and false equal only themselves. Objects must have the same keys, arrays the same length.
    """
    if isinstance(want, Mapping) and isinstance(got, Mapping):
        for key, value in want.items():
            here = path + _step(key)
            if key not in got:
                yield Difference(at=here, want=show(value), got="nothing: the key is absent")
            else:
                yield from compare(value, got[key], rtol=rtol, atol=atol, path=here)
        for key in got:
            if key not in want:
                yield Difference(at=path + _step(key), want="no such key", got=show(got[key]))
    elif _is_array(want) and _is_array(got):
        if len(want) != len(got):
            yield Difference(at=path, want=f"{len(want)} elements", got=f"{len(got)} elements")
        for index, (one, other) in enumerate(zip(want, got, strict=False)):
            yield from compare(one, other, rtol=rtol, atol=atol, path=f"{path}[{index}]")
    elif _is_number(want) and _is_number(got):
        if not _is_close(want, got, rtol=rtol, atol=atol):
            off = abs(got - want)
            yield Difference(
                at=path, want=f"{show(want)} within {atol + rtol * abs(want):g}", got=f"{show(got)}, off by {off:g}"
            )
    elif type(want) is not type(got) or want != got:
        yield Difference(at=path, want=show(want), got=show(got))


def select(value: Any, path: str) -> tuple[bool, Any]:
    """Return whether a path such as ``$.a[0].b`` or ``$['a b'][-1]`` exists in a JSON value, and what is there.

    A path that is not of this form is a ValueError.
    """
    for step in parse_path(path):
        if isinstance(step, int):
            if not _is_array(value) or not -len(value) <= step < len(value):
                return False, None
            value = value[step]
        else:
            if not isinstance(value, Mapping) or step not in value:
                return False, None
            value = value[step]
    return True, value


def parse_path(path: str) -> tuple[str | int, ...]:
    """Read ``$``, then any number of ``.name``, ``[index]`` and ``['name']``; anything else is a ValueError."""
    if not path.startswith("$"):
        raise ValueError(f"a path begins with $: {path!r}")
    steps: list[str | int] = []
    place = 1
    while place < len(path):
        found = _STEP.match(path, place)
        if not found:
            raise ValueError(f"not a path: {path!r}, at {path[place:]!r}")
        index, name = found["index"], found["name"]
        steps.append(int(index) if index is not None else found["quoted"] if name is None else name)
        place = found.end()
    return tuple(steps)


def show(value: Any) -> str:
    """Return a JSON value as text short enough to read."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else text
    return shorten(text)


def shorten(text: str, longest: int = _LONGEST) -> str:
    """Cut a long text in its middle."""
    return text if len(text) <= longest else f"{text[: longest // 2]} … {text[-longest // 2 :]}"


def wrong_status(want: str, answer: Answer) -> Difference:
    """Return the difference of an answer with another status than wanted, told in the answer's own words."""
    return Difference(at="status", want=want, got=f"{answer.status}: {_sentence(answer)}".removesuffix(": "))


def _differences(expect: Expectation, answer: Answer) -> Iterator[Difference]:
    text = answer.body.decode(errors="replace")
    if answer.status != expect.status:
        yield wrong_status(str(expect.status), answer)
        return
    if expect.time_limit is not None and answer.seconds > expect.time_limit:
        yield Difference(at="time", want=f"at most {expect.time_limit:g} s", got=f"{answer.seconds:.3f} s")
    if expect.error is not None and not _mentions(text, expect.error):
        yield Difference(at="error", want=f"a body that says {expect.error!r}", got=shorten(text))
    if not expect.has_body and not expect.subset:
        return
    try:
        body = json.loads(text)
    except ValueError:
        yield Difference(at="$", want="a JSON body", got=shorten(text) or "an empty body")
        return
    if expect.has_body:
        yield from compare(expect.body, body, rtol=expect.rtol, atol=expect.atol)
    for path, value in expect.subset.items():
        is_there, found = select(body, path)
        if not is_there:
            yield Difference(at=path, want=show(value), got=f"nothing there; the body is {show(body)}")
        else:
            yield from compare(value, found, rtol=expect.rtol, atol=expect.atol, path=path)


def _sentence(answer: Answer) -> str:
    text = answer.body.decode(errors="replace")
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    words = [body.get(key) for key in SENTENCE_KEYS] if isinstance(body, Mapping) else []
    return shorten(next((word for word in words if isinstance(word, str) and word), text), _LONGEST_SENTENCE)


def _mentions(text: str, wanted: str) -> bool:
    if wanted in text:
        return True
    try:
        return any(wanted in part for part in _strings(json.loads(text)))  # escapes in JSON hide quotes and umlauts
    except ValueError:
        return False


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif _is_array(value):
        for part in value:
            yield from _strings(part)


def _step(key: str) -> str:
    return f".{key}" if re.fullmatch(r"[^.\[\]']+", key) else f"['{key}']"


def _is_array(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_close(want: float, got: float, *, rtol: float, atol: float) -> bool:
    return want == got or (math.isfinite(got) and abs(got - want) <= atol + rtol * abs(want))

"""Following every pickle of a model file, and judging what loading it would do. Nothing is unpickled."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from builder.check.pickle_allowance import Allowance, Judgement, Objection
from builder.check.pickle_machine import read_pickle
from builder.check.pickle_reading import Event, PickleReading
from builder.check.pickle_streams import Damage, Loader, Stream, find_streams, opened
from builder.check.pickle_values import Buffer, Bytes, Global, Instance
from builder.check.skops import DamagedSkopsError, is_skops, skops_globals

_PRELUDE = 5
"""Pickles before the storages in PyTorch's older format."""


@dataclass(slots=True)
class Screening:
    """What following every pickle of one file found."""

    objections: list[tuple[str | None, Objection]] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    readings: list[tuple[Stream, PickleReading]] = field(default_factory=list)


def screen(path: Path, allowance: Allowance) -> Screening:
    """Follow every pickle of a file and judge it. OSError when it cannot be read."""
    with opened(path) as buffer:
        return screen_bytes(buffer, path.name, allowance)


def screen_bytes(buffer: Buffer, name: str, allowance: Allowance) -> Screening:
    """Follow every pickle in the bytes of a file of that name."""
    screening = Screening()
    _screen(find_streams(buffer, name), allowance, screening, 0)
    if is_skops(buffer):
        _screen_skops(buffer, allowance, screening)
    return screening


def _screen_skops(buffer: Buffer, allowance: Allowance, screening: Screening) -> None:
    """Judge the types a skops archive names, which the image loads with the consent to all of them."""
    member = "schema.json"
    try:
        for found, refusal in skops_globals(buffer):
            objections = allowance.judge([found])
            if refusal is not None:
                refused = Objection(judgement=Judgement.REFUSED, offset=0, subject=str(found), reason=refusal)
                objections = iter([refused])
            screening.objections.extend(
                (member, objection) for objection in objections if (member, objection) not in screening.objections
            )
    except DamagedSkopsError as error:
        screening.damages.append(Damage(text=str(error), member=member))


def _screen(streams: Iterable[Stream | Damage], allowance: Allowance, screening: Screening, depth: int) -> None:
    for found in streams:
        if isinstance(found, Damage):
            screening.damages.append(found)
        elif found.is_guess:
            _guess(found, allowance, screening)
        else:
            _follow(found, allowance, screening, depth)


def _follow(stream: Stream, allowance: Allowance, screening: Screening, depth: int) -> None:
    """Follow all pickles of a stream; every byte of it is accounted for."""
    position = stream.start
    count = 0
    while position < len(stream.buffer):
        reading = read_pickle(stream.buffer, position, has_arrays=stream.loader is Loader.JOBLIB)
        count += 1
        if count == 1 or reading.fault is None:
            screening.readings.append((stream, reading))
        if reading.fault is not None:
            _damaged(stream, reading, count, allowance, screening)
            return
        _object(stream, reading.events, allowance, screening)
        _follow_nested(stream, reading.events, allowance, screening, depth)
        if reading.arrays:
            _reread(stream, reading, allowance, screening)
        position = reading.end
        if stream.loader is Loader.OLD_TORCH and count == _PRELUDE:
            return
    if count == 0:
        screening.damages.append(Damage(text="it is empty", member=stream.member))


def _damaged(stream: Stream, reading: PickleReading, count: int, allowance: Allowance, screening: Screening) -> None:
    """A stream that breaks off: what was found up to there, and what a loader that is not as strict would find."""
    fault = reading.fault
    if fault is None:
        return
    # What stands before the break would already have run.
    named = [event for event in reading.events if not (isinstance(event, Global) and not _is_name(event))]
    _object(stream, named, allowance, screening)
    lenient = read_pickle(stream.buffer, reading.start, is_lenient=True)
    _object(stream, _real(lenient.events, allowance), allowance, screening)
    text = fault.text if count == 1 else f"after the end of the pickle: {fault.text}"
    remedy = _FLATTER if fault.is_deep else ""
    screening.damages.append(Damage(text=f"at offset {fault.offset}: {text}", member=stream.member, remedy=remedy))


_FLATTER = "keep what refers to the next one, and that to the next, in a list or an array, and save the model again"


def _reread(stream: Stream, reading: PickleReading, allowance: Allowance, screening: Screening) -> None:
    """Read what joblib wrote as plain pickle would, so that nothing hides in the bytes of an array."""
    plain = read_pickle(stream.buffer, reading.start, is_lenient=True)
    same = {event.offset: event.name for event in reading.events if isinstance(event, Global)}
    hidden = [event for event in plain.events if isinstance(event, Global) and same.get(event.offset) != event.name]
    _object(stream, _real(hidden, allowance), allowance, screening)
    if plain.fault is not None and plain.fault.is_ambiguous:
        text = f"at offset {plain.fault.offset}, in an array: read as plain pickle, {plain.fault.text}"
        screening.damages.append(Damage(text=text, member=stream.member))


def _guess(stream: Stream, allowance: Allowance, screening: Screening) -> None:
    """What nothing calls a pickle is one if it can be followed, and hostile if it names what could be imported."""
    reading = read_pickle(stream.buffer, stream.start, has_arrays=True)
    if reading.fault is None and reading.events:
        _follow(stream, allowance, screening, _DEEPEST)
        return
    lenient = read_pickle(stream.buffer, stream.start, is_lenient=True)
    _object(stream, _real([*reading.events, *lenient.events], allowance), allowance, screening)


_DEEPEST = 3


def _follow_nested(stream: Stream, events: list[Event], allowance: Allowance, screening: Screening, depth: int) -> None:
    """Follow what a tensor in a plain pickle holds: an archive of PyTorch's own, as bytes."""
    for event in events:
        instance = getattr(event, "instance", None)
        if not isinstance(instance, Instance) or str(instance.callee) != "torch.storage._load_from_bytes":
            continue
        content = instance.args[0] if instance.args else None
        if isinstance(content, Bytes) and depth < _DEEPEST:
            where = f"{stream.member or ''}@{content.start}"
            _screen(find_streams(content.content(), "tensor.pt", where), allowance, screening, depth + 1)
        else:
            screening.damages.append(Damage(text="a tensor's bytes are not constant", member=stream.member))


def _object(stream: Stream, events: Iterable[Event], allowance: Allowance, screening: Screening) -> None:
    is_torch = stream.loader in (Loader.TORCH, Loader.OLD_TORCH)
    known = {(member, objection.subject, objection.reason) for member, objection in screening.objections}
    for objection in allowance.judge(events, is_torch=is_torch):
        if (stream.member, objection.subject, objection.reason) not in known:
            screening.objections.append((stream.member, objection))


def _real(events: Iterable[Event], allowance: Allowance) -> Iterator[Global]:
    """Of globals met where no pickle is expected, those whose module would be there to import."""
    for event in events:
        if isinstance(event, Global) and _is_name(event):
            root = event.module.partition(".")[0]
            if root in sys.stdlib_module_names or allowance.knows(event.module):
                yield event


def _is_name(event: Global) -> bool:
    return all(part.isidentifier() for part in (*event.module.split("."), *event.name.split(".")))

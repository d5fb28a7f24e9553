"""Random opcode programs: nothing but findings comes out, and what is accepted calls nothing that is not allowed."""

from __future__ import annotations

import contextlib
import importlib
import io
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.check.artifacts.read import read_bytes
from builder.check.pickle_allowance import Allowance, Judgement
from builder.check.pickle_classes import Definitions
from builder.check.pickle_machine import read_pickle
from builder.check.pickle_screening import screen_bytes

MODELS = sorted(
    path
    for path in (Path(__file__).resolve().parents[2] / "fixtures" / "artifacts").iterdir()
    if path.is_file() and path.suffix not in (".py", ".json", ".md") and path.stat().st_size < 9_000
)
MODULES = ["os", "posix", "builtins", "collections", "copyreg", "functools", "operator", "random", "datetime", "types"]
NAMES = [
    "system", "eval", "exec", "getattr", "__import__", "set", "list", "dict", "tuple", "bytearray", "object", "type",
    "slice", "OrderedDict", "defaultdict", "deque", "Counter", "_reconstructor", "__newobj__", "__newobj_ex__",
    "partial", "attrgetter", "Random", "date", "SimpleNamespace", "range", "print", "open", "Path", "frozenset",
]  # fmt: skip
TEXTS = [*MODULES, *NAMES, "__class__", "__dict__", "__setstate__", "x", "os.system", ""]


def short_text(text: str) -> bytes:
    raw = text.encode()
    return b"\x8c" + struct.pack("<B", len(raw)) + raw


def pack(code: bytes, layout: str, *values: Any) -> bytes:
    return code + struct.pack(layout, *values)


OPCODES = st.one_of(
    st.sampled_from([bytes([code]) for code in b"N\x88\x89()]}\x8f0122tld\x85\x86\x87aeus\x90\x91\x93\x94Rob\x81\x92"]),
    st.sampled_from(TEXTS).map(short_text),
    st.sampled_from(TEXTS).map(lambda text: b"V" + text.encode() + b"\n"),
    st.sampled_from(TEXTS).map(lambda text: b"S'" + text.encode() + b"'\n"),
    st.tuples(st.sampled_from(b"ci"), st.sampled_from(MODULES), st.sampled_from(NAMES)).map(
        lambda parts: bytes([parts[0]]) + f"{parts[1]}\n{parts[2]}\n".encode()
    ),
    st.integers(0, 40).map(lambda value: pack(b"K", "<B", value)),
    st.integers(-9, 40).map(lambda value: f"I{value}\n".encode()),
    st.integers(0, 6).map(lambda value: pack(b"q", "<B", value)),
    st.integers(0, 6).map(lambda value: pack(b"h", "<B", value)),
    st.integers(-1, 6).map(lambda value: f"p{value}\n".encode()),
    st.integers(-1, 6).map(lambda value: f"g{value}\n".encode()),
    st.integers(0, 60).map(lambda value: pack(b"\x95", "<Q", value)),
    st.integers(0, 6).map(lambda value: pack(b"\x80", "<B", value)),
    st.binary(max_size=6).map(lambda value: b"C" + bytes([len(value)]) + value),
    st.sampled_from([b"\x82\x01", b"P0\n", b"Q", b"\x97", b"\x98", b"."]),
    # Whole phrases, so that programs often get far.
    st.tuples(st.sampled_from(MODULES), st.sampled_from(NAMES)).map(
        lambda pair: short_text(pair[0]) + short_text(pair[1]) + b"\x93"
    ),
    st.sampled_from([b")R", b")\x81", b"}b", b"]R", b"(tR", b")}\x92"]),
)
PROGRAMS = st.lists(OPCODES, max_size=24).map(lambda parts: b"\x80\x04" + b"".join(parts) + b".") | st.lists(
    OPCODES, max_size=24
).map(lambda parts: b"".join(parts) + b".")

allowance = Allowance(Definitions())


class TrappedError(Exception):
    pass


def trapped_unpickler(base: Any, content: bytes, asked: list[tuple[str, str]]) -> Any:
    class Unpickler(base):
        def find_class(self, module: str, name: str) -> Any:
            asked.append((module, name))
            if allowance.verdict(module, name).judgement is not Judgement.ALLOWED:
                raise TrappedError
            found = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
            return found

    return Unpickler(io.BytesIO(content))


@pytest.mark.parametrize("base", [pickle.Unpickler, pickle._Unpickler])
@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=PROGRAMS)
def test_an_accepted_program_asks_python_for_nothing_but_what_was_seen_and_allowed(base: Any, content: bytes) -> None:
    screening = screen_bytes(content, "model.pkl", allowance)
    if screening.damages or any(objection.judgement is not Judgement.ALLOWED for _, objection in screening.objections):
        return
    seen = {
        (event.module, event.name)
        for _, reading in screening.readings
        for event in reading.events
        if hasattr(event, "module")
    }
    asked: list[tuple[str, str]] = []
    unpickler = trapped_unpickler(base, content, asked)
    try:
        unpickler.load()
    except TrappedError:
        pytest.fail(f"{asked[-1]} is not allowed, and was not found")
    except Exception:  # noqa: BLE001 - an allowed callable may well refuse its arguments
        assert set(asked) <= seen
    assert set(asked) <= seen


@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=PROGRAMS)
def test_a_lenient_reading_names_every_global_python_asks_for(content: bytes) -> None:
    lenient = read_pickle(content, is_lenient=True)
    asked: list[tuple[str, str]] = []
    with contextlib.suppress(Exception):  # it may break off anywhere
        trapped_unpickler(pickle.Unpickler, content, asked).load()
    seen = {(event.module, event.name) for event in lenient.events if hasattr(event, "module")}
    assert set(asked) <= seen or (lenient.fault is not None and lenient.fault.is_ambiguous)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_models_are_read_without_a_crash(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(MODELS))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        if not content:
            break
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.integers(0, 3))
        if kind == 0:
            content[at] = data.draw(st.integers(0, 255))
        elif kind == 1:
            del content[at : at + data.draw(st.integers(1, 40))]
        elif kind == 2:
            content[at:at] = data.draw(st.binary(max_size=12))
        else:
            del content[at:]
    read_bytes(bytes(content), path.name)
    screen_bytes(bytes(content), path.name, allowance)


MAGIC = [
    b"", b"\x80\x05", b"\x80\x02", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x78\x9c", b"\x1f\x8b\x08", b"BZh9",
    b"\xfd7zXZ\x00", b"\x5d\x00\x00", b"\x04\x22\x4d\x18", b"CBM1", b"tree\nversion=v4\n", b'{"learner":',
    b"{L\0\0\0\0\0\0\0\x07learner{", b"\x08\x08", b"\x89HDF\r\n\x1a\n", b"\x10\0\0\0\0\0\0\0{", b"binf", b"ZF0x",
]  # fmt: skip


@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
@given(magic=st.sampled_from(MAGIC), rest=st.binary(max_size=200), name=st.sampled_from(["m.pkl", "m.bin", "MLmodel"]))
def test_any_bytes_are_read_without_a_crash(magic: bytes, rest: bytes, name: str) -> None:
    read_bytes(magic + rest, name)
    screen_bytes(magic + rest, name, allowance)

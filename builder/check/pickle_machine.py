"""A pickle machine that builds descriptions: every opcode is followed with a real stack and memo, and nothing happens.

It is stricter than Python. Whatever the two loaders of Python (C and Python), or joblib's, read differently is refused:
frames that do not fit their opcodes, a second PROTO, numbers not as Python writes them, extension codes, names that are
not constant text. So one reading holds for all of them. (CPython, Lib/pickle.py and Modules/_pickle.c; PEPs 307,
3154 and 574.)
"""

from __future__ import annotations

import _compat_pickle
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from builder.check.pickle_arrays import OddArrayError, is_array_wrapper, plan_array
from builder.check.pickle_values import (
    Array,
    Buffer,
    Bytes,
    Collection,
    Global,
    Instance,
    Mapping,
    OldText,
    Persistent,
    Value,
)


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What loading would call: ``callee(…)``, or ``cls.__new__(cls, …)`` where the instance says it is no call."""

    offset: int
    opcode: str
    instance: Instance


@dataclass(frozen=True, slots=True, eq=False)
class Build:
    """A state that loading would give an object: ``__setstate__``, or its attributes."""

    offset: int
    target: Value
    state: Value


@dataclass(frozen=True, slots=True, eq=False)
class Fill:
    """Items that loading would put into an object that is no plain list, dict or set: its own methods are called."""

    offset: int
    opcode: str
    target: Instance


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """An object that loading would ask the loader's ``persistent_load`` for."""

    offset: int
    persistent: Persistent


Event = Global | Call | Build | Fill | Outside
"""What loading would do beyond building plain data, in the order it would."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a stream cannot be followed any further."""

    offset: int
    text: str
    is_ambiguous: bool = False
    """Frames and opcodes do not fit, and what Python then reads depends on how its file is buffered."""


@dataclass(slots=True)
class PickleReading:
    """What following one pickle gave: up to its STOP, or to the fault that ends it."""

    start: int
    end: int = 0
    value: Value = None
    protocol: int = 0
    """The highest that was met; a nested pickle has its own."""
    events: list[Event] = field(default_factory=list)
    fault: Fault | None = None
    arrays: int = 0
    """How many arrays lay beside the opcodes, as joblib writes them."""


def read_pickle(buffer: Buffer, start: int = 0, *, has_arrays: bool = False, is_lenient: bool = False) -> PickleReading:
    """Follow the pickle that begins at ``start``. ``has_arrays`` reads as joblib does; otherwise as ``pickle`` does.

    A lenient reading goes on wherever some loader would, so that it finds what a strict one leaves unread; it can
    show that a stream is hostile, never that it is harmless. Never raises for what the stream holds.
    """
    reading = PickleReading(start=start)
    machine = _Machine(buffer, reading, has_arrays=has_arrays, is_lenient=is_lenient)
    try:
        machine.run()
    except _RefusedError as refusal:
        reading.fault = Fault(refusal.offset, refusal.text, refusal.is_ambiguous)
        reading.end = machine.position
    return reading


class _RefusedError(Exception):
    def __init__(self, offset: int, text: str, *, is_ambiguous: bool = False) -> None:
        super().__init__(text)
        self.offset = offset
        self.text = text
        self.is_ambiguous = is_ambiguous


_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_INT: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,4000})")
_LONG: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,4000})L?")
_FLOAT: Final = re.compile(rb"-?(?:[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?|inf|nan)")
_WORD: Final = struct.Struct("<I")
_QUAD: Final = struct.Struct("<Q")
_LONGEST_LINE: Final = 1 << 24
_HIGHEST_MEMO: Final = 1 << 31


class _Machine:
    """The stack, the metastack of marks, the memo, the frame, and one method per opcode."""

    def __init__(self, buffer: Buffer, reading: PickleReading, *, has_arrays: bool, is_lenient: bool) -> None:
        self.buffer = buffer
        self.is_lenient = is_lenient
        self.size = len(buffer)
        self.reading = reading
        self.has_arrays = has_arrays
        self.position = reading.start
        self.at = reading.start
        """Offset of the opcode being followed."""
        self.frame_end: int | None = None
        self.protocol = 0
        self.stack: list[Value] = []
        self.marks: list[list[Value]] = []
        self.memo: dict[int, Value] = {}

    def run(self) -> None:
        """Follow opcodes up to STOP."""
        while True:
            if self.position == self.frame_end:
                self.frame_end = None
            self.at = self.position
            code = self.byte()
            if code == 0x2E:
                break
            handler = _HANDLERS.get(code)
            if handler is None:
                raise self.refusal(f"byte 0x{code:02x} is no opcode")
            handler(self)
        if self.marks or len(self.stack) != 1:
            self.object("the stream stops with more or less than one object on the stack")
        if self.frame_end not in (None, self.position):
            self.object("the stream stops inside of a frame")
        self.reading.value = self.top
        self.reading.end = self.position

    def refusal(self, text: str) -> _RefusedError:
        """Return the refusal of the current opcode."""
        return _RefusedError(self.at, text)

    def object(self, text: str) -> None:
        """Refuse what some loader would accept; a lenient machine goes on."""
        if not self.is_lenient:
            raise self.refusal(text)

    # Bytes of the stream

    def skip(self, size: int) -> int:
        """Pass ``size`` bytes and return where they began; all of them are in the stream and in the frame."""
        start = self.position
        limit = self.size if self.frame_end is None else self.frame_end
        if size > limit - start:
            if self.frame_end is None:
                raise self.refusal("the stream is truncated")
            raise _RefusedError(self.at, "an opcode reaches over its frame", is_ambiguous=True)
        self.position = start + size
        return start

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes."""
        start = self.skip(size)
        return self.buffer[start : start + size]

    def byte(self) -> int:
        """Return the next byte."""
        return self.buffer[self.skip(1)]

    def number(self, layout: struct.Struct) -> int:
        """Return the next number."""
        (value,) = layout.unpack(self.take(layout.size))
        if value < 0:
            raise self.refusal("a size or an index is negative")
        return int(value)

    def line(self) -> bytes:
        """Return the bytes up to the next newline, which must be there."""
        end = self.buffer.find(b"\n", self.position, min(self.size, self.position + _LONGEST_LINE))
        if end < 0:
            raise _RefusedError(self.at, "a line has no end", is_ambiguous=self.frame_end is not None)
        return self.take(end - self.position + 1)[:-1]

    # The stack

    def push(self, value: Value) -> None:
        """Push a value."""
        self.stack.append(value)

    def pop(self) -> Value:
        """Pop a value that was pushed since the last mark."""
        if not self.stack:
            raise self.refusal("the stack is empty")
        return self.stack.pop()

    @property
    def top(self) -> Value:
        """The value on top."""
        if not self.stack:
            raise self.refusal("the stack is empty")
        return self.stack[-1]

    def pop_mark(self) -> list[Value]:
        """Pop everything down to the last mark, and the mark."""
        if not self.marks:
            raise self.refusal("there is no mark on the stack")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def note(self, event: Event) -> None:
        """Remember what loading would do here."""
        self.reading.events.append(event)

    # Globals, calls and states

    def refer(self, module: str, name: str) -> Global:
        """Return the global that ``find_class`` would be asked for."""
        if self.protocol < 3:
            # Python 2 names are translated as the unpickler does by default (fix_imports).
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            elif module in _compat_pickle.IMPORT_MAPPING:
                module = _compat_pickle.IMPORT_MAPPING[module]
        found = Global(module, name, self.at)
        self.note(found)
        if not _NAME.fullmatch(module) or not _NAME.fullmatch(name):
            self.object(f"{module!r} {name!r} is not the name of a global")
        return found

    def call(self, opcode: str, callee: Value, args: Value, kwargs: Value = None, *, is_call: bool) -> Instance:
        """Return what a call would give."""
        if not isinstance(args, tuple):
            raise self.refusal(f"{opcode} with arguments that are no tuple")
        instance = Instance(callee, args, kwargs, self.at, is_call=is_call)
        self.note(Call(self.at, opcode, instance))
        return instance

    def memoise(self, index: int) -> None:
        """Remember the top of the stack."""
        if not 0 <= index < _HIGHEST_MEMO:
            raise self.refusal(f"memo index {index} is out of bounds")
        self.memo[index] = self.top

    def recall(self, index: int) -> None:
        """Push what was remembered."""
        if index not in self.memo:
            raise self.refusal(f"memo index {index} was never set")
        self.push(self.memo[index])

    def fill(self, opcode: str, target: Value, items: list[Value]) -> None:
        """Put items into a list, a set, or an object that has methods for it."""
        if isinstance(target, Instance):
            self.note(Fill(self.at, opcode, target))
            target.filled.extend(items)
        elif isinstance(target, list) and opcode.startswith("APPEND"):
            target.extend(items)
        elif isinstance(target, Collection) and opcode == "ADDITEMS":
            target.items.extend(items)
        else:
            self.object(f"{opcode} into something that holds no items")

    def store(self, opcode: str, target: Value, items: list[Value]) -> None:
        """Store keys and values into a dict, or an object that has a method for it."""
        if len(items) % 2:
            raise self.refusal(f"{opcode} with a key that has no value")
        pairs = list(zip(items[::2], items[1::2], strict=True))
        if isinstance(target, Mapping):
            target.pairs.extend(pairs)
        elif isinstance(target, Instance):
            self.note(Fill(self.at, opcode, target))
            target.filled.extend(pairs)
        else:
            self.object(f"{opcode} into something that holds no keys")

    def build(self) -> None:
        """Give the object below the top its state; an array of joblib's is then read from beside the opcodes."""
        state = self.pop()
        target = self.top
        self.note(Build(self.at, target, state))
        if not isinstance(target, Instance):
            self.object("BUILD of something that is no object of a class")
            return
        target.states.append(state)
        if self.has_arrays and is_array_wrapper(target):
            self.stack[-1] = self.read_array(target)

    def read_array(self, wrapper: Instance) -> Array:
        """Pass the bytes joblib wrote after a NumpyArrayWrapper, or follow the pickle of an array of objects."""
        if self.position == self.frame_end:
            self.frame_end = None
        if self.frame_end is not None:
            raise self.refusal("an array lies inside of a frame")
        self.reading.arrays += 1
        try:
            plan = plan_array(wrapper)
        except OddArrayError as fault:
            raise self.refusal(str(fault)) from None
        if plan.has_objects:
            nested = read_pickle(self.buffer, self.position)
            self.reading.events.extend(nested.events)
            self.reading.protocol = max(self.reading.protocol, nested.protocol)
            self.position = nested.end
            if nested.fault is not None:
                raise _RefusedError(nested.fault.offset, nested.fault.text, is_ambiguous=nested.fault.is_ambiguous)
            return Array(plan.typestr, plan.shape, None, nested.value)
        if plan.is_padded:
            # 1 to 16 are no opcodes: whoever reads on as plain pickle stops here.
            padding = self.take(1)[0]
            if not 1 <= padding <= 16 or self.take(padding) != b"\xff" * padding:
                raise self.refusal("the padding before an array is not as joblib writes it")
        start = self.skip(plan.size)
        return Array(plan.typestr, plan.shape, Bytes(self.buffer, start, self.position))


_Handler = Callable[[_Machine], None]
_HANDLERS: Final[dict[int, _Handler]] = {}


def _opcode(code: str) -> Callable[[_Handler], _Handler]:
    def register(handler: _Handler) -> _Handler:
        _HANDLERS[ord(code)] = handler
        return handler

    return register


# Framing and protocol


@_opcode("\x80")
def _proto(m: _Machine) -> None:
    if m.at != m.reading.start:
        m.object("PROTO stands anywhere but at the start")
    m.protocol = m.byte()
    m.reading.protocol = max(m.reading.protocol, m.protocol)
    if m.protocol > 5:
        raise m.refusal(f"pickle protocol {m.protocol} does not exist")


@_opcode("\x95")
def _frame(m: _Machine) -> None:
    if m.frame_end is not None:
        raise _RefusedError(m.at, "a frame begins inside of a frame", is_ambiguous=True)
    size = m.number(_QUAD)
    if size > m.size - m.position:
        raise m.refusal("a frame is longer than the stream")
    m.frame_end = m.position + size


# Constants


@_opcode("N")
def _none(m: _Machine) -> None:
    m.push(None)


@_opcode("\x88")
def _true(m: _Machine) -> None:
    m.push(True)


@_opcode("\x89")
def _false(m: _Machine) -> None:
    m.push(False)


@_opcode("I")
def _int(m: _Machine) -> None:
    line = m.line()
    if line in (b"00", b"01"):
        m.push(line == b"01")
    else:
        m.push(_written(m, _INT, line, int))


@_opcode("L")
def _long(m: _Machine) -> None:
    m.push(_written(m, _LONG, m.line(), lambda line: int(line.rstrip(b"L"))))


@_opcode("F")
def _float(m: _Machine) -> None:
    m.push(_written(m, _FLOAT, m.line(), float))


def _written(m: _Machine, form: re.Pattern[bytes], line: bytes, convert: Callable[[bytes], float]) -> float:
    if not form.fullmatch(line):
        m.object("a number is not written as Python writes it")
        return 0
    return convert(line)


@_opcode("K")
def _binint1(m: _Machine) -> None:
    m.push(m.byte())


def _fixed(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: _Machine) -> None:
        (value,) = layout.unpack(m.take(layout.size))
        m.push(value)


_fixed("J", "<i")
_fixed("M", "<H")
_fixed("G", ">d")


def _long_of(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: _Machine) -> None:
        m.push(int.from_bytes(m.take(m.number(layout)), "little", signed=True))


_long_of("\x8a", "<B")
_long_of("\x8b", "<i")


@_opcode("S")
def _string(m: _Machine) -> None:
    line = m.line()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise m.refusal("a string has no quotes around it")
    m.push(OldText(line[1:-1]))


def _old_string(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: _Machine) -> None:
        m.push(OldText(m.take(m.number(layout))))


_old_string("T", "<i")
_old_string("U", "<B")


@_opcode("V")
def _unicode(m: _Machine) -> None:
    try:
        m.push(m.line().decode("raw-unicode-escape"))
    except UnicodeDecodeError:
        raise m.refusal("text is not what its encoding allows") from None


def _text(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: _Machine) -> None:
        try:
            m.push(m.take(m.number(layout)).decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            raise m.refusal("text is not UTF-8") from None


@_opcode("\x8c")
def _short_text(m: _Machine) -> None:
    try:
        m.push(m.take(m.byte()).decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        raise m.refusal("text is not UTF-8") from None


_text("X", "<I")
_text("\x8d", "<Q")


def _bytes(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: _Machine) -> None:
        size = m.number(layout)
        start = m.skip(size)
        m.push(Bytes(m.buffer, start, start + size))


_bytes("C", "<B")
_bytes("B", "<I")
_bytes("\x8e", "<Q")
_bytes("\x96", "<Q")

# Containers


@_opcode("(")
def _mark(m: _Machine) -> None:
    m.marks.append(m.stack)
    m.stack = []


@_opcode("0")
def _pop(m: _Machine) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.pop_mark()


@_opcode("1")
def _pop_mark(m: _Machine) -> None:
    m.pop_mark()


@_opcode("2")
def _dup(m: _Machine) -> None:
    m.push(m.top)


@_opcode(")")
def _empty_tuple(m: _Machine) -> None:
    m.push(())


@_opcode("t")
def _tuple(m: _Machine) -> None:
    items = m.pop_mark()
    m.push(tuple(items))


def _tuple_of(code: str, count: int) -> None:
    @_opcode(code)
    def handle(m: _Machine) -> None:
        items = [m.pop() for _ in range(count)]
        m.push(tuple(reversed(items)))


_tuple_of("\x85", 1)
_tuple_of("\x86", 2)
_tuple_of("\x87", 3)


@_opcode("]")
def _empty_list(m: _Machine) -> None:
    m.push([])


@_opcode("l")
def _list(m: _Machine) -> None:
    items = m.pop_mark()
    m.push(items)


@_opcode("a")
def _append(m: _Machine) -> None:
    item = m.pop()
    m.fill("APPEND", m.top, [item])


@_opcode("e")
def _appends(m: _Machine) -> None:
    items = m.pop_mark()
    m.fill("APPENDS", m.top, items)


@_opcode("}")
def _empty_dict(m: _Machine) -> None:
    m.push(Mapping())


@_opcode("d")
def _dict(m: _Machine) -> None:
    items = m.pop_mark()
    mapping = Mapping()
    m.push(mapping)
    m.store("DICT", mapping, items)


@_opcode("s")
def _setitem(m: _Machine) -> None:
    value, key = m.pop(), m.pop()
    m.store("SETITEM", m.top, [key, value])


@_opcode("u")
def _setitems(m: _Machine) -> None:
    items = m.pop_mark()
    m.store("SETITEMS", m.top, items)


@_opcode("\x8f")
def _empty_set(m: _Machine) -> None:
    m.push(Collection())


@_opcode("\x90")
def _additems(m: _Machine) -> None:
    items = m.pop_mark()
    m.fill("ADDITEMS", m.top, items)


@_opcode("\x91")
def _frozenset(m: _Machine) -> None:
    items = m.pop_mark()
    m.push(Collection(items))


# Memo


@_opcode("p")
def _put(m: _Machine) -> None:
    m.memoise(_index(m))


@_opcode("q")
def _binput(m: _Machine) -> None:
    m.memoise(m.byte())


@_opcode("r")
def _long_binput(m: _Machine) -> None:
    m.memoise(m.number(_WORD))


@_opcode("\x94")
def _memoize(m: _Machine) -> None:
    m.memoise(len(m.memo))


@_opcode("g")
def _get(m: _Machine) -> None:
    m.recall(_index(m))


@_opcode("h")
def _binget(m: _Machine) -> None:
    m.recall(m.byte())


@_opcode("j")
def _long_binget(m: _Machine) -> None:
    m.recall(m.number(_WORD))


def _index(m: _Machine) -> int:
    line = m.line()
    if not _INT.fullmatch(line):
        m.object("a memo index is not written as Python writes it")
    try:
        return int(line)
    except ValueError:
        raise m.refusal("a memo index is no number") from None


# Globals, calls, states


@_opcode("c")
def _global(m: _Machine) -> None:
    m.push(m.refer(_name(m), _name(m)))


@_opcode("\x93")
def _stack_global(m: _Machine) -> None:
    name, module = m.pop(), m.pop()
    if m.is_lenient:
        module, name = (str(part) if isinstance(part, OldText) else part for part in (module, name))
    if not isinstance(name, str) or not isinstance(module, str):
        raise m.refusal("STACK_GLOBAL of names that are not constant text")
    m.push(m.refer(module, name))


def _name(m: _Machine) -> str:
    try:
        return m.line().decode()
    except UnicodeDecodeError:
        raise m.refusal("the name of a global is not UTF-8") from None


@_opcode("i")
def _inst(m: _Machine) -> None:
    callee = m.refer(_name(m), _name(m))
    args = tuple(m.pop_mark())
    m.push(m.call("INST", callee, args, is_call=True))


@_opcode("o")
def _obj(m: _Machine) -> None:
    items = m.pop_mark()
    if not items:
        raise m.refusal("OBJ without a class")
    m.push(m.call("OBJ", items[0], tuple(items[1:]), is_call=True))


@_opcode("R")
def _reduce(m: _Machine) -> None:
    args, callee = m.pop(), m.pop()
    m.push(m.call("REDUCE", callee, args, is_call=True))


@_opcode("\x81")
def _newobj(m: _Machine) -> None:
    args, callee = m.pop(), m.pop()
    m.push(m.call("NEWOBJ", callee, args, is_call=False))


@_opcode("\x92")
def _newobj_ex(m: _Machine) -> None:
    kwargs, args, callee = m.pop(), m.pop(), m.pop()
    if not isinstance(kwargs, Mapping):
        raise m.refusal("NEWOBJ_EX with keywords that are no dict")
    m.push(m.call("NEWOBJ_EX", callee, args, kwargs, is_call=False))


@_opcode("b")
def _build(m: _Machine) -> None:
    m.build()


def _extension(code: str) -> None:
    @_opcode(code)
    def handle(m: _Machine) -> None:
        raise m.refusal("an extension code stands for a global that only the loading process knows")


for _code in "\x82\x83\x84":
    _extension(_code)


@_opcode("P")
def _persid(m: _Machine) -> None:
    _outside(m, _name(m))


@_opcode("Q")
def _binpersid(m: _Machine) -> None:
    _outside(m, m.pop())


def _outside(m: _Machine, key: Value) -> None:
    persistent = Persistent(key, m.at)
    m.note(Outside(m.at, persistent))
    m.push(persistent)


@_opcode("\x97")
def _next_buffer(m: _Machine) -> None:
    raise m.refusal("the stream wants a buffer from outside of the file")


@_opcode("\x98")
def _readonly_buffer(m: _Machine) -> None:
    raise m.refusal("the stream wants a buffer from outside of the file")

"""One function per opcode of pickle, protocols 0 to 5."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final

from builder.check.pickle_reading import Outside
from builder.check.pickle_state import Handler, Machine, RefusedError
from builder.check.pickle_values import Bytes, Collection, Mapping, OldText, Persistent, Value

_INT: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,4000})")
_LONG: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,4000})L?")
_FLOAT: Final = re.compile(rb"-?(?:[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?|inf|nan)")
_WORD: Final = struct.Struct("<I")
_QUAD: Final = struct.Struct("<Q")

HANDLERS: Final[dict[int, Handler]] = {}
"""By the opcode's byte; STOP is the machine's own."""


def _opcode(code: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS[ord(code)] = handler
        return handler

    return register


# Framing and protocol


@_opcode("\x80")
def _proto(m: Machine) -> None:
    if m.at != m.reading.start:
        m.object("PROTO stands anywhere but at the start")
    m.protocol = m.byte()
    m.reading.protocol = max(m.reading.protocol, m.protocol)
    if m.protocol > 5:
        raise m.refusal(f"pickle protocol {m.protocol} does not exist")


@_opcode("\x95")
def _frame(m: Machine) -> None:
    if m.frame_end is not None:
        raise RefusedError(m.at, "a frame begins inside of a frame", is_ambiguous=True)
    size = m.number(_QUAD)
    if size > m.size - m.position:
        raise m.refusal("a frame is longer than the stream")
    m.frame_end = m.position + size


# Constants


def _constant(code: str, value: Value) -> None:
    @_opcode(code)
    def handle(m: Machine) -> None:
        m.push(value)


_constant("N", None)
_constant("\x88", True)
_constant("\x89", False)
_constant(")", ())


@_opcode("I")
def _int(m: Machine) -> None:
    line = m.line()
    if line in (b"00", b"01"):
        m.push(line == b"01")
    else:
        m.push(_written(m, _INT, line, int))


@_opcode("L")
def _long(m: Machine) -> None:
    m.push(_written(m, _LONG, m.line(), lambda line: int(line.rstrip(b"L"))))


@_opcode("F")
def _float(m: Machine) -> None:
    m.push(_written(m, _FLOAT, m.line(), float))


def _written(m: Machine, form: re.Pattern[bytes], line: bytes, convert: Callable[[bytes], float]) -> float:
    if not form.fullmatch(line):
        m.object("a number is not written as Python writes it")
        return 0
    return convert(line)


@_opcode("K")
def _binint1(m: Machine) -> None:
    m.push(m.byte())


def _fixed(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: Machine) -> None:
        (value,) = layout.unpack(m.take(layout.size))
        m.push(value)


_fixed("J", "<i")
_fixed("M", "<H")
_fixed("G", ">d")


def _long_of(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: Machine) -> None:
        m.push(int.from_bytes(m.take(m.number(layout)), "little", signed=True))


_long_of("\x8a", "<B")
_long_of("\x8b", "<i")


@_opcode("S")
def _string(m: Machine) -> None:
    line = m.line()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise m.refusal("a string has no quotes around it")
    m.push(OldText(line[1:-1]))


def _old_string(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: Machine) -> None:
        m.push(OldText(m.take(m.number(layout))))


_old_string("T", "<i")
_old_string("U", "<B")


@_opcode("V")
def _unicode(m: Machine) -> None:
    try:
        m.push(m.line().decode("raw-unicode-escape"))
    except UnicodeDecodeError:
        raise m.refusal("text is not what its encoding allows") from None


def _text(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: Machine) -> None:
        try:
            m.push(m.take(m.number(layout)).decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            raise m.refusal("text is not UTF-8") from None


@_opcode("\x8c")
def _short_text(m: Machine) -> None:
    try:
        m.push(m.take(m.byte()).decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        raise m.refusal("text is not UTF-8") from None


_text("X", "<I")
_text("\x8d", "<Q")


def _bytes(code: str, written: str) -> None:
    layout = struct.Struct(written)

    @_opcode(code)
    def handle(m: Machine) -> None:
        size = m.number(layout)
        start = m.skip(size)
        m.push(Bytes(m.buffer, start, start + size))


_bytes("C", "<B")
_bytes("B", "<I")
_bytes("\x8e", "<Q")
_bytes("\x96", "<Q")

# Containers


@_opcode("(")
def _mark(m: Machine) -> None:
    m.marks.append(m.stack)
    m.stack = []


@_opcode("0")
def _pop(m: Machine) -> None:
    if m.stack:
        m.drop([m.stack.pop()])
    else:
        m.drop(m.pop_mark())


@_opcode("1")
def _pop_mark(m: Machine) -> None:
    m.drop(m.pop_mark())


@_opcode("2")
def _dup(m: Machine) -> None:
    m.push(m.top)
    m.count(m.top, 1)


@_opcode("t")
def _tuple(m: Machine) -> None:
    items = m.pop_mark()
    m.push(tuple(items))


def _tuple_of(code: str, count: int) -> None:
    @_opcode(code)
    def handle(m: Machine) -> None:
        items = [m.pop() for _ in range(count)]
        m.push(tuple(reversed(items)))


_tuple_of("\x85", 1)
_tuple_of("\x86", 2)
_tuple_of("\x87", 3)


@_opcode("]")
def _empty_list(m: Machine) -> None:
    m.push([])


@_opcode("l")
def _list(m: Machine) -> None:
    items = m.pop_mark()
    m.push(items)


@_opcode("a")
def _append(m: Machine) -> None:
    item = m.pop()
    m.fill("APPEND", m.top, [item])


@_opcode("e")
def _appends(m: Machine) -> None:
    items = m.pop_mark()
    m.fill("APPENDS", m.top, items)


@_opcode("}")
def _empty_dict(m: Machine) -> None:
    m.push(Mapping())


@_opcode("d")
def _dict(m: Machine) -> None:
    items = m.pop_mark()
    mapping = Mapping()
    m.push(mapping)
    m.store("DICT", mapping, items)


@_opcode("s")
def _setitem(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    m.store("SETITEM", m.top, [key, value])


@_opcode("u")
def _setitems(m: Machine) -> None:
    items = m.pop_mark()
    m.store("SETITEMS", m.top, items)


@_opcode("\x8f")
def _empty_set(m: Machine) -> None:
    m.push(Collection())


@_opcode("\x90")
def _additems(m: Machine) -> None:
    items = m.pop_mark()
    m.fill("ADDITEMS", m.top, items)


@_opcode("\x91")
def _frozenset(m: Machine) -> None:
    items = m.pop_mark()
    m.hash("FROZENSET", items)
    m.push(Collection(items))


# Memo


@_opcode("p")
def _put(m: Machine) -> None:
    m.memoise(_index(m))


@_opcode("q")
def _binput(m: Machine) -> None:
    m.memoise(m.byte())


@_opcode("r")
def _long_binput(m: Machine) -> None:
    m.memoise(m.number(_WORD))


@_opcode("\x94")
def _memoize(m: Machine) -> None:
    m.memoise(len(m.memo))


@_opcode("g")
def _get(m: Machine) -> None:
    m.recall(_index(m))


@_opcode("h")
def _binget(m: Machine) -> None:
    m.recall(m.byte())


@_opcode("j")
def _long_binget(m: Machine) -> None:
    m.recall(m.number(_WORD))


def _index(m: Machine) -> int:
    line = m.line()
    if not _INT.fullmatch(line):
        m.object("a memo index is not written as Python writes it")
    try:
        return int(line)
    except ValueError:
        raise m.refusal("a memo index is no number") from None


# Globals, calls, states


@_opcode("c")
def _global(m: Machine) -> None:
    m.push(m.refer(_name(m), _name(m)))


@_opcode("\x93")
def _stack_global(m: Machine) -> None:
    name, module = m.pop(), m.pop()
    if m.is_lenient:
        module, name = (str(part) if isinstance(part, OldText) else part for part in (module, name))
    if not isinstance(name, str) or not isinstance(module, str):
        raise m.refusal("STACK_GLOBAL of names that are not constant text")
    m.push(m.refer(module, name))


def _name(m: Machine) -> str:
    try:
        return m.line().decode()
    except UnicodeDecodeError:
        raise m.refusal("the name of a global is not UTF-8") from None


@_opcode("i")
def _inst(m: Machine) -> None:
    callee = m.refer(_name(m), _name(m))
    args = tuple(m.pop_mark())
    m.push(m.call("INST", callee, args, is_call=True))


@_opcode("o")
def _obj(m: Machine) -> None:
    items = m.pop_mark()
    if not items:
        raise m.refusal("OBJ without a class")
    m.push(m.call("OBJ", items[0], tuple(items[1:]), is_call=True))


@_opcode("R")
def _reduce(m: Machine) -> None:
    args, callee = m.pop(), m.pop()
    m.push(m.call("REDUCE", callee, args, is_call=True))


@_opcode("\x81")
def _newobj(m: Machine) -> None:
    args, callee = m.pop(), m.pop()
    m.push(m.call("NEWOBJ", callee, args, is_call=False))


@_opcode("\x92")
def _newobj_ex(m: Machine) -> None:
    kwargs, args, callee = m.pop(), m.pop(), m.pop()
    if not isinstance(kwargs, Mapping):
        raise m.refusal("NEWOBJ_EX with keywords that are no dict")
    m.push(m.call("NEWOBJ_EX", callee, args, kwargs, is_call=False))


@_opcode("b")
def _build(m: Machine) -> None:
    m.build()


def _extension(code: str) -> None:
    @_opcode(code)
    def handle(m: Machine) -> None:
        raise m.refusal("an extension code stands for a global that only the loading process knows")


for _code in "\x82\x83\x84":
    _extension(_code)


@_opcode("P")
def _persid(m: Machine) -> None:
    _outside(m, _name(m))


@_opcode("Q")
def _binpersid(m: Machine) -> None:
    _outside(m, m.pop())


def _outside(m: Machine, key: Value) -> None:
    persistent = Persistent(key, m.at)
    m.note(Outside(m.at, persistent))
    m.push(persistent)


@_opcode("\x97")
@_opcode("\x98")
def _buffer(m: Machine) -> None:
    raise m.refusal("the stream wants a buffer from outside of the file")

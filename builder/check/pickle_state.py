"""The state of the pickle machine: bytes and frames, the stack and its marks, the memo, and what opcodes do to them."""

from __future__ import annotations

import _compat_pickle
import re
import struct
from collections.abc import Callable
from collections.abc import Mapping as Table
from typing import Final

from builder.check.pickle_arrays import OddArrayError, is_array_wrapper, plan_array
from builder.check.pickle_nesting import is_holder
from builder.check.pickle_reading import Build, Call, Event, Fault, Fill, Hash, Keep, PickleReading
from builder.check.pickle_values import (
    Array,
    Buffer,
    Bytes,
    Collection,
    Global,
    Instance,
    Mapping,
    OldText,
    Value,
)


class RefusedError(Exception):
    """The stream goes no further."""

    def __init__(self, offset: int, text: str, *, is_ambiguous: bool = False) -> None:
        super().__init__(text)
        self.offset = offset
        self.text = text
        self.is_ambiguous = is_ambiguous


_CONSTANT: Final = frozenset({str, int, float, bool, type(None), OldText, Bytes})
_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_ARRAY_MAKERS: Final = frozenset({"_reconstruct", "_mareconstruct"})
_ARRAY_MODULES: Final = frozenset(
    {f"{package}.multiarray" for package in ("numpy.core", "numpy._core")}
    | {f"{package}._multiarray_umath" for package in ("numpy.core", "numpy._core")}
    | {"numpy.ma.core"}
)
_LONGEST_LINE: Final = 1 << 24
_HIGHEST_MEMO: Final = 1 << 31
_MOST_OPCODES = 10_000_000
"""About ten seconds' worth; real models, whose numbers stand in arrays, have a hundredth of it."""


class Machine:
    """The stack, the metastack of marks, the memo, the frame, and one method per opcode."""

    def __init__(
        self, buffer: Buffer, reading: PickleReading, handlers: Handlers, *, has_arrays: bool, is_lenient: bool
    ) -> None:
        self.buffer = buffer
        self.handlers = handlers
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
        self.unused: dict[int, int] = {}
        """By the identity of a global, how often it came onto the stack and was neither called nor dropped."""
        self.handed: dict[int, Value] = {}
        """By their identity, what arrays were made of."""

    def run(self) -> None:
        """Follow opcodes up to STOP."""
        for _ in range(_MOST_OPCODES):
            if self.position == self.frame_end:
                self.frame_end = None
            self.at = self.position
            code = self.byte()
            if code == 0x2E:
                break
            handler = self.handlers.get(code)
            if handler is None:
                raise self.refusal(f"byte 0x{code:02x} is no opcode")
            handler(self)
        else:
            raise self.refusal(f"it has more than {_MOST_OPCODES} opcodes; no model needs as many")
        if self.marks or len(self.stack) != 1:
            self.object("the stream stops with more or less than one object on the stack")
        if self.frame_end not in (None, self.position):
            self.object("the stream stops inside of a frame")
        named = [event for event in self.reading.events if isinstance(event, Global)]
        self.reading.events += [Keep(found) for found in named if self.unused.get(id(found))]
        self.reading.value = self.top
        self.reading.end = self.position

    def refusal(self, text: str) -> RefusedError:
        """Return the refusal of the current opcode."""
        return RefusedError(self.at, text)

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
            raise RefusedError(self.at, "an opcode reaches over its frame", is_ambiguous=True)
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
            raise RefusedError(self.at, "a line has no end", is_ambiguous=self.frame_end is not None)
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

    def drop(self, values: list[Value]) -> None:
        """Let go of values; what may hold others is remembered."""
        for value in values:
            self.count(value, -1)
        self.reading.dropped.extend(value for value in values if is_holder(value))

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
        self.count(found, 1)
        if not _NAME.fullmatch(module) or not _NAME.fullmatch(name):
            self.object(f"{module!r} {name!r} is not the name of a global")
        return found

    def call(
        self, opcode: str, callee: Value, args: Value, kwargs: Value = None, *, is_call: bool
    ) -> Instance | Global:
        """Return what a call would give. ``getattr`` of a constant global is another way to name one."""
        if not isinstance(args, tuple):
            raise self.refusal(f"{opcode} with arguments that are no tuple")
        instance = Instance(callee, args, kwargs, self.at, is_call=is_call)
        self.count(callee, -1)
        if isinstance(callee, Global) and callee.name in _ARRAY_MAKERS and callee.module in _ARRAY_MODULES:
            self.hand_over(args, list(args))
        self.note(Call(self.at, opcode, instance))
        if is_call and isinstance(callee, Global) and (callee.module, callee.name) == ("builtins", "getattr"):
            owner, name = args if len(args) == 2 else (None, None)
            if isinstance(owner, Global) and isinstance(name, str):
                found = Global(owner.module, f"{owner.name}.{name}", self.at)
                self.note(found)
                self.count(found, 1)
                return found
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
        self.count(self.top, 1)

    def count(self, value: Value, change: int) -> None:
        """Count a global that came onto the stack, or left it without becoming a part of something."""
        if isinstance(value, Global):
            self.unused[id(value)] = self.unused.get(id(value), 0) + change

    def hand_over(self, holder: Value, values: list[Value]) -> None:
        """An array keeps nothing of the class it is made of; the same arguments count once, however often given."""
        if id(holder) not in self.handed:
            self.handed[id(holder)] = holder
            for value in values:
                self.count(value, -1)

    def fill(self, opcode: str, target: Value, items: list[Value]) -> None:
        """Put items into a list, a set, or an object that has methods for it."""
        if isinstance(target, Instance):
            self.unfinished(opcode, target)
            self.note(Fill(self.at, opcode, target))
            target.filled.extend(items)
        elif isinstance(target, list) and opcode.startswith("APPEND"):
            target.extend(items)
        elif isinstance(target, Collection) and opcode == "ADDITEMS":
            self.hash(opcode, items)
            target.items.extend(items)
        else:
            self.object(f"{opcode} into something that holds no items")

    def store(self, opcode: str, target: Value, items: list[Value]) -> None:
        """Store keys and values into a dict, or an object that has a method for it."""
        if len(items) % 2:
            raise self.refusal(f"{opcode} with a key that has no value")
        self.hash(opcode, items[::2])
        pairs = list(zip(items[::2], items[1::2], strict=True))
        if isinstance(target, Mapping):
            target.pairs.extend(pairs)
        elif isinstance(target, Instance):
            self.unfinished(opcode, target)
            self.note(Fill(self.at, opcode, target))
            target.filled.extend(pairs)
        else:
            self.object(f"{opcode} into something that holds no keys")

    def hash(self, opcode: str, keys: list[Value]) -> None:
        """Note what becomes a key or a member, where that may run a method."""
        for key in keys:
            if type(key) not in _CONSTANT and not (type(key) is tuple and all(type(part) in _CONSTANT for part in key)):
                self.note(Hash(self.at, opcode, key))

    def unfinished(self, opcode: str, target: Instance) -> None:
        """A state comes last, and once: after it, methods of the object would run on what the file put into it."""
        if target.states:
            self.object(f"{opcode} of an object that has its state already")

    def build(self) -> None:
        """Give the object below the top its state; an array of joblib's is then read from beside the opcodes."""
        state = self.pop()
        target = self.top
        self.note(Build(self.at, target, state))
        if not isinstance(target, Instance):
            self.object("BUILD of something that is no object of a class")
            return
        self.unfinished("BUILD", target)
        target.states.append(state)
        if is_array_wrapper(target) and isinstance(state, Mapping):
            self.hand_over(state, [state.get("subclass")])
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
            nested = follow(self.buffer, self.position, self.handlers)
            self.reading.events.extend(nested.events)
            self.reading.dropped.extend(nested.dropped)
            self.reading.protocol = max(self.reading.protocol, nested.protocol)
            self.position = nested.end
            if nested.fault is not None:
                raise RefusedError(nested.fault.offset, nested.fault.text, is_ambiguous=nested.fault.is_ambiguous)
            return Array(plan.typestr, plan.shape, None, nested.value, plan.kind)
        if plan.is_padded:
            self.reading.padded += 1
            # 1 to 16 are no opcodes: whoever reads on as plain pickle stops here.
            padding = self.take(1)[0]
            if not 1 <= padding <= 16 or self.take(padding) != b"\xff" * padding:
                raise self.refusal("the padding before an array is not as joblib writes it")
        start = self.skip(plan.size)
        return Array(plan.typestr, plan.shape, Bytes(self.buffer, start, self.position), None, plan.kind)


Handler = Callable[[Machine], None]
Handlers = Table[int, Handler]


def follow(
    buffer: Buffer, start: int, handlers: Handlers, *, has_arrays: bool = False, is_lenient: bool = False
) -> PickleReading:
    """Follow the pickle that begins at ``start``; see ``read_pickle``."""
    reading = PickleReading(start=start)
    machine = Machine(buffer, reading, handlers, has_arrays=has_arrays, is_lenient=is_lenient)
    try:
        machine.run()
    except RefusedError as refusal:
        reading.fault = Fault(refusal.offset, refusal.text, refusal.is_ambiguous)
        reading.end = machine.position
    return reading

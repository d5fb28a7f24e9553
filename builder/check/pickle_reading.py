"""What following a pickle finds: what loading it would do, in order, and the fault that ends it."""

from __future__ import annotations

from dataclasses import dataclass, field

from builder.check.pickle_values import Global, Instance, Persistent, Value


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
class Keep:
    """A global that is stored as a value, and not only called."""

    kept: Global

    @property
    def offset(self) -> int:
        """Where it is named."""
        return self.kept.offset


@dataclass(frozen=True, slots=True, eq=False)
class Hash:
    """What loading would make a key of a dict or a member of a set, unless it is a constant or a tuple of such."""

    offset: int
    opcode: str
    key: Value


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """An object that loading would ask the loader's ``persistent_load`` for."""

    offset: int
    persistent: Persistent


Event = Global | Call | Build | Fill | Hash | Keep | Outside
"""What loading would do beyond building plain data, in the order it would."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a stream cannot be followed any further."""

    offset: int
    text: str
    is_ambiguous: bool = False
    """Frames and opcodes do not fit, and what Python then reads depends on how its file is buffered."""
    is_deep: bool = False
    """It was followed to its end, and nothing is wrong but how deep its objects lie in each other."""


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
    dropped: list[Value] = field(default_factory=list)
    """What was made and then taken from the stack, with what lies in it: made it was all the same."""
    arrays: int = 0
    """How many arrays lay beside the opcodes, as joblib writes them."""
    padded: int = 0
    """How many of them are padded, as joblib does since 1.2."""

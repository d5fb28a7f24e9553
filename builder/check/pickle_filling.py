"""What runs when something is put into an object: setters of attributes, methods of containers, hashes of keys."""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from builder.check.pickle_grants import is_text
from builder.check.pickle_hooks import FILLING, HOOKS
from builder.check.pickle_reading import Build, Fill
from builder.check.pickle_values import Bytes, Instance, Mapping, Value, walk

_ARRAYS: Final = frozenset({"numpy", "pandas", "pyarrow", "_codecs"})
"""Top-level modules whose objects are states, and no dicts."""
_SLOTTED: Final = "scipy.interpolate."
_SLOTS: Final = frozenset(
    {"_y_axis", "_y_extra_shape", "dtype", "_c", "_x", "c", "x", "extrapolate", "axis", "_asarray"}
)
"""What SciPy's interpolators keep in slots of their own, whose setters only reckon."""
_CHANGING: Final = frozenset({"__class__", "__dict__"})
CALLED: Final = frozenset({"func", "inverse_func", "tokenizer", "preprocessor", "analyzer", "predicate"})
"""Attributes of transformers that are called, with arguments that may all be the file's."""
PLAIN: Final = frozenset({"builtins", "collections"})
"""Modules whose classes hold what they are given."""
_ASKED: Final = HOOKS | FILLING | {"__dict__", "__getinitargs__"}
METHODS: Final = {
    "APPEND": frozenset({"append"}),
    "APPENDS": frozenset({"append", "extend"}),
    "ADDITEMS": frozenset({"add"}),
    "SETITEM": frozenset({"__setitem__"}),
    "SETITEMS": frozenset({"__setitem__"}),
}
"""The methods of an object that opcodes call to fill it."""
_SETS: Final = frozenset({"builtins.set", "builtins.frozenset"})
_DICTS: Final = frozenset({"builtins.dict", "collections.OrderedDict", "collections.Counter"})
_MOST: Final = 1000
_NAMING: Final = frozenset({"stack_method_", "stack_method", "response_method", "_response_method"})
"""Attributes of scikit-learn's whose text names a method."""
_ANSWERS: Final = re.compile(r"auto|default|predict\w*|decision_function|transform|score_samples")


def find_odd_attribute(event: Build) -> str | None:
    """Say what is wrong with the attributes that a state sets, or None.

    A state that is ``(dict, slots)`` sets the slots as attributes, by which the setters of properties run.

    Either half may be anything that has items, so an object in its place would hide them.
    """
    if answer := find_answer(event):
        return answer
    state = event.state
    parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
    if any(_is_odd_holder(part) and part is not event.target for part in parts):
        return "its state is an object that could hide what it sets"
    slots = parts[1] if len(parts) == 2 else None
    if isinstance(slots, Mapping):
        known = _SLOTS if isinstance(event.target, Instance) and event.target.path.startswith(_SLOTTED) else ()
        for key, _ in slots.pairs:
            if not isinstance(key, str) or key not in known:
                shown = key if isinstance(key, str) else "an attribute"
                return f"its state sets {shown} by calling what the class says"
    if any(isinstance(part, Mapping) and _has_odd_method(part) for part in parts):
        return "its state names a method that is none of an estimator's, and would be called"
    if isinstance(state, Mapping) and any(str(key) in _CHANGING for key, _ in state.pairs if is_text(key)):
        return "its state sets what it is an object of"
    return None


def _is_odd_holder(part: Value) -> bool:
    return isinstance(part, Instance) and part.path.partition(".")[0] not in _ARRAYS


def _has_odd_method(state: Mapping) -> bool:
    """Stacking calls, on whatever it holds, the methods its state names: of a path, ``write_text``."""
    return any(
        not (part is None or (is_text(part) and _ANSWERS.fullmatch(str(part))))
        for key, value in state.pairs
        if is_text(key) and str(key) in _NAMING
        for part in (value if isinstance(value, (list, tuple)) else [value])
    )


def find_answer(event: Build | Fill) -> str | None:
    """Say what an object would answer, from its own items, when it is asked for one of the methods loading calls.

    ``OptimizeResult`` of SciPy, as many kinds of dict, looks attributes up in its items: its item ``__setstate__``
    would be called with the state. Python asks nobody for ``__setitem__``.
    """
    target = event.target
    if isinstance(event, Fill) and event.opcode.startswith("SETITEM"):
        return None
    if not isinstance(target, Instance) or target.path.partition(".")[0] in PLAIN:
        return None
    if target.answers is None:
        given = [pair for arg in target.args if isinstance(arg, Mapping) for pair in arg.pairs]
        target.answers = any(
            _is_asked(item[0]) for item in (*given, *target.filled) if isinstance(item, tuple) and item
        )
    return "it holds what would be called in place of its methods" if target.answers else None


def _is_asked(key: Value) -> bool:
    """Tell whether a key is, or may be equal to, the name of a method that loading asks for."""
    if not isinstance(key, Instance):
        return is_text(key) and str(key) in _ASKED
    parts = list(islice(walk(list(key.args)), _MOST))
    if key.path.endswith(".scalar"):
        return any(is_text(part) and str(part).startswith("U") for part in parts)
    is_read = len(key.args) > 1 and is_text(key.args[1])  # text of bytes in an encoding
    return any((is_text(part) and str(part) in _ASKED) or (is_read and isinstance(part, Bytes)) for part in parts)


def keys_of(instance: Instance) -> list[Value]:
    """Return what a call makes keys or members of: the items of a set, the first halves of the pairs of a dict."""
    called = str(instance.callee)
    items = [item for arg in instance.args if isinstance(arg, (list, tuple)) for item in arg]
    if called in _SETS or called == "collections.Counter":
        return items
    return [item[0] for item in items if isinstance(item, (list, tuple)) and item] if called in _DICTS else []


def hashed(key: Value) -> list[Instance] | None:
    """Return the objects that are hashed when this becomes a key, itself and those in it; None when it is too large."""
    parts = list(islice(walk(key), _MOST + 1))
    return None if len(parts) > _MOST else [part for part in parts if isinstance(part, Instance)]

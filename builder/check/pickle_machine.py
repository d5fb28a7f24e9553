"""A pickle machine that builds descriptions: every opcode is followed with a real stack and memo, and nothing happens.

It is stricter than Python. Whatever the two loaders of Python (C and Python), or joblib's, read differently is refused:
frames that do not fit their opcodes, a second PROTO, numbers not as Python writes them, extension codes, names that are
not constant text. So one reading holds for all of them. (CPython, Lib/pickle.py and Modules/_pickle.c; PEPs 307,
3154 and 574.)
"""

from __future__ import annotations

from builder.check.pickle_nesting import DEEPEST, is_too_deep
from builder.check.pickle_opcodes import HANDLERS
from builder.check.pickle_reading import Fault, PickleReading
from builder.check.pickle_state import follow
from builder.check.pickle_values import Buffer


def read_pickle(buffer: Buffer, start: int = 0, *, has_arrays: bool = False, is_lenient: bool = False) -> PickleReading:
    """Follow the pickle that begins at ``start``. ``has_arrays`` reads as joblib does; otherwise as ``pickle`` does.

    A lenient reading goes on wherever some loader would, so that it finds what a strict one leaves unread; it can
    show that a stream is hostile, never that it is harmless. Never raises for what the stream holds.
    """
    reading = follow(buffer, start, HANDLERS, has_arrays=has_arrays, is_lenient=is_lenient)
    if reading.fault is None and not is_lenient and is_too_deep([reading.value, *reading.dropped]):
        text = f"its objects lie in each other more than {DEEPEST} deep, which can end Python itself"
        reading.fault = Fault(reading.start, text, is_deep=True)
    return reading

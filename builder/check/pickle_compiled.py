"""The allow-list of compiled classes that models of scikit-learn and pandas are made of, besides their trees.

Nobody can read what the constructor of a compiled class does with its arguments, so there is a list of those that the
libraries' own pickles call, and with what.
"""

from __future__ import annotations

from typing import Final

from builder.check.pickle_contents import numbers_of
from builder.check.pickle_forests import FORESTS
from builder.check.pickle_grants import Check, StateCheck, Table, Use, class_first, grants, known, makers
from builder.check.pickle_neighbors import NEIGHBORS
from builder.check.pickle_values import Instance, Value


def _parameters(count: int) -> Check:
    """Return a check of the few numbers a loss may have."""

    def check(instance: Instance) -> str | None:
        args = instance.args
        is_helped = not args and not instance.is_call  # a helper gives it its numbers
        if instance.kwargs is None and (len(args) == count or is_helped) and all(map(_is_number, args)):
            return None
        return f"it may only be given {count} numbers"

    return check


def _is_number(value: Value) -> bool:
    return type(value) in (int, float)


def _rebuilt(instance: Instance) -> str | None:
    """Cython's ``__pyx_unpickle_X(type, checksum, state)``: the state is numbers, or comes later."""
    args = instance.args
    state = args[2] if len(args) == 3 else ()
    wrong = class_first(instance)
    if wrong is None and state is not None and not (isinstance(state, tuple) and all(map(_is_number, state))):
        return "it may only be given numbers"
    return wrong


def _numbers_only(state: Value) -> str | None:
    if isinstance(state, tuple) and all(map(_is_number, state)):
        return None
    return "its state is more than a few numbers"


_LOSSES: Final = {
    0: "HalfSquaredError AbsoluteError HalfPoissonLoss HalfGammaLoss HalfBinomialLoss HalfMultinomialLoss "
    "ExponentialLoss",
    1: "PinballLoss HuberLoss HalfTweedieLoss HalfTweedieLossIdentity",
}
_SGD_LOSSES: Final = {
    0: "ModifiedHuber Log SquaredLoss",
    1: "Hinge SquaredHinge EpsilonInsensitive SquaredEpsilonInsensitive Huber",
}
_HELPERS: Final = " ".join(f"__pyx_unpickle_Cy{name}" for names in _LOSSES.values() for name in names.split())


def _of_count(module: str, names: dict[int, str], prefix: str = "", state: StateCheck | None = None) -> Table:
    return {
        key: grant
        for count, listed in names.items()
        for key, grant in grants(
            module, " ".join(prefix + name for name in listed.split()), Use.CALLED, _parameters(count), state
        ).items()
    }


def _sparse(instance: Instance) -> str | None:
    """``IntIndex(length, indices)`` and ``BlockIndex(length, starts, lengths)`` check what they are given."""
    args = instance.args
    if (
        instance.kwargs is None
        and len(args) in (2, 3)
        and type(args[0]) is int
        and None not in map(numbers_of, args[1:])
    ):
        return None
    return "it may only be given a length and arrays of numbers"


_OFFSETS: Final = (
    "BaseOffset DateOffset RelativeDeltaOffset Tick Day Hour Minute Second Milli Micro Nano BusinessDay "
    "BusinessHour BDay BusinessMonthBegin BusinessMonthEnd BMonthBegin BMonthEnd CustomBusinessDay "
    "CustomBusinessHour CDay CBMonthBegin CBMonthEnd CustomBusinessMonthBegin CustomBusinessMonthEnd MonthBegin "
    "MonthEnd SemiMonthBegin SemiMonthEnd Week WeekOfMonth LastWeekOfMonth QuarterBegin QuarterEnd BQuarterBegin "
    "BQuarterEnd HalfYearBegin HalfYearEnd BHalfYearBegin BHalfYearEnd YearBegin YearEnd BYearBegin BYearEnd "
    "FY5253 FY5253Quarter Easter"
)

COMPILED: Final[Table] = (
    FORESTS
    | NEIGHBORS
    | _of_count("sklearn._loss._loss", _LOSSES, "Cy", _numbers_only)
    | makers("sklearn._loss._loss", _HELPERS, _rebuilt)
    | _of_count("sklearn.linear_model._sgd_fast", _SGD_LOSSES)
    | grants("pandas._libs.tslibs.offsets", _OFFSETS, Use.CALLED, known)
    | grants("pandas._libs.tslibs.period", "Period", Use.CALLED, known)
    | grants("pandas._libs.interval", "Interval", Use.CALLED, known)
    | makers("pandas._libs.interval", "__pyx_unpickle_IntervalMixin", class_first)
    | grants("pandas", "Interval Period DateOffset", Use.CALLED, known)
    | grants("pandas", "NA NaT Timestamp Timedelta", Use.NAMED)
    | grants("pandas._libs.sparse", "IntIndex BlockIndex", Use.CALLED, _sparse)
)
"""By module and name."""

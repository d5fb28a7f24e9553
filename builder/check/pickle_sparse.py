"""SciPy's sparse matrices: what is not zero, and where. Multiplying goes there unchecked."""

from __future__ import annotations

from typing import Final

from builder.check.pickle_contents import Shape, are_within, items_of, shape_of
from builder.check.pickle_grants import StateCheck, Table, Use, grants, singles
from builder.check.pickle_values import Value

_ODD: Final = "its state has numbers outside of the matrix, or not one for each place"


def _settings(state: Value) -> tuple[dict[str, Value], Shape] | None:
    """Return what a state sets, each once, and the shape of the matrix."""
    found = singles(state) or {}
    shape = found.get("_shape")
    if not isinstance(shape, tuple) or not shape or not all(type(size) is int and size >= 0 for size in shape):
        return None
    return found, shape


def _compressed(state: Value, major: int, *, has_blocks: bool = False) -> str | None:
    """``indptr`` tells where each row, or each column, begins in ``indices`` and ``data``."""
    given = _settings(state)
    if given is None:
        return _ODD
    found, shape = given
    sizes = (1, *shape)[-2:]
    stored = shape_of(found.get("data"))
    blocks = stored[1:] if has_blocks and stored is not None and len(stored) == 3 else (1, 1)
    if stored is None or len(stored) != (3 if has_blocks else 1) or 0 in blocks or len(shape) > 2:
        return _ODD
    rows, columns = sizes[major] // blocks[major], sizes[1 - major] // blocks[1 - major]
    held = shape_of(found.get("indices"))
    if held is None or len(held) != 1 or held[0] > stored[0]:
        return _ODD
    is_whole = are_within(found.get("indices"), held, 0, columns) and are_within(
        found.get("indptr"), (rows + 1,), 0, held[0] + 1, rising=True
    )
    return None if is_whole else _ODD


def _by_rows(state: Value) -> str | None:
    return _compressed(state, 0)


def _by_columns(state: Value) -> str | None:
    return _compressed(state, 1)


def _by_blocks(state: Value) -> str | None:
    return _compressed(state, 0, has_blocks=True)


def _by_places(state: Value) -> str | None:
    given = _settings(state)
    if given is None:
        return _ODD
    found, shape = given
    places = found.get("coords", (found.get("row"), found.get("col")))
    stored = shape_of(found.get("data"))
    if not isinstance(places, tuple) or stored is None or len(stored) != 1 or len(places) != len(shape):
        return _ODD
    is_whole = all(are_within(place, stored, 0, size) for place, size in zip(places, shape, strict=True))
    return None if is_whole else _ODD


def _by_diagonals(state: Value) -> str | None:
    given = _settings(state)
    if given is None:
        return _ODD
    stored, offsets = shape_of(given[0].get("data")), shape_of(given[0].get("offsets"))
    is_whole = stored is not None and len(stored) == 2 and offsets == stored[:1]
    return None if is_whole else _ODD


def _by_lists(state: Value) -> str | None:
    given = _settings(state)
    if given is None:
        return _ODD
    found, shape = given
    rows, numbers = items_of(found.get("rows")), items_of(found.get("data"))
    if len(shape) != 2 or not len(rows) == len(numbers) == shape[0] or shape_of(found.get("rows")) != shape[:1]:
        return _ODD
    for row, stored in zip(rows, numbers, strict=True):
        if not isinstance(row, list) or not isinstance(stored, list) or len(row) != len(stored):
            return _ODD
        if not all(type(place) is int and 0 <= place < shape[1] for place in row):
            return _ODD
    return None


_STATES: Final[dict[str, StateCheck | None]] = {
    "csr": _by_rows,
    "csc": _by_columns,
    "bsr": _by_blocks,
    "coo": _by_places,
    "dia": _by_diagonals,
    "lil": _by_lists,
    "dok": None,  # a dict of Python's own, whose keys are checked when it is made another
}
SPARSE: Final[Table] = {
    key: grant
    for kind, state in _STATES.items()
    for module in (f"scipy.sparse._{kind}", f"scipy.sparse.{kind}")
    for key, grant in grants(module, f"{kind}_matrix {kind}_array", Use.MADE, state=state).items()
}
"""By module and name."""

"""CatBoost's binary format: a FlatBuffer behind ``CBM1`` (catboost/libs/model/flatbuffers/model.fbs)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from builder.check.artifacts.reading import Artifact, Maker, ModelFeatures, UnreadableError

MAGIC = b"CBM1"
_VERSION = re.compile(r"(?:Branch|Tag|version)[^\n]*?(\d+\.\d+(?:\.\d+)?)|^(\d+\.\d+(?:\.\d+)?)$", re.MULTILINE)
_MOST = 1 << 20


def read_catboost(data: bytes) -> Artifact:
    """Read what a .cbm file says of itself; UnreadableError when its tables point outside of it."""
    try:
        table = _Table(data[8 : 8 + struct.unpack_from("<I", data, 4)[0]])
        form = table.text(0)
        information = {entry.text(0): entry.text(1) for entry in table.tables(2)}
        names, categorical = _names(table)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise UnreadableError(f"the CatBoost model is damaged: {error}") from None
    if not form:
        raise UnreadableError("the CatBoost model has no format version")
    written = information.get("catboost_version_info", "")
    found = _VERSION.search(written)
    version = (found[1] or found[2]) if found else None
    features = None
    if names:
        named = None if names == [str(index) for index in range(len(names))] or not all(names) else tuple(names)
        features = ModelFeatures(
            names=named,
            count=len(names),
            source="features of the model",
            categories=dict.fromkeys(sorted(categorical), ()),
        )
    return Artifact(
        format=f"CatBoost {form}",
        makers=(Maker(library="catboost", version=version, evidence="catboost_version_info of the model"),),
        needs=("catboost",),
        features=features,
        facts={"catboost-format": form},
    )


def _names(table: _Table) -> tuple[list[str], set[int]]:
    """Names by position in the data, of float and categorical features, and which of them are categorical."""
    trees = table.table(1)
    if trees is None:
        return [], set()
    found: dict[int, str] = {}
    categorical: set[int] = set()
    # TModelTrees: CatFeatures 4, FloatFeatures 5; TFloatFeature: FlatIndex 2, FeatureId 4; TCatFeature: 1, 2.
    for field, position, name in ((_CATEGORICAL, 1, 2), (_FLOAT, 2, 4)):
        for feature in trees.tables(field):
            found[feature.integer(position)] = feature.text(name)
            if field == _CATEGORICAL:
                categorical.add(feature.integer(position))
    if sorted(found) != list(range(len(found))):
        return [], set()
    return [found[index] for index in sorted(found)], categorical


_CATEGORICAL, _FLOAT = 4, 5


class _Table:
    """A FlatBuffer table; fields by their number in the schema."""

    def __init__(self, data: bytes, position: int | None = None) -> None:
        self._data = data
        self._at = struct.unpack_from("<I", data, 0)[0] if position is None else position
        self._fields = self._at - struct.unpack_from("<i", data, self._at)[0]
        if not 0 <= self._fields <= len(data) - 4:
            msg = "a table points outside of the file"
            raise ValueError(msg)
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    def _field(self, number: int) -> int | None:
        offset = 4 + 2 * number
        if offset + 2 > self._size:
            return None
        inside = struct.unpack_from("<H", self._data, self._fields + offset)[0]
        return self._at + inside if inside else None

    def _pointed(self, number: int) -> int | None:
        at = self._field(number)
        return None if at is None else at + int(struct.unpack_from("<I", self._data, at)[0])

    def integer(self, number: int) -> int:
        at = self._field(number)
        return 0 if at is None else int(struct.unpack_from("<i", self._data, at)[0])

    def text(self, number: int) -> str:
        at = self._pointed(number)
        if at is None:
            return ""
        (size,) = struct.unpack_from("<I", self._data, at)
        return self._data[at + 4 : at + 4 + size].decode()

    def table(self, number: int) -> _Table | None:
        at = self._pointed(number)
        return None if at is None else _Table(self._data, at)

    def tables(self, number: int) -> Iterator[_Table]:
        at = self._pointed(number)
        if at is None:
            return
        (count,) = struct.unpack_from("<I", self._data, at)
        if count > _MOST:
            msg = "a list is longer than any model's"
            raise ValueError(msg)
        for index in range(count):
            place = at + 4 + 4 * index
            yield _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0])

"""What loading a model of any library has in common."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..features import Feature
from ..rows import make_table_maker, make_taker
from ..values import Refusal, RefusedValuesError

Predict = Callable[[list[Any]], Any]

GENERIC = re.compile(r"(?:f|Column_|feature_|x)?\d+\Z")
"""Names a library makes up for features that were trained without any."""


def load_object(path: Path) -> Any:
    """Load a joblib, pickle or skops file; joblib reads pickles too, and is not asked for when it is not installed.

    The types in a skops archive are trusted: ``kiln check`` has judged them before the image was built.
    """
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    if is_archive:
        skops = importlib.import_module("skops.io")
        return skops.load(path, trusted=skops.get_untrusted_types(file=path))
    if importlib.util.find_spec("joblib") is not None:
        return importlib.import_module("joblib").load(path)
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - it is the bundle's own model, inside its own container


def choose_names(own: Sequence[str] | None, features: Sequence[Feature]) -> list[str]:
    """Return the fields of a record in the model's order.

    The model's own names count, unless the library made them up and the schema has as many fields of other names.
    """
    named = [feature.name for feature in features]
    if not own:
        return named
    if named and len(own) == len(named) and not set(own) & set(named) and all(map(GENERIC.match, own)):
        return named
    return list(own)


def count_threads() -> int:
    """Return how many threads one prediction may take, as the server has divided the cores."""
    written = os.environ.get("OMP_NUM_THREADS", "")
    return int(written) if written.isdecimal() and int(written) > 0 else 1


def flatten(answer: Any) -> Any:
    """Return an array of one column as one dimension: one number for each record, not a list of one."""
    return answer.reshape(-1) if getattr(answer, "ndim", 0) == 2 and answer.shape[1] == 1 else answer


_SHOWN = 20
"""Categories that a refusal lists; a model may know thousands."""


class UnknownCategoryError(ValueError):
    """A category the model was not trained with."""

    def __init__(self, known: Sequence[Any]) -> None:
        super().__init__("a category the model was not trained with")
        self.shown, self.more = list(known[:_SHOWN]), max(0, len(known) - _SHOWN)


Encode = Callable[[Any], float]


def make_coded_table_maker(
    numpy: Any, names: Sequence[str], encoders: Mapping[int, Encode], dtype: Any
) -> Callable[[Sequence[Any]], Any]:
    """Return what makes an array of records in which the columns of ``encoders`` hold the numbers of categories.

    Records with categories the model was not trained with are a RefusedValuesError that names each.
    """
    if not encoders:
        return make_table_maker(numpy, names, dtype)
    take = make_taker(names)

    def make(records: Sequence[Any]) -> Any:
        rows = take(records)
        table = numpy.empty((len(rows), len(names)), dtype)
        for index, values in enumerate(zip(*rows, strict=True)):
            encode = encoders.get(index)
            try:
                table[:, index] = numpy.array(values if encode is None else [*map(encode, values)], dtype)
            except UnknownCategoryError:
                raise RefusedValuesError([*_find_unknown(rows, names, encoders)]) from None
        return table

    return make


def _find_unknown(
    rows: Sequence[Sequence[Any]], names: Sequence[str], encoders: Mapping[int, Encode]
) -> Iterator[Refusal]:
    for number, row in enumerate(rows):
        for index, encode in encoders.items():
            try:
                encode(row[index])
            except UnknownCategoryError as error:
                yield number, names[index], row[index], error.shown, error.more


def make_encoder(categories: Sequence[Any], *, refuses: bool) -> Encode:
    """Return what gives a category its number, and NaN for none.

    One that was not there in training is NaN too, or an UnknownCategoryError where the library ``refuses`` it.
    """
    codes = {value: float(code) for code, value in enumerate(categories)}
    missing = float("nan")

    def encode(value: Any) -> float:
        try:
            code = codes.get(value)
        except TypeError:  # an array or an object, which is no category of any model
            code = None
        if code is not None:
            return code
        if value is not None and refuses:
            raise UnknownCategoryError(categories)
        return missing

    return encode

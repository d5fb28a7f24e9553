"""Scoring scripts for models the image does not serve by itself. The text is the author's to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from builder.bundle.contract import FILL_IN

_HEAD = '''"""Serves {what}.

Written by `kiln init`; it is yours to change.
"""

from __future__ import annotations

'''

_ANSWERS = {
    "predict": "    return model.predict({rows})\n",
    "booster": "    return model.predict(xgboost.DMatrix({rows}, enable_categorical=True))\n",
    "transform": """    answer = model.transform({rows})
    # Some transformers answer a sparse matrix, which has no form in JSON.
    return answer.toarray() if hasattr(answer, "toarray") else answer
""",
}
"""What is asked of a model, by its method; a Booster of XGBoost takes a matrix of its own."""

_TABLE = """    table = {frame}
    for name, values in CATEGORIES.items():
        table[name] = pandas.Categorical(table[name], categories=values)
"""
_NO_FEATURES = f'...  {FILL_IN} a list of the features\' names in the model\'s order, such as ["age", "income"]'
"""A blank that ``kiln check`` names, and that Python does not take for a list that is empty."""
_BY_NAME = "[[record[name] for name in FEATURES] for record in records]"

_NO_FEATURES = f'...  {FILL_IN} a list of the features\' names in the model\'s order, such as ["age", "income"]'
"""A blank that ``kiln check`` names, and that Python does not take for a list that is empty."""

_BODIES: dict[str, str] = {
    "text": """from pathlib import Path

import joblib


def load(model_dir):
    return joblib.load(Path(model_dir) / {basename}){part}


def predict(model, records):
{answer}""",
    "dict": """from pathlib import Path

import joblib


def load(model_dir):
    return joblib.load(Path(model_dir) / {basename}){part}


def predict(model, records):
{answer}""",
    "pickle": """from pathlib import Path

import joblib
{pandas_import}{library_import}{features_list}{categories_list}

def load(model_dir):
    return joblib.load(Path(model_dir) / {basename}){part}


def predict(model, records):
    # One row for each record, in the order of the request.
{table}{answer}""",
    "object": """from pathlib import Path

import joblib


def load(model_dir):
    return joblib.load(Path(model_dir) / {basename})


# fill in: def predict(model, records):
#     model is what load returned; records is a list of what requests hold, each a dict;
#     return a list of as many answers, in the same order.
""",
    "skops": """from pathlib import Path

import pandas
import skops.io

# Types beyond those skops trusts by itself; look at each before you add it.
TRUSTED = {trusted}


def load(model_dir):
    return skops.io.load(Path(model_dir) / {basename}, trusted=TRUSTED)


def predict(model, records):
    # One row for each record, in the order of the request.
{answer}""",
    "keras": """from pathlib import Path

import keras
import numpy

FEATURES = {features}


def rows(records):
    return numpy.array([[record[name] for name in FEATURES] for record in records], dtype=numpy.float32)


def load(model_dir):
    return keras.saving.load_model(Path(model_dir) / {basename}, compile=False)


def predict(model, records):
    return model.predict(rows(records), verbose=0)
""",
    "blank": """from pathlib import Path

MODEL = {basename}


def load(model_dir):
    path = Path(model_dir) / MODEL
    raise RuntimeError(f"fill in: load {{path}} and return the model")


# fill in: def predict(model, records):
#     records is a list of what requests hold, each a dict;
#     return a list of as many answers, in the same order.
""",
}

UNFINISHED = frozenset({"object", "blank"})
"""Scripts whose ``predict`` only a person can write."""


def adapter_text(
    kind: str,
    *,
    what: str,
    basename: str,
    features: Sequence[str] = (),
    has_names: bool = True,
    trusted: Sequence[str] = (),
    categories: Mapping[str, Sequence[Any]] = MappingProxyType({}),
    part: str = "",
    method: str = "predict",
) -> str:
    """Return the script that serves a model of this kind; an unfinished one leaves out what only a person knows.

    ``categories`` are those of columns that have to be pandas' categories, in the order of training; ``part`` is the
    subscript of the model in what its file holds, ``method`` what the model is asked for.
    """
    named = list(features)
    columns = f", columns={_listed(named)}" if named and has_names else ""
    frame = f"pandas.DataFrame.from_records(records{columns})"
    takes_frame = has_names and bool(named)
    by_name = _BY_NAME if named else "[list(record.values()) for record in records]"
    is_coded = takes_frame and bool(categories)
    rows = {
        "text": f"[record[{quoted(named[0] if named else 'text')}] for record in records]",
        "dict": "records",
        "pickle": "table" if is_coded else frame if takes_frame else by_name,
        "skops": frame,
    }
    body = _BODIES[kind].format(
        basename=quoted(basename),
        features=_listed(named) if named else _NO_FEATURES,
        features_list="" if takes_frame or not named else f"\nFEATURES = {_listed(named)}\n",
        answer=_ANSWERS[method].format(rows=rows.get(kind, "")),
        part=part,
        table=_TABLE.format(frame=frame) if is_coded else "",
        categories_list=_categories(categories) if is_coded else "",
        library_import="import xgboost\n" if method == "booster" else "",
        pandas_import="import pandas\n" if takes_frame else "",
        trusted=_listed(list(trusted)),
    )
    return _HEAD.format(what=what) + body


def _listed(values: Sequence[Any], margin: str = "") -> str:
    """Return a list as source text, on one line where it fits."""
    shown = [quoted(value) if isinstance(value, str) else repr(value) for value in values]
    flat = f"[{', '.join(shown)}]"
    if len(flat) <= 90:
        return flat
    return "[\n" + "".join(f"{margin}    {value},\n" for value in shown) + f"{margin}]"


def _categories(categories: Mapping[str, Sequence[Any]]) -> str:
    lines = "".join(f"    {quoted(name)}: {_listed(values, '    ')},\n" for name, values in categories.items())
    return (
        f"\n# In the order of training, which is the order of their numbers in the model.\nCATEGORIES = {{\n{lines}}}\n"
    )


def quoted(value: str) -> str:
    """Return text as it is written in source."""
    return '"' + value.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'

"""Scoring scripts for models the image does not serve by itself. The text is the author's to change."""

from __future__ import annotations

from collections.abc import Sequence

from builder.bundle.contract import FILL_IN

_HEAD = '''"""Serves {what}.

Written by `kiln init`; it is yours to change.
"""

from __future__ import annotations

'''

_FRAME = """
def predict(model, records):
    # One row for each record, in the order of the request.
    return model.predict(pandas.DataFrame.from_records(records{columns}))
"""

_ARRAY = """
FEATURES = {given}


def rows(records):
    return numpy.array([[record[name] for name in FEATURES] for record in records], dtype={dtype})
"""

_NO_FEATURES = f'...  {FILL_IN} a list of the features\' names in the model\'s order, such as ["age", "income"]'
"""A blank that ``kiln check`` names, and that Python does not take for a list that is empty."""

_BODIES: dict[str, str] = {
    "text": """from pathlib import Path

import joblib


def load(model_dir):
    return joblib.load(Path(model_dir) / {basename})


def predict(model, records):
    return model.predict([record[{first}] for record in records])
""",
    "dict": """from pathlib import Path

import joblib


def load(model_dir):
    return joblib.load(Path(model_dir) / {basename})


def predict(model, records):
    return model.predict(records)
""",
    "pickle": """from pathlib import Path

import joblib
{pandas_import}

def load(model_dir):
    return joblib.load(Path(model_dir) / {basename})

{predict}""",
    "skops": """from pathlib import Path

import pandas
import skops.io

# Types beyond those skops trusts by itself; look at each before you add it.
TRUSTED = {trusted}


def load(model_dir):
    return skops.io.load(Path(model_dir) / {basename}, trusted=TRUSTED)

{frame}""",
    "keras": """from pathlib import Path

import keras
import numpy
{array}

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


def adapter_text(
    kind: str,
    *,
    what: str,
    basename: str,
    features: Sequence[str] = (),
    has_names: bool = True,
    trusted: Sequence[str] = (),
) -> str:
    """Return the script that serves a model of this kind; ``blank`` leaves out what only a person knows."""
    named = list(features)
    columns = f", columns={_listed(named)}" if named and has_names else ""
    frame = _FRAME.format(columns=columns)
    dtype = "numpy.float32"
    array = _ARRAY.format(given=_listed(named) if named else _NO_FEATURES, dtype=dtype)
    uses_frame = has_names and bool(named)
    predict = (
        frame
        if uses_frame
        else "\ndef predict(model, records):\n    return model.predict([list(record.values()) for record in records])\n"
    )
    body = _BODIES[kind].format(
        basename=_quoted(basename),
        first=_quoted(named[0] if named else "text"),
        features=_listed(named),
        frame=frame,
        array=array,
        predict=predict,
        pandas_import="import pandas\n" if uses_frame else "",
        trusted=_listed(list(trusted)),
    )
    return _HEAD.format(what=what) + body


def _listed(values: Sequence[str]) -> str:
    """Return a list as source text, on one line where it fits."""
    flat = "[" + ", ".join(_quoted(value) for value in values) + "]"
    if len(flat) <= 90:
        return flat
    return "[\n" + "".join(f"    {_quoted(value)},\n" for value in values) + "]"


def _quoted(value: str) -> str:
    return '"' + value.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'

"""Scoring scripts for models the image does not serve by itself. The text is the author's to change."""

from __future__ import annotations

from collections.abc import Sequence

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
FEATURES = {features}


def rows(records):
    return numpy.array([[record[name] for name in FEATURES] for record in records], dtype={dtype})
"""

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
    "lightgbm": """from pathlib import Path

import lightgbm
import numpy


def load(model_dir):
    return lightgbm.Booster(model_file=str(Path(model_dir) / {basename}))


def predict(model, records):
    names = model.feature_name()
    # None becomes NaN, which LightGBM takes for missing.
    table = numpy.array([[record[name] for name in names] for record in records], dtype=float)
    return model.predict(table)
""",
    "catboost": """from pathlib import Path

from catboost import CatBoost


def load(model_dir):
    return CatBoost().load_model(str(Path(model_dir) / {basename}))


def predict(model, records):
    return model.predict([[record[name] for name in model.feature_names_] for record in records])
""",
    "onnx": """from pathlib import Path

import numpy
import onnxruntime
{array}

def load(model_dir):
    return onnxruntime.InferenceSession(str(Path(model_dir) / {basename}), providers=["CPUExecutionProvider"])


def predict(model, records):
    inputs = model.get_inputs()
    if len(inputs) == 1:
        given = {{inputs[0].name: rows(records)}}
    else:
        kinds = {{"tensor(string)": object, "tensor(int64)": numpy.int64, "tensor(double)": numpy.float64}}
        given = {{
            one.name: numpy.array([[record[one.name]] for record in records], dtype=kinds.get(one.type, numpy.float32))
            for one in inputs
        }}
    return model.run(None, given)[0]
""",
    "torchscript": """from pathlib import Path

import torch

FEATURES = {features}


def load(model_dir):
    return torch.jit.load(str(Path(model_dir) / {basename}), map_location="cpu").eval()


def predict(model, records):
    table = torch.tensor([[float(record[name]) for name in FEATURES] for record in records])
    with torch.inference_mode():
        return model(table).tolist()
""",
    "keras": """from pathlib import Path

import keras
import numpy
{array}

def load(model_dir):
    return keras.saving.load_model(Path(model_dir) / {basename}, compile=False)


def predict(model, records):
    return model.predict(rows(records), verbose=0)
""",
    "mlflow": """from pathlib import Path

import mlflow.pyfunc
import pandas


def load(model_dir):
    return mlflow.pyfunc.load_model(str(Path(model_dir) / {basename}))


def predict(model, records):
    answer = model.predict(pandas.DataFrame.from_records(records))
    return answer.to_dict("records") if isinstance(answer, pandas.DataFrame) else list(answer)
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
    array = _ARRAY.format(features=_listed(named), dtype=dtype)
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

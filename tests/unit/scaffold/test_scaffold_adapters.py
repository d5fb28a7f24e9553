from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builder.scaffold.adapters import _BODIES, UNFINISHED, adapter_text
from builder.scaffold.forms import draft_bundle
from builder.scaffold.write import write_draft
from tests.support import foreign

JOBLIB = (
    "def load(path):\n    from pathlib import Path\n    assert Path(path).is_file(), path\n    return Model()\n\n\n"
)
MODEL = "class Model:\n    def predict(self, table):\n        return [len(row) for row in table]\n"


def run(folder: Path, code: str) -> str:
    """Run code as the image would, with stand-ins for packages this environment lacks."""
    argv = [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(folder)!r}, {str(folder / 'stubs')!r}]\n{code}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("kind", sorted(_BODIES))
@pytest.mark.parametrize("has_names", [True, False])
def test_every_script_parses_and_keeps_a_contract_unless_it_has_a_blank(kind: str, *, has_names: bool) -> None:
    text = adapter_text(kind, what="it", basename='a"b\\c.pkl', features=["x", 'y"z', "é"], has_names=has_names)
    functions = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    assert functions >= {"load"}
    assert ("predict" in functions) == (kind not in UNFINISHED)


PANDAS = """
class Categorical(list):
    def __init__(self, values, categories):
        super().__init__(categories.index(value) for value in values)


class DataFrame(dict):
    @classmethod
    def from_records(cls, records, columns):
        return cls({name: [record[name] for record in records] for name in columns})
"""


XGBOOST = "def DMatrix(table, enable_categorical): return 'matrix', dict(table)\n"


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({}, "{'size': [3, 5], 'plan': ['pro', 'basic']}"),
        ({"categories": {"plan": ("basic", "pro")}}, "{'size': [3, 5], 'plan': [1, 0]}"),
        ({"has_names": False}, "[[3, 'pro'], [5, 'basic']]"),
        ({"has_names": False, "features": ["plan"]}, "[['pro'], ['basic']]"),
        ({"method": "booster"}, "('matrix', {'size': [3, 5], 'plan': ['pro', 'basic']})"),
        ({"has_names": False, "method": "transform"}, "('dense', [[3, 'pro'], [5, 'basic']])"),
        ({"has_names": False, "part": '["model"]', "basename": "dict.pkl"}, "[[3, 'pro'], [5, 'basic']]"),
    ],
)
def test_a_pickle_s_script_hands_on_what_the_model_takes(tmp_path: Path, options: dict[str, Any], answer: str) -> None:
    text = adapter_text("pickle", **{"what": "it", "basename": "m.pkl", "features": ["size", "plan"]} | options)
    model = (
        "class Sparse(list):\n    def toarray(self):\n        return 'dense', list(self)\n\n\n"
        "class Model:\n    def predict(self, rows):\n        return rows\n\n"
        "    def transform(self, rows):\n        return Sparse(rows)\n\n\n"
        "def load(path):\n    return {'model': Model()} if path.name == 'dict.pkl' else Model()\n"
    )
    foreign.write(
        tmp_path, {"score.py": text, "stubs/joblib.py": model, "stubs/pandas.py": PANDAS, "stubs/xgboost.py": XGBOOST}
    )
    records = [{"plan": "pro", "size": 3}, {"size": 5, "plan": "basic"}]
    assert run(tmp_path, f"import score; print(score.predict(score.load('.'), {records}))") == answer


def test_a_cog_predictor_finds_its_weights_and_gets_cogs_defaults(tmp_path: Path) -> None:
    folder = foreign.cog(tmp_path / "cog")
    write_draft(draft_bundle(folder))
    foreign.write(
        folder,
        {
            "stubs/cog.py": "class BasePredictor: pass\n\n\ndef Input(default=None, **_): return default\n",
            "stubs/joblib.py": JOBLIB + MODEL,
            "stubs/pandas.py": "def DataFrame(rows): return rows\n",
        },
    )
    record = {"tenure_months": 3, "contract": "monthly"}
    code = f"import score; model = score.load({str(folder)!r}); print(score.predict(model, [{record}, {record}]))"
    assert run(folder, code) == "[2, 2]"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_truss_model_is_loaded_and_called_step_by_step(tmp_path: Path, *, is_async: bool) -> None:
    folder = foreign.truss(tmp_path / "truss")
    path = folder / "model/model.py"
    if is_async:
        path.write_text(path.read_text().replace("def predict", "async def predict"))
    path.write_text(
        path.read_text().replace("        return request\n", '        return request | {"rows": [1, 2, 3]}\n')
    )
    write_draft(draft_bundle(folder))
    foreign.write(folder, {"stubs/joblib.py": JOBLIB + MODEL})
    code = (
        f"import os; os.environ['AZUREML_MODEL_DIR'] = {str(folder)!r}\n"
        "import json, score; score.init(); print(json.dumps(score.run('{\"rows\": []}')))"
    )
    assert json.loads(run(folder, code)) == {"predictions": 3}

"""Every form of ``load`` and ``predict``, called by the real worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.environments import FrameworkEnvironment, make_environment
from tests.support.real_worker import make_root, working

pytestmark = pytest.mark.package_index

SCHEMA = {
    "type": "object",
    "required": ["age", "plan", "member"],
    "properties": {
        "age": {"type": "integer"},
        "visits": {"type": ["integer", "null"]},
        "plan": {"type": "string"},
        "member": {"type": "boolean"},
        "score": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "coupon": {"type": "string"},
        "active": {"type": "boolean"},
    },
}
FULL = {"age": 3, "visits": 7, "plan": "basic", "member": True, "score": 0.5, "coupon": "x", "active": False}
TYPES = ["int64", "float64", "object", "bool", "float64", "object", "object"]
DESCRIBE = "[[type(r).__name__, list(r.columns), [str(t) for t in r.dtypes]] for _ in range(len(r))]"


@pytest.fixture(scope="module")
def pandas(kiln_home: Path) -> FrameworkEnvironment:
    return make_environment(kiln_home, "pandas==2.3.3", "pydantic")


def score(root: Path, packages: Path, script: str, *payloads: list[Any], schema: Any = SCHEMA) -> list[Any]:
    document = {"schema": {"request": schema, "scope": "record"}}
    with working(make_root(root, packages=packages, script=script, **document)) as worker:
        outcomes = worker.score(payloads)
        assert all(outcome == "ok" for outcome, _ in outcomes), worker.log
        return [value for _, value in outcomes]


SIGNATURES = {
    "alias": "import pandas as pd\ndef predict(model, r: pd.DataFrame):",
    "future": "from __future__ import annotations\nimport pandas\ndef predict(m, r: pandas.DataFrame, k=1) -> list:",
    "union text": "from pandas import DataFrame as Table\ndef predict(model, r: 'Table | None'):",
    "type checking": """\
from __future__ import annotations
import typing as t
if t.TYPE_CHECKING:
    import pandas as p
async def predict(model, r: p.DataFrame):""",
    "decorated": """\
import functools, pandas as pd
def timed(f):
    @functools.wraps(f)
    def g(*a):
        return f(*a)
    return g
@timed
def predict(model, r: pd.DataFrame):""",
    "annotated": """\
import pandas as pd
from typing import Annotated, Optional
def predict(model, r: Optional[Annotated[pd.DataFrame, 'rows']]):""",
}


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=SIGNATURES)
def test_a_frame_has_the_schemas_columns_and_types_whatever_comes(
    tmp_path: Path, pandas: FrameworkEnvironment, signature: str
) -> None:
    script = f"{signature}\n    return {DESCRIBE}\ndef load(d): ...\n"
    sparse = {"age": 1, "plan": "plus", "member": False, "visits": None, "unknown": 5}
    for records in ([FULL], [sparse], [sparse, FULL]):
        (found,) = score(tmp_path / str(len(list(tmp_path.iterdir()))), pandas.packages, script, records)
        assert found == [["DataFrame", list(SCHEMA["properties"]), TYPES]] * len(records)


def test_what_is_missing_in_a_frame_is_nan(tmp_path: Path, pandas: FrameworkEnvironment) -> None:
    script = (
        "import pandas as pd\ndef load(d): ...\n"
        "def predict(model, rows: pd.DataFrame):\n"
        "    return [[c for c in rows if r[c] != r[c]] for _, r in rows.iterrows()]\n"
    )
    sparse = {"age": 1, "plan": "plus", "member": False, "visits": None}
    first, second = score(tmp_path / "r", pandas.packages, script, [sparse], [FULL])
    assert first == [["visits", "score", "coupon", "active"]]
    assert second == [[]]


@pytest.mark.parametrize(
    ("annotation", "schema", "expected"),
    [
        ("np.ndarray", {"a": "number", "b": "integer"}, ["ndarray", "float64", [[1.5, 2.0], [2.0, 3.0]]]),
        ("np.ndarray", {"a": "integer", "b": "integer"}, ["ndarray", "int64", [[1, 2], [2, 3]]]),
        ("npt.NDArray[np.float32]", {"a": "number", "b": "integer"}, ["ndarray", "float32", [[1.5, 2.0], [2.0, 3.0]]]),
        ("'np.ndarray'", {"a": "string", "b": "integer"}, ["ndarray", "object", [["x", 2], ["y", 3]]]),
    ],
)
def test_an_array_has_the_schemas_features_in_its_order(
    tmp_path: Path, pandas: FrameworkEnvironment, annotation: str, schema: dict[str, str], expected: list[Any]
) -> None:
    script = (
        "import numpy as np, numpy.typing as npt\ndef load(d): ...\n"
        f"def predict(model, rows: {annotation}):\n"
        "    return [[type(rows).__name__, str(rows.dtype), rows.tolist()] for _ in rows]\n"
    )
    values = {"number": (1.5, 2.0), "integer": (1, 2), "string": ("x", "y")}[schema["a"]]
    records = [{"b": 2 + index, "a": value} for index, value in enumerate(values)]
    properties = {name: {"type": kind} for name, kind in schema.items()}
    described = {"type": "object", "required": ["a", "b"], "properties": properties}
    (found,) = score(tmp_path / "r", pandas.packages, script, records, schema=described)
    assert found == [expected] * 2


def test_one_event_loop_lives_as_long_as_the_worker(tmp_path: Path, pandas: FrameworkEnvironment) -> None:
    script = (
        "import asyncio\n"
        "async def tick(state):\n    while True:\n        await asyncio.sleep(0.001)\n        state['ticks'] += 1\n"
        "async def load(d):\n"
        "    state = {'ticks': 0, 'loop': id(asyncio.get_running_loop())}\n"
        "    state['task'] = asyncio.create_task(tick(state))\n    return state\n"
        "async def predict(state, records):\n"
        "    await asyncio.sleep(0.02)\n"
        "    return [[id(asyncio.get_running_loop()) == state['loop'], state['ticks'] > 0] for _ in records]\n"
    )
    assert score(tmp_path / "r", pandas.packages, script, [{}], [{}]) == [[[True, True]], [[True, True]]]


def test_requests_that_are_tried_alone_are_awaited_at_the_same_time(
    tmp_path: Path, pandas: FrameworkEnvironment
) -> None:
    script = (
        "import asyncio\ndef load(d): ...\n"
        "async def predict(model, records):\n"
        "    if len(records) > 1:\n        raise ValueError('one at a time')\n"
        "    await asyncio.sleep(0.4)\n    print('scored', records[0])\n"
        "    if records[0] == 13:\n        raise KeyError('unlucky')\n"
        "    return records\n"
    )
    with working(make_root(tmp_path / "r", packages=pandas.packages, script=script)) as worker:
        outcomes = worker.score([[number] for number in range(10, 20)])
        assert [outcome for outcome, _ in outcomes] == ["ok"] * 3 + ["user"] + ["ok"] * 6
        assert outcomes[0][1] == [10]
        assert worker.spent < 10 * 0.4
        worker.read_log()
        printed = {line["message"]: line.get("request_id") for line in worker.log if line.get("logger") == "stdout"}
        assert printed == {f"scored {number}": f"r{number - 10}" for number in range(10, 20)}
        (failed,) = [line for line in worker.log if "unlucky" in line["message"]]
        assert failed["request_id"] == "r3"


ANSWERS = {
    "a list": ("[1, 2]", [1, 2]),
    "an array": ("np.array([1.5, 2.5], np.float32)", [1.5, 2.5]),
    "an array of times": ("np.array(['2026-01-02', 'NaT'], 'datetime64[ns]')", ["2026-01-02T00:00:00", None]),
    "a series": ("pd.Series(['x', None])", ["x", None]),
    "a frame": (
        "pd.DataFrame({'label': pd.Categorical(['x', 'y']), 'at': pd.to_datetime(['2026-01-02', None]), 'n': [1, 2]})",
        [{"label": "x", "at": "2026-01-02T00:00:00", "n": 1}, {"label": "y", "at": None, "n": 2}],
    ),
    "columns": (
        "{'label': np.array(['x', 'y']), 'p': [np.float32(0.5), 1]}",
        [{"label": "x", "p": 0.5}, {"label": "y", "p": 1}],
    ),
    "models": ("[Answer(label='x', at=dt.date(2026, 1, 2)), Point(3)]", [{"label": "x", "at": "2026-01-02"}, {"x": 3}]),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_form_of_answer_is_understood(tmp_path: Path, pandas: FrameworkEnvironment, answer: str) -> None:
    expression, expected = ANSWERS[answer]
    script = (
        "import dataclasses, datetime as dt, numpy as np, pandas as pd, pydantic\n"
        "class Answer(pydantic.BaseModel):\n    label: str\n    at: dt.date\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n"
        f"def load(d): ...\ndef predict(model, records): return {expression}\n"
    )
    (found,) = score(tmp_path / "r", pandas.packages, script, [{}, {}])
    assert found == expected

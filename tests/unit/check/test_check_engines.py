"""Calls that need a module their library does without: what trips, and what does not."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from builder.check.finding import Finding
from builder.check.imports import find_imports
from builder.check.walk.script import walk_scoring
from tests.unit.check.import_subjects import make_subject

PANDAS = {"pandas": {"pandas/__init__.py": ""}}
BOOSTERS = {"xgboost": {"xgboost/__init__.py": "", "xgboost/sklearn.py": ""}, "lightgbm": {"lightgbm/__init__.py": ""}}


def found(tmp_path: Path, load: str, *, brought: tuple[str, ...] = (), before: str = "", **given: Any) -> list[Finding]:
    """Return the findings on a script that is all one function the worker calls."""
    wheels = {**PANDAS, **BOOSTERS, **{name: {f"{name}.py": ""} for name in brought}}
    script = f"import sqlite3, pathlib\nimport pandas as pd\nimport xgboost as xgb\nimport lightgbm as lgb\n{before}\n"
    script += f"def helper(model_dir, x):\n{textwrap.indent(load, '    ')}\n"
    script += "def load(model_dir):\n    helper(model_dir, input())\ndef predict(model, records): return records\n"
    given = {
        "files": {"inference.py": script},
        "more": "scoring: {script: inference.py}",
        "base_modules": frozenset(),
        **given,
    }
    return [
        one for one in find_imports(make_subject(tmp_path, None, wheels=wheels, **given)) if one.rule.id != "KILN103"
    ]


def ids(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.rule.id, str(one.severity)) for one in findings]


@pytest.mark.parametrize(
    ("line", "message", "distribution"),
    [
        ("pd.read_parquet(x)", "pandas.read_parquet needs pyarrow or fastparquet", "pyarrow"),
        ("pd.read_parquet(x, engine='auto')", "pandas.read_parquet needs pyarrow or fastparquet", "pyarrow"),
        ("pd.read_parquet(x, 'fastparquet')", "pandas.read_parquet needs fastparquet", "fastparquet"),
        ("pd.read_feather(x)", "pandas.read_feather needs pyarrow", "pyarrow"),
        ("pd.read_hdf(x)", "pandas.read_hdf needs tables", "tables"),
        ("pd.read_excel('a.xlsx')", "pandas.read_excel needs openpyxl", "openpyxl"),
        ("pd.read_excel(pathlib.Path('a') / 'b.XLS')", "pandas.read_excel needs xlrd", "xlrd"),
        ("pd.read_excel('a.ods')", "pandas.read_excel needs odf", "odfpy"),
        (
            "pd.read_excel(x)",
            "pandas.read_excel needs openpyxl or xlrd or odf or pyxlsb or python_calamine",
            "openpyxl",
        ),
        ("pd.read_excel(x, engine='calamine')", "pandas.read_excel needs python_calamine", "python-calamine"),
        ("pd.read_html(x)", "pandas.read_html needs lxml", "lxml"),
        ("pd.read_html(x, flavor='bs4')", "pandas.read_html needs html5lib", "html5lib"),
        ("pd.read_xml(x)", "pandas.read_xml needs lxml", "lxml"),
        ("pd.read_csv(x, engine='pyarrow')", "pandas.read_csv needs pyarrow", "pyarrow"),
        ("pd.read_sql('select 1', 'sqlite:///x')", "pandas.read_sql needs sqlalchemy", "sqlalchemy"),
        ("pd.read_sql_query('select 1', con='sqlite:///x')", "pandas.read_sql_query needs sqlalchemy", "sqlalchemy"),
        ("pd.DataFrame(x).to_markdown()", "DataFrame.to_markdown needs tabulate", "tabulate"),
        ("pd.DataFrame({'a': x}).style.bar()", "DataFrame.style needs jinja2", "jinja2"),
        ("df = pd.read_csv(x)\ndf.plot.bar()", "DataFrame.plot needs matplotlib", "matplotlib"),
        ("df = pd.DataFrame(x, columns=x)\ndf.plot()", "DataFrame.plot needs matplotlib", "matplotlib"),
        ("pd.concat(x).hist()", "DataFrame.hist needs matplotlib", "matplotlib"),
        ("pd.DataFrame(x).to_xml()", "DataFrame.to_xml needs lxml", "lxml"),
        ("pd.DataFrame(x).to_sql('t', 'sqlite:///x')", "DataFrame.to_sql needs sqlalchemy", "sqlalchemy"),
        ("pd.DataFrame(x).to_parquet('/tmp/x')", "DataFrame.to_parquet needs pyarrow or fastparquet", "pyarrow"),
        ("pd.DataFrame(x).to_excel('/tmp/x.xlsx')", "DataFrame.to_excel needs openpyxl or xlsxwriter", "openpyxl"),
        ("xgb.XGBClassifier()", "xgboost.XGBClassifier needs sklearn", "scikit-learn"),
        ("from xgboost.sklearn import XGBRegressor as R\nR()", "xgboost.sklearn.XGBRegressor needs sklearn",
         "scikit-learn"),
        ("lgb.LGBMClassifier(n_jobs=1)", "lightgbm.LGBMClassifier needs sklearn", "scikit-learn"),
    ],
)  # fmt: skip
def test_a_call_whose_engine_is_missing_is_an_error(tmp_path: Path, line: str, message: str, distribution: str) -> None:
    (finding,) = found(tmp_path, line)
    assert ids([finding]) == [("KILN101", "error")]
    assert finding.message == f"{message}, which is not in the image"
    assert finding.remedy == f"add {distribution} to environment.requirements, then run `kiln lock`"
    assert finding.place.path == "inference.py"


@pytest.mark.parametrize(
    ("line", "brought"),
    [
        ("pd.read_parquet(x)", ("fastparquet",)),
        ("pd.read_parquet(x, 'pyarrow')", ("pyarrow",)),
        ("pd.read_parquet(x, engine=x)", ()),
        ("pd.read_parquet(x, **x)", ()),
        ("pd.read_csv(x)\npd.read_json(x)\npd.read_csv(x, engine='c')", ()),
        ("pd.read_excel('a.xlsx')", ("openpyxl",)),
        ("pd.read_excel('a.unheard')", ()),
        ("pd.read_excel(x)", ("xlrd",)),
        ("pd.read_xml(x, parser='etree')", ()),
        ("pd.read_sql('select 1', sqlite3.connect('/tmp/x'))\npd.read_sql('select 1', x)", ()),
        ("pd.DataFrame(x).to_sql('t', sqlite3.connect('/tmp/x'))", ()),
        ("pd.DataFrame(x).plot()", ("plotly",)),
        ("pd.DataFrame(x).plot(backend='plotly')", ("plotly",)),
        ("x.plot()\nx.style\nx.hist()\nx.to_xml()", ()),
        ("import polars\npolars.read_parquet(x)", ("polars",)),
        ("class Table:\n    def to_parquet(self, path): return path\nTable().to_parquet('/tmp/x')", ()),
        ("xgb.Booster()\nxgb.DMatrix(x)\nlgb.Booster(model_str=x)", ()),
        ("xgb.XGBClassifier()", ("sklearn",)),
        ("if False:\n    pd.read_parquet(x)", ()),
    ],
)
def test_a_call_that_has_what_it_needs_or_cannot_be_told_is_no_finding(
    tmp_path: Path, line: str, brought: tuple[str, ...]
) -> None:
    assert found(tmp_path, line, brought=brought) == []


@pytest.mark.parametrize(
    ("line", "level", "end"),
    [
        ("x.to_parquet('/tmp/x')", "warning", ", if it is pandas's"),
        ("if x.big:\n    pd.read_parquet(x)", "warning", ", and it is called under a condition that cannot be told here"
        ),
        ("try:\n    pd.read_parquet(x)\nexcept ImportError:\n    pass", "note", ", and the code goes on without it"),
        ("try:\n    pd.read_parquet(x)\nexcept Exception as e:\n    raise X from e", "error", "not in the image"),
        ("try:\n    pd.read_parquet(x)\nexcept KeyError:\n    pass", "error", "not in the image"),
        ("import contextlib\nwith contextlib.suppress(ImportError):\n    pd.read_parquet(x)", "note",
         ", and the code goes on without it"),
    ],
)  # fmt: skip
def test_what_is_not_surely_reached_is_no_error(tmp_path: Path, line: str, level: str, end: str) -> None:
    (finding,) = found(tmp_path, line)
    assert str(finding.severity) == level
    assert finding.message.endswith(end)


def test_a_function_nothing_calls_needs_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, "pass", before="def train():\n    pd.read_parquet('x')") == []


def test_a_module_is_told_once_where_it_is_needed_most_surely(tmp_path: Path) -> None:
    lines = "if x:\n    pd.read_parquet(x)\npd.read_parquet(x)\npd.DataFrame(x).to_parquet('/tmp/x')"
    (finding,) = found(tmp_path, lines)
    assert (str(finding.severity), finding.place.line) == ("error", 9)


def test_the_engine_of_the_training_environment_is_the_one_to_add(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, "pd.read_parquet(x)", freeze="fastparquet==2024.1\n")
    assert "add fastparquet==2024.1 to environment.requirements" in finding.remedy


def test_without_wheels_nothing_is_told(tmp_path: Path) -> None:
    script = "import pandas as pd\ndef other(): pass\nx = pd.read_parquet('x')\n"
    assert list(find_imports(make_subject(tmp_path, script, wheels=None))) == []


def test_an_engine_that_is_used_is_not_unreached(tmp_path: Path) -> None:
    wheels = {**PANDAS, "pyarrow": {"pyarrow/__init__.py": ""}, "tables": {"tables/__init__.py": ""}}
    script = "import pandas as pd\nx = pd.read_parquet('x')\n"
    findings = list(find_imports(make_subject(tmp_path, script, wheels=wheels)))
    assert [one.message for one in findings] == ["nothing imports tables"]


def test_one_bundle_is_walked_once(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, "", wheels=PANDAS)
    assert walk_scoring(subject) is walk_scoring(subject)
    other = make_subject(tmp_path / "b", "open('x')\n", wheels=PANDAS)
    assert walk_scoring(other) is not walk_scoring(subject)

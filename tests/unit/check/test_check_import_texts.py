"""Imports by a name that constants make, and imports of what the code has asked for."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from builder.check.availability import modules_there
from builder.check.constants import Constants
from builder.check.imports import find_imports
from tests.unit.check.import_subjects import make_subject

NUMPY = {"numpy": {"numpy/__init__.py": "", "numpy/linalg.py": ""}}
PLUGINS = {"plugins/__init__.py": "", "plugins/text.py": "", "plugins/image.py": ""}


def found(tmp_path: Path, script: str, **given: Any) -> list[tuple[str, str, str]]:
    subject = make_subject(tmp_path, script, wheels=NUMPY, files=PLUGINS, sources=["plugins"], **given)
    return [(one.rule.id, str(one.severity), one.message) for one in find_imports(subject) if one.rule.id != "KILN103"]


def texts(source: str) -> tuple[tuple[str, ...], bool] | None:
    """Return what the argument of the last call of ``use`` may be."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "use"]
    made = Constants(tree).texts(calls[-1].args[0])
    return (made.values, made.is_each) if made else None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("use('a')", (("a",), True)),
        ("A = 'a'\nuse(A)", (("a",), True)),
        ("A: str = 'a'\ndef f():\n    use(A)", (("a",), True)),
        ("A = 'a'\nuse(f'{A}.b')", (("a.b",), True)),
        ("A = 'a'\nuse(A + '.b')", (("a.b",), True)),
        ("for x in ('a', 'b'):\n    use(x)", (("a", "b"), True)),
        ("A = ['a', 'b']\nfor x in A:\n    use(f'p.{x}')", (("p.a", "p.b"), True)),
        ("for x in sorted({'a'}):\n    use(x)", (("a",), True)),
        ("[use(x) for x in ('a', 'b')]", (("a", "b"), True)),
        ("[use(x) for x in ('a', 'b') if x in y]", (("a", "b"), False)),
        ("for x in ('a', 'b'):\n    use(x)\n    break", (("a", "b"), False)),
        ("T = {'x': 'a', 'y': 'b'}\nuse(T['y'])", (("b",), True)),
        ("T = {'x': 'a', 'y': 'b'}\nuse(T[k])", (("a", "b"), False)),
        ("T = {'x': 'a'}\nuse(T.get(k, 'b'))", (("a", "b"), False)),
        ("T = {'x': 'a', 'y': 'b'}\nfor m in T.values():\n    use(m)", (("a", "b"), True)),
        ("T = {'x': 'a', 'y': 'b'}\nfor n, m in T.items():\n    use(m)", (("a", "b"), True)),
        ("T = {'x': 'a', 'y': 'b'}\nfor n in T:\n    use(T[n])", (("a", "b"), False)),
        ("use(['a', 'b'][1])", (("b",), True)),
        ("use('a' if k else 'b')", (("a", "b"), False)),
        ("use('a' if k else 'a')", (("a",), True)),
    ],
)
def test_constants_are_put_together(source: str, expected: tuple[tuple[str, ...], bool]) -> None:
    assert texts(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "use(a)",
        "A = 'a'\nA = 'b'\nuse(A)",
        "A = 'a'\nA += 'b'\nuse(A)",
        "A = 'a'\ndef f(A):\n    use(A)",
        "A = 'a'\nfor A in x:\n    use(A)",
        "A = 'a'\nimport A\nuse(A)",
        "A = 1\nuse(A)",
        "A = A\nuse(A)",
        "A = 'a'\nuse(f'{A!r}')",
        "A = 'a'\nuse(f'{A:>9}')",
        "T = {'x': 'a'}\nT['y'] = 'b'\nuse(T[k])",
        "T = {'x': 'a'}\nT.update(y='b')\nuse(T[k])",
        "T = {'x': 'a', **other}\nuse(T[k])",
        "T = ['a', other]\nfor x in T:\n    use(x)",
        "T = ['a']\nuse(T[3])",
        "T = ['a']\nT.append('b')\nfor x in T:\n    use(x)",
        "for x, y in (('a', 'b'),):\n    use(x)",
        "use(os.environ.get('A', 'a'))",
        "for x in [*'ab']:\n    use(x)",
        "use('a' * 2)",
    ],
)
def test_what_may_be_anything_is_not_told(source: str) -> None:
    assert texts(source) is None


def test_an_import_by_a_constant_is_an_import(tmp_path: Path) -> None:
    script = "import importlib\nA = 'plugins.text'\nimportlib.import_module(A)\n"
    assert found(tmp_path, script) == []
    missing = "import importlib\ndef load2():\n    for p in ('plugins.text', 'plugins.no'):\n"
    missing += "        importlib.import_module(p)\nload2()\n"
    message = "the bundle's plugins has no plugins.no; load2() fails when it is called"
    assert found(tmp_path, missing) == [("KILN101", "error", message)]


def test_an_import_of_one_of_several_is_a_warning(tmp_path: Path) -> None:
    table = "import importlib, os\nT = {'a': 'plugins.text', 'b': 'plugins.no'}\n"
    rule, level, _ = found(tmp_path, f"{table}importlib.import_module(T[os.environ['X']])\n")[0]
    assert (rule, level) == ("KILN102", "warning")
    assert found(tmp_path, f"{table}importlib.import_module(T['a'])\n") == []
    assert found(tmp_path, f"{table}importlib.import_module(T['b'])\n")[0][:2] == ("KILN101", "error")


def test_a_package_by_a_constant_is_a_package(tmp_path: Path) -> None:
    script = "import importlib\nP = 'plugins'\nimportlib.import_module('.{}', P)\n"
    assert found(tmp_path, script.format("text")) == []
    assert found(tmp_path, script.format("no"))[0][:2] == ("KILN101", "error")
    unknown = "import importlib\nimportlib.import_module('.text', package)\n"
    assert [rule for rule, _, _ in found(tmp_path, unknown)] == ["KILN110"]


def there(test: str, *, answer: bool = True, source: str = "") -> set[str]:
    tree = ast.parse(f"{source}\n({test})")
    expression = tree.body[-1]
    assert isinstance(expression, ast.Expr)
    return set(modules_there(expression.value, Constants(tree), answer=answer))


@pytest.mark.parametrize(
    ("test", "answer", "modules"),
    [
        ("importlib.util.find_spec('a') is not None", True, {"a"}),
        ("importlib.util.find_spec('a') is not None", False, set()),
        ("find_spec('a')", True, {"a"}),
        ("bool(find_spec('a'))", True, {"a"}),
        ("find_spec('a') is None", False, {"a"}),
        ("find_spec('a') is None", True, set()),
        ("not find_spec('a')", False, {"a"}),
        ("find_spec('a') and find_spec('b') and other", True, {"a", "b"}),
        ("find_spec('a') or find_spec('b')", True, set()),
        ("find_spec('a') is None or find_spec('b') is None", False, {"a", "b"}),
        ("pkgutil.find_loader('a') != None", True, {"a"}),
        ("FLAG", True, {"f"}),
        ("not FLAG", False, {"f"}),
        ("OTHER", True, set()),
        ("find_spec(x)", True, set()),
        ("find_spec('a') is x", True, set()),
    ],
)
def test_what_a_condition_tells_of_modules(test: str, answer: bool, modules: set[str]) -> None:
    source = "FLAG = find_spec('f') is not None\nOTHER = find_spec('o')\nOTHER = True"
    assert there(test, answer=answer, source=source) == modules


@pytest.mark.parametrize(
    "lines",
    [
        "if importlib.util.find_spec('shap') is not None:\n    import shap\n",
        "HAS = importlib.util.find_spec('shap') is not None\nif HAS:\n    from shap import Explainer\n",
        "if importlib.util.find_spec('shap') is None:\n    shap = None\nelse:\n    import shap.plots\n",
        "shap = importlib.import_module('shap') if importlib.util.find_spec('shap') else None\n",
        "def f():\n    if not importlib.util.find_spec('shap'):\n        return None\n    import shap\nf()\n",
    ],
)
def test_an_import_the_code_has_asked_for_is_a_note(tmp_path: Path, lines: str) -> None:
    assert [one[:2] for one in found(tmp_path, f"import importlib.util\n{lines}")] == [("KILN102", "note")]


@pytest.mark.parametrize(
    ("lines", "level"),
    [
        ("if importlib.util.find_spec('polars'):\n    import shap\n", "warning"),
        ("if importlib.util.find_spec('shap') is None:\n    import shap\n", "warning"),
        ("if importlib.util.find_spec('shap') is None:\n    raise RuntimeError\nimport shap\n", "error"),
        ("if importlib.util.find_spec('shap'):\n    pass\nimport shap\n", "error"),
        ("if importlib.util.find_spec('shap'):\n    import shapely\n", "warning"),
        ("import importlib\nx = importlib.import_module('shap') if unknown else None\n", "warning"),
    ],
)
def test_an_import_of_something_else_is_none_the_code_has_asked_for(tmp_path: Path, lines: str, level: str) -> None:
    assert [one[1] for one in found(tmp_path, f"import importlib.util\n{lines}")] == [level]

"""The walk itself: whatever it is given, it ends, and neither imports nor runs anything."""

from __future__ import annotations

import ast
import sysconfig
import time
from dataclasses import replace
from pathlib import Path

import pytest
from bundle_subjects import read_example
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.bundle.model import Contract, Scoring
from builder.check.paths import judge_paths
from builder.check.subject import Subject
from builder.check.walk.script import walk_scoring

STDLIB = Path(sysconfig.get_path("stdlib"))
MODULES = (
    "argparse", "calendar", "csv", "dataclasses", "difflib", "enum", "glob", "inspect", "json/decoder", "locale",
    "logging/__init__", "pathlib", "platform", "shutil", "subprocess", "sysconfig", "tempfile", "zipfile",
)  # fmt: skip


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    subject = read_example("churn", tmp_path_factory.mktemp("churn"))
    scoring = Scoring(contract=Contract.PREDICT, script="score.py")
    return replace(subject, bundle=replace(subject.bundle, scoring=scoring), sources={})


def walk(example: Subject, source: str) -> Subject:
    subject = replace(example, sources={"score.py": source.encode()})
    list(judge_paths(walk_scoring(subject)))
    return subject


@pytest.mark.parametrize("name", MODULES)
def test_code_of_every_kind_is_walked_to_an_end(name: str, example: Subject) -> None:
    path = STDLIB / f"{name}.py"
    source = path.read_text() if path.exists() else ""
    functions = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    calls = "".join(f"\n    {function}(records, model)" for function in functions)
    walk(example, f"{source}\n\ndef load(model_dir):\n    pass\n\ndef predict(model, records):\n    pass{calls}\n")


NAMES = st.sampled_from(["records", "model", "os", "Path", "record", "x", "open", "json", "self", "glob"])


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    if depth == 0:
        return draw(st.one_of(NAMES, st.sampled_from(["'a/b'", "1", "None", "True", "'age'", "[]", "{}", "f'{x}/y'"])))
    inner = expressions(depth=depth - 1)
    form = draw(
        st.sampled_from(
            [
                "{a}.{n}", "{a}[{b}]", "{a}({b})", "({a} + {b})", "({a} / {b})", "({a} % {b})", "({a} or {b})",
                "[{n} for {n} in {a} if {b}]", "({a} if {b} else {a})", "{{{a}: {b}}}", "[{a}, *{b}]", "{a}(*{b})",
                "(lambda {n}: {a})({b})", "{a}[{b}:]", "({n} := {a})", "(not {a})", "(-{a})", "({a} in {b})",
                "{{**{a}}}", "{a}.get({b})", "open({a}, {b})", "Path({a})", "{a}(**{b})", "({a} == {b})",
                "{a}.append({b})", "{a}.extend({b})",
            ]
        )
    )  # fmt: skip
    return form.format(a=draw(inner), b=draw(inner), n=draw(NAMES))


@st.composite
def statements(draw: st.DrawFn, depth: int = 2) -> str:
    value, name = draw(expressions()), draw(NAMES)
    simple = [
        f"{name} = {value}", f"{name} += {value}", f"{name}[{value}] = {value}", value, f"return {value}", "raise {v}",
        f"del {name}", f"{name}, x = {value}", f"import {name} as x", "global x", f"assert {value}",
        f"{name}.x = {value}",
    ]  # fmt: skip
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(simple)).replace("{v}", value)
    body = "\n".join(draw(st.lists(statements(depth=depth - 1), min_size=1, max_size=3))).replace("\n", "\n    ")
    return draw(
        st.sampled_from(
            [
                f"if {value}:\n    {body}", f"for {name} in {value}:\n    {body}\n    break",
                f"while {value}:\n    {body}\n    continue", f"with {value} as {name}:\n    {body}",
                f"try:\n    {body}\nexcept (KeyError, OSError):\n    pass\nfinally:\n    x = 1",
                f"def {name}(x, *y, z=1, **w):\n    {body}",
                f"class {name}:\n    {body}" if "return" not in body else "x",
            ]
        )
    )  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(statements(), min_size=1, max_size=6))
def test_made_up_code_is_walked_to_an_end(example: Subject, body: list[str]) -> None:
    code = "\n".join(body).replace("\n", "\n    ")
    source = f"import os, json, glob\nfrom pathlib import Path\n\ndef load(model_dir):\n    {code}\n"
    walk(example, f"{source}\n\ndef predict(model, records):\n    {code}\n")


def test_nothing_of_the_script_is_run(example: Subject, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    source = f"import pathlib\npathlib.Path({str(trace)!r}).write_text('ran')\nopen({str(trace)!r}, 'w').write('ran')\n"
    walk(example, f"{source}\ndef load(d):\n    {source.splitlines()[1]}\n\ndef predict(m, r):\n    return r\n")
    assert not trace.exists()


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "[" * 90 + "]" * 90,
        "x = 'a'\n" + "x = x + x\n" * 60,
        "x = [1]\n" + "x = x + x\n" * 40,
        "x = {'a': 1}\n" + "x = [x, x]\n" * 2000,
        "def f(n):\n    return f(n)\nf(f)",
        "x = (" + " + ".join(["'a'"] * 3000) + ")",
        "for a in range(9):\n"
        + "".join(f"{' ' * (n + 1)}for b{n} in [1, 2, 3, 4]:\n" for n in range(15))
        + " " * 17
        + "f(a)",
    ],
    ids=["nested", "doubled text", "doubled list", "deep", "recursive", "long sum", "many loops"],
)
def test_code_that_grows_without_bound_is_left_in_time(source: str, example: Subject) -> None:
    started = time.process_time()
    walk(example, f"{source}\n\ndef load(model_dir):\n    pass\n\ndef predict(model, records):\n    pass\n")
    assert time.process_time() - started < 5

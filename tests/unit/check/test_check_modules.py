from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle.conditions import Target
from builder.check.modules import Import, read_module


def imports_of(source: str, python: str = "3.11") -> list[Import]:
    return read_module(source.encode(), path="score.py", target=Target(python=python, machine="x86_64")).imports


def test_every_form_of_import_is_read_with_its_place() -> None:
    source = "import a.b as c, d\nfrom e.f import g, h as i\nfrom .j import k\nfrom .. import l\n  \nfrom m import *\n"
    assert [(one.module, one.names, one.up, one.line, one.column) for one in imports_of(source)] == [
        ("a.b", (), 0, 1, 1),
        ("d", (), 0, 1, 1),
        ("e.f", ("g", "h"), 0, 2, 1),
        ("j", ("k",), 1, 3, 1),
        ("", ("l",), 2, 4, 1),
        ("m", (), 0, 6, 1),
    ]


@pytest.mark.parametrize(
    "call",
    [
        "importlib.import_module('a.b')",
        "import_module('a.b')",
        "__import__('a.b')",
        "importlib.import_module(name='a.b')",
    ],
)
def test_calls_that_import_are_imports(call: str) -> None:
    assert [(one.module, one.is_call) for one in imports_of(f"x = [{call}]\n")] == [("a.b", True)]


@pytest.mark.parametrize(
    ("call", "module", "up"),
    [
        ("import_module('.b', package='lib')", "lib.b", 0),
        ("import_module('.b', 'lib.a')", "lib.a.b", 0),
        ("import_module('..b.c', 'lib.a')", "lib.b.c", 0),
        ("import_module('..b', 'lib')", "b", 2),
        ("import_module('.b', package=__name__)", "b", 1),
        ("import_module('.b', __package__)", "b", 1),
        ("import_module('.b', __name__.rpartition('.')[0])", "b", 1),
        ("import_module('a', 'lib')", "a", 0),
    ],
)
def test_a_call_imports_relative_to_the_package_it_is_given(call: str, module: str, up: int) -> None:
    assert [(one.module, one.up) for one in imports_of(f"{call}\n")] == [(module, up)]


def test_a_call_relative_to_a_computed_package_is_computed() -> None:
    reading = read_module(
        b"import_module('.b', package=plugin)\n", path="score.py", target=Target(python="3.11", machine="x86_64")
    )
    assert reading.imports == []
    assert [one.what for one in reading.computed] == ["import_module('.b')"]


def test_text_that_is_no_module_name_is_none() -> None:
    assert imports_of("import_module('not a module')\nimport_module('')\n") == []


def test_a_body_in_a_try_is_not_protected_when_it_runs_later() -> None:
    source = "try:\n    def f():\n        import a\nexcept ImportError:\n    pass\n"
    (one,) = imports_of(source)
    assert one.context.guards == ()
    assert one.context.function == "f"


def test_else_is_not_protected_and_finally_always_runs() -> None:
    source = "try:\n    import a\nexcept ImportError:\n    import b\nelse:\n    import c\nfinally:\n    import d\n"
    contexts = {one.module: one.context for one in imports_of(source)}
    assert contexts["a"].guards == contexts["b"].instead_of != ()
    assert contexts["c"].guards == contexts["d"].guards == contexts["d"].instead_of == ()


def test_decorators_and_defaults_run_when_the_module_is_imported() -> None:
    source = "@register(__import__('a'))\ndef f(x=__import__('b')):\n    import c\n"
    assert {one.module: one.context.function for one in imports_of(source)} == {"a": None, "b": None, "c": "f"}


def test_cases_of_a_match_are_conditional() -> None:
    (one,) = imports_of("match x:\n    case 1:\n        import a\n")
    assert one.context.is_conditional


def test_syntax_newer_than_the_target_is_refused() -> None:
    source = b"match x:\n    case 1:\n        pass\n"
    read_module(source, path="score.py", target=Target(python="3.10", machine="x86_64"))
    with pytest.raises(SyntaxError):
        read_module(source, path="score.py", target=Target(python="3.9", machine="x86_64"))


@pytest.mark.parametrize("source", [b"\x00", b"# coding: unheard-of\n", b"x = " + b"-" * 100_000 + b"1"])
def test_what_cannot_be_read_raises_one_of_two_errors(source: bytes) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        read_module(source, path="score.py", target=Target(python="3.11", machine="x86_64"))


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_raise(source: bytes) -> None:
    try:
        read_module(source, path="score.py", target=Target(python="3.11", machine="x86_64"))
    except (SyntaxError, ValueError):
        return

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle import yaml_document
from builder.bundle.document import Document, show_path
from builder.bundle.yaml_document import read_document
from builder.errors import BundleError


def read(text: str | bytes) -> Document:
    return read_document(text.encode() if isinstance(text, str) else text, name="bundle.yaml")


def refuse(text: str | bytes) -> BundleError:
    with pytest.raises(BundleError) as caught:
        read(text)
    return caught.value


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_every_json_value_survives(value: Any) -> None:
    assert read(json.dumps(value)).value == value


@given(st.text())
def test_text_in_quotes_survives(text: str) -> None:
    assert read(yaml.safe_dump({"key": text}, default_style='"')).value == {"key": text}


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_a_bundle_error(content: bytes) -> None:
    with contextlib.suppress(BundleError):
        read(content)


def test_every_value_knows_its_line_and_column() -> None:
    found = read("a: 1\nb:\n  - x\n  - c: 3.10\n")
    assert found.line(("a",)) == 1
    assert found.line(("b", 1, "c")) == 4
    assert found.marks["b", 0].column == 5
    assert found.at(("b", 1, "c")) == "bundle.yaml:4 b[1].c"
    assert found.spelled(("b", 1, "c")) == "3.10"


def test_a_place_that_is_not_there_gets_the_line_of_what_is_around_it() -> None:
    found = read("a: 1\nb:\n  c: 2\n")
    assert found.at(("b", "missing", 0)) == "bundle.yaml:2 b.missing[0]"
    assert found.line(("nothing",)) == 1
    assert found.spelled(("nothing",)) is None


def test_key_paths_are_shown_as_people_write_them() -> None:
    assert show_path(("smoke", 0, "expect", "subset", "$.a b")) == 'smoke[0].expect.subset["$.a b"]'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("1e-6", 1e-6),
        ("1_000", "1_000"),
        ("08:30", "08:30"),
        ("2026-01-31", "2026-01-31"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1.0.0", "1.0.0"),
        (".5", 0.5),
        ("-3", -3),
        ("TRUE", True),
        ("~", None),
        ("Null", None),
        ("=", "="),
        ("!!str 3", "3"),
        ("!!int 3", 3),
    ],
)
def test_scalars_are_read_by_yaml_1_2(text: str, value: object) -> None:
    found = read(f"key: {text}\n").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_an_empty_file_is_nothing() -> None:
    assert read("# only a comment\n").value is None


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read(b"\xef\xbb\xbfa: 1\n").value == {"a": 1}


def test_a_key_given_twice_names_both_lines() -> None:
    (fault,) = refuse("a: 1\nb: 2\na: 3\n").faults
    assert fault.fact == "key is given twice"
    assert fault.at == "bundle.yaml:3 a"
    assert fault.got == "first on line 1"


def test_all_faults_are_told_at_once() -> None:
    faults = refuse("a: 1\na: 2\n3: x\nb: .nan\nc: !!python/none x\n").faults
    assert [fault.at for fault in faults] == ["bundle.yaml:2 a", "bundle.yaml:3", "bundle.yaml:4 b", "bundle.yaml:5 c"]


def test_a_key_that_is_not_text_shows_its_quotes() -> None:
    (fault,) = refuse("3.10: x\n").faults
    assert (fault.want, fault.got) == ('"3.10"', "3.10")
    (fault,) = refuse("[a]: x\n").faults
    assert fault.got == "a sequence"


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".NaN", "1e999", "!!int many", "1" * 5000])
def test_a_number_json_lacks_is_refused(text: str) -> None:
    (fault,) = refuse(f"a: {text}\n").faults
    assert fault.at == "bundle.yaml:1 a"


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [echo]",
        "!local x",
        "!!binary aGk=",
        "!!timestamp 2026-01-01",
        "!!set {a}",
        "!!omap [a: 1]",
        "!!bool maybe",
    ],
)
def test_a_tag_beyond_the_core_is_refused(text: str) -> None:
    (fault, *_) = refuse(f"a: {text}\n").faults
    assert fault.fact == "tag is not allowed"
    assert fault.at == "bundle.yaml:1 a"


def test_anchors_are_shared_values() -> None:
    assert read("a: &x {b: 1}\nc: *x\n").value == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_merge_brings_in_what_is_not_said() -> None:
    text = """
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
all: {<<: [*base, *more], a: 0}
deep: &deep {<<: *more}
last: {<<: *deep}
"""
    value = read(text).value
    assert value["all"] == {"a": 0, "b": 2, "c": 4}
    assert value["last"] == {"b": 3, "c": 4}


def test_a_merge_of_something_else_is_refused() -> None:
    (fault,) = refuse("a: {<<: 3}\n").faults
    assert "not a mapping" in fault.fact


@pytest.mark.parametrize("text", ["a: &x [*x]\n", "a: &x {b: *x}\n", "a: &x {<<: *x}\n"])
def test_an_alias_inside_its_own_anchor_is_refused(text: str) -> None:
    (fault, *_) = refuse(text).faults
    assert fault.fact == "an alias stands inside its own anchor"


def test_aliases_of_aliases_do_not_eat_the_memory() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    faults = refuse(text).faults
    assert len(faults) == 1
    assert str(yaml_document.MAX_NODES) in faults[0].fact


def test_a_tab_is_named_with_its_line() -> None:
    error = refuse("a:\n\tb: 1\n")
    assert error.faults[0].at == "bundle.yaml:2:1"
    assert "tab" in error.faults[0].fact
    assert error.hint == "indent with spaces"


def test_broken_yaml_gives_line_and_column() -> None:
    error = refuse("description: churn: who leaves\n")
    assert error.faults[0].at == "bundle.yaml:1:19"
    assert error.hint is not None
    assert refuse("a: [1, 2\n").faults[0].at == "bundle.yaml:2:1"


def test_two_documents_are_refused() -> None:
    error = refuse("a: 1\n---\nb: 2\n")
    assert "more than one document" in error.faults[0].fact


def test_text_that_is_not_utf_8_names_the_line() -> None:
    (fault,) = refuse(b"a: 1\nb: caf\xe9\n").faults
    assert (fault.at, fault.got) == ("bundle.yaml:2", "byte 0xe9")


def test_a_control_character_is_named() -> None:
    (fault,) = refuse("a: \x07\n").faults
    assert (fault.at, fault.got) == ("bundle.yaml:1", "U+0007")


def test_half_a_surrogate_pair_is_refused_and_a_whole_one_joined() -> None:
    assert read('a: "\\ud83d\\ude00"\n').value == {"a": "\U0001f600"}
    assert [fault.at for fault in refuse('a: "\\ud83d"\n"\\ude00": 1\n').faults] == ["bundle.yaml:1 a", "bundle.yaml:2"]


def test_values_nested_beyond_reason_are_refused() -> None:
    assert refuse("[" * 5000).exit_code == 3


def test_merges_of_merges_end() -> None:
    lines = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}" for n in range(1, 40))]
    with pytest.raises(BundleError, match="more than 200000 values"):
        read_document("\n".join(lines).encode(), name="bundle.yaml")

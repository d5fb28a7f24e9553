from __future__ import annotations

from builder.bundle.faults import Faults, closest, shown
from builder.bundle.yaml_document import read_document


def make() -> Faults:
    return Faults(read_document(b"a: 1\nb: 2\nc: 3\n", name="bundle.yaml"))


def test_faults_stand_in_the_order_of_the_document() -> None:
    faults = make()
    assert not faults
    faults.add("third", ("c",))
    faults.add_elsewhere("second", ("b",), "other.txt:9")
    faults.add("first", ("a",))
    assert [fault.fact for fault in faults.in_order()] == ["first", "second", "third"]
    assert [fault.at for fault in faults.in_order()] == ["bundle.yaml:1 a", "other.txt:9", "bundle.yaml:3 c"]


def test_one_place_has_one_fault() -> None:
    faults = make()
    faults.add("said first", ("a",))
    faults.add("said later", ("a",))
    assert [fault.fact for fault in faults.in_order()] == ["said first"]
    assert faults.has(("a",))
    assert not faults.has(("b",))


def test_a_named_file_may_have_several() -> None:
    faults = make()
    faults.add_elsewhere("one", ("a",), "x:1")
    faults.add_elsewhere("two", ("a",), "x:2")
    assert len(faults.in_order()) == 2


def test_a_value_is_shown_as_spelled_and_on_one_line() -> None:
    assert shown(3.1, "3.10") == "3.10"
    assert shown("", "") == '""'
    assert shown({"a": "é"}) == '{"a": "é"}'
    assert shown("x", "a\nb") == "a\\nb"
    assert len(shown("x" * 500)) == 80


def test_the_closest_word_looks_past_case_and_dashes() -> None:
    known = ["training_data", "model", "metrics"]
    assert closest("training-data", known) == "training_data"
    assert closest("Model", known) == "model"
    assert closest("modle", known) == "model"
    assert closest("xyz", known) is None

from __future__ import annotations

import json

import pytest

from builder import errors
from builder.errors import BundleError, Fault, KilnError, printable

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, KilnError)]


def test_every_class_has_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in CLASSES]
    assert len(set(codes)) == len(codes) > 15
    assert all(1 <= code < 64 for code in codes)


def test_every_class_says_when_it_is_raised() -> None:
    assert all(kind.__doc__ for kind in CLASSES)


def test_an_error_is_shown_with_place_both_values_and_one_next_step() -> None:
    error = BundleError.of("unknown key", at="bundle.yaml:3 model.pth", want="path", got="pth", hint="correct it")
    assert error.render() == (
        "error: unknown key\n  at   bundle.yaml:3 model.pth\n  want path\n  got  pth\n\nhint: correct it"
    )
    assert str(error) == "unknown key"


def test_values_of_several_lines_stay_aligned() -> None:
    assert list(Fault(fact="differs", want="a\nb", got="").lines()) == ["differs", "  want a", "       b", "  got  "]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1mbold\x1b[0m \x1b[38;5;9mred\x1b[m", "bold red"),
        ("\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link", "textlink"),
        ("\x9b2Jgone\x1b(B\x1bc", "gone"),
        ("a\tb\nc\x07ü\x1b", "a\tb\nc�ü�"),
        ("[1m stays, and 5 < 6", "[1m stays, and 5 < 6"),
    ],
)
def test_text_of_others_does_nothing_to_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_no_part_of_an_error_does_anything_to_a_terminal() -> None:
    red = "\x1b[31mred\x1b[0m"
    error = KilnError([Fault(fact=red, at=red, want=f"a\r\n{red}", got=red, fix=red)], hint=red)
    assert not set(error.render()) & {"\x1b", "\r"}
    assert "[31m" not in error.render()


def test_all_faults_are_shown_together() -> None:
    error = BundleError([Fault(fact="one"), Fault(fact="two", at="x")])
    assert error.render() == "error: one\nerror: two\n  at   x"
    assert str(error) == "one; two"


def test_an_error_can_be_read_by_a_program() -> None:
    told = json.loads(json.dumps(BundleError.of("unknown key", got="pth", hint="h").to_dict()))
    assert told == {
        "error": "BundleError",
        "exit_code": 3,
        "faults": [{"fact": "unknown key", "at": None, "want": None, "got": "pth", "fix": None}],
        "hint": "h",
    }


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_made_of_its_own_class(kind: type[KilnError]) -> None:
    assert type(kind.of("x")) is kind

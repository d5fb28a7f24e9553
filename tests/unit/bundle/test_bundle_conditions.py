from __future__ import annotations

import ast

import pytest

from builder.bundle.conditions import truth


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sys.version_info >= (3, 11)", True),
        ("sys.version_info > (3, 11)", True),
        ("sys.version_info == (3, 11)", False),
        ("sys.version_info < (3,)", False),
        ("sys.version_info >= (3, 12)", False),
        ("sys.version_info >= (3, 11, 2)", None),
        ("sys.version_info >= (3, 10, 2)", True),
        ("sys.version_info[:2] == (3, 11)", True),
        ("sys.version_info[1] >= 9", True),
        ("sys.version_info[2] >= 9", None),
        ("sys.version_info.minor == 11", True),
        ("sys.platform == 'linux'", True),
        ("sys.platform != 'win32' and os.name == 'posix'", True),
        ("sys.platform == 'win32' or unknown", None),
        ("sys.platform == 'linux' or unknown", True),
        ("sys.platform not in ['linux']", False),
        ("__name__ == '__main__'", False),
        ("not TYPE_CHECKING", True),
        ("1 < 'a'", None),
        ("a is None", None),
        ("1 < 2 < 3", None),
        ("0", False),
        ("unknown()", None),
    ],
)
def test_what_is_known_of_the_image_decides(text: str, expected: bool | None) -> None:
    assert truth(ast.parse(text, mode="eval").body, "3.11") is expected

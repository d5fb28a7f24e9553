from __future__ import annotations

import ast

import pytest

from builder.bundle.conditions import Target, truth


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
        ("platform.machine() == 'x86_64'", True),
        ("platform.machine() in ('arm64', 'aarch64')", False),
        ("platform.machine().lower().startswith('x86')", True),
        ("os.uname().machine == 'aarch64'", False),
        ("platform.processor() == 'arm'", None),
        ("sys.implementation.name == 'pypy'", False),
        ("platform.python_implementation() == 'CPython'", True),
        ("platform.system().lower() == 'windows'", False),
        ("name.lower() == 'windows'", None),
    ],
)
def test_what_is_known_of_the_image_decides(text: str, expected: bool | None) -> None:
    assert truth(ast.parse(text, mode="eval").body, Target(python="3.11", machine="x86_64")) is expected

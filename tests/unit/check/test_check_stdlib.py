from __future__ import annotations

import sys

import pytest

from builder.check.stdlib import (
    debian_package,
    instead,
    is_file_in,
    is_stdlib,
    stdlib_modules,
    whereabouts,
)


def test_the_table_is_that_of_this_interpreter() -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    known = {name for name in sys.stdlib_module_names if not name.startswith("_")} | {"__future__"}
    off_linux = {"msilib", "msvcrt", "nt", "winreg", "winsound"}
    assert stdlib_modules(here) - {"test"} == known - off_linux - {"test"}


@pytest.mark.parametrize(
    ("module", "python", "expected"),
    [
        ("tomllib", "3.10", False),
        ("tomllib", "3.11", True),
        ("imp", "3.11", True),
        ("imp", "3.12", False),
        ("cgi", "3.12", True),
        ("cgi", "3.13", False),
        ("binhex", "3.10", True),
        ("annotationlib", "3.13", False),
        ("compression.zstd", "3.14", True),
        ("json.decoder", "3.9", True),
        ("_thread", "3.13", True),
        ("_mine", "3.13", False),
        ("numpy", "3.13", False),
    ],
)
def test_each_python_has_its_own(module: str, python: str, expected: bool) -> None:
    assert is_stdlib(module, python) is expected


def test_what_became_of_a_module_is_known() -> None:
    assert whereabouts("distutils.core", "3.13") == "was removed in Python 3.12"
    assert whereabouts("distutils", "3.11") is None
    assert whereabouts("zoneinfo", "3.9") is None
    assert instead("imp") == "importlib"
    assert debian_package("idlelib", "3.11") == "idle-python3.11"
    assert debian_package("json", "3.11") is None


def test_what_may_be_in_the_interpreter_needs_no_file() -> None:
    modules = frozenset({"json", "xml.etree"})
    assert is_file_in("math", modules) is None
    assert is_file_in("_thread", modules) is None
    assert is_file_in("xml", modules) is True
    assert is_file_in("tkinter", modules) is False
    assert is_file_in("tkinter", frozenset()) is None

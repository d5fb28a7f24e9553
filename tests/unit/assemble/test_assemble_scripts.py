from __future__ import annotations

import pytest

from builder.assemble.scripts import is_wrapper_of, parse_commands, with_interpreter


def test_console_and_gui_entries_become_commands() -> None:
    text = "[console_scripts]\nb = pkg.mod:main\nA=pkg:App.run [extra]\n[gui_scripts]\nwin = pkg:gui\n[other]\nx = y\n"
    commands = parse_commands(text, python="3.11")
    assert [(command.name, command.module, command.object) for command in commands] == [
        ("A", "pkg", "App.run"),
        ("b", "pkg.mod", "main"),
        ("win", "pkg", "gui"),
    ]


def test_a_command_is_what_pip_would_write() -> None:
    [command] = parse_commands("[console_scripts]\nrun = pkg.cli:App.main\n", python="3.11")
    assert command.text("/usr/bin/python3.11") == (
        "#!/usr/bin/python3.11\n"
        "import sys\n"
        "from pkg.cli import App\n"
        "if __name__ == '__main__':\n"
        "    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n"
        "    sys.exit(App.main())\n"
    )


def test_pip_is_named_for_the_target_python() -> None:
    text = "[console_scripts]\npip = pip:main\npip3 = pip:main\npip3.9 = pip:main\n"
    assert [command.name for command in parse_commands(text, python="3.13")] == ["pip", "pip3", "pip3.13"]


@pytest.mark.parametrize(
    "text",
    [
        "[console_scripts]\nrun = pkg\n",
        "[console_scripts]\n../run = pkg:main\n",
        "[console_scripts]\n.. = pkg:main\n",
        "[console_scripts]\nrun = pkg:main; import os\n",
        "[console_scripts]\nrun = pkg:main:more\n",
        "run = pkg:main\n",
    ],
)
def test_what_is_not_a_command_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a command|not an entry points file"):
        parse_commands(text, python="3.11")


def test_no_entries_are_no_commands() -> None:
    assert parse_commands("", python="3.11") == []


@pytest.mark.parametrize("name", ["run", "run.exe", "run-script.py", "run.pya", "run.EXE"])
def test_wrappers_made_for_entry_points_are_recognised(name: str) -> None:
    assert is_wrapper_of(name, {"run"})
    assert not is_wrapper_of(name, {"walk"})


@pytest.mark.parametrize(
    ("script", "result"),
    [
        (b"#!python\nx", b"#!/usr/bin/python3.11\nx"),
        (b"#!pythonw -E\r\nx", b"#!/usr/bin/python3.11\nx"),
        (b"#!python", b"#!/usr/bin/python3.11\n"),
        (b"#!/bin/sh\nx", b"#!/bin/sh\nx"),
        (b"", b""),
    ],
)
def test_a_python_line_names_the_interpreter_of_the_image(script: bytes, result: bytes) -> None:
    assert with_interpreter(script, "/usr/bin/python3.11") == result

"""Commands a wheel brings (PyPA, "Entry points specification"), with the image's interpreter in line one."""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass

_OBJECT = re.compile(
    r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*:\s*(?P<object>[^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*(?:\[[^\]]*\])?\s*\Z"
)
_NAME = re.compile(r"[^\s/\\\0\[=][^/\\\0\n=]*\Z")
_PIP = re.compile(r"pip(\d+(\.\d+)?)?\Z")

_TEMPLATE = """\
#!{interpreter}
import sys
from {module} import {first}
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit({object}())
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command made from an entry point: ``module:object``, called without arguments."""

    name: str
    module: str
    object: str

    def text(self, interpreter: str) -> str:
        """Return the script that pip would leave for this interpreter."""
        return _TEMPLATE.format(
            interpreter=interpreter, module=self.module, first=self.object.split(".")[0], object=self.object
        )


def parse_commands(text: str, *, python: str) -> list[Command]:
    """Return the console and GUI commands of an entry_points.txt, sorted by name.

    A malformed file or entry is a ValueError that quotes it. As with pip, pip's own commands are named for the
    target's Python.
    """
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        msg = f"not an entry points file: {error.message.splitlines()[0]}"
        raise ValueError(msg) from error
    found: dict[str, str] = {}
    for section in ("console_scripts", "gui_scripts"):
        if parser.has_section(section):
            entries = dict(parser.items(section))
            if section == "console_scripts" and "pip" in entries:
                target = entries["pip"]
                entries = {name: value for name, value in entries.items() if not _PIP.match(name)}
                entries |= dict.fromkeys(("pip", f"pip{python.split('.', maxsplit=1)[0]}", f"pip{python}"), target)
            found |= entries
    return [_command(name, value) for name, value in sorted(found.items())]


def _command(name: str, value: str) -> Command:
    match = _OBJECT.match(value)
    if not match or not _NAME.match(name) or name in (".", ".."):
        msg = f"not a command: {name} = {value}"
        raise ValueError(msg)
    return Command(name=name, module=match["module"], object=match["object"])


def is_wrapper_of(script: str, names: set[str]) -> bool:
    """True for a script in a wheel that was made for an entry point, and so is made anew."""
    base = script
    for suffix in (".exe", "-script.py", ".pya"):
        if script.lower().endswith(suffix):
            base = script[: -len(suffix)]
            break
    return base in names


def with_interpreter(script: bytes, interpreter: str) -> bytes:
    """Return a script with its ``#!python`` line naming the image's interpreter; any other script as it is."""
    if not script.startswith(b"#!python"):
        return script
    _, _, rest = script.partition(b"\n")
    return b"#!" + interpreter.encode() + b"\n" + rest

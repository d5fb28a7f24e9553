r"""Run by a target's interpreter, alone: ``compiler.py SOURCES RESULTS``. Nothing of this project is imported.

SOURCES is a row of ``<size> <path>\n<bytes>``; RESULTS becomes the same with bytecode in place of source, under the
same paths. A file that does not compile is left out, as ``compileall`` does. One line on standard output says which
interpreter it was.
"""

from __future__ import annotations

import gc
import importlib.util
import marshal
import sys
from types import CodeType

UNCHECKED_HASH = (0b01).to_bytes(4, "little")
"""PEP 552: valid by its hash, which is never compared with the source."""


def bytecode(source: bytes, path: str) -> bytes | None:
    """Return a .pyc that depends on source, path and interpreter version alone; None when it does not compile."""
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except Exception:  # noqa: BLE001 - whatever a compiler has against a file, the file is shipped without bytecode
        return None
    # marshal writes "may be referred to again" beside objects with more than one owner (cpython#78274). Names are
    # shared with whatever else this process holds, so that mark would depend on it: give every object two owners.
    held: list[object] = []
    hold(code, held)
    return importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source) + marshal.dumps(code)


def hold(value: object, held: list[object]) -> None:
    """Keep a constant and everything in it."""
    held.append(value)
    if isinstance(value, CodeType):
        held += value.co_names
        held += value.co_varnames
        held += value.co_freevars
        held += value.co_cellvars
        held += (value.co_name, getattr(value, "co_qualname", None), value.co_filename)
        for constant in value.co_consts:
            hold(constant, held)
    elif isinstance(value, (tuple, frozenset)):
        for item in value:
            hold(item, held)


def main() -> None:
    """Compile every file of SOURCES."""
    gc.disable()
    # No pathlib: this process is kept bare.
    with open(sys.argv[1], "rb") as sources, open(sys.argv[2], "wb") as results:  # noqa: PTH123
        while line := sources.readline():
            size, _, path = line.rstrip(b"\n").partition(b" ")
            done = bytecode(sources.read(int(size)), path.decode())
            if done is not None:
                results.write(b"%d %b\n" % (len(done), path))
                results.write(done)
    sys.stdout.write(f"{sys.implementation.cache_tag} {'.'.join(map(str, sys.version_info[:3]))}\n")


if __name__ == "__main__":
    main()

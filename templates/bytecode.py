r"""Compile Python files to bytecode that depends on source, path in the image and interpreter version, on nothing else.

Run by a target's interpreter, alone; nothing is imported but the standard library. Two ways to run it, equal in result:

    bytecode.py SOURCES RESULTS
        by the linker: SOURCES is a row of ``<size> <path>\n<bytes>``, RESULTS becomes the same with bytecode in place
        of source
    bytecode.py --below --without=NAME,… FOLDER…
        in a Dockerfile: every module below the folders gets its __pycache__ file, but for those below a folder NAME

A file that does not compile is left out, as ``compileall`` does, and so is one that came with bytecode of its own. The
bytecode is marked as never to be checked against its source, whose time no layer keeps.
"""

from __future__ import annotations

import gc
import importlib.util
import marshal
import os
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


def compile_stream(sources: str, results: str) -> None:
    """Compile every file of SOURCES."""
    # No pathlib: this process is kept bare.
    with open(sources, "rb") as given, open(results, "wb") as done:  # noqa: PTH123
        while line := given.readline():
            size, _, path = line.rstrip(b"\n").partition(b" ")
            compiled = bytecode(given.read(int(size)), path.decode())
            if compiled is not None:
                done.write(b"%d %b\n" % (len(compiled), path))
                done.write(compiled)
    sys.stdout.write(f"{sys.implementation.cache_tag} {'.'.join(map(str, sys.version_info[:3]))}\n")


def compile_below(folder: str, without: frozenset[str]) -> None:
    """Compile every module below a folder, beside itself."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in without and name != "__pycache__"]
        for name in files:
            if name.endswith(".py"):
                compile_beside(place, name)


def compile_beside(place: str, name: str) -> None:
    """Write one module's bytecode where it belongs (PEP 3147)."""
    path = os.path.join(place, name)  # noqa: PTH118
    cache = os.path.join(place, "__pycache__")  # noqa: PTH118
    target = os.path.join(cache, f"{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc")  # noqa: PTH118
    if os.path.islink(path) or os.path.exists(target):  # noqa: PTH110, PTH114
        return
    with open(path, "rb") as file:  # noqa: PTH123
        compiled = bytecode(file.read(), path)
    if compiled is not None:
        os.makedirs(cache, exist_ok=True)  # noqa: PTH103
        with open(target, "wb") as file:  # noqa: PTH123
            file.write(compiled)


def main() -> None:
    """Do what the arguments say."""
    gc.disable()
    if sys.argv[1] == "--below":
        os.umask(0o022)
        without = frozenset(sys.argv[2].removeprefix("--without=").split(","))
        for folder in sys.argv[3:]:
            compile_below(folder, without)
    else:
        compile_stream(*sys.argv[1:3])


if __name__ == "__main__":
    main()

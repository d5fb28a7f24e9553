"""The import root of the worker: the author's code, the standard library, the author's packages; nothing of ours."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
from pathlib import Path
from types import ModuleType

from ..places import Places

SCRIPT_MODULE = "kiln_scoring_script"


def arrange_imports(places: Places, script: Path | None) -> None:
    """Put the script's folder and the code first on ``sys.path``, the packages last with their ``.pth`` files."""
    first = [str(places.code)]
    if script is not None and script.parent != places.code:
        first.insert(0, str(script.parent))
    sys.path[:0] = first
    if places.packages.is_dir():
        site.addsitedir(str(places.packages))
    shared = [str(places.packages), str(places.code)]
    os.environ.setdefault("PYTHONPATH", os.pathsep.join(shared))  # for what the author's code starts
    binaries = str(places.packages / "bin")
    if binaries not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join(filter(None, [binaries, os.environ.get("PATH")]))


def import_script(script: Path) -> ModuleType:
    """Import the scoring script; whatever it raises comes out.

    It is known by its own name, as when imported from its folder, unless that is the name of another module.
    """
    taken = script.stem in sys.modules or script.stem in sys.stdlib_module_names
    name = SCRIPT_MODULE if taken or not script.stem.isidentifier() else script.stem
    spec = importlib.util.spec_from_file_location(name, script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script} is not a Python source file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

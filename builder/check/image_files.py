"""Which files of the bundle stand where in the image, and what was probably meant by a path that is not there."""

from __future__ import annotations

import difflib
import fnmatch
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from posixpath import basename, dirname, normpath

from builder.bundle.model import Bundle, Inventory
from builder.plan import places

MODEL_DIR = f"/{places.MODEL_FILES}"
CODE_DIR = f"/{places.CODE}"
_TOP = f"/{places.MODEL}"
_PACKAGES = f"/{places.PACKAGES}"
_OTHERS = tuple(f"/{path}" for path in (places.BUNDLE_JSON, places.BUNDLE_LOCK, places.REQUIREMENTS_LOCK))
"""Files that every image has beside the author's."""
_SHOWN = 4


class ImageFiles:
    """What is below /opt/model: the author's files under the model directory and the code, and a few of ours."""

    def __init__(self, bundle: Bundle, inventory: Inventory) -> None:
        parent = bundle.model.path.removesuffix(bundle.model.basename)
        self.origins: dict[str, str] = {f"{CODE_DIR}/{file.path}": file.path for file in inventory.code}
        self.origins |= {f"{MODEL_DIR}/{file.path.removeprefix(parent)}": file.path for file in inventory.model}
        self._folders = {MODEL_DIR, CODE_DIR, _PACKAGES, _TOP}
        for path in (*self.origins, *_OTHERS):
            while (path := dirname(path)) not in self._folders:
                self._folders.add(path)
        self._root = bundle.root
        self._model_parent = parent

    def covers(self, path: str) -> bool:
        """Tell whether everything that is at a path is known: it is below /opt/model, and not a package's."""
        return _is_below(path, _TOP) and not _is_below(path, _PACKAGES)

    def is_author(self, path: str) -> bool:
        """Tell whether a path is where the author's files are: in the model directory or the code."""
        return _is_below(path, MODEL_DIR) or _is_below(path, CODE_DIR)

    def covers_pattern(self, pattern: str) -> bool:
        """Tell whether everything that a glob pattern could find is known."""
        fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
        may_enter_packages = fixed == _TOP and "/" in pattern.removeprefix(f"{_TOP}/")
        return self.covers(fixed) and not may_enter_packages

    def is_file(self, path: str) -> bool:
        """Tell whether a file is at a path."""
        return path in self.origins or path in _OTHERS

    def is_folder(self, path: str) -> bool:
        """Tell whether a folder is at a path."""
        return path in self._folders

    def exists(self, path: str) -> bool | None:
        """Tell whether a path is there; None where the base, the packages or the platform decide."""
        if not self.covers(path):
            return None
        return self.is_file(path) or self.is_folder(path)

    def names_in(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted."""
        everything = (*self.origins, *_OTHERS, *self._folders)
        return sorted({basename(path) for path in everything if dirname(path) == folder and path != folder})

    def match(self, pattern: str, *, recursive: bool) -> list[str]:
        """Return the paths a glob pattern finds, sorted; ``**`` reaches into folders when ``recursive``."""
        everything = sorted((*self.origins, *_OTHERS, *self._folders))
        wanted = pattern.strip("/").split("/")
        return [path for path in everything if _matches(path.strip("/").split("/"), wanted, recursive=recursive)]

    def in_bundle(self, path: str) -> str | None:
        """Return the path in the bundle of a file that is not in the image but would be at ``path`` if it were."""
        for folder, parent in ((CODE_DIR, ""), (MODEL_DIR, self._model_parent)):
            if path.startswith(f"{folder}/"):
                relative = normpath(parent + path.removeprefix(f"{folder}/"))
                if _is_inside(self._root, relative):
                    return relative
        return None

    def find_named(self, name: str) -> list[str]:
        """Return where files of this name are, in the image."""
        return sorted(path for path in self.origins if basename(path) == name)

    def find_in_bundle(self, name: str) -> str | None:
        """Return a file of this name at the bundle's root, beside the model or beside a source."""
        folders = {"", self._model_parent, *(f"{dirname(path)}/" for path in self.origins.values() if "/" in path)}
        found = (normpath(folder + name) for folder in sorted(folders))
        return next((path for path in found if _is_inside(self._root, path)), None)

    def find_close(self, path: str) -> str | None:
        """Return the path in the image that was probably meant."""
        if named := self.find_named(basename(path)):
            return min(named, key=lambda other: -len(posixpath.commonprefix([other, path])))
        if self.is_folder(dirname(path)):
            names = self.names_in(dirname(path))
            close = difflib.get_close_matches(basename(path), names, n=1, cutoff=0.6)
            if close:
                return f"{dirname(path)}/{close[0]}"
        folder = MODEL_DIR if path.startswith(MODEL_DIR) else CODE_DIR
        near = [other for other in self.origins if other.startswith(f"{folder}/")]
        close = difflib.get_close_matches(path, near, n=1, cutoff=0.85)
        return close[0] if close else None

    def describe(self, folder: str) -> str:
        """Return what is in a folder, in a few words."""
        while not self.is_folder(folder):
            folder = dirname(folder)
        names = self.names_in(folder)
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        return f"{folder} holds {shown or 'nothing'}"


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _is_inside(root: Path, relative: str) -> bool:
    if relative.startswith("../"):
        return False
    try:
        return (root / relative).exists()
    except (OSError, ValueError):
        return False


def _matches(parts: Iterable[str], pattern: list[str], *, recursive: bool) -> bool:
    parts = list(parts)
    if not pattern:
        return not parts
    if pattern[0] == "**" and recursive:
        return any(_matches(parts[skip:], pattern[1:], recursive=True) for skip in range(len(parts) + 1))
    return (
        bool(parts)
        and fnmatch.fnmatchcase(parts[0], pattern[0])
        and _matches(parts[1:], pattern[1:], recursive=recursive)
    )

"""Where things are in the image. ``KILN_ROOT`` moves all of it, for tests and for unpacked images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """The paths of one image."""

    root: Path

    @property
    def server_packages(self) -> Path:
        """The server's dependencies; the worker never sees them."""
        return self.root / "opt/kiln/server"

    @property
    def model_dir(self) -> Path:
        """What ``load(model_dir)`` and ``AZUREML_MODEL_DIR`` get."""
        return self.root / "opt/model/model"

    @property
    def packages(self) -> Path:
        """The bundle's dependencies; the server never sees them."""
        return self.root / "opt/model/packages"

    @property
    def code(self) -> Path:
        """The scoring script and further sources."""
        return self.root / "opt/model/code"

    @property
    def bundle_json(self) -> Path:
        """The resolved bundle."""
        return self.root / "opt/model/bundle.json"

    def locate(self, path: str) -> Path:
        """Return where an absolute path of the image is, under another root if there is one."""
        return self.root / path.lstrip("/")


def find_places() -> Places:
    """Return the places of this image."""
    return Places(root=Path(os.environ.get("KILN_ROOT") or "/"))

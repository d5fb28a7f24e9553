import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.host.settings import Settings
from builder.store.blobs import BlobStore

REPOSITORY = Path(__file__).parent / "repository"
DEFINITION = """\
distribution: debian
suites:
  - {suite: bookworm, archive: main}
  - {suite: bookworm-security, archive: security}
components: [main]
platforms: [linux/amd64, linux/arm64]
python: "3.11"
interpreter: /usr/bin/python3.11
packages: [python3.11-minimal, tzdata]
cut:
  - {package: debconf, needed_by: "*", reason: only scripts use it}
"""


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the tiny signed archive, to be damaged at will."""
    return Path(shutil.copytree(REPOSITORY, tmp_path / "repository"))


@pytest.fixture
def make_settings(repository: Path, tmp_path: Path) -> Callable[..., Settings]:
    def make(**changes: str) -> Settings:
        values = {
            "debian_mirror": (repository / "debian").as_uri(),
            "debian_security_mirror": (repository / "debian-security").as_uri(),
            "debian_keyring": str(repository / "keyring.gpg"),
        }
        return Settings(home=tmp_path / "home", **values | changes)

    return make


@pytest.fixture
def bases(tmp_path: Path) -> Path:
    """A folder of definitions with one base, ``tiny``, that has no lock yet."""
    root = tmp_path / "base-images"
    (root / "tiny").mkdir(parents=True)
    (root / "tiny" / "definition.yaml").write_text(DEFINITION)
    return root

from __future__ import annotations

from pathlib import Path

import pytest

from builder.host import resources
from builder.host.resources import resource_dir


def test_in_a_checkout_resources_are_beside_the_package() -> None:
    assert (resource_dir("templates") / "Dockerfile.j2").is_file() or resource_dir("templates").is_dir()


def test_installed_they_are_inside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "builder")
    assert resource_dir("templates") == tmp_path / "builder" / "_resources" / "templates"

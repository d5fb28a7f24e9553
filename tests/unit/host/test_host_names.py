from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.errors import BundleError, SettingsError
from builder.host.names import is_text, show_path
from builder.host.settings import load_settings
from builder.host.terminal import Terminal
from builder.pipeline import stages
from builder.pipeline.workshop import open_workshop

LATIN = Path(os.fsdecode(b"/models/r\xe9sum\xe9"))


@pytest.mark.parametrize(("path", "text"), [(Path("/a/é b"), "/a/é b"), (LATIN, "/models/r\\xe9sum\\xe9")])
def test_any_path_can_be_shown(path: Path, text: str) -> None:
    assert is_text(path) == (path != LATIN)
    assert show_path(path) == text


def test_folders_json_cannot_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings({"KILN_HOME": str(LATIN), "HOME": str(tmp_path)})
    monkeypatch.setenv("KILN_HOME", str(tmp_path))
    bundle = tmp_path / LATIN.name
    bundle.mkdir()
    with pytest.raises(BundleError, match="not UTF-8"):
        stages.load(open_workshop(Terminal(quiet=True)), bundle)

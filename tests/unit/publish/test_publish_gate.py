from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builder.errors import PublishRefusedError
from builder.oci.digest import Digest
from builder.publish.gate import require_tested

IMAGE = Digest.of(b"image")


def report(tmp_path: Path, **content: Any) -> Path:
    path = tmp_path / "smoke.json"
    path.write_text(json.dumps({"image_id": str(IMAGE), "passed": True, **content}))
    return path


def test_a_green_report_of_this_image_opens_the_gate(tmp_path: Path) -> None:
    require_tested(IMAGE, report(tmp_path))


def test_a_report_of_another_image_does_not(tmp_path: Path) -> None:
    with pytest.raises(PublishRefusedError, match="of another image") as caught:
        require_tested(Digest.of(b"other"), report(tmp_path))
    assert caught.value.faults[0].got == str(IMAGE)


@pytest.mark.parametrize("passed", [False, None, "true", 1])
def test_only_the_word_true_counts(tmp_path: Path, passed: Any) -> None:
    with pytest.raises(PublishRefusedError, match="did not pass"):
        require_tested(IMAGE, report(tmp_path, passed=passed))


def test_no_report_is_no_test(tmp_path: Path) -> None:
    with pytest.raises(PublishRefusedError, match="no smoke report") as caught:
        require_tested(IMAGE, tmp_path / "smoke.json")
    assert "--untested" in (caught.value.hint or "")


@pytest.mark.parametrize("content", ["", "{", "[]", "true"])
def test_a_damaged_report_is_no_test(tmp_path: Path, content: str) -> None:
    path = tmp_path / "smoke.json"
    path.write_text(content)
    with pytest.raises(PublishRefusedError):
        require_tested(IMAGE, path)


def test_untested_has_to_be_said(tmp_path: Path) -> None:
    require_tested(IMAGE, tmp_path / "none.json", untested=True)

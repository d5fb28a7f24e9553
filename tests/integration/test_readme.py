"""What README and tutorial tell a newcomer to type does what they say."""

from __future__ import annotations

import re
from pathlib import Path

from builder.bundle.parser import load_bundle
from tests.support.kiln import ROOT, Kiln

EXAMPLE_MODEL = ROOT / "examples" / "triage" / "model"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def test_the_bundle_in_the_readme_is_built_and_passes_its_own_smoke_tests(kiln: Kiln, churn: Path) -> None:
    [text] = blocks(ROOT / "README.md", "yaml")
    assert len([line for line in text.splitlines() if line and not line.startswith("#")]) <= 10
    (churn / "bundle.yaml").write_text(text)
    ran = kiln("image", churn, "--runner", "namespaces")
    assert ran.last_line.startswith("churn:1.0.0@sha256:")


def test_the_tutorials_bundle_and_script_are_valid(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorial" / "first-image.md"
    [bundle] = blocks(page, "yaml")
    script = next(block for block in blocks(page, "python") if "def predict" in block)
    (tmp_path / "model").mkdir()
    (tmp_path / "bundle.yaml").write_text(bundle)
    (tmp_path / "score.py").write_text(script)
    (tmp_path / "model" / "iris.joblib").write_bytes(next(EXAMPLE_MODEL.iterdir()).read_bytes())
    loaded = load_bundle(tmp_path)
    assert loaded.name == "iris"
    assert len(loaded.smoke) == 2
    assert not loaded.warnings

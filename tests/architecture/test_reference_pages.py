"""The pages made from the code say what the code says."""

from __future__ import annotations

import re
import runpy

import pytest

from builder.check.rules import RULES
from tests.architecture.test_architecture import ROOT

PAGES = runpy.run_path(str(ROOT / "tools" / "reference.py"))["PAGES"]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_what_the_code_says(name: str) -> None:
    page = ROOT / "docs" / "reference" / name
    assert page.read_text() == PAGES[name](), "run: python tools/reference.py"


def test_every_rule_has_its_place_on_the_page() -> None:
    assert re.findall(r"^### (KILN\d+)", PAGES["rules.md"](), re.MULTILINE) == sorted(RULES)


def test_no_link_in_the_documentation_is_dead() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").glob("**/*.md"))]
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    assert not dead

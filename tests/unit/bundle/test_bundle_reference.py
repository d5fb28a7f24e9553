"""The reference page names every key there is and gives the defaults the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.bundle.schema import bundle_schema

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/bundle-yaml.md").read_text()
DEFINITIONS = bundle_schema()["$defs"]


def test_every_top_level_key_is_in_the_first_table() -> None:
    table = PAGE.partition("## Top level")[2].partition("\n## ")[0]
    for key in bundle_schema()["properties"]:
        assert f"| `{key}` |" in table


@pytest.mark.parametrize(
    ("heading", "definition"),
    [
        ("model", "model"),
        ("model", "dataReference"),
        ("scoring", "scoring"),
        ("environment", "environment"),
        ("schema", "schema"),
        ("smoke", "smokeTest"),
        ("smoke", "expectation"),
        ("resources", "resources"),
        ("service", "service"),
        ("release", "release"),
        ("check", "checkSetting"),
    ],
)
def test_every_key_is_described_under_its_heading(heading: str, definition: str) -> None:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for key in DEFINITIONS[definition]["properties"]:
        assert f"`{key}`" in section or f"`{key}." in section, key


def test_the_schemas_defaults_are_those_of_the_page() -> None:
    section = PAGE.partition("\n## service\n")[2].partition("\n## ")[0]
    for key, part in DEFINITIONS["service"]["properties"].items():
        if "default" in part:
            assert f"| `{key}` | `{part['default']}` |" in section

"""Schemathesis makes requests from our own OpenAPI document and holds every answer to it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clients import Client, Served

pytestmark = [pytest.mark.engine, pytest.mark.package_index]
JUDGED_BY_SCHEMA = "positive_data_acceptance,negative_data_rejection"
"""Only where JSON Schema says all there is to say: not of CSV, of binary tensors or of columns that must be as long."""


def run(client: Client, served: Served, work: Path, *arguments: str) -> None:
    command = [str(client.python.with_name("st")), "run", f"{served.url}/openapi.json", "--seed", "1", "--no-shrink"]
    done = subprocess.run(
        [*command, "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", *arguments],
        env=client.make_environment(HOME=str(work)),
        cwd=work,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.fixture
def schemathesis(client: Callable[[str], Client]) -> Client:
    return client("schemathesis")


def test_every_answer_of_every_route_is_as_documented(schemathesis: Client, served: Served, tmp_path: Path) -> None:
    run(
        schemathesis,
        served,
        tmp_path,
        *("--max-examples", "10", "--exclude-checks", JUDGED_BY_SCHEMA),
        *("--exclude-path-regex", ":explain$"),  # 501, as KServe answers where nothing explains
    )


@pytest.mark.parametrize("path", ["/predict", "/score"])
def test_a_scoring_route_takes_what_its_schema_allows_and_nothing_else(
    schemathesis: Client, served: Served, tmp_path: Path, path: str
) -> None:
    run(schemathesis, served, tmp_path, "--max-examples", "40", "--include-path", path)

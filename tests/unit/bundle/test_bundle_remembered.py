"""A bundle that was found sound is read again without the tools that found it so, and is the same bundle."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from builder.bundle.parser import load_bundle
from builder.errors import BundleError
from builder.store.records import Records

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/bundle.yaml"))


@pytest.fixture
def memory(tmp_path: Path) -> Records:
    return Records(tmp_path / "store", "bundle")


@pytest.fixture
def churn(tmp_path: Path) -> Path:
    return shutil.copytree(EXAMPLES / "churn", tmp_path / "churn", ignore=shutil.ignore_patterns("build"))


@pytest.mark.parametrize("name", NAMES)
def test_a_remembered_bundle_is_the_same_to_the_order_of_its_keys(name: str, memory: Records) -> None:
    fresh = load_bundle(EXAMPLES / name)
    assert repr(load_bundle(EXAMPLES / name, memory=memory)) == repr(fresh)
    assert repr(load_bundle(EXAMPLES / name, memory=memory)) == repr(fresh)


@pytest.mark.parametrize(
    "change",
    [
        ("bundle.yaml", "name: churn", "name: Churn!"),
        ("bundle.yaml", "score.py", "scored.py"),
        ("requirements.txt", "pandas", "pandas @ ../here #"),
        ("score.py", "def predict", "def foretell"),
    ],
    ids=lambda change: f"{change[0]}: {change[2]}",
)
def test_a_change_for_the_worse_is_told_as_if_nothing_was_remembered(
    churn: Path, memory: Records, change: tuple[str, str, str]
) -> None:
    load_bundle(churn, memory=memory)
    load_bundle(churn, memory=memory)
    name, old, new = change
    text = (churn / name).read_text()
    assert old in text
    (churn / name).write_text(text.replace(old, new))
    with pytest.raises(BundleError) as fresh:
        load_bundle(churn)
    with pytest.raises(BundleError) as remembered:
        load_bundle(churn, memory=memory)
    assert remembered.value.faults == fresh.value.faults


def test_a_file_that_is_gone_is_told_with_its_line(churn: Path, memory: Records) -> None:
    load_bundle(churn, memory=memory)
    shutil.rmtree(churn / "model")
    with pytest.raises(BundleError) as fresh:
        load_bundle(churn)
    with pytest.raises(BundleError) as remembered:
        load_bundle(churn, memory=memory)
    assert remembered.value.faults == fresh.value.faults
    assert "bundle.yaml:" in str(fresh.value.faults[0].at)


def test_a_remembered_bundle_takes_no_parser_and_no_validator(churn: Path, memory: Records) -> None:
    load_bundle(churn, memory=memory)
    code = (
        "import sys\nfrom pathlib import Path\nfrom builder.bundle.parser import load_bundle\n"
        "from builder.store.records import Records\n"
        "load_bundle(Path(sys.argv[1]), memory=Records(Path(sys.argv[2]), 'bundle'))\n"
        "print(*sorted({'yaml', 'jsonschema', 'packaging'} & set(sys.modules)))"
    )
    argv = [sys.executable, "-c", code, str(churn), str(churn.parent / "store")]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"

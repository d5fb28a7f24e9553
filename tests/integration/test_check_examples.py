"""``kiln check`` on the examples and on copies of them that would break."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.kiln import EXAMPLES, ROOT, Kiln, copy_example

pytestmark = [pytest.mark.package_index, pytest.mark.mirror]


@pytest.fixture(scope="module")
def fetched(kiln: Kiln) -> Kiln:
    """Lend the command with everything the examples' locks name in its store."""
    for name in EXAMPLES:
        kiln("fetch", ROOT / "examples" / name)
    return kiln


def rules(report: dict[str, Any], *levels: str) -> list[str]:
    return [one["rule"] for one in report["findings"] if one["level"] in (levels or ("error", "warning"))]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_have_no_errors_and_no_warnings(fetched: Kiln, name: str) -> None:
    report = fetched("check", ROOT / "examples" / name, "--json", "--strict").json
    assert report["left_out"] == []
    assert rules(report) == []
    assert report["passed"]


def test_a_second_check_takes_well_under_a_second(fetched: Kiln) -> None:
    fetched("check", ROOT / "examples" / "churn")
    best = 9.0
    for _ in range(3):
        started = time.monotonic()
        fetched("check", ROOT / "examples" / "churn")
        best = min(best, time.monotonic() - started)
    assert best < 3  # half a second on a quiet machine


def test_a_missing_import_is_told_at_its_line_and_stops_the_build(fetched: Kiln, churn: Path) -> None:
    script = churn / "score.py"
    script.write_text(script.read_text().replace("import joblib\n", "import joblib\nimport cv2\n"))
    ran = fetched("check", churn, code=20)
    assert "error KILN101 missing-import: nothing in the image provides cv2" in ran.stdout
    assert "at   score.py:8:1" in ran.stdout
    assert "1 error" in ran.stderr
    stopped = fetched("build", churn, "--json", code=20)
    assert stopped.json["error"] == "CheckFailedError"
    assert stopped.json["faults"][0]["at"] == "score.py:8:1"
    assert not (churn / "build" / "image.json").exists()


def test_the_bundle_may_turn_a_rule_off_with_a_reason(fetched: Kiln, churn: Path) -> None:
    script = churn / "score.py"
    script.write_text(script.read_text().replace("import joblib\n", "import joblib\nimport cv2\n"))
    with (churn / "bundle.yaml").open("a") as file:
        file.write("\ncheck:\n  - {rule: KILN101, level: warning, reason: the platform lends it, path: score.py}\n")
    assert rules(fetched("check", churn, "--json").json) == ["KILN101"]
    assert not fetched("check", churn, "--json", "--strict", code=20).json["passed"]


def test_a_file_that_is_not_in_sources_is_named(fetched: Kiln, churn: Path) -> None:
    text = (churn / "bundle.yaml").read_text()
    (churn / "bundle.yaml").write_text(text.replace("  sources: [features.py]\n", ""))
    report = fetched("check", churn, "--json", code=20).json
    assert "KILN104" in rules(report)


def test_sarif_goes_to_a_file_or_to_stdout(fetched: Kiln, churn: Path) -> None:
    log = churn.parent / "log.sarif"
    fetched("check", churn, "--sarif", log)
    assert json.loads(log.read_text())["version"] == "2.1.0"
    assert fetched("check", churn, "--sarif", "-").json["runs"][0]["tool"]["driver"]["name"] == "kiln check"


def test_without_a_lock_the_rest_is_checked_and_what_is_left_out_is_said(fetched: Kiln, churn: Path) -> None:
    (churn / "bundle.lock").unlink()
    report = fetched("check", churn, "--json").json
    assert rules(report) == []
    assert len(report["left_out"]) == 1
    assert "has no bundle.lock" in report["left_out"][0]


def test_no_network_is_touched_unless_asked(kiln: Kiln, churn: Path, tmp_path: Path) -> None:
    empty = kiln.with_environ(KILN_HOME=str(tmp_path / "home"), PIP_INDEX_URL="http://127.0.0.1:9/simple")
    report = empty("check", churn, "--json").json
    assert rules(report) == []
    assert [text.split(":")[0] for text in report["left_out"]] == [
        "what needs the packages for linux/amd64",
        "what needs the base for linux/amd64",
    ]


def test_a_build_tells_how_long_the_check_took(fetched: Kiln, churn: Path) -> None:
    assert "check" in fetched("build", churn, "--json").json["timings"]


def test_a_library_that_a_real_wheel_needs_is_named_and_then_found(kiln: Kiln, tmp_path: Path) -> None:
    bundle = tmp_path / "boosted"
    bundle.mkdir()
    (bundle / "model.txt").write_text("tree\n")
    (bundle / "score.py").write_text(
        "import lightgbm\n\n\ndef load(model_dir):\n    return lightgbm.Booster(model_file=f'{model_dir}/model.txt')\n"
        "\n\ndef predict(model, records):\n    return model.predict(records)\n"
    )
    text = """
name: boosted
version: 1.0.0
model: {path: model.txt}
scoring: {script: score.py}
environment:
  python: "3.11"
  requirements: [lightgbm]
"""
    (bundle / "bundle.yaml").write_text(text)
    kiln("lock", bundle)
    found = [one for one in kiln("check", bundle, "--json", code=20).json["findings"] if one["rule"] == "KILN151"]
    assert [one["remedy"] for one in found] == ["add libgomp1 to environment.system_packages"]
    (bundle / "bundle.yaml").write_text(f"{text}  system_packages: [libgomp1]\n")
    kiln("lock", bundle)
    left = kiln("check", bundle, "--json").json
    assert "KILN151" not in rules(left)


def test_copies_of_the_examples_are_checked_like_the_originals(fetched: Kiln, tmp_path: Path) -> None:
    bundle = copy_example("fraud", tmp_path / "fraud")
    assert rules(fetched("check", bundle, "--json").json) == []

"""Commands that read what was built, beside builds that replace it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.kiln import Kiln
from tests.support.small import small_bundle

BETWEEN = """
import json, subprocess, sys
from pathlib import Path
from builder.host.terminal import Terminal
from builder.pipeline import recipe
from builder.pipeline.workshop import open_workshop
bundle = Path(sys.argv[1])
build = recipe.build_inventoried
def build_and_be_overtaken(*given, **named):
    made = build(*given, **named)
    with (bundle / "score.py").open("a") as script:
        script.write("# of another build\\n")
    subprocess.run([sys.executable, "-m", "builder.cli", "build", str(bundle), "--offline"], check=True)
    return made
recipe.build_inventoried = build_and_be_overtaken
workshop = open_workshop(Terminal(quiet=True))
made = recipe.image(workshop, bundle, offline=True, locked=True, builder="native", runner="namespaces")
print(json.dumps([str(made.built.images[0].image_id), str(made.report.image_id), made.report.passed]))
"""


@pytest.fixture
def bundle(kiln: Kiln, tmp_path: Path) -> Path:
    bundle = small_bundle(tmp_path / "bundle")
    kiln("lock", bundle)
    kiln("build", bundle)
    return bundle


@pytest.mark.namespaces
def test_image_tests_what_it_built_and_not_what_another_put_in_its_place(kiln: Kiln, bundle: Path) -> None:
    argv = [sys.executable, "-c", BETWEEN, str(bundle)]
    done = subprocess.run(argv, env=dict(kiln.environ), capture_output=True, text=True, check=True)
    built, tested, passed = json.loads(done.stdout.splitlines()[-1])
    assert passed
    assert built == tested
    assert built != json.loads((bundle / "build/image.json").read_text())["image_id"]


def test_what_was_built_is_read_whole_while_it_is_built_again(kiln: Kiln, bundle: Path) -> None:
    done = threading.Event()

    def keep_building() -> int:
        count = 0
        while not done.is_set():
            with (bundle / "score.py").open("a") as script:
                script.write(f"# {count}\n")
            kiln("build", bundle, "--offline")
            count += 1
        return count

    with ThreadPoolExecutor(1) as builder:
        building = builder.submit(keep_building)
        try:
            for _ in range(4):
                assert "layers" in kiln("diff", bundle, bundle).stderr
        finally:
            done.set()
        assert building.result()

"""Layer bytes do not depend on the processor: made again on an emulated older one, and on an emulated newer one."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.disorder import ROOT
from tests.support.packages import program

WHEEL = ROOT / "tests" / "golden" / "layers" / "golden_demo-1.0-py3-none-any.whl"
MAKE = """
import hashlib, json, random, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from builder.assemble.layer import Compression, write_layer
from builder.assemble.wheel import wheel_entries
from builder.oci.entry import Entry, InlineContent
from builder.store.blobs import BlobStore
from tests.support.wheels import source_of

chance = random.Random(2000)
words = [bytes(chance.choices(b"abcdefghijklmnop", k=7)) for _ in range(500)]
text = b" ".join(chance.choice(words) for _ in range(60_000))
files = [
    Entry.file("a/text", InlineContent(text)),
    Entry.file("a/noise", InlineContent(chance.randbytes(300_000))),
    Entry.file("a/zeros", InlineContent(bytes(700_000))),
    Entry.file("a/mixed", InlineContent(text[:100_000] + chance.randbytes(100_000) + text[:200_000])),
]
wheel = Path(sys.argv[1])
with tempfile.TemporaryDirectory() as folder:
    store = BlobStore(Path(folder))
    layers = [
        write_layer(files, store, title="files"),
        write_layer(files, store, title="stored", compression=Compression.STORE),
        write_layer(wheel_entries(source_of(wheel), wheel), store, title="wheel"),
    ]
    print(json.dumps([[str(layer.descriptor.digest), str(layer.diff_id)] for layer in layers]))
"""


def made_by(*prefix: str) -> list[list[str]]:
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "PYTHONDONTWRITEBYTECODE": "1"}
    # The interpreter itself, not a link to it: an emulator is told a file.
    python = str(Path(sys.executable).resolve())
    done = subprocess.run(
        [*prefix, python, "-c", MAKE, str(WHEEL), str(ROOT)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[list[str]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def here() -> list[list[str]]:
    return made_by()


@pytest.mark.parametrize("cpu", ["Nehalem", "Haswell", "max"])
def test_an_emulated_processor_makes_the_same_bytes(here: list[list[str]], cpu: str) -> None:
    machine = {"x86_64": "x86_64", "aarch64": "aarch64"}[os.uname().machine]
    if machine == "aarch64":
        cpu = {"Nehalem": "cortex-a53", "Haswell": "cortex-a72", "max": "max"}[cpu]
    emulator = program(f"qemu-{machine}-static", "qemu-user-static")
    assert made_by(emulator, "-cpu", cpu) == here


def test_the_wheel_is_the_committed_one() -> None:
    golden = json.loads((WHEEL.parent / "wheel.json").read_text())
    assert made_by()[2] == [golden["blob"], golden["diff_id"]]
    assert hashlib.sha256(WHEEL.read_bytes()).hexdigest()

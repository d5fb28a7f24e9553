"""A bundle that pins old releases of the very libraries the server runs on gets those, and the server keeps its own."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from runtime_service import make_root, running

pytestmark = pytest.mark.package_index

OLD = {
    (3, 11): {"httptools": "0.5.0", "uvloop": "0.17.0", "msgspec": "0.13.1"},
    (3, 12): {"httptools": "0.6.1", "uvloop": "0.19.0", "msgspec": "0.18.4"},
    (3, 13): {"httptools": "0.6.2", "uvloop": "0.21.0", "msgspec": "0.19.0"},
}[sys.version_info[:2]]
SCRIPT = """
import asyncio
import importlib.metadata

import httptools
import msgspec
import uvloop

def load(model_dir):
    names = ("httptools", "uvloop", "msgspec")
    return {name: importlib.metadata.version(name) for name in names} | {"from": msgspec.__file__}

async def answer(model):
    await asyncio.sleep(0)
    return msgspec.json.decode(msgspec.json.encode(model))

def predict(model, records):
    loop = uvloop.new_event_loop()
    try:
        return [loop.run_until_complete(answer(model)) for _ in records]
    finally:
        loop.close()
"""


def test_old_releases_of_the_servers_own_libraries_are_the_bundles_alone(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", SCRIPT)
    packages = root / "opt/model/packages"
    requirements = [f"{name}=={version}" for name, version in OLD.items()]
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(packages)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, *requirements],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(importlib.metadata.version(name) != version for name, version in OLD.items())
    with running(root) as service:
        (answer,) = service.predict({"a": 1}).json["predictions"]
        assert answer == OLD | {"from": str(packages / "msgspec" / "__init__.py")}
        assert service.predict({"a": float("1e30")}).status == 200

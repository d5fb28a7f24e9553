from __future__ import annotations

import json
import urllib.request

import docker
import pytest

pytestmark = [pytest.mark.engine, pytest.mark.registry]


def test_the_registry_of_the_tests_is_real_and_the_engine_reaches_it(registry: str, sdk: docker.DockerClient) -> None:
    name = f"{registry}/copy"
    sdk.images.get("modelkiln-test-registry:local").tag(name, "1")
    sdk.images.push(name, "1")
    with urllib.request.urlopen(f"http://{registry}/v2/copy/tags/list", timeout=5) as answer:
        assert json.load(answer)["tags"] == ["1"]
    sdk.images.remove(f"{name}:1")
    assert sdk.images.pull(name, "1").tags

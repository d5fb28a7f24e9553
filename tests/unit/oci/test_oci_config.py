from __future__ import annotations

import json
from dataclasses import replace

import pytest

from builder.oci.config import Healthcheck, History, ImageConfig, rfc3339
from builder.oci.digest import Digest
from builder.oci.platform import Platform

FULL = ImageConfig(
    platform=Platform("linux", "amd64"),
    created=946684800,
    user="10001:0",
    env=(("PATH", "/bin"), ("A", "b=c")),
    entrypoint=("/usr/bin/python3.11", "-I"),
    cmd=("auto",),
    working_dir="/opt/model/code",
    exposed_ports=("8080/tcp",),
    labels={"b": "2", "a": "1"},
    healthcheck=Healthcheck(test=("CMD", "probe"), interval=10, timeout=3, start_period=120, retries=3),
    author="someone",
    diff_ids=(Digest.of(b"a"), Digest.of(b"b")),
    history=(History(created_by="base: x"), History(created_by="LABEL", empty_layer=True, comment="c")),
)
BARE = ImageConfig(platform=Platform("linux", "arm64"), created=0)


def test_times_are_utc() -> None:
    assert rfc3339(946684800) == "2000-01-01T00:00:00Z"


@pytest.mark.parametrize("config", [FULL, BARE], ids=["full", "bare"])
def test_a_configuration_reads_back(config: ImageConfig) -> None:
    assert ImageConfig.decode(config.encode()).encode() == config.encode()


def test_the_whole_json_form() -> None:
    assert FULL.to_dict() == {
        "architecture": "amd64",
        "os": "linux",
        "created": "2000-01-01T00:00:00Z",
        "author": "someone",
        "config": {
            "User": "10001:0",
            "Env": ["PATH=/bin", "A=b=c"],
            "Entrypoint": ["/usr/bin/python3.11", "-I"],
            "Cmd": ["auto"],
            "WorkingDir": "/opt/model/code",
            "ExposedPorts": {"8080/tcp": {}},
            "StopSignal": "SIGTERM",
            "Labels": {"a": "1", "b": "2"},
            "Healthcheck": {
                "Test": ["CMD", "probe"],
                "Interval": 10_000_000_000,
                "Timeout": 3_000_000_000,
                "StartPeriod": 120_000_000_000,
                "Retries": 3,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(b"a")), str(Digest.of(b"b"))]},
        "history": [
            {"created": "2000-01-01T00:00:00Z", "created_by": "base: x"},
            {"created": "2000-01-01T00:00:00Z", "created_by": "LABEL", "comment": "c", "empty_layer": True},
        ],
    }


def test_the_order_of_labels_does_not_change_the_image() -> None:
    assert replace(FULL, labels={"a": "1", "b": "2"}).encode() == FULL.encode()


def test_layers_are_filled_in_later() -> None:
    assert BARE.with_layers((Digest.of(b"x"),)).diff_ids == (Digest.of(b"x"),)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"config": {}}'])
def test_malformed_configurations_are_value_errors(content: bytes) -> None:
    with pytest.raises(ValueError):
        ImageConfig.decode(content)


def test_a_configuration_that_would_change_by_reading_it_is_refused() -> None:
    foreign = {**json.loads(FULL.encode()), "container": "abc"}
    with pytest.raises(ValueError, match="does not write"):
        ImageConfig.decode(json.dumps(foreign).encode())

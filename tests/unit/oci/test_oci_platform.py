from __future__ import annotations

import pytest

from builder.oci import platform as module
from builder.oci.platform import Platform


@pytest.mark.parametrize(
    ("text", "architecture", "machine"),
    [("linux/amd64", "amd64", "x86_64"), ("linux/arm64", "arm64", "aarch64"), ("linux/arm64/v8", "arm64", "aarch64")],
)
def test_reads_platforms(text: str, architecture: str, machine: str) -> None:
    platform = Platform.parse(text)
    assert (platform.architecture, platform.machine) == (architecture, machine)
    assert str(platform) == f"linux/{architecture}"


@pytest.mark.parametrize("text", ["", "linux", "windows/amd64", "linux/arm/v7", "linux/amd64/v8", "linux/riscv64"])
def test_other_platforms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a supported platform"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [("Linux", "x86_64", "linux/amd64"), ("Linux", "aarch64", "linux/arm64"), ("Darwin", "arm64", "None"),
     ("Linux", "riscv64", "None")],
)  # fmt: skip
def test_knows_the_machine_it_runs_on(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, expected: str
) -> None:
    monkeypatch.setattr(module.host_platform, "system", lambda: system)
    monkeypatch.setattr(module.host_platform, "machine", lambda: machine)
    assert str(Platform.host()) == expected

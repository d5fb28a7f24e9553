from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.engine import build
from builder.engine.build import build_with_buildkit, build_with_classic, buildkit_client
from builder.errors import EngineError


def put_client(folder: Path, *, version: str, has_buildx: bool, build: str = "exit 0") -> Path:
    folder.mkdir(parents=True)
    program = folder / "docker"
    program.write_text(
        "#!/bin/sh\n"
        f'case "$1" in version) echo {version};; buildx) exit {0 if has_buildx else 1};; build) {build};; esac\n'
    )
    program.chmod(0o755)
    return program


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(build, "_CLIENTS", found)
    return found


def test_an_old_client_drives_buildkit_by_itself(tmp_path: Path, clients: list[str]) -> None:
    clients.append(str(put_client(tmp_path / "a", version="20.10.24+dfsg1", has_buildx=False)))
    assert buildkit_client() == clients[0]


def test_a_new_client_needs_buildx(tmp_path: Path, clients: list[str]) -> None:
    clients.append(str(put_client(tmp_path / "a", version="28.2.2", has_buildx=False)))
    assert buildkit_client() is None
    clients.append(str(put_client(tmp_path / "b", version="28.2.2", has_buildx=True)))
    assert buildkit_client() == clients[1]


def test_the_first_client_that_can_is_taken(tmp_path: Path, clients: list[str]) -> None:
    clients.append(str(put_client(tmp_path / "a", version="28.2.2", has_buildx=False)))
    clients.append(str(put_client(tmp_path / "b", version="20.10.5", has_buildx=False)))
    assert buildkit_client() == clients[1]


def test_no_client_that_can_drive_buildkit_is_said_plainly(tmp_path: Path, clients: list[str]) -> None:
    clients.append(str(tmp_path / "none"))
    with pytest.raises(EngineError) as caught:
        build_with_buildkit("unix:///x", tmp_path, tag="x:1", platform=None)
    assert caught.value.faults[0].fact == "no docker client on this machine can drive BuildKit"
    assert "classic builder" in (caught.value.hint or "")


def test_buildkit_is_told_the_engine_the_tag_and_to_use_no_network(tmp_path: Path, clients: list[str]) -> None:
    script = f'echo "$DOCKER_HOST $DOCKER_BUILDKIT $*" > {tmp_path}/said'
    clients.append(str(put_client(tmp_path / "a", version="20.10.1", has_buildx=False, build=script)))
    build_with_buildkit("unix:///x", tmp_path / "ctx", tag="x:1", platform="linux/arm64")
    assert (tmp_path / "said").read_text().split() == [
        "unix:///x",
        "1",
        "build",
        "--progress=plain",
        "--network=none",
        "--pull=false",
        "--tag=x:1",
        "--platform=linux/arm64",
        str(tmp_path / "ctx"),
    ]


def test_a_failing_buildkit_build_names_the_step_and_its_last_lines(tmp_path: Path, clients: list[str]) -> None:
    script = "echo '#5 [base 1/2] ADD x /' >&2; echo '#6 [base 2/2] RUN y' >&2; echo '#6 0.1 no such y' >&2; exit 1"
    clients.append(str(put_client(tmp_path / "a", version="20.10.1", has_buildx=False, build=script)))
    with pytest.raises(EngineError) as caught:
        build_with_buildkit("unix:///x", tmp_path, tag="x:1", platform=None)
    [fault] = caught.value.faults
    assert fault.at == "#6 [base 2/2] RUN y"
    assert (fault.got or "").endswith("#6 0.1 no such y")


class FakeApi:
    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = events
        self.arguments: dict[str, Any] = {}

    def build(self, **arguments: Any) -> Any:
        self.arguments = arguments
        return iter(self.events)


def test_the_classic_builder_has_no_network_and_leaves_no_containers(tmp_path: Path) -> None:
    api = FakeApi({"stream": "Step 1/2 : FROM scratch\n"}, {"stream": " ---> abc\n"})
    said: list[str] = []
    build_with_classic(api, tmp_path, tag="x:1", platform=None, progress=said.append)  # type: ignore[arg-type]
    assert said == ["Step 1/2 : FROM scratch"]
    assert api.arguments["network_mode"] == "none"
    assert api.arguments["forcerm"] is True
    assert api.arguments["pull"] is False


def test_a_failing_classic_build_names_the_step_and_only_its_own_lines(tmp_path: Path) -> None:
    api = FakeApi(
        {"stream": "Step 1/2 : FROM scratch\n"},
        {"stream": "old\n"},
        {"stream": "Step 2/2 : RUN y\n"},
        {"stream": "no such y\n"},
        {"error": "exit code 1"},
    )
    with pytest.raises(EngineError) as caught:
        build_with_classic(api, tmp_path, tag="x:1", platform=None, progress=lambda _: None)  # type: ignore[arg-type]
    [fault] = caught.value.faults
    assert (fault.at, fault.got) == ("Step 2/2 : RUN y", "no such y\nexit code 1")

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import docker.errors
import pytest
import requests.exceptions

from builder.engine.container import DockerInstance
from builder.errors import EngineError


def instance_of(**container: Any) -> tuple[DockerInstance, MagicMock]:
    client = MagicMock()
    client.api.inspect_container.return_value = {"State": {"Status": "running"}, **container}
    return DockerInstance(client, "0123456789abcdef", host="127.0.0.1", port="8080/tcp"), client.api


def test_a_container_that_publishes_nothing_refuses_connections() -> None:
    instance, _ = instance_of(NetworkSettings={"Ports": {"8080/tcp": None}})
    with pytest.raises(ConnectionError, match="publishes no port"):
        instance.request("GET", "/", body=None, headers={}, timeout=1)


def test_the_published_port_is_asked_for_once() -> None:
    instance, api = instance_of(NetworkSettings={"Ports": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "49153"}]}})
    assert instance.address == instance.address == ("127.0.0.1", 49153)
    assert api.inspect_container.call_count == 1


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ({}, None),
        ({"Health": None}, None),
        ({"Health": {"Status": "none"}}, None),
        ({"Health": {"Status": "healthy"}}, "healthy"),
    ],
)
def test_health_is_the_engine_s_word_or_none(state: dict[str, Any], health: str | None) -> None:
    instance, _ = instance_of(State=state)
    assert instance.health() == health


def test_a_container_that_ended_is_told_with_its_code_and_whether_memory_was_why() -> None:
    instance, _ = instance_of(State={"Status": "exited", "ExitCode": 137, "OOMKilled": True})
    state = instance.exit_state()
    assert state is not None
    assert (state.code, state.was_killed_for_memory) == (137, True)


def test_processes_ended_for_want_of_memory_are_counted_whichever_they_were() -> None:
    instance, api = instance_of(State={"Status": "running", "OOMKilled": False})
    api.events.return_value = [{"status": "oom"}, {"status": "oom"}]
    assert instance.memory_kills() == 2
    api.events.side_effect = requests.exceptions.ConnectionError
    assert instance.memory_kills() == 0
    instance, api = instance_of(State={"Status": "exited", "ExitCode": 137, "OOMKilled": True})
    assert instance.memory_kills() == 1


def test_changes_below_tmp_do_not_count() -> None:
    instance, api = instance_of()
    api.diff.return_value = [
        {"Path": "/var/b", "Kind": 1},
        {"Path": "/tmp", "Kind": 0},
        {"Path": "/tmp/x", "Kind": 1},
        {"Path": "/tmpfile", "Kind": 1},
    ]
    assert instance.changes() == ("/tmpfile", "/var/b")
    api.diff.return_value = None
    assert instance.changes() == ()


def test_a_signal_to_a_container_that_ended_is_no_error() -> None:
    instance, api = instance_of(State={"Status": "exited", "ExitCode": 0})
    api.kill.side_effect = docker.errors.APIError("x", response=MagicMock(status_code=409), explanation="not running")
    assert instance.stop(1).code == 0


def test_a_signal_the_engine_refuses_is_an_error() -> None:
    instance, api = instance_of()
    api.kill.side_effect = docker.errors.APIError("x", response=MagicMock(status_code=500), explanation="boom")
    with pytest.raises(EngineError) as caught:
        instance.stop(1)
    assert (caught.value.faults[0].got, caught.value.faults[0].at) == ("boom", "0123456789ab")


def test_a_container_that_survives_sigkill_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    instance, api = instance_of()
    monkeypatch.setattr(instance, "_ended_within", lambda _: False)
    with pytest.raises(EngineError, match="survives SIGKILL"):
        instance.stop(0)
    assert [call.args[1] for call in api.kill.call_args_list] == ["SIGTERM", "SIGKILL"]


def test_a_removal_under_way_is_no_error() -> None:
    instance, api = instance_of()
    api.remove_container.side_effect = docker.errors.APIError("x", explanation="removal is already in progress")
    instance.remove()
    api.remove_container.side_effect = docker.errors.APIError("x", explanation="boom")
    with pytest.raises(EngineError, match="remove the container"):
        instance.remove()


@pytest.mark.parametrize("question", ["exit_state", "changes", "health"])
def test_an_engine_that_is_gone_is_an_engine_error(question: str) -> None:
    instance, api = instance_of()
    gone = requests.exceptions.ConnectionError("gone")
    api.inspect_container.side_effect = api.diff.side_effect = gone
    with pytest.raises(EngineError) as caught:
        getattr(instance, question)()
    assert caught.value.faults[0].got == "gone"


def test_output_the_engine_does_not_give_is_an_engine_error() -> None:
    instance, api = instance_of()
    api.logs.side_effect = requests.exceptions.ConnectionError("gone")
    with pytest.raises(EngineError, match="output"):
        instance.logs(3)
    with pytest.raises(EngineError, match="output"):
        list(instance.follow())


def test_a_program_the_engine_cannot_run_is_an_engine_error() -> None:
    instance, api = instance_of()
    api.exec_create.side_effect = docker.errors.APIError("x", explanation="not running")
    with pytest.raises(EngineError, match="run a program"):
        instance.execute(["x"], timeout=1)
    api.exec_create.side_effect = None
    api.exec_start.side_effect = docker.errors.APIError("x", explanation="boom")
    with pytest.raises(EngineError, match="run a program"):
        instance.execute(["x"], timeout=1)

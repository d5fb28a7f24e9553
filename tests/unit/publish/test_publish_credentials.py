from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from builder.errors import HostError, RegistryAuthError
from builder.publish.credentials import Credentials, config_path, find_credentials


def environ(tmp_path: Path, config: Any = None, **helpers: str) -> dict[str, str]:
    """Write a configuration and credential helpers; return an environment that has them."""
    folder = tmp_path / "docker"
    folder.mkdir()
    if config is not None:
        (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in helpers.items():
        program = programs / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\nread -r host\n{script}\n")
        program.chmod(0o755)
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")  # programs are looked up in our own PATH


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_configuration_is_where_docker_keeps_it() -> None:
    assert config_path({"HOME": "/home/a"}) == Path("/home/a/.docker/config.json")
    assert config_path({"HOME": "/home/a", "DOCKER_CONFIG": "/etc/d"}) == Path("/etc/d/config.json")


def test_no_configuration_is_no_credentials(tmp_path: Path) -> None:
    assert find_credentials("reg.example", environ(tmp_path)) is None


@pytest.mark.parametrize("key", ["reg.example:5000", "https://reg.example:5000", "https://reg.example:5000/v1/"])
def test_finds_user_and_password_by_host(tmp_path: Path, key: str) -> None:
    config = {"auths": {"other": {"auth": encoded("x:y")}, key: {"auth": encoded("alice:pass:word")}}}
    found = find_credentials("reg.example:5000", environ(tmp_path, config))
    assert found == Credentials(username="alice", password="pass:word")


def test_finds_an_identity_token(tmp_path: Path) -> None:
    config = {"auths": {"reg.example": {"auth": encoded("alice:"), "identitytoken": "refresh"}}}
    assert find_credentials("reg.example", environ(tmp_path, config)) == Credentials(
        username="alice", identity_token="refresh"
    )


def test_an_empty_entry_means_the_helper_has_them(tmp_path: Path) -> None:
    config = {"auths": {"reg.example": {}}, "credsStore": "vault"}
    script = """echo "{\\"ServerURL\\": \\"$host\\", \\"Username\\": \\"at-$host\\", \\"Secret\\": \\"s\\"}" """
    found = find_credentials("reg.example", environ(tmp_path, config, vault=script))
    assert found == Credentials(username="at-reg.example", password="s")


def test_a_helper_named_for_the_host_goes_first(tmp_path: Path) -> None:
    config = {
        "auths": {"reg.example": {"auth": encoded("a:b")}},
        "credHelpers": {"reg.example": "special"},
        "credsStore": "vault",
    }
    script = """echo '{"Username": "<token>", "Secret": "refresh"}'"""
    found = find_credentials("reg.example", environ(tmp_path, config, special=script, vault="exit 9"))
    assert found == Credentials(identity_token="refresh")


def test_a_helper_that_has_nothing_is_no_fault(tmp_path: Path) -> None:
    script = "echo 'credentials not found in native keychain'; exit 1"
    assert find_credentials("reg.example", environ(tmp_path, {"credsStore": "vault"}, vault=script)) is None


def test_a_helper_that_fails_is_named_with_its_words(tmp_path: Path) -> None:
    script = "echo 'vault is locked' >&2; exit 1"
    with pytest.raises(RegistryAuthError, match="vault is locked") as caught:
        find_credentials("reg.example", environ(tmp_path, {"credsStore": "vault"}, vault=script))
    assert caught.value.faults[0].at == "docker-credential-vault get"


def test_a_helper_that_talks_nonsense_is_an_error_without_its_output(tmp_path: Path) -> None:
    with pytest.raises(RegistryAuthError, match="gave no credentials") as caught:
        find_credentials("reg.example", environ(tmp_path, {"credsStore": "vault"}, vault="echo s3cret-word"))
    assert "s3cret-word" not in caught.value.render()


def test_a_helper_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="docker-credential-nowhere"):
        find_credentials("reg.example", environ(tmp_path, {"credsStore": "nowhere"}))


@pytest.mark.parametrize(
    ("config", "fact"),
    [
        ("{", "it is not JSON"),
        ("[]", "not a JSON object"),
        ('{"auths": [1]}', "not an object"),
        ('{"auths": {"reg.example": {"auth": "!!"}}}', "not base64"),
    ],
)
def test_a_damaged_configuration_is_an_error_that_names_the_file(tmp_path: Path, config: str, fact: str) -> None:
    with pytest.raises(RegistryAuthError, match=fact) as caught:
        find_credentials("reg.example", environ(tmp_path, config))
    assert "config.json" in caught.value.render()


def test_secrets_are_not_in_the_text_of_credentials() -> None:
    shown = repr(Credentials(username="alice", password="s3cret-word", identity_token="refresh-word"))
    assert "alice" in shown
    assert "word" not in shown

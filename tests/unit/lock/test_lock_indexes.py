from __future__ import annotations

from pathlib import Path

import pytest

from builder.lock.indexes import IndexSettings, pip_environment, read_index_settings, uv_environment

CONFIGURATION = """\
[global]
index-url = https://user:secret@host/simple
extra-index-url =
    file:///nowhere/simple
    https://more/simple
trusted-host = host
timeout = 30
[download]
proxy = http://proxy:3128
[install]
index-url = https://not-asked/simple
"""


def test_settings_are_those_pip_itself_reads(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(CONFIGURATION)
    environ = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_CERT": "/ca.pem",
        "PIP_TIMEOUT": "90",
        "PIP_FIND_LINKS": "/a /b",
    }
    settings = read_index_settings(environ)
    assert settings.index == "https://user:secret@host/simple"
    assert settings.extra_indexes[-2:] == ("file:///nowhere/simple", "https://more/simple")
    assert settings.trusted_hosts == ("host",)
    assert settings.proxy == "http://proxy:3128"
    assert settings.find_links == ("/a", "/b")
    assert (settings.certificates, settings.timeout) == ("/ca.pem", "90")


def test_uv_is_told_everything_by_environment(tmp_path: Path) -> None:
    (tmp_path / "simple").mkdir()
    here = (tmp_path / "simple").as_uri()
    environ = uv_environment(
        IndexSettings(
            index="https://user:secret@host/simple",
            extra_indexes=("file:///nowhere/simple", here, "https://more/simple"),
            find_links=("/nowhere/wheels", str(tmp_path)),
            trusted_hosts=("a", "b"),
            certificates="/ca.pem",
            proxy="http://proxy:3128",
            timeout="30",
            keyring="import",
            no_index=True,
            prereleases=True,
        ),
        {
            "PATH": "/bin",
            "UV_INDEX_URL": "https://uv-only/simple",
            "UV_CACHE_DIR": "/cache",
            "UV_EXCLUDE_NEWER": "2020",
        },
    )
    assert environ["UV_INDEX"] == f"https://user:secret@host/simple {here}"
    assert environ["UV_DEFAULT_INDEX"] == "https://more/simple"
    assert environ["UV_FIND_LINKS"] == str(tmp_path)
    assert environ["UV_INSECURE_HOST"] == "a b"
    assert environ["SSL_CERT_FILE"] == "/ca.pem"
    assert environ["HTTPS_PROXY"] == environ["HTTP_PROXY"] == "http://proxy:3128"
    assert (environ["UV_HTTP_TIMEOUT"], environ["UV_NO_INDEX"], environ["UV_PRERELEASE"]) == ("30", "1", "allow")
    assert environ["UV_KEYRING_PROVIDER"] == "subprocess"
    assert environ["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert environ["UV_CACHE_DIR"] == "/cache"
    assert "UV_INDEX_URL" not in environ
    assert "UV_EXCLUDE_NEWER" not in environ


def test_without_settings_uv_uses_the_index_pip_has_built_in() -> None:
    environ = uv_environment(IndexSettings(), {"SSL_CERT_FILE": "/own.pem"})
    assert environ["UV_DEFAULT_INDEX"].startswith("https://")
    assert "UV_INDEX" not in environ
    assert environ["SSL_CERT_FILE"] == "/own.pem"


def test_pip_keeps_the_users_index_and_loses_what_would_lead_it_astray() -> None:
    environ = pip_environment(
        {"PIP_INDEX_URL": "https://host", "PIP_TARGET": "/x", "PIP_USER": "1", "PYTHONPATH": "/y"}
    )
    assert environ["PIP_INDEX_URL"] == "https://host"
    assert environ["PIP_NO_INPUT"] == "1"
    assert not {"PIP_TARGET", "PIP_USER", "PYTHONPATH"} & set(environ)


@pytest.mark.parametrize(("text", "wanted"), [("yes", True), ("0", False)])
def test_no_index_is_read_as_pip_reads_it(text: str, wanted: bool, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": text}
    assert read_index_settings(environ).no_index is wanted

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
import urllib3

from builder.errors import RegistryError
from builder.publish.endpoint import host_of, is_loopback, open_pool, speaks_tls, tls_context
from tests.support.certificates import Authority
from tests.support.docker_registry import free_port
from tests.support.registry import FakeRegistry


@pytest.mark.parametrize(
    "netloc", ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5000", "LOCALHOST"]
)
def test_loopback_is_known_by_its_name(netloc: str) -> None:
    assert is_loopback(netloc)


@pytest.mark.parametrize(
    "netloc", ["registry.example", "10.0.0.1:5000", "localhost.example", "127.0.0.1.example", "[::2]:5000", "0.0.0.0"]
)
def test_everything_else_is_not_loopback(netloc: str) -> None:
    assert not is_loopback(netloc)


def test_a_host_has_no_port_and_no_brackets() -> None:
    assert [host_of(n) for n in ("a.example:5000", "[::1]:5000", "B")] == ["a.example", "::1", "b"]


def test_certificates_are_always_verified(tmp_path: Path) -> None:
    context = tls_context("registry.example", environ={}, certificates=tmp_path)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_authorities_come_from_every_place_a_person_may_put_them(tmp_path: Path) -> None:
    paths = {}
    for name in ("env", "docker", "option"):
        folder = tmp_path / name
        paths[name] = Authority(folder, name).certificate
    certs_d = tmp_path / "certs.d" / "registry.example:5000"
    certs_d.mkdir(parents=True)
    (certs_d / "ca.crt").write_bytes(paths["docker"].read_bytes())
    context = tls_context(
        "registry.example:5000",
        ca_file=paths["option"],
        environ={"REQUESTS_CA_BUNDLE": str(paths["env"])},
        certificates=tmp_path / "certs.d",
    )
    names = {dict(pair for part in ca["subject"] for pair in part).get("commonName") for ca in context.get_ca_certs()}
    assert {"env", "docker", "option"} <= names


def test_an_authority_from_ssl_cert_file_counts(tmp_path: Path) -> None:
    path = Authority(tmp_path, "mine").certificate
    context = tls_context("registry.example", environ={"SSL_CERT_FILE": str(path)}, certificates=tmp_path / "none")
    assert any("mine" in str(ca["subject"]) for ca in context.get_ca_certs())


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RegistryError, match="certificate file cannot be used") as caught:
        tls_context("registry.example", ca_file=path, environ={}, certificates=tmp_path)
    assert caught.value.faults[0].at == str(path)


def test_knows_a_server_that_does_not_speak_tls(registry: FakeRegistry) -> None:
    assert not speaks_tls(registry.host)


def test_nobody_there_is_told_apart_from_no_tls() -> None:
    with pytest.raises(ConnectionRefusedError):
        speaks_tls(f"127.0.0.1:{free_port()}")


def pool(registry: str, **environ: str) -> urllib3.PoolManager:
    return open_pool(registry, context=None, environ=environ, connections=1)


def test_the_environment_names_the_proxy() -> None:
    made = pool("registry.example", HTTPS_PROXY="http://proxy.example:3128")
    assert isinstance(made, urllib3.ProxyManager)
    assert made.proxy is not None
    assert made.proxy.host == "proxy.example"


@pytest.mark.parametrize("no_proxy", ["registry.example", ".example", "other, example", "*", "registry.example:5000"])
def test_no_proxy_is_kept_to(no_proxy: str) -> None:
    made = pool("registry.example:5000", https_proxy="http://proxy.example:3128", no_proxy=no_proxy)
    assert not isinstance(made, urllib3.ProxyManager)


def test_loopback_is_never_proxied() -> None:
    assert not isinstance(pool("127.0.0.1:5000", HTTPS_PROXY="http://proxy.example:3128"), urllib3.ProxyManager)


def test_other_hosts_do_not_match_no_proxy_by_their_end() -> None:
    made = pool("myregistry.example", HTTPS_PROXY="http://proxy.example:3128", NO_PROXY="registry.example")
    assert isinstance(made, urllib3.ProxyManager)


def test_a_bundle_the_process_already_has_is_not_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(Authority(tmp_path, "mine").certificate)
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", path)
    context = tls_context("r.example", environ={"SSL_CERT_FILE": path}, certificates=tmp_path / "none")
    assert len(context.get_ca_certs()) == 1

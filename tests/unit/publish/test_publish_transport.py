from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder import __version__
from builder.errors import RegistryAuthError, RegistryError
from builder.publish.body import Body
from builder.publish.credentials import Credentials
from builder.publish.faults import TransientRegistryError
from builder.publish.tokens import repository_scope
from builder.publish.transport import Access, Transport
from tests.support.clocks import SteppedClock
from tests.support.docker_registry import free_port
from tests.support.registry import FakeRegistry, error_body, fake_registry

PULL = (repository_scope("models/churn", "pull"),)
PUSH = (repository_scope("models/churn", "pull", "push"),)
BLOB = "/v2/models/churn/blobs/sha256:" + "a" * 64
UPLOADS = "/v2/models/churn/blobs/uploads/"


@pytest.fixture
def other() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


def get(registry: FakeRegistry, access: Access, target: str = BLOB) -> int:
    with Transport(registry.host, access) as transport:
        return transport.request("GET", target, scopes=PULL, accept=(200, 404)).status


def test_says_who_it_is(registry: FakeRegistry, access: Access) -> None:
    get(registry, access)
    assert registry.calls[0].headers["user-agent"] == f"modelkiln/{__version__}"


def test_sends_no_authorization_before_it_is_asked(registry: FakeRegistry, access: Access) -> None:
    def never(host: str) -> Credentials | None:
        raise AssertionError(host)

    assert get(registry, replace(access, credentials=never)) == 404
    assert "authorization" not in registry.calls[0].headers


def test_answers_a_basic_challenge_and_remembers(
    registry: FakeRegistry, access: Access, alice: Callable[[str], Credentials]
) -> None:
    registry.auth = "basic"
    with Transport(registry.host, replace(access, credentials=alice)) as transport:
        for _ in range(2):
            assert transport.request("GET", BLOB, scopes=PULL, accept=(404,)).status == 404
    assert len(registry.calls) == 3


def test_answers_a_token_challenge_with_its_service_and_scopes(
    registry: FakeRegistry, access: Access, alice: Callable[[str], Credentials]
) -> None:
    registry.auth = "bearer"
    with Transport(registry.host, replace(access, credentials=alice)) as transport:
        transport.request("POST", UPLOADS, scopes=PUSH, accept=(202,), body=Body.of(b""))
        transport.request("POST", UPLOADS, scopes=PUSH, accept=(202,), body=Body.of(b""))
    (asked,) = registry.made("GET", "/token")
    assert asked.query == {"service": ["fake, or so"], "scope": ["repository:models/churn:pull,push"]}
    assert asked.headers["authorization"].startswith("Basic ")
    assert len(registry.made("POST")) == 3, "the second request had the token at once"


def test_gets_an_anonymous_token_where_that_is_enough(registry: FakeRegistry, access: Access) -> None:
    registry.auth, registry.is_anonymous_allowed = "bearer", True
    assert get(registry, access) == 404


def test_exchanges_an_identity_token(registry: FakeRegistry, access: Access) -> None:
    registry.auth, registry.identity_token = "bearer", "refresh-me"
    assert get(registry, replace(access, credentials=lambda _: Credentials(identity_token="refresh-me"))) == 404
    assert len(registry.made("POST", "/token")) == 1


def test_fetches_a_new_token_shortly_before_the_old_one_ends(
    registry: FakeRegistry, access: Access, clock: SteppedClock
) -> None:
    registry.auth, registry.is_anonymous_allowed, registry.token_lifetime = "bearer", True, 60
    with Transport(registry.host, access) as transport:
        transport.request("GET", BLOB, scopes=PULL, accept=(404,))
        clock.time += 55
        transport.request("GET", BLOB, scopes=PULL, accept=(404,))
    assert len(registry.made("GET", "/token")) == 2
    assert len(registry.made("GET", "/v2/")) == 3


def test_renews_a_token_the_registry_no_longer_takes(registry: FakeRegistry, access: Access) -> None:
    registry.auth, registry.is_anonymous_allowed = "bearer", True
    with Transport(registry.host, access) as transport:
        transport.request("GET", BLOB, scopes=PULL, accept=(404,))
        registry.tokens["token-1"] = ""
        transport.request("GET", BLOB, scopes=PULL, accept=(404,))
    assert len(registry.made("GET", "/token")) == 2


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_without_credentials_the_error_says_how_to_log_in(registry: FakeRegistry, access: Access, kind: str) -> None:
    registry.auth = kind
    with pytest.raises(RegistryAuthError, match="wants credentials") as caught:
        get(registry, access)
    assert f"docker login {registry.host}" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_wrong_credentials_are_refused_at_once_and_not_shown(
    registry: FakeRegistry, access: Access, clock: SteppedClock, kind: str
) -> None:
    registry.auth = kind
    wrong = replace(access, credentials=lambda _: Credentials(username="mallory", password="hunter2-word"))
    with pytest.raises(RegistryAuthError, match="refuses the credentials") as caught:
        get(registry, wrong)
    assert "hunter2-word" not in caught.value.render() + repr(caught.value) + repr(wrong.credentials("x"))
    assert len(registry.calls) == 2
    assert not clock.pauses


def test_a_token_without_the_rights_is_refused(
    registry: FakeRegistry, access: Access, alice: Callable[[str], Credentials]
) -> None:
    registry.auth = "bearer"
    registry.denied_scopes = set(PULL)
    with pytest.raises(RegistryAuthError, match="refuses the credentials"):
        get(registry, replace(access, credentials=alice))
    assert len(registry.made("GET", "/v2/")) == 2


def test_a_denial_names_the_registrys_reason(registry: FakeRegistry, access: Access) -> None:
    registry.fail("GET", BLOB, status=403, body=error_body("DENIED", "no rights on models/churn"))
    with pytest.raises(RegistryAuthError, match="DENIED: no rights on models/churn"):
        get(registry, access)


def test_an_unknown_kind_of_authorization_is_named(registry: FakeRegistry, access: Access) -> None:
    registry.fail("GET", BLOB, status=401, headers={"WWW-Authenticate": "Negotiate"})
    with pytest.raises(RegistryAuthError) as caught:
        get(registry, access)
    assert caught.value.faults[0].got == "negotiate"


def test_a_token_server_that_is_down_for_a_moment_is_asked_again(registry: FakeRegistry, access: Access) -> None:
    registry.auth, registry.is_anonymous_allowed = "bearer", True
    registry.fail("GET", "/token", times=2, status=503)
    assert get(registry, access) == 404


def test_a_token_server_without_a_token_is_an_error(registry: FakeRegistry, access: Access) -> None:
    registry.auth = "bearer"
    registry.fail("GET", "/token", status=200, body=b"{}")
    with pytest.raises(RegistryAuthError, match="no token in its answer"):
        get(registry, access)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_with_growing_pauses(
    registry: FakeRegistry, access: Access, clock: SteppedClock, status: int
) -> None:
    registry.fail("GET", BLOB, times=3, status=status)
    assert get(registry, access) == 404
    assert clock.pauses == [0.5, 1.0, 2.0]


def test_waits_as_long_as_the_registry_asks(registry: FakeRegistry, access: Access, clock: SteppedClock) -> None:
    registry.fail("GET", BLOB, status=429, headers={"Retry-After": "7"})
    assert get(registry, access) == 404
    assert clock.pauses == [7.0]


def test_dropped_connections_are_made_again(registry: FakeRegistry, access: Access, clock: SteppedClock) -> None:
    registry.fail("GET", BLOB, times=2, drop=True)
    assert get(registry, access) == 404
    assert len(clock.pauses) == 2


def test_patience_ends_with_the_reason(registry: FakeRegistry, access: Access, clock: SteppedClock) -> None:
    registry.fail("GET", BLOB, times=99, status=500, body=error_body("UNKNOWN", "disk on fire"))
    with pytest.raises(TransientRegistryError, match="UNKNOWN: disk on fire"):
        get(registry, access)
    assert len(clock.pauses) == access.patience.attempts - 1


def test_nobody_there_is_an_error_that_names_the_host(access: Access) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(RegistryError, match="Connection refused") as caught, Transport(host, access) as transport:
        transport.request("GET", "/v2/", scopes=(), accept=(200,))
    assert host in caught.value.render()
    assert caught.value.hint == "check the host and port; is the registry running?"


def test_an_unknown_host_is_to_be_checked_and_not_waited_for(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with (
        pytest.raises(RegistryError, match="Name or service not known") as caught,
        Transport("no-such-host.example", access) as transport,
    ):
        transport.request("GET", "/v2/", scopes=(), accept=(200,))
    assert caught.value.hint == "check the host and port; is the registry running?"


def test_refusals_are_not_tried_again(registry: FakeRegistry, access: Access, clock: SteppedClock) -> None:
    registry.fail("GET", BLOB, status=400, body=error_body("NAME_INVALID", "bad name"))
    with pytest.raises(RegistryError, match="NAME_INVALID: bad name"):
        get(registry, access)
    assert not clock.pauses


def test_redirects_are_followed_without_authorization(
    registry: FakeRegistry, other: FakeRegistry, access: Access, alice: Callable[[str], Credentials]
) -> None:
    registry.auth = "basic"
    other.blobs["store"] = {"sha256:x": b"content"}
    registry.fail("GET", BLOB, times=2, redirect=f"http://{other.host}/v2/store/blobs/sha256:x?X-Signature=s3cret")
    with Transport(registry.host, replace(access, credentials=alice)) as transport:
        registry.fail("HEAD", BLOB, times=0)
        transport.request("GET", "/v2/", scopes=PULL, accept=(200,))  # now it knows what to send
        answer = transport.request("GET", BLOB, scopes=PULL, accept=(200,))
    assert answer.body == b"content"
    assert "authorization" in registry.made("GET", BLOB)[-1].headers
    assert "authorization" not in other.calls[0].headers


def test_redirects_in_a_circle_end(registry: FakeRegistry, access: Access) -> None:
    registry.fail("GET", BLOB, times=99, redirect=BLOB)
    with pytest.raises(RegistryError, match="redirects more than 5 times"):
        get(registry, access)


def test_a_redirect_to_plain_http_elsewhere_is_refused(registry: FakeRegistry, access: Access) -> None:
    registry.fail("GET", BLOB, redirect="http://storage.invalid/blob?X-Signature=s3cret")
    with pytest.raises(RegistryError, match="redirects to plain HTTP") as caught:
        get(registry, access)
    assert "s3cret" not in caught.value.render()


def test_a_document_without_end_is_not_read_to_its_end(registry: FakeRegistry, access: Access) -> None:
    registry.blobs["models/churn"] = {BLOB.rpartition("/")[2]: b"x" * 2000}
    with pytest.raises(RegistryError, match="longer than"), Transport(registry.host, access) as transport:
        transport.request("GET", BLOB, scopes=PULL, accept=(200,), limit=1000)


def test_plain_http_to_other_hosts_has_to_be_asked_for(
    registry: FakeRegistry, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"registry.test:{registry.host.rpartition(':')[2]}"
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: real("127.0.0.1" if host == "registry.test" else host, *rest, **more),
    )
    with pytest.raises(RegistryError, match="does not speak TLS") as caught, Transport(name, access) as transport:
        transport.request("GET", "/v2/", scopes=(), accept=(200,))
    assert "--insecure" in (caught.value.hint or "")
    assert not registry.calls
    with Transport(name, replace(access, insecure=True)) as transport:
        assert transport.request("GET", "/v2/", scopes=(), accept=(200,)).status == 200


def test_credentials_come_from_dockers_configuration(registry: FakeRegistry, access: Access, tmp_path: Path) -> None:
    registry.auth = "basic"
    (tmp_path / "config.json").write_text(
        f'{{"auths": {{"{registry.host}": {{"username": "alice", "password": "s3cret-word"}}}}}}'
    )
    known = replace(access, credentials=None, environ={"DOCKER_CONFIG": str(tmp_path)})
    assert get(registry, known) == 404

from __future__ import annotations

from collections.abc import Mapping

import pytest

from builder.errors import RegistryAuthError
from builder.host.clock import Clock
from builder.publish.body import Body
from builder.publish.credentials import Credentials
from builder.publish.tokens import Authorizer, Challenge, TokenAnswer, parse_challenges, repository_scope


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['Basic realm="x"'], [("basic", {"realm": "x"})]),
        (
            ['Bearer realm="https://auth.example/token",service="reg",scope="repository:a:pull,push"'],
            [("bearer", {"realm": "https://auth.example/token", "service": "reg", "scope": "repository:a:pull,push"})],
        ),
        (['Bearer realm="r", error="invalid_token"', "Basic realm=plain"],
         [("bearer", {"realm": "r", "error": "invalid_token"}), ("basic", {"realm": "plain"})]),
        (['Negotiate, Basic realm="a \\"b\\", c", charset="UTF-8"'],
         [("negotiate", {}), ("basic", {"realm": 'a "b", c', "charset": "UTF-8"})]),
        (['BEARER REALM="r"'], [("bearer", {"realm": "r"})]),
        ([""], []),
        ([], []),
    ],
)  # fmt: skip
def test_reads_challenges(headers: list[str], expected: list[tuple[str, dict[str, str]]]) -> None:
    assert parse_challenges(headers) == tuple(Challenge(scheme=s, parameters=p) for s, p in expected)


def test_a_scope_names_repository_and_actions() -> None:
    assert repository_scope("models/churn", "pull", "push") == "repository:models/churn:pull,push"


def authorizer(
    credentials: Credentials | None, *, body: bytes = b'{"token": "t"}', is_plain: bool = False
) -> tuple[Authorizer, list[str]]:
    asked: list[str] = []

    def ask(method: str, url: str, headers: Mapping[str, str], sent: Body | None) -> TokenAnswer:
        asked.append(f"{method} {url}")
        return TokenAnswer(status=200, body=body)

    made = Authorizer("reg.example", find=lambda: credentials, ask=ask, clock=Clock(), is_plain=lambda: is_plain)
    return made, asked


def test_tokens_are_kept_apart_by_scope() -> None:
    made, asked = authorizer(None)
    challenge = ['Bearer realm="https://auth.example/token",service="reg"']
    made.answer(challenge, ("repository:a:pull",), refused=None, where="x")
    assert made.header(("repository:a:pull",)) == "Bearer t"
    assert made.header(("repository:a:pull,push", "repository:b:pull")) == "Bearer t"
    assert asked == [
        "GET https://auth.example/token?service=reg&scope=repository%3Aa%3Apull",
        "GET https://auth.example/token?service=reg&scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Ab%3Apull",
    ]


def test_an_access_token_is_as_good_as_a_token() -> None:
    made, _ = authorizer(None, body=b'{"access_token": "other", "expires_in": 60}')
    assert made.answer(['Bearer realm="https://a.example/t"'], (), refused=None, where="x") == "Bearer other"


def test_a_token_server_without_tls_gets_no_credentials() -> None:
    made, asked = authorizer(Credentials(username="u", password="p"))
    with pytest.raises(RegistryAuthError, match="not reached over TLS"):
        made.answer(['Bearer realm="http://auth.example/token"'], (), refused=None, where="x")
    assert not asked


@pytest.mark.parametrize("realm", ["", "ftp://x/y", "nonsense"])
def test_a_challenge_without_a_token_server_is_an_error(realm: str) -> None:
    made, _ = authorizer(None)
    with pytest.raises(RegistryAuthError, match="names no token server"):
        made.answer([f'Bearer realm="{realm}"'], (), refused=None, where="x")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 1}', b'{"token": "t", "expires_in": "soon"}'])
def test_an_answer_without_a_token_is_an_error(body: bytes) -> None:
    made, _ = authorizer(None, body=body)
    with pytest.raises(RegistryAuthError, match="gave no token"):
        made.answer(['Bearer realm="https://a.example/t"'], (), refused=None, where="x")

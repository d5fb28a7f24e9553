"""Authorization: answering a registry's challenge (RFC 9110 §11, RFC 6750, the distribution token protocol)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from builder.errors import RegistryAuthError
from builder.host.clock import Clock
from builder.publish.body import Body
from builder.publish.credentials import Credentials
from builder.publish.endpoint import is_loopback
from builder.publish.faults import redacted, words

_PARAMETER = re.compile(r'([A-Za-z0-9!#$%&\'*+.^_`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]*)(?=\s+[A-Za-z0-9_-]+\s*=|\s*(?:,|$))")
_LIFETIME = 60.0
"""Seconds a token lives when its server does not say (the protocol's default)."""
_MARGIN = 10.0
"""A token this close to its end is not used for a new request."""
CLIENT_ID = "modelkiln"


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """One way a registry accepts authorization. ``scheme`` is lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Read WWW-Authenticate headers; each may hold several challenges. What makes no sense is left out."""
    found: list[Challenge] = []
    for value in values:
        # Quoted strings are blanked before looking for scheme names, since they may hold commas and blanks.
        blanked = re.sub(r'"(?:[^"\\]|\\.)*"', lambda match: '"' + "x" * (len(match[0]) - 2) + '"', value)
        starts = list(_SCHEME.finditer(blanked))
        ends = [*(start.start() for start in starts[1:]), len(value)]
        for start, end in zip(starts, ends, strict=False):
            text = value[start.end() : end]
            parameters = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
                for name, quoted, plain in _PARAMETER.findall(text)
            }
            found.append(Challenge(scheme=start[1].lower(), parameters=parameters))
    return tuple(found)


def repository_scope(repository: str, *actions: str) -> str:
    """Return the scope for actions (``pull``, ``push``) on a repository."""
    return f"repository:{repository}:{','.join(actions)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenAnswer:
    """What a token server said."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    ends: float


class Authorizer:
    """Knows what to put into the Authorization header of requests to one registry. Safe to share between threads.

    Nothing is sent before the registry asks for it; credentials are looked up only then. A token is cached for
    its scopes until shortly before it ends. ``ask`` performs one request (method, URL, headers, body) with retries
    and without redirects.
    """

    def __init__(
        self,
        registry: str,
        *,
        find: Callable[[], Credentials | None],
        ask: Callable[[str, str, Mapping[str, str], Body | None], TokenAnswer],
        clock: Clock,
        is_plain: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._find = find
        self._ask = ask
        self._clock = clock
        self._is_plain = is_plain
        self._guard = threading.RLock()
        self._challenge: Challenge | None = None
        self._credentials: Credentials | None = None
        self._looked = False
        self._tokens: dict[tuple[str, ...], _Token] = {}

    def header(self, scopes: tuple[str, ...]) -> str | None:
        """Return the header for a request that needs these scopes, or None while the registry asked for nothing."""
        with self._guard:
            if self._challenge is None:
                return None
            if self._challenge.scheme == "basic":
                credentials = self._known()
                return credentials.basic() if credentials else None
            token = self._tokens.get(scopes)
            if token is None or token.ends - _MARGIN <= self._clock.now():
                token = self._fetch(self._challenge, scopes)
            return f"Bearer {token.value}"

    def answer(self, headers: Iterable[str], scopes: tuple[str, ...], *, refused: str | None, where: str) -> str:
        """Return a header to try after a 401 that carried these WWW-Authenticate headers.

        ``refused`` is the header that was sent. Having nothing better to send is a RegistryAuthError.
        """
        challenges = parse_challenges(headers)
        with self._guard:
            by_scheme = {challenge.scheme: challenge for challenge in challenges}
            challenge = by_scheme.get("bearer") or by_scheme.get("basic")
            if challenge is None:
                raise RegistryAuthError.of(
                    "registry wants an unknown kind of authorization",
                    at=where,
                    want="Bearer or Basic",
                    got=", ".join(by_scheme) or "no challenge",
                )
            if challenge.scheme == "bearer":
                self._challenge = challenge
                token = self._tokens.get(scopes)
                # Another thread may have renewed it meanwhile; the refused one is never sent again.
                if token is None or f"Bearer {token.value}" == refused:
                    token = self._fetch(challenge, scopes)
                return f"Bearer {token.value}"
            credentials = self._known()
            if credentials is None or not credentials.password:
                raise self._missing(where)
            if credentials.basic() == refused:
                raise self._wrong(where)
            self._challenge = challenge
            return credentials.basic()

    def refused(self, where: str) -> RegistryAuthError:
        """Make the error for a 401 to the best that could be sent."""
        return self._wrong(where) if self._known() else self._missing(where)

    def _known(self) -> Credentials | None:
        if not self._looked:
            self._credentials = self._find()
            self._looked = True
        return self._credentials

    def _fetch(self, challenge: Challenge, scopes: tuple[str, ...]) -> _Token:
        realm = challenge.parameters.get("realm", "")
        parts = urlsplit(realm)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise RegistryAuthError.of("registry names no token server", at=self._registry, got=repr(realm))
        credentials = self._known()
        if credentials and not (parts.scheme == "https" or is_loopback(parts.netloc) or self._is_plain()):
            raise RegistryAuthError.of(
                "token server is not reached over TLS, so it gets no credentials", at=redacted(realm), want="https"
            )
        wanted = scopes or tuple(challenge.parameters.get("scope", "").split())
        service = challenge.parameters.get("service")
        query = [("service", service)] if service else []
        if credentials and credentials.identity_token:
            form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", credentials.identity_token),
                ("client_id", CLIENT_ID),
                *query,
                ("scope", " ".join(wanted)),
            ]
            body = Body.of(urlencode(form).encode(), "application/x-www-form-urlencoded")
            answer = self._ask("POST", realm, {}, body)
        else:
            query += [("scope", scope) for scope in wanted]
            url = f"{realm}{'&' if parts.query else '?'}{urlencode(query)}" if query else realm
            answer = self._ask("GET", url, {"Authorization": credentials.basic()} if credentials else {}, None)
        return self._read(answer, realm, scopes)

    def _read(self, answer: TokenAnswer, realm: str, scopes: tuple[str, ...]) -> _Token:
        where = f"token server {redacted(realm)}"
        if answer.status in (400, 401, 403):
            raise self.refused(where)
        try:
            data = json.loads(answer.body) if answer.status == 200 else None
            value = data.get("token") or data.get("access_token") if isinstance(data, dict) else None
            lifetime = float((data or {}).get("expires_in") or _LIFETIME) if isinstance(data, dict) else 0.0
        except ValueError:
            value, lifetime = None, 0.0
        if not isinstance(value, str) or not value:
            said = "no token in its answer" if answer.status == 200 else words(answer.status, answer.body)
            raise RegistryAuthError.of(f"token server gave no token: {said}", at=where)
        token = _Token(value, self._clock.now() + lifetime)
        self._tokens[scopes] = token
        return token

    def _missing(self, where: str) -> RegistryAuthError:
        return RegistryAuthError.of(
            "registry wants credentials and none are known for it",
            at=where,
            hint=f"log in: docker login {self._registry} (or write its entry into Docker's config.json)",
        )

    def _wrong(self, where: str) -> RegistryAuthError:
        return RegistryAuthError.of(
            "registry refuses the credentials known for it",
            at=where,
            hint=f"log in again: docker login {self._registry}",
        )

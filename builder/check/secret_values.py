"""What tells a secret from a setting: a name that says what it holds, and a value that somebody could log in with."""

from __future__ import annotations

import re

from builder.check.secret_patterns import is_random, is_sample

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PASSWORDS = r"password|passwd|passphrase|pass|pwd"
_NAME = re.compile(
    rf"(?:^|[_\W])(?:{_PASSWORDS}|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|account_?key|private_?key"
    r"|signing_?key|encryption_?key|credentials?|auth|authorization|connection_?string)"
    r"(?:$|_(?:value|v\d+|prod|dev|live|test)$)",
    re.IGNORECASE,
)
_PASSWORD_NAME = re.compile(rf"(?:^|[_\W])(?:{_PASSWORDS})", re.IGNORECASE)
_MARKER_NAME = re.compile(
    r"(?:^|_)(?:pad|unk|unknown|oov|bos|eos|sep|separator|cls|mask|image|video|audio|special|start|end|stop|prefix"
    r"|suffix|middle|newline|next|page|continuation)_token$",
    re.IGNORECASE,
)
"""What tokenizers call their marks, and lists their pages."""
_SCHEME = re.compile(r"(?:bearer|basic|token|apikey)\s+", re.IGNORECASE)
_PAIRS = re.compile(r"(?:^|;)\s*(?:password|pwd|accountkey|sharedaccesskey|secret)\s*=\s*([^;]+)", re.IGNORECASE)
"""The part of a connection string that is secret."""
_NO_SECRET = re.compile(
    r"true|false|none|null|yes|no|on|off|basic|bearer|oauth2?|jwt"
    r"|[-+]?\d[\d.,:eE+-]*"
    r"|~?/.*|\.{1,2}/.*|[A-Za-z]:\\.*|[a-z][a-z0-9+.-]*://[^@]*"
    r"|(?:arn|vault|env|ssm|secrets?|ref|file|sops|enc|encrypted):.*|ENC[\[(].*|projects/.*|@Microsoft\.KeyVault.*"
    r"|__\w+__|[*&]\w+|[a-z_][\w.]*[\[(].*[\])]",
    re.DOTALL | re.IGNORECASE,
)
"""Switches, numbers, dates, places, references to where a secret is kept, marks in a text, calls and types."""
_WORD = r"(?:[a-z]+|[A-Z]+|[A-Z]{0,4}[a-z]+(?:[A-Z][a-z]{2,})*)"
_WORDS = re.compile(rf"\.*{_WORD}(?:[-_.:/|]{_WORD})*")
_PART = rf"(?:{_WORD}|v?\d{{1,4}})"
_NAMES = re.compile(rf"\.*{_PART}(?:[-_.:/|]{_PART})*")
"""Words with a number or version among them, which name a thing: only a password is made like that."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_REQUEST_NAME = re.compile(r"(?:token|auth|authorization)(?:_value)?$", re.IGNORECASE)
"""A UUID may be a key, but what is called a token is then mostly the number of a request or a session."""
_TRIAL = re.compile(r"(?:^|[^A-Za-z0-9])(?:test|tests|testing|demo|mock|hunter2)(?:$|[^A-Za-z0-9])", re.IGNORECASE)
_SHORTEST, _LONGEST = 6, 512


def is_secret_name(name: str) -> bool:
    """Tell whether a name says that what it holds is a secret, and not its length, file or number."""
    name = _HUMP.sub("_", name)
    return bool(_NAME.search(name)) and not _MARKER_NAME.search(name)


def secret_of(name: str, value: str, *, weak: bool = False) -> str | None:
    """Return what of a value is secret when its name says that it is one; None for what nobody could log in with.

    ``weak`` takes plain words for passwords as well: for files that are kept for nothing but secrets.
    """
    if not is_secret_name(name):
        return None
    secret = _SCHEME.sub("", value.strip(), count=1)
    if ";" in secret and (pair := _PAIRS.search(secret)):
        secret = pair[1]
    elif ";" in secret and "=" in secret:
        return None
    text = secret.rstrip(":.!?*")
    if not text.isascii() or re.search(r"\s", text) or is_sample(secret) or _NO_SECRET.fullmatch(text):
        return None
    if weak:
        return secret
    spelled = _HUMP.sub("_", name)
    names = _WORDS if _PASSWORD_NAME.search(spelled) else _NAMES
    if not _SHORTEST <= len(text) <= _LONGEST or names.fullmatch(text) or _TRIAL.search(text):
        return None
    if _UUID.fullmatch(text) and _REQUEST_NAME.search(spelled):
        return None
    return secret if is_random(text, least=2.5) else None

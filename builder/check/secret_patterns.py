"""What keys and tokens look like: a fixed word to look for first, the whole form, and what tells it from a sample."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LEFT = r"(?<![A-Za-z0-9+/_-])"
_RIGHT = r"(?![A-Za-z0-9+/_-])"
_SAMPLE = re.compile(
    r"example|sample|dummy|placeholder|changeme|change[_-]me|your[_-]?|insert|redacted|xxxx|\.\.\.|\*\*\*|0000000|fake"
    r"|1234567|abcdefg|abc[-_]?123|Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",
    re.IGNORECASE,
)
"""The last is the key of Azure's storage emulator, which is the same for everyone."""
_SAMPLE_CLAIM = re.compile(
    r"^sub=1234567890$|^(?:given_)?name=(?:john|jane)(?: doe)?$|\bexample\.(?:com|org|net)\b", re.IGNORECASE
)
"""Who the tokens in documentation are made out to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of secret. ``word`` occurs in every one, so that a text without it is not searched further."""

    name: str
    word: str
    pattern: re.Pattern[str]
    """Group 1 is the secret."""
    is_real: Callable[[str], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Secret:
    """A secret found in a text. Its value is kept only to be masked."""

    kind: str
    start: int
    """Offset in the text, in characters."""
    value: str


def entropy(text: str) -> float:
    """Return Shannon's entropy in bits for each character."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


def is_random(text: str, *, least: float = 3.0) -> bool:
    """Tell whether a text was drawn by a machine, and not written as a sample."""
    return not is_sample(text) and entropy(text) >= least


def is_sample(text: str) -> bool:
    """Tell whether a text says of itself that it is no real secret: ``your-key-here``, ``${TOKEN}``, ``<password>``."""
    return bool(_SAMPLE.search(text)) or text[:1] in "<{[$%" or len(set(text)) <= 4


def mask(value: str) -> str:
    """Return what may be shown of a secret: a quarter of it, four characters at most, and its length."""
    return f"{value[: min(4, len(value) // 4)]}… ({len(value)} characters)"


def has_checksum(token: str) -> bool:
    """Tell whether the last six characters are the CRC-32 of the thirty before them, as GitHub and npm write it."""
    body, given = token[-36:-6], token[-6:]
    number, text = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        text = _BASE62[digit] + text
    return text.rjust(6, "0") == given


def is_jwt(token: str) -> bool:
    """Tell whether a token's first part is a JOSE header (RFC 7515 § 4) and its second no textbook's claims."""
    head, body, *_ = token.split(".")
    header, claims = _decoded(head), _decoded(body)
    if not isinstance(header, dict) or "alg" not in header:
        return False
    return not (isinstance(claims, dict) and any(_SAMPLE_CLAIM.search(f"{key}={claims[key]}") for key in claims))


def _decoded(part: str) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None


def _kind(name: str, word: str, pattern: str, is_real: Callable[[str], bool] = is_random) -> Kind:
    return Kind(name=name, word=word, pattern=re.compile(f"{_LEFT}({pattern}){_RIGHT}"), is_real=is_real)


def _named(name: str, word: str, pattern: str, is_real: Callable[[str], bool] = is_random) -> Kind:
    return Kind(name=name, word=word, pattern=re.compile(pattern), is_real=is_real)


_GIVEN = r"""["']?\s*(?:\]\s*)?(?::\s*str\s*)?[=:,>]\s*["']?"""
"""What stands between a name and its value: ``=``, ``"]  =``, ``": "``, ``", "`` of a call, ``>`` of XML."""

KINDS: tuple[Kind, ...] = (
    *(_kind("AWS access key", word, word + "[A-Z2-7]{16}") for word in ("AKIA", "ASIA", "ABIA", "ACCA")),
    *(
        _named("AWS secret key", word, word + _GIVEN + r"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")
        for word in ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "SecretAccessKey", "secretAccessKey")
    ),
    *(
        _kind("GitHub token", f"gh{letter}_", f"gh{letter}_[A-Za-z0-9]{{36}}", has_checksum)
        for letter in ("p", "o", "u", "s", "r")
    ),
    _kind("GitHub token", "github_pat_", "github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _kind("GitLab token", "glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
    _kind("npm token", "npm_", "npm_[A-Za-z0-9]{36}", has_checksum),
    _kind("package index token", "pypi-AgE", "pypi-AgE[A-Za-z0-9_-]{50,}"),
    _kind("Hugging Face token", "hf_", "hf_[A-Za-z]{34}"),
    _kind("OpenAI key", "T3BlbkFJ", "sk-(?:[a-z]+-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}"),
    _kind("Anthropic key", "sk-ant-", r"sk-ant-[a-z]+\d\d-[A-Za-z0-9_-]{80,}"),
    _kind("Google API key", "AIza", "AIza[A-Za-z0-9_-]{35}"),
    _kind("Google OAuth secret", "GOCSPX-", "GOCSPX-[A-Za-z0-9_-]{28}"),
    _kind("Slack token", "xox", r"xox[abeoprs]-[0-9]{8,}-[A-Za-z0-9-]{10,}"),
    _named("Slack webhook", "hooks.slack.com/services/", r"(hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{20,})"),
    *(_kind("Stripe key", word, word + "[A-Za-z0-9]{24,}") for word in ("sk_live_", "rk_live_")),
    _kind("SendGrid key", "SG.", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _kind("Databricks token", "dapi", r"dapi[0-9a-f]{32}"),
    _kind("Docker Hub token", "dckr_pat_", "dckr_pat_[A-Za-z0-9_-]{27}"),
    _kind("DigitalOcean token", "dop_v1_", "dop_v1_[0-9a-f]{64}"),
    _kind("Vault token", "hvs.", r"hvs\.[A-Za-z0-9_-]{80,}"),
    _kind("Groq key", "gsk_", "gsk_[A-Za-z0-9]{52}"),
    _kind("Replicate token", "r8_", "r8_[A-Za-z0-9]{37}"),
    _kind("age key", "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _named("Azure storage key", "AccountKey=", r"AccountKey=([A-Za-z0-9+/]{86}==)"),
    _named("Azure shared access signature", "sig=", r"[?&;]sig=([A-Za-z0-9%+/]{40,}(?:%3[dD]|=))"),
    _named("Azure client secret", "8Q~", r"(?<![\w~.-])([\w~.-]{3}8Q~[\w~.-]{31,34})(?![\w~.-])"),
    _kind("JSON web token", "eyJ", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}", is_jwt),
)

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\\[nr]|\s|[\"'+,]|(?:Proc-Type|DEK-Info|Version|Comment): ?[^\n\\]*)*"
    r"([A-Za-z0-9+/=]{40,})"
)
_URL = re.compile(
    r"(?<![\w+.-])([a-z][a-z0-9+.-]{1,20})://([^\s/:@\"'<>`|\\]*)(?::([^\s/@\"'<>`|\\]+))?@([A-Za-z0-9_.\[\]{}$%<>-]+)"
)
_NO_HOSTS = re.compile(
    r"^(?:localhost|127\.\d+\.\d+\.\d+|host|hostname|server|\[::1\]|(?:.*\.)?example(?:\.(?:com|org|net))?"
    r"|.*\.(?:test|invalid|localhost))\.?$|[{}$%<>]",
    re.IGNORECASE,
)
_NO_PASSWORDS = frozenset(
    {"password", "passwd", "pass", "pw", "pwd", "secret", "token", "key", "credentials", "user", "username", "pat"}
)
_LONG = 16
"""A user name of this many random characters, with no password, is a token."""


def find_tokens(text: str) -> Iterator[Secret]:
    """Yield every key and token of a known kind."""
    for kind in KINDS:
        if kind.word not in text:
            continue
        for match in kind.pattern.finditer(text):
            if kind.is_real(match[1]):
                yield Secret(kind=kind.name, start=match.start(1), value=match[1])


def find_private_keys(text: str) -> Iterator[Secret]:
    """Yield every private key in PEM form (RFC 7468) that has a body."""
    if "PRIVATE KEY" not in text:
        return
    for match in _PRIVATE_KEY.finditer(text):
        if not is_sample(match[1]):
            yield Secret(kind="private key", start=match.start(), value=match[1])


def find_passwords(text: str) -> Iterator[Secret]:
    """Yield every password or token in the authority of a URL (RFC 3986 § 3.2.1) of a host that may exist."""
    if "@" not in text or "://" not in text:
        return
    for match in _URL.finditer(text):
        user, password, host = match[2], match[3], match[4]
        if _NO_HOSTS.search(host):
            continue
        if password is None:
            if len(user) >= _LONG and is_random(user) and any(map(str.isdigit, user)):
                yield Secret(kind="token in a URL", start=match.start(2), value=user)
        elif password.lower() not in _NO_PASSWORDS and not is_sample(password) and not _SAMPLE.search(user):
            yield Secret(kind="password in a URL", start=match.start(3), value=password)

"""Secrets in files of settings: YAML, INI, TOML, JSON, properties and lists of variables, read as lines.

A parser for each would know more of the form and nothing more of the matter: what counts is a name and what stands
beside it, with its line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from builder.check.secret_values import is_secret_name, secret_of

LARGEST = 256 << 10
"""People do not write longer settings; what is longer is data, a vocabulary or weights."""
_SUFFIXES = frozenset({".yaml", ".yml", ".ini", ".cfg", ".conf", ".toml", ".json", ".properties", ".env"})
_ENV = re.compile(r"\.env(?:\..+)?|\.envrc")
_VOCABULARY = re.compile(r"(?:.*[._-])?(?:tokenizer|vocab|vocabulary|merges|special_tokens_map|added_tokens).*\.json")
_MOST = 20
"""A name that occurs more often is a field of records, not a setting."""
_WORDS = ("pass", "pwd", "secret", "token", "key", "credential", "auth", "connection")
_ASSIGNMENT = re.compile(
    rf"(?:{'|'.join(_WORDS)})[\w.-]{{0,24}}"
    r"""(?P<quote>["']?)[ \t]*(?:=>|:=|=|(?P<colon>:))(?P<gap>[ \t]*)"""
    r"""(?="(?P<double>(?:[^"\\\n]|\\.){1,600})"|'(?P<single>[^'\n]{1,600})'"""
    r"""|(?P<bare>(?:(?:bearer|basic|token)[ \t]+)?[^\s"']{1,600})(?P<rest>.?.?.?))""",
    re.IGNORECASE,
)
"""From a word of a secret's name to its value, which is only looked at: the next name may stand on the same line."""
_NAME = re.compile(r"[\w.-]*")
_LONGEST_NAME = 64
_STARTS = frozenset("\n\t \"'{[(,;?&")
"""What a name may follow: after ``:`` or ``${`` stands a value."""
_OVER = re.compile(r"\s*(?:$|[#;}\]])")
"""What may come after a value without quotes: the end of the line, a comment, the end of a mapping."""
_BRACKETS = {"}": "{", "]": "["}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A secret in a file of settings: its name, and where its value starts."""

    name: str
    value: str
    start: int


def is_settings(path: str) -> bool:
    """Tell whether a file is one of settings by its name; a tokenizer's are not, whose tokens are no secrets."""
    name = PurePosixPath(path).name
    if _VOCABULARY.fullmatch(name):
        return False
    return PurePosixPath(name).suffix.lower() in _SUFFIXES or _ENV.fullmatch(name) is not None


def find_settings(text: str, *, weak: bool = False) -> Iterator[Setting]:
    """Yield every setting that holds a secret. ``weak`` as in ``secret_of``; nothing of a text that is too long."""
    if len(text) > LARGEST:
        return
    read = [(name, value, start) for name, value, start in _assignments(text) if is_secret_name(name)]
    often = Counter(name for name, _, _ in read)
    for name, value, start in read:
        if often[name] <= _MOST and (secret := secret_of(name, value, weak=weak)) is not None:
            yield Setting(name=name, value=secret, start=start)


def _assignments(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield each name that has a secret's word in it, its value, and where the value starts."""
    lowered = text.lower()
    if not any(word in lowered for word in _WORDS):
        return
    for match in _ASSIGNMENT.finditer(text):
        start = match.start() - len(_before(text, match.start()))
        lead = text[max(0, start - 2) : start].lstrip("\r")
        if lead.endswith("${") or lead[-1:] not in ("", *_STARTS):
            continue
        line = text[max(0, start - _LONGEST_NAME) : start].rpartition("\n")[2]
        if match["colon"] and not (match["gap"] or match["quote"]) and line.strip():
            continue  # a colon within a value, as of ``module:function``
        group = match.lastgroup if match.lastgroup in ("double", "single") else "bare"
        value = _unquoted(match, of_many=lead.endswith(";")) if group == "bare" else _text(match[group])
        if value is not None:
            yield text[start : match.start()] + _after(match[0]), value, match.start(group)


def _before(text: str, end: int) -> str:
    """Return the part of a name that stands before its word of a secret."""
    found = _NAME.match(text[max(0, end - _LONGEST_NAME) : end][::-1])
    return found[0][::-1] if found else ""


def _after(text: str) -> str:
    found = _NAME.match(text)
    return found[0] if found else ""


def _unquoted(match: re.Match[str], *, of_many: bool) -> str | None:
    """Return a value without the brackets and commas after it; None for the first word of a text."""
    value = match["bare"]
    if of_many:
        return value.partition(";")[0]
    if not value.endswith(",") and not _OVER.match(match["rest"]):
        return None
    while value[-1:] == "," or (value[-1:] in _BRACKETS and value.count(value[-1]) > value.count(_BRACKETS[value[-1]])):
        value = value[:-1]
    return value


def _text(quoted: str) -> str:
    """Return what stands between double quotes, its escapes read as JSON has them."""
    if "\\" not in quoted:
        return quoted
    try:
        return str(json.loads(f'"{quoted}"'))
    except ValueError:
        return quoted

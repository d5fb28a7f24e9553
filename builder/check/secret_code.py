"""Secrets written into code: literals assigned to names that say what they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from builder.check.secret_patterns import is_random, is_sample
from builder.check.trees import parse_text

_NAME = re.compile(
    r"(?:^|[_\W])(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|account_?key|private_?key"
    r"|signing_?key|encryption_?key|credentials?|auth|connection_?string)(?:$|_(?:value|v\d+|prod|dev|live|test)$)",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"true|false|none|null|yes|no|on|off|\d+(?:\.\d+)?|/.*|\.{0,2}/.*|file:.*|https?://[^@]*|basic|bearer|oauth2?"
    r"|[a-z]+(?:[_-][a-z]+)*|[A-Z]+(?:_[A-Z]+)*",
    re.DOTALL,
)
"""Switches, numbers, places, and plain words: names of things, not secrets."""
_SHORTEST = 6
_WORDS = ("pass", "pwd", "secret", "token", "key", "credential", "auth", "connection")


@dataclass(frozen=True, kw_only=True, slots=True)
class Literal:
    """A secret in the code: the name it is given to, and where it stands."""

    name: str
    value: str
    line: int
    column: int


def find_hard_coded(text: str) -> Iterator[Literal]:
    """Yield literals that are given to a name such as ``api_key``; nothing when the text is not Python."""
    lowered = text.lower()
    if not any(word in lowered for word in _WORDS):
        return
    try:
        tree = parse_text(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        for name, value in _assigned(node):
            secret = value.value if isinstance(value, ast.Constant) else None
            if isinstance(secret, str) and is_secret_name(name) and is_secret_value(secret):
                yield Literal(name=name, value=secret, line=value.lineno, column=value.col_offset + 1)


def is_secret_name(name: str) -> bool:
    """Tell whether a name says that what it holds is a secret, and not its length, file or number."""
    return bool(_NAME.search(name))


def is_secret_value(value: str) -> bool:
    """Tell whether a text may be a secret: no switch, number, path or plain word, and no sample."""
    return (
        len(value) >= _SHORTEST
        and not is_sample(value)
        and not re.search(r"\s", value)
        and not _NO_SECRET.fullmatch(value)
        and is_random(value, least=2.5)
    )


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, value
                elif isinstance(target, ast.Attribute):
                    yield target.attr, value
                elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                    yield str(target.slice.value), value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.keyword(arg=str() as name, value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value
        case _:
            return

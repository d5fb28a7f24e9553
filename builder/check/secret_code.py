"""Secrets written into code: literals given to names that say what they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from builder.check.secret_values import secret_of
from builder.check.trees import parse_text

_WORDS = ("pass", "pwd", "secret", "token", "key", "credential", "auth", "connection")
_LOOKUPS = frozenset({"getenv", "get", "setdefault", "pop", "setenv", "putenv", "setattr", "env", "config"})
"""Calls whose first argument names what their second one is, or is when there is nothing else."""
_LOGINS = frozenset({"HTTPBasicAuth", "HTTPDigestAuth", "HTTPProxyAuth", "BasicAuth", "DigestAuth"})


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
        for name, value in _given(node):
            for constant in _constants(value):
                secret = secret_of(name, str(constant.value))
                if secret is not None:
                    yield Literal(name=name, value=secret, line=constant.lineno, column=constant.col_offset + 1)


def _given(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield every name that is given a value here, as a variable, argument, key or default."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _assigned(target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield from _assigned(target, value)
        case ast.keyword(arg=str() as name, value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value
        case ast.arguments():
            places = [*node.posonlyargs, *node.args]
            places = [*places[len(places) - len(node.defaults) :], *node.kwonlyargs]
            for place, default in zip(places, (*node.defaults, *node.kw_defaults), strict=True):
                if default is not None:
                    yield place.arg, default
        case ast.Call():
            yield from _called(node)
        case _:
            return


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case ast.Attribute(attr=name), _:
            yield name, value
        case ast.Subscript(slice=ast.Constant(value=name)), _:
            yield str(name), value
        case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
            for one, other in zip(targets, values, strict=True):
                yield from _assigned(one, other)
        case _:
            return


def _called(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Yield ``getenv("PASSWORD", "…")``, ``add_argument("--password", default="…")``, ``BasicAuth("user", "…")``."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    texts = [argument for argument in call.args if isinstance(argument, ast.Constant)]
    if function in _LOGINS and len(texts) == 2:
        yield "password", texts[1]
    match call.args:
        case [ast.Constant(value=str() as name), default] if function in _LOOKUPS:
            yield name, default
        case [_, ast.Constant(value=str() as name), value] if function in _LOOKUPS:
            yield name, value
        case [ast.Constant(value=str() as name), *_]:
            yield from ((name, option.value) for option in call.keywords if option.arg == "default")
        case _:
            return


def _constants(value: ast.expr) -> Iterator[ast.Constant]:
    """Yield the literals that a value may be: itself, the second of a login, a fallback, a field's default."""
    match value:
        case ast.Constant(value=str()):
            yield value
        case ast.Tuple(elts=[ast.Constant(), ast.Constant(value=str()) as password]):
            yield password
        case ast.BoolOp(op=ast.Or(), values=[*_, ast.Constant(value=str()) as fallback]):
            yield fallback
        case ast.IfExp(body=body, orelse=other):
            yield from _constants(body)
            yield from _constants(other)
        case ast.Call(func=ast.Name() | ast.Attribute(), keywords=keywords):
            yield from (
                option.value
                for option in keywords
                if option.arg == "default" and isinstance(option.value, ast.Constant) and option.value.value
            )
        case _:
            return

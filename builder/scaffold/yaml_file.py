"""Other tools' YAML, read leniently: plain values, and an error that names file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from builder.errors import UsageError


class _Loader(yaml.SafeLoader):
    """Tags that are not YAML's own give their plain value instead of an error."""


def _plain(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Loader.add_multi_constructor("", _plain)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping a YAML file holds; anything else is a UsageError with the place."""
    try:
        value = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise UsageError.of(f"file cannot be read: {(error.strerror or str(error)).lower()}", at=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        at = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UsageError.of(f"not valid YAML: {getattr(error, 'problem', None) or error}", at=at) from error
    if not isinstance(value, dict):
        raise UsageError.of("file holds no mapping", at=str(path), want="keys and values")
    return {str(key): item for key, item in value.items()}


def part(value: Any, *keys: str) -> dict[str, Any]:
    """Return a mapping inside a mapping; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str | None:
    """Return a scalar as text; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    return str(value) if isinstance(value, (str, int, float)) else None


def texts(value: Any) -> list[str]:
    """Return the text items of a list, or of a text with one item on each line."""
    if isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip()]
    if isinstance(value, list):
        return [item for one in value if (item := text(one)) is not None]
    return []

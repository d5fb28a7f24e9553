"""HTML in which every value is escaped; only what these functions made is markup."""

from __future__ import annotations

import html
from collections.abc import Iterable


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """Return a value as HTML: markup as it is, anything else as text."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def join(parts: Iterable[object]) -> Markup:
    """Return values one after the other."""
    return Markup("".join(escape(part) for part in parts if part is not None))


def element(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element; an attribute's underscore stands for a hyphen, and ``class_`` for class."""
    told = "".join(
        f' {key.strip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{told}>{join(children)}</{name}>")

"""Headers and repeated values, behaving as those of Werkzeug do where scripts look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MISSING = object()


class Headers:
    """Header fields in order; names are compared without regard to case, and may repeat."""

    def __init__(self, given: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        pairs = given.items() if isinstance(given, Mapping) else given
        self._list: list[tuple[str, str]] = []
        for name, value in pairs:
            for each in value if isinstance(value, (list, tuple)) else [value]:
                self.add(name, each)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(list(self._list))

    def __len__(self) -> int:
        return len(self._list)

    def __bool__(self) -> bool:
        return bool(self._list)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.getlist(name))

    def __getitem__(self, name: str) -> str:
        found = self.getlist(name)
        if not found:
            raise KeyError(name)
        return str(found[0])

    def __setitem__(self, name: str, value: Any) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        self.remove(name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return sorted((name.lower(), value) for name, value in self) == sorted(
            (name.lower(), value) for name, value in other
        )

    __hash__ = None  # type: ignore[assignment]  # they change

    def __repr__(self) -> str:
        return f"Headers({self._list!r})"

    def __str__(self) -> str:
        return "".join(f"{name}: {value}\r\n" for name, value in self._list) + "\r\n"

    def get(self, name: str, default: Any = None, type: Any = None) -> Any:  # noqa: A002 - Werkzeug's name
        """Return the first value, or the default; ``type`` converts it, and failing that it is the default."""
        found = self.getlist(name)
        return _convert(found[0], default, type) if found else default

    def getlist(self, name: str, type: Any = None) -> list[Any]:  # noqa: A002 - Werkzeug's name
        """Return all values of a name."""
        wanted = name.lower()
        values = [value for key, value in self._list if key.lower() == wanted]
        return _convert_all(values, type)

    get_all = getlist

    def add(self, name: str, value: Any, **parameters: Any) -> None:
        """Add a field, whether there is one of the name or not; further arguments become its parameters."""
        text = str(value)
        for key, each in parameters.items():
            shown = key.replace("_", "-")
            text += f"; {shown}" if each is None else f'; {shown}="{each}"'
        if "\r" in text or "\n" in text:
            raise ValueError("a header value holds no line ends")
        self._list.append((name, text))

    add_header = add

    def set(self, name: str, value: Any) -> None:
        """Replace all fields of the name by one, where the first was."""
        place = next((at for at, (key, _) in enumerate(self._list) if key.lower() == name.lower()), len(self._list))
        before = self._list[:place]
        after = [pair for pair in self._list[place:] if pair[0].lower() != name.lower()]
        self._list = before
        self.add(name, value)
        self._list += after

    def setdefault(self, name: str, default: Any) -> str:
        """Return the first value, after adding the default if there was none."""
        if name not in self:
            self.add(name, default)
        return self[name]

    def remove(self, name: str) -> None:
        """Remove all fields of the name."""
        self._list = [pair for pair in self._list if pair[0].lower() != name.lower()]

    def pop(self, name: str, default: Any = MISSING) -> Any:
        """Remove all fields of the name and return the first."""
        if name not in self:
            if default is MISSING:
                raise KeyError(name)
            return default
        value = self[name]
        self.remove(name)
        return value

    def extend(self, *given: Mapping[str, Any] | Iterable[tuple[str, Any]], **more: Any) -> None:
        """Add many."""
        for each in (*given, more):
            for name, value in Headers(each):
                self.add(name, value)

    def update(self, *given: Mapping[str, Any] | Iterable[tuple[str, Any]], **more: Any) -> None:
        """Replace many."""
        for each in (*given, more):
            for name, value in Headers(each):
                self.set(name, value)

    def clear(self) -> None:
        """Remove all."""
        self._list.clear()

    def keys(self) -> Iterator[str]:
        """Yield the names."""
        return (name for name, _ in self)

    def values(self) -> Iterator[str]:
        """Yield the values."""
        return (value for _, value in self)

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield names and values."""
        return iter(self)

    def to_wsgi_list(self) -> list[tuple[str, str]]:
        """Return names and values."""
        return list(self._list)


class MultiDict(dict[str, Any]):
    """A dict of the first value of each name, which remembers the others."""

    def __init__(self, pairs: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__()
        self._lists: dict[str, list[Any]] = {}
        for name, value in pairs:
            self._lists.setdefault(name, []).append(value)
        super().update({name: values[0] for name, values in self._lists.items()})

    def get(self, name: str, default: Any = None, type: Any = None) -> Any:  # noqa: A002 - Werkzeug's name
        """Return the first value, or the default; ``type`` converts it, and failing that it is the default."""
        return _convert(self[name], default, type) if name in self else default

    def getlist(self, name: str, type: Any = None) -> list[Any]:  # noqa: A002 - Werkzeug's name
        """Return all values of a name."""
        return _convert_all(self._lists.get(name, []), type)

    def lists(self) -> Iterator[tuple[str, list[Any]]]:
        """Yield each name with all its values."""
        return ((name, list(values)) for name, values in self._lists.items())

    def to_dict(self, flat: bool = True) -> dict[str, Any]:
        """Return a plain dict of first values, or of lists of all."""
        return dict(self) if flat else dict(self.lists())


def _convert(value: Any, default: Any, kind: Any) -> Any:
    if kind is None:
        return value
    try:
        return kind(value)
    except (ValueError, TypeError):
        return default


def _convert_all(values: list[Any], kind: Any) -> list[Any]:
    if kind is None:
        return list(values)
    converted = [_convert(value, MISSING, kind) for value in values]
    return [value for value in converted if value is not MISSING]

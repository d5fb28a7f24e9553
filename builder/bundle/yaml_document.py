"""Reading YAML 1.2 into a document.

Scalars are read by the core schema of YAML 1.2 (§ 10.3.2), which editors use too, and not by PyYAML's YAML 1.1:
``no`` and ``on`` are text, ``1e-6`` is a number, ``08:30`` and ``2026-01-31`` are text. Values are those of JSON and
nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from builder.bundle.document import Document, KeyPath, Mark, show_path
from builder.errors import BundleError, Fault

MAX_NODES = 200_000
"""More values than this, aliases expanded, is taken for an attack or an accident."""

_TAG = "tag:yaml.org,2002:"
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Loader(yaml.SafeLoader):
    """Composes nodes; which plain scalars are not text is decided by YAML 1.2, below."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _name, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)\Z", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)\Z", list("tTfF")),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z", list("-+0123456789")),
    (
        "float",
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z",
        list("-+.0123456789"),
    ),
    ("merge", r"<<\Z", ["<"]),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(_pattern), _first)


def read_json_document(content: bytes, *, name: str) -> Document:
    """Read what is known to be JSON, to learn where its values stand; without that, a document that knows no place."""
    try:  # JSON may be indented by tabs, which YAML may not, and tabs stand nowhere else in it
        return read_document(content.replace(b"\t", b" "), name=name)
    except BundleError:
        return Document(name=name, value=None, marks={})


def read_document(content: bytes, *, name: str) -> Document:
    """Read one YAML document.

    Not UTF-8, not YAML, several documents, a key given twice, a key that is not text, a tag beyond YAML's core, a
    number JSON lacks, an alias inside its own anchor and more than ``MAX_NODES`` values are each a BundleError with
    the line; everything but broken syntax is collected first.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BundleError.of(
            "file is not UTF-8 text",
            at=f"{name}:{line}",
            want="UTF-8",
            got=f"byte 0x{content[error.start]:02x}",
        ) from error
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, name) from error
    except yaml.reader.ReaderError as error:
        raise BundleError.of(
            "file holds a character YAML does not allow",
            at=f"{name}:{text.count(chr(10), 0, error.position) + 1}",
            got=f"U+{ord(text[error.position]):04X}",
        ) from error
    except RecursionError as error:
        raise BundleError.of("values are nested too deeply", at=name) from error
    builder = _Builder(name)
    value = builder.build(node, ()) if node is not None else None
    if builder.faults:
        raise BundleError(builder.faults)
    return Document(name=name, value=value, marks=builder.marks)


def _syntax_error(error: yaml.MarkedYAMLError, name: str) -> BundleError:
    mark = error.problem_mark or error.context_mark
    at = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    problem = (error.problem or str(error)).strip()
    hint = None
    if "\\t" in problem:
        problem, hint = "a tab stands where YAML allows only spaces", "indent with spaces"
    elif "mapping values are not allowed" in problem:
        hint = "put text that holds a colon and a space in quotes, and check the indentation"
    elif "single document" in (error.context or ""):
        problem, hint = "file holds more than one document", "keep one document and remove the '---' after it"
    got = (mark.get_snippet() or None) if mark else None
    return BundleError.of(f"not valid YAML: {problem}", at=at, got=got, hint=hint)


class _Builder:
    """Turns nodes into values, noting each mark and every fault."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.marks: dict[KeyPath, Mark] = {}
        self.faults: list[Fault] = []
        self._open: list[yaml.Node] = []
        self._merges = 0
        self._too_many = False

    def build(self, node: yaml.Node, path: KeyPath, mark: yaml.Mark | None = None) -> Any:
        """Return the value of a node at ``path``; ``mark`` is that of its key, where it has one."""
        start = mark or node.start_mark
        self.marks[path] = Mark(
            start.line + 1, start.column + 1, node.value if isinstance(node, yaml.ScalarNode) else None
        )
        if len(self.marks) > MAX_NODES:
            self._stop(path)
            return None
        if any(node is outer for outer in self._open):
            self._fault("an alias stands inside its own anchor", path)
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.append(node)
        try:
            if isinstance(node, yaml.SequenceNode):
                if node.tag != f"{_TAG}seq":
                    self._bad_tag(node, path)
                return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
            if node.tag != f"{_TAG}map":
                self._bad_tag(node, path)
            return self._mapping(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        out: dict[str, Any] = {}
        seen: dict[str, int] = {}
        for key, value in self._pairs(node, path):
            text = self._key(key, path)
            if text is None:
                continue
            if text in seen:
                self._fault(
                    "key is given twice", (*path, text), line=key.start_mark.line + 1, got=f"first on line {seen[text]}"
                )
                continue
            seen[text] = key.start_mark.line + 1
            out[text] = self.build(value, (*path, text), key.start_mark)
        for key, value in self._merged(node, path):
            text = self._key(key, path)
            if text is not None and text not in out:
                out[text] = self.build(value, (*path, text), key.start_mark)
        return out

    def _pairs(self, node: yaml.Node, path: KeyPath) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        del path
        return ((key, value) for key, value in node.value if key.tag != f"{_TAG}merge")

    def _merged(self, node: yaml.Node, path: KeyPath) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """Yield what ``<<`` brings in, the nearest source first."""
        for key, value in node.value:
            if key.tag != f"{_TAG}merge":
                continue
            sources: Sequence[yaml.Node] = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in sources:
                self._merges += 1
                if self._merges > MAX_NODES:  # merges of merges double with every step
                    self._stop(path)
                    return
                if not isinstance(source, yaml.MappingNode):
                    self._fault("'<<' merges something that is not a mapping", path, line=key.start_mark.line + 1)
                elif any(source is outer for outer in self._open):
                    self._fault("an alias stands inside its own anchor", path, line=key.start_mark.line + 1)
                else:
                    yield from self._pairs(source, path)
                    self._open.append(source)
                    yield from self._merged(source, path)
                    self._open.pop()

    def _key(self, key: yaml.Node, path: KeyPath) -> str | None:
        if isinstance(key, yaml.ScalarNode) and key.tag == f"{_TAG}str":
            return self._text(key.value, path, line=key.start_mark.line + 1)
        spelled = (
            key.value if isinstance(key, yaml.ScalarNode) else f"a {type(key).__name__.removesuffix('Node').lower()}"
        )
        self._fault("key is not text", path, line=key.start_mark.line + 1, want=f'"{spelled}"', got=spelled)
        return None

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "str" | "merge":
                return self._text(text, path)
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" | "float" as kind:
                return self._number(text, kind, path)
            case _:
                self._bad_tag(node, path)
                return None

    def _text(self, text: str, path: KeyPath, *, line: int | None = None) -> str | None:
        r"""Return text with the pairs JSON escapes large characters by (``\ud83d\ude00``) joined."""
        if not _SURROGATE.search(text):
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self._fault("text holds half of a surrogate pair", path, line=line, got=ascii(text)[1:-1])
            return None

    def _number(self, text: str, kind: str, path: KeyPath) -> int | float | None:
        value: int | float
        try:
            if kind == "int":
                base = {"0o": 8, "0x": 16}.get(text[:2], 10)
                value = int(text, base)
            else:
                value = float(text.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            self._fault("value is not a number", path, got=_cut(text))
            return None
        if not math.isfinite(value):
            self._fault("number is not finite", path, want="a number JSON can hold", got=_cut(text))
            return None
        return value

    def _stop(self, path: KeyPath) -> None:
        if not self._too_many:
            self._too_many = True
            self._fault(f"file holds more than {MAX_NODES} values once its aliases are expanded", path)

    def _bad_tag(self, node: yaml.Node, path: KeyPath) -> None:
        self._fault("tag is not allowed", path, want="text, number, true, false, null, list or mapping", got=node.tag)

    def _fault(
        self, fact: str, path: KeyPath, *, line: int | None = None, want: str | None = None, got: str | None = None
    ) -> None:
        place = line or self.marks[path].line
        at = f"{self.name}:{place} {show_path(path)}".rstrip()
        self.faults.append(Fault(fact=fact, at=at, want=want, got=got))


def _cut(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"

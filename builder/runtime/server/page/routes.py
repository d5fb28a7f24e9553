"""The routes of a service as sections of the page, told by its own OpenAPI document."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .markup import Markup, element

ORIGIN = "http://localhost:8080"
"""What stands in the examples until the page's script puts the real address there."""
OPEN = ("prediction", "service")
"""The groups that are shown first and unfolded."""
METHODS = ("get", "post", "put", "delete", "patch", "options", "head")


def make_routes(document: Mapping[str, Any]) -> Markup:
    """Return every operation, grouped by protocol in the order of the document."""
    groups: dict[str, list[Markup]] = {}
    for pattern, methods in document.get("paths", {}).items():
        for method in METHODS:
            if method in methods:
                told = methods[method]
                group = (told.get("tags") or ["other"])[0]
                groups.setdefault(group, []).append(make_route(method.upper(), pattern, told, document))
    first = [name for name in OPEN if name in groups]
    names = first + [name for name in groups if name not in OPEN]
    return element("div", *(make_group(name, groups[name]) for name in names), class_="routes")


def make_group(name: str, parts: list[Markup]) -> Markup:
    """Return the operations of one protocol; those of platforms are folded away."""
    title = name[:1].upper() + name[1:]
    count = element("span", f"{len(parts)} {'route' if len(parts) == 1 else 'routes'}", class_="count")
    summary = element("summary", title, count)
    return element("details", summary, *parts, class_="group", open="" if name in OPEN else None)


def make_route(method: str, pattern: str, told: Mapping[str, Any], document: Mapping[str, Any]) -> Markup:
    """Return one operation: what it does, how to ask, what may come back."""
    summary = element(
        "summary",
        element("span", method, class_="method post" if method == "POST" else "method"),
        element("span", pattern, class_="path"),
        element("span", told.get("summary", ""), class_="says"),
    )
    answers = [
        element("div", element("dt", status), element("dd", find(answer, document).get("description", "")))
        for status, answer in told.get("responses", {}).items()
    ]
    example = element("pre", element("code", make_curl(method, pattern, told, document), data_curl=""), tabindex="0")
    more = element("div", example, element("dl", *answers, class_="answers"), class_="more")
    return element("details", summary, more, class_="route")


def make_curl(method: str, pattern: str, told: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return a command that asks, with the document's own example for a body."""
    url = ORIGIN + pattern
    for parameter in told.get("parameters", []):
        found = find(parameter, document)
        if found.get("in") == "path":
            choices = found.get("schema", {}).get("enum") or [f"<{found.get('name')}>"]
            url = url.replace("{" + str(found.get("name")) + "}", quote(str(choices[0]), safe="<>"))
    words = f"curl -sS {shlex.quote(url)}"
    if method not in {"GET", "POST"}:
        words += f" -X {method}"
    content = find(told.get("requestBody") or {}, document).get("content", {})
    if not content:
        return words if method != "POST" else f"{words} -X POST"
    kind = next(iter(content))
    medium = content[kind]
    examples = list(medium.get("examples", {}).values())
    example = medium.get("example", examples[0].get("value") if examples else None)
    body = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
    kind = kind if "*" not in kind else "application/json"
    sent = shlex.quote(body) if example is not None else "@request"
    flag = "--data-raw" if example is not None else "--data-binary"
    return f"{words} \\\n  -H {shlex.quote('content-type: ' + kind)} \\\n  {flag} {sent}"


def find(value: Any, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object of the document, following a reference to another part of it."""
    reference = value.get("$ref") if isinstance(value, Mapping) else None
    if not isinstance(reference, str):
        return value if isinstance(value, Mapping) else {}
    here: Any = document
    for step in reference.removeprefix("#/").split("/"):
        here = here.get(step, {}) if isinstance(here, Mapping) else {}
    return here if isinstance(here, Mapping) else {}

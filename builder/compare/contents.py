"""What is in an image, as a person thinks of it: packages, model, code, schemas, settings, sizes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.parser import HeaderParser
from typing import Any

from builder.compare.opened import OpenedImage, text_in
from builder.engine.saved import Tree
from builder.oci.entry import Entry, EntryKind
from builder.plan import places

_DIST_INFO = re.compile(r"(?P<root>.*?)/?[^/]+\.dist-info/METADATA\Z")
_DPKG = re.compile(r"var/lib/dpkg/(status|status\.d/[^/]+)\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerContents:
    """One layer: what it holds, its size as it is stored, and its identity."""

    title: str
    size: int
    diff_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """An image taken apart. Files are by path to the digest of their content."""

    name: str
    image_id: str
    platform: str
    base: str
    python_packages: Mapping[str, str]
    server_packages: Mapping[str, str]
    system_packages: Mapping[str, str]
    model: Mapping[str, str]
    code: Mapping[str, str]
    runtime: Mapping[str, str]
    request_schema: Any
    response_schema: Any
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    settings: Mapping[str, str]
    layers: tuple[LayerContents, ...]
    document: Mapping[str, Any] = field(default_factory=dict)


def contents_of(image: OpenedImage) -> Contents:
    """Take an image apart. One that was not built by kiln has no schemas, and may have no model."""
    tree, config = image.tree, image.config
    run = config.get("config") or {}
    document = _document(tree)
    labels = {str(key): str(value) for key, value in (run.get("Labels") or {}).items()}
    return Contents(
        name=image.name,
        image_id=str(image.image_id),
        platform=str(image.platform),
        base=_base(document, labels),
        python_packages=_distributions(tree, lambda root: root != places.SERVER_PACKAGES),
        server_packages=_distributions(tree, lambda root: root == places.SERVER_PACKAGES),
        system_packages=dict(sorted(_debian(tree))),
        model=_files(tree, places.MODEL_FILES),
        code=_files(tree, places.CODE),
        runtime=_files(tree, places.RUNTIME),
        request_schema=(document.get("schema") or {}).get("request"),
        response_schema=(document.get("schema") or {}).get("response"),
        environment=dict(str(line).partition("=")[::2] for line in run.get("Env") or ()),
        labels=labels,
        settings=_settings(run, document),
        layers=tuple(
            LayerContents(title=layer.title, size=layer.size, diff_id=str(layer.diff_id)) for layer in image.layers
        ),
        document=document,
    )


def _document(tree: Tree) -> Mapping[str, Any]:
    try:
        document = json.loads(text_in(tree, places.BUNDLE_JSON) or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _base(document: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    base = (document.get("environment") or {}).get("base") or {}
    name = base.get("name") or labels.get("org.opencontainers.image.base.name", "")
    digest = base.get("digest") or labels.get("org.opencontainers.image.base.digest", "")
    return f"{name}@{digest}" if digest else str(name)


def _distributions(tree: Tree, wanted: Any) -> dict[str, str]:
    found = {}
    for path, entry in sorted(tree.items()):
        match = _DIST_INFO.match(path)
        if match and entry.kind is EntryKind.FILE and wanted(match["root"]):
            headers = HeaderParser().parsestr(text_in(tree, path) or "")
            name = re.sub(r"[-_.]+", "-", str(headers.get("Name", path))).lower()
            found[name] = str(headers.get("Version", "?"))
    return found


def _debian(tree: Tree) -> Iterator[tuple[str, str]]:
    for path in [path for path in tree if _DPKG.match(path)]:
        for paragraph in (text_in(tree, path) or "").split("\n\n"):
            headers = HeaderParser().parsestr(paragraph.lstrip("\n"))
            if headers.get("Package") and "installed" in str(headers.get("Status", "installed")).split():
                yield str(headers["Package"]), str(headers.get("Version", "?"))


def _files(tree: Tree, place: str) -> dict[str, str]:
    return {
        path.removeprefix(f"{place}/"): _digest(entry)
        for path, entry in sorted(tree.items())
        if path.startswith(f"{place}/") and entry.kind is EntryKind.FILE and "__pycache__" not in path
    }


def _digest(entry: Entry) -> str:
    hasher = hashlib.sha256()
    if entry.content is not None:
        for chunk in entry.content.chunks():
            hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"


def _settings(run: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, str]:
    """Return what else decides how the image runs: its configuration, and how it serves."""
    plain = {key: run.get(key) for key in ("User", "Entrypoint", "Cmd", "WorkingDir", "StopSignal", "Healthcheck")}
    plain["ExposedPorts"] = sorted(run.get("ExposedPorts") or {})
    scoring, service = document.get("scoring") or {}, document.get("service") or {}
    plain |= {f"scoring.{key}": value for key, value in scoring.items()}
    plain |= {f"service.{key}": value for key, value in service.items()}
    plain |= {f"resources.{key}": value for key, value in (document.get("resources") or {}).items()}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in plain.items() if value}

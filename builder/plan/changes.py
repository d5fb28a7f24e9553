"""What is different between two plans of one bundle, said the way the author thinks of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanChanges:
    """Why layers and the rest are not what they were; both are empty where nothing changed."""

    layers: Mapping[str, tuple[str, ...]]
    """By the layer's purpose and title: each source that changed, came or went."""
    image: tuple[str, ...]
    """What changed of the base and of the configuration."""


def layer_name(layer: Mapping[str, Any]) -> str:
    """Return what a layer of a printed plan is called in ``PlanChanges``."""
    return f"{layer['purpose']}: {layer['title']}"


def compare_plans(before: Mapping[str, Any], after: Mapping[str, Any]) -> PlanChanges:
    """Compare two printed plans (``Plan.to_dict``), for each layer that the second one has."""
    old = {layer_name(layer): layer["sources"] for layer in before["layers"]}
    by_purpose: dict[str, list[Mapping[str, Any]]] = {}
    for layer in before["layers"]:
        by_purpose.setdefault(layer["purpose"], []).extend(layer["sources"])
    changed: dict[str, tuple[str, ...]] = {}
    for layer in after["layers"]:
        name = layer_name(layer)
        sources = old.get(name)
        # A layer of a new name is made of what other layers of its purpose held, or of what is new.
        reasons = tuple(_source_changes(sources, layer["sources"])) if sources is not None else ()
        if sources is None:
            reasons = tuple(_source_changes(_related(by_purpose.get(layer["purpose"], []), layer), layer["sources"]))
        if reasons:
            changed[name] = reasons
    return PlanChanges(layers=changed, image=tuple(_image_changes(before, after)))


def _related(sources: Sequence[Mapping[str, Any]], layer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    mine = {_identity(source) for source in layer["sources"]}
    return [source for source in sources if _identity(source) in mine]


def _source_changes(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    old = {_identity(source): source for source in before}
    new = {_identity(source): source for source in after}
    for identity, source in new.items():
        if identity not in old:
            yield f"{_shown(source)} is new"
        elif source != old[identity]:
            yield _difference(old[identity], source)
    for identity, source in old.items():
        if identity not in new:
            yield f"{_shown(source)} is gone"


def _identity(source: Mapping[str, Any]) -> str:
    """Return what makes a source the same one, whatever its content."""
    if "wheel" in source:
        return f"wheel {source['prefix']}/{_distribution(source)}"
    if "deb" in source:
        return f"deb {source['deb']}"
    return f"file {source['path']}"


def _shown(source: Mapping[str, Any]) -> str:
    if "wheel" in source:
        return f"wheel {source['wheel']}"
    if "deb" in source:
        return f"system package {source['deb']} {source['version']}"
    return f"file {_file(source)}"


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if "wheel" in after:
        if before["wheel"] != after["wheel"]:
            return f"wheel {_distribution(after)}: {_version(before)} became {_version(after)}"
        what = next((key for key in ("sha256", "python", "interpreter") if before[key] != after[key]), "sha256")
        return f"wheel {after['wheel']}: {what} changed"
    if "deb" in after:
        return f"system package {after['deb']}: {before['version']} became {after['version']}"
    if before.get("sha256") != after.get("sha256"):
        return f"file {_file(after)} changed"
    return f"file {_file(after)}: mode {before.get('mode')} became {after.get('mode')}"


def _distribution(source: Mapping[str, Any]) -> str:
    return str(source["wheel"]).partition("-")[0].lower().replace("_", "-")


def _version(source: Mapping[str, Any]) -> str:
    return str(source["wheel"]).split("-")[1]


def _file(source: Mapping[str, Any]) -> str:
    """Return a file as its owner knows it: below the bundle, as part of kiln's runtime, or as it is made."""
    origin, _, path = str(source.get("from", "")).partition(":")
    if origin == "bundle":
        return path
    return f"{path} of the runtime" if origin else f"/{source['path']}"


def _image_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in ("assembly_version", "version", "name"):
        if before[key] != after[key]:
            yield f"{key.replace('_', ' ')}: {before[key]} became {after[key]}"
    if before["base"] != after["base"]:
        if before["base"]["name"] != after["base"]["name"]:
            yield f"base: {before['base']['name']} became {after['base']['name']}"
        else:
            yield f"base {after['base']['name']} changed: {before['base']['digest']} became {after['base']['digest']}"
    yield from _option_changes("", before["config"], after["config"])


def _option_changes(path: str, before: Any, after: Any) -> Iterator[str]:
    """Yield each option of the configuration that changed, by its place; history follows from the layers."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after} - {"history", "rootfs"}):
            place = f"{path}.{key}" if path else key
            yield from _option_changes(place, before.get(key), after.get(key))
    elif before != after:
        yield f"option {path}: {_cut(before)} became {_cut(after)}"


def _cut(value: Any, limit: int = 60) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"

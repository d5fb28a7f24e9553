"""Pinned packages, and the text of requirements.lock: read from any resolver's output, written in one form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builder.lock.requirements import logical_lines
from builder.lock.target import Target
from builder.oci.digest import Digest

_HASH = re.compile(r"\s--hash[= ]sha256:([0-9a-f]{64})(?=\s|$)")
_ANNOTATION = re.compile(r"\s*#\s+(?:via\s*)?(?P<what>.*)$")
AUTHOR = "requirements"
"""Stands in ``# via`` comments for the bundle's own requirements."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Pin:
    """One package at one version. ``name`` is normalised; no hashes means that none are known yet."""

    name: str
    version: str
    hashes: frozenset[Digest] = frozenset()
    via: tuple[str, ...] = ()
    marker: str | None = None


class PinError(ValueError):
    """A line of a lock is not ``name==version``; the message names the line."""


def parse_pins(text: str) -> tuple[Pin, ...]:
    """Read compiled requirements, whoever wrote them; sorted by name. A line that pins nothing is a PinError."""
    comments = _annotations(text)
    pins = []
    for number, line in logical_lines(text.splitlines()):
        if line.startswith("-"):
            continue
        try:
            requirement = Requirement(_HASH.sub("", line).strip())
        except InvalidRequirement as error:
            raise PinError(f"line {number}: not a pinned requirement: {line[:80]}") from error
        versions = [spec.version for spec in requirement.specifier if spec.operator in {"==", "==="}]
        if requirement.url or len(versions) != 1:
            raise PinError(f"line {number}: {requirement.name} is not pinned by name==version")
        pins.append(
            Pin(
                name=canonicalize_name(requirement.name),
                version=versions[0],
                hashes=frozenset(Digest(text) for text in _HASH.findall(line)),
                via=tuple(sorted(comments.get(number, ()))),
                marker=str(requirement.marker) if requirement.marker else None,
            )
        )
    return tuple(sorted(pins, key=lambda pin: (pin.name, pin.version, pin.marker or "")))


def pins_for(pins: Iterable[Pin], target: Target) -> tuple[Pin, ...]:
    """Return the pins whose markers hold on the target, without their markers."""
    return tuple(
        Pin(name=pin.name, version=pin.version, hashes=pin.hashes, via=pin.via)
        for pin in pins
        if target.satisfies(Marker(pin.marker) if pin.marker else None)
    )


def merge_pins(by_target: Sequence[tuple[Target, Sequence[Pin]]]) -> tuple[Pin, ...]:
    """Return pins that hold on all targets: one line where they agree (hashes united), else one for each machine."""
    lines: dict[tuple[str, str], list[tuple[Target, Pin]]] = {}
    for target, pins in by_target:
        for pin in pins:
            lines.setdefault((pin.name, pin.version), []).append((target, pin))
    merged = []
    for (name, version), uses in lines.items():
        hashes = frozenset[Digest]().union(*(pin.hashes for _, pin in uses))
        via = tuple(sorted({parent for _, pin in uses for parent in pin.via}))
        machines = sorted(target.platform.machine for target, _ in uses)
        marker = None
        if len(uses) < len(by_target):
            marker = " or ".join(f'platform_machine == "{machine}"' for machine in machines)
        merged.append(Pin(name=name, version=version, hashes=hashes, via=via, marker=marker))
    return tuple(sorted(merged, key=lambda pin: (pin.name, pin.version)))


def render_pins(pins: Iterable[Pin], targets: Sequence[Target]) -> str:
    """Return the text of requirements.lock. Equal pins and targets give equal bytes; this machine leaves no trace."""
    python = targets[0].minor
    platforms = ", ".join(str(target.platform) for target in targets)
    lines = [
        f"# Made by `kiln lock` for Python {python} on {platforms}.",
        "# Not to be edited: change the requirements and run `kiln lock` again.",
    ]
    for pin in pins:
        head = f"{pin.name}=={pin.version}" + (f" ; {pin.marker}" if pin.marker else "")
        hashes = [f"    --hash={digest}" for digest in sorted(pin.hashes)]
        lines += [" \\\n".join([head, *hashes])]
        if pin.via:
            lines.append(f"    # via {', '.join(pin.via)}")
    return "\n".join(lines) + "\n"


def changed_pins(before: str, after: str) -> list[str]:
    """Return what locking changed, a line for each package: ``numpy 1.26 → 2.3``, ``new: …``, ``gone: …``.

    Texts of requirements.lock; one that cannot be read counts as empty.
    """
    old, new = (_versions(text) for text in (before, after))
    lines = [
        f"{name} {' '.join(old[name])} → {' '.join(new[name])}" for name in new if old.get(name, new[name]) != new[name]
    ]
    lines += [f"new: {name} {' '.join(new[name])}" for name in new if name not in old]
    lines += [f"gone: {name} {' '.join(old[name])}" for name in old if name not in new]
    return lines


def _versions(text: str) -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    try:
        for pin in parse_pins(text):
            versions.setdefault(pin.name, []).append(str(pin.version))
    except PinError:
        return {}
    return {name: sorted(held) for name, held in sorted(versions.items())}


def _annotations(text: str) -> dict[int, set[str]]:
    """Return for each requirement's first line who asked for it, from the ``# via`` comments below it."""
    found: dict[int, set[str]] = {}
    current, in_via = 0, False
    previous_continues = False
    for number, raw in enumerate(text.splitlines(), start=1):
        stripped = raw.strip()
        if stripped.startswith("#"):
            match = _ANNOTATION.match(raw)
            is_via = stripped.startswith("# via")
            if match and current and (is_via or in_via):
                in_via = True
                found.setdefault(current, set()).update(_parents(match["what"]))
            continue
        in_via = False
        if stripped and not previous_continues and not stripped.startswith("-"):
            current = number
        previous_continues = stripped.endswith("\\")
    return found


def _parents(text: str) -> Iterable[str]:
    for part in re.split(r",\s*", text.strip()):
        if part == AUTHOR or re.match(r"-r\s", part):
            yield AUTHOR
        elif part and not part.startswith("-"):
            # pip-tools says "a (from b)" of what a constraint concerns; the name is enough.
            yield canonicalize_name(re.split(r"[\s\[(]", part)[0])

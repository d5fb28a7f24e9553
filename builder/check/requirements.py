"""What the locked distributions require of each other, directly or not, extras included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.requirements import InvalidRequirement, Requirement

from builder.check.distributions import normalised
from builder.check.subject import Subject
from builder.check.wheel_index import WheelIndex
from builder.lock.target import Target

Node = tuple[str, str]
"""A distribution with one of its extras, or with none: an empty name."""


def close_requirements(subject: Subject, wheels: Mapping[str, WheelIndex]) -> dict[str, list[str]]:
    """Return for each of these distributions itself and all that it requires on the subject's platform, sorted."""
    extras = _asked_extras(subject)
    target = _target(subject)
    edges: dict[Node, list[Node]] = {}
    return {name: sorted(_closure(name, extras.get(name, set()), wheels, target, edges)) for name in sorted(wheels)}


def _closure(
    name: str,
    extras: set[str],
    wheels: Mapping[str, WheelIndex],
    target: Target | None,
    edges: dict[Node, list[Node]],
) -> set[str]:
    """``edges`` are what was read of the wheels so far."""
    done: set[Node] = set()
    todo = [(name, extra) for extra in ("", *extras)]
    while todo:
        current = todo.pop()
        if current in done or current[0] not in wheels:
            continue
        done.add(current)
        if current not in edges:
            edges[current] = list(_required(current, wheels[current[0]], target))
        todo += edges[current]
    return {name for name, _ in done}


def _required(node: Node, wheel: WheelIndex, target: Target | None) -> Iterator[Node]:
    for text in wheel.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if target is None or target.satisfies(requirement.marker, extra=node[1]):
            needed = normalised(requirement.name)
            yield from ((needed, extra) for extra in ("", *map(normalised, requirement.extras)))


def _asked_extras(subject: Subject) -> dict[str, set[str]]:
    extras: dict[str, set[str]] = {}
    for line in subject.bundle.environment.requirements:
        try:
            requirement = Requirement(line.partition(" #")[0].partition(" --")[0].strip())
        except InvalidRequirement:
            continue
        extras.setdefault(normalised(requirement.name), set()).update(map(normalised, requirement.extras))
    return extras


def _target(subject: Subject) -> Target | None:
    if subject.lock is None:
        return None
    try:
        return Target.of_base(subject.lock.base, subject.platform)
    except KeyError:
        return None

"""Rules and findings of nothing in particular."""

from __future__ import annotations

from builder.check.finding import Finding, Level, Place, Rule


def make_rule(number: int = 901, level: Level = Level.ERROR) -> Rule:
    return Rule(
        id=f"KILN{number}",
        name=f"made-up-{number}",
        level=level,
        summary="Something is found.",
        why="It breaks.",
        remedy="Mend it.",
    )


def make_finding(
    rule: Rule | None = None,
    *,
    path: str = "score.py",
    line: int | None = 3,
    column: int | None = None,
    detail: str | None = None,
    message: str = "this is wrong",
    level: Level | None = None,
) -> Finding:
    return Finding(
        rule=rule or make_rule(),
        place=Place(path=path, line=line, column=column, detail=detail),
        message=message,
        remedy="change it",
        level=level,
    )

"""The figures as Markdown, between two markers of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.build import rounds
from benchmarks.build.measure import Board
from benchmarks.build.wanted import BIG, WANTED

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
OURS = "kiln"
_BUILDS = (
    rounds.COLD,
    rounds.BARE,
    rounds.SHARED,
    rounds.AGAIN,
    rounds.CODE,
    rounds.MODEL,
    rounds.DEPENDENCY,
    rounds.CHOOSE,
)
_PUSHES = (
    rounds.PUSH,
    rounds.PUSH_SHARED,
    rounds.PUSH_ELSEWHERE,
    rounds.PUSH_CODE,
    rounds.PUSH_MODEL,
    rounds.PUSH_DEPENDENCY,
)


def write(page: Path, board: Board, about: Mapping[str, str]) -> None:
    """Put the figures into the page, in place of the last ones."""
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{text(board, about)}\n\n{END}{after}")


def text(board: Board, about: Mapping[str, str]) -> str:
    """Return all tables."""
    parts = ["\n".join(f"* {name}: {value}" for name, value in about.items())]
    parts += _section(board, "Seconds to an image that runs in the engine", _BUILDS, "")
    parts += _section(board, "Seconds to publish it", _PUSHES, "")
    parts += _section(board, "MB sent to publish it", [push + rounds.MEGABYTES for push in _PUSHES], "")
    parts += _section(board, "Size, and whether two builds make the same", (rounds.DISK, rounds.COMPRESSED), "")
    parts += _section(board, "With a 1 GiB model: seconds to an image that runs in the engine", _BUILDS, BIG)
    parts += _section(board, "With a 1 GiB model: seconds to publish it", _PUSHES, BIG)
    parts += _section(board, "With a 1 GiB model: MB sent", [push + rounds.MEGABYTES for push in _PUSHES], BIG)
    rest = [name for name in board.values if name.startswith("PyTorch") or name in (rounds.START, rounds.PEAK)]
    parts += _section(board, "kiln alone", rest, "")
    return "\n\n".join(parts)


def _section(board: Board, title: str, scenarios: Sequence[str], prefix: str) -> list[str]:
    present = [prefix + scenario for scenario in scenarios if prefix + scenario in board.values]
    if not present:
        return []
    systems = list(dict.fromkeys(name for scenario in present for name in board.values[scenario]))
    facts = [rounds.EQUAL] if rounds.DISK in scenarios else []
    lines = [f"### {title}", "", f"| | wanted of kiln | {' | '.join(systems)} |", "|---" * (len(systems) + 2) + "|"]
    for scenario in present:
        wanted = WANTED.get(scenario)
        cells = [_cell(board, scenario, system) for system in systems]
        lines.append(f"| {scenario.removeprefix(prefix)} | {_wanted(board, scenario, wanted)} | {' | '.join(cells)} |")
    for fact in facts:
        told = board.facts.get(fact, {})
        if told:
            lines.append(f"| {fact} | the same image | {' | '.join(told.get(system, '') for system in systems)} |")
    return ["\n".join(lines)]


def _wanted(board: Board, scenario: str, wanted: float | None) -> str:
    ours = board.summary(scenario, OURS)
    if wanted is None or ours is None:
        return ""
    return f"{wanted:g} {'✓' if ours.median <= wanted else '✗'}"


def _cell(board: Board, scenario: str, system: str) -> str:
    found, ours = board.summary(scenario, system), board.summary(scenario, OURS)
    if found is None:
        return ""
    spread = f" ({_number(found.least)} to {_number(found.most)})" if found.count > 1 else ""
    ratio = f" **{_number(found.median / ours.median)}x**" if ours and ours.median and system != OURS else ""
    return f"{_number(found.median)}{spread} n{found.count}{ratio}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"

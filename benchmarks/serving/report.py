"""The measurements as Markdown tables, for docs/explanation/benchmarks-serving.md."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median, quantiles
from typing import Any

from malformed import NAMES as BODIES

MISSES = "\n## What was missed, and why"
MODELS = {"lr": "Logistic regression, 20 features", "rf": "Forest of 100 trees, depth 8, 20 features"}


def merge(cells: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return the medians over the rounds of one cell; errors add up."""
    rounds = list(cells)
    merged = {key: median(each[key] for each in rounds) for key in ("rate", "p50_ms", "p99_ms")}
    return merged | {"errors": sum(each["errors"] for each in rounds)}


def collect(results: dict[str, Any], system: str, model: str) -> dict[int, dict[str, float]]:
    """Return the merged cells of one system by number of connections."""
    rounds = [each for each in results["runs"] if each["system"] == system and each["model"] == model]
    found: dict[int, list[dict[str, Any]]] = {}
    for run in rounds:
        for cell in run["cells"]:
            found.setdefault(cell["connections"], []).append(cell)
    return {connections: merge(cells) for connections, cells in found.items()}


def write_table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|{'|'.join(['---'] * len(header))}|",
        *(f"| {' | '.join(r)} |" for r in rows),
    ]


def show(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}" if number < 1 else f"{number:.1f}"


def render(results: dict[str, Any]) -> str:
    """Return all tables."""
    titles = results["systems"]
    lines: list[str] = []
    for model, title in MODELS.items():
        rows = []
        tables = {system: collect(results, system, model) for system in titles}
        base = tables.get("handwritten", {})
        connections = sorted({each for cells in tables.values() for each in cells})
        if not connections:
            continue
        for system, cells in tables.items():
            if not cells:
                continue
            row = [titles[system]]
            for number in connections:
                cell = cells.get(number)
                if cell is None:
                    row.append("")
                    continue
                ratio = f" ({cell['rate'] / base[number]['rate']:.2g}x)" if number in base else ""
                errors = f" **{cell['errors']:.0f} errors**" if cell["errors"] else ""
                row.append(f"{show(cell['rate'])}{ratio}, {show(cell['p50_ms'])} / {show(cell['p99_ms'])}{errors}")
            runs = [each for each in results["runs"] if each["system"] == system and each["model"] == model]
            memory = runs[-1]["memory"]
            row.append(f"{memory['processes']}, {memory['first']:.0f} / {memory['pss']:.0f}")
            start = median(spent for each in runs for spent in each["starts"])
            row.append(f"{start:.2f}")
            rows.append(row)
        plain = results["plain_start"].get(model)
        lines += [f"### {title}", ""]
        if plain:
            inside = results["in_process"][model]
            lines += [
                (
                    f"In process: `predict` of one row {inside['1']:.3f} ms, of 64 rows {inside['64']:.3f} ms, "
                    f"of one row after each 0.3 ms of sleep {inside['paused']:.3f} ms; `import` and load {plain:.2f} s."
                ),
                "",
            ]
        header = ["system", *(f"{number} connection{'s' if number > 1 else ''}" for number in connections)]
        lines += [*write_table([*header, "processes, MiB first / all (PSS)", "start s"], rows), ""]
    if results["turns"]:
        lines += ["### One connection, in turns", "", *render_turns(results), ""]
    lines += ["### Malformed bodies", "", *render_malformed(results), ""]
    return "\n".join(lines)


def render_turns(results: dict[str, Any]) -> list[str]:
    """Return the table of systems that were asked by turns: medians, and the quartiles of the rate."""
    rows = []
    for model, systems in results["turns"].items():
        by_hand = merge(systems["handwritten"])["rate"]
        for system, cells in systems.items():
            merged = merge(cells)
            low, _, high = quantiles((cell["rate"] for cell in cells), n=4)
            rows.append(
                [
                    MODELS[model].partition(",")[0],
                    results["systems"][system],
                    f"{show(merged['rate'])} ({show(low)} to {show(high)})",
                    f"{merged['rate'] / by_hand:.2f}x",
                    f"{merged['p50_ms']:.2f} / {merged['p99_ms']:.2f}",
                ]
            )
    return write_table(["model", "system", "requests/s (quartiles)", "beside by hand", "ms: median / p99"], rows)


def render_malformed(results: dict[str, Any]) -> list[str]:
    """Return the table of statuses; a plus says that the answer names the feature at fault."""
    rows = []
    for system, title in results["systems"].items():
        found = results["malformed"].get(system)
        if found:
            shown = [f"{found[name]['status']}{' +' if found[name]['names_field'] else ''}" for name in BODIES]
            rows.append([title, *shown, "yes" if found["alive"] else "**no**"])
    return write_table(["system", *BODIES, "serves on"], rows)


def judge(results: dict[str, Any]) -> list[str]:
    """Return a table of what is wanted beside what was measured."""
    names = list(results["systems"])
    tools = [name for name in names if not name.startswith(("modelkiln", "handwritten"))]
    rows: list[list[str]] = []

    def add(what: str, wanted: str, measured: str, met: bool) -> None:
        rows.append([what, wanted, measured, "✓" if met else "✗"])

    for model, title in MODELS.items():
        word = title.partition(",")[0].lower()
        tables = {name: collect(results, name, model) for name in names}
        ours = tables.get("modelkiln") or {}
        for number, cell in sorted(ours.items()):
            others = {name: tables[name][number] for name in (*tools, "handwritten") if number in tables.get(name, {})}
            if not others:
                continue
            place = f"{word}, {number} connection{'s' if number > 1 else ''}"
            rate = max(each["rate"] for each in others.values())
            p99 = min(each["p99_ms"] for each in others.values())
            add(f"{place}: requests/s", f"over {show(rate)}", show(cell["rate"]), cell["rate"] > rate)
            add(f"{place}: p99, ms", f"under {show(p99)}", show(cell["p99_ms"]), cell["p99_ms"] < p99)
            if number == 64:
                installed = [others[name]["rate"] for name in others if name in tools and "-" not in name]
                batching = [others[name]["rate"] for name in others if name.endswith("-batching")]
                by_hand = [others["handwritten"]["rate"]] if "handwritten" in others else []
                for other, rates, times in (
                    ("the hand-written app", by_hand, 5),
                    ("the best tool as installed", installed, 10),
                    ("the best tool's own batching", batching, 3),
                ):
                    if rates:
                        ratio = cell["rate"] / max(rates)
                        add(f"{place}: times {other}", f"{times}", f"{ratio:.1f}", ratio >= times)
            if number == 1 and model in results["in_process"]:
                over = cell["p50_ms"] - results["in_process"][model]["1"]
                add(f"{place}: ms above `predict` in process", "0.4", f"{over:.2f}", over <= 0.4)
        runs = [each for each in results["runs"] if each["system"] == "modelkiln" and each["model"] == model]
        if runs:
            memory = max(each["memory"]["first"] for each in runs)
            add(f"{word}: MiB of the server process", "under 60", f"{memory:.0f}", memory < 60)
    return write_table(["", "wanted", "measured", "met"], rows)


def fill_page(page: str, results: dict[str, Any]) -> str:
    """Return the page with its figures made anew: all between the heading of that name and the one of the misses."""
    machine, loads = results["machine"], [each["load"] for each in results["runs"]] or [0.0]
    about = (
        f"Measured on {machine['date']}: {machine['cores']} cores of {machine['cpu']}, shared with wrk; "
        f"{results['seconds']:g} s for each cell; the load average was {min(loads):.1f} to {max(loads):.1f}, "
        "the system measured and wrk included. A cell is requests per second (beside the hand-written app), "
        "then the median and the 99th percentile of the latency in milliseconds. "
        "A plus at a status: the answer names the field that is wrong."
    )
    wanted = "\n".join(judge(results))
    head, _, rest = page.partition("## Figures")
    _, found, tail = rest.partition(MISSES)
    return f"{head}## Figures\n\n{about}\n\n{render(results)}\n### Wanted and measured\n\n{wanted}\n{found}{tail}"

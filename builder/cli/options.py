"""Arguments that several subcommands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click

from builder.errors import KilnError, UsageError
from builder.host.clock import seconds_since_start
from builder.host.terminal import Terminal
from builder.host.trace import recording
from builder.oci.canonical import readable_json
from builder.oci.platform import Platform

Command = Callable[..., Any]

bundle_argument = click.argument("bundle", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout.")
offline_option = click.option("--offline", is_flag=True, help="Touch no network; what is not in the store is an error.")


def platform_option(command: Command) -> Command:
    """Add ``--platform``, which may be given several times or as a comma-separated list."""
    return click.option(
        "--platform",
        "platforms",
        multiple=True,
        callback=_platforms,
        help="Only for this platform, such as linux/arm64; default: all that the bundle names.",
    )(command)


def timing_options(command: Command) -> Command:
    """Add ``--timings`` and ``--trace``, and pass the terminal on whose stages they tell of."""

    @click.option("--timings", is_flag=True, help="Say on stderr how long each stage took.")
    @click.option(
        "--trace",
        "trace_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write where time went as a Chrome trace; Perfetto opens it.",
    )
    @wraps(command)
    def timed(*args: Any, timings: bool, trace_file: Path | None, **values: Any) -> Any:
        terminal = Terminal()
        before = seconds_since_start()
        try:
            with recording(trace_file):
                return command(*args, terminal=terminal, **values)
        finally:
            if timings:
                terminal.say(timings_table(terminal.timings, before=before, total=seconds_since_start()))

    return timed


def timings_table(stages: Mapping[str, float], *, before: float, total: float) -> str:
    """Return a line for each stage, for the start of the command ``before`` any, and for what is in no stage."""
    rest = total - before - sum(stages.values())
    rows = [("start of the command", before), *stages.items(), ("between stages", max(0.0, rest)), ("all", total)]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {seconds:8.3f} s  {100 * seconds / total:5.1f} %" for name, seconds in rows]
    if rest < 0:
        lines.append("  stages overlap, so they add up to more than all")
    return "\n".join(lines)


def _platforms(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[Platform, ...]:
    try:
        return tuple(Platform.parse(text.strip()) for value in values for text in value.split(","))
    except ValueError as error:
        raise UsageError.of(str(error), at="--platform", want="linux/amd64 or linux/arm64") from error


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    click.echo(readable_json(value), nl=False)


def print_outcome(value: dict[str, Any], error: KilnError | None) -> None:
    """Print one JSON object on stdout: the result, joined by the error where it failed; then end as the error says."""
    print_json(value if error is None else value | error.to_dict())
    if error is not None:
        click.echo(error.render(), err=True)
        raise click.exceptions.Exit(error.exit_code)

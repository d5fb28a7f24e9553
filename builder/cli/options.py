"""Arguments that several subcommands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from builder.errors import KilnError, UsageError
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

"""``kiln cache``."""

from __future__ import annotations

import re
from collections.abc import Callable

import click

from builder import pipeline
from builder.cli.options import json_option, print_json
from builder.errors import UsageError
from builder.host.terminal import Terminal

_AGES = {"m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)\Z")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def cache(context: click.Context, *, as_json: bool) -> None:
    """Show what the store of this machine holds, by kind, size and last use; or prune it."""
    if context.invoked_subcommand is not None:
        return
    report = pipeline.cache_report(pipeline.open_workshop(Terminal()))
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(report.to_table())


def _read_quantity(units: dict[str, int], want: str) -> Callable[..., float | None]:
    def read(_context: click.Context, option: click.Parameter, value: str | None) -> float | None:
        match = _NUMBER.match(value) if value is not None else None
        if value is not None and (match is None or match[2] not in units):
            raise UsageError.of("not a quantity", at=option.opts[0], want=want, got=value)
        return float(match[1]) * units[match[2]] if match else None

    return read


@cache.command("prune")
@click.option(
    "--older-than", callback=_read_quantity(_AGES, "30d, 12h"), metavar="AGE", help="What was not used for so long."
)
@click.option(
    "--keep", callback=_read_quantity(_SIZES, "10GiB, 500M"), metavar="SIZE", help="The longest unused beyond this."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
def prune(*, older_than: float | None, keep: float | None, dry_run: bool, as_json: bool) -> None:
    """Remove what was not used for long, or is too much. Builds may run meanwhile: what they use stays.

    Whatever goes is made or fetched again when it is needed.
    """
    if older_than is None and keep is None:
        raise UsageError.of("nothing says what may go", want="--older-than AGE, --keep SIZE or both")
    gone = pipeline.prune_cache(
        pipeline.open_workshop(Terminal()),
        older_than=older_than,
        keep=None if keep is None else int(keep),
        dry_run=dry_run,
    )
    if as_json:
        print_json({"dry_run": dry_run, **gone.to_dict()})
    elif gone.entries:
        click.echo(gone.to_table())

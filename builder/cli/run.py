"""``kiln run``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument
from builder.host.terminal import Terminal


@click.command()
@bundle_argument
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--runner", type=click.Choice(list(pipeline.RUNNERS)), default=pipeline.AUTO, show_default=True)
def run(*, bundle: Path, port: int, runner: str) -> None:
    """Run the image that was built in the foreground, as hardened as in production, until Ctrl-C."""
    pipeline.run(pipeline.open_workshop(Terminal()), bundle, port=port, runner=runner)

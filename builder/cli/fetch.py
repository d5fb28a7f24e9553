"""``kiln fetch``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument, platform_option
from builder.host.terminal import Terminal
from builder.oci.platform import Platform


@click.command()
@bundle_argument
@platform_option
def fetch(*, bundle: Path, platforms: tuple[Platform, ...]) -> None:
    """Bring everything the lock names into the store, verified; afterwards builds work with --offline."""
    pipeline.fetch(pipeline.open_workshop(Terminal()), bundle, platforms=platforms)

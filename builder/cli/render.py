"""``kiln render``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument, offline_option, platform_option
from builder.host.terminal import Terminal
from builder.oci.platform import Platform


@click.command()
@bundle_argument
@platform_option
@offline_option
@click.option(
    "--templates",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder whose templates replace ours of the same name.",
)
def render(*, bundle: Path, platforms: tuple[Platform, ...], offline: bool, templates: Path | None) -> None:
    """Write the Dockerfile and its complete build context below BUNDLE/build, and print where.

    ``docker build --network=none`` on that folder builds the image with no help from kiln.
    """
    workshop = pipeline.open_workshop(Terminal())
    for context in pipeline.render(workshop, bundle, platforms=platforms, offline=offline, templates=templates):
        click.echo(context)

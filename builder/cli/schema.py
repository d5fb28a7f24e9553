"""``kiln schema``."""

from __future__ import annotations

import click

from builder import pipeline


@click.command()
def schema() -> None:
    """Print the JSON Schema of bundle.yaml, for editors."""
    click.echo(pipeline.bundle_schema(), nl=False)

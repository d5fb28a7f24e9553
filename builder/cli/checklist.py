"""``kiln checklist``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument, json_option, print_json
from builder.errors import PublishRefusedError
from builder.host.terminal import Terminal


@click.command()
@bundle_argument
@click.option("--registry", help="Ask this registry (host[:port][/path]) for the image and the version to go back to.")
@click.option("--insecure", is_flag=True, help="Plain HTTP to a registry that is not on this machine.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True), help="Certificates to trust for this registry.")
@click.option("--strict", is_flag=True, help="Fail when a point is missing.")
@json_option
def checklist(
    *, bundle: Path, registry: str | None, insecure: bool, ca: Path | None, strict: bool, as_json: bool
) -> int:
    """Show what a release of the bundle needs: each point automated, manual or missing, with the evidence."""
    workshop = pipeline.open_workshop(Terminal(quiet=True))
    made = pipeline.checklist(workshop, bundle, registry=registry, insecure=insecure, ca=ca)
    if as_json:
        print_json(made.to_dict())
        return PublishRefusedError.exit_code if strict and made.missing else 0
    click.echo(pipeline.checklist_table(workshop, made))
    if strict:
        pipeline.require_complete(made)
    return 0

"""``kiln base``."""

from __future__ import annotations

import click

from builder import pipeline
from builder.cli.options import json_option, platform_option, print_json
from builder.host.terminal import Terminal
from builder.oci.platform import Platform


@click.group()
def base() -> None:
    """List, lock and build base images."""


@base.command("list")
@json_option
def list_bases(*, as_json: bool) -> None:
    """List the base images that can be assembled here."""
    bases = pipeline.list_bases()
    if as_json:
        print_json({"bases": bases})
        return
    for one in bases:
        click.echo(f"{one['name']:<22} Python {one['python']:<5} {', '.join(one['platforms'])}  {one['digest']}")


@base.command("lock")
@click.argument("name")
def lock_base(*, name: str) -> None:
    """Choose the newest packages for a base image from the configured mirrors, signatures verified."""
    pipeline.lock_base(pipeline.open_workshop(Terminal()), name)


@base.command("build")
@click.argument("name")
@platform_option
def build_base(*, name: str, platforms: tuple[Platform, ...]) -> None:
    """Assemble a base image into the store and print its layers."""
    for line in pipeline.build_base(pipeline.open_workshop(Terminal()), name, platforms=platforms):
        click.echo(line)

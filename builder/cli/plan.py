"""``kiln plan``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument, json_option, platform_option, print_json
from builder.host.terminal import Terminal
from builder.oci.platform import Platform


@click.command()
@bundle_argument
@platform_option
@click.option("--explain", is_flag=True, help="Say what will be reused and what made, and which input changed.")
@json_option
def plan(*, bundle: Path, platforms: tuple[Platform, ...], explain: bool, as_json: bool) -> None:
    """Show what a build will do: every layer, what is in it and where it comes from, and the configuration."""
    if explain:
        explained = pipeline.explain(pipeline.open_workshop(Terminal()), bundle, platforms=platforms)
        if as_json:
            print_json({"platforms": [one.to_dict() for one in explained]})
        else:
            click.echo("\n".join(one.to_table() for one in explained))
        return
    plans = pipeline.plan(pipeline.open_workshop(Terminal()), bundle, platforms=platforms)
    if as_json:
        shown = [one.to_dict() | {"digest": str(one.digest)} for one in plans]
        print_json(shown[0] if len(shown) == 1 else {"platforms": shown})
        return
    for one in plans:
        click.echo(f"{one.tag}  {one.platform}  plan {one.digest.short}")
        click.echo(f"  base            {one.base.name}  {one.base.digest.short}")
        for layer in one.layers:
            count = len(layer.sources)
            click.echo(f"  {layer.purpose:<14}  {layer.title}  ({count} source{'s'[: count != 1]})")

"""``kiln build``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import (
    bundle_argument,
    json_option,
    offline_option,
    platform_option,
    print_json,
    timing_options,
)
from builder.host.terminal import Terminal
from builder.oci.platform import Platform


@click.command()
@bundle_argument
@platform_option
@offline_option
@click.option(
    "--builder",
    type=click.Choice(list(pipeline.BUILDERS)),
    default=pipeline.NATIVE,
    show_default=True,
    help="native links the image here; the others build the Dockerfile, and their result is made canonical.",
)
@click.option("--load", is_flag=True, help="Bring the image of this machine's platform into the container engine too.")
@click.option(
    "--new-model", is_flag=True, help="Write a model that changed into the lock first; every version stays as it is."
)
@timing_options
@json_option
def build(
    *,
    bundle: Path,
    platforms: tuple[Platform, ...],
    offline: bool,
    builder: str,
    load: bool,
    new_model: bool,
    terminal: Terminal,
    as_json: bool,
) -> None:
    """Make the image from the bundle and its lock, and write it as an OCI layout below BUNDLE/build.

    A lock that is missing or no longer fits is an error; ``kiln lock`` makes one, ``kiln image`` does both.
    """
    workshop = pipeline.open_workshop(terminal)
    built = pipeline.build(
        workshop, bundle, platforms=platforms, offline=offline, builder=builder, load=load, new_model=new_model
    )
    if as_json:
        print_json(built.to_dict())
    else:
        click.echo(built.pinned_reference)

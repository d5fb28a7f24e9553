"""``kiln push``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument, json_option, platform_option, print_json, timing_options
from builder.host.terminal import Terminal
from builder.oci.media_type import ManifestFormat
from builder.oci.platform import Platform


@click.command()
@bundle_argument
@click.argument("registry")
@platform_option
@click.option(
    "--format",
    "manifest_format",
    type=click.Choice(list(ManifestFormat)),
    default=ManifestFormat.DOCKER,
    show_default=True,
    help="Manifest dialect; SageMaker and Lambda refuse oci.",
)
@click.option("--move-tag", is_flag=True, help="Let the version tag move, if the registry has it with other content.")
@click.option("--untested", is_flag=True, help="Publish although there is no green smoke report for this image.")
@click.option("--insecure", is_flag=True, help="Plain HTTP to a registry that is not on this machine.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True), help="Certificates to trust for this registry.")
@timing_options
@json_option
def push(
    *,
    bundle: Path,
    registry: str,
    platforms: tuple[Platform, ...],
    manifest_format: str,
    move_tag: bool,
    untested: bool,
    insecure: bool,
    ca: Path | None,
    terminal: Terminal,
    as_json: bool,
) -> None:
    """Publish exactly the bytes that were built and tested, to REGISTRY: host[:port][/path].

    The image's repository is REGISTRY/name, its tags are the version, and the version with the image ID.
    """
    workshop = pipeline.open_workshop(terminal)
    pushed = pipeline.push(
        workshop,
        bundle,
        registry,
        platforms=platforms,
        manifest_format=ManifestFormat(manifest_format),
        move_tag=move_tag,
        untested=untested,
        insecure=insecure,
        ca=ca,
    )
    if as_json:
        print_json(pushed.to_dict())
    else:
        click.echo(pushed.reference)

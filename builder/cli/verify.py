"""``kiln verify``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.image_options import one_platform_option, registry_options
from builder.cli.options import json_option, offline_option, print_json
from builder.errors import DigestMismatchError
from builder.host.terminal import Terminal
from builder.oci.platform import Platform
from builder.publish.transport import Access


@click.command()
@click.argument("image")
@click.option(
    "--builder",
    "builders",
    type=click.Choice(list(pipeline.BUILDERS)),
    multiple=True,
    help="Build again with this builder; may be given several times. Default: native.",
)
@click.option(
    "--sources",
    type=click.Path(path_type=Path, exists=True),
    help="Build again from this bundle, not from what the image records.",
)
@one_platform_option
@offline_option
@registry_options
@json_option
def verify(
    *,
    image: str,
    builders: tuple[str, ...],
    sources: Path | None,
    platform: Platform | None,
    offline: bool,
    access: Access,
    as_json: bool,
) -> int:
    """Build IMAGE again from nothing but its sources, and say: identical, or where it first differs.

    IMAGE is a bundle that was built, an OCI layout, a name in a registry, or a name in the container engine
    (oci:FOLDER[:TAG], docker://NAME and docker-daemon:NAME say which). A bundle's image is built again from the bundle,
    any other from the sources it records.
    """
    workshop = pipeline.open_workshop(Terminal())
    wanted = pipeline.Wanted(name=image, platform=platform, access=access)
    verifications = pipeline.verify(workshop, wanted, builders=builders, offline=offline, sources=sources)
    if as_json:
        print_json({"verified": [one.to_dict() for one in verifications]})
        return 0 if all(one.is_identical for one in verifications) else DigestMismatchError.exit_code
    for one in verifications:
        click.echo(one.to_table())
    pipeline.require_identical(verifications)
    return 0

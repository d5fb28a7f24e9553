"""``kiln diff``."""

from __future__ import annotations

import click

from builder import pipeline
from builder.cli.image_options import one_platform_option, registry_options
from builder.cli.options import json_option, print_json
from builder.host.terminal import Terminal
from builder.oci.platform import Platform
from builder.publish.transport import Access


@click.command()
@click.argument("old")
@click.argument("new")
@one_platform_option
@registry_options
@click.option("--exit-code", is_flag=True, help="End with 1 when the images differ, as git diff does.")
@json_option
def diff(*, old: str, new: str, platform: Platform | None, access: Access, exit_code: bool, as_json: bool) -> int:
    """Say in what image NEW differs from image OLD.

    Base, packages, model, code, whether the request and response schemas break those who call the service today,
    environment, labels, and size by layer. Either is a bundle that was built, an OCI layout, a name in a registry, or
    a name in the container engine, as in ``kiln verify``.
    """
    workshop = pipeline.open_workshop(Terminal())
    wanted = [pipeline.Wanted(name=name, platform=platform, access=access) for name in (old, new)]
    comparison = pipeline.diff(workshop, *wanted)
    if as_json:
        print_json(comparison.to_dict())
    else:
        click.echo(comparison.to_table())
    return int(exit_code and not comparison.is_identical)

"""``kiln image``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument, json_option, offline_option, print_outcome, timing_options
from builder.host.terminal import Terminal


@click.command()
@bundle_argument
@offline_option
@click.option("--locked", is_flag=True, help="A lock that is missing or no longer fits is an error, not renewed.")
@click.option(
    "--builder",
    type=click.Choice(list(pipeline.BUILDERS)),
    default=pipeline.NATIVE,
    show_default=True,
    help="As in build.",
)
@click.option(
    "--runner", type=click.Choice(list(pipeline.RUNNERS)), default=pipeline.AUTO, show_default=True, help="As in test."
)
@timing_options
@json_option
def image(
    *, bundle: Path, offline: bool, locked: bool, builder: str, runner: str, terminal: Terminal, as_json: bool
) -> None:
    """Do everything from a bundle to a tested image: lock if needed, build, smoke-test the exact image, tag it.

    The last line printed is the image's reference with its digest.
    """
    workshop = pipeline.open_workshop(terminal)
    made = pipeline.image(workshop, bundle, offline=offline, locked=locked, builder=builder, runner=runner)
    failure = pipeline.failure_of(made.report)
    if as_json:
        print_outcome(made.to_dict(), failure)
    elif failure:
        raise failure
    else:
        click.echo(made.built.pinned_reference)

"""``kiln test``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument, json_option, print_outcome
from builder.host.terminal import Terminal


@click.command()
@bundle_argument
@click.option(
    "--runner",
    type=click.Choice(list(pipeline.RUNNERS)),
    default=pipeline.AUTO,
    show_default=True,
    help="Where the image is run; auto takes the container engine where one answers.",
)
@json_option
def test(*, bundle: Path, runner: str, as_json: bool) -> None:
    """Run the image that was built, hardened as in production, and hold it to the bundle's smoke tests.

    Writes BUNDLE/build/smoke.json and smoke.xml (JUnit), which name the image ID; ``kiln push`` wants them.
    """
    workshop = pipeline.open_workshop(Terminal())
    report = pipeline.test(workshop, bundle, runner=runner)
    failure = pipeline.failure_of(report)
    if as_json:
        print_outcome(report.to_dict(), failure)
    elif failure:
        raise failure

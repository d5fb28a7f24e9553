"""``kiln init``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import json_option, print_json
from builder.host.terminal import Terminal


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Make the bundle in this folder and copy into it what stands elsewhere; default: where PATH is.",
)
@click.option(
    "--sample",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A request as JSON, or a CSV file with a header: schema and smoke tests are made of it.",
)
@click.option("--force", is_flag=True, help="Rename files that are in the way to NAME.orig, instead of refusing.")
@json_option
def init(*, path: Path, into: Path | None, sample: Path | None, force: bool, as_json: bool) -> None:
    """Write a bundle.yaml from what you have, and say what was guessed and what is left to fill in.

    PATH is a model file; a folder with a score.py or a model; an MLflow model; an Azure ML deployment (YAML); or a
    folder with a cog.yaml, a Truss config.yaml or a bentofile.yaml. Nothing of it is imported or unpickled, and no
    file is written over.
    """
    terminal = Terminal()
    made = pipeline.init(terminal, path, into=into, sample=sample, force=force)
    if as_json:
        print_json(made.to_dict())
        return
    click.echo(made.draft.root / "bundle.yaml")
    if not made.draft.blanks:
        step = "image" if pipeline.is_sound(made.draft.root) else "check"
        terminal.say(f"next: kiln {step} {made.draft.root}")

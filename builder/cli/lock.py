"""``kiln lock``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument, json_option, print_json
from builder.host.terminal import Terminal


@click.command()
@bundle_argument
@click.option("--check", is_flag=True, help="Only say whether the lock still fits, and if not exactly why.")
@click.option("--upgrade", is_flag=True, help="Choose the newest versions, even where the present ones would do.")
@json_option
def lock(*, bundle: Path, check: bool, upgrade: bool, as_json: bool) -> None:
    """Choose exact versions of everything the image is made of, and write them down.

    Writes requirements.lock and bundle.lock beside bundle.yaml. Versions already locked stay unless they no longer
    satisfy the requirements.
    """
    workshop = pipeline.open_workshop(Terminal())
    if check:
        locked = pipeline.check_lock(workshop, bundle)
        workshop.terminal.say("the lock fits the bundle")
    else:
        locked = pipeline.lock(workshop, bundle, upgrade=upgrade)
    if as_json:
        verdict = {"bundle": locked.bundle, "fits": True, "deep_checksum": str(locked.deep_checksum)}
        print_json(verdict if check else locked.to_dict())

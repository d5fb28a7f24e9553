"""Arguments of the subcommands that open an image wherever it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from builder.errors import UsageError
from builder.oci.platform import Platform
from builder.publish.transport import Access

Command = Callable[..., Any]


def one_platform_option(command: Command) -> Command:
    """Add ``--platform``, which names one platform."""
    return click.option(
        "--platform",
        callback=_platform,
        help="Which platform's image, such as linux/arm64; default: this machine's, or the only one.",
    )(command)


def registry_options(command: Command) -> Command:
    """Add ``--insecure`` and ``--ca``, and pass them on as ``access``."""

    @click.option("--insecure", is_flag=True, help="Plain HTTP to a registry that is not on this machine.")
    @click.option("--ca", type=click.Path(path_type=Path, exists=True), help="Certificates to trust for registries.")
    @wraps(command)
    def with_access(*args: Any, insecure: bool, ca: Path | None, **values: Any) -> Any:
        return command(*args, access=Access(insecure=insecure, ca_file=ca), **values)

    return with_access


def _platform(_context: click.Context, _option: click.Parameter, value: str | None) -> Platform | None:
    try:
        return Platform.parse(value) if value else None
    except ValueError as error:
        raise UsageError.of(str(error), at="--platform", want="linux/amd64 or linux/arm64") from error

"""``kiln check``."""

from __future__ import annotations

from pathlib import Path

import click

from builder import pipeline
from builder.cli.options import bundle_argument, json_option, platform_option, print_json
from builder.errors import CheckFailedError, HostError, UsageError
from builder.host.terminal import Terminal
from builder.oci.canonical import readable_json
from builder.oci.platform import Platform


@click.command()
@bundle_argument
@platform_option
@click.option("--strict", is_flag=True, help="Warnings fail the check too.")
@click.option("--fetch", is_flag=True, help="Bring what the lock names and the store lacks; otherwise no network.")
@click.option("--sarif", metavar="FILE", help="Write the findings as SARIF 2.1.0, for code review; - for stdout.")
@json_option
def check(
    *, bundle: Path, platforms: tuple[Platform, ...], strict: bool, fetch: bool, sarif: str | None, as_json: bool
) -> int:
    """Find what would break the deployment before there is an image: imports, libraries, model, paths, contract.

    Nothing of the bundle is imported, unpickled or run. Errors give exit code 20. What needs the lock or its wheels
    is left out where they are missing, and said so. docs/reference/rules.md describes every rule; the section
    ``check`` of bundle.yaml sets levels.
    """
    if as_json and sarif == "-":
        raise UsageError.of("two documents cannot both go to stdout", at="--json --sarif -", want="--sarif FILE")
    terminal = Terminal()
    report = pipeline.check(pipeline.open_workshop(terminal), bundle, platforms=platforms, fetch=fetch)
    to_stdout = as_json or sarif == "-"
    if sarif:
        _write(sarif, readable_json(pipeline.check_sarif(report, bundle)))
    if as_json:
        print_json(report.to_dict() | {"passed": report.passed(strict=strict)})
    if not to_stdout and report.findings:
        click.echo(report.to_text(colour=terminal.has_colour))
    for reason in report.left_out:
        terminal.say(f"not checked: {reason}")
    for finding, reason in report.silenced:
        terminal.say(f"off: {finding.rule.id} {finding.place}: {reason}")
    terminal.say(f"{report.bundle}: {report.summary}")
    return 0 if report.passed(strict=strict) else CheckFailedError.exit_code


def _write(target: str, text: str) -> None:
    if target == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(target).write_text(text)
    except OSError as error:
        raise HostError.of(f"cannot write the SARIF log: {error.strerror or error}", at=target) from error

"""The ``kiln`` command: finds the subcommand, turns errors into exit codes."""

from __future__ import annotations

import atexit
import errno
import importlib
import io
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import click

from builder import __version__
from builder.errors import HostError, KilnError, UsageError

_COMMANDS = {
    "init": "write a bundle.yaml from what you have",
    "check": "find what would break the deployment, before anything is built",
    "image": "lock if needed, build, smoke-test the exact image, tag it",
    "lock": "choose exact versions of everything and write them down",
    "fetch": "bring what the lock names, so that builds work offline",
    "plan": "show what a build will do",
    "render": "write the Dockerfile and its build context",
    "build": "make the image",
    "test": "run the exact image in smoke tests",
    "run": "run the image in the foreground, as hardened as in production",
    "checklist": "show what a release needs, and what of it is proved",
    "push": "publish the tested image, byte for byte",
    "verify": "build an image again from its sources, and say whether it is the same",
    "diff": "say in what two images differ",
    "cache": "show what the store holds, and prune it",
    "base": "list, lock and build base images",
    "schema": "print the JSON Schema of bundle.yaml",
}


class LazyGroup(click.Group):
    """Imports a subcommand only when it is asked for, so that ``kiln --help`` and ``--version`` are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order a person meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command, or None when there is no such one."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"builder.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kiln")
def kiln() -> None:
    """Fire a model bundle into a tested, reproducible container image."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 when it did what was asked, else the code of the error's class.

    Given arguments, it is a caller's, who gets the SystemExit. Without, it is the process, and ends it.
    """
    is_process = arguments is None
    arguments = sys.argv[1:] if arguments is None else arguments
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed before the start; what is said there is heard by nobody
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character ends nothing
    code = _run(arguments, as_json="--json" in arguments)
    if is_process and threading.active_count() == 1:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """End the process as ``sys.exit`` does, but do not take its modules apart, which a short command would wait for."""
    atexit._run_exitfuncs()  # noqa: SLF001 - what else would be done at the end
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # nobody reads any more, and the usual end says so
    os._exit(code)


def _show(error: KilnError, *, as_json: bool) -> int:
    if as_json:
        from builder.oci.canonical import readable_json  # noqa: PLC0415 - only needed when something failed

        click.echo(readable_json(error.to_dict()), nl=False)
    click.echo(error.render(), err=True)
    return error.exit_code


def _as_usage_error(error: click.ClickException) -> UsageError:
    """Return click's complaint as one of ours: same form, same JSON, exit code 2."""
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".")
    hint = f"`{context.command_path} --help` tells what there is" if context else "`kiln --help` tells what there is"
    import difflib  # noqa: PLC0415 - only needed when something failed

    if context and context.command_path == "kiln" and (found := re.search(r"No such command '([^']*)'", message)):
        close = difflib.get_close_matches(found[1], _COMMANDS, 1)
        hint = f"did you mean `kiln {close[0]}`?" if close else hint
    return UsageError.of(message[:1].lower() + message[1:], hint=hint)


_interruptions: list[int] = []
"""The signals that came. Libraries may turn the exception a signal raises in them into another."""


def _interrupt(number: int, _frame: object) -> None:
    """End: containers that were started are removed, half-written files too."""
    _interruptions.append(number)
    raise KeyboardInterrupt


def _run(arguments: list[str], *, as_json: bool) -> int:
    try:
        return _judged(arguments, as_json=as_json)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # nobody reads what is left to say, which is no fault
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
        return 141


def _judged(arguments: list[str], *, as_json: bool) -> int:
    try:
        result: Any = kiln.main(args=arguments, prog_name="kiln", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except SystemExit:  # what click says, outside its standalone mode, of a reader who went away and of nothing else
        return 141
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence: each is told as what it is
        if _interruptions or isinstance(error, click.Abort | KeyboardInterrupt):
            click.echo("interrupted; nothing half-written was kept, run the command again to finish", err=True)
            return 130
        if isinstance(error, KilnError):
            return _show(error, as_json=as_json)
        if isinstance(error, click.ClickException):
            return _show(_as_usage_error(error), as_json=as_json)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "free some space, then run the command again"
            full = HostError.of("a disk is full", at=error.filename or "standard output", hint=hint)
            return _show(full, as_json=False)  # what cannot be written need not be JSON
        import traceback  # noqa: PLC0415 - only needed when something failed

        click.echo(traceback.format_exc(), err=True)
        click.echo("internal error: this is a fault in kiln, not in your bundle; please report it", err=True)
        return 70
    return result if isinstance(result, int) else 0

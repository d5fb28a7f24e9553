"""The one place where programs are started."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from builder.errors import HostError


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A program that ended: its exit code (negative for a signal) and all it printed."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def command(self) -> str:
        """The command as it can be pasted into a shell."""
        return shlex.join(self.argv)


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run a program to its end and return what it printed, whatever its exit code.

    The environment is exactly ``env``, or this process's own when None; standard input is empty unless given.
    A program that is missing, or that outlives ``timeout`` seconds, is a HostError that quotes the command.
    """
    command = tuple(os.fspath(part) for part in argv)
    try:
        done = subprocess.run(
            command,
            env=None if env is None else dict(env),
            cwd=cwd,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise HostError.of(f"folder not found: {cwd}", at=shlex.join(command)) from error
        raise HostError.of(
            f"program not found: {command[0]}", at=shlex.join(command), hint=f"install {command[0]}"
        ) from error
    except PermissionError as error:
        raise HostError.of(f"program may not be run: {command[0]}", at=shlex.join(command)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise HostError.of(f"program cannot be run: {command[0]}: {reason}", at=shlex.join(command)) from error
    except subprocess.TimeoutExpired as error:
        raise HostError.of(f"program still running after {timeout:g} s", at=shlex.join(command)) from error
    return Completed(argv=command, returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)


class Companion:
    """A program that runs beside this one and shares inherited descriptors with it, until one of them ends.

    It is in a session of its own, so that Ctrl-C in a terminal reaches only us. What it prints goes to ``output``.
    """

    def __init__(
        self, argv: Sequence[str | os.PathLike[str]], *, output: IO[bytes], descriptors: Sequence[int]
    ) -> None:
        command = [os.fspath(part) for part in argv]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=tuple(descriptors),
                start_new_session=True,
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise HostError.of(f"program cannot be run: {command[0]}: {reason}", at=shlex.join(command)) from error

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def end(self, patience: float) -> None:
        """Wait up to ``patience`` seconds for it to end by itself, then kill it."""
        try:
            self._process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Beside:
    """Work that a copy of this process does while this one goes on. Its result is a JSON value.

    The copy shares nothing: what it changes in memory is not seen here, what it prints is not shown. Only a process
    with a single thread can be copied safely.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        outer, inner = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _do_and_end(work, inner)
        os.close(inner)
        self._pipe = os.fdopen(outer, "rb")
        self._has_ended = False

    @staticmethod
    def is_safe() -> bool:
        """True when this process may be copied now."""
        return threading.active_count() == 1

    def result(self) -> Any | None:
        """Wait for the end and return the result; None when there is none, whatever the reason."""
        content = self._pipe.read()
        status = self._wait()
        return json.loads(content) if status == 0 else None

    def abandon(self) -> None:
        """End the work without its result. Work that has ended is left alone."""
        if not self._has_ended:
            os.kill(self._pid, signal.SIGKILL)
            self._wait()

    def _wait(self) -> int:
        self._pipe.close()
        _, status = os.waitpid(self._pid, 0)
        self._has_ended = True
        return status


def _do_and_end(work: Callable[[], Any], pipe: int) -> NoReturn:
    status = 1
    try:
        with os.fdopen(pipe, "wb") as out:
            out.write(json.dumps(work()).encode())
        status = 0
    finally:
        os._exit(status)  # nothing of the process this is a copy of may run twice: no handlers, no buffers

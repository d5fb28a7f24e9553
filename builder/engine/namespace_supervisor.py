"""The process beside a container: makes its namespaces, starts its programs, answers its keeper over a socket.

It is started by ``namespaces`` and lives inside the container's mount and network namespaces but outside its
process namespace, so the container's own program is PID 1. It ends, and ends the container, when its keeper closes
the socket or dies; the container dies with it too. Standard library only: after the root has changed nothing more
can be imported.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from builder.engine import namespace_kernel as kernel
from builder.engine import namespace_root
from builder.engine.namespace_health import Health, HealthRule

MAX_MESSAGE = 1 << 20
_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
_MEMORY_WATCH_SECONDS = 0.1
_NOT_EXECUTABLE = 126
_LOADED = (warnings,)  # os.execvpe asks for it when nothing can be imported any more


class SetupError(Exception):
    """A step of making the container failed; ``step`` names it."""

    def __init__(self, step: str, error: OSError) -> None:
        super().__init__(step)
        self.step = step
        self.error = error

    def to_dict(self) -> dict[str, Any]:
        """Return what the keeper is told."""
        call = self.error.filename
        return {"error": self.step, "errno": self.error.errno or 0, "call": str(call) if call else ""}


class Supervisor:
    """Serves one container from its first process to its last."""

    def __init__(self, control: socket.socket, log: int, config: Mapping[str, Any]) -> None:
        self._control = control
        self._log = log
        self._config = config
        self._main = 0
        self._exit: int | None = None
        self._was_overweight = False
        self._executions: dict[int, int | None] = {}
        self._health: Health | None = None
        self._probe: tuple[int, float, int] | None = None
        self._groups = [os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY) for path in config["groups"]]
        self._joins = [os.open(f"{path}/cgroup.procs", os.O_WRONLY) for path in config["groups"]]
        self._wakeup, wakeup = os.pipe()
        for end in (self._wakeup, wakeup):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> None:
        """Make the container, then serve until the keeper is gone."""
        try:
            unapplied = self._enter()
            self._main = self._spawn(self._config["argv"], self._log, is_first=True)
        except SetupError as problem:
            self._send(problem.to_dict())
            self._finish()
            return
        if self._config["health"]:
            rule = HealthRule.of(*self._config["health"]["times"])
            self._health = Health(rule, time.monotonic())
        self._send({"unapplied": unapplied})
        try:
            self._serve()
        finally:
            self._finish()

    def _enter(self) -> tuple[str, ...]:
        config = self._config
        flags = _NAMESPACES
        outside_uid, outside_gid = os.geteuid(), os.getegid()
        if config["user_namespace"]:
            flags |= kernel.CLONE_NEWUSER
        if config["cpus"]:
            with suppress(OSError):
                os.sched_setaffinity(0, config["cpus"])
        with _step("namespaces"):
            kernel.unshare(flags)
        if config["user_namespace"]:
            with _step("user map"):
                _write("/proc/self/setgroups", "deny")
                _write("/proc/self/uid_map", f"{config['uid']} {outside_uid} 1")
                _write("/proc/self/gid_map", f"0 {outside_gid} 1")
        with _step("network"):
            kernel.loopback_up()
        with _step("host name"):
            socket.sethostname(config["hostname"])
        sys.meta_path.clear()  # from here on an import would read the container's files
        with _step("mounts"):
            return namespace_root.enter_root(config["root"], hostname=config["hostname"], groups=config["groups"])

    def _spawn(self, argv: Sequence[str], output: int, *, is_first: bool = False) -> int:
        """Start a program in the container; one that cannot be started is a SetupError."""
        told, tell = os.pipe()
        alive, keep = os.pipe()
        with _step("process"):
            child = os.fork()
        if child == 0:
            os.close(keep)
            os.close(told)
            try:
                self._become(argv, output, tell, alive, is_first=is_first)
            finally:
                os._exit(_NOT_EXECUTABLE)
        os.close(tell)
        os.close(alive)
        os.write(keep, b"go")
        os.close(keep)
        problem = b""
        while piece := os.read(told, 4096):
            problem += piece
        os.close(told)
        if problem:
            os.waitpid(child, 0)
            step, number, call = json.loads(problem)
            raise SetupError(step, OSError(number, os.strerror(number), call))
        return child

    def _become(self, argv: Sequence[str], output: int, tell: int, alive: int, *, is_first: bool) -> None:
        """Turn this new process into a program of the container; never returns but by an error."""
        config = self._config
        step = "limits"
        try:
            os.setsid()
            for join in self._joins:
                os.write(join, b"0")
            with suppress(OSError):  # only changes how the groups are named inside
                kernel.unshare(kernel.CLONE_NEWCGROUP)
            if is_first:
                step = "proc"
                namespace_root.finish_root(tmp_size=int(config["memory"]))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            step = "user"
            kernel.drop_bounding_set()
            if not config["user_namespace"]:
                os.setgroups([])
                os.setresgid(0, 0, 0)
                os.setresuid(config["uid"], config["uid"], config["uid"])
            kernel.drop_capabilities()
            kernel.forbid_new_privileges()
            kernel.die_with_parent(signal.SIGKILL)
            if os.read(alive, 2) != b"go":
                os._exit(_NOT_EXECUTABLE)  # the supervisor died before its death could be noticed
            step = "working directory"
            os.chdir(config["cwd"])
            os.umask(0o022)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            step = "program"
            os.execvpe(argv[0], list(argv), config["env"])  # noqa: S606 - a shell is what must not come between
        except OSError as error:
            what = argv[0] if step == "program" else config["cwd"] if step == "working directory" else error.filename
            os.write(tell, json.dumps([step, error.errno or 0, str(what or "")]).encode())

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while True:
            events = {number for number, _ in poll.poll(self._pause() * 1000)}
            if self._wakeup in events:
                with suppress(BlockingIOError):
                    os.read(self._wakeup, 4096)
            self._reap()
            self._watch_memory()
            self._watch_health()
            if self._control.fileno() in events and not self._answer():
                return

    def _pause(self) -> float:
        pause = _MEMORY_WATCH_SECONDS if self._config["watch_memory"] and self._exit is None else 60.0
        if self._health and self._exit is None:
            due = self._probe[1] if self._probe else self._health.next_probe
            pause = min(pause, max(0.0, due - time.monotonic()))
        return pause

    def _answer(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, MAX_MESSAGE, 1)
        except ConnectionError:
            return False
        if not data:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        message = json.loads(data)
        match message["do"]:
            case "state":
                health = self._health.state if self._health else None
                output = self._health.output if self._health else ""
                self._send({"exit": self._exit, "overweight": self._was_overweight, "health": health, "probe": output})
            case "socket":
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as inside:
                    socket.send_fds(self._control, [b"{}"], [inside.fileno()])
            case "signal":
                if self._exit is None:
                    os.kill(self._main, message["number"])
                self._send({})
            case "execute":
                self._send(self._execute(message["argv"], descriptors[0]))
            case "executed":
                self._send({"code": self._executions.get(message["id"])})
            case "cancel":
                if self._executions.get(message["id"], 0) is None:
                    os.kill(message["id"], signal.SIGKILL)
                self._send({})
            case _:
                return False
        return True

    def _execute(self, argv: Sequence[str], output: int) -> dict[str, Any]:
        try:
            if self._exit is not None:
                return {"error": "program", "errno": errno.ESRCH, "call": argv[0]}
            child = self._spawn(argv, output)
        except SetupError as problem:
            return problem.to_dict()
        finally:
            os.close(output)
        self._executions[child] = None
        return {"id": child}

    def _reap(self) -> None:
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code
            if child == self._main:
                self._exit = code
            elif self._probe and child == self._probe[0]:
                self._end_probe(code)
            elif child in self._executions:
                self._executions[child] = code

    def _watch_health(self) -> None:
        if self._health is None or self._exit is not None:
            return
        now = time.monotonic()
        if self._probe:
            child, deadline, _ = self._probe
            if now >= deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                self._end_probe(None)
        elif now >= self._health.next_probe:
            output = os.memfd_create("probe", os.MFD_CLOEXEC)
            try:
                child = self._spawn(self._config["health"]["argv"], output)
            except SetupError as problem:
                os.close(output)
                text = f"{problem.step}: {problem.error.strerror}"
                self._health.record(ended=now, is_success=False, output=text)
                return
            self._probe = (child, now + self._health.rule.timeout, output)

    def _end_probe(self, code: int | None) -> None:
        if self._health is None or self._probe is None:
            return
        output = self._probe[2]
        text = os.pread(output, 4096, 0).decode(errors="replace")
        os.close(output)
        self._probe = None
        if code is None:
            text += f"no answer within {self._health.rule.timeout:g} s"
        self._health.record(ended=time.monotonic(), is_success=code == 0, output=text)

    def _watch_memory(self) -> None:
        """Stand in for a limit the kernel would keep: end the container once its own pages are too many."""
        if not self._config["watch_memory"] or self._exit is not None:
            return
        if _private_memory() > self._config["memory"]:
            self._was_overweight = True
            os.kill(self._main, signal.SIGKILL)

    def _send(self, message: Mapping[str, Any]) -> None:
        with suppress(ConnectionError):
            self._control.sendall(json.dumps(message).encode())

    def _finish(self) -> None:
        """End every process of the container and give back what the kernel lent."""
        if self._main and self._exit is None:
            with suppress(ProcessLookupError):
                os.kill(self._main, signal.SIGKILL)
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        for path, parent in zip(self._config["groups"], self._groups, strict=True):
            _remove_group(os.path.basename(path), parent)


def _remove_group(name: str, parent: int) -> None:
    for _ in range(100):
        try:
            os.rmdir(name, dir_fd=parent)
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return


def _private_memory() -> int:
    total = 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/status", "rb") as file:
                for line in file:
                    if line.startswith((b"RssAnon:", b"RssShmem:")):
                        total += int(line.split()[1]) * 1024
        except (OSError, IndexError, ValueError):
            continue
    return total


class _step:  # noqa: N801 - reads as a word of the language
    """Name what is being done, so that the kernel's refusal can be explained."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise SetupError(self._name, error) from error


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(descriptor)


def main() -> None:
    """Serve one container; the arguments are two inherited descriptors: the control socket and the log."""
    number, log = int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (number, log):
        os.set_inheritable(descriptor, False)
    control = socket.socket(fileno=number)
    config = json.loads(control.recv(MAX_MESSAGE))
    if config:
        Supervisor(control, log, config).run()

"""The embedded runner: an image in Linux namespaces of this machine, with no engine, no root and no daemon needed.

It applies what production applies (read-only root, no capabilities, no new privileges, a uid of its own, no network
but loopback, limits) as far as this user may, and names what it could not. How: docs/decisions/0008.
"""

from __future__ import annotations

import codecs
import errno
import http.client
import json
import math
import os
import platform
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from builder.engine.namespace_cgroups import Limits, make_limits
from builder.engine.namespace_supervisor import MAX_MESSAGE
from builder.engine.runner import PROCESS_LIMIT, Answer, Executed, ExitState, RunOptions
from builder.engine.service import ask_on
from builder.errors import EngineError, EngineUnavailableError
from builder.host.process import Companion
from builder.oci.config import Healthcheck, ImageConfig
from builder.oci.image import Image
from builder.store.blobs import BlobStore
from builder.store.tree import HeldTree, hold_tree

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POLL_SECONDS = 0.01
_FOLLOW_SECONDS = 0.1
_CHUNK = 1 << 16
_PORT = 8080
_CAP_SYS_ADMIN = 21
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_SUPERVISOR = (
    "import sys; sys.path.append(sys.argv.pop(1));from builder.engine.namespace_supervisor import main; main()"
)
_SETUP_HINT = (
    "start Docker or Podman, run as root, or allow user namespaces: "
    "sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1 "
    "kernel.apparmor_restrict_unprivileged_userns=0 (those your system has)"
)
_CHROOT_HINT = (
    "start Docker or Podman, run as root, or enter this system with `systemd-nspawn -D <folder>` instead of chroot"
)
_ROOT_IN_CHROOT_HINT = (
    "in the chroot `mount -t proc proc /proc`; or outside `mount --bind <folder> <folder>` before chroot; "
    "or enter it with `systemd-nspawn -D <folder>`"
)


class NamespaceRunner:
    """Runs images from the store. Nothing outlives an instance but the unpacked tree, kept for the next run."""

    def __init__(self, store: BlobStore, *, progress: Callable[[str], None] = lambda _: None) -> None:
        self._store = store
        self._progress = progress
        self._own = _may_switch_users()
        self._limits_missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``namespaces`` and the kernel's version."""
        return f"namespaces {platform.release()}"

    @property
    def cuts_network(self) -> bool:
        """True: every container has a network of its own with loopback alone."""
        return True

    @property
    def unapplied(self) -> tuple[str, ...]:
        """Hardening that was not applied; limits are known once something was started."""
        missing = ["no seccomp filter", *self._limits_missing]
        if not self._own:
            missing.append("file owners are simulated by permissions: this user owns every file")
            if set(os.getgroups()) - {os.getegid()}:
                missing.append("this user's supplementary groups are kept")
        return tuple(missing)

    def prepare(self, image: Image, *, progress: Callable[[str], None] = lambda _: None) -> None:
        """Unpack the image's layers now, so that ``start`` finds them there."""
        hold_tree(image.layers, self._store, own=self._own, progress=progress).release()

    def start(self, image: Image, options: RunOptions) -> NamespaceInstance:
        """Run exactly this image from its verified layers; it need not be ready when this returns.

        A layer whose bytes are not the image's is a DigestMismatchError; a machine that allows no namespaces is an
        EngineUnavailableError; a program that is not in the image, or is for another processor, is an EngineError.
        """
        tree = hold_tree(image.layers, self._store, own=self._own, progress=self._progress)
        try:
            instance = NamespaceInstance(tree, image.config, options, own=self._own)
        except BaseException:
            tree.release()
            raise
        self._limits_missing = instance.unapplied
        return instance


class NamespaceInstance:
    """One running container, through the socket of the process beside it."""

    def __init__(self, tree: HeldTree, config: ImageConfig, options: RunOptions, *, own: bool) -> None:
        name = f"modelkiln-{os.getpid()}-{secrets.token_hex(4)}"
        argv = (*config.entrypoint, *(options.command or config.cmd))
        if not argv:
            raise EngineError.of("the image names no program to run", hint="give it an entrypoint or a command")
        self._tree = tree
        self._before = _snapshot(tree.path)
        self._env = _environment(config, options, name)
        self._stop_signal = signal.Signals[config.stop_signal] if config.stop_signal else signal.SIGTERM
        self._limits = make_limits(name, memory=options.memory, cpu=options.cpu, processes=PROCESS_LIMIT)
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by remove
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by remove
        self._guard = threading.Lock()
        self._ended_after = 0.0
        self._exit: ExitState | None = None
        self._removed = False
        self._kills = 0
        os.fchmod(self._log.fileno(), 0o666)  # a program may open /dev/stdout again as whoever it is
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process: Companion | None = None
        cpus = _some_cpus(math.ceil(options.cpu))
        try:
            with theirs:
                self._process = self._start_supervisor(theirs)
            answer, _ = self._ask(
                {
                    "root": str(tree.path),
                    "uid": options.uid,
                    "user_namespace": not own,
                    "argv": argv,
                    "env": self._env,
                    "cwd": config.working_dir or "/",
                    "hostname": name,
                    "memory": options.memory,
                    "cpus": cpus,
                    "groups": [str(group) for group in self._limits.groups],
                    "watch_memory": self._limits.memory is None,
                    "health": _health(config.healthcheck, options.health_interval),
                }
            )
            _demand_started(answer, config)
            self.unapplied = (*_missing_limits(self._limits, options), *answer["unapplied"])
        except BaseException:
            self.remove()
            raise

    def request(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        """Send one HTTP request to the service. No connection or no answer in time is a ConnectionError."""
        return ask_on(self._connection(timeout), method, path, body=body, headers=headers)

    def connect(self, timeout: float | None = None) -> socket.socket:
        """Return a connection to the service, from inside its network. None listening is an OSError."""
        _, descriptors = self._ask({"do": "socket"}, descriptors=1)
        inside = socket.socket(fileno=descriptors[0])
        try:
            inside.settimeout(timeout)
            inside.connect(("127.0.0.1", int(self._env.get("PORT") or _PORT)))
        except BaseException:
            inside.close()
            raise
        return inside

    def execute(self, argv: Sequence[str], *, timeout: float) -> Executed:
        """Run a program inside, as the same user. One that takes longer than ``timeout`` is an EngineError."""
        with tempfile.TemporaryFile() as output:
            started, _ = self._ask({"do": "execute", "argv": list(argv)}, send=output.fileno())
            if "error" in started:
                code = 127 if started["errno"] == errno.ENOENT else 126
                return Executed(code=code, output=f"{argv[0]}: {os.strerror(started['errno'])}")
            deadline = time.monotonic() + timeout
            while True:
                ended, _ = self._ask({"do": "executed", "id": started["id"]})
                if ended["code"] is not None:
                    output.seek(0)
                    return Executed(code=ended["code"], output=output.read().decode(errors="replace"))
                if time.monotonic() >= deadline:
                    self._ask({"do": "cancel", "id": started["id"]})
                    raise EngineError.of(f"a program in the container still ran after {timeout:g} s", at=" ".join(argv))
                time.sleep(_POLL_SECONDS)

    def health(self) -> str | None:
        """Return ``starting``, ``healthy`` or ``unhealthy`` by the image's own HEALTHCHECK, None without one."""
        health: str | None = self._ask({"do": "state"})[0]["health"]
        return health

    def exit_state(self) -> ExitState | None:
        """Return how the main process ended, or None while it runs."""
        if self._exit is None and not self._removed:
            state, _ = self._ask({"do": "state"})
            if state["exit"] is not None:
                killed = bool(state["overweight"]) or (
                    state["exit"] == 128 + signal.SIGKILL and self.memory_kills() > 0
                )
                self._exit = ExitState(code=state["exit"], was_killed_for_memory=killed, seconds=self._ended_after)
        return self._exit

    def memory_kills(self) -> int:
        """Return how many processes inside were ended for want of memory so far, as far as can be told."""
        if not self._removed:
            self._kills = self._limits.kills() + bool(self._ask({"do": "state"})[0]["overweight"])
        return self._kills

    def logs(self, lines: int) -> str:
        """Return the last lines of what the container printed."""
        size = os.fstat(self._log.fileno()).st_size
        length = min(size, 1 << 20)
        text = os.pread(self._log.fileno(), length, size - length).decode(errors="replace")
        return "".join(text.splitlines(keepends=True)[-lines:])

    def follow(self) -> Iterator[str]:
        """Yield what the container prints, from the beginning until it ends; nothing is read twice."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        offset = 0
        while True:
            has_ended = self.exit_state() is not None or self._removed
            while not self._log.closed and (chunk := os.pread(self._log.fileno(), _CHUNK, offset)):
                offset += len(chunk)
                yield decoder.decode(chunk)
            if has_ended:
                return
            time.sleep(_FOLLOW_SECONDS)

    def changes(self) -> tuple[str, ...]:
        """Return absolute paths outside /tmp that were added, changed or removed since the start, sorted.

        The root is read-only, so there should be none; that is checked against the tree itself, file by file.
        """
        after = _snapshot(self._tree.path)
        differing = {path for path, _ in self._before.items() ^ after.items()}
        return tuple(sorted(path for path in differing if path != "/tmp" and not path.startswith("/tmp/")))  # noqa: S108

    def stop(self, grace: float) -> ExitState:
        """Send the image's stop signal, wait up to ``grace`` seconds, then kill; return how it ended."""
        started = time.monotonic()
        for number, patience in ((self._stop_signal, grace), (signal.SIGKILL, 30.0)):
            self._ask({"do": "signal", "number": int(number)})
            deadline = time.monotonic() + patience
            while True:
                self._ended_after = time.monotonic() - started
                if state := self.exit_state():
                    return state
                if time.monotonic() >= deadline:
                    break
                time.sleep(_POLL_SECONDS)
        raise EngineError.of("the container survives SIGKILL", at=self._env["HOSTNAME"])

    def remove(self) -> None:
        """Kill what still runs and leave nothing behind. May be called again."""
        if self._removed:
            return
        self._removed = True
        self._control.close()
        if self._process is not None:
            self._process.end(patience=30.0)
        self._limits.remove()
        self._log.close()
        self._errors.close()
        self._tree.release()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", timeout=timeout)
        try:
            connection.sock = self.connect(timeout)
        except (OSError, EngineError) as error:
            raise ConnectionError(f"the service accepts no connection: {error}") from error
        return connection

    def _start_supervisor(self, theirs: socket.socket) -> Companion:
        package = Path(__file__).resolve().parents[2]
        argv = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _SUPERVISOR,
            str(package),
            str(theirs.fileno()),
            str(self._log.fileno()),
        ]
        return Companion(argv, output=self._errors, descriptors=(theirs.fileno(), self._log.fileno()))

    def _ask(
        self, message: Mapping[str, Any], *, send: int | None = None, descriptors: int = 0
    ) -> tuple[dict[str, Any], list[int]]:
        with self._guard:
            try:
                socket.send_fds(self._control, [json.dumps(message).encode()], [] if send is None else [send])
                answer, received, _, _ = socket.recv_fds(self._control, MAX_MESSAGE, descriptors)
            except OSError as error:
                raise self._lost() from error
            if not answer:
                raise self._lost()
        for descriptor in received:
            os.set_inheritable(descriptor, False)
        decoded: dict[str, Any] = json.loads(answer)
        return decoded, received

    def _lost(self) -> EngineError:
        words = ""
        if not self._errors.closed:
            size = os.fstat(self._errors.fileno()).st_size
            words = os.pread(self._errors.fileno(), 4096, max(0, size - 4096)).decode(errors="replace").strip()
        return EngineError.of("the process beside the container has ended", got=words or "it left no message")


def _may_switch_users() -> bool:
    """True when this process may become any user and mount, as root outside of any sandbox may."""
    if os.geteuid() != 0:
        return False
    with suppress(OSError, ValueError, IndexError):
        capabilities = next(
            int(line.split()[1], 16)
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("CapEff:")
        )
        users = sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines())
        return bool(capabilities >> _CAP_SYS_ADMIN & 1) and users >= 1 << 31
    return False


def _some_cpus(count: int) -> list[int]:
    available = sorted(os.sched_getaffinity(0))
    first = secrets.randbelow(len(available))
    return [available[(first + place) % len(available)] for place in range(min(max(count, 1), len(available)))]


def _missing_limits(limits: Limits, options: RunOptions) -> tuple[str, ...]:
    missing = []
    if limits.memory is None:
        missing.append("memory limit is watched ten times a second, not kept by the kernel")
    if not limits.keeps_cpu and options.cpu != math.ceil(options.cpu):
        missing.append(f"processor limit is rounded up to whole cores: {math.ceil(options.cpu)} for {options.cpu:g}")
    if not limits.keeps_processes:
        missing.append("no limit on processes")
    return tuple(missing)


def _environment(config: ImageConfig, options: RunOptions, hostname: str) -> dict[str, str]:
    env = {"PATH": _PATH, "HOME": "/", "HOSTNAME": hostname, **dict(config.env), **options.env}
    if "PORT" not in env:
        ports = [port.partition("/")[0] for port in config.exposed_ports]
        env |= {"PORT": ports[0]} if ports and ports[0] != str(_PORT) else {}
    return env


def _health(check: Healthcheck | None, interval: float | None) -> dict[str, Any] | None:
    if check is None or not check.test or check.test[0] == "NONE":
        return None
    kind, *rest = check.test
    argv = ["/bin/sh", "-c", *rest] if kind == "CMD-SHELL" else rest
    times = (interval or check.interval, check.timeout, check.start_period, check.retries)
    return {"argv": argv, "times": times}


def _snapshot(root: Path) -> dict[str, tuple[int, int, int]]:
    """Return type, size and time of change of everything in a tree, by absolute path inside it."""
    found: dict[str, tuple[int, int, int]] = {}
    left = [(str(root), "")]
    while left:
        folder, name = left.pop()
        try:
            entries = list(os.scandir(folder))
        except PermissionError:  # nobody but its owner may look, so nobody in the container can write there
            continue
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            path = f"{name}/{entry.name}"
            found[path] = (info.st_mode, info.st_size, info.st_mtime_ns)
            if entry.is_dir(follow_symlinks=False):
                left.append((entry.path, path))
    return found


def _demand_started(answer: Mapping[str, Any], config: ImageConfig) -> None:
    if "error" not in answer:
        return
    step, number, call = answer["error"], answer["errno"], answer["call"]
    reason = os.strerror(number)
    if step == "program":
        if number == errno.ENOEXEC:
            raise EngineError.of(
                "the image is for another processor than this machine's",
                want=_MACHINES.get(platform.machine(), platform.machine()),
                got=config.platform.architecture,
                hint="build for this machine's platform to test here, or test on a machine of that kind",
            )
        raise EngineError.of(f"the image's program cannot be started: {reason}", at=call)
    if step == "working directory":
        raise EngineError.of(f"the image's working directory cannot be entered: {reason}", at=call)
    if is_in_chroot():
        raise EngineUnavailableError.of(
            f"no container can be made in this chroot ({step}): {reason}",
            at=call or None,
            want="Linux namespaces, which users cannot make in a chroot",
            hint=_ROOT_IN_CHROOT_HINT if _may_switch_users() else _CHROOT_HINT,
        )
    raise EngineUnavailableError.of(
        f"this machine does not let this user make a container ({step}): {reason}",
        at=call or None,
        want="Linux namespaces: user (unless root), mount, pid, net, ipc and uts",
        hint=_SETUP_HINT,
    )


def is_in_chroot(proc: Path = Path("/proc")) -> bool:
    """Tell whether this process's root is another folder than its machine's, as far as can be seen from inside.

    A chroot shows by a root that is no mount, or is a mount of some folder; one that is a mount of a whole file
    system cannot be told from a machine unless root asks.
    """
    with suppress(OSError):  # only root may ask
        return not (proc / "1" / "root").samefile("/")
    try:
        lines = (proc / "self" / "mountinfo").read_text().splitlines()
    except OSError:
        return True  # without /proc this is hardly a machine
    # proc(5) § mountinfo: the fourth field is the folder of the file system, the fifth where it is mounted.
    roots = [fields for fields in map(str.split, lines) if fields[4] == "/"]
    return not roots or (roots[-1][3] != "/" and "btrfs" not in roots[-1])

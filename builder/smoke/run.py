"""Runs the smoke tests of one exact image, under the hardening it will meet in production."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from builder.bundle.model import Bundle
from builder.engine.runner import Answer, ExitState, Instance, Runner, RunOptions
from builder.errors import EngineError
from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.oci.media_type import ManifestFormat
from builder.smoke.comparison import Difference, shorten
from builder.smoke.logs import find_load_fault, find_scoring_fault
from builder.smoke.report import SmokeReport, TestResult
from builder.smoke.scenarios import READY_PATH, BuiltIn, Kind, Scenario, scenarios_of
from builder.smoke.unconnected import try_unconnected

LOG_LINES = 40
"""Lines of the container's output that a failure shows."""
HEALTH_INTERVAL = 0.5
"""Seconds between health probes during a test; the image's own interval would only make a person wait."""
SLOW_SECONDS = 1.0
"""A test that lasts longer is named while it runs."""
UIDS = range(20_000, 60_000)
"""Any of them will do: an image must work as whoever it is started."""
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5
_DYING_SECONDS = 0.3
_HEALTH_SECONDS = 15.0
_EXECUTE_SECONDS = 30.0
_LOG_SECONDS = 0.5
_SEARCHED_LINES = 1000
_SERVER_FAULT = 500
_INSIDE = """
import json, os
status = dict(line.rstrip().split(":", 1) for line in open("/proc/1/status") if ":" in line)
print(json.dumps({
    "uid": status["Uid"].split(), "gid": status["Gid"].split(), "groups": status["Groups"].split(),
    "capabilities": status["CapEff"].strip(), "bounding": status["CapBnd"].strip(),
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "read_only": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
}))
"""


def run_smoke(
    bundle: Bundle,
    image: Image,
    runner: Runner,
    *,
    reference: str,
    manifest_digests: Mapping[ManifestFormat, Digest],
    clock: Callable[[], float] = time.time,
    progress: Callable[[str], None] = lambda _: None,
    uid: int | None = None,
) -> SmokeReport:
    """Start the image, ask it everything, stop it, and report; a test that fails is in the report, not raised.

    The container runs as a uid nobody knew in advance (or ``uid``), in group 0, with the bundle's memory and
    processor limits. Whatever happens, Ctrl-C included, the container is removed. An image that cannot be started
    at all is the runner's error.
    """
    started, began = clock(), time.monotonic()
    uid = secrets.choice(UIDS) if uid is None else uid
    options = RunOptions(
        memory=bundle.resources.memory, cpu=bundle.resources.cpu, uid=uid, health_interval=HEALTH_INTERVAL
    )
    progress(f"starting {reference} on {runner.name}")
    instance = runner.start(image, options)
    try:
        session = _Session(bundle=bundle, image=image, instance=instance, progress=progress, uid=uid)
        session.run()
        if not session.not_run and not runner.cuts_network:
            limit = bundle.service.startup_timeout
            session.tests.append(try_unconnected(image, runner, options, limit=limit))
        passed = not session.not_run and all(test.passed for test in session.tests)
        return SmokeReport(
            image_id=image.image_id,
            manifest_digests=dict(manifest_digests),
            reference=reference,
            runner=runner.name,
            unapplied=runner.unapplied,
            uid=uid,
            started=started,
            seconds=time.monotonic() - began,
            tests=tuple(session.tests),
            not_run=tuple(session.not_run),
            exit=session.exit,
            logs="" if passed else instance.logs(LOG_LINES).rstrip("\n"),
        )
    finally:
        instance.remove()


class _GoneError(Exception):
    """The container ended before its time."""

    def __init__(self, state: ExitState) -> None:
        super().__init__(state)
        self.state = state


@dataclass(kw_only=True, slots=True)
class _Session:
    """One running container and what was found out about it so far."""

    bundle: Bundle
    image: Image
    instance: Instance
    progress: Callable[[str], None]
    uid: int
    tests: list[TestResult] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    exit: ExitState | None = None
    memory_kills: int = 0

    def run(self) -> None:
        steps: list[tuple[str, Kind, Callable[[], _Finding]]] = [
            (BuiltIn.READY, Kind.BUILT_IN, self._ready),
            (BuiltIn.HARDENED, Kind.BUILT_IN, self._hardened),
        ]
        steps += [
            (one.name, one.kind, _Asking(self.instance, one, self._patience, self._search))
            for one in scenarios_of(self.bundle)
        ]
        steps += [
            (BuiltIn.HEALTH, Kind.BUILT_IN, self._healthy),
            (BuiltIn.WRITES, Kind.BUILT_IN, self._clean),
            (BuiltIn.STOPS, Kind.BUILT_IN, self._stops),
        ]
        for number, (name, kind, step) in enumerate(steps):
            began = time.monotonic()
            with self._telling(f"{number + 1} of {len(steps)}: {name}"):
                finding = self._take(step, is_last=number == len(steps) - 1)
            seconds = time.monotonic() - began if finding.seconds is None else finding.seconds
            self.tests.append(
                TestResult(
                    name=name,
                    kind=kind,
                    passed=not finding.differences,
                    seconds=None if name == BuiltIn.HEALTH else seconds,  # it was probed all along
                    status=finding.status,
                    differences=finding.differences,
                )
            )
            if finding.is_final:
                self.not_run = [left[0] for left in steps[number + 1 :]]
                return

    @contextmanager
    def _telling(self, text: str) -> Iterator[None]:
        timer = threading.Timer(SLOW_SECONDS, self.progress, (text,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _take(self, step: Callable[[], _Finding], *, is_last: bool) -> _Finding:
        """Take one step; a container that is gone afterwards is the finding, whatever the step says."""
        try:
            finding = step()
            if finding.differences and not is_last:
                # A container that is just dying refuses connections a moment before it is seen to have ended.
                self._demand_running(patience=_DYING_SECONDS if finding.status is None else 0.0)
                finding = self._with_memory(finding)
        except _GoneError as gone:
            self.exit = gone.state
            return _Finding.of(_death(gone.state, find_load_fault(self._printed())), is_final=True)
        except EngineError as error:
            state = None if is_last else self.instance.exit_state()
            if state is not None:
                self.exit = state
                return _Finding.of(_death(state), is_final=True)
            return _Finding.of(Difference(at="container", want="the question answered", got=str(error)))
        return finding

    @property
    def _patience(self) -> float:
        return self.bundle.service.request_timeout + 5.0

    def _ready(self) -> _Finding:
        """Ask until it is ready, at first very often, since most models load in a blink."""
        limit = self.bundle.service.startup_timeout
        deadline = time.monotonic() + limit
        pause, last = _FIRST_PAUSE, "it accepts no connection"
        while True:
            self._demand_running()
            left = deadline - time.monotonic()
            try:
                answer = self.instance.request(
                    "GET", READY_PATH, body=None, headers={}, timeout=min(2.0, max(left, _FIRST_PAUSE))
                )
            except ConnectionError as error:
                last = str(error)
            else:
                if answer.status == 200:
                    return _Finding(status=200)
                last = f"{answer.status}: {shorten(answer.body.decode(errors='replace'))}"
                if _says_failed(answer.body):
                    return self._never_ready("ready", last)
            if time.monotonic() + pause >= deadline:
                self._demand_running()
                return self._never_ready(f"ready within {limit:g} s (service.startup_timeout)", last)
            time.sleep(pause)
            pause = min(pause * 1.3, _LONGEST_PAUSE)

    def _never_ready(self, want: str, got: str) -> _Finding:
        return _Finding.of(
            Difference(at=READY_PATH, want=want, got=self._search(find_load_fault) or got), is_final=True
        )

    def _search(self, find: Callable[[str], str | None]) -> str | None:
        """Look into what the container printed, for a moment, since an answer may overtake its log line."""
        deadline = time.monotonic() + _LOG_SECONDS
        while True:
            cause = find(self._printed())
            if cause or time.monotonic() >= deadline:
                return cause
            time.sleep(_FIRST_PAUSE)

    def _printed(self) -> str:
        try:
            return self.instance.logs(_SEARCHED_LINES)
        except EngineError:
            return ""  # the fault is told without its cause

    def _hardened(self) -> _Finding:
        """Read, from inside, what the first process may do; what was asked of the runner must have come to pass."""
        interpreter = self.image.config.entrypoint[0]
        done = self.instance.execute([interpreter, "-I", "-S", "-c", _INSIDE], timeout=_EXECUTE_SECONDS)
        try:
            inside = json.loads(done.output)
        except ValueError:
            return _Finding.of(
                Difference(
                    at="container", want="a program that runs inside", got=f"exit code {done.code}: {done.output}"
                )
            )
        want = {
            "uid": [str(self.uid)] * 4,
            "gid": ["0"] * 4,
            "capabilities": "0" * 16,
            "bounding": "0" * 16,
            "no_new_privileges": "1",
            "read_only": True,
        }
        return _Finding(
            differences=tuple(
                Difference(at=name, want=str(value), got=str(inside.get(name)))
                for name, value in want.items()
                if inside.get(name) != value
            )
        )

    def _healthy(self) -> _Finding:
        deadline = time.monotonic() + _HEALTH_SECONDS
        while True:
            state = self.instance.health()
            if state == "healthy":
                return _Finding()
            if state in (None, "unhealthy") or time.monotonic() >= deadline:
                got = state or "the image has no HEALTHCHECK"
                return _Finding.of(Difference(at="health", want=f"healthy within {_HEALTH_SECONDS:g} s", got=got))
            self._demand_running()
            time.sleep(_FIRST_PAUSE)

    def _clean(self) -> _Finding:
        changes = self.instance.changes()
        return _Finding(
            differences=tuple(Difference(at=path, want="untouched", got="changed") for path in changes[:10])
        )

    def _stops(self) -> _Finding:
        self._demand_running()
        grace = self.bundle.service.shutdown_grace
        state = self.exit = self.instance.stop(grace)
        differences = []
        if state.was_killed_for_memory:
            differences.append(_death(state))
        elif state.code != 0:
            late = state.seconds >= grace
            got = f"killed after {state.seconds:.2f} s" if late else f"exit code {state.code}"
            differences.append(Difference(at="exit code", want=f"0 within {grace:g} s of SIGTERM", got=got))
        return _Finding(differences=tuple(differences), seconds=state.seconds)

    def _with_memory(self, finding: _Finding) -> _Finding:
        """Add to a failure that a process was killed for want of memory since the last look, if one was."""
        kills = self.instance.memory_kills()
        if kills <= self.memory_kills:
            return finding
        self.memory_kills = kills
        limit = _size(self.bundle.resources.memory)
        note = Difference(at="memory", want=f"enough in {limit} (resources.memory)", got=f"{kills} process(es) killed")
        return replace(finding, differences=(note, *finding.differences))

    def _demand_running(self, patience: float = 0.0) -> None:
        deadline = time.monotonic() + patience
        while True:
            if state := self.instance.exit_state():
                raise _GoneError(state)
            if time.monotonic() >= deadline:
                return
            time.sleep(_FIRST_PAUSE)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finding:
    """What one step found. ``is_final``: there is nothing left to ask."""

    differences: tuple[Difference, ...] = ()
    status: int | None = None
    seconds: float | None = None
    is_final: bool = False

    @classmethod
    def of(cls, difference: Difference, *, is_final: bool = False) -> _Finding:
        return cls(differences=(difference,), is_final=is_final)


@dataclass(frozen=True, slots=True)
class _Asking:
    """The step that sends one scenario's request."""

    instance: Instance
    scenario: Scenario
    patience: float
    search: Callable[[Callable[[str], str | None]], str | None]

    def __call__(self) -> _Finding:
        scenario = self.scenario
        try:
            answer = self.instance.request(
                scenario.method, scenario.path, body=scenario.body, headers=scenario.headers, timeout=self.patience
            )
        except ConnectionError as error:
            return _Finding.of(Difference(at="answer", want=f"an answer within {self.patience:g} s", got=str(error)))
        differences = scenario.judge(answer)
        if differences and answer.status == _SERVER_FAULT:
            differences = self._explain(answer, differences)
        return _Finding(differences=differences, status=answer.status, seconds=answer.seconds)

    def _explain(self, answer: Answer, differences: tuple[Difference, ...]) -> tuple[Difference, ...]:
        """Tell a 500 by its log line: clients are never told what the author's code raised, its author must be."""
        request_id = answer.headers.get("x-request-id")
        cause = self.search(lambda text: find_scoring_fault(text, request_id)) if request_id else None
        if cause is None:
            return differences
        first, *rest = differences
        return (replace(first, got=f"{answer.status}: {cause}"), *rest)


def _says_failed(body: bytes) -> bool:
    """True when the service itself says that it will never be ready."""
    try:
        status = json.loads(body)
    except ValueError:
        return False
    return isinstance(status, dict) and status.get("status") == "failed"


def _death(state: ExitState, cause: str | None = None) -> Difference:
    got = f"it ended with exit code {state.code}"
    if state.was_killed_for_memory:
        got = f"it was killed for want of memory (exit code {state.code})"
    elif state.code > 128:
        got += f": signal {state.code - 128}"
    if cause:
        got = f"{cause}; {got}"
    return Difference(at="container", want="a container that keeps running", got=got)


def _size(count: int) -> str:
    return f"{count / (1 << 20):g} MiB"

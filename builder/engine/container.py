"""One container of a Docker engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import docker
import docker.errors
import requests.exceptions

from builder.engine.runner import Answer, Executed, ExitState
from builder.engine.service import ask
from builder.errors import EngineError

_FAILURES = (docker.errors.DockerException, requests.exceptions.RequestException)
_POLL_SECONDS = 0.02


class DockerInstance:
    """A started container, found again by its ID; every question is put to the engine anew."""

    def __init__(self, client: docker.DockerClient, container_id: str, *, host: str, port: str) -> None:
        self._api = client.api
        self._id = container_id
        self._host = host
        self._exposed = port
        self._published: int | None = None
        self._ended_after = 0.0

    @property
    def container_id(self) -> str:
        """The engine's ID of the container."""
        return self._id

    @property
    def address(self) -> tuple[str, int]:
        """Host and port the service is published on; a container that publishes nothing (it ended) is an error."""
        if self._published is None:
            ports = (self._inspect().get("NetworkSettings") or {}).get("Ports") or {}
            bindings = ports.get(self._exposed) or []
            if not bindings:
                raise ConnectionError("the container publishes no port; has it ended?")
            self._published = int(bindings[0]["HostPort"])
        return self._host, self._published

    def request(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        """Send one HTTP request to the service. No connection or no answer in time is a ConnectionError."""
        host, port = self.address
        return ask(host, port, method, path, body=body, headers=headers, timeout=timeout)

    def execute(self, argv: Sequence[str], *, timeout: float) -> Executed:
        """Run a program inside, as the same user. One that takes longer than ``timeout`` is an EngineError."""
        try:
            execution = str(self._api.exec_create(self._id, list(argv))["Id"])
        except _FAILURES as error:
            raise self._error("run a program in the container", error) from error
        output: list[bytes] = []
        failures: list[Exception] = []

        def follow() -> None:
            try:
                output.append(self._api.exec_start(execution) or b"")
            except _FAILURES as error:
                failures.append(error)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        thread.join(timeout)
        if thread.is_alive():
            raise EngineError.of(f"a program in the container still ran after {timeout:g} s", at=" ".join(argv))
        if failures:
            raise self._error("run a program in the container", failures[0])
        code = self._api.exec_inspect(execution).get("ExitCode")
        return Executed(code=int(code or 0), output=b"".join(output).decode(errors="replace"))

    def health(self) -> str | None:
        """Return ``starting``, ``healthy`` or ``unhealthy``, None when the image has no HEALTHCHECK."""
        status = (self._inspect()["State"].get("Health") or {}).get("Status")
        return str(status) if status and status != "none" else None

    def exit_state(self) -> ExitState | None:
        """Return how the main process ended, or None while it runs."""
        state: dict[str, Any] = self._inspect()["State"]
        if state.get("Status") in ("created", "running", "paused", "restarting", "removing"):
            return None
        return ExitState(
            code=int(state.get("ExitCode", 0)),
            was_killed_for_memory=bool(state.get("OOMKilled")),
            seconds=self._ended_after,
        )

    def memory_kills(self) -> int:
        """Return how many processes inside were ended for want of memory, as far as the engine noticed.

        Its state tells of the main process only; for others there is an event.
        """
        until: Any = f"{time.time():.9f}"  # whole seconds would leave the present one out
        filters = {"container": [self._id], "event": ["oom"]}
        try:
            events = self._api.events(since=0, until=until, filters=filters, decode=True)
            seen = sum(1 for _ in events)
        except _FAILURES:
            seen = 0
        return max(seen, int(bool(self._inspect()["State"].get("OOMKilled"))))

    def logs(self, lines: int) -> str:
        """Return the last lines of what the container printed."""
        try:
            text: bytes = self._api.logs(self._id, tail=lines)
        except _FAILURES as error:
            raise self._error("give the container's output", error) from error
        return text.decode(errors="replace")

    def follow(self) -> Iterator[str]:
        """Yield what the container prints, from the beginning until it ends."""
        try:
            for chunk in self._api.logs(self._id, stream=True, follow=True):
                yield chunk.decode(errors="replace")
        except _FAILURES as error:
            raise self._error("give the container's output", error) from error

    def changes(self) -> tuple[str, ...]:
        """Return absolute paths outside /tmp that were added, changed or removed since the start, sorted."""
        try:
            changed = self._api.diff(self._id) or ()
        except _FAILURES as error:
            raise self._error("compare the container with its image", error) from error
        paths = (str(change["Path"]) for change in changed)
        return tuple(sorted(path for path in paths if path != "/tmp" and not path.startswith("/tmp/")))  # noqa: S108

    def stop(self, grace: float) -> ExitState:
        """Send SIGTERM, wait up to ``grace`` seconds, then kill; return how it ended and how long that took."""
        started = time.monotonic()
        self._signal("SIGTERM")
        ended = self._ended_within(grace)
        if not ended:
            self._signal("SIGKILL")
            self._ended_within(30.0)
        self._ended_after = time.monotonic() - started
        state = self.exit_state()
        if state is None:
            raise EngineError.of("the container survives SIGKILL", at=self._id[:12])
        return state

    def remove(self) -> None:
        """Kill what still runs and leave nothing behind; a container that is gone already is no error."""
        try:
            self._api.remove_container(self._id, force=True, v=True)
        except docker.errors.NotFound:
            return
        except _FAILURES as error:
            if isinstance(error, docker.errors.APIError) and "already in progress" in str(error.explanation):
                return
            raise self._error("remove the container", error) from error

    def _inspect(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._api.inspect_container(self._id)
        except _FAILURES as error:
            raise self._error("inspect the container", error) from error
        return found

    def _signal(self, name: str) -> None:
        try:
            self._api.kill(self._id, name)
        except docker.errors.APIError as error:
            if error.status_code != 409:  # 409: it has ended already
                raise self._error(f"send {name}", error) from error
        except _FAILURES as error:
            raise self._error(f"send {name}", error) from error

    def _ended_within(self, seconds: float) -> bool:
        """Poll, since a wait that times out cannot be told from an engine that broke off."""
        deadline = time.monotonic() + seconds
        while self.exit_state() is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _error(self, action: str, error: Exception) -> EngineError:
        words = error.explanation if isinstance(error, docker.errors.APIError) else None
        return EngineError.of(f"the engine could not {action}", at=self._id[:12], got=str(words or error))

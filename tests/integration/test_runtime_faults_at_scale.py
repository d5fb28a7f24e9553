"""Faults while many clients ask: no request that could be answered is lost, and the service is well afterwards."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest
from runtime_service import NUMBER_SCHEMA, Service, make_root, running, wait_for

FRAGILE = """
import ctypes
import os
import time

def load(model_dir):
    return 2

def predict(model, records):
    for record in records:
        match record.get("b"):
            case "die":
                os._exit(9)
            case "crash":
                ctypes.string_at(0)
            case "hang":
                time.sleep(3600)
            case "memory":
                import signal
                os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
    time.sleep(0.002)
    return [record["a"] * model for record in records]
"""
LIMIT = 30
"""Seconds a client waits; far more than anything takes on a machine that is merely slow."""


class Clients:
    """Threads that ask one thing after another over connections they keep, and check every answer."""

    def __init__(self, service: Service, number: int) -> None:
        self._service = service
        self._stop = threading.Event()
        self.statuses: Counter[int] = Counter()
        self.broken: list[str] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(each,), daemon=True) for each in range(number)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(LIMIT + 10)
            assert not thread.is_alive()

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    def wait_for_more(self, number: int) -> None:
        wanted = self.answered + number
        wait_for(lambda: self.answered >= wanted, 40, lambda: f"{self.statuses} {self.broken}")

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=LIMIT)
        value = number
        while not self._stop.is_set():
            value += 1
            try:
                connection.request("POST", "/predict", json.dumps({"a": value}), {"content-type": "application/json"})
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, ValueError, http.client.HTTPException) as error:
                with self._lock:
                    self.broken.append(repr(error))
                connection.close()
                continue
            with self._lock:
                self.statuses[response.status] += 1
                if response.status == 200 and answer != {"predictions": [value * 2]}:
                    self.broken.append(f"{answer} for {value}")
        connection.close()


@contextlib.contextmanager
def fragile(folder: Path, **service: Any) -> Iterator[Service]:
    limits = {"workers": 2, "max_queue": 1000, "request_timeout": LIMIT, "max_body": 1_000_000}
    with running(make_root(folder / "root", FRAGILE, schema=NUMBER_SCHEMA, service=limits | service)) as service_:
        wait_for(lambda: len(service_.worker_pids()) == 2)
        yield service_


def check_health(service: Service) -> None:
    """Everything answers, two workers are idle, nothing is left behind."""
    wait_for(lambda: service.metric('kiln_workers{state="idle"}') == 2, 30, service.read_log)
    assert service.get("/livez").status == 200
    assert service.get("/readyz").status == 200
    assert service.predict({"a": 21}).json == {"predictions": [42]}
    assert service.metric("kiln_requests_in_flight") == 0
    assert service.metric("kiln_queue_length") == 0
    assert service.metric("process_resident_memory_bytes") < 100 << 20
    assert not [line for line in service.log() if "internal error" in line["message"]]


def test_workers_killed_under_load_lose_no_request(tmp_path: Path) -> None:
    with fragile(tmp_path) as service:
        with Clients(service, 16) as clients:
            for _ in range(3):
                clients.wait_for_more(100)
                for pid in service.worker_pids():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    clients.wait_for_more(50)  # whatever was tried again is answered by then
            clients.wait_for_more(100)
        assert clients.broken == []
        assert set(clients.statuses) == {200}
        check_health(service)


@pytest.mark.parametrize("poison", ["die", "crash", "memory"])
def test_a_request_that_kills_its_worker_fails_alone(tmp_path: Path, poison: str) -> None:
    with fragile(tmp_path) as service:
        with Clients(service, 16) as clients:
            clients.wait_for_more(50)
            answer = service.request(
                "POST",
                "/predict",
                json.dumps({"a": 1, "b": poison}).encode(),
                timeout=LIMIT,
                content_type="application/json",
            )
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            clients.wait_for_more(50)
        assert clients.broken == []
        assert set(clients.statuses) == {200}
        check_health(service)


def test_a_request_that_hangs_takes_none_along_that_came_later(tmp_path: Path) -> None:
    with fragile(tmp_path, request_timeout=4) as service:
        with Clients(service, 16) as clients:
            clients.wait_for_more(50)
            answer = service.predict({"a": 1, "b": "hang"})
            assert answer.status == 504
            clients.wait_for_more(50)
        assert clients.broken == []
        # those who shared the call with it came at about the same time, and have no more of it left than it has
        assert set(clients.statuses) <= {200, 504}
        assert clients.statuses[504] <= 16
        assert service.metric('kiln_worker_restarts_total{reason="hang"}') == 1
        check_health(service)


def test_clients_that_dawdle_or_vanish_cost_the_others_nothing(tmp_path: Path) -> None:
    with fragile(tmp_path) as service, contextlib.ExitStack() as stack:
        dawdlers = [stack.enter_context(socket.create_connection(("127.0.0.1", service.port))) for _ in range(200)]
        with Clients(service, 8) as clients:
            for number, dawdler in enumerate(dawdlers):
                dawdler.sendall(
                    (b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{", b"GET / HT", b"")[number % 3]
                )
            clients.wait_for_more(100)
            for number, dawdler in enumerate(dawdlers):
                if number % 2:
                    dawdler.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
                dawdler.close()
            clients.wait_for_more(100)
        assert clients.broken == []
        assert set(clients.statuses) == {200}
        wait_for(lambda: service.metric("kiln_connections") <= 1)
        check_health(service)


def test_bodies_of_50_megabytes_are_refused_and_not_kept(tmp_path: Path) -> None:
    body = json.dumps({"a": 1, "b": "x" * 50_000_000}).encode()
    with fragile(tmp_path) as service:
        with Clients(service, 4) as clients:
            for chunked in (False, True) * 3:
                assert send_large(service, body, chunked=chunked) == 413
            clients.wait_for_more(20)
        assert clients.broken == []
        assert set(clients.statuses) == {200}
        check_health(service)


def send_large(service: Service, body: bytes, *, chunked: bool) -> int:
    """Return the status a large body gets, whenever it comes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=LIMIT) as connection:
        length = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % len(body)
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\n%b\r\n\r\n" % length)
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
        return int(connection.recv(65536).split()[1])


# --- malformed requests -------------------------------------------------------------------------------------------

VALID = b'{"a": 1, "b": "text"}'
BROKEN_NUMBERS = (b"NaN", b"-Infinity", b"1e999", b"01", b"1.", b".5", b"+1", b"0x10", b"1e", b"--1")


def flip_bits(chance: random.Random, body: bytes) -> bytes:
    damaged = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def cut(chance: random.Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body))]


def repeat(chance: random.Random, body: bytes) -> bytes:
    start = chance.randrange(len(body))
    return body[:start] + body[start : start + chance.randint(1, 9)] * chance.randint(2, 50) + body[start:]


def invent(chance: random.Random, _body: bytes) -> bytes:
    return bytes(chance.randrange(256) for _ in range(chance.randint(0, 200)))


def nest(chance: random.Random, _body: bytes) -> bytes:
    depth = chance.choice((10, 1000, 40_000))
    return chance.choice((b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth))


def put_number(chance: random.Random, _body: bytes) -> bytes:
    return b'{"a": %b}' % chance.choice(BROKEN_NUMBERS)


def put_value(chance: random.Random, _body: bytes) -> bytes:
    values: list[Any] = [None, True, "1", [], {}, [1], {"a": 1}, 10**400, -1001, "\0", "\ud800", "é" * 50]
    name = chance.choice(["a", "b", "c", "", "a\0", "é" * 300])
    return json.dumps({"a": 1} | {name: chance.choice(values)}).encode()


def wrap(chance: random.Random, body: bytes) -> bytes:
    return (
        chance.choice((b'{"records": %b}', b'{"records": [%b, 1]}', b"[%b, null]", b'{"instances": {"x": %b}}')) % body
    )


DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    flip_bits,
    cut,
    repeat,
    invent,
    nest,
    put_number,
    put_value,
    wrap,
)
HEADS = (
    b"POST /predict HTTP/1.1\r\nhost: x\r\n",
    b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n",
    b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n",
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n",
    b"POST /v1/models/double:predict HTTP/1.1\r\nhost: x\r\n",
    b"POST /v2/models/double/infer HTTP/1.1\r\nhost: x\r\n",
    b"PUT /predict HTTP/1.1\r\nhost: x\r\n",
)


def read_answer(connection: socket.socket) -> tuple[int, bytes, bool]:
    """Return status, body, and whether the connection stays."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    body = response.read()
    return response.status, body, not response.will_close


def test_ten_thousand_malformed_bodies_are_each_answered_by_what_they_are(tmp_path: Path) -> None:
    chance = random.Random(20261122)
    statuses: Counter[int] = Counter()
    with fragile(tmp_path) as service:
        with Clients(service, 2) as clients:
            connection = socket.create_connection(("127.0.0.1", service.port), timeout=LIMIT)
            for _ in range(10_000):
                body = chance.choice(DAMAGES)(chance, VALID)
                connection.sendall(chance.choice(HEADS) + b"content-length: %d\r\n\r\n%b" % (len(body), body))
                status, answer, stays = read_answer(connection)
                statuses[status] += 1
                assert status in {200, 400, 404, 405, 413, 415}, (status, body, answer)
                if status != 200:
                    told = json.loads(answer)
                    assert isinstance(told, dict)
                    assert told.get("error") or told.get("message"), (status, body, answer)
                if not stays:
                    connection.close()
                    connection = socket.create_connection(("127.0.0.1", service.port), timeout=LIMIT)
            connection.close()
        assert clients.broken == []
        assert set(clients.statuses) == {200}
        assert statuses[400] > 3000
        assert service.metric('kiln_worker_restarts_total{reason="crash"}') == 0
        check_health(service)


def test_a_thousand_requests_that_are_no_http_leave_the_service_well(tmp_path: Path) -> None:
    chance = random.Random(7)
    whole = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n" + VALID
    with fragile(tmp_path) as service:
        with Clients(service, 2) as clients:
            for _ in range(1000):
                data = chance.choice((flip_bits, repeat, invent, cut))(chance, whole)
                with socket.create_connection(("127.0.0.1", service.port), timeout=LIMIT) as connection:
                    with contextlib.suppress(ConnectionError):
                        connection.sendall(data)
                        connection.shutdown(socket.SHUT_WR)
                    answer = b""
                    with contextlib.suppress(ConnectionError):
                        while chunk := connection.recv(65536):
                            answer += chunk
                assert answer == b"" or answer.startswith(b"HTTP/1.1 "), data
                assert not answer.startswith(b"HTTP/1.1 5") or answer.startswith(b"HTTP/1.1 505"), (data, answer)
        assert clients.broken == []
        assert set(clients.statuses) == {200}
        check_health(service)


def test_health_answers_while_every_worker_holds_its_interpreter(tmp_path: Path) -> None:
    script = (
        "import time\ndef load(d):\n    return None\n"
        "def predict(m, records):\n"
        "    end = time.monotonic() + 30\n"
        "    while time.monotonic() < end:\n        sum(range(100000))\n"
        "    return [1 for _ in records]\n"
    )
    limits = {"workers": 2, "request_timeout": 120}
    with running(make_root(tmp_path / "root", script, service=limits)) as service, ThreadPoolExecutor(2) as pool:
        wait_for(lambda: service.metric('kiln_workers{state="idle"}') == 2)
        begun = time.monotonic()
        asked = [pool.submit(service.request, "POST", "/predict", VALID, timeout=LIMIT + 30) for _ in range(2)]
        wait_for(lambda: service.metric("kiln_requests_in_flight") == 2)
        spent = []
        while service.metric("kiln_requests_in_flight"):
            for path in ("/livez", "/readyz", "/metrics"):
                began = time.monotonic()
                assert service.get(path).status == 200
                spent.append(time.monotonic() - began)
            time.sleep(0.1)
        assert time.monotonic() - begun >= 30
        # the machine may be busy with other things for a moment; the model is not what anybody waited for
        assert sorted(spent)[len(spent) // 2] < 0.05
        assert [each.result(LIMIT).status for each in asked] == [200, 200]

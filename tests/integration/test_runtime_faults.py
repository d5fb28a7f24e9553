"""What happens when the model hangs, dies, does not load, or when there is too much to do."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from runtime_service import ENTRY, NUMBER_SCHEMA, Answer, Service, find_port, make_root, run_entry, running, wait_for

OBEDIENT = """
import os, sys, time

def load(model_dir):
    return None

def predict(model, records):
    for record in records:
        match record["do"]:
            case "raise":
                raise ValueError("a bad record")
            case "die":
                os._exit(9)
            case "hang":
                time.sleep(3600)
            case "hog":
                end = time.monotonic() + record["for"]
                while time.monotonic() < end:
                    sum(range(1000))
            case "sleep":
                time.sleep(record["for"])
    return [record["do"] for record in records]
"""


def ask(service: Service, do: str, **more: Any) -> Answer:
    return service.predict({"do": do, **more})


def hang(service: Service) -> None:
    """Ask for what is never answered, for as long as the service is there."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        ask(service, "hang")


def in_background(call: Callable[[], Answer]) -> Future[Answer]:
    executor = ThreadPoolExecutor(1)
    future = executor.submit(call)
    executor.shutdown(wait=False)
    return future


def test_a_model_that_raises_is_a_500_with_the_traceback_in_the_log_only(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", OBEDIENT)) as service:
        answer = ask(service, "raise")
        assert answer.status == 500
        assert answer.json["error"] == "scoring failed"
        assert "bad record" not in answer.body.decode()
        line = service.find_log(logger="kiln.scoring", request_id=answer.json["request_id"])
        assert "a bad record" in line["exception"]
        assert "score.py" in line["exception"]
        assert "contracts.py" not in line["exception"]
        assert ask(service, "nothing").status == 200


def test_a_hanging_worker_is_replaced_and_its_caller_gets_504(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", OBEDIENT, service={"request_timeout": 1})
    with running(root) as service:
        before = service.worker_pids()
        began = time.monotonic()
        answer = ask(service, "hang")
        assert answer.status == 504
        assert 0.9 < time.monotonic() - began < 4
        service.wait_ready()
        assert ask(service, "nothing").status == 200
        assert service.worker_pids() != before
        assert service.metric('kiln_worker_restarts_total{reason="hang"}') == 1


def test_a_worker_that_dies_takes_only_its_own_requests_along(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", OBEDIENT, service={"batching": {"enabled": False}})
    with running(root) as service:
        slow = in_background(lambda: ask(service, "sleep", **{"for": 0.5}))
        time.sleep(0.2)
        dying = in_background(lambda: ask(service, "die"))
        time.sleep(0.1)
        waiting = in_background(lambda: ask(service, "nothing"))
        assert slow.result(10).status == 200
        lost = dying.result(10)
        assert (lost.status, lost.headers["retry-after"]) == (503, "1")
        assert waiting.result(10).status == 200


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", OBEDIENT)) as service:
        (pid,) = service.worker_pids()
        os.kill(pid, signal.SIGKILL)
        service.find_log(message="a worker ended: SIGKILL", pid=pid)
        service.wait_ready()
        assert ask(service, "nothing").status == 200


def test_health_answers_at_once_while_the_model_hogs_its_interpreter(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", OBEDIENT)) as service:
        busy = in_background(lambda: ask(service, "hog", **{"for": 2}))
        time.sleep(0.2)
        spent = []
        for path in ("/livez", "/readyz", "/metrics") * 5:
            began = time.monotonic()
            assert service.get(path).status == 200
            spent.append(time.monotonic() - began)
        assert sorted(spent)[len(spent) // 2] < 0.05
        assert busy.result(10).status == 200


def test_one_bad_record_fails_only_its_own_request(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", OBEDIENT)) as service:
        first = in_background(lambda: ask(service, "sleep", **{"for": 0.6}))
        time.sleep(0.2)
        rest = [in_background(lambda do=do: ask(service, do)) for do in ("x", "raise", "y")]
        assert [first.result(10).status, *(each.result(10).status for each in rest)] == [200, 200, 500, 200]
        assert rest[2].result().json == {"predictions": ["y"]}
        service.find_log(message="a batch of 3 requests failed")


def test_concurrent_requests_share_a_call(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", OBEDIENT)) as service:
        first = in_background(lambda: ask(service, "sleep", **{"for": 0.6}))
        time.sleep(0.2)
        rest = [in_background(lambda: ask(service, "x")) for _ in range(10)]
        assert {each.result(10).status for each in (first, *rest)} == {200}
        assert service.metric("kiln_batch_records_count") == 2
        assert service.metric("kiln_batch_records_sum") == 11


def test_past_the_queue_a_request_is_told_to_come_again(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", OBEDIENT, service={"max_queue": 2, "batching": {"enabled": False}})
    with running(root) as service:
        kept = [in_background(lambda: ask(service, "sleep", **{"for": 1}))]
        time.sleep(0.3)
        kept += [in_background(lambda: ask(service, "x")) for _ in range(2)]
        wait_for(lambda: service.metric("kiln_queue_length") == 2)
        answer = ask(service, "x")
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert [each.result(10).status for each in kept] == [200, 200, 200]


def test_requests_wait_while_the_model_loads(tmp_path: Path) -> None:
    script = (
        "import time\ndef load(d):\n    time.sleep(1.5)\ndef predict(m, records):\n    return [1 for _ in records]\n"
    )
    with running(make_root(tmp_path / "root", script), ready=False) as service:
        wait_for(lambda: service.get("/livez").status == 200)
        answer = service.get("/readyz")
        assert (answer.status, answer.json) == (503, {"status": "loading"})
        assert service.predict({"a": 1}).json == {"predictions": [1]}
        assert service.get("/readyz").json == {"status": "ready"}


def test_a_request_is_not_held_for_ever_while_the_model_loads(tmp_path: Path) -> None:
    script = "import time\ndef load(d):\n    time.sleep(60)\ndef predict(m, records):\n    return records\n"
    root = make_root(tmp_path / "root", script, service={"request_timeout": 0.5})
    with running(root, ready=False) as service:
        wait_for(lambda: service.get("/livez").status == 200)
        answer = service.predict({"a": 1})
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_a_model_that_does_not_load_leaves_liveness_and_ends_after_some_tries(tmp_path: Path) -> None:
    script = "def load(d):\n    raise RuntimeError('no such weights')\ndef predict(m, records):\n    return records\n"
    root = make_root(tmp_path / "root", script, service={"workers": 2})
    with running(root, ready=False) as service:
        wait_for(lambda: service.get("/readyz").json == {"status": "failed"})
        assert service.get("/livez").status == 200
        answer = service.predict({"a": 1})
        assert (answer.status, answer.json["error"]) == (503, "the model does not load")
        assert "no such weights" in service.find_log(level="critical")["exception"]
        assert service.process.wait(15) == 70
        assert sum(line["message"].startswith("the model does not load") for line in service.log()) in {3, 4}


def test_a_model_that_takes_too_long_to_load_counts_as_failed(tmp_path: Path) -> None:
    script = "import time\ndef load(d):\n    time.sleep(60)\ndef predict(m, records):\n    return records\n"
    root = make_root(tmp_path / "root", script, service={"startup_timeout": 0.5})
    with running(root, ready=False, KILN_LOAD_ATTEMPTS="1") as service:
        assert service.process.wait(15) == 70


def test_a_sigterm_lets_requests_finish_and_ends_with_0(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", OBEDIENT)) as service:
        pids = service.worker_pids()
        open_one = in_background(lambda: ask(service, "sleep", **{"for": 1}))
        time.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        answer = open_one.result(10)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert service.process.wait(5) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_drain_ends_when_the_grace_period_does(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", OBEDIENT, service={"shutdown_grace": 0.5})
    with running(root) as service:
        hanging = threading.Thread(target=hang, args=(service,), daemon=True)
        hanging.start()
        time.sleep(0.3)
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 3
        service.find_log(message="1 requests were given up")


def test_a_second_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", OBEDIENT)) as service:
        pids = service.worker_pids()
        threading.Thread(target=hang, args=(service,), daemon=True).start()
        time.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        service.find_log(message="SIGTERM: draining")
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(3) == 128 + signal.SIGTERM
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_a_taken_port_has_its_own_exit_code(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root")) as service:
        ended = run_entry(tmp_path / "root", "serve", PORT=str(service.port), KILN_HOST="127.0.0.1")
    assert ended.returncode == 71
    assert "cannot listen" in json.loads(ended.stdout)["message"]


def test_a_broken_bundle_json_has_its_own_exit_code(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    (root / "opt/model/bundle.json").write_text('{"name": "x"}')
    ended = run_entry(root, "serve", PORT=str(find_port()))
    assert ended.returncode == 78
    assert "not a resolved bundle" in json.loads(ended.stdout)["message"]


def test_a_schema_that_is_none_has_the_same_exit_code(tmp_path: Path) -> None:
    ended = run_entry(make_root(tmp_path / "root", schema={"type": "objekt"}), "serve", PORT=str(find_port()))
    assert ended.returncode == 78


def test_a_setting_that_is_no_number_has_the_same_exit_code(tmp_path: Path) -> None:
    ended = run_entry(make_root(tmp_path / "root"), "serve", PORT="eighty")
    assert ended.returncode == 78
    assert "PORT must be a number" in ended.stdout


def test_nothing_is_lost_when_workers_are_killed_under_load(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", schema=NUMBER_SCHEMA, service={"workers": 2, "max_queue": 1000})
    with running(root) as service:
        stop = threading.Event()
        statuses: list[int] = []

        def hammer() -> None:
            while not stop.is_set():
                statuses.append(service.predict({"a": 1}).status)

        threads = [threading.Thread(target=hammer) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(4):
            time.sleep(0.4)
            for pid in service.worker_pids()[:1]:
                os.kill(pid, signal.SIGKILL)
        stop.set()
        for thread in threads:
            thread.join()
        assert set(statuses) <= {200, 503}
        assert statuses.count(503) <= 4 * 8
        assert len(statuses) > 100
        service.wait_ready()
        assert service.predict({"a": 2}).json == {"predictions": [4]}


def test_orphans_are_reaped_as_process_1(tmp_path: Path) -> None:
    script = (
        "import os, subprocess\n"
        "def load(d):\n    return None\n"
        "def predict(m, records):\n"
        "    subprocess.run(['sh', '-c', 'sleep 0.1 & exit 0'])\n"
        "    return [1 for _ in records]\n"
    )
    root = make_root(tmp_path / "root", script)
    port = find_port()
    service = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-I", "-S", str(ENTRY), "auto"],
        env={"PATH": os.environ["PATH"], "KILN_ROOT": str(root), "PORT": str(port), "KILN_HOST": "127.0.0.1"},
        stdout=subprocess.DEVNULL,
    )
    try:
        client = Service(process=service, port=port, log_path=root / "none")
        wait_for(lambda: client.get("/readyz").status == 200)
        (inside,) = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
        assert client.predict({"a": 1}).status == 200
        children = Path(f"/proc/{inside}/task/{inside}/children")
        wait_for(lambda: len(children.read_text().split()) == 1, 5)
        os.kill(int(inside), signal.SIGTERM)
        assert service.wait(8) == 0
    finally:
        service.kill()
        service.wait()

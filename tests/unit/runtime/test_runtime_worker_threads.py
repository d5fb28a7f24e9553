"""In a process of its own: what is tried here changes ``threading`` for good."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import asyncio, threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from builder.runtime.request import NOTHING, Scope, current_requests, enter
from builder.runtime.worker.threads import follow_threads

follow_threads()

def name():
    return ",".join(request.id for request in current_requests())

pool, old_pool = ThreadPoolExecutor(1), ThreadPool(1)
go, found = threading.Event(), {}

class Own(threading.Thread):
    def run(self):
        go.wait()
        found["own class"] = name()

def wait():
    go.wait()
    found["thread"] = name()

async def task():
    await asyncio.sleep(0)
    return name()

enter(Scope([("one", None)]))
assert pool.submit(name).result() == old_pool.apply(name) == asyncio.run(task()) == "one"
threads = [threading.Thread(target=wait), Own()]
for thread in threads:
    thread.start()
enter(Scope([("two", None), ("three", None)]))
assert pool.submit(name).result() == old_pool.apply(name) == asyncio.run(task()) == "two,three"
go.set()
for thread in threads:
    thread.join()
assert found == {"thread": "one", "own class": "one"}, found
told = []
threading.excepthook = lambda args: told.append((args.thread.name, repr(args.exc_value), name()))
go.clear()
enter(Scope([("four", None)]))
thread = threading.Thread(target=lambda: go.wait() and 1 / 0, name="late")
thread.start()
enter(NOTHING)
go.set()
thread.join()
assert told == [("late", "ZeroDivisionError('division by zero')", "four")], told
assert pool.submit(name).result() == old_pool.apply(name) == name() == ""
"""


def test_threads_stay_with_their_request_and_pools_go_on_to_the_next() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr

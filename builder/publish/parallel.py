"""Several transfers at once, where one failure ends all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import TypeVar

from builder.publish.patience import AbandonedError

_T = TypeVar("_T")


def run_all(tasks: Sequence[Callable[[], _T]], *, jobs: int, abandoned: Event) -> tuple[_T, ...]:
    """Run tasks on up to ``jobs`` threads and return their results in order.

    The first failure, or an interruption from the keyboard, sets ``abandoned``, which the tasks watch; it is raised
    once all of them have ended.
    """
    if not tasks:
        return ()

    def run(task: Callable[[], _T]) -> _T:
        if abandoned.is_set():
            raise AbandonedError
        try:
            return task()
        except BaseException:
            abandoned.set()
            raise

    with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(tasks))), thread_name_prefix="transfer") as pool:
        futures = [pool.submit(run, task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException as error:
            abandoned.set()
            pool.shutdown(wait=True, cancel_futures=True)
            if isinstance(error, AbandonedError):
                ended = (future.exception() for future in futures if future.done() and not future.cancelled())
                raise next((cause for cause in ended if not isinstance(cause, AbandonedError | None)), error) from None
            raise
    return tuple(future.result() for future in futures)

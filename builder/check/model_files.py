"""What is known of the model's files: found once, and remembered while the file system says that nothing changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from builder.bundle.model import BundleFile
from builder.check.artifacts.reading import Reading
from builder.check.artifacts.records import from_record, to_record
from builder.check.subject import Subject
from builder.host.clock import has_rested


def read_model_file(subject: Subject, file: BundleFile) -> Reading:
    """Read one file of the model. OSError when it cannot be opened; anything wrong inside of it is the ``problem``."""
    readings: list[Reading] = []

    def read() -> dict[str, Any] | None:
        from builder.check.artifacts.read import read_artifact  # noqa: PLC0415 - readers of every format

        readings.append(read_artifact(subject.bundle.root / file.path))
        return to_record(readings[0])

    record = remembered(subject, "reading", [file], read)
    return readings[0] if readings else from_record(record)


def read_model_path(subject: Subject) -> Callable[[Path], Reading]:
    """Return what reads a model file by its path, as ``read_model_file`` does."""
    files = {subject.bundle.root / file.path: file for file in subject.inventory.model}

    def read(path: Path) -> Reading:
        if path in files:
            return read_model_file(subject, files[path])
        from builder.check.artifacts.read import read_artifact  # noqa: PLC0415 - as above

        return read_artifact(path)

    return read


def remembered(subject: Subject, question: Any, files: Iterable[BundleFile], find: Callable[[], Any | None]) -> Any:
    """Return what ``find`` finds out about these files of the model: a JSON value, remembered unless it is None.

    It is only believed for files that have their digest, and are in every way what they were when it was found.
    """
    known = tuple(files)
    began = time.time_ns()
    states = _states(subject.bundle.root, known)
    if subject.verdicts is None or states is None:
        return find()
    key = [question, states]
    answer = subject.verdicts.get(key)
    if answer is None:
        answer = find()
        is_settled = all(has_rested(state[-1], began) for state in states)
        if answer is not None and is_settled and _states(subject.bundle.root, known) == states:
            subject.verdicts.put(key, answer)
    return answer


def _states(root: Path, files: Iterable[BundleFile]) -> list[list[Any]] | None:
    """Return what tells a change of each file, its time of change last; None when one cannot be looked at."""
    found = []
    for file in files:
        try:
            now = (root / file.path).stat()
        except OSError:
            return None
        found.append(
            [file.path, str(file.digest), now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns]
        )
    return found

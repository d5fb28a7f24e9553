"""This side of the processes that read and write Parquet; :mod:`worker.tables` is the other."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ..server.features import Feature, make_records
from ..wire import Unpacker, pack
from ..worker.tables import END, FAULT, ROWS
from .files import InputError, Source
from .rows import Row
from .shards import Shard

READ_SIZE = 1 << 20
ROWS_AT_ONCE = 1024
ENTRY = Path(__file__).resolve().parent.parent / "entry.py"


class TableError(Exception):
    """Parquet cannot be written."""


def start(verb: str, job: Mapping[str, Any], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process that reads or writes."""
    executable = sys.executable or str(Path("/proc/self/exe").readlink())
    return subprocess.Popen(
        [executable, "-I", "-S", str(ENTRY), "tables", verb, json.dumps(job)],
        env=dict(environment),
        stdin=subprocess.PIPE if verb == "write" else subprocess.DEVNULL if Path(os.devnull).exists() else None,
        stdout=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


def receive(process: subprocess.Popen[bytes]) -> Iterator[tuple[Any, ...]]:
    """Yield the messages of a process until it says that it is done, or ends."""
    unpacker = Unpacker()
    descriptor = cast(Any, process.stdout).fileno()
    while data := os.read(descriptor, READ_SIZE):
        yield from unpacker.feed(data)


def read_table_rows(
    sources: Sequence[Source], shard: Shard, features: Mapping[str, Feature], environment: Mapping[str, str]
) -> Iterator[Row]:
    """Yield the rows of this shard's part of Parquet files, taken together."""
    job = {"files": [str(source.path) for source in sources], "shard": [shard.index, shard.count], "size": ROWS_AT_ONCE}
    process = start("read", job, environment)
    ended = False
    try:
        for message in receive(process):
            match message:
                case (kind, number, first, names, rows) if kind == ROWS:
                    locate = f"{sources[number].name}:{{}}".format
                    for index, record in enumerate(make_records(names, rows, features), first + 1):
                        yield Row(locate, index, value=record)
                case (kind, fault) if kind == FAULT:
                    raise InputError(fault)
                case _:
                    ended = True
        if not ended:
            raise InputError(f"the process that reads Parquet ended with exit code {process.wait()}")
    finally:
        end(process)


class TableWriter:
    """Writes one Parquet file in a process of its own."""

    def __init__(self, path: Path, columns: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = start("write", {"path": str(path), "columns": list(columns)}, environment)

    def write(self, records: list[dict[str, Any]]) -> None:
        """Add records; :class:`TableError` when they cannot be written."""
        self._send(pack((ROWS, records)))

    def finish(self) -> None:
        """Complete the file."""
        self._send(pack((END,)))
        self._see_end()

    def abort(self) -> None:
        """End the process; the file is not complete."""
        end(self._process)

    def _send(self, frame: bytes) -> None:
        view = memoryview(frame)
        descriptor = cast(Any, self._process.stdin).fileno()
        try:
            while view:
                view = view[os.write(descriptor, view) :]
        except BrokenPipeError:
            self._see_end()

    def _see_end(self) -> None:
        messages = list(receive(self._process))
        last = messages[-1] if messages else ()
        if last[:1] != (END,):
            code = self._process.wait()
            raise TableError(last[1] if last[:1] == (FAULT,) else f"the process that writes Parquet ended with {code}")
        end(self._process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Make sure that the process is gone."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    if process.poll() is None:
        process.kill()
    process.wait()

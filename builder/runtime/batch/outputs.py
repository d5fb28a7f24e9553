"""The two files a run writes: predictions, and what went wrong with which record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..server.logs import Log
from .files import Source, find_format
from .options import STANDARD, Options
from .scoring import LOST_RECORD, Problem, Result
from .shards import Shard
from .sinks import ERROR, PREDICTION, AsideFile, ColumnsSink, LinesSink, OutputError, Pipe, Sink, TableSink

encode = msgspec.json.Encoder().encode
ERRORS_SUFFIX = ".errors.jsonl"


class EndedError(Exception):
    """A record that cannot be scored ends the run."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary
        """Whether another attempt may go better."""


def decide_format(options: Options, sources: Sequence[Source]) -> str:
    """Return the output's format."""
    told, _ = find_format(options.output)
    return options.output_format or told or sources[0].format


def decide_path(options: Options, form: str) -> Path | None:
    """Return the output file, or nothing for standard output; with shards each has a name of its own."""
    if options.output == STANDARD:
        return None
    path = Path(options.output)
    if options.output.endswith("/") or path.is_dir():
        path /= f"predictions.{form}"
    if options.shard.count > 1:
        path = path.with_name(name_shard(path.name, options.shard))
    return path


def name_shard(name: str, shard: Shard) -> str:
    """Return ``predictions-00002-of-00016.jsonl`` for ``predictions.jsonl``."""
    stem, dot, suffixes = name.partition(".")
    return f"{stem}-{shard.index:05}-of-{shard.count:05}{dot}{suffixes}"


class Outputs:
    """Writes results, counts them, and tells the errors."""

    def __init__(
        self,
        options: Options,
        sources: Sequence[Source],
        response_schema: Mapping[str, Any] | None,
        environment: Mapping[str, str],
        log: Log,
    ) -> None:
        self._log = log
        form = decide_format(options, sources)
        self.path = decide_path(options, form)
        self.records = 0
        self.failed = 0
        self._options = options
        self._keep = options.keep
        self._errors_path = self._decide_errors()
        self._errors: AsideFile | None = None
        self.sink = self._open(form, response_schema, environment)

    def _decide_errors(self) -> Path | None:
        if self._options.errors:
            path = Path(self._options.errors)
            return path.with_name(name_shard(path.name, self._options.shard)) if self._options.shard.count > 1 else path
        if self.path is None:
            return None
        return self.path.with_name(self.path.name + ERRORS_SUFFIX)

    def _open(self, form: str, schema: Mapping[str, Any] | None, environment: Mapping[str, str]) -> Sink:
        told = self._options.on_error == "record"
        if form == "parquet":
            if self.path is None:
                raise OutputError("Parquet cannot be written to a pipe; give --output a file")
            columns = [*(name for name in self._keep if name != "*"), PREDICTION, *([ERROR] if told else [])]
            return TableSink(AsideFile(self.path), columns, environment)
        target = Pipe() if self.path is None else AsideFile(self.path)
        if form == "csv":
            return ColumnsSink(target, list((schema or {}).get("properties", ())), errors=told)
        return LinesSink(target)

    @property
    def errors_path(self) -> Path | None:
        """The file of errors, once there is one."""
        return self._errors_path if self._errors is not None else None

    def write(self, results: Iterable[Result]) -> None:
        """Write results; :class:`EndedError` at one that ends the run."""
        lines: list[dict[str, Any]] = []
        for result in results:
            self.records += 1
            if result.problem is None:
                lines.append(self._keep_fields(result.value) | {PREDICTION: result.prediction})
                continue
            self.failed += 1
            self._tell(result, result.problem)
            if self._options.on_error == "record":
                line: dict[str, Any] = {ERROR: result.problem.message}
                if result.problem.faults:
                    line["faults"] = result.problem.faults
                lines.append(self._keep_fields(result.value) | line)
        if lines:
            self.sink.write(lines)

    def _keep_fields(self, record: Any) -> dict[str, Any]:
        if not self._keep or not isinstance(record, dict):
            return {}
        return dict(record) if "*" in self._keep else {name: record.get(name) for name in self._keep}

    def _tell(self, result: Result, problem: Problem) -> None:
        place = result.row.place
        if self._options.on_error == "fail":
            raise EndedError(f"{place}: {problem.message}", temporary=problem.kind == LOST_RECORD)
        if self._errors_path is not None:
            if self._errors is None:
                self._errors = AsideFile(self._errors_path)
            told = {"place": place, "kind": problem.kind, "error": problem.message, "faults": problem.faults}
            self._errors.stream.write(encode(told) + b"\n")
        else:
            self._log.write("warning", f"{place}: {problem.message}", kind=problem.kind, faults=problem.faults)
        most = self._options.max_errors
        if most is not None and self.failed > most:
            raise EndedError(
                f"{self.failed} records cannot be scored; --max-errors is {most}. The last: {place}: {problem.message}",
                temporary=False,
            )

    def finish(self) -> None:
        """Give both files their names; the errors first, so that an output is never there without them."""
        if self._errors is not None:
            self._errors.finish()
        elif self._errors_path is not None and not self._options.errors:
            with contextlib.suppress(OSError):
                self._errors_path.unlink()  # of an earlier run
        self.sink.finish()

    def abort(self) -> None:
        """Leave no output. What is known of errors is kept, since it is why there is none."""
        self.sink.abort()
        if self._errors is not None:
            with contextlib.suppress(OSError):
                self._errors.finish()

"""The command line of ``batch``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from .shards import Shard, ShardError, find_shard, parse_shard

FORMATS = ("jsonl", "csv", "parquet")
ON_ERROR = ("fail", "skip", "record")
STANDARD = "-"


class UsageError(Exception):
    """The arguments make no sense; the text is for the person who gave them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What one run is asked to do."""

    inputs: tuple[str, ...]
    output: str
    input_format: str | None
    """None: each file by its suffix."""
    output_format: str | None
    """None: by the suffix of the output, else as the input."""
    on_error: str
    max_errors: int | None
    errors: str | None
    """Where faults are told; None: beside the output."""
    keep: tuple[str, ...]
    """Fields of each record that are written beside its prediction; ``*`` for all."""
    batch_size: int | None
    shard: Shard


class Parser(argparse.ArgumentParser):
    """Raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise :class:`UsageError`."""
        raise UsageError(message)


def make_parser() -> Parser:
    """Return the parser; its help is the reference of the options."""
    parser = Parser(
        prog="batch",
        description="Score files of records: JSON lines, CSV or Parquet, also gzip.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--input",
        action="append",
        required=True,
        metavar="PATH",
        help="a file, a folder, a pattern, or -; may be repeated",
    )
    add("--output", required=True, metavar="PATH", help="a file, a folder that exists or ends in /, or -")
    add("--format", choices=FORMATS, help="of input and output; default: by suffix, jsonl for a pipe")
    add("--output-format", choices=FORMATS, help="of the output alone")
    add(
        "--on-error",
        choices=ON_ERROR,
        default="fail",
        help="of a record that cannot be scored: end (the default), leave it out, or write the error in its place",
    )
    add("--max-errors", type=int, metavar="N", help="end when more than N records cannot be scored")
    add("--errors", metavar="PATH", help="the file of errors; default: the output's name with .errors.jsonl")
    add(
        "--keep",
        default="",
        metavar="FIELDS",
        help="fields of the record to write beside the prediction, with commas between; * for all",
    )
    add(
        "--batch-size",
        type=int,
        metavar="N",
        help="records in one call of the model; default: 1024, or max_size of service.batching if that is more",
    )
    add(
        "--shard",
        metavar="I/N",
        help="score part I of N, from 0; default: from the variables of Kubernetes, Cloud Run or AWS Batch",
    )
    add("--shards", type=int, metavar="N", help="the number of parts, where the platform tells only the index")
    return parser


def parse_options(arguments: list[str], environment: Mapping[str, str]) -> Options:
    """Return the options; :class:`UsageError` says what is wrong with them."""
    given = make_parser().parse_args(arguments)
    try:
        shard = parse_shard(given.shard) if given.shard else find_shard(environment, given.shards)
    except ShardError as error:
        raise UsageError(str(error)) from None
    for name in ("batch_size", "shards"):
        if getattr(given, name) is not None and getattr(given, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be at least 1")
    if given.max_errors is not None and (given.max_errors < 0 or given.on_error == "fail"):
        raise UsageError("--max-errors is a number from 0, with --on-error skip or record")
    if STANDARD in given.input and len(given.input) > 1:
        raise UsageError("--input - is read alone")
    if STANDARD in given.input and shard.count > 1:
        raise UsageError("what comes by a pipe cannot be sharded; it is there once")
    return Options(
        inputs=tuple(given.input),
        output=given.output,
        input_format=given.format,
        output_format=given.output_format or given.format,
        on_error=given.on_error,
        max_errors=given.max_errors,
        errors=given.errors,
        keep=tuple(name.strip() for name in given.keep.split(",") if name.strip()),
        batch_size=given.batch_size,
        shard=shard,
    )


def wants_help(arguments: list[str]) -> bool:
    """Print the help when it is asked for."""
    if not {"-h", "--help"} & set(arguments):
        return False
    make_parser().print_help(sys.stdout)
    return True

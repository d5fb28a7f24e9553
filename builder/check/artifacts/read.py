"""Tells what a file is by its bytes, and reads it with the reader for that."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from builder.check.artifacts.archives import is_safetensors, read_safetensors, read_zip
from builder.check.artifacts.catboost import MAGIC as CATBOOST
from builder.check.artifacts.catboost import read_catboost
from builder.check.artifacts.hdf5 import MAGIC as HDF5
from builder.check.artifacts.hdf5 import read_hdf5
from builder.check.artifacts.lightgbm import is_lightgbm, read_lightgbm
from builder.check.artifacts.mlflow import read_mlmodel
from builder.check.artifacts.onnx import is_onnx, read_onnx
from builder.check.artifacts.pickled import read_pickled
from builder.check.artifacts.reading import (
    UNKNOWN,
    Artifact,
    Reading,
    TooLargeError,
    UnfollowedError,
    UnreadableError,
)
from builder.check.artifacts.xgboost import is_xgboost, read_xgboost
from builder.check.pickle_machine import read_pickle
from builder.check.pickle_streams import Damage, Loader, Stream, compression, find_streams, opened
from builder.check.pickle_values import Buffer

_LARGEST_TEXT = 512 << 20


def read_artifact(path: Path) -> Reading:
    """Read one model file. OSError when it cannot be opened; anything wrong inside of it is the ``problem``."""
    state = path.stat()
    return _remembered(path, (state.st_size, state.st_mtime_ns, state.st_ino))


@lru_cache(maxsize=32)
def _remembered(path: Path, _: tuple[int, ...]) -> Reading:
    """Several rules ask about one file; it is read again when it has changed."""
    with opened(path) as buffer:
        return read_bytes(buffer, path.name)


def read_bytes(buffer: Buffer, name: str) -> Reading:
    """Read the bytes of a model file of that name. Never raises for what they are."""
    try:
        return Reading(artifact=_read(buffer, name))
    except UnreadableError as error:
        is_damaged, is_told = not isinstance(error, TooLargeError), isinstance(error, UnfollowedError)
        return Reading(artifact=UNKNOWN, problem=str(error), is_damaged=is_damaged, is_told=is_told)
    except (RecursionError, MemoryError, OverflowError):
        return Reading(artifact=UNKNOWN, problem="it is nested too deeply, or too large")


def _read(buffer: Buffer, name: str) -> Artifact:
    head = bytes(buffer[:512])
    if name == "MLmodel":
        return read_mlmodel(_whole(buffer))
    if is_xgboost(head):
        return read_xgboost(_whole(buffer))
    if is_lightgbm(head):
        return read_lightgbm(_whole(buffer))
    if head.startswith(CATBOOST):
        return read_catboost(_whole(buffer))
    if head.startswith(HDF5):
        return read_hdf5(buffer)
    if is_safetensors(buffer):
        return read_safetensors(buffer)
    if is_onnx(buffer):
        return read_onnx(buffer)
    artifact = UNKNOWN
    if head.startswith(b"PK\x03\x04"):
        artifact = read_zip(buffer)
    for found in find_streams(buffer, name):
        if isinstance(found, Damage):
            if found.member is None:
                raise UnfollowedError(found.text)
            continue
        pickled = _pickled(found, head)
        if pickled is not None:
            artifact = pickled if not artifact.is_known and artifact.format == "unknown" else artifact.joined(pickled)
    return artifact


def _pickled(stream: Stream, head: bytes) -> Artifact | None:
    reading = read_pickle(stream.buffer, stream.start, has_arrays=stream.loader is Loader.JOBLIB)
    method = compression(head)
    if stream.loader is Loader.OLD_TORCH:
        form = "PyTorch, older format"
        for _ in range(3):
            if reading.fault is None:
                reading = read_pickle(stream.buffer, reading.end)
    else:
        form = ("joblib" if reading.arrays else "pickle") + (f" ({method})" if method else "")
    if stream.is_guess and (reading.fault is not None or not reading.events):
        return None
    if reading.fault is not None and reading.value is None and not reading.events:
        return None
    artifact = read_pickled(form, reading)
    if stream.loader is Loader.OLD_TORCH:
        artifact = replace(artifact, facts={**artifact.facts, "torch-kind": "pickle"})
    if method not in _FOREIGN:
        return artifact
    return replace(artifact, needs=tuple(dict.fromkeys((*artifact.needs, method))))


_FOREIGN = frozenset({"lz4"})
"""Compressions that joblib reads with a distribution of the same name, not with Python's own modules."""


def _whole(buffer: Buffer) -> bytes:
    if len(buffer) > _LARGEST_TEXT:
        raise TooLargeError(f"it is larger than {_LARGEST_TEXT >> 20} MiB, too large to be looked at")
    return bytes(buffer)

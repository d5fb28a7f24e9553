"""Packages that an image does not need: builds for accelerators, and several builds of one library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from builder.lock.model import LockedWheel

_CUDA_NAME = re.compile(
    r"^(?:nvidia-.+|triton|pytorch-triton.*|cuda-(?:python|bindings|toolkit|pathfinder)|cupy.*|.+-cu\d\d+|rocm-.*|jax-cuda.*|jax-rocm.*)$"
)
_ACCELERATED = re.compile(r"\+(?:cu|rocm|xpu)\d*")

CPU_BUILDS: Mapping[str, str] = {
    "torch": "torch from PyTorch's index of CPU builds (a version such as 2.8.0+cpu), set as the machine's index",
    "torchvision": "torchvision from PyTorch's index of CPU builds",
    "torchaudio": "torchaudio from PyTorch's index of CPU builds",
    "xgboost": "xgboost-cpu, the same library without CUDA",
    "tensorflow": "tensorflow-cpu",
    "tensorflow-gpu": "tensorflow-cpu",
    "onnxruntime-gpu": "onnxruntime",
    "faiss-gpu": "faiss-cpu",
    "paddlepaddle-gpu": "paddlepaddle",
    "mxnet-cu112": "mxnet",
    "jax": "jax without the cuda extra",
    "spacy": "spacy without the cuda extra",
}
"""What to require instead, for a server without an accelerator."""

_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
    ("xgboost-cpu", "xgboost"),
    ("tensorflow-cpu", "tensorflow", "tensorflow-gpu", "tf-nightly", "intel-tensorflow"),
    ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml"),
    ("faiss-cpu", "faiss-gpu"),
    ("psycopg2-binary", "psycopg2"),
    ("pillow", "pillow-simd"),
    ("paddlepaddle", "paddlepaddle-gpu"),
    ("pycryptodome", "pycrypto"),
    ("ray", "ray-cpp"),
    ("mysqlclient", "mysql-python"),
    ("pyspark", "pyspark-client"),
)
"""Distributions that install the same modules; the first of each is the one for a server."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicate:
    """Several builds of one library."""

    names: tuple[str, ...]
    keep: str


def accelerator_wheels(wheels: Iterable[LockedWheel]) -> tuple[LockedWheel, ...]:
    """Return the wheels that are of use only with an accelerator: CUDA's libraries, and builds against them."""
    return tuple(
        wheel
        for wheel in wheels
        if _CUDA_NAME.match(wheel.name)
        or _ACCELERATED.search(wheel.version)
        or wheel.name in {"tensorflow-gpu", "onnxruntime-gpu", "faiss-gpu", "paddlepaddle-gpu"}
    )


def cpu_build(wheels: Iterable[LockedWheel]) -> str | None:
    """Return what to require instead, told from the packages that bring accelerators' libraries along."""
    names = [wheel.name for wheel in wheels if not wheel.version.endswith("+cpu")]
    found = [CPU_BUILDS[name] for name in CPU_BUILDS if name in names]
    return "; ".join(found) or None


def duplicates(names: Iterable[str]) -> tuple[Duplicate, ...]:
    """Return the libraries that are there more than once."""
    there = set(names)
    found = (tuple(name for name in family if name in there) for family in _FAMILIES)
    return tuple(Duplicate(names=tuple(sorted(names)), keep=names[0]) for names in found if len(names) > 1)

"""Requirements out of a conda environment file, and out of requirements files of other tools."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from builder.bundle.requirements import read_requirements
from builder.scaffold.draft import Draft
from builder.scaffold.yaml_file import read_yaml, texts

# Packages that go by another name on the Python index; conda-only ones have none.
_NAMES = {"pytorch": "torch", "py-xgboost": "xgboost", "py-xgboost-cpu": "xgboost-cpu", "pytables": "tables",
          "opencv": "opencv-python-headless", "tensorflow-base": "tensorflow", "faiss": "faiss-cpu",
          "lightgbm-cpu": "lightgbm", "catboost-cpu": "catboost"}  # fmt: skip
_NOT_PYTHON = frozenset({"python", "pip", "cudatoolkit", "cudnn", "openssl", "gcc", "libgcc", "mkl", "nomkl", "blas",
                         "ca-certificates", "setuptools", "wheel", "pytorch-cuda", "cpuonly", "libgomp"})  # fmt: skip
SERVERS = frozenset({"azureml-defaults", "azureml-inference-server-http", "azureml-core",
                     "azureml-model-management-sdk", "azureml-monitoring", "gunicorn", "uvicorn", "truss"})  # fmt: skip
"""Servers of other tools, which the image's own takes the place of."""
_SPEC = re.compile(r"(?:[\w.-]+::)?([A-Za-z0-9_.-]+)\s*(.*)")


def use_conda(draft: Draft, path: Path, *, shown: str) -> str | None:
    """Require what a conda file lists, and return the Python it names."""
    python = None
    dependencies = read_yaml(path).get("dependencies")
    for item in dependencies if isinstance(dependencies, list) else []:
        if isinstance(item, dict):
            use_lines(draft, texts(item.get("pip")), shown=shown)
            continue
        match = _SPEC.fullmatch(str(item).strip())
        if not match:
            continue
        name, spec = match.group(1).lower(), match.group(2).strip()
        if name == "python":
            python = spec.lstrip("=<>~! ") or None
        elif name in _NOT_PYTHON:
            if name not in ("pip", "setuptools", "wheel"):
                draft.leave(f"{shown}: {item}", "conda's own package, which wheels do not need")
        else:
            use_lines(draft, [f"{_NAMES.get(name, name)}{_version(spec)}"], shown=shown)
    return python


def use_lines(draft: Draft, lines: Iterable[str], *, shown: str, drop: frozenset[str] = SERVERS) -> None:
    """Require the lines of another tool's requirements; what cannot be locked is said."""
    given = list(lines)
    read = read_requirements(given)
    for fault in read.faults:
        draft.leave(f"{shown}: {fault.got}", fault.fact)
    for line, name in zip(read.lines, read.names, strict=True):
        if name in drop:
            draft.leave(f"{shown}: {line}", "the image brings its own server")
        else:
            draft.require(line, f"from {shown}")


def _version(spec: str) -> str:
    """Return conda's version as pip writes it: ``=1.2`` is any 1.2, ``=1.2.3=build`` that release."""
    spec = spec.strip()
    if not spec:
        return ""
    if spec.startswith(("==", ">", "<", "~", "!")):
        return spec.replace(" ", "")
    version = spec.lstrip("= ").partition("=")[0].partition(" ")[0]
    if not version or version == "*":
        return ""
    if version.endswith("*") or version.count(".") >= 2:
        return f"=={version}"
    return f"=={version}.*"

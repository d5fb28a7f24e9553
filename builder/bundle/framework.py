"""Which library a model belongs to, told from its bytes. Nothing is unpickled."""

from __future__ import annotations

import bz2
import lzma
import pickletools
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from builder.bundle.archives import Archive, read_archive
from builder.bundle.model import Flavor, Framework

HEAD = 1 << 20
"""How many bytes of a model, decompressed, are looked at."""

XGBOOST_JSON = re.compile(rb'\A\s*\{\s*(?:"version"\s*:\s*\[\s*\d+(?:\s*,\s*\d+){2}\s*\]\s*,\s*)?"learner"\s*:\s*\{')
"""How a model begins, ``version`` first where its keys were sorted anew; other tools' JSON has a ``version`` too."""
_KEY = rb"[LlIiU][\x00-\x08]{1,8}"
XGBOOST_UBJSON = re.compile(
    rb"\A\{(?:" + _KEY + rb"version\[.{3,40}?)?" + _KEY + rb"learner\{",
    re.DOTALL,
)
"""The same in binary."""
_PICKLE_OLD = re.compile(rb"\A[(c\]}]")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelReading:
    """What a model file was found to be."""

    framework: Framework
    format: str
    """In a few words, for people: ``joblib or pickle of sklearn.pipeline``."""
    is_servable: bool
    """True when the runtime can serve it without a scoring script."""
    main_classes: tuple[str, ...] = ()
    """Classes of ``__main__`` it refers to: they exist only in the script that trained it."""
    flavor: Flavor | None = None
    """What of an MLflow folder is served without MLflow."""
    schema: Mapping[str, Any] | None = None
    """The schema of a record, where the model comes with one."""


def read_framework(path: Path) -> ModelReading:
    """Tell what a model file is. A folder, and anything unknown, is ``CUSTOM``; an unreadable file is an OSError."""
    if path.is_dir():
        return _folder_reading(path)
    head = _head(path)
    if XGBOOST_JSON.match(head):
        return ModelReading(framework=Framework.XGBOOST, format="XGBoost JSON", is_servable=True)
    if XGBOOST_UBJSON.match(head):
        return ModelReading(framework=Framework.XGBOOST, format="XGBoost UBJSON", is_servable=True)
    if head.startswith((b"tree\nversion=", b"tree\r\nversion=")):
        return ModelReading(framework=Framework.LIGHTGBM, format="LightGBM text", is_servable=True)
    if head.startswith(b"CBM1"):
        return ModelReading(framework=Framework.CATBOOST, format="CatBoost binary", is_servable=True)
    if head.startswith(b"PK\x03\x04"):
        return _archive_reading(read_archive(path))
    if is_onnx(path):
        return ModelReading(framework=Framework.ONNX, format="ONNX", is_servable=True)
    content = _decompressed(head)
    if content[:1] == b"\x80" or _PICKLE_OLD.match(content):
        return _pickle_reading(content)
    return ModelReading(framework=Framework.CUSTOM, format="unknown", is_servable=False)


def _folder_reading(path: Path) -> ModelReading:
    """Tell what a folder is: an MLflow model, or ONNX with its weights in files of their own."""
    if (path / "MLmodel").is_file():
        from builder.bundle.mlflow import read_mlflow  # noqa: PLC0415 - YAML takes long to load

        model = read_mlflow(path)
        if model is not None:
            return ModelReading(
                framework=Framework.MLFLOW,
                format=f"MLflow model: {', '.join(model.flavors)}",
                is_servable=model.has_pyfunc or model.native is not None,
                flavor=model.native,
                schema=model.schema,
            )
    graphs = [file for file in path.glob("*.onnx") if file.is_file()]
    if len(graphs) == 1 and is_onnx(graphs[0]):
        return ModelReading(framework=Framework.ONNX, format="ONNX with external data", is_servable=True)
    return ModelReading(framework=Framework.CUSTOM, format="folder", is_servable=False)


def _archive_reading(found: Archive) -> ModelReading:
    framework, is_servable = Framework.CUSTOM, found.is_exported
    if found.is_script or found.is_exported or found.is_compiled:
        framework, is_servable = Framework.TORCH, not found.is_compiled
    elif found.skops_class.partition(".")[0] == "sklearn":
        framework, is_servable = Framework.SKLEARN, True
    return ModelReading(framework=framework, format=found.format, is_servable=is_servable)


def is_onnx(path: Path) -> bool:
    """Tell whether a file is an ONNX ModelProto: IR version, graph, operator sets. Only heads of fields are read."""
    size = path.stat().st_size
    found: set[int] = set()
    with path.open("rb") as file:
        if file.read(1) != b"\x08":
            return False
        file.seek(0)
        for _ in range(_MOST_FIELDS):
            if file.tell() == size:
                break
            key, length = _varint(file), 0
            if key is None:
                return False
            found.add(key >> 3)
            match key & 7:
                case 0:
                    if _varint(file) is None:
                        return False
                case 2:
                    length = _varint(file) or 0
                case 1 | 5:
                    length = 8 if key & 7 == 1 else 4
                case _:
                    return False
            if file.tell() + length > size:
                return False
            file.seek(length, 1)
    return found >= {1, 7, 8}


_MOST_FIELDS = 4096


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None


def read_head(path: Path) -> bytes:
    """Return the first ``HEAD`` bytes of what a file holds, decompressed where joblib would; may raise OSError."""
    return _decompressed(_head(path))


def pickle_globals(content: bytes) -> list[str]:
    """Return the ``module.name`` of each global a pickle refers to, in order, as far as it can be read.

    joblib interleaves raw array bytes with the opcodes, so reading may end early; the outermost class comes first.
    """
    reader = _GlobalsReader()
    try:
        for opcode, argument, _ in pickletools.genops(content):
            reader.note(opcode.name, argument)
    except (ValueError, IndexError, OverflowError):
        pass
    return list(dict.fromkeys(reader.found))


class _GlobalsReader:
    """Follows just enough of a pickle's stack and memo to know the text a STACK_GLOBAL takes."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._strings: list[str] = []
        self._memo: dict[int, str] = {}
        self._top = ""

    def note(self, name: str, argument: Any) -> None:
        """Follow one opcode."""
        if name == "MEMOIZE":
            self._memo[len(self._memo)] = self._top
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self._memo[int(argument)] = self._top
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            self._push(self._memo.get(int(argument), ""))
        elif "UNICODE" in name or name.endswith("STRING"):
            self._push(str(argument))
        else:
            self._top = ""
            if name in ("GLOBAL", "INST"):
                self.found.append(str(argument).replace(" ", ".", 1))
            elif name == "STACK_GLOBAL" and len(self._strings) >= 2:
                self.found.append(f"{self._strings[-2]}.{self._strings[-1]}")

    def _push(self, text: str) -> None:
        self._top = text
        if text:
            self._strings.append(text)


def _pickle_reading(content: bytes) -> ModelReading:
    names = pickle_globals(content)
    mine = tuple(name.removeprefix("__main__.") for name in names if name.startswith("__main__."))
    # Protocols below 2 wrap every object: copyreg._reconstructor(class, object, None).
    outer = next((name for name in names if name.partition(".")[0] not in _WRAPPERS), "")
    module = outer.rpartition(".")[0]
    if module.partition(".")[0] == "sklearn":
        described = f"joblib or pickle of {outer}"
        return ModelReading(framework=Framework.SKLEARN, format=described, is_servable=True, main_classes=mine)
    framework = Framework.XGBOOST if module.partition(".")[0] == "xgboost" else Framework.CUSTOM
    described = f"joblib or pickle of {outer}" if outer else "pickle"
    return ModelReading(framework=framework, format=described, is_servable=False, main_classes=mine)


_WRAPPERS = frozenset({"copyreg", "copy_reg", "builtins", "__builtin__", "_codecs"})


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _decompressed(head: bytes) -> bytes:
    """Return the start of what a file holds, for the compressors joblib knows and Python has."""
    try:
        if head[:1] == b"\x78":
            return zlib.decompressobj().decompress(head, HEAD)
        if head[:2] == b"\x1f\x8b":
            return zlib.decompressobj(wbits=31).decompress(head, HEAD)
        if head[:3] == b"BZh":
            return bz2.BZ2Decompressor().decompress(head, HEAD)
        if head[:6] == b"\xfd7zXZ\x00" or head[:3] == b"\x5d\x00\x00":
            return lzma.LZMADecompressor().decompress(head, HEAD)
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return b""
    return head

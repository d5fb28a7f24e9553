"""What requests and answers are made of where a SageMaker script leaves it to its container: JSON, CSV, NPY and NPZ.

numpy, and scipy for NPZ, are the bundle's own and imported when they are first needed.
"""

from __future__ import annotations

import importlib
import io
import json
from typing import Any

JSON = "application/json"
CSV = "text/csv"
OCTET_STREAM = "application/octet-stream"
ANY = "*/*"
NPY = "application/x-npy"
NPZ = "application/x-npz"
UTF8_TYPES = [JSON, CSV]
DECODED = (NPY, CSV, JSON, NPZ)
ENCODED = (NPY, CSV, JSON)


class UnsupportedFormatError(Exception):
    """A content type that nothing here reads or writes."""

    def __init__(self, content_type: Any, **more: Any) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework: "
            "a script that takes it needs an input_fn, one that answers it an output_fn.",
            **more,
        )


class BaseInferenceToolkitError(Exception):
    """What a script raises to choose the status of the answer."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        self.status_code = status_code
        self.message = message
        self.phrase = phrase
        super().__init__(status_code, message, phrase)


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """The same, with a message that may be left out."""

    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        said = message or "Invalid Request"
        super().__init__(status_code, said, phrase or said)


def decode(obj: Any, content_type: str) -> Any:
    """Return a body as an array; pickled objects in NPY are refused."""
    if content_type not in DECODED:
        raise UnsupportedFormatError(content_type)
    if content_type == NPZ:
        return importlib.import_module("scipy.sparse").load_npz(io.BytesIO(obj))
    numpy = importlib.import_module("numpy")
    if content_type == NPY:
        return numpy.load(io.BytesIO(obj), allow_pickle=False)
    if content_type == CSV:
        text = obj.decode() if isinstance(obj, bytes | bytearray) else obj
        return numpy.genfromtxt(io.StringIO(text), dtype=None, delimiter=",")
    return numpy.array(json.loads(obj))


def encode(array_like: Any, content_type: str) -> Any:
    """Return a prediction as text, or bytes for NPY."""
    if content_type not in ENCODED:
        raise UnsupportedFormatError(content_type)
    if content_type == JSON:
        return json.dumps(array_like, default=_list)
    numpy = importlib.import_module("numpy")
    if content_type == NPY:
        stream = io.BytesIO()
        numpy.save(stream, array_like)
        return stream.getvalue()
    text = io.StringIO()
    numpy.savetxt(text, array_like, delimiter=",", fmt="%s")
    return text.getvalue()


def _list(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

"""What reading a zip archive from anywhere may raise."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
    struct.error,
)
"""What zipfile raises for archives that are not what they say; a password, or a version or
method it does not know, is a RuntimeError."""

"""A small image made of this machine's own Python, for tests that must not depend on a base image."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Mapping
from pathlib import Path

from builder.oci.config import Healthcheck, ImageConfig
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Image, Layer
from builder.oci.media_type import MediaType
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore

INTERPRETER = str(Path(sys._base_executable).resolve())
PYTHON = (INTERPRETER, "-I", "-S", "-B")
_SKIPPED = {"__pycache__", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "dist-packages", "test"}


def add_layer(store: BlobStore, tar: bytes, title: str, *, compress: bool = True) -> Layer:
    """Store a tar as a layer, with gzip or as it is."""
    blob = gzip.compress(tar, compresslevel=1, mtime=0) if compress else tar
    media_type = MediaType.OCI_LAYER_GZIP if compress else MediaType.OCI_LAYER_TAR
    descriptor = Descriptor(media_type=media_type, digest=store.add(blob), size=len(blob))
    return Layer(descriptor=descriptor, diff_id=Digest.of(tar), title=title)


def tar_of(files: Mapping[str, bytes | Path], *, mode: int = 0o644) -> bytes:
    """Return a tar of files by path, with the folders they need, all root's."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folders = {str(parent) for path in files for parent in Path(path).parents if str(parent) != "."}
        for folder in sorted(folders):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for path, source in sorted(files.items()):
            content = source.read_bytes() if isinstance(source, Path) else source
            info = tarfile.TarInfo(path)
            info.size = len(content)
            info.mode = 0o755 if isinstance(source, Path) and source.stat().st_mode & 0o111 else mode
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def python_layer(store: BlobStore) -> Layer:
    """Pack the interpreter that runs this, its standard library and the shared libraries they load."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    modules = [
        path for path in stdlib.rglob("*") if path.is_file() and not _SKIPPED & set(path.relative_to(stdlib).parts)
    ]
    modules = [path for path in modules if path.suffix in (".py", ".so")]
    libraries: set[Path] = set()
    for program in [Path(INTERPRETER), *(path for path in modules if path.suffix == ".so")]:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        libraries |= {Path(word) for line in listed.splitlines() for word in line.split() if word.startswith("/")}
    files = {str(path).lstrip("/"): path for path in [Path(INTERPRETER), *modules, *libraries]}
    return add_layer(store, tar_of(files), "python", compress=False)


def image_of(python: Layer, store: BlobStore, program: str, **config: object) -> Image:
    """Return an image that runs ``program`` with the layer's Python."""
    code = add_layer(store, tar_of({"app/main.py": program.encode(), "app/probe.py": _PROBE.encode()}), "code")
    values: dict[str, object] = {
        "platform": Platform.parse("linux/amd64"),
        "created": 0,
        "entrypoint": (*PYTHON, "/app/main.py"),
        "working_dir": "/app",
        "exposed_ports": ("8080/tcp",),
        "env": (("HOME", "/tmp"), ("LANG", "C.UTF-8")),
        "healthcheck": Healthcheck(
            test=("CMD", *PYTHON, "/app/probe.py"), interval=10, timeout=3, start_period=30, retries=3
        ),
        "diff_ids": (python.diff_id, code.diff_id),
    } | config
    return Image(config=ImageConfig(**values), layers=(python, code))


_PROBE = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=2)
connection.request("GET", "/readyz")
sys.exit(0 if connection.getresponse().status == 200 else 1)
"""

SERVICE = """
import json, os, signal, socket, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = {"/livez": "alive", "/readyz": "ready"}
        self.answer(200 if self.path in known else 404, {"status": known.get(self.path, "unknown route")})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            records = json.loads(body)
        except ValueError as error:
            message = f"the body is not JSON: {error}"
            return self.answer(400, {"error": message, "faults": [{"message": message}]})
        self.answer(200, {"predictions": [sum(records.values())]})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text, *values):
        print(json.dumps({"message": text % values}), flush=True)

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("starting as", os.getpid(), os.getuid(), os.getgid(), flush=True)
ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""

"""Tiny images that are real: this machine's own Python and a script or two, as layers in a store."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from builder.oci.config import Healthcheck, ImageConfig
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Image, Layer
from builder.oci.media_type import MediaType
from builder.oci.platform import Platform
from builder.plan.model import EPOCH
from builder.store.blobs import BlobStore

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
INTERPRETER = f"/usr/bin/python{MINOR}"
"""Where the images have it; the tree around it is relocated there, whatever prefix it comes from."""
TEST_LABELS = {"dev.modelkiln.test": "1"}
"""On every image the tests make, so that they can be removed from an engine that stays."""
_LEFT_OUT = {"test", "idlelib", "tkinter", "turtledemo", "ensurepip", "site-packages", "dist-packages", "__pycache__"}


def tar_of(files: Mapping[str, bytes | Path], *, modes: Mapping[str, int] | None = None) -> bytes:
    """Return a tar of these files (content, or a path on this machine), with the folders above them."""
    buffer = io.BytesIO()
    folders = {str(parent) for path in files for parent in Path(path).parents} - {"."}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted({*files, *folders}):
            info = tarfile.TarInfo(path)
            info.mtime = EPOCH
            content = files.get(path)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, (modes or {}).get(path, 0o755)
                archive.addfile(info)
                continue
            data = content.read_bytes() if isinstance(content, Path) else content
            executable = isinstance(content, Path) and content.stat().st_mode & 0o100
            info.mode = (modes or {}).get(path, 0o755 if executable else 0o644)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def layer_of(store: BlobStore, title: str, tar: bytes) -> Layer:
    """Put a tar into the store as a gzip layer."""
    blob = gzip.compress(tar, compresslevel=1, mtime=0)
    descriptor = Descriptor(media_type=MediaType.OCI_LAYER_GZIP, digest=store.add(blob), size=len(blob))
    return Layer(descriptor=descriptor, diff_id=Digest.of(tar), title=title)


@lru_cache(maxsize=1)
def python_tar() -> bytes:
    """Return a root file system with this machine's Python and nothing else; /tmp is there."""
    program = Path(sys._base_executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    files: dict[str, bytes | Path] = {
        INTERPRETER.lstrip("/"): program,
        "etc/passwd": b"root:x:0:0:root:/root:/usr/sbin/nologin\n",
        "etc/group": b"root:x:0:\n",
        "tmp/.keep": b"",
    }
    for path in sorted(stdlib.rglob("*")):
        relative = path.relative_to(stdlib)
        if path.is_file() and not _LEFT_OUT & set(relative.parts) and not relative.parts[0].startswith("config-"):
            files[f"usr/lib/python{MINOR}/{relative}"] = path
    files.update(_libraries([program, *sorted((stdlib / "lib-dynload").glob("*.so"))]))
    return tar_of(files, modes={"tmp": 0o1777})


def program_tar(name: str, files: Mapping[str, bytes]) -> bytes:
    """Return a root file system with one program of this machine, in /bin, its libraries, and further files."""
    place = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    assert place, f"{name} is not installed"
    program = Path(place).resolve()
    return tar_of({f"bin/{name}": program, "tmp/.keep": b"", **files, **_libraries([program])}, modes={"tmp": 0o1777})


def _libraries(programs: Iterable[Path]) -> dict[str, Path]:
    listing = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    places = {}
    for soname, place in re.findall(r"^\s+(\S+) => (/\S+) ", listing, re.MULTILINE):
        places[f"lib/{_triplet()}/{soname}"] = Path(place).resolve()
    for loader in re.findall(r"^\s+(/lib\S+) \(", listing, re.MULTILINE):
        places[loader.lstrip("/")] = Path(loader).resolve()
    return places


def _triplet() -> str:
    return f"{(Platform.host() or Platform.parse('linux/amd64')).machine}-linux-gnu"


def python_layer(store: BlobStore) -> Layer:
    """Put this machine's Python into the store as a layer."""
    return layer_of(store, f"Python {MINOR} of this machine", python_tar())


def python_image(store: BlobStore, files: Mapping[str, bytes], *, script: str, healthcheck: bool = True) -> Image:
    """Make an image whose program is one of ``files``, run by this machine's Python."""
    layers = (python_layer(store), layer_of(store, "script", tar_of({f"srv/{name}": files[name] for name in files})))
    check = (INTERPRETER, "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/livez', timeout=2)")
    config = ImageConfig(
        platform=Platform.host() or Platform.parse("linux/amd64"),
        created=EPOCH,
        user="10001:0",
        env=(("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUNBUFFERED", "1")),
        entrypoint=(INTERPRETER, f"/srv/{script}"),
        working_dir="/srv",
        exposed_ports=("8080/tcp",),
        labels=TEST_LABELS,
        healthcheck=Healthcheck(test=("CMD", *check), interval=1, timeout=2, start_period=5, retries=2)
        if healthcheck
        else None,
        diff_ids=tuple(layer.diff_id for layer in layers),
    )
    return Image(config=config, layers=layers)


ECHO_SERVER = rb"""
import http.server, json, os, signal, sys, threading, time

mode = os.environ.get("MODE", "")
print("starting", mode, flush=True)
if mode == "dies":
    sys.exit("the model cannot be loaded")
if mode == "hungry":
    hoard = [bytearray(b"x" * (1 << 20)) for _ in range(4096)]
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else lambda *_: os._exit(0))


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        if mode == "slow":
            time.sleep(60)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        identity = {"uid": os.getuid(), "gid": os.getgid(), "env": dict(os.environ), "body": body.decode()}
        identity["caps"] = [line for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPrivs"))]
        identity["writable"] = []
        for place in ("/srv", "/tmp", "/"):
            try:
                open(place + "/probe", "w").close()
                identity["writable"].append(place)
            except OSError:
                pass
        content = json.dumps(identity).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, text, *arguments):
        print(text % arguments, flush=True)


http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""

"""A plan that really builds: this machine's Python as the base, pip's own wheel, a wheel made here, two scripts."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from builder.base.model import BaseKind, LockedBase, LockedBasePlatform
from builder.lock.model import LockedWheel
from builder.oci.config import Healthcheck, ImageConfig
from builder.oci.digest import Digest
from builder.oci.platform import Platform
from builder.plan import places
from builder.plan.model import EPOCH, FileSource, Origin, Plan, PlannedLayer, Purpose, TextSource, WheelSource
from builder.store.blobs import BlobStore
from tests.support.images import ECHO_SERVER, INTERPRETER, MINOR, TEST_LABELS, python_layer


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """A plan and all it takes to write its context."""

    plan: Plan
    store: BlobStore
    origins: Mapping[Origin, Path]


def wheel_of(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    """Return a pure-Python wheel with these files."""
    info = f"{name}-{version}.dist-info"
    everything = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for path, data in everything.items()
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in {**everything, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def pip_wheel() -> tuple[str, bytes]:
    """Return the version and the wheel of the pip that is installed here."""
    distribution = importlib.metadata.distribution("pip")
    paths = [path for path in distribution.files or () if path.parts[0] == "pip" and path.suffix != ".pyc"]
    files = {path.as_posix(): path.read_binary() for path in paths}
    return distribution.version, wheel_of("pip", distribution.version, files)


def _locked(store: BlobStore, name: str, version: str, content: bytes) -> LockedWheel:
    return LockedWheel(
        name=name,
        version=version,
        filename=f"{name}-{version}-py3-none-any.whl",
        size=len(content),
        digest=store.add(content),
    )


def make_workshop(root: Path) -> Workshop:
    """Write a bundle's files below ``root`` and return its plan and store."""
    store = BlobStore(root / "store")
    layer = python_layer(store)
    platform = Platform.host() or Platform.parse("linux/amd64")
    base = LockedBase(
        kind=BaseKind.DEBIAN,
        name="this-machine",
        digest=layer.diff_id,
        python=MINOR,
        platforms=(LockedBasePlatform(platform=platform, layers=(layer,), interpreter=INTERPRETER, glibc=(2, 31)),),
    )
    greet = wheel_of("greet", "1.0", {"greet/__init__.py": b"def hello():\n    return 'hello'\n"})
    wheel = _locked(store, "greet", "1.0", greet)
    installer = _locked(store, "pip", *pip_wheel())
    files = {
        (Origin.RUNTIME, "entry.py", f"{places.RUNTIME}/entry.py"): ECHO_SERVER,
        (Origin.RUNTIME, "probe.py", f"{places.RUNTIME}/probe.py"): PROBE,
        (Origin.BUNDLE, "model/weights [1].bin", f"{places.MODEL_FILES}/weights [1].bin"): bytes(1000),
        (Origin.BUNDLE, "score.py", f"{places.CODE}/score.py"): b"import greet\n",
    }
    origins = {Origin.RUNTIME: root / "runtime", Origin.BUNDLE: root / "bundle"}
    sources = []
    for (origin, source, path), content in files.items():
        target = origins[origin] / source
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        sources.append(
            FileSource(path=path, origin=origin, source=source, digest=Digest.of(content), size=len(content))
        )
    wheels = tuple(
        WheelSource(wheel=wheel, prefix=prefix, python=MINOR, interpreter=INTERPRETER)
        for prefix in (places.SERVER_PACKAGES, places.PACKAGES)
    )
    layers = (
        PlannedLayer(purpose=Purpose.RUNTIME, title="server dependencies", sources=wheels[:1]),
        PlannedLayer(purpose=Purpose.RUNTIME, title="runtime", sources=tuple(sources[:2])),
        PlannedLayer(purpose=Purpose.DEPENDENCIES, title="greet", sources=wheels[1:]),
        PlannedLayer(purpose=Purpose.MODEL, title="model", sources=(sources[2],)),
        PlannedLayer(purpose=Purpose.CODE, title="code", sources=(sources[3],)),
        PlannedLayer(
            purpose=Purpose.CONFIGURATION,
            title="bundle.json",
            sources=(TextSource(path=places.BUNDLE_JSON, text='{"name": "hello"}\n'),),
        ),
    )
    entry = (INTERPRETER, "-I", "-S", f"/{places.RUNTIME}/entry.py")
    config = ImageConfig(
        platform=platform,
        created=EPOCH,
        user=places.USER,
        env=(("AWKWARD", 'a "b" $HOME c\\d'), ("HOME", "/tmp"), ("PYTHONDONTWRITEBYTECODE", "1")),
        entrypoint=entry,
        cmd=("auto",),
        working_dir=f"/{places.MODEL}",
        exposed_ports=(f"{places.PORT}/tcp",),
        labels={
            **TEST_LABELS,
            "org.opencontainers.image.title": "hello",
            "dev.modelkiln.awkward": 'a "b" $HOME c\\d {"C":1.0}',
        },
        healthcheck=Healthcheck(
            test=("CMD", INTERPRETER, "-I", "-S", f"/{places.RUNTIME}/probe.py"),
            interval=1,
            timeout=2,
            start_period=5,
            retries=2,
        ),
    )
    requirements = f"greet==1.0 \\\n    --hash=sha256:{wheel.digest.hex}\n"
    plan = Plan(
        name="hello",
        version="1.0.0",
        repository="hello",
        platform=platform,
        base=base,
        layers=layers,
        config=config,
        requirements=requirements,
        server_requirements=requirements,
        installer=installer,
    )
    return Workshop(plan=plan, store=store, origins=origins)


def with_config(workshop: Workshop, **changes: object) -> Workshop:
    """Return the same workshop with another configuration."""
    plan = replace(workshop.plan, config=replace(workshop.plan.config, **changes))  # type: ignore[arg-type]
    return replace(workshop, plan=plan)


PROBE = b"""
import http.client, sys

connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=2)
connection.request("GET", "/readyz")
sys.exit(connection.getresponse().status != 200)
"""

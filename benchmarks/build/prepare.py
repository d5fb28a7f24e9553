"""What is made once, before anything is measured: environments, base images, models, downloads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.build.engine import Engine
from benchmarks.build.measure import run
from benchmarks.build.projects import GIBIBYTE, PINS, TRAIN
from benchmarks.build.systems import BASE
from tests.support.packages import program

MODELS = 16
DEBIAN = "bookworm"


@dataclass(frozen=True)
class Shop:
    """The benchmark's folder, with what was made in it."""

    home: Path

    def venv(self, name: str, *requirements: str) -> Path:
        """Return the folder of programs of an environment with these requirements."""
        folder = self.home / "venvs" / name
        done = folder / ".requirements"
        if not done.exists() or done.read_text().split() != list(requirements):
            shutil.rmtree(folder, ignore_errors=True)
            run([sys.executable, "-m", "venv", folder])
            run([folder / "bin/pip", "install", "--quiet", "--no-input", *requirements])
            done.write_text("\n".join(requirements))
        return folder / "bin"

    def version(self, name: str, distribution: str) -> str:
        """Return the version of a distribution in an environment."""
        code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
        return run([self.home / "venvs" / name / "bin/python", "-c", code]).stdout.strip()

    @property
    def models(self) -> Path:
        """Models of about 2 MB, numbered."""
        folder = self.home / "models"
        if not (folder / f"{MODELS - 1}.joblib").exists():
            folder.mkdir(parents=True, exist_ok=True)
            run([self.venv("train", *PINS) / "python", "-c", TRAIN, folder, str(MODELS)])
        return folder

    @property
    def gibibyte(self) -> Path:
        """A file of 1 GiB that does not compress."""
        path = self.home / "weights.bin"
        if not path.exists() or path.stat().st_size != GIBIBYTE:
            with path.open("wb") as file:
                for _ in range(GIBIBYTE >> 20):
                    file.write(os.urandom(1 << 20))
        return path

    def base_image(self, engine: Engine) -> None:
        """Have the image hand-written Dockerfiles and peers start from: Debian's Python, pip and uv, in slim's size.

        No image need be pulled: it is made of Debian's packages. pip's settings and the certificates of this machine
        go in, since every build in it asks the index; neither leaves this machine.
        """
        if engine.has(BASE):
            return
        archive = self.home / "base.tar"
        if not archive.exists():
            part = archive.with_suffix(".part.tar")
            run(
                [
                    *(program("mmdebstrap"), "--variant=minbase", "--dpkgopt=path-exclude=/usr/share/doc/*"),
                    "--dpkgopt=path-exclude=/usr/share/man/*",
                    "--include=python3,python3-pip,python3-venv,ca-certificates,netbase,tzdata",
                    *(DEBIAN, part),
                ]
            )
            part.rename(archive)
        context = self.home / "base"
        context.mkdir(exist_ok=True)
        (context / "pip.conf").write_text(pip_settings())
        shutil.copyfile(certificates(), context / "ca-certificates.crt")
        shutil.copy2(self.venv("uv", "uv") / "uv", context / "uv")
        engine.docker("import", archive, "kiln-benchmark/debian")
        (context / "Dockerfile").write_text(
            "FROM kiln-benchmark/debian\n"
            "COPY ca-certificates.crt /etc/ssl/certs/\n"
            "COPY pip.conf /etc/\n"
            "COPY uv /usr/local/bin/\n"
            "RUN ln -s python3 /usr/bin/python && rm -f /usr/lib/python3*/EXTERNALLY-MANAGED\n"
            "ENV LANG=C.UTF-8 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_ROOT_USER_ACTION=ignore\n"
            "ENV PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NATIVE_TLS=1 UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never\n"
            f"{_uv_index()}"
            'CMD ["python3"]\n'
        )
        engine.build(context, BASE, buildkit=False)


def pip_settings() -> str:
    """Return this machine's pip settings as far as they hold in a container: addresses on a network."""
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt"]
    for name in ("index-url", "extra-index-url", "trusted-host", "timeout"):
        found = [word for word in _pip(name).split() if not word.startswith(("file:", "/"))]
        if found:
            lines.append(f"{name} = {' '.join(found)}")
    return "\n".join([*lines, ""])


def _uv_index() -> str:
    index = _pip("index-url")
    return f"ENV UV_DEFAULT_INDEX={index}\n" if index else ""


def _pip(name: str) -> str:
    told = os.environ.get(f"PIP_{name.replace('-', '_').upper()}")
    if told:
        return told
    for section in ("global", "install"):
        argv = [sys.executable, "-m", "pip", "config", "get", f"{section}.{name}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    return ""


def certificates() -> str:
    """Return the bundle of certificates this machine trusts."""
    return next(
        path
        for path in (_pip("cert"), os.environ.get("SSL_CERT_FILE", ""), "/etc/ssl/certs/ca-certificates.crt")
        if path and Path(path).is_file()
    )

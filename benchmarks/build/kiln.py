"""ModelKiln itself: linked natively, and its generated Dockerfile under Docker."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.build.engine import Engine, Registry
from benchmarks.build.measure import ROOT, run
from benchmarks.build.projects import COLUMNS, SMALL, Project
from benchmarks.build.systems import System

KILN = str(Path(sys.executable).with_name("kiln"))

BUNDLE = """
    name: {name}
    version: 1.0.0
    description: A random forest over twenty columns, for measuring builds.
    owner: benchmark@example.com
    model: {{path: {model}}}
    scoring: {{script: score.py}}
    environment:
      python: "3.11"
      requirements: requirements.txt
    schema:
      request:
        type: object
        properties: {{{properties}}}
        required: [{columns}]
        additionalProperties: false
      response: {{type: integer, minimum: 0, maximum: 1}}
    smoke:
      - name: a record is scored
        request: {{{record}}}
        expect: {{status: 200}}
      - name: a record without columns is refused
        request: {{}}
        expect: {{status: 400}}
    """

SCORE = """
    from pathlib import Path

    import joblib
    import pandas


    def load(model_dir):
        return joblib.load(next(Path(model_dir).rglob("model.joblib")))


    def predict(model, records):
        return model.predict(pandas.DataFrame(records)).tolist()
    """


def bundle_project(folder: Path, models: Path, *, big: Path | None = None) -> Project:
    """Return the project as a bundle."""
    text = BUNDLE.format(
        name=folder.name,
        model="model" if big else "model/model.joblib",
        properties=", ".join(f"{column}: {{type: number}}" for column in COLUMNS),
        columns=", ".join(COLUMNS),
        record=", ".join(f"{column}: 0.5" for column in COLUMNS),
    )
    return Project(
        folder=folder, models=models, code="score.py", files={"bundle.yaml": text, "score.py": SCORE}, big=big
    )


class Home:
    """A home of kiln's in which everything was fetched and nothing made; and one that starts as its copy."""

    def __init__(self, folder: Path) -> None:
        self.fetched, self.used = folder / "fetched", folder / "used"

    def renew(self) -> None:
        """Forget all that was made. Blobs are linked, as nobody writes into one; what else there is gets copied."""
        shutil.rmtree(self.used, ignore_errors=True)
        (self.used / "store").mkdir(parents=True)
        for part in sorted((self.fetched / "store").iterdir()):
            words = ["cp", "--archive", *(["--link"] if part.name == "blobs" else []), part, self.used / "store"]
            run([str(word) for word in words])


class Kiln(System):
    """The native assembler, up to the image in the engine. A model that changed is locked first, where it must be."""

    chooses = True

    def __init__(self, engine: Engine, project: Project, home: Home, *, name: str = "kiln") -> None:
        self.name, self.engine, self.project, self.home = name, engine, project, home
        self.tag = f"{project.folder.name}:1.0.0"
        self.takes_models = False

    def kiln(self, *arguments: str | Path, home: Path | None = None) -> str:
        environ = {**self.engine.environ, "KILN_HOME": str(home or self.home.used)}
        return run([KILN, *arguments], environ=environ).stdout

    def _try(self, *arguments: str | Path) -> bool:
        environ = {**os.environ, **self.engine.environ, "KILN_HOME": str(self.home.used)}
        return subprocess.run([KILN, *arguments], env=environ, capture_output=True, check=False).returncode == 0

    def prepare(self) -> None:
        """Bring all that any of the project's locks names, and have the base in the engine under a name that stays."""
        done, key = self.home.fetched / ".prepared", _sources()
        if self.engine.has("kiln-benchmark/base:kiln") and done.exists() and done.read_text().startswith(key):
            self.takes_models = done.read_text().endswith("takes models")
            return
        self.project.reset()
        for number in (*range(len(SMALL)), None):
            self.project.depend(number)
            self.kiln("lock", self.project.folder, home=self.home.fetched)
            self.kiln("fetch", self.project.folder, home=self.home.fetched)
        self.forget()
        self.kiln("build", self.project.folder)
        self._base("engine")
        self.project.place_model(1)
        self.takes_models = self._try("build", self.project.folder)
        done.write_text(f"{key} {'takes models' if self.takes_models else 'wants a lock for each model'}")

    def forget(self) -> None:
        self.kiln("lock", self.project.folder, home=self.home.fetched)
        self.has_other_model = False
        self.home.renew()
        self.engine.remove(self.tag)
        shutil.rmtree(self.project.folder / "build", ignore_errors=True)

    def build(self) -> None:
        self.link()
        self.load()

    def link(self) -> None:
        if self.has_other_model and not self.takes_models:
            self.choose()
        self.has_other_model = False
        self.kiln("build", self.project.folder, *(["--load"] if can_load() else []))

    def load(self) -> None:
        if not can_load():
            environ = {**self.engine.environ, "KILN_HOME": str(self.home.used)}
            run([sys.executable, "-c", _LOAD, str(self.project.folder), self.tag], environ=environ)

    def choose(self) -> None:
        self.kiln("lock", self.project.folder)

    def push(self, registry: Registry, repository: str) -> None:
        self.kiln("push", self.project.folder, f"{registry.host}/{repository}", "--untested", "--move-tag")

    def pushed_tag(self) -> str:
        return "1.0.0"

    def pushed_repository(self, repository: str) -> str:
        return f"{repository}/{self.project.folder.name}"

    def place_base(self, registry: Registry) -> None:
        self._base(f"{registry.host}/base:kiln")

    def _base(self, place: str) -> None:
        """Have the base image alone somewhere."""
        environ = {**self.engine.environ, "KILN_HOME": str(self.home.used)}
        run([sys.executable, "-c", _BASE, self.project.folder, place], environ=environ)


class Generated(System):
    """The Dockerfile kiln writes, built by Docker. Writing it and its context is not counted."""

    publishes = False

    def __init__(self, engine: Engine, kiln: Kiln, *, buildkit: bool) -> None:
        self.name = f"generated Dockerfile, {'BuildKit' if buildkit else 'classic'}"
        self.engine, self.project, self._kiln, self._buildkit = engine, kiln.project, kiln, buildkit
        self.tag = f"kiln-benchmark/generated-{'buildkit' if buildkit else 'classic'}"
        self._cold = False

    def forget(self) -> None:
        self.engine.remove(self.tag)
        self._cold = True

    def ready(self) -> None:
        self._kiln.choose()
        self._kiln.link()

    def build(self) -> None:
        context = self.project.folder / "build/context"
        self.engine.build(context, self.tag, buildkit=self._buildkit, cache=not self._cold, network="none")
        self._cold = False


def _sources() -> str:
    """Return what tells one state of kiln's source from another."""
    files = sorted((ROOT / "builder").rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@cache
def can_load() -> bool:
    """Tell whether ``kiln build`` can end with the image in the engine."""
    return "--load" in run([KILN, "build", "--help"]).stdout


def image_id(project: Project) -> str:
    record = json.loads((project.folder / "build/image.json").read_text())
    return str(record["image_id"])


_LOAD = """
import sys
from pathlib import Path
from builder import pipeline
from builder.engine.docker import DockerEngine
from builder.host.terminal import Terminal
from builder.oci.platform import Platform
from builder.store.images import read_layout
workshop = pipeline.open_workshop(Terminal(quiet=True))
with DockerEngine.connect() as engine:
    image = read_layout(Path(sys.argv[1]) / "build/layout", Platform.host())
    engine.load(image, workshop.store, tags=(sys.argv[2],))
"""

_BASE = """
import dataclasses, sys
from pathlib import Path
from builder import pipeline
from builder.engine.docker import DockerEngine
from builder.host.terminal import Terminal
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.publish.push import push_image
from builder.store.images import read_layout
workshop = pipeline.open_workshop(Terminal(quiet=True))
image = read_layout(Path(sys.argv[1]) / "build/layout", Platform.host())
config = dataclasses.replace(image.config, diff_ids=image.config.diff_ids[:1], history=image.config.history[:1])
base = dataclasses.replace(image, config=config, layers=image.layers[:1])
if sys.argv[2] == "engine":
    with DockerEngine.connect() as engine:
        engine.load(base, workshop.store, tags=("kiln-benchmark/base:kiln",))
else:
    push_image(base, workshop.store, Reference.parse(sys.argv[2]))
"""

"""ModelKiln itself: linked natively, and its generated Dockerfile under Docker."""

from __future__ import annotations

import hashlib
import shutil
import sys
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
    """The native assembler, up to the image in the engine."""

    chooses = True
    bare = "also"

    def __init__(self, engine: Engine, project: Project, home: Home, *, name: str = "kiln") -> None:
        self.name, self.engine, self.project, self.home = name, engine, project, home
        self._first = project
        self.begin()

    def kiln(self, *arguments: str | Path, home: Path | None = None) -> str:
        environ = {**self.engine.environ, "KILN_HOME": str(home or self.home.used)}
        return run([KILN, *arguments], environ=environ).stdout

    def begin(self) -> None:
        self._take(self._first)

    def _take(self, project: Project) -> None:
        self.project, self.tag = project, f"{project.folder.name}:1.0.0"

    def move(self, number: int) -> None:
        """Go on with a bundle of another name in another folder, locked but never built. One of 1 GiB stays."""
        if self._first.big:
            super().move(number)
            return
        folder = self._first.folder.with_name(f"{self._first.folder.name}-another")
        shutil.rmtree(folder, ignore_errors=True)
        self._take(bundle_project(folder, self._first.models))
        self.project.reset()
        super().move(number)
        self.has_other_model = False
        self.choose()

    def prepare(self) -> None:
        """Bring all that any of the project's locks names, and have the base in the engine under a name that stays."""
        done, key = self.home.fetched / ".prepared", _sources()
        if self.engine.has("kiln-benchmark/base:kiln") and done.exists() and done.read_text() == key:
            return
        self.project.reset()
        for number in (*range(len(SMALL)), None):
            self.project.depend(number)
            self.kiln("lock", self.project.folder, home=self.home.fetched)
            self.kiln("fetch", self.project.folder, home=self.home.fetched)
        self.forget()
        self.kiln("build", self.project.folder)
        self._base("engine")
        done.write_text(key)

    def forget(self) -> None:
        self.kiln("lock", self.project.folder, home=self.home.fetched)
        self.has_other_model = False
        self.home.renew()
        self.engine.remove(self._first.folder.name)
        shutil.rmtree(self.project.folder / "build", ignore_errors=True)

    def build(self) -> None:
        self.kiln("build", self.project.folder, "--load", *(["--new-model"] if self.has_other_model else []))
        self.has_other_model = False

    def build_bare(self) -> None:
        """Run the same command with a linker that is given no interpreter, for which there is no option."""
        environ = {**self.engine.environ, "KILN_HOME": str(self.home.used)}
        run([sys.executable, "-c", _BARE, "build", self.project.folder, "--load"], environ=environ)

    def link(self) -> None:
        """Write the image and the generated Dockerfile's context, and load nothing."""
        self.kiln("build", self.project.folder)

    def choose(self) -> None:
        self.kiln("lock", self.project.folder)

    def push(self, registry: Registry, repository: str) -> None:
        self.kiln("push", self.project.folder, f"{registry.host}/{repository}", "--untested", "--move-tag")

    def pushed_tag(self) -> str:
        return "1.0.0"

    def pushed_repository(self, repository: str) -> str:
        return f"{repository}/{self.project.folder.name}"

    def place_base(self, registry: Registry) -> None:
        self._base(f"{registry.host}/base:{self.project.folder.name}")

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
    """Return what tells one state of the source that locks and fetches from another."""
    parts = ("base", "bundle", "lock", "oci", "pipeline", "store")
    files = sorted(file for part in parts for file in (ROOT / "builder" / part).rglob("*.py"))
    files.append(ROOT / "builder/runtime/requirements.lock")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


_BARE = """
from contextlib import nullcontext
from builder.pipeline import linking
linking.interpreter_for = lambda *given, **named: nullcontext()
from builder.cli.main import main
main()
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

"""The tools people use today, each driven as its documentation says, and what it takes to run it without Docker Hub.

Every tool calls ``docker build``; a client of the benchmark's own stands before the real one on the path. It gives the
build this machine's network, leaves the image's name as it is, and takes out what would be pulled: a frontend
(``# syntax=``), and base images, in whose place comes the benchmark's own.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from abc import abstractmethod
from pathlib import Path

from benchmarks.build.engine import Engine, client
from benchmarks.build.measure import run
from benchmarks.build.prepare import Shop
from benchmarks.build.projects import PINS, Project
from benchmarks.build.systems import BASE, System

CONDA = "kiln-benchmark/no-conda"
MLSERVER = "kiln-benchmark/base-mlserver"

DOCKER = """#!{python}
import os, re, sys
words = sys.argv[1:]
if words[:1] == ["version"] or words[:2] == ["buildx", "version"]:
    os.execv("{client}", ["docker", *words])
if words[:2] == ["image", "build"]:
    words[:2] = ["build"]
if words[:1] == ["build"]:
    named = [words[place + 1] for place, word in enumerate(words) if word in ("-f", "--file")]
    folder = next(word for word in reversed(words) if os.path.isdir(word))
    path = named[0] if named else os.path.join(folder, "Dockerfile")
    text = open(path).read()
    text = re.sub(r"(?m)^#\\s*syntax\\s*=.*\\n", "", text)
    for pattern, ours in {bases!r}.items():
        text = re.sub(rf"(?m)^(FROM\\s+(?:--platform=\\S+\\s+)?){{pattern}}(?=\\s|$)", rf"\\g<1>{{ours}}", text)
    open(path, "w").write(text)
    words[1:1] = ["--network=host"] + (["--no-cache"] if os.environ.get("BENCHMARK_COLD") else [])
    for word in ("--load", "--push=false", "--progress=auto"):
        while word in words:
            words.remove(word)
os.execv("{client}", ["docker", *words])
"""
BASES = {
    r"python:3[\w.]*-slim(?:-bookworm)?": BASE,
    r"continuumio/miniconda3:\S+": CONDA,
    r"seldonio/mlserver:\S+": MLSERVER,
}


class Peer(System):
    """An installed tool. ``distribution`` names it and its version."""

    distribution: str
    requirements: tuple[str, ...]

    def __init__(self, shop: Shop, engine: Engine, *, big: bool = False) -> None:
        self.engine, self._shop = engine, shop
        self._bin = shop.venv(self.distribution, *self.requirements)
        self._path = _client(shop.home / "client", engine)
        folder = shop.home / "projects" / f"{self.distribution}{'-big' if big else ''}"
        self.project = self._project(folder, shop.models, shop.gibibyte if big else None)
        self.tag = f"kiln-benchmark/{self.distribution}"
        self.name = f"{self.label} {shop.version(self.distribution, self.distribution)}"
        self._cold = False

    label: str

    @abstractmethod
    def _project(self, folder: Path, models: Path, big: Path | None) -> Project:
        """Return the project in the tool's own form."""

    @abstractmethod
    def _pack(self) -> None:
        """Run the tool's commands up to the image."""

    def prepare(self) -> None:
        """Make the base images the tool wants."""

    def forget(self) -> None:
        self.engine.remove(self.tag)
        self._cold = True

    def build(self) -> None:
        self._pack()
        self._cold = False

    def run(self, program: str, *arguments: str | Path, **environ: str) -> str:
        words = [self._bin / program, *arguments]
        return run(words, environ=self._environ(environ), cwd=self.project.folder).stdout

    def docker(self, *arguments: str | Path) -> None:
        run([self._path / "docker", *arguments], environ=self._environ({}))

    def _environ(self, more: dict[str, str]) -> dict[str, str]:
        return {
            **self.engine.environ,
            "PATH": f"{self._path}:{self._bin}:{os.environ['PATH']}",
            "BENCHMARK_COLD": "1" if self._cold else "",
            "DOCKER_BUILDKIT": "1",
            **more,
        }


def _client(folder: Path, engine: Engine) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "docker"
    program.write_text(DOCKER.format(python="/usr/bin/python3", client=client(), bases=BASES))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    if not engine.has(CONDA):
        context = folder / "no-conda"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(
            f"FROM {BASE}\nRUN printf '#!/bin/sh\\nexit 0\\n' > /usr/local/bin/conda && chmod +x /usr/local/bin/conda\n"
        )
        engine.build(context, CONDA)
    return folder


SERVICE = """
    import bentoml
    import joblib
    import numpy
    import pandas
    from pathlib import Path

    image = bentoml.images.Image(base_image="python:3.11-slim").requirements_file("requirements.txt")


    @bentoml.service(image=image)
    class Forest:
        def __init__(self) -> None:
            self.model = joblib.load(Path(__file__).parent / "model" / "model.joblib")

        @bentoml.api
        def predict(self, records: list[dict]) -> list[int]:
            return self.model.predict(pandas.DataFrame(records)).tolist()
    """


class BentoML(Peer):
    """``bentoml build`` and ``bentoml containerize``."""

    label, distribution = "BentoML", "bentoml"
    requirements = ("bentoml", *PINS)

    def _project(self, folder: Path, models: Path, big: Path | None) -> Project:
        files = {
            "service.py": SERVICE,
            "bentofile.yaml": "service: service:Forest\ninclude: ['*.py', 'model/*', 'requirements.txt']\n",
        }
        return Project(folder=folder, models=models, code="service.py", files=files, big=big)

    def _pack(self) -> None:
        home = {"BENTOML_HOME": str(self._shop.home / "bentoml"), "BENTOML_DO_NOT_TRACK": "1"}
        shutil.rmtree(self._shop.home / "bentoml/bentos", ignore_errors=True)
        said = self.run("bentoml", "build", "--output", "tag", **home)
        bento = said.strip().splitlines()[-1].removeprefix("__tag__:")
        self.run("bentoml", "containerize", bento, "-t", self.tag, **home)


SAVE = """
import shutil, sys
import joblib, mlflow.pyfunc, pathlib
from forest import Forest
target = pathlib.Path("saved")
shutil.rmtree(target, ignore_errors=True)
mlflow.pyfunc.save_model(
    path=str(target), python_model=Forest(), artifacts={"model": "model"}, code_paths=["forest.py"],
    pip_requirements="requirements.txt",
)
"""
FOREST = """
    from pathlib import Path

    import joblib
    import mlflow.pyfunc
    import pandas


    class Forest(mlflow.pyfunc.PythonModel):
        def load_context(self, context):
            self.model = joblib.load(Path(context.artifacts["model"]) / "model.joblib")

        def predict(self, context, model_input, params=None):
            return self.model.predict(pandas.DataFrame(model_input)).tolist()
    """


class MLflow(Peer):
    """``mlflow models build-docker --env-manager local``. Saving the model in MLflow's form is not counted."""

    label, distribution = "MLflow", "mlflow"
    requirements = ("mlflow", *PINS)

    def _project(self, folder: Path, models: Path, big: Path | None) -> Project:
        return Project(folder=folder, models=models, code="forest.py", files={"forest.py": FOREST}, big=big)

    def ready(self) -> None:
        self.run("python", "-c", SAVE)

    def _pack(self) -> None:
        self.run("mlflow", "models", "build-docker", "-m", "saved", "-n", self.tag, "--env-manager", "local")


RUNTIME = """
    from pathlib import Path

    import joblib
    import numpy
    from mlserver import MLModel
    from mlserver.codecs import NumpyCodec
    from mlserver.types import InferenceRequest, InferenceResponse


    class Forest(MLModel):
        async def load(self) -> bool:
            self.model = joblib.load(Path(__file__).parent / "model" / "model.joblib")
            return True

        async def predict(self, payload: InferenceRequest) -> InferenceResponse:
            rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
            answer = self.model.predict(rows)
            return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("predict", answer)])
    """


class MLServer(Peer):
    """``mlserver build``, on an image of its server made from the same release in the index; conda does nothing."""

    label, distribution = "MLServer", "mlserver"
    requirements = ("mlserver",)

    def _project(self, folder: Path, models: Path, big: Path | None) -> Project:
        settings = json.dumps({"name": "forest", "implementation": "runtime.Forest"})
        files = {"runtime.py": RUNTIME, "model-settings.json": settings + "\n"}
        return Project(folder=folder, models=models, code="runtime.py", files=files, big=big)

    def prepare(self) -> None:
        if self.engine.has(MLSERVER):
            return
        context = self._shop.home / "mlserver-base"
        (context / "hack").mkdir(parents=True, exist_ok=True)
        asked = 'if [[ -f "$1/requirements.txt" ]]; then pip install --no-cache-dir -r "$1/requirements.txt"; fi'
        install = f"#!/bin/bash\nset -e\n{asked}\n"
        (context / "hack/build-env.sh").write_text(install)
        (context / "hack/activate-env.sh").write_text("#!/bin/bash\n")
        for script in (context / "hack").iterdir():
            script.chmod(0o755)
        (context / "Dockerfile").write_text(
            f"FROM {BASE}\n"
            f"RUN pip install --no-cache-dir mlserver=={self._shop.version('mlserver', 'mlserver')}\n"
            "WORKDIR /opt/mlserver\nCOPY hack/ hack/\nENV MLSERVER_MODELS_DIR=/opt/mlserver\nUSER 1000\n"
        )
        self.engine.build(context, MLSERVER)

    def _pack(self) -> None:
        self.run("mlserver", "build", ".", "-t", self.tag)


CONFIG = """
    model_name: forest
    python_version: py311
    requirements_file: ./requirements.txt
    base_image:
      image: {base}
      python_executable_path: /usr/bin/python3
    """
MODEL = """
    from pathlib import Path

    import joblib
    import pandas


    class Model:
        def __init__(self, **kwargs):
            self._data = kwargs["data_dir"]

        def load(self):
            self.model = joblib.load(Path(self._data) / "model.joblib")

        def predict(self, request):
            return self.model.predict(pandas.DataFrame(request["records"])).tolist()
    """


class Truss(Peer):
    """``truss image build-context`` and ``docker build`` of what it writes."""

    label, distribution = "Truss", "truss"
    requirements = ("truss",)

    def _project(self, folder: Path, models: Path, big: Path | None) -> Project:
        files = {"config.yaml": CONFIG.format(base=BASE), "model/model.py": MODEL, "model/__init__.py": ""}
        return TrussProject(folder=folder, models=models, code="model/model.py", files=files, big=big)

    def _pack(self) -> None:
        context = self._shop.home / "truss-context"
        shutil.rmtree(context, ignore_errors=True)
        self.run("truss", "image", "build-context", context, self.project.folder, "--non-interactive")
        self.docker("build", "-q", "-t", self.tag, context)


class TrussProject(Project):
    """A project whose model lies in ``data``."""

    @property
    def model_folder(self) -> Path:
        return self.folder / "data"

"""What a system that makes images is asked to do, and those that build a Dockerfile somebody wrote."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from benchmarks.build.engine import Engine, Registry
from benchmarks.build.projects import SMALL, Project

BASE = "kiln-benchmark/python:3.11-slim"


class System(ABC):
    """A way from a project to an image in the engine."""

    name: str
    project: Project
    tag: str
    engine: Engine
    publishes = True
    chooses = False
    """Whether a dependency that was added is chosen by a command of its own."""
    has_other_model = False
    """Whether the model changed since the last build."""
    bare = ""
    """How it builds without bytecode: "always", "also" when there is ``build_bare``, or not at all."""

    @abstractmethod
    def forget(self) -> None:
        """Drop everything but what was downloaded, so that the next build makes all of it."""

    def begin(self) -> None:  # noqa: B027
        """Go back to the project of the first build: it is always that one."""

    def ready(self) -> None:  # noqa: B027
        """Do what goes before a build and is not counted: nothing."""

    @abstractmethod
    def build(self) -> None:
        """Make the image of the project as it is now, and have it in the engine."""

    def push(self, registry: Registry, repository: str) -> None:
        """Publish what was built."""
        self.engine.push(self.tag, f"{registry.host}/{repository}:latest")

    def place_base(self, registry: Registry) -> None:
        """Have the base's layers in the registry, under a name of their own."""
        self.engine.push(BASE, f"{registry.host}/base:latest")

    def pushed_tag(self) -> str:
        return "latest"

    def pushed_repository(self, repository: str) -> str:
        return repository

    def choose(self) -> None:  # noqa: B027
        """Do what must be done by hand, once, after a dependency was added: nothing."""

    def move(self, number: int) -> None:
        """Go on with another project of the same dependencies: other code, other model; one and the same folder."""
        self.project.edit_code(number)
        self.project.place_model(number % 15 + 1)
        self.has_other_model = True

    def build_bare(self) -> None:
        """Make the image without bytecode, which ``bare`` says it can."""
        raise LookupError(self.name)


class FromDockerfile(System):
    """A Dockerfile built by Docker."""

    def __init__(self, name: str, engine: Engine, project: Project, *, buildkit: bool) -> None:
        self.name, self.engine, self.project, self._buildkit = name, engine, project, buildkit
        self.tag = f"kiln-benchmark/{name.lower().replace(' ', '-').replace(',', '')}"
        self._cold = False

    def prepare(self) -> None:
        """Build once with everything that is ever asked for, so that uv has downloaded it."""
        if not self.engine.has(self.tag):
            self.project.reset()
            with (self.project.folder / "requirements.txt").open("a") as file:
                file.writelines(f"{pin}\n" for pin in SMALL)
            self.build()

    def forget(self) -> None:
        self.engine.remove(self.tag)
        self._cold = True

    def build(self) -> None:
        self.engine.build(self.project.folder, self.tag, buildkit=self._buildkit, cache=not self._cold)
        self._cold = False


SERVER = ("fastapi==0.115.12", "uvicorn[standard]==0.34.2")

HAND_WRITTEN = """
    FROM {base} AS build
    ENV UV_COMPILE_BYTECODE={bytecode} UV_LINK_MODE=copy
    RUN uv venv /app/venv
    COPY requirements.txt .
    RUN --mount=type=cache,target=/root/.cache/uv \\
        uv pip install --python /app/venv/bin/python -r requirements.txt

    FROM {base}
    WORKDIR /app
    COPY --from=build /app/venv /app/venv
    COPY model/ model/
    COPY app.py .
    ENV PATH=/app/venv/bin:$PATH
    USER 10001
    EXPOSE 8080
    CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8080"]
    """

APP = """
    from contextlib import asynccontextmanager

    import joblib
    import pandas
    from fastapi import FastAPI, Request


    @asynccontextmanager
    async def lifespan(app):
        app.state.model = joblib.load("model/model.joblib")
        yield


    app = FastAPI(lifespan=lifespan)


    @app.post("/predict")
    def predict(record: dict[str, float], request: Request):
        return {"predictions": request.app.state.model.predict(pandas.DataFrame([record])).tolist()}
    """


def hand_written(engine: Engine, folder: Path, models: Path, *, bytecode: bool, big: Path | None) -> FromDockerfile:
    """Return what a careful person writes: BuildKit, two stages, uv, cache mounts, what changes most comes last."""
    words = "with bytecode" if bytecode else "no bytecode"
    project = Project(
        folder=folder,
        models=models,
        code="app.py",
        files={
            "Dockerfile": HAND_WRITTEN.format(base=BASE, bytecode=int(bytecode)),
            "app.py": APP,
            ".dockerignore": "Dockerfile\n",
        },
        big=big,
    )
    project = Project(**{**project.__dict__, "pins": (*project.pins, *SERVER)})
    system = FromDockerfile(f"hand-written, {words}", engine, project, buildkit=True)
    system.bare = "" if bytecode else "always"
    return system

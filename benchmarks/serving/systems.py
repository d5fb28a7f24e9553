"""The systems that are measured: how each is started, what it is asked, and in which form.

Everything runs as plain processes on loopback, each from an environment of its own whose every version is pinned in
``locks/``. Systems are left as they come; the variants named "batching" switch on what the system has of it, and
"in process" is MLServer without its second process.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
APPS = HERE / "apps"
RUNTIME = HERE.parents[1] / "builder" / "runtime"
NAMES = [f"feature_{number:02d}" for number in range(20)]
Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Start:
    """What it takes to start a system once."""

    python: Path
    models: Path
    """The folder of one model: model.joblib, positional.joblib."""
    folder: Path
    """An empty folder of its own."""
    port: int
    record: Record

    @property
    def binaries(self) -> Path:
        return self.python.parent


@dataclass(frozen=True, kw_only=True)
class System:
    """One way of serving the model."""

    name: str
    title: str
    lock: str
    path: str
    command: Callable[[Start], list[str]]
    wrap: Callable[[Record], Any] = dict
    find: Callable[[Any], Any] = lambda answer: answer["predictions"][0]
    variables: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False
    batching: bool = False


def wrap_tensor(record: Record) -> dict[str, Any]:
    values = list(record.values())
    return {"inputs": [{"name": "x", "shape": [1, len(values)], "datatype": "FP64", "data": values}]}


# --- ours ---------------------------------------------------------------------------------------------------------

SCRIPT = """
from pathlib import Path

import joblib
import numpy as np

NAMES = [f"feature_{number:02d}" for number in range(20)]


def load(model_dir):
    return joblib.load(Path(model_dir) / "positional.joblib")


def predict(model, records):
    return model.predict(np.array([[record[name] for name in NAMES] for record in records]))
"""


def make_root(start: Start, *, script: bool) -> Path:
    """Lay out what an image has below ``/``: the runtime's own packages and the bundle's, far from each other."""
    root = start.folder / "root"
    for place in ("opt/kiln", "opt/model/code"):
        (root / place).mkdir(parents=True)
    packages = start.python.parents[1] / "lib" / "python3.11" / "site-packages"
    (root / "opt/model/packages").symlink_to(packages)
    (root / "opt/kiln/server").symlink_to(Path(os.environ["BENCH_SERVER_PACKAGES"]))
    shutil.copytree(start.models, root / "opt/model/model")
    if script:
        (root / "opt/model/code/score.py").write_text(SCRIPT)
    schema = {
        "type": "object",
        "properties": {name: {"type": "number"} for name in NAMES},
        "required": NAMES,
        "additionalProperties": False,
    }
    document = {
        "kiln": {"version": "0.1.0", "bundle_json": 1},
        "name": "bench",
        "version": "1.0.0",
        "description": "",
        "owner": "benchmarks",
        "model": {
            "path": "/opt/model/model/model.joblib",
            "basename": "model.joblib",
            "framework": "custom" if script else "sklearn",
            "files": [],
        },
        "scoring": {
            "contract": "predict" if script else "none",
            "script": "/opt/model/code/score.py" if script else None,
        },
        "environment": {"variables": {}},
        "schema": {"request": schema, "response": None, "scope": "record"},
        "service": {},
        "resources": {"cpu": os.cpu_count()},
        "sample": {"content_type": "application/json", "body": json.dumps(dict(start.record))},
    }
    (root / "opt/model/bundle.json").write_text(json.dumps(document))
    return root


def serve_ours(start: Start, *, script: bool = False, **variables: str) -> list[str]:
    root = make_root(start, script=script)
    pairs = {"KILN_ROOT": str(root), "PORT": str(start.port), "KILN_HOST": "127.0.0.1"} | variables
    assignments = [f"{name}={value}" for name, value in pairs.items()]
    return ["env", *assignments, str(start.python), "-I", "-S", str(RUNTIME / "entry.py"), "auto"]


# --- theirs -------------------------------------------------------------------------------------------------------


def serve_handwritten(start: Start) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(start.port), "--no-access-log", "--app-dir", str(APPS)]
    return [str(start.binaries / "uvicorn"), "handwritten:app", *options]


def serve_bento(start: Start, service: str) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(start.port), "--working-dir", str(APPS)]
    return [str(start.binaries / "bentoml"), "serve", f"bento:{service}", *options]


def serve_mlflow(start: Start) -> list[str]:
    saved = start.folder / "mlflow"
    program = f'"{start.python}" "{APPS / "mlflow_model.py"}" "{start.models}" "{saved}"'
    options = f'--env-manager local -h 127.0.0.1 -p {start.port} -m "{saved}"'
    made = start.folder.parent / f"mlflow-{start.models.name}"
    return [
        "sh",
        "-c",
        (
            f'{{ [ -d "{made}" ] || {{ {program} >&2 && cp -r "{saved}" "{made}"; }} }} && rm -rf "{saved}" '
            f'&& cp -r "{made}" "{saved}" && exec "{start.binaries / "mlflow"}" models serve {options}'
        ),
    ]


def serve_mlserver(start: Start, **model: Any) -> list[str]:
    workers = model.pop("workers", None)
    settings = {"host": "127.0.0.1", "http_port": start.port, "grpc_port": start.port + 1}
    settings |= {"metrics_port": start.port + 2} | ({} if workers is None else {"parallel_workers": workers})
    (start.folder / "settings.json").write_text(json.dumps(settings))
    uri = str(start.models / "positional.joblib")
    described = {"name": "bench", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": uri}}
    (start.folder / "model-settings.json").write_text(json.dumps(described | model))
    return [str(start.binaries / "mlserver"), "start", str(start.folder)]


def serve_litserve(start: Start, size: int) -> list[str]:
    return [str(start.python), str(APPS / "lit.py"), str(start.port), str(size)]


def serve_kserve(start: Start) -> list[str]:
    ports = ["--http_port", str(start.port), "--grpc_port", str(start.port + 1)]
    return [str(start.python), str(APPS / "kserve_model.py"), *ports]


def serve_azureml(start: Start) -> list[str]:
    ports = ["--port", str(start.port), "--health_port", str(start.port)]
    return [str(start.binaries / "azmlinfsrv"), "--entry_script", str(APPS / "azure_score.py"), *ports]


def take_first(answer: Any) -> Any:
    return answer[0]


MLSERVER = {
    "lock": "mlserver",
    "path": "/v2/models/bench/infer",
    "wrap": wrap_tensor,
    "find": lambda answer: answer["outputs"][0]["data"][0],
}
SYSTEMS = (
    System(name="modelkiln", title="**ModelKiln**", lock="models", path="/predict", command=serve_ours, ours=True),
    System(
        name="modelkiln-script",
        title="ModelKiln, scoring script",
        lock="models",
        path="/predict",
        command=lambda start: serve_ours(start, script=True),
        ours=True,
    ),
    System(
        name="modelkiln-nolog",
        title="ModelKiln, access log off",
        lock="models",
        path="/predict",
        command=lambda start: serve_ours(start, KILN_ACCESS_LOG="off"),
        ours=True,
    ),
    System(
        name="handwritten",
        title="FastAPI by hand, async, numpy, no log",
        lock="fastapi",
        path="/predict",
        command=serve_handwritten,
    ),
    System(
        name="bentoml",
        title="BentoML",
        lock="bentoml",
        path="/predict",
        command=lambda start: serve_bento(start, "Plain"),
        wrap=lambda record: {"record": dict(record)},
        find=take_first,
    ),
    System(
        name="bentoml-batching",
        title="BentoML, adaptive batching",
        lock="bentoml",
        path="/predict",
        command=lambda start: serve_bento(start, "Batching"),
        wrap=lambda record: {"rows": [list(record.values())]},
        find=take_first,
        batching=True,
    ),
    System(
        name="mlflow",
        title="MLflow",
        lock="mlflow",
        path="/invocations",
        command=serve_mlflow,
        wrap=lambda record: {"dataframe_records": [dict(record)]},
    ),
    System(name="mlserver", title="MLServer", command=serve_mlserver, **MLSERVER),
    System(
        name="mlserver-inprocess",
        title="MLServer, in process",
        command=lambda start: serve_mlserver(start, workers=0),
        **MLSERVER,
    ),
    System(
        name="mlserver-batching",
        title="MLServer, in process, adaptive batching",
        command=lambda start: serve_mlserver(start, workers=0, max_batch_size=64, max_batch_time=0.002),
        batching=True,
        **MLSERVER,
    ),
    System(
        name="litserve",
        title="LitServe",
        lock="litserve",
        path="/predict",
        command=lambda start: serve_litserve(start, 1),
    ),
    System(
        name="litserve-batching",
        title="LitServe, batching",
        lock="litserve",
        path="/predict",
        command=lambda start: serve_litserve(start, 64),
        batching=True,
    ),
    System(
        name="kserve",
        title="KServe",
        lock="kserve",
        path="/v1/models/bench:predict",
        command=serve_kserve,
        wrap=lambda record: {"instances": [dict(record)]},
    ),
    System(
        name="azureml",
        title="azureml-inference-server-http",
        lock="azureml",
        path="/score",
        command=serve_azureml,
    ),
)


def find_systems(names: list[str]) -> list[System]:
    """Return the systems of these names, all when there are none."""
    known = {system.name: system for system in SYSTEMS}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no system {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(SYSTEMS)

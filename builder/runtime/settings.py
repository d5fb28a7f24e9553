"""What the environment may decide about a service, over what the bundle says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from .bundle import Bundle
from .cgroup import count_cores

PORT_NAMES = ("SAGEMAKER_BIND_TO_PORT", "AIP_HTTP_PORT", "PORT")
WORKER_NAMES = (
    "KILN_WORKERS",
    "WORKER_COUNT",
    "MODEL_SERVER_WORKERS",
    "SAGEMAKER_MODEL_SERVER_WORKERS",
    "MLFLOW_MODELS_WORKERS",
    "WEB_CONCURRENCY",
)
THREAD_NAMES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


class SettingError(Exception):
    """A variable of the environment is not what it must be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything decided before the first byte is served. Durations are in seconds, sizes in bytes."""

    host: str
    port: int
    passed_over: tuple[str, ...]
    """Variables that name another port than the one that won, as ``NAME=value``."""
    workers: int
    threads: int
    cores: int
    request_timeout: float
    startup_timeout: float
    shutdown_grace: float
    max_body: int
    max_queue: int
    max_connections: int
    max_head: int
    head_timeout: float
    body_timeout: float
    idle_timeout: float
    hold: float
    load_attempts: int
    access_log: bool
    probe_log: bool


def read_number(environment: Mapping[str, str], name: str, default: float, *, least: float = 0) -> float:
    """Return a variable as a number, or the default when it is absent or empty."""
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{name} must be a number, not {text!r}") from None
    if not least <= value < float("inf"):
        raise SettingError(f"{name} must be at least {least:g}, not {text}")
    return value


def read_first(environment: Mapping[str, str], names: tuple[str, ...], default: int, *, least: int = 1) -> int:
    """Return the first of several variables that is set, as a whole number."""
    for name in names:
        if environment.get(name, "").strip():
            return int(read_number(environment, name, default, least=least))
    return default


def find_passed_over(environment: Mapping[str, str], port: int) -> tuple[str, ...]:
    """Return the variables that name another port than the chosen one; platforms set some of them unasked."""
    given = {name: environment.get(name, "").strip() for name in PORT_NAMES}
    return tuple(f"{name}={value}" for name, value in given.items() if value and value != str(port))


def decide_timeout(environment: Mapping[str, str], default: float) -> float:
    """Return the seconds a request may take: Azure ML's variable (milliseconds), MLflow's (seconds), the bundle's."""
    seconds = read_number(environment, "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", default, least=0.001)
    return read_number(environment, "SCORING_TIMEOUT_MS", seconds * 1000, least=1) / 1000


def decide_settings(bundle: Bundle, environment: Mapping[str, str] | None = None) -> Settings:
    """Decide ports, workers, threads and limits; :class:`SettingError` names a variable that is wrong."""
    env = os.environ if environment is None else environment
    service = bundle.service
    cores = count_cores(bundle.cpu)
    workers = read_first(env, WORKER_NAMES, service.workers or cores)
    access_log = env.get("KILN_ACCESS_LOG", "on").strip().lower()
    timeout = decide_timeout(env, service.request_timeout)
    port = read_first(env, PORT_NAMES, 8080, least=0)
    return Settings(
        host=env.get("KILN_HOST") or "0.0.0.0",  # noqa: S104 - a container's port is reached from outside
        port=port,
        passed_over=find_passed_over(env, port),
        workers=workers,
        threads=max(1, cores // workers),
        cores=cores,
        request_timeout=timeout,
        startup_timeout=read_number(env, "KILN_STARTUP_TIMEOUT", service.startup_timeout),
        shutdown_grace=read_number(env, "KILN_SHUTDOWN_GRACE", service.shutdown_grace),
        max_body=int(read_number(env, "KILN_MAX_BODY", service.max_body, least=1)),
        max_queue=int(read_number(env, "KILN_MAX_QUEUE", service.max_queue, least=1)),
        max_connections=int(read_number(env, "KILN_MAX_CONNECTIONS", 1024, least=1)),
        max_head=int(read_number(env, "KILN_MAX_HEAD", 32768, least=1024)),
        head_timeout=read_number(env, "KILN_HEAD_TIMEOUT", 10, least=0.1),
        body_timeout=read_number(env, "KILN_BODY_TIMEOUT", 30, least=0.1),
        idle_timeout=read_number(env, "KILN_IDLE_TIMEOUT", 75, least=0.1),
        hold=min(30.0, timeout),
        load_attempts=int(read_number(env, "KILN_LOAD_ATTEMPTS", 3, least=1)),
        access_log=access_log not in {"off", "0", "false", "no"},
        probe_log=access_log == "all",
    )


def decide_worker_environment(bundle: Bundle, settings: Settings) -> dict[str, str]:
    """Return the variables of a worker: sized thread pools, unless the bundle or the container sets them."""
    environment = dict(os.environ)
    for name in THREAD_NAMES:
        if name not in bundle.variables:
            environment.setdefault(name, str(settings.threads))
    environment.setdefault("JOBLIB_TEMP_FOLDER", "/tmp")  # noqa: S108 - the one writable place, and there is no /dev/shm
    return environment

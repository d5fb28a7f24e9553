"""A model bundle as plain values. Making one from bundle.yaml is the parser's work; nothing here reads a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from builder.oci.digest import Digest
from builder.oci.platform import Platform


class Contract(StrEnum):
    """How the scoring code is called; found by reading it, never by importing it."""

    PREDICT = "predict"
    """``load(model_dir)`` and ``predict(model, records)``: batch first."""
    AZURE = "azure"
    """``init()`` and ``run(data)``, unmodified from Azure ML."""
    SAGEMAKER = "sagemaker"
    """``model_fn(model_dir)`` and the functions beside it, unmodified from SageMaker."""
    NONE = "none"
    """No script: a known model format is served as it is."""

    @property
    def reads_requests(self) -> bool:
        """Whether the script itself reads the body: without a schema, any body reaches it."""
        return self in (Contract.AZURE, Contract.SAGEMAKER)

    @property
    def scoring_path(self) -> str:
        """The route that scores where the contract comes from."""
        return {Contract.AZURE: "/score", Contract.SAGEMAKER: "/invocations"}.get(self, "/predict")


class Framework(StrEnum):
    """Which library a model file belongs to. ``CUSTOM`` needs a scoring script."""

    SKLEARN = "sklearn"
    XGBOOST = "xgboost"
    LIGHTGBM = "lightgbm"
    CATBOOST = "catboost"
    ONNX = "onnx"
    TORCH = "torch"
    MLFLOW = "mlflow"
    CUSTOM = "custom"


class SchemaScope(StrEnum):
    """What a request or response schema describes."""

    RECORD = "record"
    """One record: an object of features."""
    BODY = "body"
    """The whole request or response body."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataReference:
    """Where data is and what it was; it is recorded, never fetched."""

    uri: str
    sha256: str | None = None
    rows: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeReference:
    """The training code: a repository and the revision that was run."""

    repository: str
    revision: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Flavor:
    """What an MLflow model folder is without MLflow: one file that a library reads by itself."""

    name: str
    """The runtime's name for the library: ``sklearn``, ``xgboost``, …"""
    file: str
    """Relative to the folder, with ``/``."""
    class_name: str | None = None
    """The class it had in training: ``xgboost.sklearn.XGBClassifier``."""
    method: str | None = None
    """What is called to predict, where that is another than ``predict``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """The trained model and what is known of its making. Paths are relative to the bundle, with ``/``."""

    path: str
    framework: Framework
    flavor: Flavor | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    training_data: DataReference | None = None
    validation_data: DataReference | None = None
    training_code: CodeReference | None = None
    training_environment: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def basename(self) -> str:
        """The last part of the path; the model keeps it in the image."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def parent(self) -> str:
        """What stands before the basename: empty, or a folder with a slash behind it."""
        return self.path.removesuffix(self.basename)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scoring:
    """The scoring script, further source files or folders, and how the script is called."""

    contract: Contract
    script: str | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """What the scoring code runs in. ``requirements`` are the lines of the file or of the list."""

    python: str
    """Minor version, such as ``3.11``."""
    requirements: tuple[str, ...]
    requirements_file: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    system_packages: tuple[str, ...] = ()
    base: str
    """A name under base-images/, or a registry reference."""
    platforms: tuple[Platform, ...]

    @property
    def has_one_platform(self) -> bool:
        """True when there is no need to say which platform's product is meant."""
        return len(self.platforms) == 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Schemas:
    """JSON Schemas of request and response; None where the author gave none."""

    request: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None
    scope: SchemaScope = SchemaScope.RECORD


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """What a smoke test wants of an answer; None and empty mean "not looked at"."""

    status: int
    body: Any = None
    """The whole JSON body, numbers within ``rtol`` and ``atol``."""
    has_body: bool = False
    subset: Mapping[str, Any] = field(default_factory=dict)
    """Values by path: ``$.predictions[0].label``."""
    error: str | None = None
    """Text that must occur in the body of a refusal."""
    rtol: float = 1e-6
    atol: float = 1e-9
    time_limit: float | None = None
    """Seconds the answer may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SmokeTest:
    """One request to the running image and what must come back."""

    name: str
    request: bytes
    """The body exactly as it is sent."""
    content_type: str
    path: str
    expect: Expectation


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What one container gets: processor cores, and memory in bytes."""

    cpu: float = 1.0
    memory: int = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Batching:
    """Bounds of micro-batching: records in one call, and milliseconds a request may wait for company."""

    max_size: int = 64
    max_delay_ms: float = 5.0
    enabled: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """How the image serves. Times are seconds; ``workers`` None means: as many as the cores it is given."""

    workers: int | None = None
    batching: Batching = field(default_factory=Batching)
    request_timeout: float = 60.0
    startup_timeout: float = 300.0
    shutdown_grace: float = 8.0
    max_body: int = 16 << 20
    """Largest request body in bytes."""
    max_queue: int = 256
    """Requests that may wait; past it callers are refused at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """Where the image is published, and which version to go back to."""

    repository: str | None = None
    rollback: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckSetting:
    """What the author says about a rule of ``kiln check``; whether there is such a rule, the check finds out."""

    rule: str
    """Its ID: ``KILN103``."""
    level: str
    """``error``, ``warning``, ``note`` or ``off``."""
    reason: str
    path: str | None = None
    """Only findings in files that match this pattern; None means all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A valid bundle: every path in it exists inside ``root`` and every value has been checked."""

    root: Path
    name: str
    version: str
    description: str = ""
    owner: str = ""
    model: Model
    scoring: Scoring
    environment: Environment
    schemas: Schemas = field(default_factory=Schemas)
    smoke: tuple[SmokeTest, ...] = ()
    resources: Resources = field(default_factory=Resources)
    service: Service = field(default_factory=Service)
    release: Release = field(default_factory=Release)
    checks: tuple[CheckSetting, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is not wrong but would surprise, a sentence each."""

    @property
    def repository(self) -> str:
        """The repository part of the image's name."""
        return self.release.repository or self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleFile:
    """A file that goes into the image: where it is in its origin, what it holds, and whether it may be executed."""

    path: str
    """Relative to the origin's root, with ``/``."""
    digest: Digest
    size: int
    is_executable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """Every file the image takes from the bundle and from the runtime, hashed; each list sorted by path."""

    model: tuple[BundleFile, ...]
    code: tuple[BundleFile, ...]
    runtime: tuple[BundleFile, ...]

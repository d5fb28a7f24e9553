"""From bundle.yaml to a Bundle: everything that is wrong is told at once, each with its line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from builder.bundle import quantities
from builder.bundle.document import Document, KeyPath
from builder.bundle.faults import Faults
from builder.bundle.files import BundleFiles
from builder.bundle.framework import ModelReading
from builder.bundle.inventory import Memory
from builder.bundle.misnamed import MISNAMED
from builder.bundle.model import (
    Batching,
    Bundle,
    CheckSetting,
    CodeReference,
    Contract,
    DataReference,
    Environment,
    Framework,
    Model,
    Release,
    Resources,
    Schemas,
    SchemaScope,
    Service,
)
from builder.bundle.scoring import read_model, read_scoring
from builder.bundle.smoke_tests import read_smoke_tests, smoke_warnings
from builder.errors import BundleError
from builder.oci.platform import Platform
from builder.oci.reference import Reference

BUNDLE_FILE = "bundle.yaml"

DEFAULT_BASES: Mapping[str, str] = MappingProxyType({"3.11": "debian12-python3.11", "3.13": "debian13-python3.13"})
"""The base image a Python version gets when the author names none."""

LIBRARIES: Mapping[Framework, str] = MappingProxyType(
    {
        Framework.SKLEARN: "scikit-learn",
        Framework.XGBOOST: "xgboost",
        Framework.LIGHTGBM: "lightgbm",
        Framework.CATBOOST: "catboost",
        Framework.ONNX: "onnxruntime",
        Framework.TORCH: "torch",
    }
)
"""The distribution that loads a model of a framework; others may begin with the same name."""

_USUAL = frozenset({Framework.SKLEARN, Framework.XGBOOST})
"""Frameworks whose models a script too has to load with the library itself."""

_MIN_MEMORY = 6 << 20  # What container engines accept at least.


def load_bundle(
    path: Path, *, default_bases: Mapping[str, str] = DEFAULT_BASES, memory: Memory | None = None
) -> Bundle:
    """Read and check the bundle at ``path``: its folder, or its bundle.yaml.

    The result is valid: every path exists inside ``root``, every value has been checked, nothing was imported or
    unpickled. Anything wrong is one BundleError with all faults, each with file, line and key path. Whether a named
    base exists is for the lock to find out. ``memory`` holds documents and schemas that were found sound, so that
    they are judged once.
    """
    file = _find(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BundleError.of(f"{file.name} cannot be read: {error.strerror or error}", at=str(file)) from error
    known = _recall(content, file.name, memory)
    if known is not None:
        faults = Faults(known)
        bundle = _read(known, faults, file, default_bases, memory, is_sound=True)
        if bundle is not None and not faults and not faults.warnings:
            return bundle
    from builder.bundle.yaml_document import read_document  # noqa: PLC0415 - only for a document that is new, or wrong

    document = read_document(content, name=file.name)
    if not isinstance(document.value, dict):
        got = "nothing" if document.value is None else type(document.value).__name__
        raise BundleError.of(
            f"{file.name} holds no bundle",
            at=document.at(()),
            want="a mapping with name, version, model, environment",
            got=got,
            hint="'kiln init' writes one to start from",
        )
    faults = Faults(document)
    bundle = _read(document, faults, file, default_bases, memory, is_sound=False)
    if faults or bundle is None:
        raise BundleError(faults.in_order(), hint=faults.hint)
    if memory is not None:
        memory.put(
            ["bundle.yaml", content.hex()], json.dumps(document.value)
        )  # as text, since the order of keys counts
    return bundle


def _recall(content: bytes, name: str, memory: Memory | None) -> Document | None:
    """Return a document that held a sound bundle before; where its values stand is not known, and only faults tell."""
    text = memory.get(["bundle.yaml", content.hex()]) if memory is not None else None
    return Document(name=name, value=json.loads(text), marks={}) if isinstance(text, str) else None


def _read(
    document: Document, faults: Faults, file: Path, bases: Mapping[str, str], memory: Memory | None, *, is_sound: bool
) -> Bundle | None:
    value = document.value
    if not is_sound:
        from builder.bundle.schema import check_against_schema  # noqa: PLC0415 - a validator takes long to load

        value = check_against_schema(value, faults)
    return _Reader(document, value, faults, BundleFiles(file.parent.resolve(), faults, memory), bases).read()


def _find(path: Path) -> Path:
    if path.is_file():
        if path.suffix not in (".yaml", ".yml"):
            raise BundleError.of(f"not a {BUNDLE_FILE}", at=str(path), hint=f"name the folder: {path.parent}")
        return path
    file = path / BUNDLE_FILE
    if file.is_file():
        return file
    if not path.exists():
        raise BundleError.of("no such bundle", at=str(path), want=f"a folder with {BUNDLE_FILE}")
    other = path / "bundle.yml"
    hint = f"rename {other.name} to {BUNDLE_FILE}" if other.is_file() else "'kiln init' writes one to start from"
    raise BundleError.of(f"no {BUNDLE_FILE} in the bundle", at=str(path), want=BUNDLE_FILE, hint=hint)


class _Reader:
    """Builds each part from what the schema let through; ``None`` and defaults stand in for what it did not."""

    def __init__(
        self, document: Document, value: dict[str, Any], faults: Faults, files: BundleFiles, bases: Mapping[str, str]
    ) -> None:
        self.document = document
        self.value = value
        self.faults = faults
        self.files = files
        self.bases = bases
        self.warnings: list[str] = []

    def read(self) -> Bundle | None:
        python = self.part("environment").get("python")
        path, facts = read_model(self.part("model"), self.files)
        scoring, warnings = read_scoring(self.value.get("scoring"), facts, self.files, python=python)
        self.warnings += warnings
        contract = scoring.contract if scoring else Contract.PREDICT
        environment, names = self.environment()
        schemas = self.schemas(facts)
        smoke = read_smoke_tests(self.value.get("smoke") or [], contract, self.files)
        model = self.model(path, facts, names)
        service, resources, release = self.service(), self.resources(), self.release()
        self.warnings += smoke_warnings(smoke)
        if self.faults or model is None or environment is None or scoring is None:
            return None
        return Bundle(
            root=self.files.root,
            name=self.value["name"],
            version=self.value["version"],
            description=self.value.get("description", ""),
            owner=self.value.get("owner", ""),
            model=model,
            scoring=scoring,
            environment=environment,
            schemas=schemas,
            smoke=smoke,
            resources=resources,
            service=service,
            release=release,
            checks=self.checks(),
            warnings=(*self.faults.warnings, *self.warnings),
        )

    def part(self, *path: str) -> Mapping[str, Any]:
        value: Any = self.value
        for key in path:
            value = value.get(key) or {}
        return dict(value)

    def model(self, path: str | None, facts: ModelReading | None, requirements: tuple[str, ...]) -> Model | None:
        part = self.part("model")
        environment = part.get("training_environment")
        if environment is not None:
            self.files.text(environment, ("model", "training_environment"))
        code = part.get("training_code")
        if path is None or facts is None:
            return None
        framework = Framework(part.get("framework") or facts.framework)
        is_as_it_is = self.value.get("scoring") is None
        library = LIBRARIES.get(framework) if is_as_it_is or framework in _USUAL else None
        if framework is Framework.MLFLOW and is_as_it_is and not {"mlflow", "mlflow-skinny"} & set(requirements):
            library = LIBRARIES[Framework(facts.flavor.name)] if facts.flavor else "mlflow"
        if library and not any(name.startswith(library) for name in requirements):
            self.warnings.append(f"the model needs {library}, and no requirement names it")
        if facts.main_classes:
            classes = ", ".join(facts.main_classes)
            self.warnings.append(
                f"{path} refers to {classes} of __main__, which exists only in the script that trained it"
            )
        return Model(
            path=path,
            framework=framework,
            flavor=facts.flavor if framework is Framework.MLFLOW else None,
            hyperparameters=part.get("hyperparameters", {}),
            training_data=_data_reference(part.get("training_data")),
            validation_data=_data_reference(part.get("validation_data")),
            training_code=CodeReference(repository=code["repository"], revision=code.get("revision"))
            if code and "repository" in code
            else None,
            training_environment=environment,
            metrics=part.get("metrics", {}),
        )

    def environment(self) -> tuple[Environment | None, tuple[str, ...]]:
        part = self.part("environment")
        given = part.get("requirements", [])
        requirements, names = self.files.requirements(given, ("environment", "requirements"))
        python, base = part.get("python"), self.base(part)
        self.misnamed(given, requirements, names)
        if python is None or base is None:
            return None, names
        platforms = [text for text in part.get("platforms", ["linux/amd64"]) if text is not None]
        environment = Environment(
            python=python,
            requirements=requirements,
            requirements_file=given if isinstance(given, str) else None,
            variables=part.get("variables", {}),
            system_packages=tuple(name for name in part.get("system_packages", []) if name is not None),
            base=base,
            platforms=tuple(Platform.parse(text) for text in platforms),
        )
        return environment, names

    def misnamed(self, given: Any, lines: tuple[str, ...], names: tuple[str, ...]) -> None:
        where: KeyPath = ("environment", "requirements")
        for line, name in zip(lines, names, strict=True):
            if (meant := MISNAMED.get(name)) is not None and meant not in names:
                text = f"{name} is only what is imported, and not a package to require; did you mean {meant}?"
                if isinstance(given, str):
                    written = (self.files.text(given, where) or "").splitlines()
                    number = next((number for number, one in enumerate(written, 1) if line in one), 1)
                    self.faults.warn(text, where, f"{given}:{number}")
                else:
                    self.faults.warn(text, (*where, given.index(line)))

    def base(self, part: Mapping[str, Any]) -> str | None:
        path: KeyPath = ("environment", "base")
        base, python = part.get("base"), part.get("python")
        if base is not None:
            try:
                Reference.parse(base)
            except ValueError as error:
                want = "a name under base-images/, or a registry reference"
                self.faults.add(f"base is not a name of an image: {error}", path, want=want, got=base)
                return None
            return str(base)
        if python is None or python in self.bases:
            return self.bases.get(python or "")
        known = ", ".join(f"{version} ({name})" for version, name in self.bases.items())
        self.faults.add(
            f"no base image is known for Python {python}",
            ("environment", "python"),
            want=f"{known}; or set environment.base",
            got=python,
        )
        return None

    def schemas(self, facts: ModelReading | None) -> Schemas:
        part = self.part("schema")
        if self.value.get("scoring") is None and not {"request", "scope"} & part.keys() and facts and facts.schema:
            part = {**part, "request": facts.schema}
        scope = SchemaScope(part.get("scope") or SchemaScope.RECORD)
        return Schemas(
            request=self.files.json_schema(part.get("request"), ("schema", "request"), scope=scope),
            response=self.files.json_schema(part.get("response"), ("schema", "response"), scope=None),
            scope=scope,
        )

    def resources(self) -> Resources:
        part, default = self.part("resources"), Resources()
        memory = self.size(part, "memory", ("resources",), default.memory)
        if memory < _MIN_MEMORY:
            spelled = self.document.spelled(("resources", "memory"))
            self.faults.add("too little memory", ("resources", "memory"), want="6MiB or more", got=spelled)
        return Resources(cpu=float(part.get("cpu", default.cpu)), memory=memory)

    def service(self) -> Service:
        part, default = self.part("service"), Service()
        where: KeyPath = ("service",)
        batching, usual = self.part("service", "batching"), Batching()
        delay = self.seconds(batching, "max_delay", (*where, "batching"), usual.max_delay_ms / 1000, may_be_zero=True)
        return Service(
            workers=int(part["workers"]) if "workers" in part else None,
            batching=Batching(
                enabled=batching.get("enabled", usual.enabled),
                max_size=int(batching.get("max_size", usual.max_size)),
                max_delay_ms=round(delay * 1000, 6),
            ),
            request_timeout=self.seconds(part, "request_timeout", where, default.request_timeout),
            startup_timeout=self.seconds(part, "startup_timeout", where, default.startup_timeout),
            shutdown_grace=self.seconds(part, "shutdown_grace", where, default.shutdown_grace, may_be_zero=True),
            max_body=self.size(part, "max_body", where, default.max_body),
            max_queue=int(part.get("max_queue", default.max_queue)),
        )

    def release(self) -> Release:
        part = self.part("release")
        rollback = part.get("rollback")
        if rollback is not None and rollback == self.value.get("version"):
            self.faults.add(
                "a version cannot be its own rollback", ("release", "rollback"), want="an earlier one", got=rollback
            )
        return Release(repository=part.get("repository"), rollback=rollback)

    def checks(self) -> tuple[CheckSetting, ...]:
        settings = self.value.get("check") or []
        return tuple(CheckSetting(**setting) for setting in settings if setting)

    def seconds(
        self, part: Mapping[str, Any], key: str, where: KeyPath, default: float, *, may_be_zero: bool = False
    ) -> float:
        value = part.get(key)
        if value is None:
            return default
        try:
            result = quantities.seconds(value)
        except ValueError:
            result = -1.0
        if result < 0 or (result == 0 and not may_be_zero):
            self.faults.add("not a duration", (*where, key), want="more than no time", got=str(value))
            return default
        return result

    def size(self, part: Mapping[str, Any], key: str, where: KeyPath, default: int) -> int:
        value = part.get(key)
        if value is None:
            return default
        try:
            result = quantities.size(value)
        except ValueError:
            result = 0
        if result <= 0:
            self.faults.add("not a size", (*where, key), want="a whole number of bytes, 1 or more", got=str(value))
            return default
        return result


def _data_reference(part: Mapping[str, Any] | None) -> DataReference | None:
    if not part or "uri" not in part:
        return None
    return DataReference(uri=part["uri"], sha256=part.get("sha256"), rows=part.get("rows"))

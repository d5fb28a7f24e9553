"""The resolved bundle as the runtime reads it from bundle.json. The writer is the build; unknown keys are ignored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONTRACTS = ("predict", "azure", "sagemaker", "none")


class BundleJsonError(Exception):
    """bundle.json is missing, not JSON, or lacks what scoring needs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batching:
    """How records of concurrent requests may share one call of ``predict``. The delay is in seconds."""

    enabled: bool = True
    max_size: int = 64
    max_delay: float = 0.005


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """Limits of the service. Durations are in seconds, sizes in bytes."""

    workers: int | None = None
    batching: Batching = field(default_factory=Batching)
    request_timeout: float = 30.0
    startup_timeout: float = 120.0
    shutdown_grace: float = 8.0
    max_body: int = 1 << 20
    max_queue: int = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The text of a request the model accepts; it warms the model up."""

    content_type: str
    body: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """What of bundle.json the runtime acts upon; ``document`` is the whole."""

    name: str
    version: str
    contract: str
    script: str | None
    framework: str
    model_path: str
    model_files: tuple[Mapping[str, Any], ...]
    request_schema: Mapping[str, Any] | None
    schema_scope: str
    variables: Mapping[str, str]
    cpu: float | None
    service: Service
    sample: Sample | None
    document: Mapping[str, Any]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The properties of the record schema in the order the author wrote them."""
        if self.request_schema is None or self.schema_scope != "record":
            return ()
        return tuple(self.request_schema.get("properties", ()))


def read_bundle(path: Path) -> Bundle:
    """Read bundle.json; :class:`BundleJsonError` says what is wrong with it."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise BundleJsonError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BundleJsonError(f"{path} is not JSON: {error}") from error
    try:
        return parse_bundle(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleJsonError(f"{path} is not a resolved bundle: {type(error).__name__}: {error}") from error


def parse_bundle(document: Mapping[str, Any]) -> Bundle:
    """Take what the runtime needs out of the document; absent limits get their defaults."""
    scoring, model = document["scoring"], document["model"]
    schema = document.get("schema") or {}
    contract = scoring["contract"]
    if contract not in CONTRACTS:
        raise ValueError(f"unknown scoring contract {contract!r}")
    script = scoring.get("script")
    if contract != "none" and not script:
        raise ValueError(f"contract {contract!r} without a script")
    sample = document.get("sample")
    return Bundle(
        name=document["name"],
        version=str(document["version"]),
        contract=contract,
        script=script,
        framework=model.get("framework", "custom"),
        model_path=model["path"],
        model_files=tuple(model.get("files") or ()),
        request_schema=schema.get("request"),
        schema_scope=schema.get("scope") or "record",
        variables={
            name: str(value) for name, value in (document.get("environment", {}).get("variables") or {}).items()
        },
        cpu=(document.get("resources") or {}).get("cpu"),
        service=parse_service(document.get("service") or {}),
        sample=Sample(content_type=sample.get("content_type") or "application/json", body=sample["body"])
        if sample
        else None,
        document=document,
    )


def parse_service(given: Mapping[str, Any]) -> Service:
    """Return the limits, each with its default where bundle.json has none."""
    plain = ("workers", "request_timeout", "startup_timeout", "shutdown_grace", "max_body", "max_queue")
    values = {name: given[name] for name in plain if given.get(name) is not None}
    batching = given.get("batching") or {}
    chosen: dict[str, Any] = {
        name: batching[name] for name in ("enabled", "max_size") if batching.get(name) is not None
    }
    if batching.get("max_delay_ms") is not None:
        chosen["max_delay"] = batching["max_delay_ms"] / 1000
    return Service(batching=Batching(**chosen), **values)

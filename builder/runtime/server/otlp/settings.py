"""What OpenTelemetry's own variables say (its specification, "Environment Variable Specification")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from ...bundle import Bundle

DEFAULT_ENDPOINT = "http://localhost:4318"
SAMPLERS = ("always_on", "always_off", "traceidratio")
PROTOBUF, AS_JSON = "http/protobuf", "http/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where one signal is sent, and how. The timeout is in seconds."""

    url: str
    headers: Mapping[str, str]
    timeout: float
    protobuf: bool
    gzip: bool
    certificate: str | None
    client_certificate: str | None
    client_key: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Telemetry:
    """All that is decided. Durations are in seconds; a signal without a target is not exported."""

    traces: Target | None
    metrics: Target | None
    resource: Mapping[str, Any]
    sampler: str
    parent_based: bool
    ratio: float
    interval: float
    metrics_interval: float
    most_pending: int
    batch_size: int
    warnings: tuple[str, ...]


class _Reader:
    """Reads variables; one that is wrong is told and its default taken, as the specification asks."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.warnings: list[str] = []

    def text(self, *names: str, default: str = "") -> str:
        for name in names:
            value = self._environment.get(name, "").strip()
            if value:
                return value
        return default

    def number(self, *names: str, default: float, least: float = 0, most: float = 1e12) -> float:
        for name in names:
            text = self._environment.get(name, "").strip()
            if not text:
                continue
            try:
                value = float(text)
            except ValueError:
                value = -1.0
            if least <= value <= most:
                return value
            self.warnings.append(f"{name} is ignored: {text!r} is not a number from {least:g} to {most:g}")
        return default

    def pairs(self, *names: str) -> dict[str, str]:
        """Return ``key=value,…`` with percent-encoded values; a member without a key is told."""
        found: dict[str, str] = {}
        for member in self.text(*names).split(","):
            key, equals, value = member.partition("=")
            if equals and key.strip():
                found[unquote(key.strip())] = unquote(value.strip())
            elif member.strip():
                self.warnings.append(f"{names[-1]} is ignored in part: a member is not key=value")
        return found

    def target(self, signal: str, path: str) -> Target | None:
        """Return where a signal goes, or nothing when it goes nowhere."""
        exporter = self.text(f"OTEL_{signal}_EXPORTER")
        own = self.text(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
        shared = self.text("OTEL_EXPORTER_OTLP_ENDPOINT")
        if exporter and "otlp" not in [each.strip() for each in exporter.split(",")]:
            if exporter != "none":
                self.warnings.append(f"OTEL_{signal}_EXPORTER={exporter}: only otlp and none are known here")
            return None
        if not (own or shared or exporter):
            return None
        url = own or f"{(shared or DEFAULT_ENDPOINT).rstrip('/')}/v1/{path}"
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            self.warnings.append(f"no {path} are exported: the endpoint {url} is not an http or https URL")
            return None
        names = (f"OTEL_EXPORTER_OTLP_{signal}_", "OTEL_EXPORTER_OTLP_")
        protocol = self.text(*(f"{name}PROTOCOL" for name in names), default=PROTOBUF)
        if protocol not in {PROTOBUF, AS_JSON}:
            self.warnings.append(
                f"no {path} are exported: the protocol {protocol} is not {PROTOBUF} or {AS_JSON}; "
                "collectors take these, by custom, at port 4318"
            )
            return None
        return Target(
            url=url,
            headers=self.pairs(*(f"{name}HEADERS" for name in names)),
            timeout=self.number(*(f"{name}TIMEOUT" for name in names), default=10_000, least=1) / 1e3,
            protobuf=protocol == PROTOBUF,
            gzip=self.text(*(f"{name}COMPRESSION" for name in names)) == "gzip",
            certificate=self.text(*(f"{name}CERTIFICATE" for name in names)) or None,
            client_certificate=self.text(*(f"{name}CLIENT_CERTIFICATE" for name in names)) or None,
            client_key=self.text(*(f"{name}CLIENT_KEY" for name in names)) or None,
        )


def decide_telemetry(bundle: Bundle, environment: Mapping[str, str], *, instance: str) -> Telemetry:
    """Decide everything; what is wrong or not known here stands in ``warnings``."""
    reader = _Reader(environment)
    sampler = reader.text("OTEL_TRACES_SAMPLER", default="parentbased_always_on").lower()
    parent_based = sampler.startswith("parentbased_")
    plain = sampler.removeprefix("parentbased_")
    if plain not in SAMPLERS:
        reader.warnings.append(f"OTEL_TRACES_SAMPLER={sampler} is not known; parentbased_always_on is taken")
        plain, parent_based = "always_on", True
    kiln = bundle.document.get("kiln") or {}
    resource = {
        "service.name": bundle.name,
        "service.version": bundle.version,
        "service.instance.id": instance,
        "telemetry.sdk.name": "modelkiln",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": str(kiln.get("version", "0")),
        **reader.pairs("OTEL_RESOURCE_ATTRIBUTES"),
    }
    service = reader.text("OTEL_SERVICE_NAME")
    if service:
        resource["service.name"] = service
    return Telemetry(
        traces=reader.target("TRACES", "traces"),
        metrics=reader.target("METRICS", "metrics"),
        resource=resource,
        sampler=plain,
        parent_based=parent_based,
        ratio=reader.number("OTEL_TRACES_SAMPLER_ARG", default=1, most=1) if plain == "traceidratio" else 1,
        interval=reader.number("OTEL_BSP_SCHEDULE_DELAY", default=5_000, least=10) / 1e3,
        metrics_interval=reader.number("OTEL_METRIC_EXPORT_INTERVAL", default=60_000, least=100) / 1e3,
        most_pending=int(reader.number("OTEL_BSP_MAX_QUEUE_SIZE", default=2048, least=1)),
        batch_size=int(reader.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", default=512, least=1)),
        warnings=tuple(reader.warnings),
    )

"""The image specification as JSON Schema, written from its text (image-spec v1.1: descriptor, manifest, index, config).

Unlike the published schemas these are closed: a field the specification does not name is a fault.
"""

from __future__ import annotations

from typing import Any

DIGEST = {"type": "string", "pattern": r"^sha256:[a-f0-9]{64}$"}
ANNOTATIONS = {"type": "object", "additionalProperties": {"type": "string"}, "propertyNames": {"minLength": 1}}
RFC3339 = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
STRINGS = {"type": "array", "items": {"type": "string"}}
SET = {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}}
OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(required)}


def _descriptor(*media_types: str) -> dict[str, Any]:
    return _object(
        {
            "mediaType": {"enum": list(media_types)},
            "digest": DIGEST,
            "size": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
            "urls": {"type": "array", "items": {"type": "string", "format": "uri"}},
            "annotations": ANNOTATIONS,
            "data": {"type": "string"},
            "artifactType": {"type": "string"},
            "platform": _object(
                {
                    "architecture": {"enum": ["amd64", "arm64"]},
                    "os": {"const": "linux"},
                    "os.version": {"type": "string"},
                    "os.features": STRINGS,
                    "variant": {"type": "string"},
                },
                "architecture",
                "os",
            ),
        },
        "mediaType",
        "digest",
        "size",
    )


def _manifest(media_type: str, config: str, *layers: str) -> dict[str, Any]:
    return _object(
        {
            "schemaVersion": {"const": 2},
            "mediaType": {"const": media_type},
            "artifactType": {"type": "string"},
            "config": _descriptor(config),
            "layers": {"type": "array", "minItems": 1, "items": _descriptor(*layers)},
            "subject": _descriptor(f"{OCI}.manifest.v1+json"),
            "annotations": ANNOTATIONS,
        },
        "schemaVersion",
        "mediaType",
        "config",
        "layers",
    )


LAYOUT = _object({"imageLayoutVersion": {"const": "1.0.0"}}, "imageLayoutVersion")
INDEX = _object(
    {
        "schemaVersion": {"const": 2},
        "mediaType": {"const": f"{OCI}.index.v1+json"},
        "artifactType": {"type": "string"},
        "manifests": {
            "type": "array",
            "minItems": 1,
            "items": _descriptor(f"{OCI}.manifest.v1+json", f"{DOCKER}.distribution.manifest.v2+json"),
        },
        "subject": _descriptor(f"{OCI}.manifest.v1+json"),
        "annotations": ANNOTATIONS,
    },
    "schemaVersion",
    "manifests",
)
MANIFESTS = {
    f"{OCI}.manifest.v1+json": _manifest(
        f"{OCI}.manifest.v1+json",
        f"{OCI}.config.v1+json",
        f"{OCI}.layer.v1.tar",
        f"{OCI}.layer.v1.tar+gzip",
    ),
    f"{DOCKER}.distribution.manifest.v2+json": _manifest(
        f"{DOCKER}.distribution.manifest.v2+json",
        f"{DOCKER}.container.image.v1+json",
        f"{DOCKER}.image.rootfs.diff.tar.gzip",
    ),
}
CONFIG = _object(
    {
        "created": RFC3339,
        "author": {"type": "string"},
        "architecture": {"enum": ["amd64", "arm64"]},
        "os": {"const": "linux"},
        "os.version": {"type": "string"},
        "os.features": STRINGS,
        "variant": {"type": "string"},
        "config": _object(
            {
                "User": {"type": "string"},
                "ExposedPorts": {**SET, "propertyNames": {"pattern": r"^\d{1,5}(/(tcp|udp))?$"}},
                "Env": {"type": "array", "items": {"type": "string", "pattern": r"^[^=]+=.*$"}},
                "Entrypoint": STRINGS,
                "Cmd": STRINGS,
                "Volumes": SET,
                "WorkingDir": {"type": "string"},
                "Labels": ANNOTATIONS,
                "StopSignal": {"type": "string", "pattern": "^SIG[A-Z0-9+-]+$"},
                # Docker's own, which the specification reserves ("Memory", "CpuShares", "Healthcheck").
                "Healthcheck": _object(
                    {
                        "Test": {"type": "array", "minItems": 2, "items": {"type": "string"}},
                        "Interval": {"type": "integer", "minimum": 10**6},
                        "Timeout": {"type": "integer", "minimum": 10**6},
                        "StartPeriod": {"type": "integer", "minimum": 10**6},
                        "Retries": {"type": "integer", "minimum": 1},
                    },
                    "Test",
                ),
            }
        ),
        "rootfs": _object(
            {"type": {"const": "layers"}, "diff_ids": {"type": "array", "minItems": 1, "items": DIGEST}},
            "type",
            "diff_ids",
        ),
        "history": {
            "type": "array",
            "items": _object(
                {
                    "created": RFC3339,
                    "author": {"type": "string"},
                    "created_by": {"type": "string"},
                    "comment": {"type": "string"},
                    "empty_layer": {"type": "boolean"},
                }
            ),
        },
    },
    "architecture",
    "os",
    "rootfs",
)

"""bundle.json: everything known about the model, resolved, as the image carries it and the runtime reads it."""

from __future__ import annotations

from typing import Any

from builder.bundle.model import Bundle, CodeReference, DataReference, Flavor, Inventory
from builder.lock.model import Lock
from builder.oci.platform import Platform
from builder.plan import places

DOCUMENT_VERSION = 1
_SAMPLE_ROUTES = ("/score", "/predict", "/invocations")


def bundle_document(
    bundle: Bundle,
    lock: Lock,
    inventory: Inventory,
    *,
    platform: Platform,
    training_environment: str | None,
    kiln_version: str,
) -> dict[str, Any]:
    """Return the resolved bundle as a JSON value.

    Places in it are absolute paths in the image; ``model.files`` are relative to the model directory. The order of
    keys is the author's: a schema's properties name the columns of a model that does not know its own.
    """
    chosen = lock.on(platform)
    model, environment, service = bundle.model, bundle.environment, bundle.service
    return {
        "kiln": {"version": kiln_version, "bundle_json": DOCUMENT_VERSION},
        "name": bundle.name,
        "version": bundle.version,
        "description": bundle.description,
        "owner": bundle.owner,
        "model": {
            "path": f"/{places.MODEL_FILES}/{model.basename}",
            "basename": model.basename,
            "source": model.path,
            "framework": str(model.framework),
            **({"flavor": _flavor(model.flavor)} if model.flavor else {}),
            "hyperparameters": dict(model.hyperparameters),
            "training_data": _data(model.training_data),
            "validation_data": _data(model.validation_data),
            "training_code": _code(model.training_code),
            "training_environment": _frozen(training_environment),
            "metrics": dict(model.metrics),
            "files": [
                {"path": file.path.removeprefix(model.parent), "sha256": file.digest.hex, "size": file.size}
                for file in inventory.model
            ],
        },
        "scoring": {
            "contract": str(bundle.scoring.contract),
            "script": f"/{places.CODE}/{bundle.scoring.script}" if bundle.scoring.script else None,
        },
        "environment": {
            "python": lock.python,
            "platform": str(platform),
            "base": {"name": lock.base.name, "digest": str(lock.base.digest)},
            "variables": dict(environment.variables),
            "requirements": [f"{wheel.name}=={wheel.version}" for wheel in chosen.wheels],
            "system_packages": [f"{deb.name}={deb.version}" for deb in chosen.system_packages],
        },
        "schema": {
            "request": bundle.schemas.request,
            "response": bundle.schemas.response,
            "scope": str(bundle.schemas.scope),
        },
        "service": {
            "workers": service.workers,
            "batching": {
                "enabled": service.batching.enabled,
                "max_size": service.batching.max_size,
                "max_delay_ms": service.batching.max_delay_ms,
            },
            "request_timeout": service.request_timeout,
            "startup_timeout": service.startup_timeout,
            "shutdown_grace": service.shutdown_grace,
            "max_body": service.max_body,
            "max_queue": service.max_queue,
        },
        "resources": {"cpu": bundle.resources.cpu, "memory": bundle.resources.memory},
        "sample": _sample(bundle),
        "release": {"repository": bundle.repository, "rollback": bundle.release.rollback},
    }


def _flavor(flavor: Flavor) -> dict[str, Any]:
    return {"name": flavor.name, "file": flavor.file, "class": flavor.class_name, "method": flavor.method}


def _data(reference: DataReference | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    return {"uri": reference.uri, "sha256": reference.sha256, "rows": reference.rows}


def _code(reference: CodeReference | None) -> dict[str, Any] | None:
    return {"repository": reference.repository, "revision": reference.revision} if reference else None


def _frozen(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _sample(bundle: Bundle) -> dict[str, str] | None:
    """Return the first request the bundle expects to be accepted; the runtime warms up with it.

    Requests in the words of a platform's protocol are none: a sample is what ``/predict`` or ``/invocations`` takes.
    """
    for test in bundle.smoke:
        if test.expect.status == 200 and test.path.partition("?")[0] in _SAMPLE_ROUTES:
            return {"content_type": test.content_type, "body": test.request.decode("utf-8", "replace")}
    return None

"""What KServe's two protocols have in common: a model in the path, and what is told of one that is not ready."""

from __future__ import annotations

from typing import NoReturn

from ..failure import RETRY, refuse
from ..message import Request
from ..protocol import Dialect, Fail, Intake, Service
from ..schema import show


def find_name(service: Service) -> str:
    """Return the name the model is served under: what the platform calls it, else the bundle's."""
    return service.environment.get("MODEL_NAME", "").strip() or service.bundle.name


def check_model(service: Service, request: Request) -> None:
    """Refuse a path that names another model, or another version of this one."""
    name = request.parameters.get("model", "")
    if name not in {find_name(service), service.bundle.name}:
        raise refuse(404, f"There is no model {show(name)}; this is {find_name(service)}.")
    version = request.parameters.get("version", service.bundle.version)
    if version != service.bundle.version:
        message = f"There is no version {show(version)} of {name}; this is {service.bundle.version}."
        raise refuse(404, message)


def check_ready(service: Service) -> None:
    """Refuse when no model is loaded."""
    if not service.is_ready:
        raise refuse(503, f"The model is not ready: {service.read_state()}.", headers=RETRY)


def make_refusal(service: Service, fail: Fail) -> Dialect:
    """Return the dialect of a protocol of records, for a script that reads requests itself."""

    def read(request: Request) -> Intake:
        check_model(service, request)
        message = (
            f"The scoring script of this model reads requests itself (contract {service.bundle.contract}), so it "
            "cannot be asked for records; send what it reads to /score."
        )
        raise refuse(501, message)

    return Dialect(read=read, write=lambda _request, _intake, _value: fail_empty(), fail=fail)


def fail_empty() -> NoReturn:
    """Say that an answer was asked for that no request can lead to."""
    raise AssertionError("a request that is always refused has no answer")

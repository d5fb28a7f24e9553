"""``/swagger.json`` of a script of Azure ML's: what its decorators say of input and output, asked of the worker."""

from __future__ import annotations

import importlib
import json
from typing import Any
from urllib.parse import parse_qs

from ..failure import refuse
from ..message import Request, Response, to_json
from ..protocol import Dialect, Fail, Intake, Service

DESCRIBE = "describe"
"""Stands in place of a method, which clients write in capitals."""
MODULE = f"{__package__.rpartition('.')[0]}.openapi.swagger"
QUESTION = (DESCRIBE, b"/swagger.json", (), b"")


def make_dialect(service: Service, fail: Fail) -> Dialect:
    """Return how the document is made: of the bundle's own schema where the script is not decorated."""
    known: dict[str, bytes] = {}

    def read(request: Request) -> Intake:
        version = parse_qs(request.query, keep_blank_values=True).get("version", ["2"])[0]
        if version not in importlib.import_module(MODULE).VERSIONS:
            raise refuse(404, f"Swagger version [{version}] is not valid. Supported versions: [2, 3, 3.1].")
        return Intake(QUESTION, 0 if version in known else 1, version)

    def write(_request: Request, intake: Intake, answer: Any) -> Response:
        version = str(intake.context)
        if version not in known:
            known[version] = to_json(describe(service, version, json.loads(answer[2])))
        return Response(200, known[version])

    return Dialect(read=read, write=write, fail=fail)


def describe(service: Service, version: str, said: Any) -> Any:
    """Return the document with what the decorators say, if there are any; 404 for a version they cannot be said in."""
    swagger = importlib.import_module(MODULE)
    document = swagger.make_swagger(service, version)
    if said is None:
        return document
    wanted = swagger.VERSIONS[version]
    if wanted not in said["versions"]:
        able = ", ".join(sorted(each.removesuffix(".0") for each in said["versions"]))
        message = f"Swagger version [{version}] is not supported for the scoring script."
        raise refuse(404, f"{message} Supported swagger versions: [{able}].")
    schemas = document["definitions"] if wanted == "2.0" else document["components"]["schemas"]
    schemas["ServiceInput"], schemas["ServiceOutput"] = said["input"], said["output"]
    return document

"""The modules Azure ML's server puts before scripts: ``aml_request`` and ``aml_response`` under both of their names.

They are made when they are first imported, from the bundle's Flask if it has one. A bundle that holds the real
azureml-inference-server-http keeps its modules; the names below ``azureml.contrib`` lead to them.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from ..bundle import Bundle
from ..places import Places
from .azure_web import FlaskWeb, ShimWeb, Web
from .modules import Finder, leave_empty
from .shim_request import ShimRequest
from .shim_response import ShimResponse

API = "azureml_inference_server_http.api"
LEGACY = "azureml.contrib.services"
LEAVES = ("aml_request", "aml_response")
PARENTS = ("azureml_inference_server_http", API, "azureml", "azureml.contrib", LEGACY)
FLAG = "_rawHttpRequested"
"""The name under which the real module remembers that ``rawhttp`` was used."""


def install() -> None:
    """Make the modules importable."""
    aliases = {f"{LEGACY}.{leaf}": functools.partial(_copy, f"{API}.{leaf}") for leaf in LEAVES}
    sys.meta_path.insert(0, Finder(aliases, packages=()))
    own: dict[str, Callable[[ModuleType], None]] = dict.fromkeys(PARENTS, leave_empty)
    own |= {f"{API}.aml_request": _fill_request, f"{API}.aml_response": _fill_response}
    sys.meta_path.append(Finder(own, packages=PARENTS))


def arrange_variables(bundle: Bundle, places: Places) -> None:
    """Set what scripts read to find their own files: always this image's, whatever a platform mounts beside it."""
    os.environ["AML_APP_ROOT"] = str(places.code)
    script = places.locate(bundle.script or "")
    os.environ["AZUREML_ENTRY_SCRIPT"] = str(script.relative_to(places.code))


def is_raw_wanted() -> bool:
    """Say whether any function was decorated with ``rawhttp``."""
    module = sys.modules.get(f"{API}.aml_request")
    return bool(getattr(module, FLAG, False))


def find_web() -> Web | None:
    """Return what makes requests and responses for what the author's code has imported, if it needs any."""
    if "flask" in sys.modules:
        return FlaskWeb()
    if any(f"{API}.{leaf}" in sys.modules for leaf in LEAVES):
        return ShimWeb()
    return None


def _copy(name: str, module: ModuleType) -> None:
    sys.modules[module.__name__] = importlib.import_module(name)


def _has_flask() -> bool:
    return importlib.util.find_spec("flask") is not None


def _fill_request(module: ModuleType) -> None:
    base: Any = importlib.import_module("flask").Request if _has_flask() else ShimRequest

    def rawhttp(function: Callable[..., Any]) -> Callable[..., Any]:
        """Ask for the request itself as the argument of ``run``."""
        setattr(module, FLAG, True)
        return function

    setattr(module, FLAG, False)
    module.__dict__["rawhttp"] = rawhttp
    module.__dict__["AMLRequest"] = type("AMLRequest", (base,), {"__doc__": "A request, as ``rawhttp`` gives it."})


def _fill_response(module: ModuleType) -> None:
    base: Any = importlib.import_module("flask").Response if _has_flask() else ShimResponse

    def __init__(  # noqa: N807, PLR0917 - it is put into a class below; scripts pass by position
        self: Any,
        message: Any,
        status_code: Any,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        given = response_headers or {}
        if message is None or json_str:
            text = json.dumps({} if message is None else message)
            base.__init__(self, text, status=status_code, mimetype="application/json")
        else:
            base.__init__(self, message, status=status_code)
            if "Content-Type" in given:
                self.headers.remove("Content-Type")
        self.headers["x-ms-run-function-failed"] = str(run_function_failed)
        for name, value in given.items():
            for each in value.split(","):
                self.headers.add(name, each.strip())

    said = "A response: body, status, headers (commas separate repeated ones), and whether the body is to be dumped."
    module.__dict__["AMLResponse"] = type("AMLResponse", (base,), {"__init__": __init__, "__doc__": said})

"""The page itself, made once, and the headers that keep it from doing anything but asking this service."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..message import JSON, Headers, Request, Response
from ..openapi.document import make_document
from ..protocol import Dialect, Service
from .facts import make_byline, make_facts
from .markup import Markup, element, escape, join
from .routes import make_routes

HTML = "text/html; charset=utf-8"
FOLDER = Path(__file__).resolve().parent
SCORING_PATHS = {"azure": ("/score",), "sagemaker": ("/invocations",)}
"""Where a contract's own clients score, if not at the usual path."""
USUAL_PATHS = ("/predict", "/invocations")
IMAGE_NAMES = ("KILN_IMAGE", "KILN_IMAGE_DIGEST")
"""Variables whoever deploys an image may set to say which one it is; an image cannot hold its own digest."""


class Page:
    """Answers with the page; it is made when it is first asked for."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: Response | None = None

    def __call__(self, request: Request) -> Response:  # noqa: ARG002 - a handler of a route
        """Answer."""
        if self._made is None or not self._is_final:
            self._made = make_page(self._service)
            self._is_final = self._service.is_ready  # until then examples may lack the answer to the sample
        made = self._made
        return Response(made.status, made.body, made.content_type, made.headers)

    _is_final = False


def make_page(service: Service) -> Response:
    """Return the page."""
    bundle = service.bundle
    document = make_document(service)
    style, script = read_file("page.css"), read_file("page.js")
    patterns = {route.pattern for route in service.routes}
    data = describe_form(service)
    kiln = str((bundle.document.get("kiln") or {}).get("version", ""))
    image = next((service.environment[name] for name in IMAGE_NAMES if service.environment.get(name)), None)
    places: Mapping[str, object] = {
        "title": f"{bundle.name} {bundle.version}",
        "name": bundle.name,
        "version": bundle.version,
        "description": bundle.document.get("description") or "",
        "byline": make_byline(bundle) or "",
        "links": make_links(patterns),
        "text_mode": "JSON" if "json" in data["contentType"] else "Text",
        "facts": make_facts(bundle, image),
        "routes": make_routes(document),
        "footer": f"Served by ModelKiln {kiln}".rstrip(),
        "style": Markup(style),
        "script": Markup(script),
        "data": Markup(embed(data)),
    }
    page = fill(read_file("page.html"), places)
    return Response(200, page.encode("utf-8", "replace"), HTML, make_headers(style, script))


def read_file(name: str) -> str:
    """Return a file of this folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def fill(template: str, places: Mapping[str, object]) -> str:
    """Return the template with each ``{{name}}`` replaced once; what is put in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: escape(places[match[1]]), template)


def embed(value: object) -> str:
    """Return a value as JSON that may stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def hash_source(text: str) -> str:
    """Return the source expression of an inline script or style (Content Security Policy level 3, §2.3.1)."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def make_headers(style: str, script: str) -> Headers:
    """Return headers under which nothing runs but our own script, and nothing is asked but this service."""
    policy = (
        f"default-src 'none'; script-src {hash_source(script)}; style-src {hash_source(style)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return (
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
        ("vary", "accept"),
    )


def make_links(patterns: set[str]) -> Markup:
    """Return links to what programs read."""
    known = (("/openapi.json", "OpenAPI"), ("/metrics", "Metrics"))
    links = [
        element("a", name, href=path.removeprefix("/"), data_path=path) for path, name in known if path in patterns
    ]
    return element("span", *links, class_="out") if links else join(())


def describe_form(service: Service) -> dict[str, Any]:
    """Return what the script needs to know to build the form."""
    bundle = service.bundle
    scoring = [route.pattern for route in service.routes if isinstance(route.does, Dialect) and "POST" in route.methods]
    paths = (*SCORING_PATHS.get(bundle.contract, ()), *USUAL_PATHS)
    path = next((path for path in paths if path in scoring), USUAL_PATHS[0])
    sample = bundle.sample
    kind = sample.content_type if sample is not None else JSON
    schema = bundle.request_schema if "json" in kind else None
    return {
        "path": path,
        "contentType": kind,
        "sample": sample.body if sample is not None else None,
        "schema": schema if isinstance(schema, Mapping) else None,
        "response": (bundle.document.get("schema") or {}).get("response"),
        "perRecord": bundle.schema_scope == "record" and bundle.contract in {"predict", "none"},
        "inferable": bundle.request_schema is None and bundle.contract in {"predict", "none"},
    }

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from base64 import b64encode
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.runtime.bundle import parse_bundle
from builder.runtime.server.page.document import embed, fill, make_headers, read_file
from builder.runtime.server.page.facts import make_byline, make_facts, show, show_size
from builder.runtime.server.page.markup import Markup, element, escape, join
from builder.runtime.server.page.routes import make_curl, make_routes
from builder.runtime.server.protocols.own import wants_page

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Reader(HTMLParser):
    """Collects the names of elements and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(), st.text())
def test_a_value_never_becomes_markup(value: str, attribute: str) -> None:
    made = element("p", value, data_x=attribute)
    read = Reader(made)
    assert read.names == ["p"]
    assert made.count("<") == 2
    assert '"' not in made.removeprefix('<p data-x="').partition('"')[0]


def test_markup_is_put_together_once() -> None:
    assert element("p", element("b", "<"), None, 3) == "<p><b>&lt;</b>3</p>"
    assert join(["&", Markup("&amp;")]) == "&amp;&amp;"
    assert escape(Markup("<b>")) == "<b>"
    assert element("i", class_="x", data_path="/a\"'", title=None) == '<i class="x" data-path="/a&quot;&#x27;"></i>'


def test_what_is_filled_in_is_not_filled_again() -> None:
    assert fill("{{a}}-{{b}}", {"a": "{{b}}", "b": "<{{a}}>"}) == "{{b}}-&lt;{{a}}&gt;"


@given(JSON)
def test_data_for_the_script_cannot_end_it(value: Any) -> None:
    text = embed(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_the_policy_names_the_very_script_and_style() -> None:
    style, script = read_file("page.css"), read_file("page.js")
    policy = dict(make_headers(style, script))["content-security-policy"]
    for source in (style, script):
        assert b64encode(hashlib.sha256(source.encode()).digest()).decode() in policy
    assert "unsafe" not in policy
    assert "</script" not in script
    assert "</style" not in style
    assert not re.search(r"innerHTML|eval\(|document\.write|https?://(?!localhost)", script)
    assert not re.search(r"url\(|@import", style)


@given(JSON, JSON, JSON)
def test_any_bundle_has_facts(metrics: Any, model: Any, environment: Any) -> None:
    document = {
        "name": "x",
        "version": "1",
        "description": metrics,
        "owner": metrics,
        "model": {
            "path": "/m",
            "metrics": metrics,
            "hyperparameters": model,
            "training_data": model,
            "training_code": 3,
        },
        "scoring": {"contract": "none"},
        "environment": {"base": environment, "python": environment},
        "release": environment,
    }
    bundle = parse_bundle(document)
    allowed = {"div", "h3", "dl", "dt", "dd", "details", "summary", "ul", "li", "span"}
    assert set(Reader(make_facts(bundle, "sha256:ab") + (make_byline(bundle) or "")).names) <= allowed


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (4000, "4,000"), (0.7713, "0.7713"), (1e-9, "1e-09"), ("a", "a"), ([1], "[1]"), (None, "null")],
)
def test_values_are_shown_as_people_write_them(value: Any, text: str) -> None:
    assert show(value) == text


def test_sizes_have_a_unit() -> None:
    assert [show_size(size) for size in (0, 1023, 18321, 5 << 20, 3 << 40)] == [
        "0 bytes",
        "1,023 bytes",
        "17.9 KiB",
        "5.0 MiB",
        "3072.0 GiB",
    ]


DOCUMENT: dict[str, Any] = {
    "paths": {
        "/a/{model}": {
            "post": {
                "tags": ["platform"],
                "summary": "Score",
                "parameters": [{"$ref": "#/components/parameters/model"}],
                "requestBody": {"content": {"application/json": {"example": {"note": "it's $HOME"}}}},
                "responses": {"200": {"$ref": "#/components/responses/fine"}},
            },
            "get": {"tags": ["service"], "summary": "Ask", "responses": {}},
        },
        "/b": {"post": {"summary": "Anything", "requestBody": {"content": {"*/*": {"schema": {}}}}}},
    },
    "components": {
        "parameters": {"model": {"name": "model", "in": "path", "schema": {"enum": ["my model"]}}},
        "responses": {"fine": {"description": "All is <well>."}},
    },
}


def test_routes_are_told_by_group_the_service_s_own_first() -> None:
    made = make_routes(DOCUMENT)
    titles = re.findall(r"<summary>(\w+)<span", made)
    assert titles == ["Service", "Platform", "Other"]
    assert "All is &lt;well&gt;." in made


def test_an_example_is_a_command_a_shell_understands() -> None:
    told = DOCUMENT["paths"]["/a/{model}"]["post"]
    command = make_curl("POST", "/a/{model}", told, DOCUMENT)
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    words = subprocess.run(["sh", "-c", script], capture_output=True, check=True, text=True).stdout.split("\0")[:-1]
    assert words == [
        "-sS",
        "http://localhost:8080/a/my%20model",
        "-H",
        "content-type: application/json",
        "--data-raw",
        '{"note": "it\'s $HOME"}',
    ]
    assert "--data-binary @request" in make_curl("POST", "/b", DOCUMENT["paths"]["/b"]["post"], DOCUMENT)
    assert make_curl("POST", "/c", {}, DOCUMENT) == "curl -sS http://localhost:8080/c -X POST"
    assert make_curl("GET", "/c", {}, DOCUMENT) == "curl -sS http://localhost:8080/c"


@given(st.text())
def test_no_accept_header_breaks_the_choice(accept: str) -> None:
    assert wants_page(accept) in {True, False}
    assert wants_page(f"text/html;q={accept}") in {True, False}

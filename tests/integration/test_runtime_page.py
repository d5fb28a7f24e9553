"""The page at / as a person uses it, in a real browser."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from runtime_service import Service, make_root, running

from tests.support.browser import browser

__all__ = ["browser"]

expect.set_options(timeout=60_000)  # a shared machine may stall anything
BAIT = "<script>window.caught=1</script><img src=x onerror=window.caught=1>'\"&{{data}}${1}"
SCRIPT = """
import time

def load(model_dir):
    return 2

def predict(model, records):
    return [{"label": str(record.get("plan")), "chance": 0.25, "seen": record} for record in records]
"""
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["months", "plan", "fiber", "note"],
    "properties": {
        "months": {"type": "integer", "minimum": 0, "maximum": 600, "description": "Since the first contract."},
        "plan": {"enum": ["monthly", "yearly", 7, BAIT]},
        "fiber": {"type": "boolean"},
        "note": {"type": "string", "maxLength": 500},
        "charge": {"type": ["number", "null"], "exclusiveMinimum": 0},
        "address": {"$ref": "#/$defs/address"},
        BAIT: {"type": "string", "description": BAIT, "title": BAIT},
    },
    "$defs": {
        "address": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string", "minLength": 2}}}
    },
}
RESPONSE = {"type": "object", "properties": {"chance": {"type": "number", "minimum": 0, "maximum": 1}}}
SAMPLE = {"months": 64, "plan": "yearly", "fiber": False, "note": "hello", "address": {"city": "Bern"}}
ABOUT: dict[str, Any] = {
    "name": "leaving",
    "description": f"Tells who leaves. {BAIT}",
    "owner": f"growth@example.com {BAIT}",
    "model": {
        "metrics": {"roc_auc": 0.7713, BAIT: BAIT},
        "hyperparameters": {"C": 1.0, BAIT: [BAIT]},
        "training_data": {"uri": "data/train.csv", "sha256": "8f" * 32, "rows": 4000},
        "training_code": {"repository": "javascript:window.caught=1", "revision": BAIT},
        "files": [{"path": "m.json", "sha256": "ab" * 32, "size": 18321}],
    },
    "environment": {
        "python": "3.11",
        "requirements": ["numpy==2.3.5", BAIT],
        "variables": {"PASSWORD": "not-for-the-page"},
    },
}


def make(folder: Path, script: str = SCRIPT, *, schema: Any = SCHEMA, sample: Any = SAMPLE, **more: Any) -> Path:
    """Lay out a root whose schema and sample are those of the page's tests."""
    body = None if sample is None else {"content_type": "application/json", "body": json.dumps(sample)}
    root = make_root(folder / "root", script, sample=body, schema=schema, **{**ABOUT, **more})
    path = root / "opt/model/bundle.json"
    document = json.loads(path.read_text())
    scope = "body" if more.get("contract") == "azure" else "record"
    document["schema"] = {"request": schema, "response": RESPONSE, "scope": scope}
    path.write_text(json.dumps(document))
    return root


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(make(tmp_path_factory.mktemp("page"))) as started:
        yield started


class Visit:
    """A page that is open, and everything it said and asked for."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        self.context.set_default_timeout(60_000)
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.goto(url)

    def score(self) -> str:
        """Press the button; return the status that is shown."""
        with self.page.expect_response(lambda response: response.request.method == "POST"):
            self.page.click("#score")
        status = self.page.locator("#outcome .status")
        expect(status).to_be_visible()
        return status.inner_text()

    def answer(self) -> Any:
        return json.loads(self.page.locator("#response").text_content() or "")

    def curl(self) -> list[str]:
        """Return the words a shell makes of the command."""
        command = self.page.locator("#curl").inner_text()
        script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
        assert done.stderr == b""
        return done.stdout.decode().split("\0")[:-1]


Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Return what opens pages; each must have asked for nothing outside and complained of nothing."""
    visits: list[Visit] = []

    def start(service: Service, path: str = "/", port: int = 0, **options: Any) -> Visit:
        visits.append(Visit(browser, f"http://127.0.0.1:{port or service.port}{path}", **options))
        return visits[-1]

    yield start
    for each in visits:
        each.context.close()
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(each.url))
        assert [url for url in each.asked if not url.startswith((origin + "/", "data:"))] == []
        assert [text for text in each.said if "Failed to load resource" not in text] == []


def field(visit: Visit, name: str) -> Any:
    return visit.page.get_by_label(name, exact=True)


def test_the_sample_is_scored_by_one_click(service: Service, visit: Open) -> None:
    seen = visit(service)
    expect(seen.page.locator("#state")).to_have_text("ready")
    assert field(seen, "months").input_value() == "64"
    assert seen.score() == "200"
    assert seen.answer()["predictions"][0]["seen"] == SAMPLE
    assert re.fullmatch(r"200\s*[\d.]+ ms", seen.page.locator("#outcome").inner_text())
    assert "yearly" in seen.page.locator("#predictions").inner_text()
    assert seen.page.locator("#predictions .bar span").evaluate("bar => bar.style.width") == "25%"


def test_every_kind_of_field_is_sent_as_what_it_is(service: Service, visit: Open) -> None:
    seen = visit(service)
    field(seen, "months").fill("7")
    field(seen, "plan").select_option("7")
    field(seen, "fiber").select_option("true")
    field(seen, "note").fill('"quoted" and\nnew')
    field(seen, "charge").fill("12345678901234567890.5")
    field(seen, "address").fill('{"city": "Genève", "zip": null}')
    assert seen.score() == "200"
    sent = seen.page.locator("#curl").inner_text()
    assert '"charge": 12345678901234567890.5' in sent
    record = seen.answer()["predictions"][0]["seen"]
    assert {name: record[name] for name in ("months", "plan", "fiber", "note", "address")} == {
        "months": 7,
        "plan": 7,
        "fiber": True,
        "note": '"quoted" and\nnew',
        "address": {"city": "Genève", "zip": None},
    }
    field(seen, "charge").fill("")
    field(seen, "address").fill("")
    assert seen.score() == "200"
    assert sorted(seen.answer()["predictions"][0]["seen"]) == ["fiber", "months", "note", "plan"]


def test_a_fault_is_shown_at_the_field_it_names(service: Service, visit: Open) -> None:
    seen = visit(service)
    field(seen, "months").fill("twelve")
    field(seen, "charge").fill("-1")
    field(seen, "address").fill('{"city": "X"}')
    assert seen.score() == "400"
    for name, message in (
        ("months", 'Must be an integer, but is "twelve" (a string).'),
        ("charge", "Must be more than 0, but is -1."),
        ("address", 'city must have at least 2 characters, but is "X".'),
    ):
        expect(field(seen, name)).to_have_attribute("aria-invalid", "true")
        told = field(seen, name).get_attribute("aria-describedby").split()[1]
        expect(seen.page.locator(f"[id='{told}']")).to_contain_text(message)
    expect(field(seen, "months")).to_be_focused()
    expect(seen.page.locator("#faults")).to_contain_text("3 faults are marked")
    seen.page.click("#reset")
    assert seen.page.locator("[aria-invalid]").count() == 0
    assert seen.score() == "200"


def test_json_that_is_none_is_told_before_it_is_sent(service: Service, visit: Open) -> None:
    seen = visit(service)
    field(seen, "address").fill("{city: Bern}")
    seen.page.click("#score")
    expect(seen.page.locator("#faults")).to_be_visible()
    expect(field(seen, "address")).to_be_focused()
    assert [url for url in seen.asked if url.endswith("/predict")] == []


def test_form_and_text_show_the_same_request(service: Service, visit: Open) -> None:
    seen = visit(service)
    field(seen, "months").fill("5")
    seen.page.click("#as-text")
    body = json.loads(field(seen, "Request body").input_value())
    assert body == SAMPLE | {"months": 5}
    field(seen, "Request body").fill(json.dumps([body | {"months": -1}, body, {"note": 3}]))
    assert seen.score() == "400"
    expect(seen.page.locator("#faults")).to_contain_text("[0].months")
    seen.page.click("#as-form")
    expect(seen.page.locator("#faults")).to_contain_text("all the form can show")
    field(seen, "Request body").fill(json.dumps(body | {"months": 9}))
    seen.page.click("#as-form")
    assert field(seen, "months").input_value() == "9"
    assert seen.score() == "200"


@pytest.mark.parametrize(
    "note", ["it's", "$(touch x) `id` $HOME !!", "a\\nb\\'\n\"", "ünï 🦊", "@/etc/passwd", "-X DELETE", "%"]
)
def test_the_curl_command_is_the_very_request(service: Service, visit: Open, note: str) -> None:
    seen = visit(service)
    field(seen, "note").fill(note)
    assert seen.score() == "200"
    options, url, header, kind, flag, body = seen.curl()
    assert (options, url, header, kind, flag) == (
        "-sS",
        f"http://127.0.0.1:{service.port}/predict",
        "-H",
        "content-type: application/json",
        "--data-raw",
    )
    assert json.loads(body)["note"] == note
    answer = service.request("POST", "/predict", body.encode(), content_type="application/json")
    assert answer.json == seen.answer()


def test_the_command_is_copied(service: Service, visit: Open) -> None:
    seen = visit(service)
    seen.context.grant_permissions(["clipboard-read", "clipboard-write"])
    seen.page.click("#copy")
    expect(seen.page.locator("#copy")).to_have_text("Copied")
    assert seen.page.evaluate("navigator.clipboard.readText()") == seen.page.locator("#curl").inner_text()


def test_nothing_a_bundle_says_is_ever_run(service: Service, visit: Open) -> None:
    seen = visit(service)
    field(seen, "plan").select_option(label=BAIT)
    field(seen, BAIT).fill(BAIT)
    assert seen.score() == "200"
    assert seen.page.evaluate("window.caught") is None
    text = seen.page.locator("body").inner_text()
    assert f"Tells who leaves. {BAIT}" in text
    assert f"growth@example.com {BAIT}" in text
    assert seen.page.locator("img").count() == 0
    assert seen.page.locator("a[href^='javascript']").count() == 0
    assert seen.page.locator("script").count() == 2
    assert "not-for-the-page" not in seen.page.content()


def test_the_policy_lets_nothing_else_run_or_be_asked(service: Service, browser: Browser) -> None:
    seen = Visit(browser, f"http://127.0.0.1:{service.port}/")
    seen.page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.caught = 1";
        document.body.append(script);
        const style = document.createElement("style");
        style.textContent = "body { display: none }";
        document.body.append(style);
        const image = new Image();
        image.src = "http://127.0.0.1:9/x.png";
        document.body.append(image);
        const frame = document.createElement("iframe");
        frame.src = "/";
        document.body.append(frame);
    }""")
    refused = seen.page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'asked', () => 'refused')")
    assert refused == "refused"
    assert seen.page.evaluate("window.caught") is None
    expect(seen.page.locator("h1")).to_be_visible()
    assert sum("Content Security Policy" in text for text in seen.said) >= 5
    seen.context.close()


def test_the_keyboard_is_enough(service: Service, visit: Open) -> None:
    seen = visit(service)
    expect(seen.page.locator("#workbench")).to_be_visible()
    names = []
    for _ in range(40):
        seen.page.keyboard.press("Tab")
        names.append(seen.page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        if names[-1] == "copy":
            break
    assert names[0] == "Skip to the form"
    wanted = ["as-form", "as-text", "field-months", "field-plan", "field-fiber", "score", "reset", "copy"]
    assert [name for name in names if name in wanted] == wanted
    field(seen, "months").focus()
    with seen.page.expect_response(lambda response: response.url.endswith("/predict")):
        seen.page.keyboard.press("Control+Enter")
    expect(seen.page.locator("#outcome .status")).to_have_text("200")
    field(seen, "months").focus()
    with seen.page.expect_response(lambda response: response.url.endswith("/predict")):
        seen.page.keyboard.press("Enter")


CONTRAST = """() => {
    const light = (color) => {
        const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = color.map((part) => linear(part / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const behind = (element) => {
        for (let here = element; here; here = here.parentElement) {
            const color = parse(getComputedStyle(here).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color.slice(0, 3);
        }
        return [255, 255, 255];
    };
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.disabled) continue;
        const one = light(parse(getComputedStyle(element).color).slice(0, 3));
        const two = light(behind(element));
        const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
        const what = `${element.tagName}.${element.className} ${walker.currentNode.textContent.trim().slice(0, 30)}`;
        if (ratio < 4.5) poor.push(`${what} ${ratio.toFixed(2)}`);
    }
    return poor;
}"""


NAMELESS = """[...document.querySelectorAll("input, select, textarea, button, a, summary")]
    .filter((each) => !(each.labels && each.labels.length) && !each.textContent.trim())
    .map((each) => each.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_legible_and_every_control_named(service: Service, visit: Open, scheme: str) -> None:
    seen = visit(service, color_scheme=scheme)
    seen.score()
    seen.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert seen.page.evaluate(CONTRAST) == []
    field(seen, "months").fill("twelve")
    seen.score()
    assert seen.page.evaluate(CONTRAST) == []
    assert seen.page.evaluate(NAMELESS) == []
    assert seen.page.evaluate("document.documentElement.lang") == "en"
    ids = seen.page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(set(ids)) == len(ids)
    levels = seen.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_sticks_out_at_any_width(service: Service, visit: Open, width: int) -> None:
    seen = visit(service, viewport={"width": width, "height": 800})
    field(seen, "note").fill("x" * 400)
    assert seen.score() == "200"
    seen.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


class Proxy(http.server.ThreadingHTTPServer):
    """Serves the service below /models/leaving, as an ingress does that strips the prefix."""

    daemon_threads = True
    target = 0


class Pass(http.server.BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.removeprefix("/models/leaving") or "/"
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status = 404
        if self.path.startswith("/models/leaving"):
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, path, body, headers)
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        self.send_response(status)
        for name, value in answer.getheaders() if status != 404 else ():
            if name.lower() not in {"connection", "date"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.mark.parametrize("path", ["/models/leaving", "/models/leaving/"])
def test_it_works_below_a_path(service: Service, visit: Open, path: str) -> None:
    with Proxy(("127.0.0.1", 0), Pass) as proxy:
        proxy.target = service.port
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            seen = visit(service, path, port=proxy.server_port)
            expect(seen.page.locator("#state")).to_have_text("ready")
            assert seen.score() == "200"
            assert seen.curl()[1] == f"http://127.0.0.1:{proxy.server_port}/models/leaving/predict"
            link = seen.page.get_by_role("link", name="OpenAPI").get_attribute("href")
            assert link == f"http://127.0.0.1:{proxy.server_port}/models/leaving/openapi.json"
            assert f"{proxy.server_port}/models/leaving/predict" in (
                seen.page.locator("[data-curl]").first.text_content() or ""
            )
        finally:
            proxy.shutdown()
            thread.join()


def test_what_the_model_is_stands_there_even_without_a_script(service: Service, visit: Open) -> None:
    seen = visit(service, java_script_enabled=False)
    text = seen.page.locator("body").inner_text()
    for part in (
        "leaving",
        "1.2.3",
        "roc_auc",
        "0.7713",
        "data/train.csv",
        "4,000",
        "17.9 KiB",
        "The form needs JavaScript",
    ):
        assert part in text
    assert "numpy==2.3.5" in (seen.page.locator(".packages").first.text_content() or "")
    assert "8f" * 32 in (seen.page.locator("body").text_content() or "")


def test_every_route_is_told_with_a_command_that_works(service: Service, visit: Open) -> None:
    seen = visit(service)
    document = service.get("/openapi.json").json
    operations = sum(len(methods) for methods in document["paths"].values())
    assert seen.page.locator(".route").count() == operations
    tried = 0
    for command in seen.page.locator("[data-curl]").all_text_contents():
        script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"
        words = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode().split("\0")[:-1]
        if "--data-raw" in words and "<" not in words[1]:
            body = words[words.index("--data-raw") + 1]
            kind = words[words.index("-H") + 1].partition(": ")[2]
            answer = service.request("POST", urlsplit(words[1]).path, body.encode(), content_type=kind)
            assert answer.status == 200, (command, answer.body)
            tried += 1
    assert tried >= 4


def test_a_model_that_is_loading_is_said_to_be_and_then_ready(tmp_path: Path, visit: Open) -> None:
    script = SCRIPT.replace("return 2", "time.sleep(3); return 2")
    with running(make(tmp_path, script), ready=False) as service:
        service_is_up(service)
        seen = visit(service)
        expect(seen.page.locator("#state")).to_have_text("loading")
        expect(seen.page.locator("#state")).to_have_text("ready")


def service_is_up(service: Service) -> None:
    for _ in range(200):
        try:
            if service.get("/livez").status == 200:
                return
        except OSError:
            pass
        threading.Event().wait(0.05)


AZURE = """
def init():
    pass

def run(data):
    if data == "fail":
        raise ValueError("no")
    return {"text": data[::-1]}
"""


def test_a_script_of_azure_s_gets_the_body_as_it_is_typed(tmp_path: Path, visit: Open) -> None:
    root = make(tmp_path, AZURE, schema=None, sample={"any": "thing"}, contract="azure")
    with running(root) as service:
        seen = visit(service)
        assert seen.page.locator(".modes").is_hidden()
        assert json.loads(field(seen, "Request body").input_value()) == {"any": "thing"}
        field(seen, "Request body").fill("it's")
        assert seen.score() == "200"
        assert seen.answer() == {"text": "s'ti"}
        assert seen.curl()[1].endswith("/score")
        assert seen.curl()[-1] == "it's"
        field(seen, "Request body").fill("fail")
        assert seen.score() == "500"
        expect(seen.page.locator("#faults")).to_contain_text("An unexpected error occurred in scoring script")


SAGEMAKER = """
import json

def model_fn(model_dir):
    return 2

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(data, model):
    return {"predictions": [data["a"] * model]}

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


def test_a_script_of_sagemaker_s_is_asked_at_its_own_path(tmp_path: Path, visit: Open) -> None:
    with running(make(tmp_path, SAGEMAKER, schema=None, sample={"a": 4}, contract="sagemaker")) as service:
        seen = visit(service)
        assert seen.score() == "200"
        assert seen.answer() == {"predictions": [8]}
        assert seen.page.locator("#predictions .value").inner_text() == "8"
        assert seen.curl()[1].endswith("/invocations")
        expect(seen.page.locator(".byline")).to_contain_text("as SageMaker calls it")


def test_a_sample_that_is_not_json_is_text(tmp_path: Path, visit: Open) -> None:
    sample = {"content_type": "text/csv", "body": "a,b\n1,2\n"}
    with running(make_root(tmp_path / "root", AZURE, contract="azure", sample=sample)) as service:
        seen = visit(service)
        assert field(seen, "Request body").input_value() == "a,b\n1,2\n"
        assert seen.score() == "200"
        assert seen.answer() == {"text": "\n2,1\nb,a"}
        assert seen.curl()[3] == "content-type: text/csv"


def test_a_model_without_schema_has_the_fields_of_its_sample(tmp_path: Path, visit: Open) -> None:
    with running(
        make(tmp_path, schema=None, sample={"instances": [{"months": 1, "plan": "x", "tags": [1]}]})
    ) as service:
        seen = visit(service)
        field(seen, "months").fill("2.50")
        field(seen, "tags").fill("[1, 2]")
        assert seen.score() == "200"
        assert seen.answer()["predictions"][0]["seen"] == {"months": 2.5, "plan": "x", "tags": [1, 2]}
        assert '"months": 2.50' in seen.curl()[-1]


def test_a_model_that_says_nothing_still_has_a_page(tmp_path: Path, visit: Open) -> None:
    with running(make(tmp_path, schema=None, sample=None, model={}, environment={"variables": {}})) as service:
        seen = visit(service)
        field(seen, "Request body").fill('{"plan": 1}')
        assert seen.score() == "200"
        assert seen.page.locator("#reset").is_hidden()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "text/html"),
        ("text/html", "text/html"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("application/json;q=0.5, text/html", "text/html"),
        ("text/html;q=0", "application/json"),
        ("", "application/json"),
    ],
)
def test_people_get_a_page_and_programs_json(service: Service, accept: str, kind: str) -> None:
    answer = service.request("GET", "/", accept=accept)
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["vary"] == "accept"
    assert service.request("HEAD", "/", accept=accept).headers["content-length"] == str(len(answer.body))
    if kind == "application/json":
        assert answer.json["name"] == "leaving"
    else:
        assert answer.body.startswith(b"<!doctype html>")
        assert len(answer.body) < 150_000
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"

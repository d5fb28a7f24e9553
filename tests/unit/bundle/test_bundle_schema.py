from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from builder.bundle.faults import Faults
from builder.bundle.schema import bundle_schema, check_against_schema, schema_text
from builder.bundle.yaml_document import read_document
from builder.errors import Fault

ROOT = Path(__file__).resolve().parents[3]
MINIMAL = "name: a\nversion: 1.0.0\nmodel: {path: m}\nenvironment: {python: '3.11', requirements: []}\n"

DURATION = "a number of seconds, or text such as 250ms, 30s, 5m"
SIZE = "a number of bytes, or text such as 512MiB, 1GiB, 2G"
REPOSITORY = "lower-case parts joined by '/', without registry and tag"
KEYS = st.sampled_from(["path", "python", "name", "status", "x"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)


def check(text: str) -> tuple[Any, tuple[Fault, ...]]:
    faults = Faults(read_document(text.encode(), name="bundle.yaml"))
    return check_against_schema(faults.document.value, faults), faults.in_order()


def only(text: str) -> Fault:
    (fault,) = check(MINIMAL + text)[1]
    return fault


def parts(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if isinstance(schema, dict):
        yield path, schema
        for key, value in schema.items():
            yield from parts(value, (*path, key))


def test_the_published_schema_is_the_packaged_one() -> None:
    assert (ROOT / "docs/reference/bundle.schema.json").read_text() == schema_text()


def test_the_schema_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(bundle_schema())


def test_every_mapping_with_named_keys_is_closed() -> None:
    for path, part in parts(bundle_schema()):
        if part.get("type") == "object" and isinstance(part.get("properties"), dict):
            assert part.get("additionalProperties") is False, path


def test_every_key_is_described_for_editors() -> None:
    definitions = bundle_schema()["$defs"]
    for path, part in parts(bundle_schema()):
        for key, value in part.get("properties", {}).items() if isinstance(part.get("properties"), dict) else ():
            described = value if "description" in value else definitions[value["$ref"].rsplit("/", 1)[-1]]
            assert described.get("description"), (*path, key)


def test_every_example_and_default_is_valid() -> None:
    root = bundle_schema()
    for path, part in parts(root):
        if path and path[-1] in ("properties", "$defs", "examples"):
            continue
        values = part.get("examples", []) if isinstance(part.get("examples"), list) else []
        values = [*values, part["default"]] if "default" in part and not isinstance(part["default"], dict) else values
        for value in values:
            Draft202012Validator({**part, "$defs": root["$defs"]}).validate(value)


def test_every_pattern_has_words_for_people() -> None:
    for path, part in parts(bundle_schema()):
        if isinstance(part.get("pattern"), str):
            assert part.get("errorMessage"), path


def test_a_minimal_bundle_passes_whole() -> None:
    value, faults = check(MINIMAL)
    assert faults == ()
    assert value == yaml.safe_load(MINIMAL)


def test_an_unknown_key_has_its_line_and_a_guess() -> None:
    fault = only("resources:\n  cpus: 2\n")
    assert fault.at == "bundle.yaml:6 resources.cpus"
    assert fault.fact == "unknown key 'cpus'; did you mean 'cpu'?"
    assert fault.want == "cpu, memory"


def test_an_unknown_key_like_no_other_gets_no_guess() -> None:
    assert only("zzzzzz: 1\n").fact == "unknown key 'zzzzzz'"


def test_each_missing_key_is_a_fault_that_says_what_it_is_for() -> None:
    faults = check("name: a\n")[1]
    assert [fault.fact for fault in faults] == [
        "'version' is missing",
        "'model' is missing",
        "'environment' is missing",
    ]
    assert all(fault.want for fault in faults)


@pytest.mark.parametrize(("key", "text"), [("version", "1.0"), ("version", "2"), ("python", "3.10"), ("owner", "true")])
def test_text_that_yaml_takes_for_something_else_is_shown_in_quotes(key: str, text: str) -> None:
    document = (
        MINIMAL.replace("'3.11'", text) if key == "python" else MINIMAL.replace("version: 1.0.0\n", "version: '1'\n")
    )
    if key != "python":
        document = (
            document.replace("version: '1'\n", "") + f"version: {text}\n"
            if key == "version"
            else document + f"{key}: {text}\n"
        )
    (fault,) = check(document)[1]
    assert "quote it" in fault.fact
    assert (fault.want, fault.got) == (f'"{text}"', text)


@pytest.mark.parametrize(
    ("text", "at", "want", "got"),
    [
        ("owner:\n", "bundle.yaml:5 owner", "text on one line", "nothing"),
        ("owner: [a]\n", "bundle.yaml:5 owner", "text on one line", '["a"] (a list)'),
        ("smoke: yes\n", "bundle.yaml:5 smoke", "a list", "yes (text)"),
        ("smoke: [3]\n", "bundle.yaml:5 smoke[0]", "a mapping", "3 (a number)"),
        ("service: {workers: 1.5}\n", "bundle.yaml:5 service.workers", "a whole number, 1 or more", "1.5 (a number)"),
        ("service: {workers: 0}\n", "bundle.yaml:5 service.workers", "a whole number, 1 or more", "0"),
        ("service: {batching: {enabled: on}}\n", "bundle.yaml:5 service.batching.enabled", "true", "on (text)"),
        ("service: {batching: {enabled: No}}\n", "bundle.yaml:5 service.batching.enabled", "false", "No (text)"),
        (
            "service: {batching: {enabled: 1}}\n",
            "bundle.yaml:5 service.batching.enabled",
            "true or false",
            "1 (a number)",
        ),
        ("service: {request_timeout: 5 days}\n", "bundle.yaml:5 service.request_timeout", DURATION, "5 days"),
        ("service: {request_timeout: -1}\n", "bundle.yaml:5 service.request_timeout", DURATION, "-1"),
        ("resources: {memory: 1Gi}\n", "bundle.yaml:5 resources.memory", SIZE, "1Gi"),
        ("resources: {cpu: 0}\n", "bundle.yaml:5 resources.cpu", "a number of cores, more than 0", "0"),
        ("schema: {scope: recrod}\n", "bundle.yaml:5 schema.scope", "record, body", "recrod"),
        ("release: {repository: Models/Churn}\n", "bundle.yaml:5 release.repository", REPOSITORY, "Models/Churn"),
        ("release: {repository: 'reg:5000/x'}\n", "bundle.yaml:5 release.repository", REPOSITORY, "reg:5000/x"),
        (
            "smoke: [{name: a, request: {}, expect: {status: 99}}]\n",
            "bundle.yaml:5 smoke[0].expect.status",
            "an HTTP status, 100 to 599",
            "99",
        ),
        (
            "smoke: [{name: a, request: {}, expect: {subset: {}}}]\n",
            "bundle.yaml:5 smoke[0].expect.subset",
            "at least one",
            "{}",
        ),
        (
            "smoke: [{name: a, request: {}, path: score}]\n",
            "bundle.yaml:5 smoke[0].path",
            "a route that starts with '/'",
            "score",
        ),
    ],
)
def test_a_wrong_value_is_shown_with_what_was_wanted(text: str, at: str, want: str, got: str) -> None:
    fault = only(text)
    assert (fault.at, fault.want, fault.got) == (at, want, got)


@pytest.mark.parametrize("name", ["Churn", "-a", "a b", "a/b", "a..b", "ä", "churn\\n", ""])
def test_a_name_that_no_repository_may_have_is_refused(name: str) -> None:
    (fault,) = check(MINIMAL.replace("name: a", f'name: "{name}"'))[1]
    assert fault.at == "bundle.yaml:1 name"


@pytest.mark.parametrize("version", ["1.0+cu1", ".1", "-1", "1 0", "1.0\\n", "x" * 116])
def test_a_version_that_no_tag_may_be_is_refused(version: str) -> None:
    (fault,) = check(MINIMAL.replace("1.0.0", f'"{version}"'))[1]
    assert fault.at == "bundle.yaml:2 version"


@pytest.mark.parametrize("python", ["3", "3.11.7", "311", "2.7", ">=3.11", "py311"])
def test_python_is_a_minor_version(python: str) -> None:
    (fault,) = check(MINIMAL.replace("3.11", python))[1]
    assert "minor version in quotes" in (fault.want or "")


def test_variables_are_text_on_one_line_under_proper_names() -> None:
    text = MINIMAL.replace(
        "requirements: []", 'requirements: [], variables: {PORT: 80, 1X: a, "A-B": b, C: "x\\ny", D: ok}'
    )
    value, faults = check(text)
    assert [fault.fact for fault in faults] == [
        "value must be text, and YAML reads 80 as a number; quote it",
        "key is not allowed here",
        "key is not allowed here",
        "value is not allowed",
    ]
    assert value["environment"]["variables"] == {"D": "ok"}


def test_subset_paths_start_at_the_body() -> None:
    assert "$.predictions[0].label" in (
        only("smoke: [{name: a, request: {}, expect: {subset: {label: x}}}]\n").want or ""
    )
    text = "smoke: [{name: a, request: {}, expect: {subset: {$: 1, '$[0].b': 2, '$[\"x y\"]': 3, '$.a-b[-1]': 4}}}]\n"
    assert check(MINIMAL + text)[1] == ()


def test_a_platform_given_twice_or_unknown_is_a_fault() -> None:
    text = MINIMAL.replace("requirements: []", "requirements: [], platforms: [linux/amd64, linux/amd64, linux/arm]")
    value, faults = check(text)
    assert [fault.at for fault in faults] == [
        "bundle.yaml:4 environment.platforms[1]",
        "bundle.yaml:4 environment.platforms[2]",
    ]
    assert "did you mean 'linux/arm64'" in faults[1].fact
    assert value["environment"]["platforms"] == ["linux/amd64", None, None]


def test_what_is_refused_is_left_out_and_the_rest_is_kept() -> None:
    value, faults = check(MINIMAL + "smoke: [{name: 1, request: {}}, 2]\nservice: 3\nextra: 4\n")
    assert len(faults) == 4
    assert value["smoke"] == [{"request": {}}, None]
    assert "service" not in value
    assert "extra" not in value


def test_the_document_itself_is_left_alone() -> None:
    faults = Faults(read_document((MINIMAL + "extra: 1\n").encode(), name="bundle.yaml"))
    before = json.dumps(faults.document.value)
    check_against_schema(faults.document.value, faults)
    assert json.dumps(faults.document.value) == before


@given(VALUES, st.sampled_from(sorted(bundle_schema()["properties"])))
def test_any_value_under_any_key_passes_or_is_explained(value: Any, key: str) -> None:
    document = yaml.safe_load(MINIMAL) | {key: value}
    sound, faults = check(json.dumps(document))
    if not faults:
        assert sound == document
    for fault in faults:
        assert fault.fact
        assert (fault.at or "").startswith("bundle.yaml:1")

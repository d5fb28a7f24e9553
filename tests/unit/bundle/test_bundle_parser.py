from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.model import Bundle, Contract, Framework, SchemaScope
from builder.bundle.parser import DEFAULT_BASES, load_bundle
from builder.errors import BundleError, Fault
from builder.oci.platform import Platform

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
MINIMAL = """\
name: churn
version: 1.0.0
model: {path: model/m.json}
environment:
  python: "3.11"
  requirements: [xgboost-cpu==3.*]
"""
SMOKE = """\
smoke:
  - {name: accepted, request: {a: 1}}
  - {name: refused, request: {a: no number}, expect: {status: 400}}
"""
OURS = "def load(d): ...\ndef predict(m, r): ...\n"

WriteBundle = Callable[..., Path]


def refuse(path: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    return caught.value


def only(path: Path) -> Fault:
    (fault,) = refuse(path).faults
    return fault


def test_a_minimal_bundle_has_every_default(write_bundle: WriteBundle) -> None:
    root = write_bundle(MINIMAL + SMOKE)
    bundle = load_bundle(root)
    assert bundle.root == root.resolve()
    assert (bundle.name, bundle.version, bundle.repository) == ("churn", "1.0.0", "churn")
    assert (bundle.model.path, bundle.model.framework) == ("model/m.json", Framework.XGBOOST)
    assert bundle.scoring.contract is Contract.NONE
    assert bundle.environment.base == "debian12-python3.11"
    assert bundle.environment.platforms == (Platform("linux", "amd64"),)
    assert bundle.environment.requirements == ("xgboost-cpu==3.*",)
    assert bundle.environment.requirements_file is None
    assert bundle == Bundle(
        root=bundle.root,
        name="churn",
        version="1.0.0",
        model=bundle.model,
        scoring=bundle.scoring,
        environment=bundle.environment,
        smoke=bundle.smoke,
    )


def test_the_file_itself_may_be_named(write_bundle: WriteBundle) -> None:
    root = write_bundle()
    assert load_bundle(root / "bundle.yaml") == load_bundle(root)


def test_everything_that_can_be_written_is_read(write_bundle: WriteBundle) -> None:
    text = """\
name: churn
version: 1.0.0
description: Who leaves.
owner: growth@example.com
model:
  path: model/
  framework: custom
  hyperparameters: {C: 1.0, layers: [1, 2]}
  training_data: {uri: data/train.csv, sha256: %s, rows: 4000}
  validation_data: {uri: data/v.csv}
  training_code: {repository: https://git.example.com/x, revision: abc}
  training_environment: frozen.txt
  metrics: {roc_auc: 0.84, rows: 3}
scoring: {script: src/score.py, sources: [lib/]}
environment:
  python: "3.12"
  requirements: requirements.txt
  variables: {LOG_LEVEL: info}
  system_packages: [libgomp1]
  base: registry.example.com:5000/bases/python:3.12
  platforms: [linux/arm64, linux/amd64]
schema: {scope: body, request: {type: array}, response: r.json}
smoke:
  - {name: a, request: s.json, expect: {body: 1}}
  - {name: b, request: {}, expect: {status: 422, error: x}}
resources: {cpu: 0.5, memory: 256MiB}
service:
  workers: 2
  batching: {enabled: false, max_size: 8, max_delay: 2.5ms}
  request_timeout: 1
  startup_timeout: 2m
  shutdown_grace: 0
  max_body: 1MiB
  max_queue: 7
release: {repository: models/churn, rollback: 0.9.0}
""" % ("a" * 64)
    files = {
        "model/weights.bin": "w",
        "frozen.txt": "# pip freeze\n\nnumpy==2.0.0\n",
        "src/score.py": OURS,
        "lib/x.py": "",
        "requirements.txt": "numpy  # arrays\n",
        "r.json": '{"type": "number"}',
        "s.json": "[1]",
    }
    bundle = load_bundle(write_bundle(text, files))
    model, environment, service = bundle.model, bundle.environment, bundle.service
    assert (model.path, model.basename, model.framework) == ("model", "model", Framework.CUSTOM)
    assert model.training_data is not None
    assert (model.training_data.sha256, model.training_data.rows) == ("a" * 64, 4000)
    assert model.validation_data is not None
    assert model.training_code is not None
    assert model.training_code.revision == "abc"
    assert model.training_environment == "frozen.txt"
    assert bundle.scoring.contract is Contract.PREDICT
    assert environment.requirements_file == "requirements.txt"
    assert environment.requirements == ("numpy",)
    assert environment.base == "registry.example.com:5000/bases/python:3.12"
    assert [str(platform) for platform in environment.platforms] == ["linux/arm64", "linux/amd64"]
    assert (bundle.schemas.scope, bundle.schemas.request, bundle.schemas.response) == (
        SchemaScope.BODY,
        {"type": "array"},
        {"type": "number"},
    )
    assert bundle.smoke[0].request == b"[1]"
    assert (bundle.resources.cpu, bundle.resources.memory) == (0.5, 256 << 20)
    assert (service.workers, service.max_queue, service.max_body) == (2, 7, 1 << 20)
    assert (service.batching.enabled, service.batching.max_size, service.batching.max_delay_ms) == (False, 8, 2.5)
    assert (service.request_timeout, service.startup_timeout, service.shutdown_grace) == (1.0, 120.0, 0.0)
    assert (bundle.repository, bundle.release.rollback) == ("models/churn", "0.9.0")
    assert bundle.warnings == ()


def test_a_missing_bundle_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    assert refuse(tmp_path / "gone").faults[0].fact == "no such bundle"
    error = refuse(tmp_path)
    assert error.faults[0].fact == "no bundle.yaml in the bundle"
    assert error.exit_code == 3
    (tmp_path / "bundle.yml").write_text("")
    assert refuse(tmp_path).hint == "rename bundle.yml to bundle.yaml"


@pytest.mark.parametrize(("text", "got"), [("", "nothing"), ("- a\n", "list"), ("just text\n", "str")])
def test_a_file_without_a_mapping_is_no_bundle(write_bundle: WriteBundle, text: str, got: str) -> None:
    fault = only(write_bundle(text))
    assert fault.fact == "bundle.yaml holds no bundle"
    assert fault.got == got


def test_a_malformed_file_names_the_line(write_bundle: WriteBundle) -> None:
    assert (only(write_bundle("name: [a\nversion: 1\n")).at or "").startswith("bundle.yaml:2:")


def test_all_faults_of_all_kinds_are_told_at_once_in_order(write_bundle: WriteBundle) -> None:
    text = """\
name: Churn
version: 1.0
modle: x
model: {path: gone.bin, training_environment: ../out.txt}
scoring: {script: score.py}
environment:
  python: 3.10
  requirements: [numpy, -e .]
schema: {request: request.json}
smoke:
  - {name: a, request: a.json}
service: {request_timeout: soon}
"""
    files = {"score.py": "def load(): ...\n", "request.json": '{"type": "int"}'}
    error = refuse(write_bundle(text, files))
    assert [fault.at for fault in error.faults] == [
        "bundle.yaml:1 name",
        "bundle.yaml:2 version",
        "bundle.yaml:3 modle",
        "bundle.yaml:4 model.path",
        "bundle.yaml:4 model.training_environment",
        "score.py:1",
        "bundle.yaml:7 environment.python",
        "bundle.yaml:8 environment.requirements[1]",
        "request.json:1 type",
        "bundle.yaml:11 smoke[0].request",
        "bundle.yaml:12 service.request_timeout",
    ]
    assert error.hint is not None


def test_a_part_of_the_wrong_kind_causes_no_follow_up_faults(write_bundle: WriteBundle) -> None:
    fault = only(write_bundle(MINIMAL + "scoring: score.py\n", {"model/m.json": b"unknown"}))
    assert fault.at == "bundle.yaml:7 scoring"


@pytest.mark.parametrize("python", ["3.12", "3.9"])
def test_a_python_without_a_base_names_those_there_are(write_bundle: WriteBundle, python: str) -> None:
    root = write_bundle(MINIMAL.replace("3.11", python))
    fault = only(root)
    assert fault.at == "bundle.yaml:5 environment.python"
    for base in DEFAULT_BASES.values():
        assert base in (fault.want or "")
    assert load_bundle(root, default_bases={python: "mine"}).environment.base == "mine"


def test_python_3_13_has_its_own_base(write_bundle: WriteBundle) -> None:
    assert load_bundle(write_bundle(MINIMAL.replace("3.11", "3.13"))).environment.base == "debian13-python3.13"


def test_a_base_that_is_no_name_is_refused(write_bundle: WriteBundle) -> None:
    fault = only(write_bundle(MINIMAL + "  base: Not A Name\n"))
    assert fault.at == "bundle.yaml:7 environment.base"


@pytest.mark.parametrize("name", ["model", "model.bin"])
def test_an_empty_model_is_refused(write_bundle: WriteBundle, name: str) -> None:
    root = write_bundle(MINIMAL.replace("model/m.json", name), {"model/m.json": None, "model.bin": ""})
    (root / "model").mkdir(exist_ok=True)
    assert "is empty" in only(root).fact


@pytest.mark.parametrize(
    ("path", "fact"),
    [("../m.json", "leaves the bundle by"), ("/m.json", "absolute"), ("link", "leaves the bundle through a symlink")],
)
@pytest.mark.parametrize(
    "place",
    [
        "model: {path: PATH}",
        "scoring: {script: PATH}",
        "scoring: {script: score.py, sources: [PATH]}",
        "schema: {request: PATH}",
        "smoke: [{name: a, request: PATH}]",
    ],
)
def test_no_path_of_any_kind_leaves_the_bundle(write_bundle: WriteBundle, place: str, path: str, fact: str) -> None:
    line = place.replace("PATH", path)
    text = MINIMAL.replace("model: {path: model/m.json}", line) if line.startswith("model") else MINIMAL + line + "\n"
    root = write_bundle(text, {"score.py": OURS, "../m.json": '{"learner":{}}'})
    (root / "link").symlink_to("../m.json")
    assert fact in only(root).fact


@pytest.mark.parametrize("memory", ["1MiB", "0"])
def test_memory_no_container_can_live_on_is_refused(write_bundle: WriteBundle, memory: str) -> None:
    assert only(write_bundle(MINIMAL + f"resources: {{memory: {memory}}}\n")).at == "bundle.yaml:7 resources.memory"


def test_no_time_at_all_is_no_timeout(write_bundle: WriteBundle) -> None:
    assert (
        only(write_bundle(MINIMAL + "service: {request_timeout: 0s}\n")).at == "bundle.yaml:7 service.request_timeout"
    )


def test_a_version_cannot_be_its_own_rollback(write_bundle: WriteBundle) -> None:
    assert only(write_bundle(MINIMAL + "release: {rollback: 1.0.0}\n")).at == "bundle.yaml:7 release.rollback"


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ((SMOKE, ""), "no smoke test expects a request to be accepted"),
        (("expect: {status: 400}", "expect: {status: 500}"), "no smoke test expects a request to be refused"),
        (("[xgboost-cpu==3.*]", "[numpy]"), "the model needs xgboost, and no requirement names it"),
    ],
)
def test_what_would_surprise_is_a_warning(write_bundle: WriteBundle, change: tuple[str, str], warning: str) -> None:
    assert load_bundle(write_bundle(MINIMAL + SMOKE)).warnings == ()
    (found, *_) = load_bundle(write_bundle((MINIMAL + SMOKE).replace(*change))).warnings
    assert found.startswith(warning)


def test_a_class_of_the_training_script_is_a_warning(write_bundle: WriteBundle) -> None:
    model = b"\x80\x04\x8c\x08__main__\x94\x8c\x05Model\x94\x93\x94)\x81\x94."
    root = write_bundle(MINIMAL + "scoring: {script: score.py}\n" + SMOKE, {"model/m.json": model, "score.py": OURS})
    assert "Model of __main__" in load_bundle(root).warnings[0]


def test_loading_never_runs_the_authors_code(write_bundle: WriteBundle) -> None:
    script = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n" + OURS
    root = write_bundle(MINIMAL + "scoring: {script: score.py}\n", {"score.py": script})
    load_bundle(root)
    assert not (root / "ran").exists()


@pytest.mark.parametrize(
    ("name", "contract", "framework"),
    [
        ("churn", Contract.PREDICT, Framework.SKLEARN),
        ("triage", Contract.AZURE, Framework.SKLEARN),
        ("fraud", Contract.NONE, Framework.XGBOOST),
    ],
)
def test_the_examples_are_valid_and_without_warnings(name: str, contract: Contract, framework: Framework) -> None:
    bundle = load_bundle(EXAMPLES / name)
    assert (bundle.scoring.contract, bundle.model.framework, bundle.warnings) == (contract, framework, ())


def test_every_value_of_a_valid_bundle_is_plain(write_bundle: WriteBundle) -> None:
    bundle: Any = load_bundle(write_bundle(MINIMAL + "service: {workers: 2.0, max_queue: 3.0}\n"))
    assert (type(bundle.service.workers), type(bundle.service.max_queue)) == (int, int)


def test_the_description_of_keys_is_named_where_keys_are_wrong_and_nowhere_else(write_bundle: WriteBundle) -> None:
    wrong_key = refuse(write_bundle(MINIMAL + "modle: x\n"))
    assert wrong_key.hint == "docs/reference/bundle-yaml.md describes every key"
    gone = refuse(write_bundle(MINIMAL + "smoke: [{name: a, request: gone.json}]\n"))
    assert gone.hint is None


def test_a_requirement_by_the_name_that_is_imported_is_asked_about(write_bundle: WriteBundle) -> None:
    listed = load_bundle(write_bundle(MINIMAL.replace("[", "[Sklearn==1.7.2, ")))
    assert any("bundle.yaml:6: sklearn is only what is imported" in warning for warning in listed.warnings)
    text = MINIMAL.replace("[xgboost-cpu==3.*]", "r.txt")
    filed = load_bundle(write_bundle(text, {"r.txt": "xgboost-cpu\n\ncv2>4\n"}))
    (warning,) = [warning for warning in filed.warnings if "imported" in warning]
    assert warning.startswith("r.txt:3: cv2 ")
    assert warning.endswith("did you mean opencv-python-headless?")


@pytest.mark.parametrize("requirement", ["scikit-learn", "joblib", "bs4, beautifulsoup4"])
def test_a_requirement_that_is_one_is_not_asked_about(write_bundle: WriteBundle, requirement: str) -> None:
    bundle = load_bundle(write_bundle(MINIMAL.replace("[", f"[{requirement}, ")))
    assert not any("imported" in warning for warning in bundle.warnings)


def test_a_file_that_is_no_yaml_is_not_read_as_a_bundle(write_bundle: WriteBundle) -> None:
    root = write_bundle(MINIMAL, {"score.py": "def load(model_dir): ...\n"})
    error = refuse(root / "score.py")
    assert error.faults[0].fact == "not a bundle.yaml"
    assert error.hint == f"name the folder: {root}"
    assert load_bundle(root / "bundle.yaml").name == "churn"


def test_a_place_in_a_warning_is_the_same_when_the_bundle_was_read_before(write_bundle: WriteBundle) -> None:
    class Kept(dict[str, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            return super().get(repr(key), default)

        def put(self, key: Any, value: Any) -> None:
            self[repr(key)] = value

    kept = Kept()
    root = write_bundle(MINIMAL.replace("[", "[sklearn, "))
    first, second = (load_bundle(root, memory=kept).warnings for _ in range(2))
    assert first == second
    assert any(warning.startswith("bundle.yaml:6: sklearn") for warning in second)

"""Models that a loader refuses unless it is told to trust them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from check_subjects import make_subject
from pickle_makers import call, program, stack_global, zipped

from builder.bundle.model import BundleFile, Contract, Inventory, Scoring
from builder.check.finding import Finding
from builder.check.safe_loading import find_refused
from tests.support.bundles import make_file

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "artifacts"
MODULE = (FIXTURES / "torch-2.13.0-module.pt").read_bytes()
TORCH = {"torch": "2.13.0+cpu"}
LOAD = "import os, torch\ndef load(model_dir):\n    return torch.load(os.path.join(model_dir, 'm.pt')%s)\n"
KERAS = "import os, keras\ndef load(model_dir):\n    return keras.models.load_model(os.path.join(model_dir, '%s')%s)\n"
LAMBDA = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wE="}}}}
NAMED = {"class_name": "Lambda", "config": {"function": {"class_name": "function", "config": "relu"}}}
HDF5 = (
    b"\x89HDF\r\n\x1a\n" + bytes(64) + b"model_config" + bytes(8) + b"keras_version" + bytes(8) + b"3.15.1" + bytes(8)
)


def keras(layer: object) -> bytes:
    config = json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}}).encode()
    return zipped({"metadata.json": b'{"keras_version": "3.15.1"}', "config.json": config, "model.weights.h5": b""})


def pickled(*names: tuple[str, str]) -> bytes:
    body = b"".join(stack_global(module, name) for module, name in names)
    return zipped({"m/data.pkl": program(b"(" + body + b"t", 2), "m/version": b"3\n"})


def check(
    root: Path,
    code: str,
    files: dict[str, bytes],
    locked: dict[str, str],
    *,
    sources: dict[str, bytes] | None = None,
    variables: dict[str, str] | None = None,
) -> list[Finding]:
    sources = {"score.py": code.encode(), **(sources or {})}
    subject = make_subject(root, files=files, sources=sources, locked=locked)
    environment = replace(subject.bundle.environment, variables=variables or {})
    scoring = Scoring(contract=Contract.PREDICT, script="score.py")
    bundle = replace(subject.bundle, scoring=scoring, environment=environment)
    code_files: tuple[BundleFile, ...] = tuple(make_file(name) for name in sources)
    inventory = Inventory(model=subject.inventory.model, code=code_files, runtime=())
    return list(find_refused(replace(subject, bundle=bundle, inventory=inventory)))


def ids(found: list[Finding]) -> list[str]:
    return [f"{finding.rule.id} {finding.severity}" for finding in found]


def test_a_whole_torch_model_is_refused_where_it_is_loaded(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, LOAD % "", {"model/m.pt": MODULE}, TORCH)
    assert (finding.rule.id, str(finding.severity), str(finding.place)) == ("KILN207", "error", "score.py:3:12")
    assert finding.message == (
        "torch.load refuses model/m.pt: it names torch.nn.modules.activation.ReLU, which is no tensor, "
        "and weights_only is not False"
    )
    assert finding.remedy.startswith("pass weights_only=False")


GOOD_TORCH = {
    "it is told to": (LOAD % ", weights_only=False", MODULE, TORCH),
    "it may be told to": (LOAD % ", weights_only=bool(os.getpid())", MODULE, TORCH),
    "more may be given": (LOAD % ", **{'weights_only': False}", MODULE, TORCH),
    "another pickle": ("import pickle\n" + LOAD % ", pickle_module=pickle", MODULE, TORCH),
    "older versions trust": (LOAD % "", MODULE, {"torch": "2.5.1"}),
    "torch is not locked": (LOAD % "", MODULE, {"numpy": "2.3.1"}),
    "weights": (LOAD % "", (FIXTURES / "torch-2.13.0-state.pt").read_bytes(), TORCH),
    "weights of the older format": (LOAD % "", (FIXTURES / "torch-2.13.0-old.pt").read_bytes(), TORCH),
    "tensors and plain containers": (
        LOAD % "",
        pickled(("torch", "bfloat16"), ("collections", "Counter"), ("torch.nn.parameter", "Parameter")),
        TORCH,
    ),
    "a class is declared to be safe": (
        "import net\n"
        + LOAD.replace("    return", "    torch.serialization.add_safe_globals([net.Net])\n    return") % "",
        pickled(("net", "Net")),
        TORCH,
    ),
    "classes are safe for a while": (
        LOAD.replace("    return", "    with torch.serialization.safe_globals([set]):\n        return") % "",
        MODULE,
        TORCH,
    ),
    "it is loaded again otherwise": (
        LOAD.replace("    return", "    try:\n        return") % "" + "    except Exception:\n        return None\n",
        MODULE,
        TORCH,
    ),
    "another file is loaded": (
        "import torch\ndef load(model_dir):\n    return torch.load('/tmp/m.pt')\n",
        MODULE,
        TORCH,
    ),
}


@pytest.mark.parametrize(("code", "model", "locked"), GOOD_TORCH.values(), ids=GOOD_TORCH)
def test_what_torch_loads_or_is_trusted_with_is_left_alone(
    code: str, model: bytes, locked: dict[str, str], tmp_path: Path
) -> None:
    assert check(tmp_path, code, {"model/m.pt": model}, locked, sources={"net.py": b"class Net: ...\n"}) == []


def test_a_variable_may_switch_it_off(tmp_path: Path) -> None:
    variables = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    assert check(tmp_path, LOAD % "", {"model/m.pt": MODULE}, TORCH, variables=variables) == []


def test_the_module_s_own_class_is_what_is_named(tmp_path: Path) -> None:
    model = pickled(("torch.nn.modules.linear", "Linear"), ("net", "Net"))
    (finding,) = check(tmp_path, LOAD % "", {"model/m.pt": model}, TORCH, sources={"net.py": b"class Net: ...\n"})
    assert "it names net.Net, which" in finding.message


def test_what_a_library_may_declare_to_be_safe_is_a_warning(tmp_path: Path) -> None:
    model = {"model/m.pt": pickled(("argparse", "Namespace"), ("torch._utils", "_rebuild_tensor_v2"))}
    assert ids(check(tmp_path, LOAD % "", model, TORCH)) == ["KILN207 error"]
    assert ids(check(tmp_path, LOAD % ", weights_only=True", model, TORCH)) == ["KILN207 error"]
    assert ids(check(tmp_path, "import accelerate\n" + LOAD % "", model, TORCH)) == ["KILN207 warning"]
    doubtful = LOAD.replace("    return", "    if os.getpid():\n        return") % ""
    assert ids(check(tmp_path, doubtful, model, TORCH)) == ["KILN207 warning"]


def test_torch_scripts_have_a_loader_of_their_own(tmp_path: Path) -> None:
    model = {"model/m.pt": (FIXTURES / "torch-2.13.0-script.pt").read_bytes()}
    (finding,) = check(tmp_path, LOAD % "", model, TORCH)
    assert finding.remedy == "load it with torch.jit.load"
    assert check(tmp_path, LOAD.replace("torch.load", "torch.jit.load") % "", model, TORCH) == []


def test_a_helper_is_told_once_for_each_file(tmp_path: Path) -> None:
    code = (
        "import torch\ndef read(folder, name):\n    return torch.load(folder + '/' + name)\n"
        "def load(model_dir):\n    return [read(model_dir, name) for name in ('m.pt', 'm.pt', 'n.pt')]\n"
    )
    models = {"model/m.pt": MODULE, "model/n.pt": MODULE}
    found = check(tmp_path, code, models, TORCH)
    assert [finding.message.split(":")[0] for finding in found] == [
        "torch.load refuses model/m.pt",
        "torch.load refuses model/n.pt",
    ]
    assert all(finding.message.endswith("(called from score.py:5)") for finding in found)


@pytest.mark.parametrize(
    ("name", "model", "locked"),
    [
        ("m.keras", keras(LAMBDA), {"keras": "3.15.1"}),
        ("m.keras", keras(LAMBDA), {"tensorflow": "2.15.0", "keras": "2.15.0"}),
        ("m.h5", HDF5 + json.dumps(LAMBDA).encode(), {"keras": "3.11.3"}),
    ],
)
def test_a_python_function_in_a_keras_model_is_refused(
    name: str, model: bytes, locked: dict[str, str], tmp_path: Path
) -> None:
    files = {f"model/{name}": model}
    (finding,) = check(tmp_path, KERAS % (name, ""), files, locked)
    assert (finding.rule.id, str(finding.severity), finding.place.line) == ("KILN207", "error", 3)
    assert "safe_mode is not False" in finding.message
    assert check(tmp_path, KERAS % (name, ", safe_mode=False"), files, locked) == []
    allowed = "import keras\nkeras.config.enable_unsafe_deserialization()\n" + KERAS % (name, "")
    assert check(tmp_path, allowed, files, locked) == []


@pytest.mark.parametrize(
    ("name", "model", "locked"),
    [
        ("m.keras", keras(NAMED), {"keras": "3.15.1"}),
        ("m.keras", keras({"class_name": "Dense"}), {"keras": "3.15.1"}),
        ("m.keras", keras(LAMBDA), {"keras": "2.12.0"}),
        ("m.h5", HDF5 + json.dumps(LAMBDA).encode(), {"keras": "3.11.2"}),
        ("m.h5", HDF5 + json.dumps(NAMED).encode(), {"keras": "3.15.1"}),
    ],
)
def test_keras_models_without_one_and_versions_that_take_them_are_left_alone(
    name: str, model: bytes, locked: dict[str, str], tmp_path: Path
) -> None:
    assert check(tmp_path, KERAS % (name, ""), {f"model/{name}": model}, locked) == []


def test_damaged_models_are_for_other_rules(tmp_path: Path) -> None:
    damaged = zipped({"m/data.pkl": b"\x80\x02" + call("os", "x")})[:-9]
    assert check(tmp_path, LOAD % "", {"model/m.pt": damaged}, TORCH) == []

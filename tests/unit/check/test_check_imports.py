"""Rules on imports: bundles that trip each, and near-misses that do not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from builder.bundle import sagemaker_contract
from builder.check.finding import Finding
from builder.check.imports import find_imports, reached_distributions
from builder.check.wheel_index import index_wheels
from tests.unit.check.import_subjects import make_subject, read_subject, requires

NUMPY = {"numpy": {"numpy/__init__.py": "", "numpy/linalg/__init__.py": "", "numpy/_core.cpython-311-x86_64.so": b""}}
EMPTY = {"unrelated": {"unrelated.py": ""}}


def found(tmp_path: Path, script: str | None, **given: Any) -> list[Finding]:
    """Return the findings but for notes on what is never reached."""
    given.setdefault("wheels", NUMPY)
    return [one for one in find_imports(make_subject(tmp_path, script, **given)) if one.rule.id != "KILN103"]


def ids(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.rule.id, str(one.severity)) for one in findings]


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


# What is there


def test_what_every_image_lends_is_there(tmp_path: Path) -> None:
    lent = "from kiln_runtime.request import current_requests\n"
    assert found(tmp_path, f"try:\n    {lent}except ImportError:\n    current_requests = tuple\n") == []
    assert found(tmp_path, lent) == []
    assert only(found(tmp_path, "import kiln_runtime.server\n")).rule.id == "KILN101"


@pytest.mark.parametrize(
    "line",
    [
        "import json",
        "import os.path",
        "from collections.abc import Mapping",
        "from concurrent.futures import ThreadPoolExecutor",
        "import _thread",
        "import time, sys",
        "import numpy as np",
        "from numpy import array, whatever",
        "from numpy.linalg import norm",
        "import numpy._core",
        "from numpy._core import multiarray",
        "from __future__ import annotations",
        "import importlib; np = importlib.import_module('numpy.linalg')",
        "import score",
    ],
)
def test_what_is_in_the_image_is_no_finding(tmp_path: Path, line: str) -> None:
    assert found(tmp_path, f"{line}\n") == []


def test_a_module_beside_the_script_is_the_bundles(tmp_path: Path) -> None:
    files = {"src/features.py": "import numpy\n", "src/lib/__init__.py": "", "src/lib/a.py": "from . import b\n"}
    script = "from features import numpy\nfrom lib.a import b\nimport src.features\n"
    given = {"files": {**files, "src/lib/b.py": ""}, "sources": ["src"], "name": "src/score.py"}
    assert found(tmp_path, script, **given) == []


def test_namespace_packages_of_several_wheels_are_one(tmp_path: Path) -> None:
    wheels = {
        "google-cloud-core": {"google/cloud/_helpers/__init__.py": ""},
        "google-cloud-storage": {"google/cloud/storage/__init__.py": "", "google/cloud/storage/blob.py": ""},
    }
    assert found(tmp_path, "from google.cloud import storage\nimport google.cloud.storage.blob\n", wheels=wheels) == []
    finding = only(found(tmp_path, "from google.cloud import bigquery\n", wheels=wheels))
    assert finding.message == "none of google-cloud-core 1.0, google-cloud-storage 1.0 has google.cloud.bigquery"
    assert "google-cloud-bigquery" in finding.remedy


def test_files_of_a_wheels_data_folder_are_where_they_are_installed(tmp_path: Path) -> None:
    assert found(tmp_path, "import demo\n", wheels={"demo": {"demo-1.0.data/purelib/demo.py": ""}}) == []


# What is not


def test_a_missing_module_names_its_distribution_and_line(tmp_path: Path) -> None:
    finding = only(found(tmp_path, "import json\nfrom sklearn.linear_model import LogisticRegression\n"))
    assert finding.rule.id == "KILN101"
    assert (finding.place.path, finding.place.line, finding.place.column) == ("score.py", 2, 1)
    assert finding.message == "nothing in the image provides sklearn"
    assert finding.remedy == "add scikit-learn to environment.requirements, then run `kiln lock`"


@pytest.mark.parametrize(
    ("module", "distribution"),
    [("cv2", "opencv-python-headless"), ("yaml", "pyyaml"), ("PIL.Image", "pillow"), ("bs4", "beautifulsoup4"),
     ("dateutil.parser", "python-dateutil"), ("azureml.core", "azureml-core"), ("my_own_thing", "my-own-thing")],
)  # fmt: skip
def test_names_that_differ_are_known(tmp_path: Path, module: str, distribution: str) -> None:
    assert f"add {distribution} to" in only(found(tmp_path, f"import {module}\n")).remedy


def test_the_training_environment_gives_the_version(tmp_path: Path) -> None:
    freeze = "numpy==1.26.0\nopencv-python==4.10.0.84  # with windows\n"
    finding = only(found(tmp_path, "import cv2\n", freeze=freeze))
    assert "add opencv-python==4.10.0.84" in finding.remedy
    assert "training environment" in finding.remedy


def test_a_module_its_distribution_moved_is_told_where_to(tmp_path: Path) -> None:
    wheels = {"scikit-learn": {"sklearn/__init__.py": "", "sklearn/model_selection/__init__.py": ""}}
    finding = only(found(tmp_path, "from sklearn.cross_validation import KFold\n", wheels=wheels))
    assert finding.message == "scikit-learn 1.0 has no sklearn.cross_validation"
    assert finding.remedy == "use sklearn.model_selection"


def test_a_package_that_makes_modules_at_import_is_believed(tmp_path: Path) -> None:
    wheels = {
        "six": {"six.py": "import sys\nsys.modules[__name__ + '.moves'] = object()\n"},
        "plain": {"plain/__init__.py": "import os\n"},
    }
    assert found(tmp_path, "from six.moves import urllib\n", wheels=wheels) == []
    assert only(found(tmp_path, "import plain.moves\n", wheels=wheels)).message == "plain 1.0 has no plain.moves"


@pytest.mark.parametrize(
    ("line", "python", "message"),
    [
        ("import imp", "3.13", "the standard library's imp was removed in Python 3.12"),
        ("import cgi", "3.13", "the standard library's cgi was removed in Python 3.13"),
        ("import tomllib", "3.10", "the standard library's tomllib came with Python 3.11"),
        ("import winreg", "3.11", "the standard library's winreg exists only on Windows"),
    ],
)
def test_the_standard_library_is_that_of_the_target(tmp_path: Path, line: str, python: str, message: str) -> None:
    given = {"python": python, "base": "debian12-python3.11"}
    assert only(found(tmp_path, f"{line}\n", **given)).message == message


def test_what_the_base_lacks_of_the_standard_library_is_missing(tmp_path: Path) -> None:
    finding = only(found(tmp_path, "import tkinter\n"))
    assert "does not have the standard library's tkinter" in finding.message
    assert "python3-tk" in finding.remedy
    assert found(tmp_path, "import tkinter\n", base_modules=frozenset()) == []


def test_a_submodule_the_standard_library_lacks_is_missing(tmp_path: Path) -> None:
    finding = only(found(tmp_path, "from xml.etree import cElementTree\nimport xml.etree.cElementTree\n"))
    assert finding.place.line == 2
    assert "has no xml.etree.cElementTree" in finding.message


def test_setuptools_brings_distutils_back(tmp_path: Path) -> None:
    given = {"python": "3.13", "base": "debian13-python3.13"}
    assert ids(found(tmp_path, "import distutils\n", **given)) == [("KILN101", "error")]
    wheels = {"setuptools": {"setuptools/__init__.py": "", "_distutils_hack/__init__.py": ""}}
    assert found(tmp_path, "import distutils\n", wheels=wheels, **given) == []


def test_without_a_lock_only_what_is_certain_is_told(tmp_path: Path) -> None:
    findings = found(tmp_path, "import sklearn\nimport imp\nimport helper\n", files={"helper.py": ""}, wheels=None,
                     python="3.13", base="debian13-python3.13")  # fmt: skip
    assert ids(findings) == [("KILN101", "error"), ("KILN104", "error")]


def test_imports_of_modules_that_are_imported_are_followed(tmp_path: Path) -> None:
    files = {"lib/__init__.py": "", "lib/deep.py": "import sklearn\n", "lib/unused.py": "import cv2\n"}
    finding = only(found(tmp_path, "from lib import deep\n", files=files, sources=["lib"]))
    assert (finding.place.path, finding.place.line) == ("lib/deep.py", 1)


# When it runs


def test_an_import_in_a_function_fails_when_it_is_called(tmp_path: Path) -> None:
    script = "def score(x):\n    import sklearn\n    return x\nscores = {'a': score}\n"
    finding = only(found(tmp_path, script))
    assert ids([finding]) == [("KILN101", "error")]
    assert finding.message.endswith("; score() fails when it is called")


def test_an_import_in_a_function_nobody_calls_is_a_warning(tmp_path: Path) -> None:
    script = "def plot():\n    import matplotlib\n__all__ = ['plot']\n"
    assert ids(found(tmp_path, script)) == [("KILN102", "warning")]
    assert ids(found(tmp_path, script + "def report():\n    plot()\n")) == [("KILN102", "warning")]


def test_functions_called_by_the_entry_functions_are_followed(tmp_path: Path) -> None:
    files = {"lib.py": "def clean(x):\n    return deeper(x)\ndef deeper(x):\n    import sklearn\n    return x\n"}
    script = "import lib as l\ndef helper(x):\n    return l.clean(x)\nprepare = helper\n"
    assert ids(found(tmp_path, script, files=files, sources=["lib.py"])) == [("KILN101", "error")]


def test_methods_may_be_called_by_whoever_holds_the_object(tmp_path: Path) -> None:
    script = "class Cleaner:\n    def transform(self, x):\n        import sklearn\n"
    assert ids(found(tmp_path, script)) == [("KILN101", "error")]


def test_an_optional_import_is_a_note(tmp_path: Path) -> None:
    script = "try:\n    import orjson\nexcept ImportError:\n    orjson = None\n"
    assert ids(found(tmp_path, script)) == [("KILN102", "note")]


@pytest.mark.parametrize("kind", ["ModuleNotFoundError", "Exception", "(ValueError, ImportError)", "ImportError as e"])
def test_every_handler_that_catches_an_import_error_counts(tmp_path: Path, kind: str) -> None:
    script = f"try:\n    import orjson\nexcept {kind}:\n    orjson = None\n"
    assert ids(found(tmp_path, script)) == [("KILN102", "note")]


def test_a_handler_of_another_error_does_not_count(tmp_path: Path) -> None:
    script = "try:\n    import orjson\nexcept ValueError:\n    orjson = None\n"
    assert ids(found(tmp_path, script)) == [("KILN101", "error")]


def test_a_handler_that_raises_makes_the_import_needed(tmp_path: Path) -> None:
    script = "try:\n    import orjson\nexcept ImportError as e:\n    raise RuntimeError('install orjson') from e\n"
    assert ids(found(tmp_path, script)) == [("KILN101", "error")]


def test_the_second_choice_matters_when_the_first_is_missing(tmp_path: Path) -> None:
    script = "try:\n    import {}\nexcept ImportError:\n    import {}\n"
    assert found(tmp_path, script.format("json", "ujson")) == []
    assert ids(found(tmp_path, script.format("ujson", "json"))) == [("KILN102", "note")]
    assert ids(found(tmp_path, script.format("ujson", "simplejson"))) == [("KILN102", "note"), ("KILN101", "error")]


def test_suppress_is_a_handler_too(tmp_path: Path) -> None:
    script = "import contextlib\nwith contextlib.suppress(ImportError):\n    import orjson\n"
    assert ids(found(tmp_path, script)) == [("KILN102", "note")]


@pytest.mark.parametrize(
    "test",
    [
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
        "__name__ == '__main__'",
        "sys.platform == 'win32'",
        "sys.platform.startswith('darwin')",
        "os.name == 'nt'",
        "platform.system() == 'Windows'",
        "sys.version_info < (3, 11)",
        "sys.version_info[0] == 2",
        "sys.version_info[:2] < (3, 8)",
        "sys.version_info.major < 3",
        "not True",
        "False and unknown",
        "sys.platform in ('win32', 'cygwin')",
        "platform.machine() == 'arm64'",
        "sys.implementation.name == 'pypy'",
    ],
)
def test_a_branch_never_taken_in_the_image_is_left_out(tmp_path: Path, test: str) -> None:
    assert found(tmp_path, f"import sys, os, typing, platform\nif {test}:\n    import sklearn\n") == []
    other = f"import sys, os, typing, platform\nif {test}:\n    pass\nelse:\n    import sklearn\n"
    assert ids(found(tmp_path, other)) == [("KILN101", "error")]


@pytest.mark.parametrize("test", ["os.environ.get('X')", "sys.version_info >= (3, 11, 4)", "flag or True is None"])
def test_a_condition_that_cannot_be_told_makes_a_warning(tmp_path: Path, test: str) -> None:
    assert ids(found(tmp_path, f"import sys, os\nif {test}:\n    import sklearn\n")) == [("KILN102", "warning")]


def test_what_a_file_imports_that_may_not_be_imported_is_a_warning(tmp_path: Path) -> None:
    given = {"files": {"one.py": "import two\n", "two.py": "import torch\n"}, "sources": ["one.py", "two.py"]}
    finding = only(found(tmp_path, "import os\nif os.environ.get('GPU'):\n    import one\n", **given))
    assert ids([finding]) == [("KILN102", "warning")]
    assert finding.message.endswith("two.py is imported under a condition")
    assert ids(found(tmp_path, "import os\nif os.environ.get('GPU'):\n    import one\nimport two\n", **given)) == [
        ("KILN101", "error")
    ]


def test_what_a_file_imports_that_only_an_uncalled_function_imports_is_a_warning(tmp_path: Path) -> None:
    given = {"files": {"plots.py": "import matplotlib\n"}, "sources": ["plots.py"]}
    assert ids(found(tmp_path, "def draw():\n    import plots\n", **given)) == [("KILN102", "warning")]
    called = "def draw():\n    import plots\nDRAW = draw\n"
    assert ids(found(tmp_path, called, **given)) == [("KILN101", "error")]


# SageMaker's functions


def sagemaker(tmp_path: Path, function: str) -> list[Finding]:
    given = {
        "model_fn": "model_dir", "pre_model_fn": "model_dir", "model_warmup_fn": "model_dir, model",
        "transform_fn": "model, data, content_type, accept", "train_fn": "data",
    }.get(function, "data, other")  # fmt: skip
    script = f"def {function}({given}):\n    import shap\n"
    other = "" if function == "model_fn" else "def model_fn(model_dir):\n    return 1\n"
    (tmp_path / function).mkdir()
    subject = make_subject(tmp_path / function, None, wheels=NUMPY, files={"inference.py": script + other},
                           more="scoring: {script: inference.py}")  # fmt: skip
    return [one for one in find_imports(subject) if one.rule.id != "KILN103"]


@pytest.mark.parametrize("function", sagemaker_contract.FUNCTIONS)
def test_every_function_sagemaker_calls_is_called(tmp_path: Path, function: str) -> None:
    finding = only(sagemaker(tmp_path, function))
    assert ids([finding]) == [("KILN101", "error")]
    assert finding.message.endswith(f"; {function}() fails when it is called")


@pytest.mark.parametrize("function", ["train_fn", "predict", "load"])
def test_a_function_sagemaker_does_not_call_is_not_called(tmp_path: Path, function: str) -> None:
    assert ids(sagemaker(tmp_path, function)) == [("KILN102", "warning")]


def test_the_functions_that_are_followed_are_those_the_worker_calls() -> None:
    worker = (Path(sagemaker_contract.__file__).parents[1] / "runtime/worker/sagemaker.py").read_text()
    assert set(re.findall(r'"(\w+_fn)"', worker)) == set(sagemaker_contract.FUNCTIONS)


# The author's own modules


def test_a_module_that_is_not_in_sources_is_told_so(tmp_path: Path) -> None:
    finding = only(found(tmp_path, "import features\n", files={"features.py": ""}))
    assert finding.rule.id == "KILN104"
    assert finding.message == "features is features.py, which is not in scoring.sources"
    assert finding.remedy == "add features.py to scoring.sources"


def test_a_part_of_a_package_that_is_not_in_sources_is_told_so(tmp_path: Path) -> None:
    files = {"lib/__init__.py": "", "lib/a.py": "from .b import x\n", "lib/b.py": "x = 1\n"}
    finding = only(found(tmp_path, "import lib.a\n", files=files, sources=["lib/__init__.py", "lib/a.py"]))
    assert (finding.rule.id, finding.place.path) == ("KILN104", "lib/a.py")
    assert "lib/b.py" in finding.remedy


def test_a_module_in_a_folder_that_is_not_on_the_path_is_told_so(tmp_path: Path) -> None:
    finding = only(found(tmp_path, "import features\n", files={"src/features.py": ""}, sources=["src"]))
    assert finding.rule.id == "KILN104"
    assert "import it as src.features" in finding.remedy


@pytest.mark.parametrize("module", ["bundle", "pandas", "cog"])
def test_a_folder_of_the_name_of_a_module_is_not_the_module(tmp_path: Path, module: str) -> None:
    for name in ("pandas", "cog"):  # one known by its name, and one that is a bundle
        (tmp_path / name).mkdir()
        (tmp_path / name / "score.py").write_text("")
    (tmp_path / "cog" / "bundle.yaml").write_text("")
    assert only(found(tmp_path, f"import {module}\n")).rule.id == "KILN101"


def test_a_lock_without_any_package_brings_none(tmp_path: Path) -> None:
    assert ids(found(tmp_path, "import joblib, json\n", wheels={})) == [("KILN101", "error")]


def test_a_module_beside_the_bundle_is_told_to_be_outside(tmp_path: Path) -> None:
    (tmp_path / "common.py").write_text("")
    finding = only(found(tmp_path, "import common\n"))
    assert finding.rule.id == "KILN104"
    assert "outside the bundle" in finding.message


@pytest.mark.parametrize(
    "lines",
    [
        "import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), 'lib'))\n",
        "import os, sys\nsys.path.insert(0, os.path.abspath('lib'))\n",
        "import sys\nfrom pathlib import Path\nD = Path(__file__).resolve().parent\nsys.path += [str(D / 'lib')]\n",
        "import sys\nsys.path = [*sys.path, 'lib']\n",
        "import sys\nsys.path.extend(['./lib'])\n",
        "import os, sys\nROOT = os.getcwd()\nsys.path.append(f'{ROOT}/lib')\n",
    ],
)
def test_a_folder_put_on_the_path_is_searched(tmp_path: Path, lines: str) -> None:
    assert found(tmp_path, f"{lines}import features\n", files={"lib/features.py": ""}, sources=["lib"]) == []


def test_a_path_that_cannot_be_told_is_a_note_and_softens_what_is_missing(tmp_path: Path) -> None:
    script = "import os, sys\nsys.path.append(os.environ['X'])\nimport features\n"
    assert ids(found(tmp_path, script)) == [("KILN102", "warning"), ("KILN110", "note")]


def test_a_module_the_bundles_own_package_lacks_is_no_distributions(tmp_path: Path) -> None:
    files = {"lib/__init__.py": "", "lib/a.py": ""}
    finding = only(found(tmp_path, "import lib.a\nimport lib.b\n", files=files, sources=["lib"]))
    assert ids([finding]) == [("KILN101", "error")]
    assert finding.message == "the bundle's lib has no lib.b"
    assert finding.remedy == "correct the name, or write the module"


def test_a_computed_import_is_a_note(tmp_path: Path) -> None:
    finding = only(
        found(tmp_path, "import importlib, os\nname = os.environ['X']\nimportlib.import_module('lib.' + name)\n")
    )
    assert ids([finding]) == [("KILN110", "note")]
    assert finding.place.line == 3


@pytest.mark.parametrize(
    ("file", "fits"),
    [
        ("_fast.so", True),
        ("_fast.abi3.so", True),
        ("_fast.cpython-311-x86_64-linux-gnu.so", True),
        ("_fast.cpython-310-x86_64-linux-gnu.so", False),
        ("_fast.cpython-311-aarch64-linux-gnu.so", False),
        ("_fast.cp311-win_amd64.pyd", False),
        ("_fast.cpython-311-darwin.so", False),
    ],
)
def test_an_extension_module_must_be_of_the_images_python(tmp_path: Path, file: str, fits: bool) -> None:
    findings = found(tmp_path, "import _fast\n", files={file: "x"}, sources=[file])
    assert [one.message for one in findings] == (
        [] if fits else [f"{file} is no extension module of Python 3.11 on linux/amd64"]
    )


def test_code_for_both_pythons_is_no_finding(tmp_path: Path) -> None:
    script = "try:\n    import cPickle as pickle\nexcept ImportError:\n    import pickle\n"
    assert found(tmp_path, script) == []
    finding = only(found(tmp_path, "import cPickle\n"))
    assert (finding.message, finding.remedy[:10]) == (
        "the standard library's cPickle was one of Python 2",
        "use pickle",
    )


def test_a_relative_import_in_the_script_leads_nowhere(tmp_path: Path) -> None:
    assert ids(found(tmp_path, "from . import features\n", files={"features.py": ""}, sources=["features.py"])) == [
        ("KILN108", "error")
    ]


def test_a_relative_import_above_its_package_leads_nowhere(tmp_path: Path) -> None:
    files = {"lib/__init__.py": "", "lib/a.py": "from ..other import x\n", "other.py": "x = 1\n"}
    assert ids(found(tmp_path, "import lib.a\n", files=files, sources=["lib", "other.py"])) == [("KILN108", "error")]


def test_a_name_a_module_of_the_bundle_lacks_is_missing(tmp_path: Path) -> None:
    script = "from features import frame, fram\n"
    given = {"sources": ["features.py"]}
    finding = only(found(tmp_path, script, files={"features.py": "def frame(): pass\n"}, **given))
    assert (finding.rule.id, finding.message) == ("KILN109", "features.py has no fram")


@pytest.mark.parametrize(
    "source",
    [
        "frame = 1\n",
        "frame: int = 1\n",
        "import numpy as frame\n",
        "from numpy import frame\n",
        "from numpy import *\n",
        "def __getattr__(name): pass\n",
        "globals()['frame'] = 1\n",
        "if x:\n    class frame: pass\n",
        "for frame in []: pass\n",
        "with open('x') as frame: pass\n",
        "def setup():\n    global frame\n    frame = 1\n",
        "try:\n    pass\nexcept ValueError:\n    frame, other = 1, 2\n",
        "(frame := 1)\n",
    ],
)
def test_every_way_to_bind_a_name_is_known(tmp_path: Path, source: str) -> None:
    given = {"files": {"features.py": source}, "sources": ["features.py"]}
    assert found(tmp_path, "from features import frame\n", **given) == []


def test_a_function_or_class_scope_binds_no_name_of_the_module(tmp_path: Path) -> None:
    given = {
        "files": {"features.py": "class A:\n    frame = 1\ndef f(frame):\n    frame = 2\n"},
        "sources": ["features.py"],
    }
    assert ids(found(tmp_path, "from features import frame\n", **given)) == [("KILN109", "error")]


def test_a_module_newer_than_the_python_that_reads_it_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.check.imports.sys.version_info", type("V", (), {"minor": 10}))
    given = {"files": {"features.py": "x = 1\ndef f(:\n"}, "sources": ["features.py"]}
    finding = only(found(tmp_path, "import features\n", **given))
    assert ids([finding]) == [("KILN107", "warning")]


def test_a_module_that_is_no_python_is_an_error(tmp_path: Path) -> None:
    given = {"files": {"features.py": "x = 1\ndef f(:\n"}, "sources": ["features.py"]}
    finding = only(found(tmp_path, "import features\n", **given))
    assert (finding.rule.id, finding.place.line) == ("KILN107", 2)


def test_a_module_hiding_another_is_a_warning(tmp_path: Path) -> None:
    given = {
        "files": {"random.py": "", "numpy/__init__.py": "", "own.py": ""},
        "sources": ["random.py", "numpy", "own.py"],
    }
    assert {one.message for one in found(tmp_path, "", **given)} == {
        "this module hides the standard library's random",
        "this module hides numpy of numpy",
    }


def test_a_folder_without_init_hides_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, "import numpy.linalg\n", files={"numpy/data.py": ""}, sources=["numpy"]) == []


def test_a_test_folder_in_sources_hides_nothing_that_matters(tmp_path: Path) -> None:
    assert found(tmp_path, "", files={"test/__init__.py": ""}, sources=["test"]) == []


# What is in the image and not imported


def unreached(tmp_path: Path, script: str | None, wheels: dict[str, Any], **given: Any) -> list[Finding]:
    subject = make_subject(tmp_path, script, wheels=wheels, **given)
    return [one for one in find_imports(subject) if one.rule.id == "KILN103"]


def test_a_locked_distribution_nobody_needs_is_a_note(tmp_path: Path) -> None:
    wheels = {
        "numpy": NUMPY["numpy"],
        "seaborn": {"seaborn.py": "", **requires("matplotlib")},
        "matplotlib": {"matplotlib.py": ""},
    }
    finding = only(unreached(tmp_path, "import numpy\n", wheels, requirements=["numpy", "seaborn"]))
    assert finding.message == "nothing imports seaborn"
    assert "with it go matplotlib" in finding.remedy
    assert str(finding.place).startswith("bundle.yaml:4")


def test_what_stays_in_the_image_does_not_go_with_a_distribution(tmp_path: Path) -> None:
    wheels = {
        "numpy": NUMPY["numpy"],
        "seaborn": {"seaborn.py": "", **requires("matplotlib", "requests", "pillow")},
        "boto": {"boto.py": "", **requires("requests")},
        "matplotlib": {"matplotlib.py": ""},
        "requests": {"requests.py": ""},
        "pillow": {"PIL/__init__.py": ""},
    }
    findings = unreached(tmp_path, "import numpy\n", wheels, requirements=["numpy", "seaborn", "boto >= 1", "Pillow"])
    assert [one.remedy.partition("; ")[2] for one in findings] == ["", "with it go matplotlib"]


def test_what_a_needed_distribution_requires_is_needed(tmp_path: Path) -> None:
    wheels = {
        "pandas": {
            "pandas/__init__.py": "",
            **requires("numpy", "pyarrow; extra == 'parquet'", "tzdata; sys_platform == 'win32'"),
        },
        "numpy": NUMPY["numpy"],
        "pyarrow": {"pyarrow.py": ""},
        "tzdata": {"tzdata.py": ""},
    }
    plain = unreached(tmp_path, "import pandas\n", wheels, requirements=["pandas"])
    assert [one.message for one in plain] == ["nothing imports pyarrow", "nothing imports tzdata"]
    extra = unreached(tmp_path, "import pandas\n", wheels, requirements=["pandas[parquet]>=2"])
    assert [one.message for one in extra] == ["nothing imports tzdata"]


def test_an_optional_import_that_is_there_is_needed(tmp_path: Path) -> None:
    script = "try:\n    import numpy\nexcept ImportError:\n    pass\ndef f():\n    import yaml\n"
    assert unreached(tmp_path, script, {**NUMPY, "pyyaml": {"yaml/__init__.py": ""}}) == []


def test_what_the_model_names_is_needed(tmp_path: Path) -> None:
    wheels = {**NUMPY, "lightgbm": {"lightgbm/__init__.py": ""}}
    assert unreached(tmp_path, "import numpy\n", wheels, model=b"\x80\x04\x8c\x10lightgbm.sklearn\x94.") == []


def test_two_distributions_that_need_each_other_are_both_told(tmp_path: Path) -> None:
    wheels = {**NUMPY, "a": {"aa.py": "", **requires("b")}, "b": {"bb.py": "", **requires("a")}}
    assert len(unreached(tmp_path, "import numpy\n", wheels)) == 2


def test_nothing_is_told_where_the_path_is_not_known(tmp_path: Path) -> None:
    assert unreached(tmp_path, "import sys\nsys.path.append(unknown)\n", EMPTY) == []


def test_the_place_is_the_line_of_the_requirements(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, "", wheels=EMPTY)
    root = subject.bundle.root
    text = (root / "bundle.yaml").read_text().replace('["unrelated"]', "requirements.txt")
    (root / "bundle.yaml").write_text(text)
    (root / "requirements.txt").write_text("# all\n\nUnrelated [x] >= 1\n")
    finding = only(list(find_imports(read_subject(root, wheels=EMPTY))))
    assert str(finding.place) == "requirements.txt:3"


# No script


def test_a_model_served_as_it_is_needs_its_library(tmp_path: Path) -> None:
    model = b'{"learner":{"attributes":{}}}'
    findings = found(tmp_path, None, wheels=NUMPY, model=model)
    assert ids(findings) == [("KILN106", "error")]
    assert "needs xgboost" in findings[0].message
    wheels = {**NUMPY, "xgboost-cpu": {"xgboost/__init__.py": ""}}
    assert found(tmp_path, None, wheels=wheels, model=model) == []
    assert unreached(tmp_path, None, wheels, model=model) == []


def test_reached_distributions_are_those_something_needs(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, "import numpy\n", wheels={**NUMPY, **EMPTY})
    assert reached_distributions(subject, index_wheels(subject)) == {"numpy"}

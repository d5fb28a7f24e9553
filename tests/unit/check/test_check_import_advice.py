"""What the rules on imports say to do: which distribution brings a module, and where names went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.check import distributions
from builder.check.distributions import Likely, likely_distribution, normalised
from builder.check.finding import Finding
from builder.check.imports import find_imports
from builder.check.moved_names import is_moved, moved_to
from builder.check.stdlib import moved_name
from tests.unit.check.import_subjects import make_subject

AZURE = {
    "azure-core": {"azure/core/__init__.py": ""},
    "azure-storage-blob": {"azure/storage/blob/__init__.py": ""},
    "google-cloud-core": {"google/cloud/_helpers/__init__.py": ""},
    "plugins-core": {"plugins/core/__init__.py": ""},
}


def only(tmp_path: Path, script: str, **given: Any) -> Finding:
    given.setdefault("wheels", AZURE)
    findings = [one for one in find_imports(make_subject(tmp_path, script, **given)) if one.rule.id != "KILN103"]
    assert len(findings) == 1, findings
    return findings[0]


def none(tmp_path: Path, script: str, **given: Any) -> bool:
    return not [one for one in find_imports(make_subject(tmp_path, script, **given)) if one.rule.id != "KILN103"]


@pytest.mark.parametrize(
    ("module", "name", "is_guess"),
    [
        ("bson", "pymongo", False),
        ("mysql.connector", "mysql-connector-python", False),
        ("opencensus.ext.azure.log_exporter", "opencensus-ext-azure", False),
        ("opencensus.ext.flask", "opencensus-ext-flask", True),
        ("azure.ai.ml.MLClient", "azure-ai-ml", False),
        ("azure.identity.aio.DefaultAzureCredential", "azure-identity", False),
        ("azure.keyvault.keys", "azure-keyvault-keys", True),
        ("azure.quantum.Workspace", "azure-quantum", True),
        ("google.cloud.logging", "google-cloud-logging", False),
        ("google.cloud.talent_v4beta1", "google-cloud-talent", True),
        ("google.cloud.aiplatform", "google-cloud-aiplatform", False),
        ("google.protobuf.json_format", "protobuf", False),
        ("opentelemetry.trace", "opentelemetry-api", False),
        ("opentelemetry.sdk.trace", "opentelemetry-sdk", False),
        ("opentelemetry.instrumentation.flask", "opentelemetry-instrumentation-flask", True),
        ("opentelemetry", "opentelemetry-api", False),
        ("sklearn.linear_model", "scikit-learn", False),
        ("my_own_thing.part", "my-own-thing", False),
    ],
)
def test_the_distribution_of_a_module(module: str, name: str, is_guess: bool) -> None:
    assert likely_distribution(module) == Likely(name, is_guess=is_guess)


@pytest.mark.parametrize("module", ["azure", "google.cloud", "google", "azure.Client", "scikits"])
def test_a_bare_namespace_is_of_no_distribution(module: str) -> None:
    assert likely_distribution(module) is None


def test_the_table_holds_nothing_that_follows_from_the_name() -> None:
    assert [
        module
        for module, name in distributions._BY_MODULE.items()
        if ("." not in module and normalised(module) == name) or normalised(name) != name
    ] == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from azure.ai.ml import MLClient", "azure-ai-ml"),
        ("from azure.identity import DefaultAzureCredential", "azure-identity"),
        ("from azure.keyvault import secrets", "azure-keyvault-secrets"),
        ("import azure.storage.queue", "azure-storage-queue"),
        ("from google.cloud import bigquery", "google-cloud-bigquery"),
        ("import google.generativeai as genai", "google-generativeai"),
        ("from mysql import connector", "mysql-connector-python"),
        ("from opentelemetry import trace", "opentelemetry-api"),
    ],
)
def test_a_missing_part_of_a_namespace_names_its_distribution(tmp_path: Path, line: str, name: str) -> None:
    remedy = only(tmp_path, f"{line}\n").remedy
    assert remedy.startswith(f"add {name} to environment.requirements, ")
    assert remedy.endswith(" then run `kiln lock`")


def test_a_distribution_that_is_only_guessed_is_told_to_be_a_guess(tmp_path: Path) -> None:
    finding = only(tmp_path, "from azure.quantum.chemistry import Molecule\n")
    assert "add azure-quantum-chemistry to" in finding.remedy
    assert "the name is a guess" in finding.remedy
    trained = only(tmp_path / "b", "import azure.quantum\n", freeze="azure-quantum==1.2\n")
    assert trained.remedy == (
        "add azure-quantum==1.2 to environment.requirements (that is in the training environment), then run `kiln lock`"
    )


def test_a_part_of_a_namespace_nobody_knows_is_not_guessed_at(tmp_path: Path) -> None:
    finding = only(tmp_path, "import plugins.extra\n")
    assert finding.message == "plugins-core 1.0 has no plugins.extra"
    assert finding.remedy == "correct the name, or add what brings plugins.extra to environment.requirements"
    bare = only(tmp_path / "b", "import google.cloud\n", wheels={"numpy": {"numpy.py": ""}})
    assert bare.remedy == "add the distribution that brings what is used of google.cloud to environment.requirements"


def test_a_missing_part_of_a_package_that_is_there_is_no_distribution_of_its_own(tmp_path: Path) -> None:
    wheels = {"opencv-python": {"cv2/__init__.py": ""}}
    finding = only(tmp_path, "import cv2.nothing\n", wheels=wheels)
    assert finding.remedy == "correct the name, or lock a version that has the module"
    known = only(tmp_path / "b", "import azure.core.nothing\n")
    assert known.remedy == "correct the name, or lock a version that has the module"


def test_a_module_a_later_release_dropped_bounds_the_release(tmp_path: Path) -> None:
    assert "add setuptools<82 to" in only(tmp_path, "import pkg_resources\n").remedy


def test_a_module_of_another_system_is_told_so(tmp_path: Path) -> None:
    finding = only(tmp_path, "import win32api\n")
    assert (finding.message, finding.remedy) == ("win32api exists only on Windows", "take the import out")


# Names that moved

SKLEARN = {
    "sklearn/__init__.py": "def __getattr__(name): raise AttributeError(name)\n",
    "sklearn/externals/__init__.py": '"""Bundled things."""\n',
    "sklearn/metrics/__init__.py": "from ._scores import jaccard_score\n",
}


@pytest.mark.parametrize(
    ("line", "missing", "instead"),
    [
        ("from sklearn.externals import joblib", "sklearn.externals.joblib", "joblib, a package of its own"),
        ("from sklearn import cross_validation", "sklearn.cross_validation", "sklearn.model_selection"),
        (
            "from sklearn.metrics import jaccard_score, jaccard_similarity_score",
            "sklearn.metrics.jaccard_similarity_score",
            "sklearn.metrics.jaccard_score",
        ),
    ],
)
def test_a_name_that_moved_is_missing(tmp_path: Path, line: str, missing: str, instead: str) -> None:
    finding = only(tmp_path, f"{line}\n", wheels={"scikit-learn": SKLEARN})
    assert str(finding.severity) == "error"
    assert finding.message == f"scikit-learn 1.0 has no {missing}"
    assert finding.remedy == f"use {instead}"


@pytest.mark.parametrize(
    "files",
    [
        {"sklearn/externals/joblib/__init__.py": ""},
        {"sklearn/externals/__init__.py": "import joblib\n"},
        {"sklearn/externals/__init__.py": "from .bundled import *\n"},
        {"sklearn/externals/__init__.py": "for name in bundled: globals()[name] = load(name)\n"},
        {"sklearn/externals/__init__.py": "import sys\nsys.modules[__name__] = Lazy()\n"},
    ],
)
def test_a_name_that_is_still_there_or_may_be_is_no_finding(tmp_path: Path, files: dict[str, str]) -> None:
    wheels = {"scikit-learn": {**SKLEARN, **files}}
    assert none(tmp_path, "from sklearn.externals import joblib\nfrom sklearn.externals import other\n", wheels=wheels)


def test_only_what_is_known_to_have_moved_is_looked_for(tmp_path: Path) -> None:
    assert none(tmp_path, "from sklearn.metrics import whatever\n", wheels={"scikit-learn": SKLEARN})


def test_a_module_below_one_that_moved_has_moved() -> None:
    assert moved_to("sklearn.externals.joblib.numpy_pickle") == "joblib, a package of its own"
    assert is_moved("sklearn.externals.joblib")
    assert not is_moved("sklearn.externals.joblib.numpy_pickle")


def test_a_name_the_standard_library_dropped_is_missing(tmp_path: Path) -> None:
    finding = only(tmp_path, "from collections import OrderedDict, Mapping\n")
    assert (finding.rule.id, str(finding.severity)) == ("KILN101", "error")
    assert finding.message == "the standard library's collections.Mapping was removed in Python 3.10"
    assert finding.remedy == "use collections.abc.Mapping"


def test_code_for_older_versions_of_python_too_is_no_finding(tmp_path: Path) -> None:
    script = "try:\n    from collections.abc import Mapping\nexcept ImportError:\n    from collections import Mapping\n"
    assert none(tmp_path, script, wheels=AZURE)
    other = "try:\n    from collections import Mapping\nexcept ImportError:\n    from collections.abc import Mapping\n"
    assert none(tmp_path / "b", other, wheels=AZURE)


def test_a_name_is_gone_from_the_version_that_dropped_it_on() -> None:
    assert moved_name("inspect.getargspec", "3.10") is None
    assert moved_name("inspect.getargspec", "3.11") == (11, "inspect.getfullargspec")
    assert moved_name("collections.OrderedDict", "3.14") is None

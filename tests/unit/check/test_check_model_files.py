from __future__ import annotations

import os
import pickle
import shutil
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.model import Inventory
from builder.check import pickle_screening
from builder.check.artifacts import read as reader
from builder.check.artifacts.read import read_artifact
from builder.check.artifacts.reading import Artifact, ModelFeatures, Reading
from builder.check.artifacts.records import from_record, to_record
from builder.check.freeze import read_freeze
from builder.check.model_files import read_model_file
from builder.check.pickles import find_pickles
from builder.check.subject import Subject
from builder.store.records import Records
from tests.unit.check.check_subjects import make_subject

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts"
MODELS = sorted(path for path in FIXTURES.iterdir() if path.is_file() and path.suffix not in (".py", ".md"))
SOUND = pickle.dumps(OrderedDict(a=1))


def remembering(tmp_path: Path, content: bytes, **given: Any) -> Subject:
    """A subject with a memory, whose model has rested."""
    subject = make_subject(tmp_path / "bundle", files={"model.pkl": content}, **given)
    return replace(subject, verdicts=Records(tmp_path / "store", "verdicts", by="this kiln"))


@pytest.fixture
def _rested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.check.model_files.has_rested", lambda *_: True)


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read or followed."""
    read: list[str] = []

    def note(function: Any) -> Any:
        def noted(path: Path, *rest: Any) -> Any:
            read.append(path.name)
            return function(path, *rest)

        return noted

    monkeypatch.setattr(reader, "read_artifact", note(reader.read_artifact))
    monkeypatch.setattr(pickle_screening, "screen", note(pickle_screening.screen))
    return read


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_a_reading_comes_back_from_its_record_as_it_was(path: Path) -> None:
    reading = read_artifact(path)
    record = to_record(reading)
    assert record is None or from_record(record) == reading


def test_what_json_would_change_has_no_record() -> None:
    half = Reading(artifact=Artifact(format="x", needs=("\ud800",)))
    categories = ModelFeatures(names=("a",), count=1, source="here", categories={0: (1.5, "b")})
    assert to_record(half) is None
    assert to_record(Reading(artifact=Artifact(format="x", features=categories))) is None
    assert to_record(Reading(artifact=Artifact(format="x"), problem="it is damaged")) is None


@pytest.mark.usefixtures("_rested")
def test_a_model_that_did_not_change_is_read_once(tmp_path: Path, read_files: list[str]) -> None:
    subject = remembering(tmp_path, SOUND)
    first, second = (read_model_file(subject, subject.inventory.model[0]) for _ in range(2))
    assert first == second
    assert read_files == ["model.pkl"]


@pytest.mark.usefixtures("_rested")
def test_a_model_of_the_same_size_and_time_is_read_again(tmp_path: Path, read_files: list[str]) -> None:
    subject = remembering(tmp_path, SOUND)
    path = subject.bundle.root / "model.pkl"
    before = path.stat()
    read_model_file(subject, subject.inventory.model[0])
    path.write_bytes(SOUND[:-2] + b"u.")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    read_model_file(subject, subject.inventory.model[0])
    assert read_files == ["model.pkl", "model.pkl"]


def test_a_model_that_has_just_changed_is_not_remembered(tmp_path: Path, read_files: list[str]) -> None:
    subject = remembering(tmp_path, SOUND)
    for _ in range(2):
        read_model_file(subject, subject.inventory.model[0])
    assert read_files == ["model.pkl", "model.pkl"]


@pytest.mark.usefixtures("_rested")
def test_a_damaged_model_is_read_each_time(tmp_path: Path, read_files: list[str]) -> None:
    subject = remembering(tmp_path, b'{"learner": {')
    for _ in range(2):
        assert read_model_file(subject, subject.inventory.model[0]).problem
    assert read_files == ["model.pkl", "model.pkl"]


@pytest.mark.usefixtures("_rested")
def test_a_safe_pickle_is_followed_once(tmp_path: Path, read_files: list[str]) -> None:
    subject = remembering(tmp_path, SOUND)
    assert [list(find_pickles(subject)) for _ in range(2)] == [[], []]
    assert read_files == ["model.pkl"]


@pytest.mark.usefixtures("_rested")
def test_an_unsafe_pickle_is_told_each_time(tmp_path: Path) -> None:
    subject = remembering(tmp_path, b"cos\nsystem\n(S'id'\ntR.")
    found = [[finding.rule.id for finding in find_pickles(subject)] for _ in range(2)]
    assert found[0] == found[1]
    assert "KILN301" in found[0]


@pytest.mark.usefixtures("_rested")
def test_a_module_of_the_author_that_hides_what_a_pickle_names_is_told(tmp_path: Path, read_files: list[str]) -> None:
    subject = remembering(tmp_path, SOUND)
    assert list(find_pickles(subject)) == []
    hidden = replace(subject, sources={"collections.py": b"class OrderedDict:\n    pass\n"})
    assert list(find_pickles(hidden))
    assert read_files == ["model.pkl", "model.pkl"]


@pytest.mark.usefixtures("_rested")
def test_a_pickle_of_the_authors_class_is_followed_with_each_change_of_the_module(tmp_path: Path) -> None:
    subject = remembering(tmp_path, b"cfeatures\nFrame\n.", sources={"features.py": b"class Frame:\n    pass\n"})
    there = [finding.rule.id for finding in find_pickles(subject)]
    gone = [finding.rule.id for finding in find_pickles(replace(subject, sources={"features.py": b""}))]
    assert there != gone


@pytest.mark.usefixtures("_rested")
def test_a_model_that_is_gone_is_an_os_error(tmp_path: Path) -> None:
    subject = remembering(tmp_path, SOUND)
    (subject.bundle.root / "model.pkl").unlink()
    with pytest.raises(OSError, match=r"model\.pkl"):
        read_model_file(subject, subject.inventory.model[0])


@pytest.mark.usefixtures("_rested")
def test_a_verdict_on_some_files_is_none_on_others(tmp_path: Path, read_files: list[str]) -> None:
    subject = remembering(tmp_path, SOUND)
    list(find_pickles(subject))
    shutil.copy2(subject.bundle.root / "model.pkl", subject.bundle.root / "other.pkl")
    other = replace(subject.inventory.model[0], path="other.pkl")
    more = Inventory(model=(*subject.inventory.model, other), code=(), runtime=())
    list(find_pickles(replace(subject, inventory=more)))
    assert read_files == ["model.pkl", "model.pkl", "other.pkl"]


def test_a_freeze_is_remembered_by_its_text(tmp_path: Path) -> None:
    memory = Records(tmp_path / "store", "verdicts", by="this kiln")
    path = tmp_path / "freeze.txt"
    for text in ("numpy==1.26.4\n", "numpy==2.0.0\n"):
        path.write_text(text)
        assert read_freeze(path, memory) == read_freeze(path, memory) == read_freeze(path)

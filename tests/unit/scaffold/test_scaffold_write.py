from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from builder.errors import HostError, UsageError
from builder.scaffold.forms import draft_bundle
from builder.scaffold.write import write_draft


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_file_is_written_over_and_every_one_in_the_way_is_named(churn_model: Path) -> None:
    folder = churn_model.parent
    write_draft(draft_bundle(churn_model))
    (folder / "samples/accepted.json").write_text("mine")
    before = everything(folder)
    with pytest.raises(UsageError) as refused:
        write_draft(draft_bundle(churn_model))
    assert [Path(fault.at or "").name for fault in refused.value.faults] == ["bundle.yaml"]
    assert everything(folder) == before


def test_force_sets_what_is_there_aside(churn_model: Path) -> None:
    folder = churn_model.parent
    (folder / "bundle.yaml").write_text("mine")
    made = write_draft(draft_bundle(churn_model), force=True)
    assert made.set_aside == ("bundle.yaml.orig",)
    assert (folder / "bundle.yaml.orig").read_text() == "mine"
    assert (folder / "bundle.yaml").read_text().startswith("# Made by")


def test_force_never_writes_over_what_was_set_aside_before(churn_model: Path) -> None:
    folder = churn_model.parent
    (folder / "bundle.yaml").write_text("second")
    (folder / "bundle.yaml.orig").write_text("first")
    before = everything(folder)
    with pytest.raises(UsageError, match="so is its"):
        write_draft(draft_bundle(churn_model), force=True)
    assert everything(folder) == before


def test_a_link_to_nothing_counts_as_a_file_that_is_there(churn_model: Path) -> None:
    (churn_model.parent / "bundle.yaml").symlink_to("/nowhere/else")
    with pytest.raises(UsageError):
        write_draft(draft_bundle(churn_model))


def test_what_was_written_is_taken_back_when_the_rest_cannot_be(churn_model: Path) -> None:
    folder = churn_model.parent
    (folder / "bundle.yaml").write_text("mine")
    (folder / "samples").write_text("a file where a folder has to be")
    before = everything(folder)
    with pytest.raises(HostError, match="cannot be written"):
        write_draft(draft_bundle(churn_model), force=True)
    assert everything(folder) == before


def test_interrupted_copy_is_taken_back(churn_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(origin: Path, target: Path) -> None:
        target.write_bytes(origin.read_bytes()[:10])
        raise KeyboardInterrupt

    place = tmp_path / "new"
    draft = draft_bundle(churn_model, into=place)
    monkeypatch.setattr(shutil, "copy2", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_draft(draft)
    assert not everything(place)


def test_the_result_tells_everything_to_machines(churn_model: Path) -> None:
    told = write_draft(draft_bundle(churn_model)).to_dict()
    assert told["form"] == "model file"
    assert "bundle.yaml" in told["written"]
    assert told["requirements"][0] == {
        "line": "scikit-learn==1.7.2",
        "why": "churn.joblib was written by scikit-learn 1.7.2",
        "guessed": False,
    }
    assert {note["at"] for note in told["guessed"]} >= {"name", "environment.python", "schema.request"}
    assert told["fill_in"] == []

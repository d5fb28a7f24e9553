from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle.paths import FoundPath, PathFault, find_path
from builder.oci.entry import EntryKind


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "bundle"
    (root / "model" / "deep").mkdir(parents=True)
    (root / "model" / "churn.joblib").write_bytes(b"x")
    (root / "build").mkdir()
    (root / "build" / "old").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "bundle-more").mkdir()
    return root


def found(root: Path, text: str) -> FoundPath:
    result = find_path(root, text)
    assert isinstance(result, FoundPath), result
    return result


def fault(root: Path, text: str) -> PathFault:
    result = find_path(root, text)
    assert isinstance(result, PathFault), result
    return result


@pytest.mark.parametrize(
    "text", ["model/churn.joblib", "./model/churn.joblib", "model//churn.joblib", "model/./churn.joblib"]
)
def test_a_file_is_found_under_its_plain_path(root: Path, text: str) -> None:
    result = found(root, text)
    assert (result.relative, result.kind) == ("model/churn.joblib", EntryKind.FILE)
    assert result.absolute == root / "model/churn.joblib"


def test_a_folder_may_end_in_a_slash(root: Path) -> None:
    result = found(root, "model/")
    assert (result.relative, result.kind) == ("model", EntryKind.DIRECTORY)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("/etc/passwd", "absolute"),
        ("~/model", "absolute"),
        ("../secret", "'..'"),
        ("model/../../secret", "'..'"),
        ("model/../model/churn.joblib", "'..'"),
        ("model\\churn.joblib", "backslashes"),
        ("model\n", "control character"),
        ("a\0b", "control character"),
        (".", "folder itself"),
        ("build/old", "kiln's own output"),
        ("nothing", "no such file"),
        ("model/churn.joblib/x", "no such file"),
        ("x" * 300, "cannot be looked up"),
    ],
)
def test_a_path_that_cannot_be_used_says_why(root: Path, text: str, fact: str) -> None:
    assert fact in fault(root, text).fact


def test_a_missing_path_names_what_was_probably_meant(root: Path) -> None:
    assert fault(root, "model/churn.jobllib").want == "model/churn.joblib"
    assert fault(root, "modle/churn.joblib").want == "model/churn.joblib"
    assert fault(root, "churn.joblib").want == "model/churn.joblib"
    assert fault(root, "modle/chrun.joblib").fact.endswith("did you mean 'model/churn.joblib'?")
    assert fault(root, "model/churn.pkl").want == "model/churn.joblib"


def test_a_missing_path_that_resembles_nothing_tells_what_there_is(root: Path) -> None:
    assert fault(root, "zzz") == PathFault(fact="no such file or folder", got="zzz")
    assert fault(root, "model/fraud.joblib").got == "model/fraud.joblib; model/ holds churn.joblib, deep"
    assert fault(root, "model/deep/x").got == "model/deep/x; model/deep/ holds nothing"
    assert fault(root, "model/churn.joblib/x").got == "model/churn.joblib/x; model/churn.joblib is a file"


def test_only_the_stem_makes_a_file_resemble_another(root: Path) -> None:
    (root / "samples").mkdir()
    (root / "samples" / "accepted.json").write_bytes(b"{}")
    assert fault(root, "samples/refused.json").want is None
    assert fault(root, "samples/acepted.json").want == "samples/accepted.json"


def test_what_kiln_writes_is_never_meant(root: Path) -> None:
    assert fault(root, "old").want is None
    assert fault(root, "buld/old").want is None


def test_backslashes_are_shown_turned(root: Path) -> None:
    assert fault(root, "model\\churn.joblib").want == "model/churn.joblib"


def test_a_symlink_inside_is_followed_and_keeps_its_own_name(root: Path) -> None:
    (root / "latest").symlink_to("model/churn.joblib")
    assert found(root, "latest").relative == "latest"


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "../bundle-more"])
def test_a_symlink_that_leads_out_shows_its_target(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    result = fault(root, "link")
    assert "leaves the bundle through a symlink" in result.fact
    assert (result.got or "").startswith("link -> /")


def test_a_folder_link_that_leads_out_is_noticed_below_it(root: Path) -> None:
    (root / "out").symlink_to("..")
    assert "leaves the bundle" in fault(root, "out/secret").fact


def test_a_symlink_to_nothing_and_a_circle_are_named(root: Path) -> None:
    (root / "gone").symlink_to("nowhere")
    assert fault(root, "gone").fact == "path is a symlink to nothing"
    assert fault(root, "gone").got == "gone -> nowhere"
    (root / "loop").symlink_to("loop")
    assert "circle" in fault(root, "loop").fact or "symbolic links" in fault(root, "loop").fact


def test_a_pipe_is_no_file(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert "neither a file nor a folder" in fault(root, "pipe").fact


@given(st.text(min_size=1, max_size=30))
def test_no_text_leads_out_of_the_bundle(text: str) -> None:
    base = Path(__file__).resolve().parent
    result = find_path(base, text)
    if isinstance(result, FoundPath):
        assert result.absolute.resolve().is_relative_to(base)

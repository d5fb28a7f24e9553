from __future__ import annotations

from pathlib import Path

from builder.oci.digest import Digest
from builder.publish.known import KnownBlobs
from builder.store.records import Records

BLOB = Digest.of(b"blob")


def known(tmp_path: Path, registry: str = "reg.example") -> KnownBlobs:
    return KnownBlobs(Records(tmp_path, "registry-blobs"), registry)


def test_remembers_the_latest_repositories_first(tmp_path: Path) -> None:
    for repository in ("a", "b", "a", "c"):
        known(tmp_path).remember(BLOB, repository)
    assert known(tmp_path).repositories(BLOB) == ("c", "a", "b")


def test_remembers_only_a_few(tmp_path: Path) -> None:
    for number in range(9):
        known(tmp_path).remember(BLOB, f"r{number}")
    assert known(tmp_path).repositories(BLOB) == ("r8", "r7", "r6", "r5")


def test_registries_and_blobs_are_kept_apart(tmp_path: Path) -> None:
    known(tmp_path).remember(BLOB, "a")
    assert not known(tmp_path, "other.example").repositories(BLOB)
    assert not known(tmp_path).repositories(Digest.of(b"other"))


def test_a_damaged_record_is_forgotten(tmp_path: Path) -> None:
    Records(tmp_path, "registry-blobs").put(["reg.example", str(BLOB)], {"not": "a list"})
    assert not known(tmp_path).repositories(BLOB)

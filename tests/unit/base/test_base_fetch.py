import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.base import fetch
from builder.base.assembled import load_base, lock_base
from builder.base.fetch import fetch_debs, missing_debs
from builder.base.mirrors import MAIN, SECURITY, Mirrors
from builder.base.model import LockedDeb
from builder.errors import DigestMismatchError, FetchError
from builder.host.settings import Settings
from builder.oci.digest import Digest
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore

REMEDY = "run `kiln base lock tiny`"


@pytest.fixture
def debs(bases: Path, make_settings: Callable[..., Settings]) -> tuple[LockedDeb, ...]:
    lock_base("tiny", make_settings(), root=bases)
    return load_base("tiny", root=bases).lock.on(Platform("linux", "amd64")).debs


def mirrors_of(repository: Path, snapshot: Path | None = None) -> Callable[[], Mirrors]:
    return lambda: Mirrors(
        roots={
            MAIN: ((repository / "debian").as_uri(),),
            SECURITY: ((repository / "debian-security").as_uri(),),
        },
        snapshot=snapshot.as_uri() if snapshot else None,
    )


def no_mirror() -> Mirrors:
    raise AssertionError("a mirror was asked for")


def test_packages_of_both_archives_arrive_verified(
    debs: tuple[LockedDeb, ...], store: BlobStore, repository: Path
) -> None:
    notes: list[str] = []
    fetch_debs(debs, store, mirrors_of(repository), remedy=REMEDY, progress=notes.append)
    assert missing_debs(debs, store) == []
    assert {deb.archive for deb in debs} == {MAIN, SECURITY}
    assert notes[-1] == f"{len(debs)} of {len(debs)} packages"


def test_what_the_store_has_needs_no_mirror(debs: tuple[LockedDeb, ...], store: BlobStore, repository: Path) -> None:
    fetch_debs(debs, store, mirrors_of(repository), remedy=REMEDY)
    fetch_debs(debs, store, no_mirror, remedy=REMEDY)


def test_a_package_with_other_bytes_is_refused_and_not_kept(
    debs: tuple[LockedDeb, ...], store: BlobStore, repository: Path
) -> None:
    bad = next(deb for deb in debs if deb.name == "libc6")
    (repository / "debian" / bad.filename).write_bytes(b"something else")
    with pytest.raises(DigestMismatchError) as caught:
        fetch_debs(debs, store, mirrors_of(repository), remedy=REMEDY)
    text = caught.value.render()
    assert "package libc6 2.36-9+deb12u14" in text
    assert str(bad.digest) in text
    assert not store.has(bad.digest)
    assert list((store.root / "aside").iterdir()) == []


def test_an_endless_answer_is_cut_off(debs: tuple[LockedDeb, ...], store: BlobStore, repository: Path) -> None:
    bad = debs[0]
    (repository / "debian" / bad.filename).write_bytes(b"x" * 5_000_000)
    with pytest.raises(DigestMismatchError):
        fetch_debs([bad], store, mirrors_of(repository), remedy=REMEDY)


def test_packages_gone_from_the_mirror_are_all_named_with_the_remedy(
    debs: tuple[LockedDeb, ...], store: BlobStore, repository: Path
) -> None:
    gone = [deb for deb in debs if deb.name in ("libexpat1", "tzdata")]
    for deb in gone:
        root = repository / ("debian" if deb.archive == MAIN else "debian-security")
        (root / deb.filename).unlink()
    with pytest.raises(FetchError) as caught:
        fetch_debs(debs, store, mirrors_of(repository), remedy=REMEDY)
    text = caught.value.render()
    assert "package libexpat1 2.5.0-1 (amd64) is gone from the mirror" in text
    assert "package tzdata 2026f-0+deb12u1 (amd64) is gone from the mirror" in text
    assert REMEDY in text
    assert {deb.name for deb in missing_debs(debs, store)} == {"libexpat1", "tzdata"}


def test_a_plain_archive_of_old_packages_stands_in(
    debs: tuple[LockedDeb, ...], store: BlobStore, repository: Path, tmp_path: Path
) -> None:
    deb = debs[0]
    old = tmp_path / "old" / deb.filename
    old.parent.mkdir(parents=True)
    (repository / "debian" / deb.filename).rename(old)
    fetch_debs(debs, store, mirrors_of(repository, tmp_path / "old"), remedy=REMEDY)
    assert store.has(deb.digest)


def test_a_snapshot_service_is_asked_by_name_and_version(
    debs: tuple[LockedDeb, ...], store: BlobStore, repository: Path, tmp_path: Path
) -> None:
    deb = next(deb for deb in debs if deb.name == "libc6")
    content = (repository / "debian" / deb.filename).read_bytes()
    (repository / "debian" / deb.filename).unlink()
    sha1 = hashlib.sha1(content).hexdigest()
    service = tmp_path / "snapshot"
    answer = service / "mr/binary/libc6/2.36-9+deb12u14/binfiles"
    answer.parent.mkdir(parents=True)
    answer.write_text(
        json.dumps({"result": [{"architecture": "arm64", "hash": "0"}, {"architecture": "amd64", "hash": sha1}]})
    )
    (service / "file").mkdir()
    (service / "file" / sha1).write_bytes(content)
    fetch_debs(debs, store, mirrors_of(repository, service), remedy=REMEDY)
    assert store.read(deb.digest) == content


def test_a_snapshot_that_lacks_the_package_too_is_the_same_error(
    debs: tuple[LockedDeb, ...], store: BlobStore, repository: Path, tmp_path: Path
) -> None:
    (repository / "debian" / debs[0].filename).unlink()
    with pytest.raises(FetchError, match="is gone from the mirror"):
        fetch_debs(debs, store, mirrors_of(repository, tmp_path / "nothing"), remedy=REMEDY)


def test_a_wrong_cache_is_asked_once_more(
    debs: tuple[LockedDeb, ...], store: BlobStore, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deb = debs[0]
    path = repository / "debian" / deb.filename
    content = path.read_bytes()
    path.write_bytes(b"an error page")

    def mend(_: float) -> None:
        path.write_bytes(content)

    monkeypatch.setattr(fetch.time, "sleep", mend)
    fetch_debs([deb], store, mirrors_of(repository), remedy=REMEDY)
    assert store.has(deb.digest)


def test_equal_packages_are_fetched_once(store: BlobStore, repository: Path, debs: tuple[LockedDeb, ...]) -> None:
    notes: list[str] = []
    fetch_debs([debs[0], debs[0]], store, mirrors_of(repository), remedy=REMEDY, progress=notes.append)
    assert notes == ["1 of 1 packages"]


def test_an_unreadable_mirror_is_a_failure_and_not_an_absence(
    store: BlobStore, debs: tuple[LockedDeb, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch.time, "sleep", lambda _: None)
    broken = Mirrors(roots={MAIN: ("http://127.0.0.1:9",), SECURITY: ("http://127.0.0.1:9",)})
    one = replace(debs[0], digest=Digest("0" * 64))
    with pytest.raises(FetchError) as caught:
        fetch_debs([one], store, lambda: broken, remedy=REMEDY)
    assert "gone" not in caught.value.render()


def test_a_mirror_out_of_reach_is_one_fault_however_many_packages_are_wanted(
    store: BlobStore, debs: tuple[LockedDeb, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch.time, "sleep", lambda _: None)

    def refuse(url: str) -> None:
        raise FetchError.of("the mirror did not deliver: Connection refused", at=url, hint="check the network")

    monkeypatch.setattr(fetch, "open_url", refuse)
    mirrors = Mirrors(roots={MAIN: ("http://one.example/debian",), SECURITY: ("http://one.example/security",)})
    wanted = [
        replace(debs[0], name=f"p{number}", filename=f"pool/p{number}.deb", digest=Digest(f"{number:064x}"))
        for number in range(29)
    ]
    with pytest.raises(FetchError) as caught:
        fetch_debs(wanted, store, lambda: mirrors, remedy=REMEDY)
    (fault,) = caught.value.faults
    assert fault.fact == "the mirror did not deliver: Connection refused"
    assert fault.at == "http://one.example"
    assert fault.want == "29 packages: p0, p1, p10, p11 and 25 more"
    assert caught.value.hint == "check the network"

from pathlib import Path

import pytest

from builder.base.repository import Package, read_packages, read_release
from builder.errors import BaseImageError, DigestMismatchError, FetchError


def release_of(repository: Path, suite: str = "bookworm", archive: str = "main"):
    root = repository / ("debian" if archive == "main" else "debian-security")
    return read_release(suite, archive, roots=(root.as_uri(),), keyring=repository / "keyring.gpg")


def test_a_suite_is_read_with_its_facts(repository: Path) -> None:
    release = release_of(repository)
    assert release.facts.to_dict() == {
        "suite": "bookworm",
        "archive": "main",
        "date": "2026-09-12T07:55:41Z",
        "version": "12.15",
    }
    packages = {package.name: package for package in read_packages(release, component="main", architecture="arm64")}
    thing = packages["libthing1"].locked()
    assert (thing.version, thing.architecture, thing.archive) == ("1.0-1", "arm64", "main")
    assert (repository / "debian" / thing.filename).stat().st_size == thing.size


def test_the_next_mirror_is_asked_when_one_lacks_a_suite(repository: Path, tmp_path: Path) -> None:
    roots = ((tmp_path / "empty").as_uri(), (repository / "debian").as_uri())
    release = read_release("bookworm", "main", roots=roots, keyring=repository / "keyring.gpg")
    assert release.root == roots[1]


def test_a_vendors_repository_before_the_mirror_is_told_by_its_signature(repository: Path, tmp_path: Path) -> None:
    vendor = tmp_path / "vendor/debian/dists/bookworm"
    vendor.mkdir(parents=True)
    (vendor / "InRelease").write_text("Codename: bookworm\n")
    roots = ((tmp_path / "vendor/debian").as_uri(), (repository / "debian").as_uri())
    release = read_release("bookworm", "main", roots=roots, keyring=repository / "keyring.gpg")
    assert release.root == roots[1]


def test_an_index_that_is_gone_is_named(repository: Path) -> None:
    (repository / "debian/dists/bookworm/main/binary-amd64/Packages.xz").unlink()
    with pytest.raises(FetchError, match="no package index"):
        list(read_packages(release_of(repository), component="main", architecture="amd64"))


def test_a_suite_no_mirror_has_is_named(repository: Path) -> None:
    with pytest.raises(FetchError) as caught:
        release_of(repository, suite="sid")
    assert "no mirror has suite sid" in caught.value.render()


def test_a_release_file_of_another_suite_is_refused(repository: Path) -> None:
    (repository / "debian/dists/trixie").symlink_to("bookworm")
    with pytest.raises(BaseImageError) as caught:
        release_of(repository, suite="trixie")
    assert "of another suite" in caught.value.render()


def test_a_package_index_with_other_bytes_is_refused(repository: Path) -> None:
    path = repository / "debian/dists/bookworm/main/binary-amd64/Packages.xz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DigestMismatchError) as caught:
        list(read_packages(release_of(repository), component="main", architecture="amd64"))
    assert "not the one the archive signed" in caught.value.render()


def test_an_index_the_suite_does_not_have_is_named(repository: Path) -> None:
    with pytest.raises(FetchError, match="no contrib/binary-amd64"):
        list(read_packages(release_of(repository), component="contrib", architecture="amd64"))


def test_an_entry_that_makes_no_sense_names_its_package() -> None:
    package = Package("odd", "main", {"Package": "odd", "Version": "what", "Depends": "(("})
    for read in (lambda: package.version, lambda: package.depends, package.locked):
        with pytest.raises(BaseImageError, match="package odd makes no sense"):
            read()

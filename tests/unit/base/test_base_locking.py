from collections.abc import Callable
from pathlib import Path

import pytest

from builder.base.assembled import load_base, lock_base, resolve_system_packages
from builder.errors import BaseImageError, ResolutionError, SettingsError
from builder.host.settings import Settings
from builder.oci.platform import Platform

AMD64 = Platform("linux", "amd64")


def test_a_base_is_locked_on_every_platform(bases: Path, make_settings: Callable[..., Settings]) -> None:
    lock, changed = lock_base("tiny", make_settings(), root=bases)
    assert changed
    assert lock.python == "3.11.2"
    assert [str(one.platform) for one in lock.platforms] == ["linux/amd64", "linux/arm64"]
    held = lock.on(AMD64)
    assert held.glibc == (2, 36)
    assert [(deb.name, deb.version, deb.archive) for deb in held.debs] == [
        ("libc6", "2.36-9+deb12u14", "main"),
        ("libexpat1", "2.5.0-1", "main"),
        ("libgcc-s1", "12.2.0-14", "main"),
        ("media-types", "10.0.0", "main"),
        ("python3.11-minimal", "3.11.2-6+deb12u8", "main"),
        ("tzdata", "2026f-0+deb12u1", "security"),
    ]


def test_locking_again_changes_nothing_to_the_byte(bases: Path, make_settings: Callable[..., Settings]) -> None:
    first, _ = lock_base("tiny", make_settings(), root=bases)
    path = bases / "tiny/lock.json"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    again, changed = lock_base("tiny", make_settings(), root=bases)
    assert (again, changed) == (first, False)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_failed_locking_leaves_the_old_lock(
    bases: Path, make_settings: Callable[..., Settings], repository: Path
) -> None:
    lock_base("tiny", make_settings(), root=bases)
    before = (bases / "tiny/lock.json").read_bytes()
    with pytest.raises(BaseImageError):
        lock_base("tiny", make_settings(debian_keyring=str(repository / "stranger.gpg")), root=bases)
    assert (bases / "tiny/lock.json").read_bytes() == before
    assert sorted(path.name for path in (bases / "tiny").iterdir()) == ["definition.yaml", "lock.json"]


def test_a_package_the_suites_do_not_have_is_named(bases: Path, make_settings: Callable[..., Settings]) -> None:
    definition = bases / "tiny/definition.yaml"
    definition.write_text(definition.read_text().replace("tzdata]", "tzdat]"))
    with pytest.raises(ResolutionError, match="no such package: tzdat"):
        lock_base("tiny", make_settings(), root=bases)


def test_a_base_without_a_c_library_or_interpreter_is_refused(
    bases: Path, make_settings: Callable[..., Settings]
) -> None:
    definition = bases / "tiny/definition.yaml"
    text = definition.read_text()
    for packages, fact in (("[tzdata]", "has no libc6"), ("[libc6]", "has no python3.11-minimal")):
        definition.write_text(text.replace("[python3.11-minimal, tzdata]", packages))
        with pytest.raises(BaseImageError, match=fact):
            lock_base("tiny", make_settings(), root=bases)


def test_an_unknown_base_lists_the_known_ones(bases: Path, make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(BaseImageError) as caught:
        lock_base("debian99", make_settings(), root=bases)
    assert "tiny" in caught.value.render()


def test_a_missing_mirror_says_what_to_set(
    bases: Path, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("builder.base.mirrors.read_apt_sources", lambda _: iter(()))
    settings = make_settings(debian_security_mirror="")
    with pytest.raises(SettingsError, match="security archive"):
        lock_base("tiny", settings, root=bases)


def test_system_packages_are_what_the_base_lacks(bases: Path, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    lock_base("tiny", settings, root=bases)
    base = load_base("tiny", root=bases)
    debs = resolve_system_packages(["libthing1"], base, AMD64, settings)
    assert [deb.name for deb in debs] == ["libother1", "libprovider1", "libthing1"]
    assert resolve_system_packages(["libc6"], base, AMD64, settings) == ()
    arm = resolve_system_packages(["libring-a"], base, Platform("linux", "arm64"), settings)
    assert [(deb.name, deb.architecture) for deb in arm] == [("libring-a", "arm64"), ("libring-b", "arm64")]


def test_no_system_packages_need_no_mirror(bases: Path, make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    lock_base("tiny", make_settings(), root=bases)
    empty = make_settings(debian_mirror=(tmp_path / "none").as_uri())
    assert resolve_system_packages([], load_base("tiny", root=bases), AMD64, empty) == ()


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("libthing", "did you mean libthing1"),
        ("libneedy", "libneedy needs libgone"),
        ("libfuture", "libfuture"),
        ("libquarrel", "cannot be with libother1"),
        ("libweak", r"other-virtual (>= 1)"),
    ],
)
def test_system_packages_that_cannot_be_had_are_explained(
    bases: Path, make_settings: Callable[..., Settings], name: str, fact: str
) -> None:
    settings = make_settings()
    lock_base("tiny", settings, root=bases)
    with pytest.raises(ResolutionError) as caught:
        resolve_system_packages([name], load_base("tiny", root=bases), AMD64, settings)
    assert fact in caught.value.render()

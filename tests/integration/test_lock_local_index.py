"""Both resolvers, real pip and a package index made here: what is chosen, what is refused and how it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from builder.bundle.model import Bundle
from builder.errors import DigestMismatchError, FetchError, KilnError, ResolutionError
from builder.lock.fetch import fetch_wheels, wheels_of
from builder.lock.files import read_lock, write_lock
from builder.lock.locker import lock_bundle
from builder.lock.model import Lock
from builder.lock.pins import Pin, render_pins
from builder.lock.resolver import PipTools, Resolver, Uv
from builder.lock.selection import select_wheels
from builder.lock.target import Target
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore
from tests.support.bundles import AMD64, ARM64, make_base, make_bundle
from tests.support.index_server import serve_index
from tests.support.package_index import PackageIndex

X86 = Target(python="3.11", platform=AMD64, glibc=(2, 36))
ARM = Target(python="3.11", platform=ARM64, glibc=(2, 36))
NEW = Target(python="3.13", platform=AMD64, glibc=(2, 41))
LOGIN = "builder:s3cret-t0ken"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    """An empty index that pip is told to use, and nothing else."""
    index = PackageIndex(tmp_path / "index")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    # The installer's pin is on the real index; here any pip will do.
    pip = index.add("pip", "26.3")
    monkeypatch.setattr("builder.lock.locker.installer_text", lambda: f"pip==26.3 --hash={pip}\n")
    return index


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.fixture(params=[PipTools(), Uv()], ids=lambda resolver: resolver.name)
def resolver(request: pytest.FixtureRequest) -> Any:
    return request.param


def resolve(resolver: Resolver, *lines: str, target: Target = X86, preferred: tuple[Pin, ...] = ()) -> dict[str, str]:
    wanted = [Requirement(line) for line in lines]
    return {pin.name: pin.version for pin in resolver.resolve(wanted, target, preferred=preferred)}


def refusal(resolver: Resolver, *lines: str, target: Target = X86) -> KilnError:
    with pytest.raises(KilnError) as caught:
        resolve(resolver, *lines, target=target)
    return caught.value


def lock(
    bundle: Bundle,
    store: BlobStore,
    *lines: str,
    python: str | None = None,
    previous: str | None = None,
    platforms: tuple[Platform, ...] = (AMD64,),
) -> tuple[Lock, str]:
    environment = replace(
        bundle.environment, requirements=lines, requirements_file=None, platforms=platforms, system_packages=()
    )
    return lock_bundle(
        replace(bundle, environment=environment),
        base=make_base(*platforms),
        system_packages={},
        model=(),
        server_requirements="",
        store=store,
        python=python,
        previous=previous,
    )


def test_both_resolvers_choose_the_same_and_say_who_asked(resolver: Resolver, index: PackageIndex) -> None:
    index.add("top", "2.0", requires=["middle>=1", 'windows-only; sys_platform == "win32"'])
    index.add("middle", "1.0")
    index.add("middle", "1.5", requires=["leaf"])
    index.add("leaf", "3.0")
    pins = resolver.resolve([Requirement("top"), Requirement("leaf<4")], X86)
    assert [(pin.name, pin.version, pin.via) for pin in pins] == [
        ("leaf", "3.0", ("middle", "requirements")),
        ("middle", "1.5", ("top",)),
        ("top", "2.0", ("requirements",)),
    ]


def test_preferred_versions_stay_while_they_satisfy(resolver: Resolver, index: PackageIndex) -> None:
    index.add("leaf", "1.0")
    index.add("leaf", "2.0")
    kept = (Pin(name="leaf", version="1.0"),)
    assert resolve(resolver, "leaf", preferred=kept) == {"leaf": "1.0"}
    assert resolve(resolver, "leaf>=2", preferred=kept) == {"leaf": "2.0"}
    assert resolve(resolver, "leaf") == {"leaf": "2.0"}


def test_source_only_dependency_is_named_with_its_chain_and_a_remedy(resolver: Resolver, index: PackageIndex) -> None:
    index.add("top", requires=["middle"])
    index.add("middle", requires=["sourceonly"])
    index.add_source("sourceonly")
    error = refusal(resolver, "top")
    assert isinstance(error, ResolutionError)
    assert error.faults[0].fact == "sourceonly 1.0 can only be had as source, and images are made of wheels"
    assert error.faults[0].at == "required by requirements → top → middle → sourceonly"
    assert error.hint is not None
    assert "pip wheel sourceonly" in error.hint
    assert "replace top" in error.hint


def test_conflict_names_the_package_and_everyone_who_asks_for_it(resolver: Resolver, index: PackageIndex) -> None:
    index.add("leaf", "1.0")
    index.add("leaf", "2.0")
    index.add("old", requires=["leaf<2"])
    index.add("new", requires=["leaf>=2"])
    error = refusal(resolver, "old", "new")
    assert isinstance(error, ResolutionError)
    assert error.faults[0].fact == "the requirements contradict each other about leaf"
    assert "leaf<2 by requirements → old" in str(error.faults[0].got)
    assert "leaf>=2 by requirements → new" in str(error.faults[0].got)
    assert error.hint == "loosen or change the required version of new, old"


def test_conflict_with_the_authors_own_pin_names_both(resolver: Resolver, index: PackageIndex) -> None:
    index.add("leaf", "1.0")
    index.add("leaf", "2.0")
    index.add("old", requires=["leaf<2"])
    error = refusal(resolver, "old", "leaf==2.0")
    assert "leaf==2.0 by requirements" in str(error.faults[0].got)
    assert "leaf<2 by requirements → old" in str(error.faults[0].got)


def test_wheel_for_another_system_is_no_wheel_for_the_target(resolver: Resolver, index: PackageIndex) -> None:
    index.add("top", requires=["native"])
    index.add("native", tag="cp311-cp311-macosx_11_0_arm64")
    error = refusal(resolver, "top")
    assert isinstance(error, ResolutionError)
    assert error.faults[0].fact == "native 1.0 has no wheel for Python 3.11 on linux/amd64 (glibc 2.36)"
    assert error.faults[0].at == "required by requirements → top → native"


def test_wheel_for_a_newer_c_library_is_no_wheel_for_the_target(resolver: Resolver, index: PackageIndex) -> None:
    index.add("native", tag="cp311-cp311-manylinux_2_39_x86_64")
    assert "native 1.0 has no wheel for" in refusal(resolver, "native").faults[0].fact


def test_package_that_wants_a_newer_python_is_named(resolver: Resolver, index: PackageIndex) -> None:
    index.add("top", requires=["modern"])
    index.add("modern", python=">=3.14")
    error = refusal(resolver, "top")
    assert error.faults[0].fact == "modern 1.0 does not run on Python 3.11"
    assert error.faults[0].at == "required by requirements → top → modern"
    assert "environment.python" in str(error.hint)


def test_reason_that_is_told_is_that_of_the_newest_versions(resolver: Resolver, index: PackageIndex) -> None:
    index.add_source("leaf", "1.0")
    index.add("leaf", "2.0", python=">=3.14")
    assert refusal(resolver, "leaf").faults[0].fact == "leaf 2.0 does not run on Python 3.11"
    index.add_source("leaf", "3.0")
    assert (
        refusal(resolver, "leaf").faults[0].fact == "leaf>=3.0 can only be had as source, and images are made of wheels"
    )


def test_unknown_package_is_named_with_who_asked(resolver: Resolver, index: PackageIndex) -> None:
    index.add("top", requires=["gohst"])
    error = refusal(resolver, "top")
    assert error.faults[0].fact == "no package named gohst on the configured index"
    assert error.faults[0].at == "required by requirements → top → gohst"


def test_version_that_does_not_exist_is_named(resolver: Resolver, index: PackageIndex) -> None:
    index.add("leaf", "1.0")
    assert refusal(resolver, "leaf==7").faults[0].fact == "no version of leaf satisfies ==7"
    assert refusal(resolver, "leaf>=7").faults[0].got == "leaf==1.0 is all there is"


@pytest.mark.usefixtures("index")
def test_index_out_of_reach_is_a_fetch_error_not_a_missing_package(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{LOGIN}@127.0.0.1:9/simple")
    error = refusal(resolver, "leaf")
    assert isinstance(error, FetchError)
    assert error.faults[0].fact == "the package index could not be reached"
    assert "s3cret" not in error.render()


def test_index_that_refuses_the_credentials_is_a_fetch_error(
    resolver: Resolver, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("leaf")
    with serve_index(index.root, login=LOGIN) as served:
        monkeypatch.setenv("PIP_INDEX_URL", served.url("builder:wr0ng"))
        error = refusal(resolver, "leaf")
    assert isinstance(error, FetchError)
    assert error.faults[0].fact == "the package index refused these credentials or wants some"
    assert "wr0ng" not in error.render()


def test_neither_lock_names_an_index_a_credential_or_a_path(
    index: PackageIndex, store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("top", requires=["leaf"])
    index.add("leaf")
    bundle = make_bundle(tmp_path / "bundle")
    bundle.root.mkdir()
    with serve_index(index.root, login=LOGIN) as served:
        monkeypatch.setenv("PIP_INDEX_URL", served.url(LOGIN))
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file:///nowhere/simple {served.url(LOGIN)}")
        monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere/wheels")
        locked, text = lock(bundle, store, "top", platforms=(AMD64, ARM64))
        assert served.requests
    write_lock(bundle.root, locked, text)
    for name in ("requirements.lock", "bundle.lock"):
        written = (bundle.root / name).read_text()
        for leak in (
            "127.0.0.1",
            "s3cret",
            "builder:",
            "http:",
            "file:",
            "nowhere",
            str(tmp_path),
            "kiln-lock-",
        ):
            assert leak not in written, f"{leak} in {name}"
    assert read_lock(bundle.root) == (locked, text)


def test_lock_holds_the_wheel_each_platform_installs(index: PackageIndex, store: BlobStore, tmp_path: Path) -> None:
    index.add("native", tag="cp311-cp311-manylinux_2_28_aarch64")
    newest = index.add("native", tag="cp311-cp311-manylinux_2_28_x86_64")
    index.add("native", tag="cp311-cp311-manylinux2014_x86_64")
    index.add("native", tag="cp311-cp311-musllinux_1_2_x86_64")
    index.add("native", tag="cp311-cp311-manylinux_2_39_x86_64")
    index.add("stable", tag="cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64")
    index.add("stable", tag="cp38-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64")
    locked, text = lock(make_bundle(tmp_path), store, "native", "stable", platforms=(AMD64, ARM64))
    amd64, arm64 = locked.on(AMD64), locked.on(ARM64)
    assert [wheel.filename for wheel in amd64.wheels] == [
        "native-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "stable-1.0-cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    ]
    assert [wheel.filename for wheel in arm64.wheels] == [
        "native-1.0-cp311-cp311-manylinux_2_28_aarch64.whl",
        "stable-1.0-cp38-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
    ]
    assert amd64.wheels[0].digest == newest
    assert all(store.size(wheel.digest) == wheel.size for wheel in (*amd64.wheels, *arm64.wheels))
    assert text.count("native==1.0") == 1
    assert text.count("--hash") == 4


def test_platforms_take_the_same_version_where_one_serves_both(
    index: PackageIndex, store: BlobStore, tmp_path: Path
) -> None:
    for version, machines in (("1.0", ("x86_64", "aarch64")), ("2.0", ("x86_64",))):
        for machine in machines:
            index.add("native", version, tag=f"cp311-cp311-manylinux_2_28_{machine}")
    locked, text = lock(make_bundle(tmp_path), store, "native", platforms=(AMD64, ARM64))
    assert {chosen.wheels[0].version for chosen in locked.platforms} == {"1.0"}
    assert "platform_machine" not in text


def test_platforms_that_cannot_agree_get_a_line_each(index: PackageIndex, store: BlobStore, tmp_path: Path) -> None:
    index.add("native", "1.0", tag="cp311-cp311-manylinux_2_28_aarch64")
    index.add("native", "2.0", tag="cp311-cp311-manylinux_2_28_x86_64")
    index.add("x86-only")
    lines = ("native", 'x86-only; platform_machine == "x86_64"')
    locked, text = lock(make_bundle(tmp_path), store, *lines, platforms=(AMD64, ARM64))
    assert [wheel.version for wheel in locked.on(AMD64).wheels] == ["2.0", "1.0"]
    assert [wheel.version for wheel in locked.on(ARM64).wheels] == ["1.0"]
    assert 'native==1.0 ; platform_machine == "aarch64"' in text
    assert 'native==2.0 ; platform_machine == "x86_64"' in text
    assert 'x86-only==1.0 ; platform_machine == "x86_64"' in text


def test_dependency_of_the_targets_patch_release_is_not_forgotten(
    index: PackageIndex, store: BlobStore, tmp_path: Path
) -> None:
    # This interpreter is newer than 3.11.0, which is what can be relied on in the image.
    index.add("top", requires=['backport; python_full_version < "3.11.1"'])
    index.add("backport")
    locked, _ = lock(make_bundle(tmp_path), store, "top")
    assert [wheel.name for wheel in locked.on(AMD64).wheels] == ["backport", "top"]


@pytest.mark.parametrize(
    ("python", "chosen"), [(None, "1.0"), ("3.11.1", "2.0"), ("3.11.2", "3.0")], ids=["unknown", "3.11.1", "3.11.2"]
)
def test_version_that_wants_a_later_patch_release_than_the_targets_is_passed_over(
    python: str | None, chosen: str, index: PackageIndex, store: BlobStore, tmp_path: Path
) -> None:
    # This interpreter, for which pip-tools chooses, may be later than all of these.
    index.add("top", requires=["leaf"])
    index.add("leaf", "1.0")
    index.add("leaf", "2.0", python=">=3.11.1")
    index.add("leaf", "3.0", python=">=3.11.2")
    index.add("leaf", "4.0", python=">=3.11.90")
    locked, text = lock(make_bundle(tmp_path), store, "top", python=python)
    assert [(wheel.name, wheel.version) for wheel in locked.on(AMD64).wheels] == [("leaf", chosen), ("top", "1.0")]
    assert text.startswith("# Made by `kiln lock` for Python 3.11 on linux/amd64.\n")
    # What a lock names is brought by hash, whatever patch release a lock does not tell.
    assert fetch_wheels(locked.on(AMD64).wheels, X86, BlobStore(tmp_path / "fresh")) == 2


def test_required_version_that_wants_a_later_patch_release_is_refused_with_both_versions(
    index: PackageIndex, store: BlobStore, tmp_path: Path
) -> None:
    index.add("leaf", "1.0")
    index.add("leaf", "2.0", python=">=3.11.5")
    with pytest.raises(ResolutionError) as caught:
        lock(make_bundle(tmp_path), store, "leaf==2.0", python="3.11.2")
    (fault,) = caught.value.faults
    assert fault.fact == "leaf 2.0 does not run on Python 3.11.2"
    assert fault.want == "a version of leaf that runs on Python 3.11.2"
    assert str(fault.got).startswith("leaf wants Python >=3.11.5\n")
    assert "tagged" not in caught.value.render()
    assert "--upgrade" not in caught.value.render()


def test_servers_own_package_that_does_not_run_there_is_refused(
    index: PackageIndex, store: BlobStore, tmp_path: Path
) -> None:
    index.add("server", python=">=3.12")
    bundle = make_bundle(tmp_path)
    with pytest.raises(ResolutionError, match=r"server 1\.0 does not run on Python 3\.11\.0"):
        lock_bundle(
            replace(bundle, environment=replace(bundle.environment, requirements=(), platforms=(AMD64,))),
            base=make_base(AMD64),
            system_packages={},
            model=(),
            server_requirements="server==1.0\n",
            store=store,
        )


def test_locking_again_changes_nothing_until_upgraded(index: PackageIndex, store: BlobStore, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    index.add("leaf", "1.0")
    first = lock(bundle, store, "leaf")
    index.add("leaf", "2.0")
    assert lock(bundle, store, "leaf", previous=first[1]) == first
    _, upgraded = lock(bundle, store, "leaf")
    assert "leaf==2.0" in upgraded


def test_fetch_brings_what_the_store_lacks_and_then_needs_no_index(
    index: PackageIndex, store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("top", requires=["leaf"])
    index.add("leaf")
    with serve_index(index.root, login=LOGIN) as served:
        monkeypatch.setenv("PIP_INDEX_URL", served.url(LOGIN))
        locked, _ = lock(make_bundle(tmp_path), store, "top")
        fresh = BlobStore(tmp_path / "fresh")
        wheels = wheels_of(locked.on(AMD64))
        assert fetch_wheels(wheels, X86, fresh) == 3
        asked = len(served.requests)
        assert fetch_wheels(wheels, X86, fresh) == 0
        assert len(served.requests) == asked
    assert fetch_wheels(wheels, X86, fresh, offline=True) == 0
    assert all(fresh.verify(wheel.digest) for wheel in wheels)


def test_offline_fetch_lists_exactly_what_is_missing(index: PackageIndex, store: BlobStore, tmp_path: Path) -> None:
    index.add("leaf")
    locked, _ = lock(make_bundle(tmp_path), store, "leaf")
    with pytest.raises(FetchError) as caught:
        fetch_wheels(locked.on(AMD64).wheels, X86, BlobStore(tmp_path / "empty"), offline=True)
    assert [fault.fact for fault in caught.value.faults] == ["leaf-1.0-py3-none-any.whl is not in the store"]
    assert "kiln fetch" in str(caught.value.hint)


def test_wheel_whose_hash_differs_is_refused_with_both_hashes(
    index: PackageIndex, store: BlobStore, tmp_path: Path
) -> None:
    index.add("other")
    locked_digest = index.add("leaf")
    locked, _ = lock(make_bundle(tmp_path), store, "leaf", "other")
    served_digest = index.add("leaf", payload="tampered = True")
    fresh = BlobStore(tmp_path / "fresh")
    with pytest.raises(DigestMismatchError) as caught:
        fetch_wheels(locked.on(AMD64).wheels, X86, fresh)
    (fault,) = caught.value.faults
    assert "leaf" in fault.fact
    assert (fault.want, fault.got) == (str(locked_digest), str(served_digest))
    assert not fresh.has(served_digest)


def test_wheel_that_was_removed_from_the_index_is_named(index: PackageIndex, store: BlobStore, tmp_path: Path) -> None:
    index.add("leaf")
    index.add("other")
    locked, _ = lock(make_bundle(tmp_path), store, "leaf", "other")
    index.remove("leaf")
    with pytest.raises(FetchError) as caught:
        fetch_wheels(locked.on(AMD64).wheels, X86, BlobStore(tmp_path / "fresh"))
    assert [fault.fact for fault in caught.value.faults] == [
        "leaf-1.0-py3-none-any.whl is no longer on the configured index"
    ]
    assert "kiln lock --upgrade" in str(caught.value.hint)


def test_wheel_in_the_users_own_folder_is_found_by_both_resolvers(
    index: PackageIndex, store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = PackageIndex(tmp_path / "wheels")
    digest = private.add("private", requires=["leaf"])
    index.add("leaf")
    monkeypatch.setenv("PIP_FIND_LINKS", str(private.root / "private"))
    locked, _ = lock(make_bundle(tmp_path), store, "private", platforms=(AMD64, ARM64))
    assert [chosen.wheels[1].digest for chosen in locked.platforms] == [digest, digest]


def test_memory_of_a_choice_is_of_no_use_once_the_wheel_is_gone(
    index: PackageIndex, store: BlobStore, tmp_path: Path
) -> None:
    digest = index.add("leaf")
    pin = Pin(name="leaf", version="1.0", hashes=frozenset({digest}))
    first = select_wheels((pin,), NEW, store)
    store.path(digest).unlink()
    assert select_wheels((pin,), NEW, store) == first
    assert store.has(digest)


def test_lock_is_json_a_person_can_review(index: PackageIndex, store: BlobStore, tmp_path: Path) -> None:
    digest = index.add("leaf")
    locked, text = lock(make_bundle(tmp_path), store, "leaf")
    write_lock(tmp_path, locked, text)
    data = json.loads((tmp_path / "bundle.lock").read_text())
    wheel = data["platforms"][0]["wheels"][0]
    assert (wheel["name"], wheel["version"], wheel["sha256"]) == ("leaf", "1.0", digest.hex)
    assert data["inputs"]["requirement leaf"] == "leaf"
    assert text == render_pins(
        [Pin(name="leaf", version="1.0", hashes=frozenset({digest}), via=("requirements",))], [X86]
    )


@pytest.mark.usefixtures("index")
def test_bundle_without_requirements_locks_to_an_empty_list(store: BlobStore, tmp_path: Path) -> None:
    locked, text = lock(make_bundle(tmp_path), store)
    assert locked.on(AMD64).wheels == ()
    assert [line for line in text.splitlines() if not line.startswith("#")] == []

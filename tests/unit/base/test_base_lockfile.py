import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.base.assembled import lock_base
from builder.base.definition import read_definition
from builder.base.lockfile import BaseLock, read_lock, write_lock
from builder.errors import BaseImageError
from builder.host.settings import Settings
from builder.oci.platform import Platform


@pytest.fixture
def lock(bases: Path, make_settings: Callable[..., Settings]) -> BaseLock:
    return lock_base("tiny", make_settings(), root=bases)[0]


def test_a_lock_survives_being_written_and_read(lock: BaseLock, tmp_path: Path, bases: Path) -> None:
    write_lock(lock, tmp_path / "new" / "lock.json")
    definition = read_definition("tiny", bases / "tiny/definition.yaml")
    assert read_lock(definition, tmp_path / "new" / "lock.json") == lock
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock.json"]


def test_a_lock_names_no_host_and_no_path_of_this_machine(bases: Path, lock: BaseLock, tmp_path: Path) -> None:
    text = (bases / "tiny/lock.json").read_text()
    assert str(tmp_path) not in text
    assert "://" not in text
    assert lock.name in text


def test_when_the_suites_were_read_is_not_part_of_the_digest(lock: BaseLock) -> None:
    later = tuple(replace(facts, date="2030-01-01T00:00:00Z") for facts in lock.suites)
    assert replace(lock, suites=later).digest == lock.digest
    fewer = tuple(replace(one, debs=one.debs[1:]) for one in lock.platforms)
    assert replace(lock, platforms=fewer).digest != lock.digest


def test_a_missing_lock_says_how_to_make_it(bases: Path) -> None:
    definition = read_definition("tiny", bases / "tiny/definition.yaml")
    with pytest.raises(BaseImageError) as caught:
        read_lock(definition, bases / "tiny/lock.json")
    assert "kiln base lock tiny" in caught.value.render()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lock_version": 2}', '{"lock_version": 1, "name": "tiny"}'])
def test_a_malformed_lock_is_refused(bases: Path, text: str) -> None:
    path = bases / "tiny/lock.json"
    path.write_text(text)
    with pytest.raises(BaseImageError, match="lock cannot be read"):
        read_lock(read_definition("tiny", bases / "tiny/definition.yaml"), path)


def test_a_wrong_digest_in_a_lock_is_refused(bases: Path, lock: BaseLock) -> None:
    path = bases / "tiny/lock.json"
    data = json.loads(path.read_text())
    data["platforms"]["linux/amd64"]["debs"][0]["sha256"] = "12"
    path.write_text(json.dumps(data))
    with pytest.raises(BaseImageError, match="lock cannot be read"):
        read_lock(read_definition(lock.name, bases / "tiny/definition.yaml"), path)


def test_a_definition_that_was_changed_makes_the_lock_stale(bases: Path, lock: BaseLock) -> None:
    definition = bases / lock.name / "definition.yaml"
    definition.write_text(definition.read_text().replace("tzdata]", "tzdata, libother1]"))
    with pytest.raises(BaseImageError) as caught:
        read_lock(read_definition("tiny", definition), bases / "tiny/lock.json")
    assert "was changed after it was locked" in caught.value.render()
    assert "kiln base lock tiny" in caught.value.render()


def test_a_platform_that_was_not_locked_is_named(lock: BaseLock) -> None:
    only = replace(lock, platforms=lock.platforms[:1])
    with pytest.raises(BaseImageError) as caught:
        only.on(Platform("linux", "arm64"))
    assert "linux/arm64" in caught.value.render()

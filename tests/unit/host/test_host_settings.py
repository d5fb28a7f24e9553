from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import SettingsError
from builder.host.settings import load_settings


def environ(tmp_path: Path, text: str | None = None, **more: str) -> dict[str, str]:
    if text is not None:
        path = tmp_path / ".config" / "modelkiln" / "settings.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return {"HOME": str(tmp_path), **more}


def test_without_any_setting_the_store_is_in_the_cache(tmp_path: Path) -> None:
    settings = load_settings(environ(tmp_path))
    assert settings.store == tmp_path / ".cache" / "modelkiln" / "store"
    assert settings.jobs >= 1
    assert settings.debian_mirror is None


def test_the_usual_folders_are_kept_to(tmp_path: Path) -> None:
    cache = tmp_path / "c"
    assert load_settings(environ(tmp_path, XDG_CACHE_HOME=str(cache))).home == cache / "modelkiln"
    assert load_settings(environ(tmp_path, KILN_HOME="~/k")).home == Path("~/k").expanduser()


def test_reads_the_file(tmp_path: Path) -> None:
    settings = load_settings(environ(tmp_path, "home: /srv/kiln\ndebian_mirror: http://mirror.test/debian\njobs: 3\n"))
    assert (settings.home, settings.debian_mirror, settings.jobs) == (Path("/srv/kiln"), "http://mirror.test/debian", 3)


def test_the_environment_wins(tmp_path: Path) -> None:
    settings = load_settings(environ(tmp_path, "jobs: 3\n", KILN_JOBS="5", KILN_DEBIAN_MIRROR="http://other.test"))
    assert (settings.jobs, settings.debian_mirror) == (5, "http://other.test")


def test_an_empty_file_and_empty_variables_say_nothing(tmp_path: Path) -> None:
    settings = load_settings(environ(tmp_path, "", KILN_JOBS="", KILN_SETTINGS="", KILN_DEBIAN_MIRROR=""))
    assert settings.debian_mirror is None


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("jobs: 0\n", "jobs is not a positive number"),
        ("jobs: many\n", "jobs is not a positive number"),
        ("mirror: x\n", "unknown setting: mirror"),
        ("- a\n", "not a mapping"),
        ("a: [\n", "cannot be read"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it(tmp_path: Path, text: str, fact: str) -> None:
    with pytest.raises(SettingsError, match=fact) as caught:
        load_settings(environ(tmp_path, text))
    assert "settings.yaml" in caught.value.render()


def test_a_named_file_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not found"):
        load_settings(environ(tmp_path, KILN_SETTINGS=str(tmp_path / "none.yaml")))

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.host import exchange
from builder.host.exchange import put_in_place


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "file").write_text(content)
    return path


def test_takes_a_free_name(tmp_path: Path) -> None:
    put_in_place(folder(tmp_path / "made", "new"), tmp_path / "place")
    assert (tmp_path / "place" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


@pytest.mark.parametrize("is_atomic", [True, False])
def test_takes_the_place_of_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_atomic: bool) -> None:
    if not is_atomic:
        monkeypatch.setattr(exchange, "_exchange", exchange._exchange_in_steps)
    folder(tmp_path / "place", "old")
    put_in_place(folder(tmp_path / "made", "new"), tmp_path / "place")
    assert (tmp_path / "place" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_takes_the_place_of_a_file_and_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("file")
    (tmp_path / "two").symlink_to("nowhere")
    for name in ("one", "two"):
        put_in_place(folder(tmp_path / "made", name), tmp_path / name)
        assert (tmp_path / name / "file").read_text() == name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_what_was_there_comes_back_when_the_second_rename_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, made = folder(tmp_path / "place", "old"), folder(tmp_path / "made", "new")
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self == made:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="Input/output"):
        exchange._exchange_in_steps(made, old)
    assert (old / "file").read_text() == "old"


def test_no_permission_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "none", tmp_path / "place")


def test_one_of_many_stands_and_nothing_else_without_the_system_s_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_exchange", exchange._exchange_in_steps)
    place = tmp_path / "place"

    def put(name: str) -> None:
        for number in range(40):
            put_in_place(folder(tmp_path / f"{name}{number}", name), place)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(put, "abcd"))
    assert (place / "file").read_text() in "abcd"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]

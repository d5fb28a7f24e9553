from __future__ import annotations

from pathlib import Path

import pytest

from builder.engine.buildah import build_with_buildah, buildah_name
from builder.errors import EngineError, EngineUnavailableError

IMAGE = "ab" * 32


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lend the only folder of programs, with an ``unshare`` that isolates nothing."""
    folder = tmp_path / "programs"
    folder.mkdir()
    write(folder / "unshare", 'shift; exec "$@"')
    monkeypatch.setenv("PATH", str(folder))
    return folder


def write(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


FAKE = """
echo "$@" >> {log}
case "$*" in
  --version) echo "buildah version 1.28.2 (image-spec 1.0)";;
  *bud*) for word in "$@"; do case $word in --iidfile=*) printf %s "{image}" > "${{word#--iidfile=}}";; esac; done;;
  *push*) for word in "$@"; do last=$word; done; printf archive > "${{last#docker-archive:}}";;
esac
"""


def test_the_archive_and_id_are_returned_and_all_it_keeps_is_below_the_scratch_folder(
    programs: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    write(programs / "buildah", FAKE.format(log=log, image=f"sha256:{IMAGE}"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    archive, built = build_with_buildah(tmp_path, scratch, name="x:1", platform="linux/amd64", progress=lambda _: None)
    assert archive.read_bytes() == b"archive"
    assert built == f"sha256:{IMAGE}"
    for line in [line for line in log.read_text().splitlines() if line != "--version"]:
        assert f"--root={scratch}/" in line
        assert f"--runroot={scratch}/" in line
    assert "--isolation=chroot" in log.read_text()


def test_an_id_without_its_algorithm_gets_it(programs: Path, tmp_path: Path) -> None:
    write(programs / "buildah", FAKE.format(log=tmp_path / "log", image=IMAGE))
    _, built = build_with_buildah(tmp_path, tmp_path, name="x", platform="linux/amd64", progress=lambda _: None)
    assert built == f"sha256:{IMAGE}"


def test_a_failing_step_is_told_with_its_last_lines(programs: Path, tmp_path: Path) -> None:
    write(programs / "buildah", 'echo "STEP 3/9: RUN pip"; echo "no such wheel" >&2; exit 1')
    with pytest.raises(EngineError) as caught:
        build_with_buildah(tmp_path, tmp_path, name="x", platform="linux/amd64", progress=lambda _: None)
    [fault] = caught.value.faults
    assert fault.at == "STEP 3/9: RUN pip"
    assert "no such wheel" in (fault.got or "")


def test_an_image_that_cannot_be_written_is_an_error(programs: Path, tmp_path: Path) -> None:
    script = FAKE.format(log=tmp_path / "log", image=IMAGE)
    write(programs / "buildah", f'case "$*" in *push*) echo "disk full" >&2; exit 1;; esac\n{script}')
    with pytest.raises(EngineError, match="could not write the image"):
        build_with_buildah(tmp_path, tmp_path, name="x", platform="linux/amd64", progress=lambda _: None)


def test_without_buildah_the_error_says_what_to_do(programs: Path) -> None:
    assert programs.is_dir()
    with pytest.raises(EngineUnavailableError, match="not installed"):
        buildah_name()


def test_a_version_that_cannot_be_read_is_no_failure(programs: Path) -> None:
    write(programs / "buildah", "true")
    assert buildah_name() == "buildah"

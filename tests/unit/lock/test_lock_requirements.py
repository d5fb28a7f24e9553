from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import BundleError
from builder.lock.requirements import logical_lines, read_requirements
from tests.support.bundles import digest_of


def texts(*lines: str, root: Path = Path("/")) -> list[str]:
    return [str(requirement) for requirement in read_requirements(lines, root=root).requirements]


def test_comments_and_blank_lines_are_not_requirements() -> None:
    assert texts("# header", "", "numpy>=2  # fast", "pandas") == ["numpy>=2", "pandas"]


def test_continued_lines_are_one_line_with_the_number_of_the_first() -> None:
    assert list(logical_lines(["a==1 \\", "  --hash=x", "b"])) == [(1, "a==1    --hash=x"), (3, "b")]


def test_markers_and_extras_are_kept() -> None:
    assert texts('uvicorn[standard]>=0.30 ; python_version < "3.13"') == [
        'uvicorn[standard]>=0.30; python_version < "3.13"'
    ]


def test_hashes_are_taken_off_the_requirement_and_kept_by_name() -> None:
    digest = digest_of("a wheel")
    wanted = read_requirements(["Num_Py==2.0 \\", f"    --hash={digest}"], root=Path("/"))
    assert str(wanted.requirements[0]) == "Num_Py==2.0"
    assert wanted.hashes == {"num-py": frozenset({digest})}


def test_nested_files_are_read_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "reqs").mkdir()
    (tmp_path / "reqs" / "base.txt").write_text("numpy\n-c limits.txt\n")
    (tmp_path / "reqs" / "limits.txt").write_text("numpy<3\n")
    wanted = read_requirements(["-r base.txt", "pandas"], root=tmp_path, file="reqs/main.txt")
    assert [str(requirement) for requirement in wanted.requirements] == ["numpy", "pandas"]
    assert [str(constraint) for constraint in wanted.constraints] == ["numpy<3"]


def test_index_options_are_kept_and_local_folders_made_absolute(tmp_path: Path) -> None:
    lines = ["--extra-index-url https://host/simple", "--find-links=wheels", "--pre", "--only-binary :all:"]
    assert read_requirements(lines, root=tmp_path).options == (
        "--extra-index-url https://host/simple",
        f"--find-links {tmp_path.resolve() / 'wheels'}",
        "--pre",
    )


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ("numpy ==", "not a requirement"),
        ("./wheels/a.whl", "a path is not a requirement"),
        ("-e .", "-e cannot be used in a bundle's requirements"),
        ("--no-binary :all:", "--no-binary cannot be used in a bundle's requirements"),
        ("torch @ https://host/torch.whl", "torch is required by address, which a lock may not hold"),
        ("pkg @ git+https://user:secret@host/pkg", "pkg is required by address, which a lock may not hold"),
        ("-r ../outside.txt", "requirements file outside the bundle"),
        ("-r absent.txt", "requirements file cannot be read"),
        ("--index-url 'unclosed", "malformed option"),
    ],
)
def test_what_cannot_be_locked_is_refused_with_its_place(line: str, fact: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        read_requirements(["numpy", line], root=tmp_path, file="requirements.txt")
    (fault,) = caught.value.faults
    assert fault.fact.startswith(fact)
    assert fault.at == "requirements.txt:2"
    assert "secret" not in caught.value.render()


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        read_requirements(["numpy ==", "-e .", "pandas"], root=tmp_path)
    assert [fault.at for fault in caught.value.faults] == [
        "environment.requirements, line 1",
        "environment.requirements, line 2",
    ]


def test_file_that_includes_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.txt").write_text("-r loop.txt\n")
    with pytest.raises(BundleError, match="includes itself"):
        read_requirements(["-r loop.txt"], root=tmp_path)

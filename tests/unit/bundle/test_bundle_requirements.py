from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle.requirements import read_requirements


def test_comments_blank_lines_and_continuations_are_understood() -> None:
    found = read_requirements(
        [
            "# what we need",
            "",
            "numpy>=2,<3  # arrays",
            "scikit-learn \\",
            "  ==1.7.*",
            "pandas[parquet]==2.3.*; python_version < '3.14'",
        ]
    )
    assert found.lines == ("numpy>=2,<3", "scikit-learn   ==1.7.*", "pandas[parquet]==2.3.*; python_version < '3.14'")
    assert found.names == ("numpy", "scikit-learn", "pandas")
    assert found.faults == ()


def test_names_are_normalised() -> None:
    assert read_requirements(["Scikit_Learn", "ruamel.yaml"]).names == ("scikit-learn", "ruamel-yaml")


def test_a_continuation_at_the_end_is_a_line() -> None:
    assert read_requirements(["numpy \\"]).lines == ("numpy",)


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ("-r other.txt", "another file"),
        ("--requirement=other.txt", "another file"),
        ("-rother.txt", "another file"),
        ("-c constraints.txt", "constraints"),
        ("-e .", "editable"),
        ("--editable ./pkg", "editable"),
        ("--index-url https://user:secret@example.com/simple", "setting of the machine"),
        ("--extra-index-url=https://example.com", "setting of the machine"),
        ("-i https://example.com", "setting of the machine"),
        ("-ihttps://example.com", "setting of the machine"),
        ("--find-links wheels/", "setting of the machine"),
        ("--trusted-host example.com", "setting of the machine"),
        ("--pre", "option --pre"),
        ("--no-binary=:all:", "option --no-binary"),
        ("git+https://example.com/a.git", "repository"),
        ("a @ git+ssh://git@example.com/a.git@v1", "repository"),
        ("./wheels/a-1.0-py3-none-any.whl", "names a file"),
        ("../a", "names a file"),
        ("/srv/a", "names a file"),
        ("a-1.0-py3-none-any.whl", "names a file"),
        ("a-1.0.tar.gz", "names a file"),
        ("file:///srv/a", "names a file"),
        ("a @ https://example.com/a.zip?x=1", "URL"),
        ("numpy==2.0 --hash=sha256:00", "hashes"),
        ("numpy=2.0", "not a requirement"),
        ("numpy==", "not a requirement"),
        ("two words", "not a requirement"),
    ],
)
def test_anything_but_a_plain_requirement_is_refused_with_its_reason(line: str, fact: str) -> None:
    found = read_requirements(["numpy", line])
    assert found.lines == ("numpy",)
    (fault,) = found.faults
    assert fact in fault.fact
    assert (fault.index, fault.got) == (1, line.replace("user:secret@", "").replace("//git@", "//"))


def test_credentials_are_never_shown() -> None:
    lines = [
        "--index-url https://u:secret@example.com",
        "a @ https://u:secret@example.com/a.zip",
        "a b https://u:secret@x",
    ]
    for fault in read_requirements(lines).faults:
        assert "secret" not in f"{fault.fact} {fault.got} {fault.want}"


def test_a_package_required_twice_names_the_first_line() -> None:
    (fault,) = read_requirements(["", "Scikit-Learn==1.7.*", "scikit_learn"]).faults
    assert fault.index == 2
    assert "line 2" in (fault.want or "")


def test_a_package_may_be_required_under_different_markers() -> None:
    lines = ["numpy<2; python_version < '3.12'", "numpy>=2; python_version >= '3.12'"]
    assert read_requirements(lines).faults == ()


@given(st.lists(st.text(max_size=30), max_size=5))
def test_any_lines_are_requirements_or_faults(lines: list[str]) -> None:
    found = read_requirements(lines)
    assert len(found.lines) == len(found.names)

from __future__ import annotations

from pathlib import Path

import pytest

from builder.scaffold.conda import use_conda, use_lines
from builder.scaffold.draft import Draft


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(form="x", root=tmp_path, source="x")


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ("numpy=1.23", "numpy==1.23.*"),
        ("numpy=1.23.5", "numpy==1.23.5"),
        ("numpy=1.23.5=py39h", "numpy==1.23.5"),
        ("numpy>=1.2,<2", "numpy>=1.2,<2"),
        ("numpy", "numpy"),
        ("conda-forge::numpy=1.*", "numpy==1.*"),
        ("pytorch=2.1", "torch==2.1.*"),
    ],
)
def test_condas_versions_become_pips(draft: Draft, tmp_path: Path, item: str, line: str) -> None:
    (tmp_path / "conda.yaml").write_text(f"dependencies:\n  - {item}\n")
    use_conda(draft, tmp_path / "conda.yaml", shown="conda.yaml")
    assert [wanted.line for wanted in draft.requirements] == [line]


def test_the_python_is_told_and_what_is_no_package_is_left_out(draft: Draft, tmp_path: Path) -> None:
    text = "dependencies:\n  - python=3.10\n  - pip=23\n  - cudatoolkit=11.8\n  - pip:\n    - pandas==2.1.0\n"
    (tmp_path / "conda.yaml").write_text(text)
    assert use_conda(draft, tmp_path / "conda.yaml", shown="conda.yaml") == "3.10"
    assert [wanted.line for wanted in draft.requirements] == ["pandas==2.1.0"]
    assert [note.at for note in draft.left_behind] == ["conda.yaml: cudatoolkit=11.8"]


def test_servers_of_other_tools_and_lines_no_lock_can_pin_are_said(draft: Draft) -> None:
    use_lines(draft, ["azureml-defaults", "-e .", "numpy"], shown="here")
    assert [wanted.line for wanted in draft.requirements] == ["numpy"]
    assert len(draft.left_behind) == 2

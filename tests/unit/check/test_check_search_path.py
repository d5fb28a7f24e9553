from __future__ import annotations

import ast

import pytest

from builder.check.search_path import evaluate_folder


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("'lib'", "lib"),
        ("'.'", ""),
        ("os.path.dirname(__file__)", "src/app"),
        ("os.path.dirname(os.path.abspath(__file__))", "src/app"),
        ("os.path.join(os.path.dirname(__file__), '..', 'lib')", "src/lib"),
        ("os.path.join(HERE, 'lib')", "src/app/lib"),
        ("Path(__file__).parent.parent", "src"),
        ("Path(__file__).resolve().parents[1] / 'lib'", "src/lib"),
        ("str(pathlib.Path(__file__).absolute().parent.joinpath('a', 'b'))", "src/app/a/b"),
        ("os.getcwd()", ""),
        ("Path.cwd() / 'lib'", "lib"),
        ("f'{HERE}/lib'", "src/app/lib"),
        ("'/opt/model/code/lib'", "lib"),
        ("'/home/me/project'", None),
        ("os.environ['X']", None),
        ("os.path.join(unknown, 'lib')", None),
        ("Path(__file__).parents[9]", None),
        ("LOOP", None),
        ("1", None),
    ],
)
def test_folders_are_told_without_running_anything(text: str, folder: str | None) -> None:
    assigned = {
        "HERE": ast.parse("os.path.dirname(__file__)", mode="eval").body,
        "LOOP": ast.parse("LOOP", mode="eval").body,
    }
    node = ast.parse(text, mode="eval").body
    assert evaluate_folder(node, file="src/app/score.py", assigned=assigned) == folder

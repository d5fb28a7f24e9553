"""A folder with a script written for SageMaker."""

from __future__ import annotations

import shutil
from pathlib import Path

from builder.scaffold.forms import draft_bundle
from tests.support import foreign

SCRIPT = "def model_fn(model_dir):\n    return 1\n\n\ndef predict_fn(data, model):\n    return data\n"


def test_the_script_is_taken_as_it_is_and_its_first_request_is_the_persons_to_give(tmp_path: Path) -> None:
    shutil.copy(foreign.TRIAGE, tmp_path)
    (tmp_path / "inference.py").write_text(SCRIPT)
    (tmp_path / "requirements.txt").write_text("scikit-learn==1.7.*\n")
    draft = draft_bundle(tmp_path)
    assert draft.script == "inference.py"
    assert draft.scope == "body"
    assert [blank.at for blank in draft.blanks] == ["smoke[0].request"]

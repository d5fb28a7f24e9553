from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import TemplateError
from builder.render.dockerfile import render_dockerfile
from tests.support.plans import churn_plan


@pytest.fixture
def override(tmp_path: Path) -> Path:
    return tmp_path / "Dockerfile.j2"


def fault_of(folder: Path) -> tuple[str, str]:
    with pytest.raises(TemplateError) as caught:
        render_dockerfile(churn_plan(), folder)
    [fault] = caught.value.faults
    return fault.fact, fault.at or ""


def test_the_same_plan_gives_the_same_text() -> None:
    assert render_dockerfile(churn_plan()) == render_dockerfile(churn_plan())


def test_the_text_ends_with_one_line_break_and_has_no_blank_at_line_ends() -> None:
    text = render_dockerfile(churn_plan())
    assert text.endswith("]\n")
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_configuration_without_healthcheck_volumes_or_variables_is_no_trouble() -> None:
    plan = churn_plan()
    config = replace(plan.config, healthcheck=None, env=(), labels={}, exposed_ports=(), volumes=("/data",))
    text = render_dockerfile(replace(plan, config=config))
    assert 'VOLUME ["/data"]\n' in text
    assert not {"HEALTHCHECK", "ENV", "LABEL", "EXPOSE"} & {line.split(" ")[0] for line in text.splitlines()}


def test_a_template_of_one_s_own_replaces_ours(override: Path) -> None:
    override.write_text("FROM scratch\nLABEL x={{ image.config.user }}")
    assert render_dockerfile(churn_plan(), override.parent) == "FROM scratch\nLABEL x=10001:0\n"


def test_a_template_of_one_s_own_may_change_one_block_of_ours(override: Path) -> None:
    override.write_text(
        '{% extends "kiln/Dockerfile.j2" %}\n{% block configuration %}\n{{ super() }}\nVOLUME ["/x"]\n{% endblock %}\n'
    )
    ours, changed = render_dockerfile(churn_plan()), render_dockerfile(churn_plan(), override.parent)
    assert [line for line in changed.splitlines() if line] == [
        *(line for line in ours.splitlines() if line),
        'VOLUME ["/x"]',
    ]


def test_a_folder_without_the_template_leaves_ours(tmp_path: Path) -> None:
    assert render_dockerfile(churn_plan(), tmp_path) == render_dockerfile(churn_plan())


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "none") == ("the folder of templates does not exist", str(tmp_path / "none"))


def test_a_syntax_error_is_given_with_file_and_line(override: Path) -> None:
    override.write_text("FROM scratch\n\n{% for x in %}\n")
    fact, at = fault_of(override.parent)
    assert fact.startswith("template syntax: ")
    assert at == f"{override}:3"


def test_an_unknown_name_is_given_with_file_and_line(override: Path) -> None:
    override.write_text("FROM scratch\nLABEL x={{ image.nonsense }}\n")
    fact, at = fault_of(override.parent)
    assert "nonsense" in fact
    assert at == f"{override}:2"


def test_a_name_that_is_not_there_at_all_is_given_with_file_and_line(override: Path) -> None:
    override.write_text("\n\n{{ bundle }}\n")
    assert fault_of(override.parent) == ("the template cannot be rendered: 'bundle' is undefined", f"{override}:3")


def test_a_failure_inside_a_template_is_given_with_file_and_line(override: Path) -> None:
    override.write_text("FROM scratch\n{{ 1 / 0 }}\n")
    fact, at = fault_of(override.parent)
    assert "division by zero" in fact
    assert at == f"{override}:2"


def test_a_template_that_includes_a_missing_one_is_an_error(override: Path) -> None:
    override.write_text('FROM scratch\n{% include "missing.j2" %}\n')
    assert fault_of(override.parent) == ("no template named missing.j2", f"{override}:2")

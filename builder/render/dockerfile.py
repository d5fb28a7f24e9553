"""The plan as a Dockerfile: text a person reads, an auditor approves, and any builder builds."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
)
from jinja2 import TemplateError as JinjaError

from builder.errors import TemplateError
from builder.host.resources import resource_dir
from builder.plan.model import Plan
from builder.render.view import view

DOCKERFILE_TEMPLATE = "Dockerfile.j2"
SHIPPED = "kiln"
"""Under this prefix an overriding template reaches the one it overrides: ``{% extends "kiln/Dockerfile.j2" %}``."""


def render_dockerfile(plan: Plan, overrides: Path | None = None) -> str:
    """Return the Dockerfile of a plan. The same plan and templates give the same text.

    ``overrides`` is a folder whose templates replace ours of the same name. A folder that is not there, a syntax
    error, an unknown name, or a failure inside a template is a TemplateError with the template's file and line.
    """
    if overrides is not None and not overrides.is_dir():
        raise TemplateError.of("the folder of templates does not exist", at=str(overrides))
    return render_template(DOCKERFILE_TEMPLATE, {"image": view(plan)}, overrides).strip() + "\n"


def render_template(name: str, values: Mapping[str, Any], overrides: Path | None = None) -> str:
    """Render one of the shipped templates, or the one of ``overrides`` that replaces it."""
    shipped = FileSystemLoader(resource_dir("templates"))
    loaders: list[BaseLoader] = [FileSystemLoader(overrides)] if overrides else []
    environment = Environment(
        loader=ChoiceLoader([*loaders, shipped, PrefixLoader({SHIPPED: shipped})]),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - a Dockerfile is no HTML; values are quoted for it in the view
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        return environment.get_template(name).render(values)
    except TemplateSyntaxError as error:
        place = f"{error.filename or error.name}:{error.lineno}"
        raise TemplateError.of(f"template syntax: {error.message}", at=place) from error
    except TemplateNotFound as error:
        raise TemplateError.of(f"no template named {error.name}", at=_place(error, name)) from error
    except (JinjaError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise TemplateError.of(
            f"the template cannot be rendered: {error}",
            at=_place(error, name),
            hint="docs/reference/dockerfile.md lists what a template may name",
        ) from error


def _place(error: BaseException, name: str) -> str:
    """Return the innermost template file and line of an error; Jinja2 rewrites tracebacks to name them."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else name

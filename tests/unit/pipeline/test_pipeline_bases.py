"""What is known of a base before its layers are here."""

from __future__ import annotations

from dataclasses import replace

from builder.base.model import BaseKind
from builder.pipeline.bases import exact_python
from tests.support.bundles import make_base


def test_exact_python_is_that_of_an_assembled_bases_lock() -> None:
    exact = exact_python(make_base())
    assert exact is not None
    assert exact.startswith("3.11.")


def test_exact_python_of_a_registrys_base_is_not_known() -> None:
    assert exact_python(replace(make_base(), kind=BaseKind.REGISTRY, name="registry.corp.net/python:3.11")) is None

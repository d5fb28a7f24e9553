"""Refusals that a small index cannot provoke; the common ones are tested on the resolvers themselves."""

from __future__ import annotations

import re

import pytest

from builder.errors import FetchError, KilnError, ResolutionError, StoreError
from builder.lock.explain import explain_refusal, explain_trouble, located, with_versions
from builder.lock.target import Target
from tests.support.bundles import AMD64

TARGET = Target(python="3.11", platform=AMD64, glibc=(2, 36))

MANY_VERSIONS = """\
error: No solution found when resolving dependencies
  cause: Because all of:
             numpy<=1.9.3
             numpy>=1.10.4,<=1.19.5
          have no usable wheels and only the following versions of numpy are available:
             numpy<=1.9.3
             numpy>=1.10.4
         we can conclude that numpy<=1.19.5 cannot be used.
         And because you require numpy<1.20, we can conclude that your requirements are unsatisfiable.
"""
MARKED_EDGE = """\
error: No solution found when resolving dependencies
  cause: Because pandas>=3.1.1 depends on numpy{python_full_version < '3.14'}>=2.0.2 and you require numpy==1.26.4, we \
can conclude that your requirements and pandas>=3.1.1 are incompatible.
         And because you require pandas==3.1.1, we can conclude that your requirements are unsatisfiable.
"""
CANDIDATE_WITHOUT_WHEELS = """\
error: No solution found when resolving dependencies
  cause: Because scipy>=1.18.0rc1 has no usable wheels and scipy>=1.17.0,<=1.17.1 depends on numpy>=1.26.4, we can \
conclude that scipy>=1.18.0rc1 depends on numpy>=1.26.4.
         And because you require numpy<1.26 and scipy>=1.17, we can conclude that your requirements are unsatisfiable.
"""
NO_SUCH_VERSION = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of numpy==9.9.9 and you require numpy==9.9.9, we can conclude \
that your requirements are unsatisfiable.
"""


def test_range_in_the_message_is_the_authors_not_the_resolvers() -> None:
    error = explain_refusal(MANY_VERSIONS, TARGET)
    assert error.faults[0].fact == "numpy<1.20 can only be had as source, and images are made of wheels"
    assert error.faults[0].at == "required by requirements → numpy"


def test_versions_that_nobody_needs_are_not_why_others_do_not_fit() -> None:
    error = explain_refusal(CANDIDATE_WITHOUT_WHEELS, TARGET)
    assert error.faults[0].fact == "the requirements contradict each other about numpy"
    assert "numpy>=1.26.4 by requirements → scipy" in str(error.faults[0].got)


def test_conflict_is_found_through_a_marked_dependency() -> None:
    error = explain_refusal(MARKED_EDGE, TARGET)
    assert error.faults[0].fact == "the requirements contradict each other about numpy"
    assert "numpy==1.26.4 by requirements" in str(error.faults[0].got)
    assert "by requirements → pandas" in str(error.faults[0].got)
    assert error.hint == "loosen or change the required version of numpy==1.26.4, pandas==3.1.1"


def test_lines_of_the_requirements_that_contradict_each_other_are_named() -> None:
    error = explain_refusal(MARKED_EDGE, TARGET)
    assert isinstance(error, ResolutionError)
    places = {"numpy": "requirements.txt:1", "pandas": "requirements.txt:2"}
    at = str(located(error, places).faults[0].at)
    assert at.startswith(("requirements.txt:1, requirements.txt:2: for", "requirements.txt:2, requirements.txt:1: for"))


def test_line_of_the_requirement_that_cannot_be_had_is_named() -> None:
    error = explain_refusal(MANY_VERSIONS, TARGET)
    assert isinstance(error, ResolutionError)
    (fault,) = located(error, {"numpy": "requirements.txt:3"}).faults
    assert fault.at == "requirements.txt:3: required by requirements → numpy"
    assert located(error, {}).faults == error.faults


def test_a_version_that_does_not_exist_is_told_with_those_that_do() -> None:
    error = explain_refusal(NO_SUCH_VERSION, TARGET)
    assert isinstance(error, ResolutionError)
    pip = (
        "  ERROR: Could not find a version that satisfies the requirement numpy==9.9.9 (from versions: 1.0, 1.1, 2.0)\n"
    )
    assert str(with_versions(error, pip).hint).endswith("exists on the configured index; the newest are 1.0, 1.1, 2.0")
    assert with_versions(error, pip.replace("numpy", "pandas")) is error
    early = pip.replace("2.0)", "2.0, 2.1rc1, 2.1.dev3)")
    assert early != pip
    assert str(with_versions(error, early).hint).endswith("the newest are 1.0, 1.1, 2.0")
    assert str(with_versions(error, re.sub(r"versions: .*\)", "versions: 3.0a1, 3.0rc1)", pip)).hint).endswith(
        "the newest are 3.0a1, 3.0rc1"
    )
    assert with_versions(error, "") is error


def test_a_package_by_the_name_that_is_imported_is_told_its_own() -> None:
    error = explain_refusal(MANY_VERSIONS.replace("numpy", "sklearn"), TARGET)
    assert str(error.hint).startswith("did you mean scikit-learn?")
    assert "did you mean" not in str(explain_refusal(MANY_VERSIONS, TARGET).hint)


def test_hints_of_the_resolver_are_not_shown_as_ours() -> None:
    error = explain_refusal(MANY_VERSIONS + "\nhint: Wheels are required (i.e., with `--no-build`)\n", TARGET)
    assert "hint:" not in str(error.faults[0].got)


PIP_OUTAGE = """\
Looking in links: /somewhere
  WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError("HTTPConnection(host='127.0.0.1', \
port=1): Failed to establish a new connection: [Errno 111] Connection refused")': /simple/numpy/
  WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError("HTTPConnection(host='127.0.0.1', \
port=1): Failed to establish a new connection: [Errno 111] Connection refused")': /simple/scipy/
  Discarding https://private.example/simple/a.whl: it is too old
  WARNING: Could not fetch URL https://private.example/simple/: connection error: HTTPSConnectionPool(\
host='private.example', port=443): Max retries exceeded with url: /simple/ (Caused by NameResolutionError("\
HTTPSConnection(host='private.example', port=443): Failed to resolve 'private.example' ([Errno -2] Name or service \
not known)")) - skipping
  ERROR: Could not find a version that satisfies the requirement numpy (from versions: none)
"""
UV_OUTAGE = """\
error: Request failed after 1 retry in 1.7s
  cause: Failed to fetch: http://127.0.0.1:1/simple/numpy/
  cause: error sending request for url (http://127.0.0.1:1/simple/numpy/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PIP_OUTAGE, "127.0.0.1:1: Connection refused\nprivate.example: Name or service not known"),
        (UV_OUTAGE, "127.0.0.1:1: Connection refused"),
    ],
)
def test_an_outage_is_one_line_for_each_host(text: str, expected: str) -> None:
    error = explain_trouble(text)
    assert error is not None
    assert error.faults[0].got == expected


def test_refusal_in_words_not_known_is_shown_as_it_is() -> None:
    error = explain_refusal("error: the moon is in the wrong phase\n", TARGET)
    assert isinstance(error, ResolutionError)
    assert error.faults[0].got == "error: the moon is in the wrong phase"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("WARNING: Retrying after connection broken by 'NewConnectionError(...)': /simple/a/", FetchError),
        ("ERROR: HTTP error: 403 Client Error: Forbidden for url: https://u:p@host/simple/a/", FetchError),
        ("WARNING: 401 Error, Credentials not correct for https://host/simple/a/", FetchError),
        ("error: Failed to fetch: `https://host/simple/a/`\n  cause: invalid peer certificate", FetchError),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", StoreError),
    ],
)
def test_trouble_with_network_or_disk_is_not_taken_for_a_missing_version(text: str, kind: type[KilnError]) -> None:
    error = explain_trouble(text)
    assert type(error) is kind
    assert "u:p" not in error.render()
    assert error.hint


def test_package_named_like_an_error_code_is_no_trouble() -> None:
    assert explain_trouble("ERROR: No matching distribution found for google-credentials==401") is None


def test_traceback_is_not_shown() -> None:
    text = 'ERROR: what matters\nTraceback (most recent call last):\n  File "x.py"\nValueError: in the end\n'
    assert explain_refusal(text, TARGET).faults[0].got == "ERROR: what matters\nin the end"

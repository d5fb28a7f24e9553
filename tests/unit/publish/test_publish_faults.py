from __future__ import annotations

import pytest

from builder.errors import RegistryAuthError, RegistryError
from builder.publish.faults import MESSAGE_LIMIT, error_codes, outage, redacted, refusal, words
from tests.support.registry import error_body


def test_urls_are_shown_without_anything_secret() -> None:
    url = "https://alice:s3cret@reg.example:5000/v2/a/blobs/uploads/1?_state=s3cret#s3cret"
    assert redacted(url) == "https://reg.example:5000/v2/a/blobs/uploads/1"
    assert redacted("/v2/?x=s3cret") == "/v2/"


def test_the_registrys_own_words_are_shown() -> None:
    assert words(404, error_body("MANIFEST_UNKNOWN", "manifest unknown")) == "MANIFEST_UNKNOWN: manifest unknown"
    assert words(404, error_body("MANIFEST_UNKNOWN")) == "MANIFEST_UNKNOWN"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (502, b"<html>bad</html>", "502 Bad Gateway"),
        (500, b"", "500 Internal Server Error"),
        (599, b"odd", "status 599: odd"),
        (500, b"{}", "500 Internal Server Error: {}"),
        (500, b'{"errors": "no list"}', '500 Internal Server Error: {"errors": "no list"}'),
        (500, b'{"errors": ["no object"]}', '500 Internal Server Error: {"errors": ["no object"]}'),
        (500, b"\xff\n\n  two   lines", "500 Internal Server Error: � two lines"),
    ],
)
def test_without_them_the_status_is_said(status: int, body: bytes, said: str) -> None:
    assert words(status, body) == said


def test_words_are_bounded_and_printable() -> None:
    said = words(500, error_body("UNKNOWN", "\x1b[31m" + "x" * 10_000))
    assert len(said) <= MESSAGE_LIMIT + 1
    assert "\x1b" not in said


def test_codes_are_read_in_order() -> None:
    assert error_codes(b'{"errors": [{"code": "A"}, {"message": "m"}, {"code": "B"}]}') == ("A", "B")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "UNAUTHORIZED", RegistryAuthError),
        (403, "DENIED", RegistryAuthError),
        (404, "DENIED", RegistryAuthError),
        (404, "NAME_UNKNOWN", RegistryError),
        (400, "MANIFEST_INVALID", RegistryError),
    ],
)
def test_refusals_are_sorted_by_what_a_person_can_do(status: int, code: str, kind: type[Exception]) -> None:
    error = refusal("PUT", "https://reg.example/v2/a", status, error_body(code))
    assert type(error) is kind
    assert error.hint
    assert error.faults[0].at == "PUT https://reg.example/v2/a"


def test_too_large_an_upload_has_its_own_hint() -> None:
    assert "limits the size" in (refusal("PUT", "https://r.example/", 413, b"").hint or "")


def test_an_outage_remembers_what_the_server_asked_for() -> None:
    assert outage("GET", "https://r.example/", "down", retry_after=3.0).retry_after == 3.0

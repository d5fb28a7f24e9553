"""What stands in for Flask's request and response where a bundle has no Flask."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.runtime.worker.azure_web import ShimWeb, make_environ
from builder.runtime.worker.raw import RawRequest
from builder.runtime.worker.shim_form import read_form, split_header
from builder.runtime.worker.shim_headers import Headers, MultiDict
from builder.runtime.worker.shim_request import ShimRequest
from builder.runtime.worker.shim_response import ShimResponse


def make_request(body: bytes = b"", **headers: str) -> ShimRequest:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    raw = RawRequest("POST", "/score?a=1&a=2", named, body)
    return ShimRequest(raw, make_environ(raw))


def test_headers_are_found_whatever_their_case_and_may_repeat() -> None:
    headers = Headers({"X-A": "1"})
    headers.add("x-a", 2)
    headers["B"] = "3"
    assert (headers["X-a"], headers.getlist("X-A"), "b" in headers, len(headers)) == ("1", ["1", "2"], True, 3)
    headers["x-A"] = "4"
    assert headers.to_wsgi_list() == [("x-A", "4"), ("B", "3")]
    assert headers.get("b", type=int) == 3
    assert headers.get("none", "default") == "default"
    assert headers.pop("B") == "3"
    with pytest.raises(KeyError):
        headers["B"]
    with pytest.raises(ValueError, match="line ends"):
        headers.add("C", "a\r\nb")


def test_a_name_given_twice_has_two_values() -> None:
    values = MultiDict([("a", "1"), ("a", "x"), ("b", "2")])
    assert (values["a"], values.getlist("a"), values.getlist("a", type=int)) == ("1", ["1", "x"], [1])
    assert values.to_dict(flat=False) == {"a": ["1", "x"], "b": ["2"]}


def test_files_of_a_form_are_read_and_saved(tmp_path: Path) -> None:
    part = (
        b"Content-Disposition: form-data; name=f; filename*=UTF-8''%C3%A9.png\r\nContent-Type: image/png\r\n\r\n\r\n--x"
    )
    _, files = read_form("multipart/form-data", {"boundary": "b"}, b"--b\r\n" + part + b"\r\n--b--")
    file = files["f"]
    assert (file.filename, file.mimetype) == ("é.png", "image/png")
    file.save(tmp_path / "it")
    assert (tmp_path / "it").read_bytes() == b"\r\n--x"
    assert file.seek(0) == 0
    assert file.read(2) == b"\r\n"


def test_a_header_is_split_into_its_value_and_parameters() -> None:
    assert split_header('Text/CSV; header=present; charset="utf-8"') == (
        "text/csv",
        {"header": "present", "charset": "utf-8"},
    )
    assert split_header('a; name="x \\"y\\" \\\\z"')[1] == {"name": 'x "y" \\z'}


def test_a_request_says_what_it_is() -> None:
    request = make_request(b'{"x": [1]}', content_type="application/json; charset=utf-8", host="h:80")
    assert (request.args.getlist("a"), request.json, request.url) == (["1", "2"], {"x": [1]}, "http://h/score?a=1&a=2")
    assert request.get_data(as_text=True) == '{"x": [1]}'
    assert make_request(b"a=1", content_type="application/x-www-form-urlencoded").data == b""
    with pytest.raises(AttributeError, match="add flask to the bundle's requirements"):
        _ = request.accept_mimetypes


def test_a_response_can_be_changed_until_it_is_sent() -> None:
    closed: list[int] = []
    response = ShimResponse("é", 201, {"X-A": "1"})
    response.call_on_close(lambda: closed.append(1))
    response.status = "202 Later"
    response.delete_cookie("seen")
    status, headers, body = ShimWeb().render(response, RawRequest("GET", "/", (), b""))
    assert (status, body, closed) == (202, "é".encode(), [1])
    assert ("Content-Type", "text/html; charset=utf-8") in headers
    assert "Max-Age=0" in dict(headers)["Set-Cookie"]
    assert ShimResponse(status=299).status == "299 UNKNOWN"
    assert ShimResponse('{"a": 1}', mimetype="application/json").json == {"a": 1}

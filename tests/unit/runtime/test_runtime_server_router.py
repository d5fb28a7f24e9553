from __future__ import annotations

from typing import Any

from builder.runtime.server.failure import Failure
from builder.runtime.server.message import Request, Response
from builder.runtime.server.protocol import Route
from builder.runtime.server.router import MOST_REMEMBERED, Router


def make_route(pattern: str, *methods: str, name: str = "") -> Route:
    def does(_request: Request) -> Response:
        return Response(200, (name or pattern).encode())

    def fail(_request: Request, failure: Failure) -> Response:
        return Response(failure.status, (name or pattern).encode())

    return Route(methods=methods or ("GET",), pattern=pattern, does=does, fail=fail, operation="x")


def find(router: Router, path: str, method: str = "GET") -> tuple[str, Any] | None:
    found = router.find(path)
    return found and (found[0][method].pattern, dict(found[1]))


def test_an_exact_path_is_found_before_a_pattern() -> None:
    router = Router([make_route("/v1/{name}"), make_route("/v1/models")])
    assert find(router, "/v1/models") == ("/v1/models", {})
    assert find(router, "/v1/other") == ("/v1/{name}", {"name": "other"})


def test_a_pattern_may_end_in_a_verb_and_names_may_be_escaped() -> None:
    router = Router([make_route("/v1/models/{model}:predict", "POST"), make_route("/v1/models/{model}")])
    path = "/v1/models/a%20b:predict"
    assert find(router, path, "POST") == ("/v1/models/{model}:predict", {"model": "a b"})
    assert find(router, path, "POST") == ("/v1/models/{model}:predict", {"model": "a b"})
    assert find(router, "/v1/models/a/b") is None
    assert find(router, "/v1/models/") is None


def test_the_first_to_claim_a_method_has_it() -> None:
    router = Router([make_route("/x", "GET", name="first"), make_route("/x", "GET", "POST", name="second")])
    found = router.find("/x")
    assert found is not None
    assert [found[0][method].fail(None, Failure(status=404, message="")).body for method in ("GET", "POST")] == [  # type: ignore[arg-type]
        b"first", b"second",
    ]  # fmt: skip


def test_what_is_remembered_is_bounded() -> None:
    router = Router([make_route("/v1/{name}")])
    for number in range(MOST_REMEMBERED * 3):
        assert find(router, f"/v1/{number}") == ("/v1/{name}", {"name": str(number)})
    assert len(router._remembered) <= MOST_REMEMBERED


def test_an_unknown_path_is_refused_by_its_nearest_protocol() -> None:
    router = Router([make_route("/"), make_route("/v2/models/{m}"), make_route("/v1/models/{m}")])
    failure = Failure(status=404, message="")
    for path, nearest in (("/v2/x", b"/v2/models/{m}"), ("/v1/models/a/b", b"/v1/models/{m}"), ("/zzz", b"/")):
        assert router.find_fail(path)(None, failure).body == nearest  # type: ignore[arg-type]

"""The runtime API of AWS Lambda (version 2018-06-01): ask for the next invocation, answer it, or say what failed."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PREFIX = "/2018-06-01/runtime"
ERROR_TYPE = "application/vnd.aws.lambda.error+json"


class RuntimeApiError(Exception):
    """The runtime API does not answer as it should; the process can only end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """One invocation. ``deadline`` is in seconds since 1970."""

    request_id: str
    event: bytes
    deadline: float
    function_arn: str
    trace_id: str


class RuntimeApi:
    """A client of the runtime API, over one connection that is kept."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection = http.client.HTTPConnection(address)

    def take_next(self) -> Invocation:
        """Wait, for as long as it takes, for the next invocation."""
        headers, body = self._ask("GET", f"{PREFIX}/invocation/next")
        request_id = headers.get("lambda-runtime-aws-request-id")
        if not request_id:
            raise RuntimeApiError("an invocation without a request ID")
        deadline = headers.get("lambda-runtime-deadline-ms", "")
        return Invocation(
            request_id=request_id,
            event=body,
            deadline=int(deadline) / 1000 if deadline.isdigit() else float("inf"),
            function_arn=headers.get("lambda-runtime-invoked-function-arn", ""),
            trace_id=headers.get("lambda-runtime-trace-id", ""),
        )

    def answer(self, invocation: Invocation, body: bytes) -> None:
        """Answer an invocation."""
        self._ask(
            "POST", f"{PREFIX}/invocation/{invocation.request_id}/response", body, {"content-type": "application/json"}
        )

    def fail(self, invocation: Invocation, kind: str, message: str, more: Mapping[str, Any] | None = None) -> None:
        """Say that an invocation failed."""
        cause = {
            "working_directory": "/opt/model/code",
            "exceptions": [{"type": kind, "message": message[:1024], "stack": []}],
            "paths": [],
        }
        headers = {
            "content-type": ERROR_TYPE,
            "lambda-runtime-function-error-type": kind,
            "lambda-runtime-function-xray-error-cause": json.dumps(cause),
        }
        self._ask(
            "POST", f"{PREFIX}/invocation/{invocation.request_id}/error", make_error(kind, message, more), headers
        )

    def fail_to_start(self, kind: str, message: str, trace: Sequence[str] = ()) -> None:
        """Say that the runtime could not start; Lambda then ends the process."""
        headers = {"content-type": ERROR_TYPE, "lambda-runtime-function-error-type": kind}
        self._ask("POST", f"{PREFIX}/init/error", make_error(kind, message, trace=trace), headers)

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[Mapping[str, str], bytes]:
        """Send one request; a kept connection that was closed in between is made anew, once."""
        try:
            response, answer = self._exchange(method, path, body, headers or {})
        except (http.client.HTTPException, OSError) as error:
            if method != "POST":
                raise RuntimeApiError(f"{method} {path} at {self._address}: {error!r}") from error
            response, answer = self._exchange_again(path, body, headers or {})
        if response.status in {413, 400} and method == "POST":
            return {}, answer  # an answer that Lambda does not want; it has told the caller
        if response.status not in {200, 202}:
            raise RuntimeApiError(f"{method} {path} at {self._address} answers {response.status}: {answer[:300]!r}")
        return {name.lower(): value for name, value in response.getheaders()}, answer

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        try:
            self._connection.request(method, path, body, dict(headers))
            response = self._connection.getresponse()
            return response, response.read()
        except (http.client.HTTPException, OSError):
            self._connection.close()
            raise

    def _exchange_again(
        self, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        try:
            return self._exchange("POST", path, body, headers)
        except (http.client.HTTPException, OSError) as error:
            raise RuntimeApiError(f"POST {path} at {self._address}: {error!r}") from error


def make_error(kind: str, message: str, more: Mapping[str, Any] | None = None, trace: Sequence[str] = ()) -> bytes:
    """Return the body of an error."""
    return json.dumps({"errorMessage": message, "errorType": kind, "stackTrace": list(trace), **(more or {})}).encode()

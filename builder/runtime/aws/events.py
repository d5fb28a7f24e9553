"""Events of AWS Lambda as HTTP requests, and HTTP answers as the events' callers want them.

Known are API Gateway's payload formats 1.0 (REST) and 2.0 (HTTP), function URLs, which send 2.0, and Application Load
Balancers. Whatever else comes is a direct invocation: plain records.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, quote_plus

REST, HTTP, BALANCER, DIRECT = "rest", "http", "balancer", "direct"
TEXTS = ("application/json", "application/x-ndjson", "application/jsonlines", "application/problem+json")


class EventError(Exception):
    """An event that looks like an HTTP request and is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One event. ``many`` says that its caller wants headers as lists of values."""

    kind: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    client: str = ""
    many: bool = False


def read_event(event: Any, route: str) -> Call:
    """Return the request an event stands for; a direct invocation goes to ``route``."""
    if isinstance(event, dict):
        context = event.get("requestContext")
        if isinstance(context, dict):
            if "elb" in context and "httpMethod" in event:
                return _read_classic(event, context, BALANCER)
            if isinstance(context.get("http"), dict):
                return _read_http(event, context)
            if "httpMethod" in event and "path" in event:
                return _read_classic(event, context, REST)
    body = json.dumps(event, ensure_ascii=False, allow_nan=True).encode()
    return Call(kind=DIRECT, method="POST", target=route, headers=(("content-type", "application/json"),), body=body)


def _read_http(event: Mapping[str, Any], context: Mapping[str, Any]) -> Call:
    """Read payload format 2.0: the path still has the stage in front, unless it is the default one."""
    told = context["http"]
    path = str(event.get("rawPath") or told.get("path") or "/")
    stage = str(context.get("stage") or "$default")
    if stage != "$default" and (path + "/").startswith(f"/{stage}/"):
        path = path[len(stage) + 1 :] or "/"
    query = str(event.get("rawQueryString") or "")
    headers = list(_flatten(event.get("headers"), None))
    cookies = event.get("cookies")
    if isinstance(cookies, list) and cookies:
        headers.append(("cookie", "; ".join(map(str, cookies))))
    return Call(
        kind=HTTP,
        method=str(told.get("method") or "GET").upper(),
        target=_join(_quote_path(path), query),
        headers=tuple(headers),
        body=_read_body(event),
        client=str(told.get("sourceIp") or ""),
    )


def _read_classic(event: Mapping[str, Any], context: Mapping[str, Any], kind: str) -> Call:
    """Read payload format 1.0 or a load balancer's; the balancer leaves the query as it was written."""
    pairs = _flatten(event.get("queryStringParameters"), event.get("multiValueQueryStringParameters"), lower=False)
    if kind == BALANCER:
        query = "&".join(f"{name}={value}" for name, value in pairs)
    else:
        query = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    identity = context.get("identity")
    return Call(
        kind=kind,
        method=str(event["httpMethod"]).upper(),
        target=_join(_quote_path(_cut_base_path(event, context)), query),
        headers=tuple(_flatten(event.get("headers"), event.get("multiValueHeaders"))),
        body=_read_body(event),
        client=str(identity.get("sourceIp") or "") if isinstance(identity, dict) else "",
        many=isinstance(event.get("multiValueHeaders"), dict),
    )


def _cut_base_path(event: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """Return the path without the stage, which some set-ups leave in front, and without a custom domain's base path."""
    path = str(event.get("path") or "/")
    stage = str(context.get("stage") or "")
    if stage and (path + "/").startswith(f"/{stage}/"):
        return path[len(stage) + 1 :] or "/"
    proxy = (event.get("pathParameters") or {}).get("proxy")
    resource = str(event.get("resource") or "")
    if proxy is not None and resource == "/{proxy+}" and path.endswith(f"/{proxy}"):
        return f"/{proxy}"
    return path


def _join(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _quote_path(path: str) -> str:
    return quote(path if path.startswith("/") else f"/{path}", safe="/%:@!$&'()*+,;=~-._")


def _flatten(single: Any, many: Any, *, lower: bool = True) -> Iterable[tuple[str, str]]:
    """Yield pairs from either of the two forms; the one with lists says everything that the other says."""
    if isinstance(many, dict):
        for name, values in many.items():
            for value in values or ():
                yield (name.lower() if lower else name), _clean(value)
    elif isinstance(single, dict):
        for name, value in single.items():
            if value is not None:
                yield (name.lower() if lower else name), _clean(value)


def _clean(value: Any) -> str:
    text = str(value).replace("\r", " ").replace("\n", " ")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()  # no halves of surrogate pairs


def _read_body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise EventError(f"the body of an HTTP event is text, not {type(body).__name__}")
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise EventError(f"the body says that it is base64, and is not: {error}") from None
    return body.encode("utf-8", "surrogatepass")


def write_answer(
    call: Call, status: int, content_type: str, headers: Iterable[tuple[str, str]], body: bytes
) -> dict[str, Any]:
    """Return an HTTP answer in the form the event's caller reads. Bytes that are not text become base64."""
    pairs = [("content-type", content_type), *headers]
    text, is_base64 = _show_body(content_type, body)
    answer: dict[str, Any] = {"statusCode": status, "body": text, "isBase64Encoded": is_base64}
    if call.kind == BALANCER:
        phrase = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Unknown"
        answer["statusDescription"] = f"{status} {phrase}"
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    if call.kind == HTTP:
        if cookies := lists.pop("set-cookie", None):
            answer["cookies"] = cookies
        answer["headers"] = {name: ",".join(values) for name, values in lists.items()}
    elif call.many:
        answer["multiValueHeaders"] = lists
        if call.kind == REST:
            answer["headers"] = {name: values[-1] for name, values in lists.items()}
    else:
        answer["headers"] = {name: values[-1] for name, values in lists.items()}
    return answer


def _show_body(content_type: str, body: bytes) -> tuple[str, bool]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in TEXTS or kind.endswith(("+json", "+xml")):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True

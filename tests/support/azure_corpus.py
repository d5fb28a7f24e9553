"""The requests that Azure ML's server and ours are asked, each naming the known difference it shows, if any."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass

JSON = ("content-type", "application/json")
LONG = "i" * 101
MULTIPART = ("content-type", 'multipart/form-data; boundary="-+b"')
FORM = ("content-type", "application/x-www-form-urlencoded")
PARTS = (
    b'---+b\r\nContent-Disposition: form-data; name="field"\r\n\r\none\r\n'
    b'---+b\r\nContent-Disposition: form-data; name="field"\r\n\r\ntwo \xc3\xa9\r\n'
    b'---+b\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\".png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x00--b\xff\r\n"
    b'---+b\r\nContent-Disposition: form-data; name="empty"; filename=""\r\n\r\n\r\n---+b--\r\n'
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request. ``differs`` names an entry of the table of known differences, which it must then show."""

    script: str
    name: str
    method: str = "POST"
    path: str = "/score"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    chunks: tuple[bytes, ...] = ()
    differs: str = ""


def cases() -> Iterator[Case]:
    """Yield every case, those of one script together."""
    yield from _plain()
    yield from _decorated()
    yield from _standard()
    yield from _raw()
    yield from _response()
    yield from _origins()


def _plain() -> Iterator[Case]:
    def ask(name: str, body: bytes | None = b"{}", *headers: tuple[str, str], **more: str) -> Case:
        return Case(script="plain", name=name, body=body, headers=headers or (JSON,), **more)

    answers = [
        "none",
        "text",
        "number",
        "float",
        "tiny",
        "huge",
        "nan",
        "true",
        "list",
        "tuple",
        "keys",
        "unicode",
        "surrogate",
        "bytes",
        "set",
        "decimal",
        "date",
    ]
    answers += [
        "object",
        "generator",
        "array",
        "scalar",
        "double",
        "listed",
        "frame",
        "ring",
        "large",
        "error",
        "assertion",
        "stop",
        "sleep",
        "swallow",
    ]
    for word in (*answers, "empty text", "tuple keys", "frame text", "timeout", "model"):
        yield ask(f"answers {word}", json.dumps({"do": word}).encode())
    values = ("null", "true", "-0", "1e999", "NaN", '"a"', "[]", '{"a": [1, {"b": "\\u00e9"}]}', "01", '{"a": 1,}', "{")
    for text in values:
        yield ask(f"is asked {text}", text.encode())
    bodies = {
        "nothing": b"",
        "spaces": b"  \r\n\t ",
        "unicode": "é日本😀\u2028".encode(),
        "a mark": b"\xef\xbb\xbf{}",
        "utf-16": '{"a": "é"}'.encode("utf-16"),
        "latin-1": '{"a": "é"}'.encode("latin-1"),
        "bad utf-8": b"\xff\xfe",
        "a cut sequence": b'{"a": "\xc3',
        "an encoded surrogate": b'"\xed\xa0\x80"',
        "nul": b'{"a": "\x00"}',
        "line ends": b'{"a":\r\n 1}\r\n',
        "a large body": json.dumps({"a": "x" * 1_500_000}).encode(),
        "deep": b"[" * 100_000 + b"]" * 100_000,
        "gzip": gzip.compress(b'{"a": 1}'),
    }
    for name, body in bodies.items():
        yield ask(f"is sent {name}", body)
    yield ask("is sent gzip that says so", gzip.compress(b"{}"), JSON, ("content-encoding", "gzip"))
    kinds = ("text/plain", "application/octet-stream", "application/json; charset=latin-1", "text/csv; header=present")
    for kind in (*kinds, "APPLICATION/JSON", "nonsense", "application/vnd.x+json", ""):
        yield ask(f"is sent {kind or 'an empty type'}", b'{"a": 1}', ("content-type", kind))
    yield Case(script="plain", name="is sent no type", body=b'{"a": 1}')
    yield ask("is sent a form", b'{"a": 1}', FORM, differs="form-bodies")
    yield ask("is sent a real form", b"a=1&b=2", FORM, differs="form-bodies")
    yield ask("is sent parts", PARTS.replace(b"\xff", b"").replace(b"\x89", b""), MULTIPART, differs="form-bodies")
    yield Case(script="plain", name="is sent chunks", headers=(JSON,), chunks=(b'{"a": ', b"[1,", b"2]}"))
    yield Case(script="plain", name="is sent a chunk of nothing", headers=(JSON,), chunks=())
    yield from _methods()
    yield from _queries("plain")
    yield from _ids()
    sent = (("X-Custom", "é"), ("x-2b-lower", "a b"), ("X-Twice", "1"), ("X-Twice", "2"), ("X-Empty", ""))
    asked = b'{"do": "headers"}'
    yield ask(
        "sees headers", asked, JSON, *sent, ("Accept", "a;q=0.5, b"), ("Cookie", "a=1; b=2"), ("User-Agent", "me")
    )
    yield ask("sees no underscores", asked, JSON, ("x_under", "1"), ("X-Under", "2"))
    yield ask("sees padded headers", asked, JSON, ("X-Padded", " \t a \t "))
    yield ask("sees authorization", asked, JSON, ("Authorization", "Bearer abc"), ("X-Forwarded-For", "10.0.0.1"))
    yield Case(script="plain", name="sees no type", body=asked)


def _methods() -> Iterator[Case]:
    for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"):
        body = b"{}" if method in {"PUT", "PATCH"} else None
        differs = "method-names-routes" if method not in {"HEAD", "OPTIONS"} else ""
        yield Case(script="plain", name=f"{method} /score", method=method, body=body, differs=differs)
    yield Case(script="plain", name="OPTIONS with a body", method="OPTIONS", headers=(JSON,), body=b"{}")
    yield Case(script="plain", name="an invented method", method="BREW", differs="unknown-methods")
    yield Case(script="plain", name="GET /", method="GET", path="/", differs="root")
    yield Case(script="plain", name="HEAD /", method="HEAD", path="/", differs="root")
    yield Case(script="plain", name="POST /", path="/", body=b"", differs="method-names-routes")
    for path in ("/nothing", "/score/", "/Score", "/score/1"):
        yield Case(script="plain", name=f"no route {path}", path=path, headers=(JSON,), body=b"{}", differs="no-route")
    yield Case(
        script="plain", name="an encoded path", path="/%73core", headers=(JSON,), body=b"{}", differs="encoded-paths"
    )


def _queries(script: str) -> Iterator[Case]:
    queries = (
        "", "a=1", "a=1&b=[1,2]&b=x", "a", "a=", "=1", "&&a=1&", "a=1;b=2", "a=%C3%A9", "a=%FF", "a=%", "a=%zz",
        "a+b=c+d", "a=null&b=true&c=NaN", "a=%22q%22", "a=1e999", "a=%7B%22b%22%3A1%7D", "do=headers", "a=1?b=2",
        "%61=1", "a[]=1&a[]=2",
    )  # fmt: skip
    for query in queries:
        yield Case(script=script, name=f"GET ?{query}", method="GET", path=f"/score?{query}")
    yield Case(script=script, name="GET with bare bytes", method="GET", path="/score?a=é", differs="malformed-requests")
    yield Case(script=script, name="GET with a body", method="GET", headers=(JSON,), body=b'{"a": 1}')
    yield Case(script=script, name="POST with a query", path="/score?a=1", headers=(JSON,), body=b'{"a": 2}')


def _ids() -> Iterator[Case]:
    sets: dict[str, tuple[tuple[str, str], ...]] = {
        "request": (("x-request-id", "r"),),
        "legacy": (("x-ms-request-id", "l"),),
        "client": (("x-ms-client-request-id", "c"),),
        "request and legacy": (("x-request-id", "r"), ("x-ms-request-id", "l")),
        "request and client": (("x-request-id", "r"), ("x-ms-client-request-id", "c")),
        "legacy and client": (("x-ms-request-id", "l"), ("x-ms-client-request-id", "c")),
        "all": (("x-request-id", "r"), ("x-ms-request-id", "l"), ("x-ms-client-request-id", "c"), ("TraceId", "t")),
        "trace": (("TraceId", "t"),),
        "trace twice": (("TraceId", "t"), ("traceid", "u")),
        "request twice": (("x-request-id", "r"), ("x-request-id", "s")),
        "empty request": (("x-request-id", ""),),
        "empty all": (("x-request-id", ""), ("x-ms-request-id", ""), ("x-ms-client-request-id", ""), ("TraceId", "")),
        "just short enough": (("x-request-id", LONG[1:]), ("x-ms-request-id", LONG[1:])),
        "long request": (("x-request-id", LONG), ("TraceId", "t"), ("x-ms-request-id", "l")),
        "long legacy": (("x-request-id", "r"), ("x-ms-request-id", LONG)),
        "long client": (("x-ms-client-request-id", LONG),),
        "long both": (("x-request-id", LONG), ("x-ms-client-request-id", LONG)),
        "latin-1": (("x-request-id", "é"), ("x-ms-client-request-id", "ü")),
        "spaced": (("x-request-id", "a b\tc"),),
    }
    unlike = {"request twice", "empty request", "empty all", "long request", "long both", "spaced"}
    for name, headers in sets.items():
        differs = "request-id" if name in unlike else ""
        yield Case(script="plain", name=f"ids: {name}", headers=(JSON, *headers), body=b"{}", differs=differs)
    ids = sets["all"]
    yield Case(script="plain", name="ids of a failure", headers=(JSON, *ids), body=b'{"do": "error"}')
    yield Case(script="plain", name="ids of an internal failure", headers=(JSON, *ids), body=b'{"do": "set"}')
    yield Case(script="plain", name="ids of a refusal", headers=(JSON, *ids), body=b"\xff")
    yield Case(script="plain", name="ids of OPTIONS", method="OPTIONS", headers=ids)
    yield Case(script="plain", name="ids of HEAD", method="HEAD", headers=ids)
    yield Case(script="plain", name="ids of GET", method="GET", headers=ids)
    yield Case(script="plain", name="ids of no route", path="/nothing", headers=ids, body=b"", differs="no-route")
    yield Case(
        script="plain", name="long ids of no route", path="/x", headers=sets["long both"], body=b"", differs="no-route"
    )


def _decorated() -> Iterator[Case]:
    person = {"age": 41, "name": "Bo", "since": "2026-02-01"}
    good = {"numbers": [[1, 2], [3, 4.5]], "people": [person], "nested": {"rows": [[1.0]], "label": "x"}, "word": "hi"}

    def ask(name: str, *, without: str = "", **changes: object) -> Case:
        value = {key: each for key, each in {**good, **changes}.items() if key != without}
        return Case(script="decorated", name=name, headers=(JSON,), body=json.dumps(value).encode())

    yield ask("all is well")
    for each in good:
        yield ask(f"no {each}", without=each)
        yield ask(f"null for {each}", **{each: None})
        yield ask(f"a number for {each}", **{each: 3})
        yield ask(f"text for {each}", **{each: "text"})
        yield ask(f"an empty list for {each}", **{each: []})
        yield ask(f"an empty object for {each}", **{each: {}})
    yield ask("more than is asked", more=1, request_headers={"X-Asked": "by body"})
    yield ask("other numbers", numbers=[[True, "7"]])
    yield ask("ragged numbers", numbers=[[1], [1, 2]])
    yield ask("people by column", people={"age": [1], "name": ["a"], "since": ["2026-01-01"]})
    yield ask("people without a column", people=[{"age": 1}])
    yield ask("people with one more", people=[{**person, "more": 1}])
    yield ask("people as rows", people=[[1, "a", "2026-01-01"]])
    yield ask("a bad date", people=[{**person, "since": "never"}])
    yield ask("two people", people=[person, {**person, "age": None}])
    yield ask("a failure", word="raise")
    yield Case(script="decorated", name="headers", headers=(JSON, ("X-Asked", "yes")), body=json.dumps(good).encode())
    yield Case(script="decorated", name="OPTIONS", method="OPTIONS")
    yield Case(script="decorated", name="HEAD", method="HEAD")
    people = "[{%22age%22:1,%22name%22:%22a%22,%22since%22:%222026-01-01%22}]"
    query = f"numbers=[[1,2]]&people={people}&nested={{%22rows%22:[[1]]}}"
    yield Case(script="decorated", name="a query", method="GET", path=f"/score?{query}")
    yield Case(script="decorated", name="a query that lacks", method="GET", path="/score?numbers=[[1]]")
    yield Case(script="decorated", name="swagger", method="GET", path="/swagger.json", differs="swagger")


def _standard() -> Iterator[Case]:
    def ask(name: str, body: bytes, *headers: tuple[str, str], differs: str = "") -> Case:
        return Case(script="standard", name=name, body=body, headers=headers or (JSON,), differs=differs)

    good = b'{"Inputs": [{"a": 1}], "GlobalParameters": 2}'
    yield ask("all is well", good)
    yield ask("a default", b'{"Inputs": []}')
    for body in (
        b"",
        b" ",
        b"{",
        b"[3]",
        b"3",
        b"null",
        b'"a"',
        b"{}",
        b'{"inputs": []}',
        b"\xff",
        b'{"a": "\xc3"}',
        b"NaN",
    ):
        yield ask(f"sent {body!r}", body)
    yield ask("a mark", b"\xef\xbb\xbf" + good)
    yield ask("utf-16", good.decode().encode("utf-16"))
    yield ask("utf-32", good.decode().encode("utf-32-le"))
    yield ask("deep", b'{"Inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    yield ask("a name twice", b'{"Inputs": [1], "Inputs": [2]}')
    yield ask("NaN", b'{"Inputs": [NaN]}')
    for kind in (
        "text/plain",
        "application/octet-stream",
        "",
        "application/x-www-form-urlencoded",
        "application/jsonlines",
    ):
        yield ask(f"type {kind!r}", good, ("content-type", kind))
    for kind in (
        "application/json; charset=latin-1",
        "Application/JSON",
        "application/vnd.a+json",
        "text/json",
        "json",
    ):
        yield ask(f"type {kind!r}", good, ("content-type", kind))
    yield Case(script="standard", name="no type", body=good)
    yield from _queries("standard")
    yield Case(script="standard", name="GET Inputs", method="GET", path="/score?Inputs=[1]&GlobalParameters=7&more=1")
    yield Case(script="standard", name="GET Inputs twice", method="GET", path="/score?Inputs=1&Inputs=2")


def _raw() -> Iterator[Case]:
    responses = [
        "text",
        "bytes",
        "lower",
        "dumped",
        "nothing",
        "commas",
        "teapot",
        "strange",
        "bad",
        "unavailable",
        "failed",
        "positional",
        "empty",
        "unmodified",
        "redirect",
        "ids",
        "list",
        "strings",
        "cookie",
        "changed",
        "plain",
        "set",
        "error",
        "classes",
        "generator",
        "hop",
    ]
    spaced = ("status text", "dict body", "number header", "line end", "not json", "plain text", "plain none")
    lacks = ("missing file", "missing arg", "missing header")
    for word in (*responses, *spaced, *lacks):
        differs = {"generator": "streams"}.get(word, "")
        yield Case(
            script="raw",
            name=f"answers {word}",
            path=f"/score?do={word.replace(' ', '%20')}",
            body=b"",
            differs=differs,
        )
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        yield Case(script="raw", name=f"{method} text", method=method, path="/score?do=text")
        yield Case(script="raw", name=f"{method} describe", method=method, path="/score?a=1&a=2&n=x")
    yield Case(script="raw", name="PUT", method="PUT", path="/score?do=text", body=b"", differs="method-names-routes")
    ids = (("x-request-id", "r"), ("x-ms-request-id", "l"), ("TraceId", "t"))
    yield Case(script="raw", name="ids", path="/score?do=ids", headers=ids, body=b"")
    sent = (
        ("X-One", "1"),
        ("X-Number", "7"),
        ("Cookie", 'a=1; b="two"'),
        ("Referer", "http://x/"),
        ("User-Agent", "me/1"),
    )
    for name, body in {"bytes": bytes(range(256)), "nothing": b"", "json": b'{"a": [1]}', "text": "é".encode()}.items():
        for do in ("data", "attribute", "stream", "describe", "json", "json attribute"):
            path = f"/score?do={do.replace(' ', '%20')}&n=12&e=%C3%A9&x=a%20b+c"
            yield Case(script="raw", name=f"{do} of {name}", path=path, headers=(JSON, *sent), body=body)
    for do in ("form", "data", "attribute", "describe"):
        yield Case(
            script="raw", name=f"{do} of a form", path=f"/score?do={do}", headers=(FORM,), body=b"a=1&a=%C3%A9&b=&c"
        )
        yield Case(script="raw", name=f"{do} of parts", path=f"/score?do={do}", headers=(MULTIPART,), body=PARTS)
    yield Case(
        script="raw", name="a bad form", path="/score?do=form", headers=(MULTIPART,), body=b"nothing of the kind"
    )
    multipart = (("content-type", "multipart/form-data"),)
    yield Case(script="raw", name="parts without a boundary", path="/score?do=form", headers=multipart, body=PARTS)
    yield Case(
        script="raw",
        name="json that says text",
        path="/score?do=json",
        headers=(("content-type", "text/plain"),),
        body=b"{}",
    )
    yield Case(script="raw", name="chunks", path="/score?do=data", chunks=(b"a" * 1000, b"b" * 70000))
    yield Case(script="raw", name="large", path="/score?do=data", body=b"\x00\xff" * 700_000)
    yield Case(
        script="raw", name="bare bytes in a query", method="GET", path="/score?a=é", differs="malformed-requests"
    )


def _origins() -> Iterator[Case]:
    page = ("Origin", "https://page.example")
    wish = (("Access-Control-Request-Method", "post"), ("Access-Control-Request-Headers", "X-B, content-type"))
    asked: dict[str, tuple[tuple[str, str], ...]] = {
        "no origin": (),
        "the page": (page,),
        "the page in capitals": (("Origin", "HTTPS://PAGE.EXAMPLE"),),
        "another page": (("Origin", "https://other.example"),),
        "a wild page": (("Origin", "https://a.wild.example"),),
        "nowhere": (("Origin", "null"),),
        "a wish": (page, *wish),
        "a wish of another page": (("Origin", "https://other.example"), *wish),
        "a wish for a method only": (page, wish[0]),
        "a wish for PUT": (page, ("Access-Control-Request-Method", "PUT")),
        "a private network": (page, ("Access-Control-Request-Private-Network", "true")),
    }
    for script in ("plain+any", "plain+one", "plain+some"):
        for name, headers in asked.items():
            yield Case(script=script, name=f"OPTIONS for {name}", method="OPTIONS", headers=headers)
            yield Case(script=script, name=f"POST for {name}", headers=(JSON, *headers), body=b"{}")
        yield Case(script=script, name="a failure", headers=(JSON, page), body=b'{"do": "error"}')
        yield Case(script=script, name="a refusal", headers=(JSON, page), body=b"\xff")


def _response() -> Iterator[Case]:
    for body in (b"hello", b"", b"fail", b"started"):
        yield Case(script="response", name=f"sent {body!r}", headers=(JSON,), body=body)
    yield Case(script="response", name="GET", method="GET", path="/score?a=1")

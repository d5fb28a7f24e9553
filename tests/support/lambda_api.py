"""A stub of AWS Lambda's runtime API: hands out events, takes what comes back."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PREFIX = "/2018-06-01/runtime"


@dataclass(kw_only=True)
class Reply:
    """What a runtime said about one invocation, or about its own start (``invocation`` is then empty)."""

    invocation: str
    kind: str
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Event:
    """One event that waits to be handed out."""

    body: bytes
    deadline: float
    trace: str
    invocation: str = field(default_factory=lambda: str(uuid.uuid4()))


class LambdaApi:
    """The API on a port of this machine, for one runtime at a time."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.replies: queue.Queue[Reply] = queue.Queue()
        self.asked = 0
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == f"{PREFIX}/invocation/next", self.path
                api.asked += 1
                event = api.events.get()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event.body)))
                self.send_header("Lambda-Runtime-Aws-Request-Id", event.invocation)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(event.deadline * 1000)))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:1:function:model")
                if event.trace:
                    self.send_header("Lambda-Runtime-Trace-Id", event.trace)
                self.end_headers()
                self.wfile.write(event.body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = self.path.removeprefix(PREFIX).strip("/").split("/")
                invocation = parts[1] if parts[0] == "invocation" else ""
                headers = {name.lower(): value for name, value in self.headers.items()}
                api.replies.put(Reply(invocation=invocation, kind=parts[-1], body=body, headers=headers))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing: a runtime that is killed hangs up."""

        self._server = Server((host, port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def invoke(self, event: Any, *, seconds: float = 30, trace: str = "", limit: float = 8) -> Reply:
        """Hand out an event and wait for what comes back."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        wanted = Event(body=body, deadline=time.time() + seconds, trace=trace)
        self.events.put(wanted)
        reply = self.replies.get(timeout=limit)
        assert reply.invocation == wanted.invocation, reply
        return reply


if __name__ == "__main__":
    port, event = sys.argv[1:]
    with LambdaApi(port=int(port)) as served:
        sys.stdout.write(served.invoke(Path(event).read_bytes(), limit=600).body.decode() + "\n")

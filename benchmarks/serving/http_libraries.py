"""Measure the HTTP libraries the runtime's server could have been built on.

Every candidate answers the same thing: ``POST /predict`` with a 20-field JSON record is parsed by msgspec and answered
by ``{"predictions":[0]}``. One server process each, no access log, loopback, driven by ``wrk`` with 1, 16 and 64
connections. The candidates are not dependencies of this project; install them beside it::

    python3.11 -m venv /tmp/http && /tmp/http/bin/pip install \
        msgspec httptools uvloop uvicorn granian aiohttp hypercorn socketify robyn
    /tmp/http/bin/python benchmarks/serving/http_libraries.py --seconds 5

It prints one Markdown table: requests per second and p99 latency at each number of connections, resident memory of all
processes of the candidate, and the number of distributions it brings (msgspec not counted).
"""

# ruff: noqa: PLC0415 - each candidate is imported only by the process that serves with it
from __future__ import annotations

import argparse
import asyncio
import importlib.metadata as metadata
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RECORD = {f"feature_{i:02d}": i * 1.5 for i in range(20)}
HOST, PORT = "127.0.0.1", 18765
ANSWER = b'{"predictions":[0]}'


# --- the candidates; each function serves until it is killed -------------------------------------------------------


def answer(body: bytes) -> bytes:
    import msgspec

    record = msgspec.json.decode(body)
    return msgspec.json.encode({"predictions": [0 if record else 1]})


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    payload = answer(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(payload)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": payload})


async def rsgi(_scope: Any, protocol: Any) -> None:
    body = await protocol()
    protocol.response_bytes(200, [("content-type", "application/json")], answer(body))


def serve_protocol(*, uv: bool) -> None:
    import httptools

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.parser = httptools.HttpRequestParser(self)
            self.body = b""
            self.headers: dict[bytes, bytes] = {}

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_url(self, url: bytes) -> None:
            self.url = url

        def on_header(self, name: bytes, value: bytes) -> None:
            self.headers[name.lower()] = value

        def on_body(self, data: bytes) -> None:
            self.body += data

        def on_message_complete(self) -> None:
            payload = answer(self.body)
            self.body, self.headers = b"", {}
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (len(payload), payload)
            )

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Connection, HOST, PORT, backlog=1024)
        await server.serve_forever()

    if uv:
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())


def serve_uvicorn() -> None:
    import uvicorn

    uvicorn.run(asgi, host=HOST, port=PORT, loop="uvloop", http="httptools", access_log=False, log_level="error")


def serve_hypercorn() -> None:
    import uvloop
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"{HOST}:{PORT}"]
    uvloop.run(serve(asgi, config))


def serve_granian(interface: str) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    target = f"{Path(__file__).stem}:{interface}"
    Granian(
        target, address=HOST, port=PORT, interface=Interfaces(interface), workers=1, log_enabled=False, backlog=1024
    ).serve()


def serve_granian_embedded() -> None:
    import uvloop
    from granian.constants import Interfaces
    from granian.server.embed import Server

    async def main() -> None:
        await Server(rsgi, address=HOST, port=PORT, interface=Interfaces.RSGI, log_enabled=False).serve()

    uvloop.run(main())


def serve_aiohttp(*, uv: bool) -> None:
    from aiohttp import web

    async def handler(request: Any) -> Any:
        return web.Response(body=answer(await request.read()), content_type="application/json")

    async def main() -> None:
        server = web.Server(handler)
        runner = web.ServerRunner(server)
        await runner.setup()
        await web.TCPSite(runner, HOST, PORT, backlog=1024).start()
        await asyncio.Event().wait()

    if uv:
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())


def serve_socketify() -> None:
    from socketify import App

    app = App()

    async def handler(res: Any, _req: Any) -> None:
        body = await res.get_data()
        res.write_header("content-type", "application/json").end(answer(body.getvalue()))

    app.post("/predict", handler)
    app.listen(PORT, lambda _config: None)
    app.run()


def serve_robyn() -> None:
    from robyn import Robyn

    app = Robyn(__file__)

    @app.post("/predict")
    async def predict(request: Any) -> Any:
        body = request.body
        return answer(body.encode() if isinstance(body, str) else bytes(body)).decode()

    app.start(host=HOST, port=PORT)


CANDIDATES: dict[str, tuple[Any, str]] = {
    "own protocol on httptools + uvloop": (lambda: serve_protocol(uv=True), "httptools uvloop"),
    "own protocol on httptools + asyncio": (lambda: serve_protocol(uv=False), "httptools"),
    "uvicorn, raw ASGI (httptools, uvloop)": (serve_uvicorn, "uvicorn httptools uvloop"),
    "granian, RSGI": (lambda: serve_granian("rsgi"), "granian"),
    "granian, ASGI": (lambda: serve_granian("asgi"), "granian"),
    "granian embedded, RSGI + uvloop": (serve_granian_embedded, "granian uvloop"),
    "aiohttp.web.Server + uvloop": (lambda: serve_aiohttp(uv=True), "aiohttp uvloop"),
    "aiohttp.web.Server + asyncio": (lambda: serve_aiohttp(uv=False), "aiohttp"),
    "hypercorn, raw ASGI + uvloop": (serve_hypercorn, "hypercorn uvloop"),
    "socketify": (serve_socketify, "socketify"),
    "robyn": (serve_robyn, "robyn"),
}


# --- measuring -----------------------------------------------------------------------------------------------------


def count_distributions(names: str) -> int:
    """Count what installing the candidate brings, itself included."""
    seen: set[str] = set()
    todo = names.split()
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        for requirement in metadata.requires(name) or []:
            spec, _, marker = requirement.partition(";")
            if "extra" in marker or re.search(r"python_version\s*<|win32|Windows|python_full_version\s*<", marker):
                continue
            todo.append(re.split(r"[\s\[<>=!~(]", spec.strip(), maxsplit=1)[0])
    return len(seen)


def resident_mib(pid: int) -> float:
    """Sum the resident memory of a process and all below it, in MiB."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        own, parent = int(status.parent.name), int(fields["PPid"])
        if pid in (own, parent) and "VmRSS" in fields:
            total += int(fields["VmRSS"].split()[0])
    return total / 1024


def drive(connections: int, seconds: int) -> tuple[float, str, int]:
    """Return requests per second, p99 as wrk prints it, and the number of answers that were not 2xx."""
    script = (
        f'wrk.method="POST"\nwrk.headers["Content-Type"]="application/json"\nwrk.body=[==[{json.dumps(RECORD)}]==]\n'
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script)
        lua.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", lua.name]
        out = subprocess.run(
            [*command, f"http://{HOST}:{PORT}/predict"], check=True, capture_output=True, text=True
        ).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]
    p99 = re.search(r"99%\s+(\S+)", out)[1]  # type: ignore[index]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return rate, p99, int(bad[1]) if bad else 0


def wait_for_port(limit: float = 15) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex((HOST, PORT)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the candidate never listened")


def measure(name: str, seconds: int) -> str:
    _, needs = CANDIDATES[name]
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port()
        drive(16, 1)
        cells = []
        for connections in (1, 16, 64):
            rate, p99, bad = drive(connections, seconds)
            cells.append(f"{rate:,.0f} / {p99}" + (f" ({bad} not 2xx)" if bad else ""))
        rss = resident_mib(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return f"| {name} | {' | '.join(cells)} | {rss:.0f} | {count_distributions(needs)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", default="", help="measure candidates whose name contains this")
    parser.add_argument("--serve", choices=CANDIDATES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        sys.path.insert(0, str(Path(__file__).parent))
        CANDIDATES[options.serve][0]()
        return
    print(
        "| candidate | 1 conn: req/s / p99 | 16 | 64 | RSS MiB | distributions |\n|---|---|---|---|---|---|", flush=True
    )
    for name in CANDIDATES:
        if options.only in name:
            try:
                print(measure(name, options.seconds), flush=True)
            except (TimeoutError, subprocess.CalledProcessError) as error:
                print(f"| {name} | failed: {error} | | | | |", flush=True)


if __name__ == "__main__":
    main()

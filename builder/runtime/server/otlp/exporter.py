"""Sends spans and metrics to a collector from a thread of its own, which no request ever waits for.

What a collector does not take in time is dropped and counted. Nothing raised here reaches the service.
"""

from __future__ import annotations

import gzip
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ..logs import Log
from .encoding import METRICS, TRACES, Shape, Value, make_attributes, to_json, to_protobuf
from .settings import Target, Telemetry
from .tracer import Span, describe

RETRIED = frozenset({429, 502, 503, 504})
FIRST_PAUSE = 1.0
SILENCE = 300.0
"""Seconds between two log lines about a collector that goes on failing."""
BREATH = 16
"""Spans written before other threads get a turn; the loop that serves requests is one of them."""


class Exporter:
    """Collects what is to be sent, and sends it."""

    def __init__(self, telemetry: Telemetry, log: Log, collect: Callable[[], list[Value]], version: str) -> None:
        self.dropped = 0
        self.sent = 0
        self._telemetry = telemetry
        self._log = log
        self._collect = collect
        self._resource = {"attributes": make_attributes(telemetry.resource)}
        self._scope = {"name": "modelkiln", "version": version}
        self._agent = f"modelkiln/{version} OTLP"
        self._spans: deque[Span] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._told = -SILENCE
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)

    def start(self) -> None:
        """Begin to export."""
        self._thread.start()

    def add(self, span: Span) -> None:
        """Take a span, unless too many wait already."""
        if len(self._spans) >= self._telemetry.most_pending:
            self.dropped += 1
            return
        self._spans.append(span)
        if len(self._spans) >= self._telemetry.batch_size and not self._wake.is_set():
            self._wake.set()

    def close(self, timeout: float) -> None:
        """Send what is left, for no longer than the timeout in seconds."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout)

    # --- the thread

    def _run(self) -> None:
        telemetry = self._telemetry
        now = time.monotonic()
        spans_at, metrics_at = now + telemetry.interval, now + telemetry.metrics_interval
        while not self._stop.is_set():
            self._wake.wait(max(0.0, min(spans_at, metrics_at) - time.monotonic()))
            self._wake.clear()
            now = time.monotonic()
            if now >= spans_at or self._stop.is_set() or len(self._spans) >= telemetry.batch_size:
                self._guard(self._send_spans)
                spans_at = time.monotonic() + telemetry.interval
            if now >= metrics_at or self._stop.is_set():
                self._guard(self._send_metrics)
                metrics_at = time.monotonic() + telemetry.metrics_interval

    def _guard(self, send: Callable[[], None]) -> None:
        try:
            send()
        except Exception as error:  # noqa: BLE001 - telemetry must never end, nor end anything
            self._tell(f"{type(error).__name__}: {error}")

    def _send_spans(self) -> None:
        target = self._telemetry.traces
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(len(self._spans), self._telemetry.batch_size))]
            if target is None:
                continue
            shown: list[Value] = []
            for index, span in enumerate(batch):
                shown += describe(span)
                if index % BREATH == 0:
                    time.sleep(0)
            body = {
                "resourceSpans": [{"resource": self._resource, "scopeSpans": [{"scope": self._scope, "spans": shown}]}]
            }
            if self._send(target, body, TRACES):
                self.sent += len(batch)
            else:
                self.dropped += len(batch)
            if self._stop.is_set():
                return

    def _send_metrics(self) -> None:
        target = self._telemetry.metrics
        if target is not None:
            metrics = self._collect()
            body = {
                "resourceMetrics": [
                    {"resource": self._resource, "scopeMetrics": [{"scope": self._scope, "metrics": metrics}]}
                ]
            }
            self._send(target, body, METRICS)

    def _send(self, target: Target, body: Mapping[str, Any], shape: Shape) -> bool:
        """Send, trying again within the timeout when the collector asks for it or is not there."""
        data = to_protobuf(body, shape) if target.protobuf else to_json(body)
        headers = {
            "content-type": "application/x-protobuf" if target.protobuf else "application/json",
            "user-agent": self._agent,
            **target.headers,
        }
        if target.gzip:
            data = gzip.compress(data, 5)
            headers["content-encoding"] = "gzip"
        end = time.monotonic() + target.timeout
        pause = FIRST_PAUSE
        while True:
            wait = pause
            try:
                request = urllib.request.Request(target.url, data, headers)  # noqa: S310 - http or https, by the settings
                with make_opener(target).open(request, timeout=max(0.1, end - time.monotonic())) as answer:
                    answer.read(65536)
            except urllib.error.HTTPError as error:
                error.close()
                reason = f"it answers {error.code}"
                if error.code not in RETRIED:
                    self._tell(f"{target.url}: {reason}")
                    return False
                wait = read_pause(error.headers.get("retry-after"), pause)
            except (OSError, ValueError) as error:
                reason = str(getattr(error, "reason", None) or error)
            else:
                self._recover(target)
                return True
            if self._stop.is_set() or time.monotonic() + wait >= end:
                self._tell(f"{target.url}: {reason}")
                return False
            self._stop.wait(wait)
            pause *= 2

    def _tell(self, reason: str) -> None:
        """Log a failure, but not every one."""
        self._failing = True
        if time.monotonic() - self._told >= SILENCE:
            self._told = time.monotonic()
            self._log.write("warning", f"telemetry is not taken; {reason}", logger="kiln.telemetry")

    def _recover(self, target: Target) -> None:
        if self._failing:
            self._failing = False
            self._told = -SILENCE
            self._log.write("info", f"telemetry is taken again by {target.url}", logger="kiln.telemetry")


def make_opener(target: Target) -> urllib.request.OpenerDirector:
    """Return what opens the URL: the usual variables for proxies apply, and the certificates that are named."""
    if target.url.startswith("http:"):
        return urllib.request.build_opener()
    context = ssl.create_default_context(cafile=target.certificate)
    if target.client_certificate:
        context.load_cert_chain(target.client_certificate, target.client_key)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))


def read_pause(text: str | None, otherwise: float) -> float:
    """Return the seconds a Retry-After header asks for."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else otherwise

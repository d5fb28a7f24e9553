"""The worker's loop: load, say so, then score batch after batch in the main thread until the channel is closed."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import socket
import sys
import time
import traceback
from typing import Any

from ..bundle import Bundle, read_bundle
from ..log_text import wants_text
from ..places import Places, find_places
from ..request import current_requests
from ..spawn import CHANNEL
from ..wire import DECODE, FAILED, READY, RESULT, SCORE, STREAM, Unpacker, pack
from .contracts import Scorer, load_scorer
from .decode import decode
from .imports import arrange_imports
from .model_dir import choose_model_dir
from .output import Journal, capture_output, finish_lines
from .payloads import Payloads, Requests
from .spans import attach
from .streaming import Stream
from .threads import follow_threads

READ_SIZE = 1 << 18


def prepare(bundle: Bundle, places: Places, journal: Journal) -> Scorer:
    """Arrange imports and variables, import the author's code and load the model."""
    capture_output(journal, os.environ.get("KILN_LOG_LEVEL") or os.environ.get("LOG_LEVEL") or "info")
    follow_threads()
    arrange_imports(places, places.locate(bundle.script) if bundle.script else None)
    os.environ["AZUREML_MODEL_DIR"] = str(choose_model_dir(bundle, places, os.environ, journal))
    if places.code.is_dir():
        os.chdir(places.code)
    sys.argv = [bundle.script or "kiln"]
    return load_scorer(bundle, places, journal)


def work(arguments: list[str]) -> int:
    """Serve one server over the inherited channel; return 1 when the model does not load."""
    if arguments:
        print("kiln: worker takes no arguments; it is started by the server", file=sys.stderr)
        return 64
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the server, which then closes the channel
    channel = socket.socket(fileno=CHANNEL)
    os.set_inheritable(CHANNEL, False)
    journal = Journal()
    started = time.perf_counter()
    try:
        places = find_places()
        bundle = read_bundle(places.bundle_json)
        scorer = prepare(bundle, places, journal)
        payloads = Payloads(scorer, bundle)
        finish_lines()
    except BaseException:  # noqa: BLE001 - the author's code may even raise SystemExit
        finish_lines()
        channel.sendall(pack((FAILED, traceback.format_exc())))
        return 1
    try:
        gc.freeze()  # libraries and model stay as they are: no pause ever goes through them again
        streams = getattr(scorer, "streams", False)
        channel.sendall(pack((READY, time.perf_counter() - started, streams, payloads.columns)))
        score_until_closed(channel, scorer, journal, payloads)
    except (BrokenPipeError, ConnectionResetError):
        return 0  # the server is gone
    return 0


def score_until_closed(channel: socket.socket, scorer: Scorer, journal: Journal, payloads: Payloads) -> None:
    """Answer every batch that comes; return when the server closes its end."""
    unpacker = Unpacker()
    event_loop = getattr(scorer, "event_loop", None)
    while True:
        if event_loop is not None and event_loop.is_needed:
            event_loop.wait_readable(channel.fileno())
        data = channel.recv(READ_SIZE)
        if not data:
            return
        for message in unpacker.feed(data):
            if message[0] == SCORE:
                channel.sendall(score_batch(scorer, journal, message[1], payloads.open(message[2]), message[3]))
            elif message[0] == STREAM:
                stream = Stream(channel, unpacker, message[1])
                channel.sendall(score_in_parts(stream, scorer, journal, payloads.open(message[2]), message[3]))
            elif message[0] == DECODE:
                channel.sendall(pack((RESULT, message[1], decode(message[2], journal), 0.0)))
                journal.requests = ()


def score_batch(
    scorer: Scorer, journal: Journal, number: int, requests: Requests, traces: list[tuple[str, str]]
) -> bytes:
    """Score one batch and return the frame that answers it."""
    journal.begin(requests, traces)
    detach = attach(current_requests()) if traces else None
    started = time.perf_counter()
    outcomes = scorer.score(requests)
    spent = time.perf_counter() - started
    if detach is not None:
        detach()
    finish_lines()
    journal.requests = ()
    return pack((RESULT, number, outcomes, spent))


def score_in_parts(
    stream: Stream, scorer: Any, journal: Journal, requests: Requests, traces: list[tuple[str, str]]
) -> bytes:
    """Send the parts of one request's answer, and return the frame that ends it."""
    journal.begin(requests, traces)
    detach = attach(current_requests()) if traces else None
    started = time.perf_counter()
    outcome = stream.send(scorer, journal, requests[0][1])
    spent = time.perf_counter() - started
    if detach is not None:
        detach()
    finish_lines()
    journal.requests = ()
    return pack((RESULT, stream.number, [outcome], spent))


def check() -> int:
    """Import the scoring code and load the model in this process; say how it went in one log line."""
    sys.stdout.flush()
    journal = Journal(mark=b"", text=wants_text(os.environ, 1))
    started = time.perf_counter()
    try:
        places = find_places()
        prepare(read_bundle(places.bundle_json), places, journal)
    except BaseException as error:  # noqa: BLE001 - the author's code may even raise SystemExit
        finish_lines()
        journal.write(
            "critical",
            "kiln",
            f"the model does not load: {type(error).__name__}: {error}",
            exception=traceback.format_exc(),
        )
        return 1
    finish_lines()
    journal.write("info", "kiln", "the model loads", seconds=round(time.perf_counter() - started, 3))
    return 0

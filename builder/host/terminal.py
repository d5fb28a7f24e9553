"""What a person sees on stderr: steps, progress, warnings. Data goes to stdout, elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from builder.host.trace import span

_SHOW_AFTER = 1.0


def human_size(count: int) -> str:
    """Return a number of bytes as a person reads it: ``7.7 kB``, ``118.5 MB``."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


class Terminal:
    """Prints prose to one stream, in colour only where a person looks and has not said NO_COLOR."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._is_tty = self._stream.isatty()
        self._colour = self._is_tty and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._guard = threading.Lock()
        self.timings: dict[str, float] = {}

    @property
    def has_colour(self) -> bool:
        """True when what is said may hold colours."""
        return self._colour

    @property
    def is_person(self) -> bool:
        """True when a person looks."""
        return self._is_tty

    def say(self, text: str) -> None:
        """Print one line."""
        if not self._quiet:
            self._write(f"{text}\n")

    def warn(self, text: str) -> None:
        """Print one warning, even when quiet."""
        self._write(f"{self._paint('warning:', '33')} {text}\n")

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[Step]:
        """Time a stage under ``name``. What lasts over a second is announced while it runs, and always when done."""
        step = Step(self, text)
        started = time.monotonic()
        timer = threading.Timer(_SHOW_AFTER, step.announce)
        timer.daemon = True
        timer.start()
        try:
            with span(text, name):
                yield step
        finally:
            timer.cancel()
            timer.join()
            step.close()
        self.tell(name, f"{text}{step.outcome}", time.monotonic() - started, failed=step.failed)

    def tell(self, name: str, text: str, seconds: float, *, failed: bool = False) -> None:
        """Say that a stage is done, and how long it took."""
        self.timings[name] = round(self.timings.get(name, 0.0) + seconds, 4)
        mark = self._paint("✗", "31") if failed else self._paint("✓", "32")
        self.say(f"{mark} {text} {self._paint(f'({seconds:.2f} s)', '2')}")

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _write(self, text: str) -> None:
        with self._guard:
            self._stream.write(text)
            self._stream.flush()


class Step:
    """A stage under way. ``note`` tells how far it is; ``conclude`` or ``fail`` adds to its closing line."""

    def __init__(self, terminal: Terminal, text: str) -> None:
        self._terminal = terminal
        self._text = text
        self._announced = False
        self._closed = False
        self._last = 0.0
        self.outcome = ""
        self.failed = False

    def announce(self) -> None:
        """Say that this stage is running; called once it has taken over a second."""
        if not self._announced and not self._closed:
            self._announced = True
            self._terminal.say(f"  {self._text} …")

    def note(self, text: str) -> None:
        """Say how far the stage is, at most once a second and only when it is slow enough to be announced."""
        now = time.monotonic()
        if self._announced and not self._closed and now - self._last >= _SHOW_AFTER:
            self._last = now
            self._terminal.say(f"    {text}")

    def conclude(self, text: str) -> None:
        """Add what came of it to the closing line."""
        self.outcome = f": {text}"

    def fail(self, text: str) -> None:
        """Add what came of it to the closing line, and close as failed although nothing is raised."""
        self.failed = True
        self.conclude(text)

    def close(self) -> None:
        """Say nothing more."""
        self._closed = True

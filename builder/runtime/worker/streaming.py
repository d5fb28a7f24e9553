"""Send the answer of a ``predict`` that yields part by part, never more of them than the other side has asked for."""

from __future__ import annotations

import select
import socket
import traceback
from collections.abc import Iterator
from typing import Any, Protocol

from ..wire import CANCEL, CANCELLED, INTERNAL_ERROR, MORE, OK, PART, USER_ERROR, WINDOW, Unpacker, pack
from .output import Journal
from .values import UnansweredError, make_plain


class Source(Protocol):
    """A scorer whose answers come in parts."""

    def open_stream(self, records: list[Any]) -> Iterator[Any]:
        """Begin to score one request; whatever the author's code raises comes out of the iterator."""
        ...


class Stream:
    """One answer under way."""

    def __init__(self, channel: socket.socket, unpacker: Unpacker, number: int) -> None:
        self._channel = channel
        self._unpacker = unpacker
        self.number = number
        self._credit = WINDOW
        self._cancelled = False
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)

    def send(self, source: Source, journal: Journal, records: list[Any]) -> tuple[str, Any]:
        """Send every part and return the outcome; the generator is closed when nobody wants the rest."""
        values: Iterator[Any] = iter(())
        try:
            values = source.open_stream(records)
            for value in values:
                self._channel.sendall(pack((PART, self.number, make_plain(value))))
                self._credit -= 1
                self._listen()
                if self._cancelled:
                    return CANCELLED, None
        except UnansweredError as error:
            journal.write("error", "kiln.scoring", f"predict yielded what cannot be sent: {error}")
            return INTERNAL_ERROR, None
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything
            journal.write_traceback("predict raised", error)
            return USER_ERROR, None
        finally:
            close(values, journal)
        return OK, None

    def _listen(self) -> None:
        """Take what the other side says; wait for it when no further part may be sent."""
        while not self._cancelled and (self._credit <= 0 or self._poll.poll(0)):
            data = self._channel.recv(65536)
            if not data:
                self._cancelled = True  # the server is gone; the loop ends at its next read
            for message in self._unpacker.feed(data):
                match message:
                    case (kind, number, more) if kind == MORE and number == self.number:
                        self._credit += more
                    case (kind, number) if kind == CANCEL and number == self.number:
                        self._cancelled = True


def close(values: Iterator[Any], journal: Journal) -> None:
    """Let a generator clean up after itself; what it raises then is only told."""
    shut = getattr(values, "close", None)
    if shut is None:
        return
    try:
        shut()
    except Exception:  # noqa: BLE001 - the author's code may raise anything
        journal.write("warning", "kiln.scoring", "predict raised while it was closed", exception=traceback.format_exc())

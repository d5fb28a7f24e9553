"""One blob into a registry (distribution-spec § "Pushing blobs"): found, mounted from another repository, or sent.

A blob is sent whole by POST and PUT, which registries do fastest. When the connection is lost, the upload goes on
where the registry says it stopped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from builder.errors import RegistryAuthError, RegistryError
from builder.oci.descriptor import Descriptor
from builder.publish.body import Body
from builder.publish.faults import TransientRegistryError
from builder.publish.tokens import repository_scope
from builder.publish.transport import Answer, Transport

_RANGE = re.compile(r"(?:bytes=)?0-(\d+)\Z")


class Outcome(StrEnum):
    """What it took to have a blob in the repository."""

    UPLOADED = "uploaded"
    MOUNTED = "mounted"
    PRESENT = "present"


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """A blob to be sent: its descriptor, what it is in a few words, and its bytes from any offset."""

    descriptor: Descriptor
    title: str
    chunks: Callable[[int], Iterator[bytes]]


class BlobUpload:
    """Brings one blob into one repository. ``on_bytes`` is told of every piece handed to the connection."""

    def __init__(
        self,
        transport: Transport,
        repository: str,
        payload: Payload,
        *,
        on_bytes: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._transport = transport
        self._repository = repository
        self._payload = payload
        self._digest = payload.descriptor.digest
        self._size = payload.descriptor.size
        self._on_bytes = on_bytes
        self._scopes = (repository_scope(repository, "pull", "push"),)

    def run(self, mount_from: Sequence[str] = ()) -> tuple[Outcome, str | None]:
        """Bring the blob there; return how, and the repository it was mounted from.

        Bytes the registry received otherwise than sent, a refusal, or an outage that outlasts the patience is a
        RegistryError.
        """
        if self._is_present():
            return Outcome.PRESENT, None
        session: str | None = None
        for source in mount_from:
            if session is not None:
                self._cancel(session)
            mounted, session = self._mount(source)
            if mounted:
                return Outcome.MOUNTED, source
        self._send(session)
        return Outcome.UPLOADED, None

    def _is_present(self) -> bool:
        answer = self._transport.request(
            "HEAD", f"/v2/{self._repository}/blobs/{self._digest}", scopes=self._scopes, accept=(200, 404)
        )
        if answer.status == 404:
            return False
        length = answer.headers.get("Content-Length")
        if length is not None and length != str(self._size):
            raise self._other_bytes(f"{length} bytes", want=f"{self._size} bytes")
        return True

    def _mount(self, source: str) -> tuple[bool, str | None]:
        """Try a cross-repository mount; a registry that cannot starts an ordinary upload instead."""
        target = f"/v2/{self._repository}/blobs/uploads/?mount={quote(str(self._digest))}&from={quote(source, safe='')}"
        try:
            answer = self._transport.request(
                "POST",
                target,
                scopes=(*self._scopes, repository_scope(source, "pull")),
                accept=(201, 202),
                body=Body.of(b""),
            )
        except (RegistryAuthError, RegistryError) as error:
            if isinstance(error, TransientRegistryError):
                raise
            return False, None  # not allowed to read that repository, or it is gone: sending still works
        return answer.status == 201, answer.location

    def _begin(self) -> str:
        answer = self._transport.request(
            "POST", f"/v2/{self._repository}/blobs/uploads/", scopes=self._scopes, accept=(202,), body=Body.of(b"")
        )
        return self._next(answer)

    def _next(self, answer: Answer, otherwise: str | None = None) -> str:
        location = answer.location or otherwise
        if location is None:
            raise RegistryError.of("registry names no place to upload to", at=self._where())
        return location

    def _cancel(self, session: str) -> None:
        try:
            self._transport.request("DELETE", session, scopes=self._scopes, accept=range(200, 500), is_retried=False)
        except (RegistryError, RegistryAuthError):
            return  # registries clean up by themselves

    def _send(self, session: str | None) -> None:
        failures, offset, best = 0, 0, 0
        may_restart = True
        while True:
            try:
                session = session or self._begin()
                if offset:
                    session = self._patch(session, offset)
                    self._put(session, self._size)
                else:
                    self._put(session, 0)
            except TransientRegistryError as error:
                failures += 1
                if failures >= self._transport.patience.attempts:
                    raise
                self._transport.patience.wait(failures, error.retry_after)
                if session is None:
                    continue
                session, offset = self._recover(session)
                if offset == self._size and session is None:
                    return
                if offset > best:
                    failures, best = 0, offset
            except RegistryError:
                # A registry may refuse to go on with an upload it had accepted part of; then all of it is sent again.
                if not (offset and may_restart):
                    raise
                session, offset, may_restart = None, 0, False
            else:
                return

    def _put(self, session: str, offset: int) -> None:
        """Send what is missing and close the upload."""
        separator = "&" if "?" in session else "?"
        answer = self._transport.request(
            "PUT",
            f"{session}{separator}digest={quote(str(self._digest), safe='')}",
            scopes=self._scopes,
            accept=(201, 204),
            body=self._body(offset),
            is_retried=False,
        )
        said = answer.headers.get("Docker-Content-Digest")
        if said is not None and said != str(self._digest):
            raise self._other_bytes(said, want=str(self._digest))

    def _patch(self, session: str, offset: int) -> str:
        """Send what is missing from ``offset`` on; return where the upload is closed."""
        if offset == self._size:
            return session
        answer = self._transport.request(
            "PATCH",
            session,
            scopes=self._scopes,
            accept=(201, 202, 204),
            headers={"Content-Range": f"{offset}-{self._size - 1}"},
            body=self._body(offset),
            is_retried=False,
        )
        return self._next(answer, session)

    def _body(self, offset: int) -> Body:
        def chunks() -> Iterator[bytes]:
            if offset < self._size:
                for chunk in self._payload.chunks(offset):
                    yield chunk
                    self._on_bytes(len(chunk))

        return Body(size=self._size - offset, chunks=chunks)

    def _recover(self, session: str) -> tuple[str | None, int]:
        """Ask how far the upload came: where it goes on and from which byte; ``(None, size)`` when it is complete."""
        answer = self._transport.request("GET", session, scopes=self._scopes, accept=range(200, 500))
        if answer.status in (200, 202, 204):
            match = _RANGE.match(answer.headers.get("Range", ""))
            received = int(match[1]) + 1 if match else 0
            # Registries say 0-0 for nothing as well as for one byte, so one byte counts as nothing.
            if 1 < received <= self._size:
                return self._next(answer, session), received
        elif self._is_present():
            return None, self._size  # it was the answer that got lost
        return None, 0

    def _other_bytes(self, got: str, *, want: str) -> RegistryError:
        return RegistryError.of(
            "registry stores other bytes than were sent to it", at=self._where(), want=want, got=got
        )

    def _where(self) -> str:
        return f"{self._transport.registry}/{self._repository}, blob {self._digest} ({self._payload.title})"

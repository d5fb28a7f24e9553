"""Bringing locked packages into the store: verified, in parallel, and never twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from urllib.parse import quote, urlsplit

from builder.base.mirrors import Mirrors
from builder.base.model import LockedDeb
from builder.base.transport import NotThereError, open_url, public_url, read_url
from builder.errors import DigestMismatchError, Fault, FetchError, KilnError
from builder.store.blobs import BlobStore

_ATTEMPTS = 3
_NAMED = 4


def _quiet(_: str) -> None:
    return


def missing_debs(debs: Iterable[LockedDeb], store: BlobStore) -> list[LockedDeb]:
    """Return the packages the store does not have."""
    return [deb for deb in debs if not store.has(deb.digest)]


def fetch_debs(
    debs: Iterable[LockedDeb],
    store: BlobStore,
    find_mirrors: Callable[[], Mirrors],
    *,
    remedy: str,
    jobs: int = 8,
    progress: Callable[[str], None] = _quiet,
) -> None:
    """Bring packages into the store. What is there already is not asked for, and then no mirror need be known.

    Packages that no mirror has any more are one FetchError that names each with its version and gives ``remedy``;
    other bytes than were locked are a DigestMismatchError. What did arrive is kept.
    """
    wanted = list(dict.fromkeys(missing_debs(debs, store)))
    if not wanted:
        return
    mirrors = find_mirrors()
    faults: list[Fault] = []
    failures: list[tuple[str, Fault]] = []
    hint: str | None = None
    done = 0
    with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(wanted)))) as pool:
        futures = {pool.submit(_fetch, deb, store, mirrors): deb for deb in wanted}
        try:
            for future in as_completed(futures):
                deb = futures[future]
                try:
                    future.result()
                except NotThereError as error:
                    hint = remedy
                    faults.append(
                        Fault(
                            fact=f"package {deb.name} {deb.version} ({deb.architecture}) is gone from the mirror",
                            at=str(error),
                        )
                    )
                except FetchError as error:
                    hint = hint or error.hint
                    failures += [(deb.name, fault) for fault in error.faults]
                done += 1
                progress(f"{done} of {len(wanted)} packages")
        except KilnError:
            pool.shutdown(cancel_futures=True)
            raise
    if faults or failures:
        raise FetchError([*sorted(faults, key=lambda fault: fault.fact), *_by_host(failures)], hint=hint)


def _by_host(failures: Iterable[tuple[str, Fault]]) -> list[Fault]:
    """Return one fault for each host and reason, which counts the packages and names the first of them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, fault in failures:
        parts = urlsplit(fault.at or "")
        host = f"{parts.scheme}://{parts.netloc}" if parts.netloc else fault.at or ""
        # Some reasons name the URL or path of the one file that was asked for.
        reason = fault.fact.replace(fault.at or "\0", host).replace(parts.path or "\0", "…")
        groups.setdefault((host, reason), []).append(name)
    return [
        Fault(fact=reason, at=host, want=_listed(sorted(set(names))))
        for (host, reason), names in sorted(groups.items())
    ]


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"package {names[0]}"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} packages: {', '.join(names[:_NAMED])}{more}"


def _fetch(deb: LockedDeb, store: BlobStore, mirrors: Mirrors) -> None:
    tried: list[str] = []
    failure: FetchError | None = None
    for url in _places(deb, mirrors):
        tried.append(public_url(url))
        try:
            _download(url, deb, store)
        except NotThereError:
            continue
        except FetchError as error:
            failure = error
            continue
        return
    if failure:
        raise failure
    raise NotThereError(", ".join(tried))


def _places(deb: LockedDeb, mirrors: Mirrors) -> Iterator[str]:
    for root in mirrors.of(deb.archive):
        yield f"{root}/{quote(deb.filename)}"
    if mirrors.snapshot:
        yield from _snapshot_places(deb, mirrors.snapshot)


def _snapshot_places(deb: LockedDeb, snapshot: str) -> Iterator[str]:
    """Yield where a package may be in an archive of superseded ones.

    A snapshot service is asked for the file by name and version (its machine-readable interface, ``/mr/binary``);
    any other archive is expected to have ``pool/`` like a mirror.
    """
    yield f"{snapshot}/{quote(deb.filename)}"
    question = f"{snapshot}/mr/binary/{quote(deb.name)}/{quote(deb.version, safe='')}/binfiles"
    try:
        answer = json.loads(read_url(question))
        files = [row["hash"] for row in answer["result"] if row["architecture"] in (deb.architecture, "all")]
    except (NotThereError, FetchError, ValueError, KeyError, TypeError):
        return
    for name in files:
        yield f"{snapshot}/file/{quote(str(name))}"


def _download(url: str, deb: LockedDeb, store: BlobStore) -> None:
    """Store the package, starting over when a connection breaks; and once when its bytes are wrong, as caches err."""
    what = f"package {deb.name} {deb.version} from {public_url(url)}"
    for attempt in range(_ATTEMPTS):
        try:
            with open_url(url) as chunks, store.writer(expected=deb.digest, what=what) as writer:
                for chunk in chunks:
                    writer.write(chunk)
                    if writer.size > deb.size:
                        break
        except FetchError:
            if attempt == _ATTEMPTS - 1:
                raise
        except DigestMismatchError:
            if attempt >= 1:
                raise
        else:
            return
        time.sleep(0.5 * 2**attempt)

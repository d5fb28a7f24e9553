"""The one place that has pip bring wheels: the user's index, credentials, proxy and CA settings hold as they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builder.errors import DigestMismatchError, Fault, FetchError, KilnError, ResolutionError
from builder.host.process import run
from builder.lock.explain import explain_trouble, trim
from builder.lock.indexes import pip_environment
from builder.lock.model import LockedWheel
from builder.lock.pins import Pin
from builder.lock.redaction import redact
from builder.lock.target import Target
from builder.oci.digest import Digest
from builder.store.blobs import BlobStore, outer_faults, store_faults

_MISSING = re.compile(r"No matching distribution found for (?P<what>[^\s(]+)")
_OTHER_HASH = re.compile(
    r"^\s*(?P<what>\S+)(?: from \S+)?.*:\s*\n\s*Expected sha256 (?P<want>[0-9a-f]{64})"
    r"(?:\s*\n\s*Expected\s+or [0-9a-f]{64})*\s*\n\s*Got\s+(?P<got>[0-9a-f]{64})",
    re.MULTILINE,
)


@contextmanager
def download_wheels(pins: Sequence[Pin], target: Target, store: BlobStore) -> Iterator[tuple[Path, ...]]:
    """Yield the wheels pip takes for these pins on the target, in a folder that is gone afterwards.

    Only wheels, no dependencies, nothing built or run. Hashes are demanded when every pin has some. A pin without
    a wheel is a ResolutionError, an index out of reach a FetchError, other bytes a DigestMismatchError. Tags alone
    decide here: what Python a wheel wants is read from its metadata, where a refusal can be told as one.
    """
    with store.folder("wheels") as place:
        has_hashes = all(pin.hashes for pin in pins)
        lines = []
        for pin in pins:
            hashes = [f"--hash={digest}" for digest in sorted(pin.hashes)] if has_hashes else []
            lines.append(" ".join([f"{pin.name}=={pin.version}", *hashes]))
        with store_faults("write to the store", place):
            (place / "wheels.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = run(
            [
                *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
                *("--python-version", target.minor, "--implementation", "cp", "--abi", target.abi),
                "--ignore-requires-python",
                *(part for tag in target.platform_tags() for part in ("--platform", tag)),
                *(("--require-hashes",) if has_hashes else ()),
                *("--requirement", "wheels.txt", "--dest", "."),
            ],
            cwd=place,
            env=pip_environment(),
        )
        if done.returncode != 0:
            raise _explain(done.stdout, done.stderr, target)
        yield tuple(sorted(place.glob("*.whl")))


def take_in(path: Path, store: BlobStore) -> LockedWheel:
    """Put a wheel into the store and return what it is."""
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise FetchError.of(f"the index offers a wheel with a malformed name: {path.name}") from error
    with outer_faults("read", path):
        size = path.stat().st_size
    return LockedWheel(
        name=canonicalize_name(name),
        version=str(version),
        filename=path.name,
        size=size,
        digest=store.add_file(path),
    )


def in_batches(pins: Sequence[Pin], download: Callable[[Sequence[Pin]], None]) -> None:
    """Call ``download`` with as few groups of pins as give no name two versions, which pip would refuse."""
    waiting = list(pins)
    while waiting:
        names: set[str] = set()
        batch: list[Pin] = []
        later: list[Pin] = []
        for pin in waiting:
            (later if pin.name in names else batch).append(pin)
            names.add(pin.name)
        download(batch)
        waiting = later


def _explain(stdout: str, stderr: str, target: Target) -> KilnError:
    text = trim(redact(stderr))
    mismatches = [
        Fault(
            fact=f"{match['what']} does not have the bytes that were locked",
            want=str(Digest(match["want"])),
            got=str(Digest(match["got"])),
        )
        for match in _OTHER_HASH.finditer(redact(stdout + "\n" + stderr))
    ]
    if mismatches:
        return DigestMismatchError(
            mismatches,
            hint="do not build from these bytes; find out why the index serves others than it did when `kiln lock` ran",
        )
    if trouble := explain_trouble(stderr):
        return trouble
    if match := _MISSING.search(text):
        return ResolutionError.of(
            f"{match['what']} has no wheel for {target}",
            want=f"a wheel tagged {target.abi} or py3, for glibc {target.glibc[0]}.{target.glibc[1]} or older, or any",
            got=text,
            hint="run `kiln lock --upgrade`, or require a version that has such a wheel",
        )
    return FetchError.of(
        "pip could not bring the wheels", got=text, hint="look at pip's settings (pip config list) and run it again"
    )

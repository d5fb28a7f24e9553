"""Two resolvers behind one interface: pip-tools for this machine's own Python and platform, uv for any other."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from packaging.requirements import Requirement
from uv import find_uv_bin

from builder.errors import KilnError, ResolutionError
from builder.host.process import run
from builder.lock.explain import explain_refusal, explain_trouble, with_versions
from builder.lock.indexes import pip_environment, read_index_settings, uv_environment
from builder.lock.pins import Pin, PinError, parse_pins
from builder.lock.redaction import redact
from builder.lock.target import Target

_ABSENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) was not found in")
# The C libraries uv has names for; another one is resolved as the next older of these.
_UV_GLIBC = ((2, 17), (2, 28), *((2, minor) for minor in range(31, 41)))

Wanted = Sequence[Requirement]


class Resolver(Protocol):
    """Chooses a version of everything that is wanted and of what that needs."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def resolve(
        self, wanted: Sequence[Requirement], target: Target, *, preferred: Sequence[Pin] = ()
    ) -> tuple[Pin, ...]:
        """Return the chosen versions for one target, sorted by name; wheels only.

        Versions in ``preferred`` are kept where they do. Nothing that fits is a ResolutionError naming package,
        requirement chain and remedy; an index that cannot be asked is a FetchError.
        """
        ...


@dataclass(frozen=True, slots=True)
class PipTools:
    """``pip-compile`` in this interpreter. It sees the user's pip settings as pip does.

    Hashes are not asked of it: on an index without the JSON API it would download every wheel of every platform to
    hash it. They come from the wheels chosen next.
    """

    name: str = field(default="pip-tools", init=False)

    def resolve(
        self, wanted: Sequence[Requirement], target: Target, *, preferred: Sequence[Pin] = ()
    ) -> tuple[Pin, ...]:
        """Resolve for this interpreter's own Python and platform; the target must match it."""
        if not wanted:
            return ()
        with _Workspace(wanted, preferred) as folder:
            done = run(
                [
                    *(sys.executable, "-m", "piptools", "compile", "--no-config"),
                    *("--strip-extras", "--allow-unsafe", "--resolver=backtracking", "--no-header"),
                    *("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links", "--no-emit-options"),
                    *("--pip-args", "--only-binary=:all:"),
                    *("--output-file", "requirements.lock", "requirements.in"),
                ],
                cwd=folder,
                env=pip_environment(),
            )
            if done.returncode == 0:
                return _read(folder)
        if trouble := explain_trouble(done.stderr):
            raise trouble
        # Its refusal names one package and no chain; uv's names them all.
        try:
            return Uv().resolve(wanted, target, preferred=preferred)
        except ResolutionError as error:
            raise with_versions(error, done.stderr) from error


@dataclass(frozen=True, slots=True)
class Uv:
    """``uv pip compile`` for any Python and platform, told pip's settings."""

    name: str = field(default="uv", init=False)

    def resolve(
        self, wanted: Sequence[Requirement], target: Target, *, preferred: Sequence[Pin] = ()
    ) -> tuple[Pin, ...]:
        """Resolve for any target."""
        if not wanted:
            return ()
        with _Workspace(wanted, preferred) as folder:
            done = run(
                [
                    *(find_uv_bin(), "pip", "compile", "--quiet", "--no-config", "--generate-hashes", "--no-header"),
                    *("--python", sys.executable, "--python-version", target.python),
                    *("--python-platform", _uv_platform(target), "--only-binary", ":all:"),
                    *("--output-file", "requirements.lock", "requirements.in"),
                ],
                cwd=folder,
                env=uv_environment(read_index_settings()),
            )
            if done.returncode != 0:
                raise _unanswered(done.stderr) or explain_refusal(done.stderr, target)
            return _read(folder)


def resolver_for(target: Target) -> Resolver:
    """Return pip-tools when this interpreter is what the target has, else uv."""
    return PipTools() if target.is_host() else Uv()


def _unanswered(refusal: str) -> KilnError | None:
    """Return the error when a package is unknown only because the index refused to answer: pip tells, uv does not."""
    absent = _ABSENT.search(refusal)
    if absent is None:
        return None
    done = run([sys.executable, "-m", "pip", "index", "versions", absent["name"]], env=pip_environment())
    return explain_trouble(done.stderr) if done.returncode else None


def _uv_platform(target: Target) -> str:
    known = [glibc for glibc in _UV_GLIBC if glibc <= target.glibc]
    major, minor = known[-1] if known else _UV_GLIBC[0]
    return f"{target.platform.machine}-manylinux_{major}_{minor}"


def _read(folder: Path) -> tuple[Pin, ...]:
    text = (folder / "requirements.lock").read_text(encoding="utf-8")
    try:
        return tuple(
            Pin(name=pin.name, version=pin.version, hashes=pin.hashes, via=pin.via) for pin in parse_pins(text)
        )
    except PinError as error:
        raise ResolutionError.of(
            f"the resolver chose something that cannot be locked: {redact(str(error))}",
            hint="require packages by name and version",
        ) from error


class _Workspace:
    """A folder with the resolver's input, and the versions to keep where its output will be."""

    def __init__(self, wanted: Wanted, preferred: Sequence[Pin]) -> None:
        self._wanted = wanted
        self._preferred = preferred
        self._folder = tempfile.TemporaryDirectory(prefix="kiln-lock-")

    def __enter__(self) -> Path:
        folder = Path(self._folder.__enter__())
        lines = "".join(f"{requirement}\n" for requirement in self._wanted)
        (folder / "requirements.in").write_text(lines, encoding="utf-8")
        if self._preferred:
            kept = "".join(f"{pin.name}=={pin.version}\n" for pin in self._preferred)
            (folder / "requirements.lock").write_text(kept, encoding="utf-8")
        return folder

    def __exit__(self, *exception: object) -> None:
        self._folder.cleanup()

"""What a wheel leaves in an image: the tree ``pip install --target`` makes (docs/reference/layers.md § 7).

PyPA "Binary distribution format" says what a wheel is; where pip's ``--target`` differs, pip is followed, because the
generated Dockerfile installs with pip and must end at the same image.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name, canonicalize_version

from builder.assemble.archive import read_archive
from builder.assemble.content import MadeContent
from builder.assemble.member import Member
from builder.assemble.record import Row, is_listed, parse_record, write_record
from builder.assemble.scripts import Command, is_wrapper_of, parse_commands, with_interpreter
from builder.errors import Fault, PlanError
from builder.oci.entry import Entry
from builder.plan.model import WheelSource

INSTALLER = b"kiln\n"
SCRIPTS = "bin"
_SCRIPT_LIMIT = 64 << 20
_METADATA_LIMIT = 32 << 20


def wheel_entries(source: WheelSource, wheel: Path) -> list[Entry]:
    """Return the files a wheel leaves below its prefix, their content still in the wheel.

    A wheel that breaks its specification is a PlanError with all faults found; content that does not match the
    wheel's own RECORD is a DigestMismatchError when it is read.
    """
    return _Wheel(source, wheel).entries()


def owned_paths(source: WheelSource, wheel: Path) -> list[str]:
    """Return the paths in the image that belong to a wheel, bytecode apart; sorted."""
    return sorted(entry.path for entry in wheel_entries(source, wheel))


class _Wheel:
    """One wheel being read."""

    def __init__(self, source: WheelSource, path: Path) -> None:
        self._source = source
        self._file = source.wheel.filename
        self._path = path
        self._faults: list[Fault] = []
        self._members = {member.name: member for member in read_archive(path, name=self._file)}
        self._dist_info = self._find_dist_info()
        self._data = f"{self._dist_info.removesuffix('.dist-info')}.data"

    def entries(self) -> list[Entry]:
        self._check_format()
        recorded = self._recorded()
        commands = self._commands()
        names = {command.name for command in commands}
        record = f"{self._dist_info}/RECORD"
        replaced = {record, f"{self._dist_info}/INSTALLER", f"{self._dist_info}/REQUESTED"}
        entries: list[Entry] = []
        rows: list[Row] = []
        unlisted: list[str] = [record]
        for name, member in self._members.items():
            if name in replaced or name == f"{self._dist_info}/direct_url.json":
                continue
            place = self._place(name)
            if place is None:
                continue
            path, is_script = place
            if is_script and is_wrapper_of(path.rpartition("/")[2], names):
                continue
            mode = 0o755 if member.executable else 0o644
            row = recorded.get(name)
            if not is_listed(name, self._dist_info):
                unlisted.append(path)
            elif row is None:
                row = _hashed(path, member)
            if row:
                member = replace(member, recorded=(row.algorithm, row.digest))  # noqa: PLW2901 - now with its hash
                if row.size not in (None, member.size):
                    self._fault(f"{name}: not the size that RECORD has", want=str(row.size), got=str(member.size))
            if is_script and self._starts_with_python(member):
                data = with_interpreter(self._read(member), self._source.interpreter)
                entries.append(self._made(path, data, mode=mode, of=name))
                rows.append(Row.of(path, data))
                continue
            entries.append(Entry.file(f"{self._source.prefix}/{path}", member, mode=mode))
            if row:
                rows.append(replace(row, path=path, size=member.size))
        for command in commands:
            path, data = f"{SCRIPTS}/{command.name}", command.text(self._source.interpreter).encode()
            entries.append(self._made(path, data, mode=0o755, of="entry_points.txt"))
            rows.append(Row.of(path, data))
        installer = f"{self._dist_info}/INSTALLER"
        entries.append(self._made(installer, INSTALLER, of="INSTALLER"))
        rows.append(Row.of(installer, INSTALLER))
        entries.append(self._made(record, write_record(rows, unlisted), of="RECORD"))
        self._raise_faults()
        return entries

    def _place(self, name: str) -> tuple[str, bool] | None:
        """Return where a member goes below the prefix, and whether it is a script; None when pip drops it."""
        top, _, rest = name.partition("/")
        if not top.endswith(".data"):
            return name, False
        scheme, _, path = rest.partition("/")
        if top != self._data or not path:
            self._fault(f"{name}: not a place in a wheel", want=f"{self._data}/<scheme>/<path>")
            return None
        match scheme:
            case "purelib" | "platlib":
                return path, False
            case "scripts":
                return f"{SCRIPTS}/{path}", True
            case "headers":
                return f"include/python/{self._source.wheel.name}/{path}", False
            case "data":
                # pip --target moves what is below its data folder, save what stands where its own "lib" does.
                return None if "lib".startswith(path.split("/")[0]) else (path, False)
            case _:
                self._fault(f"{name}: unknown scheme {scheme}", want="purelib, platlib, scripts, headers or data")
                return None

    def _find_dist_info(self) -> str:
        wheel = self._source.wheel
        found = sorted({name.split("/")[0] for name in self._members if name.split("/")[0].endswith(".dist-info")})
        if len(found) != 1:
            raise PlanError.of(
                f"{self._file} has {len(found)} .dist-info folders",
                at=str(self._path),
                want="exactly one",
                got=", ".join(found) or None,
            )
        name, _, version = found[0].removesuffix(".dist-info").rpartition("-")
        want = (canonicalize_name(wheel.name), canonicalize_version(wheel.version))
        if (canonicalize_name(name), canonicalize_version(version)) != want:
            self._fault(
                f"{self._file} holds another package than its name says",
                want=f"{wheel.name} {wheel.version}",
                got=f"{name} {version}",
            )
        for required in ("METADATA", "WHEEL", "RECORD"):
            if f"{found[0]}/{required}" not in self._members:
                self._fault(f"{self._file} has no {required}")
        self._raise_faults()
        return found[0]

    def _check_format(self) -> None:
        fields = (line.partition(":") for line in self._text("WHEEL").splitlines())
        version = next((value.strip() for name, _, value in fields if name.lower() == "wheel-version"), "")
        if version.split(".", maxsplit=1)[0] != "1":
            self._fault(
                f"{self._file} has a format that is not known", want="Wheel-Version: 1.x", got=version or "none"
            )

    def _recorded(self) -> dict[str, Row]:
        try:
            return parse_record(self._text("RECORD"))
        except ValueError as error:
            self._fault(f"{self._file}: RECORD: {error}")
            return {}

    def _commands(self) -> list[Command]:
        if f"{self._dist_info}/entry_points.txt" not in self._members:
            return []
        try:
            return parse_commands(self._text("entry_points.txt"), python=self._source.python)
        except ValueError as error:
            self._fault(f"{self._file}: entry_points.txt: {error}")
            return []

    def _text(self, name: str) -> str:
        member = self._members[f"{self._dist_info}/{name}"]
        if member.size > _METADATA_LIMIT:
            raise PlanError.of(f"{self._file}: {name} is too large", at=str(self._path), got=f"{member.size} bytes")
        try:
            return self._read(member).decode()
        except UnicodeDecodeError:
            self._fault(f"{self._file}: {name} is not UTF-8")
            return ""

    def _starts_with_python(self, member: Member) -> bool:
        return member.size <= _SCRIPT_LIMIT and next(member.chunks(), b"").startswith(b"#!python")

    @staticmethod
    def _read(member: Member) -> bytes:
        return b"".join(member.chunks())

    def _made(self, path: str, data: bytes, *, of: str, mode: int = 0o644) -> Entry:
        return Entry.file(f"{self._source.prefix}/{path}", MadeContent(data, f"{self._file}: {of}"), mode=mode)

    def _fault(self, fact: str, *, want: str | None = None, got: str | None = None) -> None:
        self._faults.append(Fault(fact=fact, at=str(self._path), want=want, got=got))

    def _raise_faults(self) -> None:
        if self._faults:
            raise PlanError(
                self._faults, hint="choose another version of the package, or report the wheel to its authors"
            )


def _hashed(path: str, member: Member) -> Row:
    """Make the row of a file that the wheel's RECORD has no hash of."""
    hasher = hashlib.sha256()
    for chunk in member.chunks():
        hasher.update(chunk)
    return Row(path=path, algorithm="sha256", digest=hasher.digest(), size=member.size)

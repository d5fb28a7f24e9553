"""Small Debian packages, written byte by byte, so that tests can also write wrong ones."""

import io
import lzma
import tarfile
from collections.abc import Callable, Mapping, Sequence

from builder.base.model import LockedDeb
from builder.oci.digest import Digest
from builder.store.blobs import BlobStore


def tar_of(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(
    name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.uid, info.mtime = kind, mode, link, 42, 1234
    return info, content


def files(content: Mapping[str, bytes | str]) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Turn ``{path: bytes}`` into files and ``{path: "-> target"}`` into links, with their folders."""
    out: list[tuple[tarfile.TarInfo, bytes]] = []
    folders: set[str] = set()
    for path, value in content.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                out.append(member(f"./{folder}/", kind=tarfile.DIRTYPE, mode=0o755))
        if isinstance(value, str):
            out.append(member(f"./{path}", kind=tarfile.SYMTYPE, mode=0o777, link=value.removeprefix("-> ")))
        else:
            out.append(member(f"./{path}", value, mode=0o755 if "/bin/" in f"/{path}" else 0o644))
    return out


def ar_of(members: Sequence[tuple[str, bytes]]) -> bytes:
    out = b"!<arch>\n"
    for name, content in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


def deb_of(
    name: str,
    version: str = "1.0",
    *,
    architecture: str = "amd64",
    data: Sequence[tuple[tarfile.TarInfo, bytes]] = (),
    scripts: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
    compress: Callable[[bytes], bytes] = lzma.compress,
    suffix: str = ".xz",
) -> bytes:
    control = f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
    control += "".join(f"{key}: {value}\n" for key, value in (fields or {}).items())
    control += "Description: made for a test\n with a second line\n"
    inside = [member("./control", control.encode())]
    inside += [member(f"./{key}", text.encode(), mode=0o755) for key, text in (scripts or {}).items()]
    return ar_of(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{suffix}", compress(tar_of(inside))),
            (f"data.tar{suffix}", compress(tar_of(data))),
        ]
    )


def locked_deb(content: bytes, name: str, version: str = "1.0", *, archive: str = "main") -> LockedDeb:
    return LockedDeb(
        name=name,
        version=version,
        architecture="amd64",
        archive=archive,
        filename=f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb",
        size=len(content),
        digest=Digest.of(content),
    )


def stored_deb(store: BlobStore, content: bytes, name: str, version: str = "1.0") -> LockedDeb:
    store.add(content)
    return locked_deb(content, name, version)

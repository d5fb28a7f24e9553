"""What maintainer scripts would have done, as a short list of changes to a base's tree."""

from __future__ import annotations

from builder.base.definition import BaseDefinition
from builder.base.tree import MERGED, Tree
from builder.errors import BaseImageError
from builder.oci.entry import Entry, EntryKind, InlineContent

CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"

_ACCOUNTS = """\
root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
kiln:x:10001:0:ModelKiln:/tmp:/usr/sbin/nologin
"""
_GROUPS = """\
root:x:0:
tty:x:5:
mail:x:8:
shadow:x:42:
staff:x:50:
users:x:100:
nogroup:x:65534:
"""
_LOGINS = """\
root:*:::::::
nobody:*:::::::
kiln:*:::::::
"""
_FOLDERS = {
    "boot": 0o755, "dev": 0o755, "etc/opt": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "opt": 0o755,
    "proc": 0o755, "root": 0o700, "run": 0o755, "run/lock": 0o1777, "srv": 0o755, "sys": 0o755, "tmp": 0o1777,
    "usr/bin": 0o755, "usr/lib": 0o755, "usr/local/bin": 0o755, "usr/local/lib": 0o755, "usr/local/sbin": 0o755,
    "usr/local/share": 0o755, "usr/sbin": 0o755, "var/cache": 0o755, "var/opt": 0o755, "var/tmp": 0o1777,
}  # fmt: skip
_LINKS = {
    "etc/dpkg/origins/default": "debian",
    "etc/localtime": "/usr/share/zoneinfo/Etc/UTC",
    "usr/lib/ssl/cert.pem": f"/{CERTIFICATES}",
    "usr/lib/ssl/certs": "/etc/ssl/certs",
    "var/lock": "/run/lock",
    "var/run": "/run",
}


def apply_fixups(tree: Tree, definition: BaseDefinition) -> None:
    """Make a base's tree whole: folders and links, accounts, certificates, time zone, interpreter.

    What a fixup builds on and does not find is a BaseImageError that names it.
    """
    for path, mode in _FOLDERS.items():
        tree.put(Entry.directory(path, mode=mode))
    _merge_usr(tree)
    for path, target in _LINKS.items():
        tree.put(Entry.symlink(path, target))
    for path, text, mode in (
        ("etc/passwd", _ACCOUNTS, 0o644),
        ("etc/group", _GROUPS, 0o644),
        ("etc/shadow", _LOGINS, 0o640),
        ("etc/timezone", "Etc/UTC\n", 0o644),
    ):
        tree.put(Entry.file(path, InlineContent(text.encode()), mode=mode))
    _put_name_service(tree)
    _put_certificates(tree)
    _link_python(tree, definition)


def _merge_usr(tree: Tree) -> None:
    """Link ``/lib`` and the like into ``/usr``, where the programs' loader and interpreter lines expect them."""
    for name in sorted(MERGED):
        if tree.holds_below(f"usr/{name}"):
            tree.put(Entry.symlink(name, f"usr/{name}"))


def _put_name_service(tree: Tree) -> None:
    default = tree.get("usr/share/libc-bin/nsswitch.conf")
    if default is not None and default.content is not None:
        tree.put(Entry.file("etc/nsswitch.conf", default.content))


def _put_certificates(tree: Tree) -> None:
    """Compose the bundle as ``update-ca-certificates`` does: every certificate, sorted, each ending in a newline."""
    certificates = [entry for entry in tree.below("usr/share/ca-certificates") if entry.path.endswith(".crt")]
    if not certificates:
        raise BaseImageError.of("the base has no certificates", want="the package ca-certificates among its packages")
    texts = [b"".join(entry.content.chunks()) for entry in certificates if entry.content]
    bundle = b"".join(text if text.endswith(b"\n") else text + b"\n" for text in texts)
    tree.put(Entry.file(CERTIFICATES, InlineContent(bundle)))


def _link_python(tree: Tree, definition: BaseDefinition) -> None:
    path = definition.interpreter.removeprefix("/")
    interpreter = tree.get(path)
    if interpreter is None or interpreter.kind is not EntryKind.FILE:
        raise BaseImageError.of(
            f"base {definition.name} has no interpreter", at=definition.interpreter, want="a regular file"
        )
    customize = tree.get(f"usr/lib/python{definition.python}/sitecustomize.py")
    if customize is not None and customize.link and tree.get(customize.link.lstrip("/")) is None:
        tree.put(Entry.file(customize.link.lstrip("/"), InlineContent(b"# empty, so that the link leads somewhere\n")))
    tree.put(Entry.symlink("usr/bin/python3", path.rpartition("/")[2]))
    tree.put(Entry.symlink("usr/bin/python", "python3"))

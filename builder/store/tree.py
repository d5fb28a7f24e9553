"""The file system of an image as a folder: layers laid over each other, made once and used again.

Layers are unpacked once per machine (``tree_layer``); a tree is hard links to their files. A tree must therefore be
mounted read-only by whoever runs something in it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from builder.errors import DigestMismatchError, StoreError
from builder.host.removal import ASIDE, remove_tree, take_away
from builder.oci.image import Layer
from builder.store.blobs import BlobStore, store_faults
from builder.store.guard import lock_name
from builder.store.tree_layer import LayerPool, Node, NodeKind, chain_id, granted_mode, put_in_place, unpack_layer

_MAX_LINKS = 40
_KEEP_SECONDS = 7 * 24 * 3600
_MERGED = "merged"
_GUARD = ".lock"
MOUNT_POINTS = (
    *(Node(path, NodeKind.DIRECTORY) for path in ("dev", "proc", "sys", "tmp", "etc")),
    *(Node(path, NodeKind.FILE, 0o644) for path in ("etc/hosts", "etc/hostname", "etc/resolv.conf")),
)
"""What every engine adds to an image that lacks it, to mount its own over it."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A node in the finished tree, and the pool its content is in; without a pool a file is empty."""

    node: Node
    pool: LayerPool | None = None


class MergedTree:
    """Layers laid over each other, as data; names and links are resolved here and never by the operating system."""

    def __init__(self) -> None:
        self.placed: dict[str, _Placed] = {"": _Placed(Node("", NodeKind.DIRECTORY))}
        self._children: dict[str, set[str]] = {"": set()}

    def apply(self, pool: LayerPool) -> None:
        """Lay one more layer on top. Its whiteouts hide only what lies below (image-spec, layer.md § "Whiteouts")."""
        for node in pool.nodes:
            if node.kind is NodeKind.WHITEOUT:
                self._hide(node.path)
            elif node.kind is NodeKind.OPAQUE and (path := self._resolve(node.path)) is not None:
                for name in tuple(self._children.get(path, ())):
                    self._remove(_join(path, name))
        for node in pool.nodes:
            if node.kind not in (NodeKind.WHITEOUT, NodeKind.OPAQUE):
                self._add(node, pool)

    def provide(self, nodes: Iterable[Node]) -> None:
        """Add what is not there yet."""
        for node in nodes:
            if self._resolve(node.path) is None and node.path not in self.placed:
                self._add(node, None)

    def _add(self, node: Node, pool: LayerPool | None) -> None:
        if not node.path:
            self.placed[""] = _Placed(node)
            return
        folder, _, name = node.path.rpartition("/")
        parent = self._folder(folder)
        path = _join(parent, name)
        if node.kind is NodeKind.HARDLINK:
            target = self.placed.get(self._resolve_parent(node.link))
            if target is None or target.node.kind is NodeKind.DIRECTORY:
                raise StoreError.of("a layer has a hard link to a file it does not hold", at=f"/{path} -> /{node.link}")
            placed = _Placed(replace(target.node, path=path), target.pool)
        else:
            placed = _Placed(replace(node, path=path), pool)
        current = self.placed.get(path)
        if current and current.node.kind is NodeKind.DIRECTORY and placed.node.kind is NodeKind.DIRECTORY:
            self.placed[path] = placed
            return
        self._remove(path)
        self.placed[path] = placed
        self._children[parent].add(name)
        if placed.node.kind is NodeKind.DIRECTORY:
            self._children[path] = set()

    def _folder(self, path: str) -> str:
        """Return the resolved path of a folder, making what is missing."""
        current = ""
        for name in path.split("/") if path else ():
            step = _join(current, name)
            placed = self.placed.get(step)
            if placed is None:
                self.placed[step] = _Placed(Node(step, NodeKind.DIRECTORY))
                self._children[current].add(name)
                self._children[step] = set()
            elif placed.node.kind is NodeKind.SYMLINK:
                resolved = self._resolve(step)
                if resolved is None:
                    raise StoreError.of("a layer writes below a link that leads nowhere", at=f"/{path}")
                step = resolved
            if self.placed[step].node.kind is not NodeKind.DIRECTORY:
                raise StoreError.of("a layer writes below a file as if it were a folder", at=f"/{path}")
            current = step
        return current

    def _resolve(self, path: str) -> str | None:
        """Follow links within the tree, which nothing can leave; None when the path is not there."""
        left = [part for part in reversed(path.split("/")) if part]
        current, hops = "", 0
        while left:
            name = left.pop()
            if name in (".", ""):
                continue
            if name == "..":
                current = current.rpartition("/")[0]
                continue
            step = _join(current, name)
            placed = self.placed.get(step)
            if placed is None:
                return None
            if placed.node.kind is not NodeKind.SYMLINK:
                current = step
                continue
            hops += 1
            if hops > _MAX_LINKS:
                return None
            if placed.node.link.startswith("/"):
                current = ""
            left.extend(reversed(placed.node.link.split("/")))
        return current

    def _resolve_parent(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        return _join(self._resolve(folder) or "", name) if folder else name

    def _hide(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if (parent := self._resolve(folder)) is not None:
            self._remove(_join(parent, name))

    def _remove(self, path: str) -> None:
        if path not in self.placed:
            return
        doomed = [path]
        while doomed:
            victim = doomed.pop()
            self.placed.pop(victim, None)
            doomed.extend(_join(victim, name) for name in self._children.pop(victim, ()))
        folder, _, name = path.rpartition("/")
        self._children[folder].discard(name)


def unpack_layers(
    layers: Sequence[Layer],
    store: BlobStore,
    destination: Path,
    *,
    own: bool,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Write the file system these layers make at ``destination`` and return what was left out, a reason each.

    Every layer's blob digest and diff_id are checked when it is unpacked for the first time on this machine. The
    tree is written aside and renamed, so a ``destination`` that exists is whole. ``own`` (root only) keeps owners;
    without it every file belongs to this user, with the permissions a stranger in group 0 would have. setuid bits
    are dropped, device files are left out. ``progress`` is called from several threads.
    """
    home = store.root / "trees" / ("owned" if own else f"user-{os.geteuid()}")
    tree = MergedTree()
    skipped: list[str] = []

    def unpack(layer: Layer) -> LayerPool:
        progress(f"unpacking {layer.title}")
        try:
            return unpack_layer(layer, store, home / "layers" / layer.diff_id.hex, own=own, aside=home / "aside")
        except DigestMismatchError:
            store.verify(layer.descriptor.digest)  # removes a damaged blob, so that the next build makes it anew
            raise

    with ThreadPoolExecutor(os.cpu_count()) as workers:
        try:
            for pool in workers.map(unpack, layers):
                tree.apply(pool)
                skipped.extend(pool.skipped)
        except BaseException:
            workers.shutdown(cancel_futures=True)
            raise
    tree.provide(MOUNT_POINTS)
    with store_faults("write an image's file system", destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=destination.parent, prefix=ASIDE))
        try:
            _write(tree, scratch, own=own)
            put_in_place(scratch, destination)
        finally:
            remove_tree(scratch)
    return tuple(skipped)


class HeldTree:
    """A cached tree that nobody removes until it is released."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock: int | None = lock

    def release(self) -> None:
        """Let the tree be removed once it has not been used for a week. May be called again."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def hold_tree(
    layers: Sequence[Layer], store: BlobStore, *, own: bool, progress: Callable[[str], None] = lambda _: None
) -> HeldTree:
    """Return the tree of these layers, unpacked now or earlier, and keep it from being removed.

    Trees that nobody holds and nobody used for a week are removed on the way.
    """
    home = store.root / "trees" / ("owned" if own else f"user-{os.geteuid()}") / _MERGED
    name = chain_id([layer.diff_id for layer in layers]).hex
    with store_faults("write an image's file system", home):
        home.mkdir(parents=True, exist_ok=True)
        lock = lock_name(guard_of(home / name), fcntl.LOCK_SH)
        try:
            os.utime(lock)
            if not (home / name).is_dir():
                for reason in unpack_layers(layers, store, home / name, own=own, progress=progress):
                    progress(f"left out {reason}")
                _forget_unused(store.root, home)
        except BaseException:
            os.close(lock)
            raise
    return HeldTree(home / name, lock)


def guard_of(path: Path) -> Path:
    """Return the file that who uses a merged tree has locked; its time is that of the last use."""
    return path.with_name(f"{path.name}{_GUARD}")


def discard_tree(path: Path) -> bool:
    """Remove a tree, or an unpacked layer, unless somebody holds it; tell whether it went.

    A removal that is killed leaves nothing that looks whole.
    """
    if path.parent.name != _MERGED:  # layers are nobody's own
        take_away(path)
        return True
    guard = guard_of(path)
    try:
        lock = lock_name(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # a container runs from it
        return False
    try:
        take_away(path)
        guard.unlink(missing_ok=True)
    finally:
        os.close(lock)
    return True


def sweep_trees(root: Path, *, unused_since: float) -> None:
    """Remove what was unpacked or taken away by processes that were killed, when it is older than that."""
    trees = root / "trees"
    for path in (*trees.glob(f"*/*/{ASIDE}*"), *trees.glob("*/aside/*")):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < unused_since:
                remove_tree(path)


def _forget_unused(root: Path, home: Path) -> None:
    oldest = time.time() - _KEEP_SECONDS
    sweep_trees(root, unused_since=oldest)
    for guard in home.glob(f"*{_GUARD}"):
        with suppress(FileNotFoundError):
            if guard.stat().st_mtime <= oldest:
                discard_tree(guard.with_name(guard.stem))


def _write(tree: MergedTree, root: Path, *, own: bool) -> None:
    folders: list[tuple[str, Node]] = []
    base = str(root)
    for path, placed in sorted(tree.placed.items()):
        node, target = placed.node, f"{base}/{path}"
        match node.kind:
            case NodeKind.DIRECTORY:
                if path:
                    os.mkdir(target, 0o700)
                folders.append((target, node))
            case NodeKind.SYMLINK:
                os.symlink(node.link, target)
            case _:
                _place_file(placed, target)
        if own and node.kind is not NodeKind.FILE and (node.uid, node.gid) != (0, 0):
            os.chown(target, node.uid, node.gid, follow_symlinks=False)
    for target, node in reversed(folders):
        os.chmod(target, node.mode if own else granted_mode(node.mode, node.gid))


def _place_file(placed: _Placed, target: str) -> None:
    if placed.pool is None or placed.node.content is None:
        with open(target, "xb") as file:
            os.fchmod(file.fileno(), 0o444)
        return
    source = placed.pool.file(placed.node.content)
    try:
        os.link(source, target)
    except OSError:  # too many links, or a file system without them
        shutil.copy2(source, target)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name

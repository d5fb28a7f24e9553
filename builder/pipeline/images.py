"""Opening an image wherever it is: a bundle's build folder, an OCI layout, a registry, an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.compare.opened import OpenedImage, open_parts
from builder.engine.docker import DockerEngine
from builder.engine.saved import Slice, saved_image
from builder.errors import EngineUnavailableError, NotBuiltError, StoreError, UsageError
from builder.oci.digest import Digest
from builder.oci.manifest import ImageIndex, ImageManifest
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.pipeline.workshop import Products, Workshop
from builder.publish.pull import pull_image, resolve
from builder.publish.transport import Access
from builder.store.images import read_steadily

LAYOUT = "oci:"
REGISTRY = "docker://"
ENGINE = "docker-daemon:"
_REF_NAME = "org.opencontainers.image.ref.name"
Found = dict[Platform, dict[tuple[Digest, ...], OpenedImage]]
"""The different images of a layout: their IDs with their blobs, since an ID says nothing of how layers are packed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which image, of those a name may stand for, and how to reach it.

    No platform means this machine's, or the only one.
    """

    name: str
    platform: Platform | None = None
    access: Access | None = None


def is_bundle(name: str) -> bool:
    """True when a person's name for something is the folder, or the bundle.yaml, of a bundle."""
    path = Path(name)
    return (path / "bundle.yaml").is_file() or (path.name == "bundle.yaml" and path.is_file())


@contextmanager
def open_image(workshop: Workshop, wanted: Wanted) -> Iterator[OpenedImage]:
    """Lend the image a name stands for.

    ``oci:FOLDER[:TAG]``, ``docker://REGISTRY/NAME`` and ``docker-daemon:NAME`` say where it is. Without them a bundle
    is what was built in it, another folder a layout, a name with a registry is looked up there, and any other in the
    engine.
    """
    name = wanted.name
    with workshop.store.folder("open") as scratch:
        if is_bundle(name):
            root = Path(name) if Path(name).is_dir() else Path(name).parent
            yield _from_layout(name, Products(root).layout, None, wanted.platform, scratch)
        elif name.startswith(LAYOUT) or Path(name).is_dir():
            layout, tag = _layout_and_tag(name)
            yield _from_layout(name, layout, tag, wanted.platform, scratch)
        elif (reference := _registry_reference(name)) is not None:
            yield _from_registry(workshop, reference, wanted, scratch)
        else:
            with _from_engine(workshop, name, scratch) as image:
                yield image


def require_names(names: Sequence[str]) -> None:
    """Raise when a name stands for nothing, before any image is read; a registry is not asked for what it has."""
    for name in names:
        if is_bundle(name) or name.startswith(LAYOUT) or Path(name).is_dir():
            root = Path(name) if Path(name).is_dir() else Path(name).parent
            layout = Products(root).layout if is_bundle(name) else _layout_and_tag(name)[0]
            if not (layout / "index.json").is_file():
                raise _nothing_built(layout)
        elif _registry_reference(name) is None:
            _engine_for(name).close()


def _nothing_built(layout: Path) -> NotBuiltError:
    return NotBuiltError.of("no built image here", at=str(layout), hint="run `kiln build` first")


def _engine_for(name: str) -> DockerEngine:
    """Connect to the engine that is asked for a name which is neither a folder nor a registry's."""
    try:
        return DockerEngine.connect()
    except EngineUnavailableError as error:
        if name.startswith(ENGINE) or _looks_like_an_id(name):
            raise
        fact = f"no such bundle or layout {name}, and no engine to ask for an image of that name"
        why = "; ".join(fault.fact for fault in error.faults)
        hint = f"name a bundle's folder, oci:FOLDER or {REGISTRY}REGISTRY/NAME"
        raise EngineUnavailableError.of(fact, at=name, got=why, hint=hint) from error


def _from_layout(name: str, layout: Path, tag: str | None, platform: Platform | None, scratch: Path) -> OpenedImage:
    try:
        found, tags = read_steadily(layout, lambda: _images_of(name, layout, tag, scratch))
    except OSError as error:
        raise _nothing_built(layout) from error
    except ValueError as error:
        raise StoreError.of(f"not an image layout that can be read: {error}", at=str(layout)) from error
    return _choose(found, platform, tags, at=str(layout))


def _images_of(name: str, layout: Path, tag: str | None, scratch: Path) -> tuple[Found, list[str]]:
    def blob(digest: Digest) -> Path:
        return layout / "blobs" / "sha256" / digest.hex

    def checked(digest: Digest) -> bytes:
        content = blob(digest).read_bytes()
        if Digest.of(content) != digest:
            raise StoreError.of("a blob of the layout is damaged", at=str(blob(digest)), want=str(digest))
        return content

    def held(digest: Digest) -> Path:
        """Give a layer a name of our own, since a build may replace the layout before the layer is read."""
        own = scratch / digest.hex
        try:
            own.hardlink_to(blob(digest))
        except FileNotFoundError:
            raise
        except FileExistsError:
            return own
        except OSError:  # another file system: copying gigabytes would cost more than the moment is worth
            return blob(digest)
        return own

    found: Found = {}
    tags = []
    for entry in ImageIndex.decode((layout / "index.json").read_bytes()).manifests:
        tags.append(entry.annotations.get(_REF_NAME, ""))
        if not entry.media_type.is_manifest or tag not in (None, tags[-1]):
            continue
        manifest = ImageManifest.decode(checked(entry.digest))
        image = open_parts(
            name,
            checked(manifest.config.digest),
            [(layer.digest, Slice.of(held(layer.digest))) for layer in manifest.layers],
            scratch,
        )
        identity = (image.image_id, *(layer.digest for layer in manifest.layers))
        found.setdefault(image.platform, {})[identity] = image
    return found, tags


def _choose(
    found: Found,
    platform: Platform | None,
    tags: list[str],
    *,
    at: str,
) -> OpenedImage:
    """Return the one image for the platform. Two dialects of a manifest are one; two different images are a fault."""
    host = Platform.host()
    wanted = platform or (host if host in found else next(iter(found), None))
    if wanted is None or wanted not in found or (platform is None and wanted != host and len(found) > 1):
        raise UsageError.of(
            f"no image for {platform or host or 'this machine'} here",
            at=at,
            want=", ".join(map(str, found)) or "an image",
            hint="name one with --platform" if found else None,
        )
    images = list(found[wanted].values())
    if len(images) > 1:
        raise UsageError.of(
            f"the layout has {len(images)} different images for {wanted}",
            at=at,
            want=f"one of: {', '.join(tags)}",
            hint="say which: oci:FOLDER:TAG",
        )
    return images[0]


def _layout_and_tag(name: str) -> tuple[Path, str | None]:
    """Read ``oci:FOLDER[:TAG]`` or a folder; below a bundle or its build folder is a layout."""
    text, tag = name.removeprefix(LAYOUT), None
    if not Path(text).is_dir():
        text, _, tag = text.rpartition(":")
    folder = Path(text)
    for inner in (folder, folder / "layout", folder / "build" / "layout"):
        if (inner / "index.json").exists():
            return inner, tag
    return folder, tag


def _registry_reference(name: str) -> Reference | None:
    if name.startswith(ENGINE):
        return None
    try:
        reference = Reference.parse(name.removeprefix(REGISTRY))
    except ValueError as error:
        if name.startswith(REGISTRY):
            raise UsageError.of(str(error), at=name) from error
        if _looks_like_an_id(name):
            return None
        raise UsageError.of(
            f"neither a folder nor the name of an image: {error}", at=name, want="a bundle, a layout or an image"
        ) from error
    if reference.registry is None and name.startswith(REGISTRY):
        raise UsageError.of("the name of the image must say its registry", at=name)
    return reference if reference.registry is not None else None


def _looks_like_an_id(name: str) -> bool:
    return name.startswith("sha256:")


def _from_registry(workshop: Workshop, reference: Reference, wanted: Wanted, scratch: Path) -> OpenedImage:
    platform = wanted.platform or Platform.host() or Platform.parse("linux/amd64")
    with workshop.terminal.step("pull", f"pull {reference}") as step:
        pinned = resolve(reference, platform, access=wanted.access).reference
        pulled = pull_image(pinned, platform, workshop.store, access=wanted.access, progress=step.note)
        step.conclude(f"{pulled.fetched / 1e6:.1f} MB")
    return open_parts(
        str(reference),
        workshop.store.read(pulled.config_digest),
        [(layer.descriptor.digest, Slice.of(workshop.store.path(layer.descriptor.digest))) for layer in pulled.layers],
        scratch,
    )


@contextmanager
def _from_engine(workshop: Workshop, wanted: str, scratch: Path) -> Iterator[OpenedImage]:
    name = wanted.removeprefix(ENGINE)
    with _engine_for(wanted) as engine, ExitStack() as stack:
        with workshop.terminal.step("save", f"read {name} from {engine.name}"):
            saved = stack.enter_context(saved_image(engine.save(name), scratch, at=name))
        yield open_parts(name, saved.config, [(None, layer) for layer in saved.layers], scratch)

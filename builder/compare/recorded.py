"""The sources an image records: a bundle as a value, its files and its locks, taken out of the image alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.bundle.model import (
    Batching,
    Bundle,
    BundleFile,
    CodeReference,
    Contract,
    DataReference,
    Environment,
    Expectation,
    Flavor,
    Framework,
    Inventory,
    Model,
    Release,
    Resources,
    Schemas,
    SchemaScope,
    Scoring,
    Service,
    SmokeTest,
)
from builder.compare.opened import OpenedImage, text_in
from builder.engine.saved import Tree
from builder.errors import UsageError
from builder.lock.files import BUNDLE_LOCK, REQUIREMENTS_LOCK, read_lock
from builder.lock.model import Lock
from builder.oci.entry import EntryKind
from builder.oci.platform import Platform
from builder.plan import places
from builder.plan.model import Purpose
from builder.store.blobs import BlobWriter, store_faults


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """Sources taken out of an image into a folder: as far as an image depends on them, a bundle and its lock."""

    bundle: Bundle
    model: tuple[BundleFile, ...]
    code: tuple[BundleFile, ...]
    lock: Lock
    requirements: str
    training_environment: str | None
    kiln_version: str

    def inventory(self, runtime: tuple[BundleFile, ...]) -> Inventory:
        """Return the inventory, with the runtime of this kiln."""
        return Inventory(model=self.model, code=self.code, runtime=runtime)


def take_out(image: OpenedImage, destination: Path) -> Recorded:
    """Write the sources an image records below ``destination`` and return them.

    Nothing is written but regular files of the model and code folders and the two locks. An image that records no
    sources is a UsageError.
    """
    # Layers that lie about their purpose only make for other sources, and so for another image than this one.
    tree = image.tree_of(Purpose.MODEL, Purpose.CODE, Purpose.CONFIGURATION)
    text = text_in(tree, places.BUNDLE_JSON)
    locks = [text_in(tree, path) for path in (places.BUNDLE_LOCK, places.REQUIREMENTS_LOCK)]
    if text is None or None in locks:
        missing = places.BUNDLE_JSON if text is None else places.LOCKS
        raise UsageError.of(
            "the image does not record what it was built from",
            at=f"{image.name}: /{missing}",
            hint="an image of `kiln build` does; compare others with `kiln diff`",
        )
    with store_faults("write the image's sources", destination):
        destination.mkdir(parents=True, exist_ok=True)
        (destination / BUNDLE_LOCK).write_text(str(locks[0]), encoding="utf-8", newline="")
        (destination / REQUIREMENTS_LOCK).write_text(str(locks[1]), encoding="utf-8", newline="")
    lock, requirements = read_lock(destination)
    try:
        document = json.loads(text or "")
        bundle = _bundle(document, destination)
        environment = document["model"]["training_environment"]
        version = str(document["kiln"]["version"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError.of(
            f"the image's record of its sources cannot be read: {error!r}", at=f"{image.name}: /{places.BUNDLE_JSON}"
        ) from error
    model = _files(tree, places.MODEL_FILES, lambda path: bundle.model.parent + path, destination)
    code = _files(tree, places.CODE, lambda path: path, destination)
    return Recorded(
        bundle=bundle,
        model=model,
        code=code,
        lock=lock,
        requirements=requirements,
        training_environment=None if environment is None else "\n".join(environment),
        kiln_version=version,
    )


def _files(tree: Tree, place: str, named: Callable[[str], str], destination: Path) -> tuple[BundleFile, ...]:
    files = []
    for path, entry in sorted(tree.items()):
        if not path.startswith(f"{place}/") or entry.kind is not EntryKind.FILE or entry.content is None:
            continue
        name = named(path.removeprefix(f"{place}/"))
        target = destination / name
        with store_faults("write the image's sources", target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                writer = BlobWriter(file, target)
                for chunk in entry.content.chunks():
                    writer.write(chunk)
        files.append(
            BundleFile(
                path=name,
                digest=writer.digest,
                size=writer.size,
                is_executable=place == places.CODE and bool(entry.mode & 0o100),
            )
        )
    return tuple(sorted(files, key=lambda file: file.path))


def _bundle(document: Mapping[str, Any], root: Path) -> Bundle:
    """Return the bundle a bundle.json describes: the inverse of ``plan.document``, as far as an image depends on it."""
    model, environment, service = document["model"], document["environment"], document["service"]
    batching, script = service["batching"], document["scoring"]["script"]
    return Bundle(
        root=root,
        name=document["name"],
        version=document["version"],
        description=document["description"],
        owner=document["owner"],
        model=Model(
            path=_inside(model["source"]),
            framework=Framework(model["framework"]),
            flavor=_flavor(model.get("flavor")),
            hyperparameters=model["hyperparameters"],
            training_data=_data(model["training_data"]),
            validation_data=_data(model["validation_data"]),
            training_code=_code(model["training_code"]),
            training_environment=None,
            metrics=model["metrics"],
        ),
        scoring=Scoring(
            contract=Contract(document["scoring"]["contract"]),
            script=_inside(script.removeprefix(f"/{places.CODE}/")) if script else None,
        ),
        environment=Environment(
            python=environment["python"],
            requirements=(),
            variables=environment["variables"],
            base=environment["base"]["name"],
            platforms=(Platform.parse(environment["platform"]),),
        ),
        schemas=Schemas(
            request=document["schema"]["request"],
            response=document["schema"]["response"],
            scope=SchemaScope(document["schema"]["scope"]),
        ),
        smoke=_sample(document["sample"]),
        resources=Resources(cpu=document["resources"]["cpu"], memory=document["resources"]["memory"]),
        service=Service(
            workers=service["workers"],
            batching=Batching(
                max_size=batching["max_size"], max_delay_ms=batching["max_delay_ms"], enabled=batching["enabled"]
            ),
            request_timeout=service["request_timeout"],
            startup_timeout=service["startup_timeout"],
            shutdown_grace=service["shutdown_grace"],
            max_body=service["max_body"],
            max_queue=service["max_queue"],
        ),
        release=Release(
            repository=document["release"]["repository"],
            rollback=document["release"]["rollback"],
        ),
    )


def _inside(path: str) -> str:
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        msg = f"{path!r} is not a path inside a bundle"
        raise ValueError(msg)
    return path


def _flavor(part: Mapping[str, Any] | None) -> Flavor | None:
    if part is None:
        return None
    return Flavor(name=part["name"], file=_inside(part["file"]), class_name=part["class"], method=part["method"])


def _data(data: Mapping[str, Any] | None) -> DataReference | None:
    return None if data is None else DataReference(uri=data["uri"], sha256=data["sha256"], rows=data["rows"])


def _code(data: Mapping[str, Any] | None) -> CodeReference | None:
    return None if data is None else CodeReference(repository=data["repository"], revision=data["revision"])


def _sample(sample: Mapping[str, Any] | None) -> tuple[SmokeTest, ...]:
    if sample is None:
        return ()
    return (
        SmokeTest(
            name="the sample",
            request=str(sample["body"]).encode(),
            content_type=sample["content_type"],
            path="/predict",  # any of the routes whose requests become samples
            expect=Expectation(status=200),
        ),
    )

"""A plan becomes an image, and nothing is made that was made before (docs/explanation/linking.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from builder.assemble.bytecode import Interpreter
from builder.assemble.framing import ENCODER
from builder.assemble.linker import DebEntries, Linker, compression_of, has_bytecode
from builder.assemble.owners import Owners
from builder.errors import BaseImageError, Fault, FetchError, HostError
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Image, Layer
from builder.oci.media_type import MediaType
from builder.plan.model import DebSource, Origin, Plan, PlannedLayer, WheelSource
from builder.store.blobs import BlobStore
from builder.store.records import Records


def assemble(
    plan: Plan,
    *,
    store: BlobStore,
    origins: Mapping[Origin, Path],
    deb_entries: DebEntries,
    interpreter: Interpreter | None,
    jobs: int,
    progress: Callable[[str], None] = lambda _text: None,
    memory: Records | None = None,
) -> Image:
    """Make the image of a plan; every blob of it is then in the store, its configuration included.

    Wheels, Debian packages and the base's layers must be in the store already. Layers that were made before are
    taken from it, the others are made by ``jobs`` threads. Without an ``interpreter`` there is no bytecode, which is
    another image. ``memory`` spares files that did not change since they were hashed from being hashed once more.
    A failure leaves no layer half-made.
    """
    if interpreter and not interpreter.serves(plan.base.python):
        raise HostError.of(
            "bytecode would be for another Python than the image's",
            want=f"Python {plan.base.python}",
            got=f"Python {interpreter.version}",
        )
    _require_inputs(store, plan)
    store.sweep()
    with store.folder("link") as scratch:
        linker = Linker(
            store=store,
            origins=origins,
            deb_entries=deb_entries,
            interpreter=interpreter,
            owners=Owners(store),
            scratch=scratch,
            memory=memory,
        )
        made = _layers(plan, linker, jobs, progress)
        wheels = [source for layer in plan.layers for source in layer.sources if isinstance(source, WheelSource)]
        linker.owners.refuse_clashes(wheels, linker.read_wheel)
    layers = (*plan.base_on_platform.layers, *made)
    config = plan.config.with_layers(tuple(layer.diff_id for layer in layers))
    store.add(config.encode())
    return Image(config=config, layers=layers)


def remembered(plan: Plan, store: BlobStore, interpreter: Interpreter | None) -> tuple[Layer | None, ...]:
    """Return, for each planned layer, the one that was made before, or None. Makes nothing."""
    records = Records(store.root, "layers")
    return tuple(_recall(records, store, layer, interpreter) for layer in plan.layers)


def needs_compiling(plan: Plan, store: BlobStore, interpreter: Interpreter) -> bool:
    """Tell whether a layer with bytecode must be made, for which alone the interpreter has to run."""
    layers = zip(plan.layers, remembered(plan, store, interpreter), strict=True)
    return any(layer is None and has_bytecode(planned) for planned, layer in layers)


def _layers(plan: Plan, linker: Linker, jobs: int, progress: Callable[[str], None]) -> list[Layer]:
    records = Records(linker.store.root, "layers")
    found = dict(enumerate(remembered(plan, linker.store, linker.interpreter)))
    missing = [index for index, layer in found.items() if layer is None]
    if missing:
        made = linker.link([plan.layers[index] for index in missing], jobs=jobs)
        for number, (position, layer) in enumerate(made, 1):
            index = missing[position]
            found[index] = layer
            records.put(_key(plan.layers[index], linker.interpreter), _to_record(layer))
            progress(f"{number} of {len(missing)} layers: {layer.title}")
    return [layer for _, layer in sorted(found.items()) if layer is not None]


def _key(layer: PlannedLayer, interpreter: Interpreter | None) -> dict[str, Any]:
    """Return all that a layer's blob depends on."""
    return {
        "layer": layer.key,
        "compression": str(compression_of(layer)),
        "encoder": ENCODER,
        "bytecode": interpreter.identity if interpreter and has_bytecode(layer) else None,
    }


def _to_record(layer: Layer) -> dict[str, Any]:
    return {"digest": layer.descriptor.digest.hex, "size": layer.descriptor.size, "diff_id": layer.diff_id.hex}


def _recall(records: Records, store: BlobStore, layer: PlannedLayer, interpreter: Interpreter | None) -> Layer | None:
    record = records.get(_key(layer, interpreter))
    try:
        if record is None:
            return None
        digest, size = Digest(record["digest"]), int(record["size"])
        if not store.has(digest) or store.size(digest) != size:
            return None
        return Layer(
            descriptor=Descriptor(media_type=MediaType.OCI_LAYER_GZIP, digest=digest, size=size),
            diff_id=Digest(record["diff_id"]),
            title=layer.title,
        )
    except (KeyError, TypeError, ValueError):
        return None


def _require_inputs(store: BlobStore, plan: Plan) -> None:
    """Refuse to start without what must be here already, naming all of it."""
    missing = [
        Fault(fact=f"a layer of base {plan.base.name} is not in the store", want=str(layer.descriptor.digest))
        for layer in plan.base_on_platform.layers
        if not store.has(layer.descriptor.digest)
    ]
    if missing:
        raise BaseImageError(missing, hint="build the base again: kiln base build")
    absent: list[Fault] = []
    for layer in plan.layers:
        for source in layer.sources:
            match source:
                case WheelSource(wheel=wheel) if not store.has(wheel.digest):
                    absent.append(Fault(fact=f"{wheel.filename} is not in the store", want=str(wheel.digest)))
                case DebSource(deb=deb) if not store.has(deb.digest):
                    absent.append(Fault(fact=f"{deb.name} {deb.version} is not in the store", want=str(deb.digest)))
                case _:
                    pass
    if absent:
        raise FetchError(absent, hint="fetch what the lock names, without --offline")

"""Bundle and lock in, plan out. The same arguments give the same plan, on any machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.bundle.model import Bundle, BundleFile, Inventory
from builder.errors import Fault, PlanError
from builder.lock.model import Lock, LockedWheel
from builder.oci.canonical import canonical_json, readable_json
from builder.oci.config import Healthcheck, History, ImageConfig
from builder.oci.platform import Platform
from builder.plan import places
from builder.plan.document import bundle_document
from builder.plan.model import (
    EPOCH,
    WEIGHTS,
    DebSource,
    FileSource,
    Origin,
    Plan,
    PlannedLayer,
    Purpose,
    Source,
    TextSource,
    WheelSource,
    labels,
)

SIZEABLE_WHEEL = 256 << 10
"""A wheel file of at least this many bytes gets a layer of its own; the rest go out anew when one of them changes."""
WHEEL_LAYER_BUDGET = 48
"""At most this many wheels do, largest first; engines allow 127 layers in all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedTexts:
    """The requirements files that travel with the plan, word for word."""

    requirements: str
    server: str
    training_environment: str | None = None


def compile_plan(
    bundle: Bundle, lock: Lock, inventory: Inventory, *, platform: Platform, texts: LockedTexts, kiln_version: str
) -> Plan:
    """Return the plan of one image. Every path it owns that has two sources is named in one PlanError."""
    chosen = lock.on(platform)
    base = lock.base.on(platform)
    document = bundle_document(
        bundle,
        lock,
        inventory,
        platform=platform,
        training_environment=texts.training_environment,
        kiln_version=kiln_version,
    )

    def wheels(prefix: str, locked: Iterable[LockedWheel]) -> tuple[WheelSource, ...]:
        return tuple(
            WheelSource(wheel=wheel, prefix=prefix, python=lock.python, interpreter=base.interpreter)
            for wheel in locked
        )

    layers = (
        *_system_layers(DebSource(deb=deb) for deb in chosen.system_packages),
        _layer(Purpose.RUNTIME, "server dependencies", wheels(places.SERVER_PACKAGES, chosen.server_wheels)),
        _layer(Purpose.RUNTIME, "server, worker and probe", _files(places.RUNTIME, Origin.RUNTIME, inventory.runtime)),
        *_dependency_layers(wheels(places.PACKAGES, chosen.wheels)),
        *_model_layers(bundle, inventory.model),
        _top_layer(
            inventory.code,
            (
                TextSource(path=places.BUNDLE_JSON, text=readable_json(document, sort_keys=False)),
                TextSource(path=places.BUNDLE_LOCK, text=readable_json(lock.to_dict())),
                TextSource(path=places.REQUIREMENTS_LOCK, text=texts.requirements),
            ),
        ),
    )
    _refuse_clashes(layers)
    return Plan(
        name=bundle.name,
        version=bundle.version,
        repository=bundle.repository,
        platform=platform,
        base=lock.base,
        layers=layers,
        config=_config(bundle, lock, platform, layers),
        requirements=texts.requirements,
        server_requirements=texts.server,
        installer=chosen.installer,
    )


def _layer(purpose: Purpose, title: str, sources: Sequence[Source]) -> PlannedLayer:
    return PlannedLayer(purpose=purpose, title=title, sources=tuple(sources))


def _files(prefix: str, origin: Origin, files: Iterable[BundleFile]) -> tuple[FileSource, ...]:
    return tuple(
        FileSource(
            path=f"{prefix}/{file.path}",
            origin=origin,
            source=file.path,
            digest=file.digest,
            size=file.size,
            mode=0o755 if file.is_executable else 0o644,
        )
        for file in files
    )


def _system_layers(sources: Iterable[DebSource]) -> tuple[PlannedLayer, ...]:
    debs = tuple(sources)
    title = ", ".join(source.deb.name for source in debs)
    return (_layer(Purpose.SYSTEM, title, debs),) if debs else ()


def _dependency_layers(sources: tuple[WheelSource, ...]) -> tuple[PlannedLayer, ...]:
    """Give each sizeable wheel its own layer, so that it is stored once whatever model uses it; the rest share one.

    Layers stand in order of name, so that adding a dependency leaves the others' bytes alone.
    """
    by_size = sorted(sources, key=lambda source: (-source.wheel.size, source.wheel.name))
    own = {source.wheel.name for source in by_size[:WHEEL_LAYER_BUDGET] if source.wheel.size >= SIZEABLE_WHEEL}
    small = tuple(source for source in sources if source.wheel.name not in own)
    layers = [
        _layer(Purpose.DEPENDENCIES, f"{source.wheel.name} {source.wheel.version}", (source,))
        for source in sources
        if source.wheel.name in own
    ]
    if small:
        title = f"{len(small)} small {'dependency' if len(small) == 1 else 'dependencies'}"
        layers.append(_layer(Purpose.DEPENDENCIES, title, small))
    return tuple(layers)


def _model_layers(bundle: Bundle, files: tuple[BundleFile, ...]) -> tuple[PlannedLayer, ...]:
    """Keep the model's basename: what the bundle has under ``path`` stands below the model directory under it."""
    sources = tuple(
        FileSource(
            path=f"{places.MODEL_FILES}/{file.path.removeprefix(bundle.model.parent)}",
            origin=Origin.BUNDLE,
            source=file.path,
            digest=file.digest,
            size=file.size,
        )
        for file in files
    )
    small = tuple(source for source in sources if source.size < WEIGHTS)
    heavy = [source for source in sources if source.size >= WEIGHTS]
    layers = [_layer(Purpose.MODEL, source.source, (source,)) for source in heavy]
    return (*layers, *((_layer(Purpose.MODEL, bundle.model.path, small),) if small else ()))


def _top_layer(code: tuple[BundleFile, ...], record: tuple[TextSource, ...]) -> PlannedLayer:
    """Keep what changes most in one layer: an engine starts a process for each it unpacks (decision 14)."""
    if not code:
        return _layer(Purpose.CONFIGURATION, "bundle.json and locks", record)
    sources: tuple[Source, ...] = (*_files(places.CODE, Origin.BUNDLE, code), *record)
    return _layer(Purpose.CODE, "scoring script, bundle.json and locks", sources)


def _refuse_clashes(layers: Iterable[PlannedLayer]) -> None:
    owners: dict[str, str] = {}
    faults = []
    for layer in layers:
        for source in layer.sources:
            if not isinstance(source, FileSource | TextSource):
                continue
            if source.path in owners:
                faults.append(
                    Fault(
                        fact="two sources for one path", at=f"/{source.path}", want=owners[source.path], got=layer.title
                    )
                )
            owners[source.path] = layer.title
    if faults:
        raise PlanError(faults)


def _config(bundle: Bundle, lock: Lock, platform: Platform, layers: tuple[PlannedLayer, ...]) -> ImageConfig:
    base = lock.base.on(platform)
    entry = (base.interpreter, "-I", "-S", f"/{places.RUNTIME}/entry.py")
    probe = (base.interpreter, "-I", "-S", f"/{places.RUNTIME}/probe.py", "readyz")
    return ImageConfig(
        platform=platform,
        created=EPOCH,
        author=bundle.owner,
        user=places.USER,
        env=tuple(_environment(base.env, bundle.environment.variables).items()),
        entrypoint=entry,
        cmd=("auto",),
        working_dir=f"/{places.MODEL}",
        exposed_ports=(f"{places.PORT}/tcp",),
        stop_signal="SIGTERM",
        healthcheck=Healthcheck(
            test=("CMD", *probe),
            interval=10,
            timeout=3,
            start_period=max(1, round(bundle.service.startup_timeout)),
            retries=3,
        ),
        labels=_labels(bundle, lock),
        history=(
            *(History(created_by=f"base: {layer.title}") for layer in base.layers),
            *(History(created_by=f"{layer.purpose}: {layer.title}") for layer in layers),
        ),
    )


def _environment(base: Iterable[tuple[str, str]], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the image, by name: the base's, ours, and the author's, the later winning.

    Caches go below /tmp, the only place that can be written. There is no PYTHONPATH: the server and the worker have
    import roots of their own.
    """
    inherited = dict(base)
    path = inherited.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    merged = inherited | {
        "AZUREML_MODEL_DIR": f"/{places.MODEL_FILES}",
        "HOME": "/tmp",  # noqa: S108 - inside the image, where it is the only writable place
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": "/tmp/.config/matplotlib",  # noqa: S108
        "NUMBA_CACHE_DIR": "/tmp/.cache/numba",  # noqa: S108
        "PATH": f"/{places.PACKAGES}/bin:{path}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "XDG_CACHE_HOME": "/tmp/.cache",  # noqa: S108
    }
    return dict(sorted((merged | dict(variables)).items()))


def _labels(bundle: Bundle, lock: Lock) -> dict[str, str]:
    """Return the OCI annotations as labels, and under ``dev.modelkiln`` what the model was made from."""
    model = bundle.model

    def as_json(value: Any) -> str | None:
        return canonical_json(value).decode() if value else None

    return labels(
        {
            "org.opencontainers.image.title": bundle.name,
            "org.opencontainers.image.version": bundle.version,
            "org.opencontainers.image.description": " ".join(bundle.description.split()),
            "org.opencontainers.image.authors": bundle.owner,
            "org.opencontainers.image.base.name": lock.base.name,
            "org.opencontainers.image.base.digest": str(lock.base.digest),
            "org.opencontainers.image.source": model.training_code.repository if model.training_code else None,
            "org.opencontainers.image.revision": model.training_code.revision if model.training_code else None,
            "com.amazonaws.sagemaker.capabilities.accept-bind-to-port": "true",
            "dev.modelkiln.contract": str(bundle.scoring.contract),
            "dev.modelkiln.framework": str(model.framework),
            "dev.modelkiln.lock": str(lock.deep_checksum),
            "dev.modelkiln.python": lock.python,
            "dev.modelkiln.metrics": as_json(dict(model.metrics)),
            "dev.modelkiln.hyperparameters": as_json(dict(model.hyperparameters)),
            "dev.modelkiln.training-data.uri": model.training_data.uri if model.training_data else None,
            "dev.modelkiln.training-data.sha256": model.training_data.sha256 if model.training_data else None,
            "dev.modelkiln.validation-data.uri": model.validation_data.uri if model.validation_data else None,
            "dev.modelkiln.validation-data.sha256": model.validation_data.sha256 if model.validation_data else None,
            "dev.modelkiln.rollback": bundle.release.rollback,
        }
    )

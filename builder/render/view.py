"""What the Dockerfile template sees: every value decided and quoted here, so that the template is only text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from builder.base.model import BaseKind
from builder.oci.config import ImageConfig
from builder.oci.reference import Reference
from builder.plan import places
from builder.plan.model import WITHOUT_BYTECODE, DebSource, FileSource, Plan, TextSource, is_weights
from builder.render.files import (
    BYTECODE,
    FOLDERS,
    INSTALLER,
    OTHER,
    PACKAGE_SETS,
    REQUIREMENTS,
    base_archive,
    context_path,
    system_archive,
    system_layers,
    weight_layers,
    weights_archive,
    wheels_by_prefix,
)
from builder.render.quoting import array, comment, quoted

_BUILD = "/build"
"""Where the stage that installs keeps its inputs; nothing below it enters the image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseView:
    """The first stage: an image by digest, or layers added to nothing."""

    name: str
    pinned: str
    image: str
    archives: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemView:
    """System packages: one archive, and what it holds."""

    archive: str
    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsView:
    """A large file of the model, and the archive it comes out of: the layer it becomes."""

    archive: str
    path: str
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageSetView:
    """One import root that pip fills. ``install`` is the whole command in exec form."""

    folder: str
    build_folder: str
    target: str
    packages: tuple[str, ...]
    install: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CopyView:
    """One COPY, and why it is there."""

    source: str
    destination: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthcheckView:
    """HEALTHCHECK with its times in seconds and its command in exec form."""

    interval: int
    timeout: int
    start_period: int
    retries: int
    command: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigView:
    """The image's configuration; names and values are ready to be written after ENV and LABEL."""

    env: tuple[tuple[str, ...], ...]
    """The variables of each ENV. A value with a dollar sign has one to itself: there, a name is no reference."""
    labels: tuple[str, ...]
    ports: tuple[str, ...]
    volumes: str | None
    stop_signal: str
    user: str
    working_dir: str
    healthcheck: HealthcheckView | None
    entrypoint: str
    cmd: str


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Everything a template may name."""

    name: str
    version: str
    platform: str
    plan: str
    python: str
    base: BaseView
    system: tuple[SystemView, ...]
    installer: str
    installer_digest: str
    sets: tuple[PackageSetView, ...]
    runtime: str
    runtime_target: str
    bytecode: str
    compile: str
    """The command that compiles every import root, in exec form."""
    weights: tuple[WeightsView, ...]
    copies: tuple[CopyView, ...]
    config: ConfigView


def view(plan: Plan) -> View:
    """Prepare a plan for the template. A value that a Dockerfile cannot hold is a PlanError."""
    sets = tuple(_sets(plan))
    return View(
        name=comment(plan.name),
        version=comment(plan.version),
        platform=str(plan.platform),
        plan=str(plan.digest),
        python=plan.base.python,
        base=_base(plan),
        system=tuple(
            SystemView(
                archive=system_archive(number),
                packages=tuple(
                    f"{source.deb.name} {source.deb.version} {source.deb.digest}"
                    for source in layer.sources
                    if isinstance(source, DebSource)
                ),
            )
            for number, layer in enumerate(system_layers(plan))
        ),
        installer=f"{INSTALLER}/{plan.installer.filename}",
        installer_digest=str(plan.installer.digest),
        sets=sets,
        runtime=f"{FOLDERS[places.RUNTIME]}/",
        runtime_target=f"/{places.RUNTIME}",
        bytecode=BYTECODE,
        compile=array(
            (
                plan.base_on_platform.interpreter,
                "-I",
                "-S",
                f"{_BUILD}/{BYTECODE}",
                "--below",
                f"--without={','.join(sorted(WITHOUT_BYTECODE))}",
                f"/{places.RUNTIME}",
                *(each.target for each in sets),
            )
        ),
        weights=tuple(
            WeightsView(archive=weights_archive(number), path=comment(f"/{source.path}"), digest=str(source.digest))
            for number, layer in enumerate(weight_layers(plan))
            for source in layer.sources
            if isinstance(source, FileSource)
        ),
        copies=tuple(_copies(plan)),
        config=_config(plan.config),
    )


def _base(plan: Plan) -> BaseView:
    base, platform = plan.base, plan.base_on_platform
    if base.kind is BaseKind.DEBIAN:
        return BaseView(
            name=comment(base.name),
            pinned=str(base.digest),
            image="scratch",
            archives=tuple(base_archive(layer) for layer in platform.layers),
        )
    digest = platform.manifest or base.digest
    reference = Reference.parse(base.name)
    return BaseView(name=comment(base.name), pinned=str(digest), image=f"{reference.name}@{digest}", archives=())


def _sets(plan: Plan) -> Iterator[PackageSetView]:
    interpreter = plan.base_on_platform.interpreter
    for prefix, sources in wheels_by_prefix(plan).items():
        folder = PACKAGE_SETS[prefix]
        build_folder, target = f"{_BUILD}/{folder}", f"/{prefix}"
        install = (
            interpreter,
            "-I",
            f"{_BUILD}/{INSTALLER}/{plan.installer.filename}/pip",
            "install",
            "--isolated",
            "--no-index",
            f"--find-links={build_folder}",
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            "--no-cache-dir",
            "--no-compile",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
            "--progress-bar=off",
            f"--target={target}",
            f"--requirement={build_folder}/{REQUIREMENTS}",
        )
        yield PackageSetView(
            folder=folder,
            build_folder=build_folder,
            target=target,
            packages=tuple(f"{source.wheel.name} {source.wheel.version}" for source in sources),
            install=array(install),
        )


def _copies(plan: Plan) -> Iterator[CopyView]:
    """Yield one COPY for each place that has files, in the order of the plan's layers."""
    words = {
        places.MODEL_FILES: "the model, under its own name",
        places.CODE: "the scoring code, as it lies in the bundle",
        places.LOCKS: "what was chosen, so that the image can be built again from what is in it",
    }
    seen = set()
    for layer in plan.layers:
        for source in () if is_weights(layer) else layer.sources:
            if not isinstance(source, FileSource | TextSource):
                continue
            place = next((place for place in FOLDERS if source.path.startswith(f"{place}/")), None)
            if place == places.RUNTIME:
                continue
            if place is not None:
                copy = CopyView(source=f"{FOLDERS[place]}/", destination=f"/{place}/", what=words[place])
            elif source.path == places.BUNDLE_JSON:
                copy = CopyView(
                    source=context_path(source.path),
                    destination=f"/{source.path}",
                    what="everything known about the model, resolved",
                )
            else:
                copy = CopyView(source=f"{OTHER}/", destination="/", what="further files")
            if copy not in seen:
                seen.add(copy)
                yield copy


def _config(config: ImageConfig) -> ConfigView:
    check = config.healthcheck
    pairs = tuple(f"{name}={quoted(value, what=f'variable {name}')}" for name, value in config.env)
    plain = tuple(pair for pair in pairs if "$" not in pair)
    literal = tuple((pair,) for pair in pairs if "$" in pair)
    return ConfigView(
        env=(*((plain,) if plain else ()), *literal),
        labels=tuple(f"{name}={quoted(value, what=f'label {name}')}" for name, value in sorted(config.labels.items())),
        ports=config.exposed_ports,
        volumes=array(config.volumes) if config.volumes else None,
        stop_signal=config.stop_signal,
        user=config.user,
        working_dir=config.working_dir,
        healthcheck=HealthcheckView(
            interval=check.interval,
            timeout=check.timeout,
            start_period=check.start_period,
            retries=check.retries,
            command=array(check.test[1:]),
        )
        if check
        else None,
        entrypoint=array(config.entrypoint),
        cmd=array(config.cmd),
    )

"""The recipe for bundles. Each function is a command; each reads from top to bottom, one stage after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from builder.bundle.model import Bundle, Inventory
from builder.bundle.schema import schema_text
from builder.errors import LockDriftError, SmokeFailedError
from builder.host.terminal import human_size
from builder.lock.files import write_lock
from builder.lock.locker import lock_bundle
from builder.lock.model import Lock
from builder.lock.pins import changed_pins
from builder.oci.canonical import readable_json
from builder.oci.media_type import ManifestFormat
from builder.oci.platform import Platform
from builder.pipeline import stages
from builder.pipeline.bases import lock_base_of
from builder.pipeline.builders import build_by_engine
from builder.pipeline.built import Built, Made
from builder.pipeline.checks import require_sound
from builder.pipeline.foreground import run_in_foreground
from builder.pipeline.freshness import open_built
from builder.pipeline.runners import DOCKER, open_runner, require_engine
from builder.pipeline.workshop import ENGINE_BUILDERS, NATIVE, Products, Workshop
from builder.plan.model import Plan
from builder.publish.gate import require_tested
from builder.publish.push import PushResult, push_image, push_index
from builder.publish.transport import Access
from builder.publish.upload import Outcome
from builder.smoke.report import SmokeReport, failure
from builder.smoke.run import run_smoke
from builder.store.layout import write_layout


def bundle_schema() -> str:
    """Return the JSON Schema of bundle.yaml as text."""
    return schema_text()


def lock(workshop: Workshop, path: Path, *, upgrade: bool = False) -> Lock:
    """Choose base, system packages and wheels, and write both locks. The only stage that chooses."""
    bundle = stages.load(workshop, path)
    return _lock(workshop, bundle, stages.inventory_of(workshop, bundle), upgrade=upgrade)


def _lock(workshop: Workshop, bundle: Bundle, inventory: Inventory, *, upgrade: bool) -> Lock:
    with workshop.terminal.step("base", f"base {bundle.environment.base}") as step:
        base = lock_base_of(bundle, workshop, step.note)
    with workshop.terminal.step("resolve", "resolve requirements") as step:
        system = stages.choose_system_packages(workshop, bundle, base)
        locked, requirements = lock_bundle(
            bundle,
            base=base,
            system_packages=system,
            model=inventory.model,
            server_requirements=stages.server_requirements(),
            store=workshop.store,
            previous=None if upgrade else stages.previous_requirements(bundle),
            progress=step.note,
        )
        counts = [_wheels(len(one.wheels), one.platform) for one in locked.platforms]
        step.conclude(", ".join(counts))
    before = stages.previous_requirements(bundle)
    write_lock(bundle.root, locked, requirements)
    for line in changed_pins(before, requirements) if before is not None else ():
        workshop.terminal.say(f"  {line}")
    return locked


def _wheels(count: int, platform: Platform) -> str:
    return f"{count} wheel{'s'[: count != 1]} for {platform}"


def image(workshop: Workshop, path: Path, *, offline: bool, locked: bool, builder: str, runner: str) -> Made:
    """Do it all: lock if needed, build, smoke-test the exact image. A lock is never renewed when ``locked`` is said."""
    bundle = stages.load(workshop, path)
    if runner == DOCKER or builder in ENGINE_BUILDERS:
        require_engine()
    inventory = stages.inventory_of(workshop, bundle)
    try:
        stages.locked(bundle, inventory)
    except LockDriftError as drift:
        if locked or offline:
            raise
        for fault in drift.faults:
            workshop.terminal.say(f"  locking, since {fault.fact}")
        _lock(workshop, bundle, inventory, upgrade=False)
    built = _build(workshop, bundle, inventory, platforms=(), offline=offline, builder=builder)
    return Made(built=built, report=_test(workshop, bundle, runner=runner, is_new=True))


def check_lock(workshop: Workshop, path: Path) -> Lock:
    """Return the lock when it fits the bundle; else a LockDriftError with every reason."""
    bundle = stages.load(workshop, path)
    return stages.locked(bundle, stages.inventory_of(workshop, bundle))[0]


def fetch(workshop: Workshop, path: Path, *, platforms: Sequence[Platform] = ()) -> None:
    """Bring all that the lock names into the store, so that builds need no network."""
    bundle = stages.load(workshop, path)
    locked, _ = stages.locked(bundle, stages.inventory_of(workshop, bundle))
    for platform in stages.chosen_platforms(bundle, platforms):
        stages.fetch_locked(workshop, locked, platform, offline=False)


def plan(workshop: Workshop, path: Path, *, platforms: Sequence[Platform] = ()) -> tuple[Plan, ...]:
    """Return what a build would do on each platform."""
    bundle = stages.load(workshop, path)
    return stages.plans_of(bundle, stages.inventory_of(workshop, bundle), platforms)[1]


def render(
    workshop: Workshop, path: Path, *, platforms: Sequence[Platform] = (), offline: bool, templates: Path | None
) -> list[Path]:
    """Write the Dockerfile and build context for each platform and return their folders."""
    bundle = stages.load(workshop, path)
    inventory = stages.inventory_of(workshop, bundle)
    locked, plans = stages.plans_of(bundle, inventory, platforms)
    products = Products(bundle.root)
    written = []
    with products.guarded(workshop.terminal.say):
        for one in plans:
            stages.fetch_locked(workshop, locked, one.platform, offline=offline)
            image = stages.assemble_plan(workshop, bundle, one, offline=offline)
            written.append(
                stages.render_plan(
                    workshop, bundle, one, image, products, templates=templates, is_only=_is_only(bundle)
                )
            )
    return written


def build(
    workshop: Workshop, path: Path, *, platforms: Sequence[Platform] = (), offline: bool, builder: str = NATIVE
) -> Built:
    """Make the images, write them as one OCI layout, and the Dockerfile with its context beside it."""
    bundle = stages.load(workshop, path)
    inventory = stages.inventory_of(workshop, bundle)
    return _build(workshop, bundle, inventory, platforms=platforms, offline=offline, builder=builder)


def _build(
    workshop: Workshop,
    bundle: Bundle,
    inventory: Inventory,
    *,
    platforms: Sequence[Platform],
    offline: bool,
    builder: str,
) -> Built:
    locked, plans = stages.plans_of(bundle, inventory, platforms)
    products = Products(bundle.root)
    with products.guarded(workshop.terminal.say):
        images, contexts, engine_ids = [], [], []
        for one in plans:
            stages.fetch_locked(workshop, locked, one.platform, offline=offline)
            require_sound(workshop, bundle, inventory, locked, [one.platform])
            images.append(stages.assemble_plan(workshop, bundle, one, offline=offline))
            contexts.append(
                stages.render_plan(
                    workshop, bundle, one, images[-1], products, templates=None, is_only=_is_only(bundle)
                )
            )
            if builder != NATIVE:
                images[-1], engine_id = build_by_engine(builder, workshop, one, images[-1], contexts[-1])
                engine_ids.append(engine_id)
        write_layout(workshop.store, images, products.layout, tag=bundle.version)
        built = Built(
            repository=bundle.repository,
            version=bundle.version,
            images=tuple(images),
            plans=tuple(one.digest for one in plans),
            layout=products.layout,
            context=contexts[0],
            builder=builder,
            timings=dict(workshop.terminal.timings),
            engine_ids=tuple(engine_ids),
        )
        products.write(products.record, readable_json(built.to_dict()))
    return built


def test(workshop: Workshop, path: Path, *, runner: str) -> SmokeReport:
    """Run the image that was built and hold it to the bundle's smoke tests; write the report beside it."""
    return _test(workshop, stages.load(workshop, path), runner=runner, is_new=False)


def _test(workshop: Workshop, bundle: Bundle, *, runner: str, is_new: bool) -> SmokeReport:
    products = Products(bundle.root)
    built = open_built(workshop, bundle, [stages.host_platform(bundle)], is_new=is_new)
    [image] = built.images
    with (
        open_runner(runner, workshop, image, tags=built.tags) as place,
        workshop.terminal.step("smoke", f"smoke tests on {place.name}") as step,
    ):
        report = run_smoke(
            bundle,
            image,
            place,
            reference=built.reference,
            manifest_digests={dialect: image.manifest(dialect).descriptor.digest for dialect in ManifestFormat},
            clock=workshop.clock.now,
            progress=step.note,
        )
        (step.conclude if report.passed else step.fail)(report.counts)
    path = products.report(image.config.platform, is_only=_is_only(bundle))
    products.write(path, report.to_json())
    products.write(path.with_suffix(".xml"), report.to_junit())
    workshop.terminal.say(report.to_table(colour=workshop.terminal.has_colour))
    return report


def failure_of(report: SmokeReport) -> SmokeFailedError | None:
    """Return the error a report amounts to, None when it is green."""
    return None if report.passed else failure(report)


def run(workshop: Workshop, path: Path, *, port: int, runner: str) -> None:
    """Run the image that was built until Ctrl-C."""
    bundle = stages.load(workshop, path)
    built = open_built(workshop, bundle, [stages.host_platform(bundle)])
    with open_runner(runner, workshop, built.images[0], tags=built.tags) as place:
        run_in_foreground(place, built.images[0], bundle, port=port, terminal=workshop.terminal, clock=workshop.clock)


def push(
    workshop: Workshop,
    path: Path,
    registry: str,
    *,
    platforms: Sequence[Platform] = (),
    manifest_format: ManifestFormat,
    move_tag: bool,
    untested: bool,
    insecure: bool,
    ca: Path | None,
) -> PushResult:
    """Publish what was built, byte for byte, after checking that it was tested."""
    bundle = stages.load(workshop, path)
    products = Products(bundle.root)
    images = open_built(workshop, bundle, stages.chosen_platforms(bundle, platforms)).images
    for image in images:
        report = products.report(image.config.platform, is_only=_is_only(bundle))
        require_tested(image.image_id, report, untested=untested)
    reference = stages.destination(registry, bundle)
    access = Access(insecure=insecure, ca_file=ca)
    with workshop.terminal.step("push", f"push {reference}") as step:
        if len(images) == 1:
            result = push_image(
                images[0],
                workshop.store,
                reference,
                manifest_format=manifest_format,
                jobs=max(4, workshop.settings.jobs),
                move_tag=move_tag,
                access=access,
                progress=step.note,
            )
        else:
            result = push_index(
                images,
                workshop.store,
                reference,
                manifest_format=manifest_format,
                jobs=max(4, workshop.settings.jobs),
                move_tag=move_tag,
                access=access,
                progress=step.note,
            )
        sent, mounted = result.size(Outcome.UPLOADED), result.size(Outcome.MOUNTED)
        step.conclude("it was there" if result.was_there else f"{human_size(sent)} sent, {human_size(mounted)} mounted")
    return result


def _is_only(bundle: Bundle) -> bool:
    return len(bundle.environment.platforms) == 1

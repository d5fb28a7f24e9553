"""Having other builders build the Dockerfile, each ending at the same image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from builder.engine.buildah import build_with_buildah, buildah_name
from builder.engine.canonical import Canonical, canonicalise
from builder.engine.docker import DockerEngine
from builder.engine.saved import Slice, Tree, saved_tree
from builder.oci.image import Image
from builder.pipeline.workshop import BUILDAH, BUILDKIT, CLASSIC, Workshop
from builder.plan.model import Plan

Progress = Callable[[str], None]


def build_by_engine(builder: str, workshop: Workshop, plan: Plan, linked: Image, context: Path) -> tuple[Image, str]:
    """Have ``builder`` build the Dockerfile; return its result made canonical, and the ID the builder gave it.

    The result should be the linked image to the last bit; where it is not, the first differences are told.
    """
    canonical, built = build_canonical(builder, workshop, plan, linked, context)
    for difference in canonical.differences[:10]:
        workshop.terminal.warn(
            f"/{difference.path}: {difference.field} is {difference.built}, linked: {difference.linked}"
        )
    return canonical.image, built


def build_canonical(
    builder: str, workshop: Workshop, plan: Plan, linked: Image, context: Path
) -> tuple[Canonical, str]:
    """Have ``builder`` build the Dockerfile; return its result cut by the plan, and the ID the builder gave it."""
    with (
        _built(builder, workshop, plan, context) as (tree, built),
        workshop.terminal.step("canonicalise", f"make the image of {builder} canonical") as step,
    ):
        canonical = canonicalise(plan, linked, tree, workshop.store)
        same = not canonical.differences
        step.conclude("the linked image, bit for bit" if same else f"{len(canonical.differences)} differences")
    return canonical, built


@contextmanager
def _built(builder: str, workshop: Workshop, plan: Plan, context: Path) -> Iterator[tuple[Tree, str]]:
    """Lend the final tree of what a builder made, with the ID it gave it."""
    name = f"kiln-build-{plan.name}:{plan.digest.short}"
    platform = str(plan.platform)
    with ExitStack() as stack:
        scratch = stack.enter_context(workshop.store.folder("build"))
        if builder == BUILDAH:
            with workshop.terminal.step("buildah", f"build with {buildah_name()}") as step:
                archive, built = build_with_buildah(context, scratch, name=name, platform=platform, progress=step.note)
            chunks = Slice.of(archive).chunks()
        else:
            engine = stack.enter_context(DockerEngine.connect())
            buildkit = {BUILDKIT: True, CLASSIC: False}.get(builder)
            words = "docker build" if buildkit is None else f"docker build ({builder})"
            with workshop.terminal.step("docker build", f"{words} on {engine.name}") as step:
                built = engine.build(context, tag=name, platform=platform, buildkit=buildkit, progress=step.note)
            chunks = engine.save(built)
        with workshop.terminal.step("save", f"read what {builder} made"):
            tree = stack.enter_context(saved_tree(chunks, scratch, at=built))
        yield tree, built

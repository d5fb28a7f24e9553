"""A plan becomes an image and a build context: the two products of a build, made only where they are not there yet."""

from __future__ import annotations

from pathlib import Path

from builder.assemble.assembler import assemble
from builder.base.model import LockedDeb
from builder.bundle.model import Bundle
from builder.host.identity import kiln_identity
from builder.host.terminal import human_size
from builder.oci.entry import Entry
from builder.oci.image import Image
from builder.pipeline.interpreters import interpreter_for
from builder.pipeline.stages import origins
from builder.pipeline.workshop import Products, Workshop
from builder.plan.model import Plan
from builder.render.context import write_context
from builder.render.files import made_layers
from builder.render.view import view
from builder.store.records import Records

_ANY_PLAN = "sha256:" + "0" * 64
"""Stands for the plan's digest in a remembered Dockerfile, where it is the only thing a change of code changes."""


def assemble_plan(workshop: Workshop, bundle: Bundle, plan: Plan, *, offline: bool) -> Image:
    """Link the image of a plan; layers that were made before are taken as they are."""

    def deb_entries(debs: tuple[LockedDeb, ...]) -> tuple[Entry, ...]:
        from builder.base.assembled import load_base, system_entries  # noqa: PLC0415 - only for a layer that is made

        return system_entries(load_base(plan.base.name), plan.platform, debs, workshop.store)

    with workshop.terminal.step("assemble", f"assemble {plan.tag} for {plan.platform}") as step:
        with interpreter_for(plan, workshop, offline=offline, progress=step.note) as interpreter:
            image = assemble(
                plan,
                store=workshop.store,
                origins=origins(bundle),
                deb_entries=deb_entries,
                interpreter=interpreter,
                jobs=workshop.settings.jobs,
                progress=step.note,
                memory=Records(workshop.store.root, "files"),
            )
        size = sum(layer.descriptor.size for layer in image.layers)
        step.conclude(f"image {image.image_id.short}, {len(image.layers)} layers, {human_size(size)}")
    return image


def render_plan(
    workshop: Workshop,
    bundle: Bundle,
    plan: Plan,
    image: Image,
    products: Products,
    *,
    templates: Path | None,
    is_only: bool,
) -> Path:
    """Write the Dockerfile and its context and return the folder."""
    destination = products.context(plan.platform, is_only=is_only)
    made = image.layers[len(plan.base_on_platform.layers) :]
    blobs = {planned.title: layer.descriptor.digest for planned, layer in zip(plan.layers, made, strict=True)}
    with workshop.terminal.step("render", "write the Dockerfile and its context"):
        write_context(
            plan,
            _dockerfile(workshop, plan, templates),
            store=workshop.store,
            origins=origins(bundle),
            made_blobs=[blobs[planned.title] for planned in made_layers(plan)],
            destination=destination,
        )
    return destination


def _dockerfile(workshop: Workshop, plan: Plan, templates: Path | None) -> str:
    """Return the Dockerfile's text, remembered by all that our own template is shown.

    A template of the author's is always asked, since only it knows what it reads.
    """
    if templates is not None:
        from builder.render.dockerfile import render_dockerfile  # noqa: PLC0415 - Jinja2 takes as long as a build

        return render_dockerfile(plan, templates)
    shown = view(plan)
    records = Records(workshop.store.root, "dockerfile", by=kiln_identity())
    key = repr(shown).replace(shown.plan, _ANY_PLAN)
    text = records.get(key)
    if not isinstance(text, str):
        from builder.render.dockerfile import render_dockerfile  # noqa: PLC0415 - as above

        text = render_dockerfile(plan).replace(shown.plan, _ANY_PLAN)
        records.put(key, text)
    return text.replace(_ANY_PLAN, shown.plan)

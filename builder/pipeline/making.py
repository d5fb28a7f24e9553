"""From plans to products: images, contexts, the layout, the engine's image; nothing is in place before all is well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from builder.bundle.model import Bundle
from builder.oci.canonical import readable_json
from builder.pipeline.built import Built
from builder.pipeline.linking import assemble_plan, render_plan
from builder.pipeline.plans import keep_plan
from builder.pipeline.soundness import Verdict
from builder.pipeline.workshop import NATIVE, Products, Workshop
from builder.plan.model import Plan
from builder.store.layout import write_layout


def make(
    workshop: Workshop,
    bundle: Bundle,
    plans: Sequence[Plan],
    require_sound: Callable[[], Verdict],
    *,
    offline: bool,
    builder: str,
    load: bool,
) -> Built:
    """Make everything a build makes. All the plans name is in the store, but for the layers.

    ``require_sound`` is asked once images are linked and on their way into the engine, before anything is written or
    gets its name.
    """
    from builder.pipeline.loading import open_loading  # noqa: PLC0415 - only when an engine is wanted

    products = Products(bundle.root)
    with open_loading(workshop, bundle, plans) if load else nullcontext() as loading:
        images = [assemble_plan(workshop, bundle, one, offline=offline) for one in plans]
        if loading and builder == NATIVE:
            loading.send(images)
        verdict = require_sound()
        is_only = bundle.environment.has_one_platform
        contexts = [
            render_plan(workshop, bundle, one, image, products, templates=None, is_only=is_only)
            for one, image in zip(plans, images, strict=True)
        ]
        engine_ids = []
        if builder != NATIVE:
            from builder.pipeline.builders import build_by_engine  # noqa: PLC0415 - engines' clients, if one is asked

            for number, one in enumerate(plans):
                images[number], engine_id = build_by_engine(builder, workshop, one, images[number], contexts[number])
                engine_ids.append(engine_id)
        if loading:
            loading.settle(images)
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
            said=verdict.said,
            warned=(*bundle.warnings, *verdict.warned),
        )
        products.write(products.record, readable_json(built.to_dict()))
        for one in plans:
            keep_plan(workshop, bundle.root, one)
        if loading:
            loading.name(images, built.tags)
    return built

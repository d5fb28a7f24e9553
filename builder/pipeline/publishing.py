"""The recipe for publishing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from builder.host.terminal import human_size
from builder.oci.media_type import ManifestFormat
from builder.oci.platform import Platform
from builder.pipeline import stages
from builder.pipeline.freshness import open_built
from builder.pipeline.workshop import Products, Workshop
from builder.publish.gate import require_tested
from builder.publish.push import PushResult, push_image, push_index
from builder.publish.transport import Access
from builder.publish.upload import Outcome


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
        report = products.report(image.config.platform, is_only=bundle.environment.has_one_platform)
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

"""The recipe for running what was built: smoke tests, and by hand."""

from __future__ import annotations

from pathlib import Path

from builder.bundle.model import Bundle
from builder.errors import SmokeFailedError
from builder.oci.media_type import ManifestFormat
from builder.pipeline import stages
from builder.pipeline.built import Built
from builder.pipeline.foreground import run_in_foreground
from builder.pipeline.freshness import open_built, take_up
from builder.pipeline.runners import open_runner
from builder.pipeline.workshop import Products, Workshop
from builder.smoke.report import SmokeReport, failure
from builder.smoke.run import run_smoke


def test(workshop: Workshop, path: Path, *, runner: str) -> SmokeReport:
    """Run the image that was built and hold it to the bundle's smoke tests; write the report beside it."""
    return test_bundle(workshop, stages.load(workshop, path), runner=runner, new=None)


def test_bundle(workshop: Workshop, bundle: Bundle, *, runner: str, new: Built | None) -> SmokeReport:
    """Do what ``test`` does for a bundle that was read already; ``new`` is what was built of it just now."""
    products = Products(bundle.root)
    platform = stages.host_platform(bundle)
    built = take_up(new, platform) if new else open_built(workshop, bundle, [platform])
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
    path = products.report(image.config.platform, is_only=bundle.environment.has_one_platform)
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

"""Two images, wherever they are, held against each other."""

from __future__ import annotations

from contextlib import ExitStack

from builder.compare.changes import Comparison, compare
from builder.compare.contents import Contents, contents_of
from builder.pipeline.images import Wanted, open_image, require_names
from builder.pipeline.workshop import Workshop


def diff(workshop: Workshop, old: Wanted, new: Wanted) -> Comparison:
    """Return in what the images differ; every layer of both is read and checked."""
    require_names([old.name, new.name])
    with ExitStack() as stack:
        taken: list[Contents] = []
        for wanted in (old, new):
            image = stack.enter_context(open_image(workshop, wanted))
            with workshop.terminal.step("read", f"read {wanted.name}") as step:
                taken.append(contents_of(image))
                step.conclude(f"{len(image.tree)} paths in {len(image.layers)} layers")
        return compare(*taken)

"""What a build would reuse and what it would make, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.assemble.assembler import remembered
from builder.assemble.linker import has_bytecode
from builder.oci.image import Layer
from builder.oci.platform import Platform
from builder.pipeline import stages
from builder.pipeline.interpreters import known_interpreter
from builder.pipeline.plans import latest_plan
from builder.pipeline.workshop import Workshop
from builder.plan.changes import PlanChanges, compare_plans, layer_name
from builder.plan.model import DebSource, Plan, PlannedLayer, WheelSource

REUSED = "reused"
MADE = "made"
FETCHED = "fetched"


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """One layer, and the image's own configuration: what will become of it and why."""

    what: str
    outcome: str
    because: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"what": self.what, "outcome": self.outcome, "because": list(self.because)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What a build would do on one platform, layer by layer from the bottom up."""

    plan: Plan
    lines: tuple[Explained, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the form shown by ``--json``."""
        return {
            "platform": str(self.plan.platform),
            "plan": str(self.plan.digest),
            "layers": [line.to_dict() for line in self.lines],
        }

    def to_table(self) -> str:
        """Return a line for each layer and each reason."""
        width = max(len(line.what) for line in self.lines)
        out = [f"{self.plan.tag}  {self.plan.platform}  plan {self.plan.digest.short}"]
        for line in self.lines:
            first, *rest = line.because
            out.append(f"  {line.outcome:<7}  {line.what:<{width}}  {first}")
            out += [f"  {'':<7}  {'':<{width}}  {reason}" for reason in rest]
        return "\n".join(out)


def explain(workshop: Workshop, path: Path, *, platforms: Sequence[Platform] = ()) -> tuple[Explanation, ...]:
    """Say for each layer whether a build would take it as it is or make it, and which input has changed since the last.

    Nothing is made, fetched or written.
    """
    bundle = stages.load(workshop, path)
    _, plans = stages.plans_of(workshop, bundle, stages.inventory_of(workshop, bundle), platforms)
    return tuple(_explain(workshop, bundle.root, plan) for plan in plans)


def _explain(workshop: Workshop, root: Path, plan: Plan) -> Explanation:
    before = latest_plan(workshop, root, plan.platform)
    changes = compare_plans(before, plan.to_dict()) if before is not None else None
    interpreter = known_interpreter(plan, workshop)
    lines = [_of_base(workshop, plan, changes)]
    made = remembered(plan, workshop.store, interpreter)
    for planned, layer in zip(plan.layers, made, strict=True):
        # Without knowing the interpreter, nothing can be said of layers that hold what it compiles.
        known = None if interpreter is None and has_bytecode(planned) else layer
        lines.append(_of_layer(workshop, planned, known, changes))
    lines.append(_of_image(lines, changes))
    return Explanation(plan=plan, lines=tuple(lines))


def _of_base(workshop: Workshop, plan: Plan, changes: PlanChanges | None) -> Explained:
    missing = [layer for layer in plan.base_on_platform.layers if not workshop.store.has(layer.descriptor.digest)]
    reasons = [reason for reason in (changes.image if changes else ()) if reason.startswith("base")]
    if missing:
        reasons.append("not in the store")
    outcome = FETCHED if missing else REUSED
    return Explained(what=f"base: {plan.base.name}", outcome=outcome, because=tuple(reasons) or ("in the store",))


def _of_layer(workshop: Workshop, planned: PlannedLayer, layer: Layer | None, changes: PlanChanges | None) -> Explained:
    what = f"{planned.purpose}: {planned.title}"
    reasons = list(changes.layers.get(layer_name(planned.to_dict()), ())) if changes else []
    if layer is not None:
        if changes is None:
            reasons = ["made before on this machine, by another bundle or an earlier version"]
        elif reasons:
            reasons = [*reasons, "made before on this machine all the same"]
        else:
            reasons = ["nothing in it changed"]
        return Explained(what=what, outcome=REUSED, because=tuple(reasons))
    if changes is None:
        reasons = ["the bundle was not built on this machine yet, nor was this layer"]
    elif not reasons:
        reasons = ["its blob is no longer in the store, or kiln makes it in another way now"]
    return Explained(what=what, outcome=MADE, because=(*reasons, *_to_fetch(workshop, planned)))


def _to_fetch(workshop: Workshop, planned: PlannedLayer) -> list[str]:
    missing = []
    for source in planned.sources:
        match source:
            case WheelSource(wheel=wheel) if not workshop.store.has(wheel.digest):
                missing.append(f"wheel {wheel.filename} has to be fetched")
            case DebSource(deb=deb) if not workshop.store.has(deb.digest):
                missing.append(f"system package {deb.name} {deb.version} has to be fetched")
            case _:
                pass
    return missing


def _of_image(lines: Sequence[Explained], changes: PlanChanges | None) -> Explained:
    """Explain the image's configuration, which holds its options and names its layers."""
    what = "image configuration"
    if changes is None:
        return Explained(what=what, outcome=MADE, because=("the bundle was not built on this machine yet",))
    reasons = list(changes.image)
    if changes.layers:
        reasons.append(f"{len(changes.layers)} of its layers changed")
    if reasons:
        return Explained(what=what, outcome=MADE, because=tuple(reasons))
    made = [line for line in lines if line.outcome == MADE]
    because = "the same as in the last build" + (", once its layers are there" if made else "")
    return Explained(what=what, outcome=REUSED, because=(because,))

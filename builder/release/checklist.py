"""The release checklist: what has to be in place, each point automated, manual or missing, with the evidence.

A pure function from facts to a list. Nothing is looked up here, and no point is automated on anyone's word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from builder.bundle.model import Bundle, Contract, DataReference, Inventory
from builder.check.finding import Level
from builder.check.intake import foresee_refusal
from builder.check.report import CheckReport
from builder.lock.model import MODEL, Lock
from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.oci.media_type import ManifestFormat
from builder.oci.platform import Platform


class State(StrEnum):
    """How far a point is taken care of."""

    AUTOMATED = "automated"
    """Proved here, by the evidence given."""
    MANUAL = "manual"
    """Only a person can see to it; what is known is given."""
    MISSING = "missing"
    """Not there; what to do is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One thing that was found: what it is, its value, and the file or key it stands in."""

    what: str
    value: str
    at: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return the JSON form."""
        return {"what": self.what, "value": self.value, "at": self.at}


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One point of the checklist. ``todo`` says what to do, unless it is automated."""

    id: str
    title: str
    state: State
    evidence: tuple[Evidence, ...] = ()
    todo: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "id": self.id,
            "title": self.title,
            "state": str(self.state),
            "evidence": [one.to_dict() for one in self.evidence],
            "todo": self.todo,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltFacts:
    """What was built for one platform, and what is known of it. None where there is none."""

    platform: Platform
    image: Image | None = None
    built_plan: str | None = None
    """The digest of the plan the image was built from."""
    present_plan: str | None = None
    """The digest of the plan of the bundle as it is now."""
    report: Mapping[str, Any] | None = None
    report_at: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryFacts:
    """What a registry answered; a digest is None where it does not know the name."""

    reference: str
    manifests: Mapping[Platform, Digest | None]
    """The digest of the manifest this version's tag stands for, on each platform."""
    rollback_reference: str | None = None
    rollback_digest: Digest | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything the checklist is made of."""

    bundle: Bundle
    inventory: Inventory
    lock: Lock | None
    drift: tuple[str, ...]
    """Why the lock does not fit, or is not there; empty when it fits."""
    check: CheckReport
    declares_resources: bool
    built: tuple[BuiltFacts, ...]
    registry: RegistryFacts | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Checklist:
    """Every point, in the order a release goes through them."""

    bundle: str
    points: tuple[Point, ...]

    def count(self, state: State) -> int:
        """Return how many points are in a state."""
        return sum(point.state is state for point in self.points)

    @property
    def missing(self) -> tuple[Point, ...]:
        """The points that are missing."""
        return tuple(point for point in self.points if point.state is State.MISSING)

    def to_dict(self) -> dict[str, Any]:
        """Return the form of ``kiln checklist --json``."""
        return {
            "bundle": self.bundle,
            "counts": {str(state): self.count(state) for state in State},
            "points": [point.to_dict() for point in self.points],
        }


_MOVING = re.compile(r"latest|dev|main|master|head|snapshot|nightly|staging|prod|stable|test", re.IGNORECASE)


def make_checklist(facts: Facts) -> Checklist:
    """Return the release checklist of a bundle."""
    return Checklist(bundle=f"{facts.bundle.name} {facts.bundle.version}", points=tuple(_points(facts)))


def _points(facts: Facts) -> Iterator[Point]:
    yield _version(facts)
    yield _scoring(facts)
    yield _dependencies(facts)
    yield _schema(facts)
    yield _checks(facts)
    yield _smoke(facts)
    yield _probe(facts)
    yield _resources(facts)
    for key, title, reference in (
        ("training-data", "training data", facts.bundle.model.training_data),
        ("validation-data", "validation data", facts.bundle.model.validation_data),
    ):
        yield _data(key, title, reference)
    yield _training_code(facts)
    yield _metrics(facts)
    yield _owner(facts)
    yield _rollback(facts)
    yield _pushed(facts)


def _point(key: str, title: str, evidence: list[Evidence], todo: str | None = None, *, manual: bool = False) -> Point:
    """Return a point: automated when nothing is left to do, else manual or missing."""
    state = State.AUTOMATED if todo is None else State.MANUAL if manual else State.MISSING
    return Point(id=key, title=title, state=state, evidence=tuple(evidence), todo=todo)


def _version(facts: Facts) -> Point:
    bundle = facts.bundle
    evidence = [Evidence(what="version", value=bundle.version, at="bundle.yaml version")]
    locked = facts.lock.inputs if facts.lock else {}
    todo: str | None = None
    evidence += [Evidence(what="model file", value=str(file.digest), at=file.path) for file in facts.inventory.model]
    if facts.drift or any(f"{MODEL}{file.path}" not in locked for file in facts.inventory.model):
        todo = "run `kiln lock`: it records the model's digest, and a changed model no longer fits"
    if _MOVING.fullmatch(bundle.version):
        todo = f"give the bundle a version of its own: {bundle.version} is a name that moves"
    return _point("artifact-version", "model artifact has a version and cannot change under it", evidence, todo)


def _scoring(facts: Facts) -> Point:
    scoring = facts.bundle.scoring
    evidence = [Evidence(what="contract", value=_CONTRACTS[scoring.contract], at=scoring.script)]
    evidence += [Evidence(what="source", value=str(file.digest), at=file.path) for file in facts.inventory.code]
    if scoring.script is None:
        evidence.append(
            Evidence(what="served as it is", value=str(facts.bundle.model.framework), at="bundle.yaml model")
        )
    return _point("scoring-script", "scoring script keeps a known contract", evidence)


_CONTRACTS = {
    Contract.PREDICT: "load(model_dir) and predict(model, records)",
    Contract.AZURE: "init() and run(data), as Azure ML calls them",
    Contract.SAGEMAKER: "model_fn(model_dir) and the functions beside it, as SageMaker calls them",
    Contract.NONE: "none: the model is served as it is",
}


def _dependencies(facts: Facts) -> Point:
    environment = facts.bundle.environment
    where = environment.requirements_file or "bundle.yaml environment.requirements"
    evidence = [Evidence(what="requirements", value=f"{len(environment.requirements)} lines", at=where)]
    if facts.lock is not None:
        evidence.append(Evidence(what="wheels", value=str(facts.lock.requirements), at="requirements.lock"))
        evidence.append(Evidence(what="everything chosen", value=str(facts.lock.deep_checksum), at="bundle.lock"))
    todo = f"run `kiln lock`: {'; '.join(facts.drift)}" if facts.drift else None
    return _point("dependency-file", "dependencies are declared, and locked to exact bytes", evidence, todo)


def _schema(facts: Facts) -> Point:
    schemas = facts.bundle.schemas
    title = "requests are validated, and the samples are valid"
    if schemas.request is None:
        missing = "write schema.request: without it the model sees whatever is sent"
        return _point("schema-validation", title, [], missing)
    evidence = [Evidence(what="request schema", value=f"of one {schemas.scope}", at="bundle.yaml schema.request")]
    if schemas.response is not None:
        evidence.append(Evidence(what="response schema", value="given", at="bundle.yaml schema.response"))
    accepted = [test for test in facts.bundle.smoke if test.expect.status < 400]
    refused = [test for test in facts.bundle.smoke if 400 <= test.expect.status < 500]
    wrong = [test.name for test in accepted if foresee_refusal(facts.bundle, test) is not None]
    if accepted and not wrong:
        evidence.append(Evidence(what="samples that are valid", value=str(len(accepted)), at="bundle.yaml smoke"))
    if refused:
        evidence.append(Evidence(what="samples that must be refused", value=str(len(refused)), at="bundle.yaml smoke"))
    todo: str | None = None
    if wrong:
        todo = f"mend the sample or the schema: the schema refuses {', '.join(wrong)}"
    elif not accepted:
        todo = "add a smoke test of a request that is accepted"
    elif not refused:
        todo = "add a smoke test of a request that must be refused"
    return _point("schema-validation", title, evidence, todo)


def _checks(facts: Facts) -> Point:
    report = facts.check
    evidence = [Evidence(what="kiln check", value=report.summary)]
    evidence += [Evidence(what="not checked", value=text) for text in report.left_out]
    todo: str | None = None
    if errors := report.count(Level.ERROR):
        todo = f"run `kiln check` and mend its {errors} error{'s'[: errors != 1]}"
    elif report.left_out:
        todo = "run `kiln lock` and `kiln fetch`, then `kiln check`: without them not every rule could be applied"
    return _point("static-checks", "nothing is known that would break the deployment", evidence, todo)


def _smoke(facts: Facts) -> Point:
    evidence: list[Evidence] = []
    todo: str | None = None
    for built in facts.built:
        if built.image is None:
            todo = todo or f"run `kiln image`: there is no image for {built.platform}"
            continue
        image_id = str(built.image.image_id)
        evidence.append(Evidence(what=f"image for {built.platform}", value=image_id, at="build/layout"))
        if built.present_plan is not None and built.built_plan != built.present_plan:
            todo = todo or "run `kiln image`: the bundle, or kiln itself, changed since the image was built"
        elif built.report is None:
            todo = todo or f"run `kiln test`: the image for {built.platform} has no smoke report"
        elif built.report.get("image_id") != image_id:
            todo = todo or f"run `kiln test`: the report is of another image, {built.report.get('image_id')}"
        elif built.report.get("passed") is not True:
            todo = todo or "mend what the smoke report names, and run `kiln image` again"
        else:
            tests = built.report.get("tests")
            count = len(tests) if isinstance(tests, list) else 0
            value = f"{count} passed on {built.report.get('runner')} at {built.report.get('started')}"
            evidence.append(Evidence(what="smoke report", value=value, at=built.report_at))
    return _point("smoke-test", "exactly this image passed its smoke tests", evidence, todo)


def _probe(facts: Facts) -> Point:
    evidence = []
    todo: str | None = None
    for built in facts.built:
        check = built.image.config.healthcheck if built.image else None
        if check is None:
            todo = todo or "run `kiln image`: the probe is part of every image it makes"
            continue
        value = f"{' '.join(check.test)} every {check.interval} s"
        evidence.append(Evidence(what=f"HEALTHCHECK for {built.platform}", value=value, at="build/layout"))
    if evidence:
        evidence.append(Evidence(what="routes", value="GET /livez, GET /readyz"))
    return _point("health-probe", "the image says whether it is alive and ready", evidence, todo)


def _resources(facts: Facts) -> Point:
    resources = facts.bundle.resources
    value = f"{resources.cpu:g} cores, {resources.memory / (1 << 20):g} MiB"
    evidence = [Evidence(what="limits", value=value, at="bundle.yaml resources")]
    todo = None if facts.declares_resources else "write resources: the smoke tests ran under limits nobody chose"
    if not facts.declares_resources:
        evidence = [Evidence(what="default limits", value=value)]
    return _point("resources", "the resources it needs are declared", evidence, todo)


def _data(key: str, title: str, reference: DataReference | None) -> Point:
    at = f"bundle.yaml model.{key.replace('-', '_')}"
    if reference is None:
        return _point(
            key, f"{title} is on record", [], f"write model.{key.replace('-', '_')}: its uri, sha256 and rows"
        )
    evidence = [Evidence(what="uri", value=reference.uri, at=at)]
    if reference.rows is not None:
        evidence.append(Evidence(what="rows", value=str(reference.rows), at=at))
    if reference.sha256 is None:
        return _point(key, f"{title} is on record", evidence, f"add the sha256 of the {title}", manual=True)
    evidence.append(Evidence(what="sha256", value=reference.sha256, at=at))
    return _point(key, f"{title} is on record", evidence)


def _training_code(facts: Facts) -> Point:
    code = facts.bundle.model.training_code
    title = "training code is on record"
    if code is None:
        return _point("training-code", title, [], "write model.training_code: repository and revision")
    at = "bundle.yaml model.training_code"
    evidence = [Evidence(what="repository", value=code.repository, at=at)]
    if code.revision is None:
        return _point("training-code", title, evidence, "add the revision that was run", manual=True)
    return _point("training-code", title, [*evidence, Evidence(what="revision", value=code.revision, at=at)])


def _metrics(facts: Facts) -> Point:
    metrics = facts.bundle.model.metrics
    evidence = [
        Evidence(what=name, value=f"{value:g}", at="bundle.yaml model.metrics") for name, value in metrics.items()
    ]
    todo = None if metrics else "write model.metrics, measured on the validation data"
    return _point("metrics", "how good it is, is on record", evidence, todo)


def _owner(facts: Facts) -> Point:
    owner = facts.bundle.owner
    evidence = [Evidence(what="owner", value=owner, at="bundle.yaml owner")] if owner else []
    return _point(
        "owner", "someone answers for it", evidence, None if owner else "write owner: a person, team or address"
    )


def _rollback(facts: Facts) -> Point:
    title = "there is a version to go back to"
    rollback, registry = facts.bundle.release.rollback, facts.registry
    if rollback is None:
        return _point("rollback-target", title, [], "write release.rollback: the version that would be deployed again")
    evidence = [Evidence(what="version", value=rollback, at="bundle.yaml release.rollback")]
    if registry is None or registry.rollback_reference is None:
        todo = f"see that {rollback} is in the registry: kiln checklist --registry REGISTRY asks it"
        return _point("rollback-target", title, evidence, todo, manual=True)
    if registry.rollback_digest is None:
        return _point("rollback-target", title, evidence, f"{registry.rollback_reference} is not in the registry")
    found = Evidence(what="in the registry", value=str(registry.rollback_digest), at=registry.rollback_reference)
    return _point("rollback-target", title, [*evidence, found])


def _pushed(facts: Facts) -> Point:
    title = "the image is in the registry, byte for byte"
    registry = facts.registry
    if registry is None:
        todo = "push it with `kiln push`; kiln checklist --registry REGISTRY asks whether it is there"
        return _point("pushed", title, [], todo, manual=True)
    evidence: list[Evidence] = []
    todo = ""
    for built in facts.built:
        found = registry.manifests.get(built.platform)
        if found is None:
            todo = todo or f"run `kiln push`: {registry.reference} is not in the registry for {built.platform}"
            continue
        evidence.append(Evidence(what=f"manifest for {built.platform}", value=str(found), at=registry.reference))
        image = built.image
        ours = {image.manifest(dialect).descriptor.digest for dialect in ManifestFormat} if image else set()
        if found not in ours:
            todo = todo or "the registry has other bytes under this version than are built here; raise the version"
    return _point("pushed", title, evidence, todo or None)

"""Rules of the model file against the environment it is served in. Nothing is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from builder.bundle.model import BundleFile, Contract
from builder.check.artifacts.fitted import estimator_names
from builder.check.artifacts.reading import Artifact, Reading
from builder.check.compatibility import Comparison, Fit, compare
from builder.check.distributions import known_distribution, normalised, other_distributions
from builder.check.finding import Finding, Level, Place, Rule
from builder.check.freeze import find_differences, imported_roots, read_freeze
from builder.check.model_files import read_model_file
from builder.check.pickle_classes import Definitions
from builder.check.subject import Subject

VERSION = Rule(
    id="KILN201",
    name="model-of-another-version",
    level=Level.ERROR,
    summary="The model was made by another version of a library than the one that is locked.",
    why="Loading fails, or worse, the model loads and predicts something else than it was trained to.",
    remedy="Lock the version that made the model, or train it again with the locked one.",
)
MISSING = Rule(
    id="KILN202",
    name="model-needs-missing-library",
    level=Level.ERROR,
    summary="Loading the model needs a library, or a class of one, that is not in the lock.",
    why="Loading fails with ModuleNotFoundError or AttributeError, and the container never becomes ready.",
    remedy="Add the library to the requirements, in a version that has what the model names.",
)
FREEZE = Rule(
    id="KILN203",
    name="trained-in-another-environment",
    level=Level.WARNING,
    summary="A library the model or the scoring code uses was another version when the model was trained.",
    why="Preprocessing and defaults change between versions; predictions drift from what was measured in training.",
    remedy="Pin the version of the training environment, or train again in the locked one.",
)
UNREADABLE = Rule(
    id="KILN204",
    name="unknown-model-format",
    level=Level.NOTE,
    summary="What made the model file cannot be told from it.",
    why="Its version cannot be compared with the lock, so a mismatch shows only when the image is smoke-tested.",
    remedy="Nothing, when the scoring script reads this format; else save the model in one of the known formats.",
)
ACCELERATOR = Rule(
    id="KILN205",
    name="model-saved-on-accelerator",
    level=Level.NOTE,
    summary="The model's tensors were saved on an accelerator.",
    why="On a machine without one, torch.load fails unless it is told where to put them.",
    remedy="Load it with map_location='cpu', or save it after model.cpu().",
)
RULES = (VERSION, MISSING, FREEZE, UNREADABLE, ACCELERATOR)

_LEVELS = {Fit.COMPATIBLE: Level.NOTE, Fit.RISKY: Level.WARNING, Fit.IMPOSSIBLE: Level.ERROR}
_INSIGNIFICANT = frozenset({"joblib", "threadpoolctl"})
"""What the loader needs and predictions do not depend on."""
_PROSE = (".md", ".txt", ".json", ".yaml", ".yml", ".csv", ".toml", ".py", ".cfg", ".ini", ".env", ".tsv")
_MLFLOW = frozenset({"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "registered_model_meta"})


def find_artifacts(subject: Subject) -> Iterable[Finding]:
    """Yield where the model's files and the environment do not go together."""
    definitions = Definitions.of(subject)
    locked = _locked(subject)
    roots: set[str] = set()
    read = list(_readings(subject))
    beside = frozenset(name for _, reading in read for name in estimator_names(reading.artifact))
    for file, reading in read:
        artifact = reading.artifact
        roots |= set(artifact.needs)
        if reading.problem is not None:
            if not reading.is_told:
                yield _unread(file.path, reading, subject)
        elif not artifact.is_known and _is_expected(file.path, subject):
            yield Finding(
                rule=UNREADABLE,
                place=Place(path=file.path),
                message="what made this file cannot be told from it",
                remedy=UNREADABLE.remedy,
            )
        if locked:
            yield from _versions(file.path, artifact, locked, subject.bundle.environment.python, beside)
            yield from _missing(file.path, artifact, locked, definitions)
        yield from _devices(file.path, artifact)
    if locked:
        yield from _trained(subject, roots, locked, definitions)


def _readings(subject: Subject) -> Iterator[tuple[BundleFile, Reading]]:
    for file in subject.inventory.model:
        try:
            yield file, read_model_file(subject, file)
        except OSError:
            continue


def _unread(path: str, reading: Reading, subject: Subject) -> Finding:
    """A script may know better; a model that is served as it is has to be what it seems."""
    is_fatal = reading.is_damaged and subject.bundle.scoring.contract is Contract.NONE
    fact = "is damaged" if reading.is_damaged else "cannot be read"
    return Finding(
        rule=UNREADABLE,
        place=Place(path=path),
        message=f"the model file {fact}: {reading.problem}",
        remedy="save the model again, and copy it in binary mode"
        if reading.is_damaged
        else "nothing; the smoke tests show whether it loads",
        level=Level.ERROR if is_fatal else Level.WARNING if reading.is_damaged else Level.NOTE,
    )


def _locked(subject: Subject) -> dict[str, str]:
    if subject.lock is None:
        return {}
    return {wheel.name: wheel.version for wheel in subject.lock.on(subject.platform).wheels}


def _is_expected(path: str, subject: Subject) -> bool:
    """Files beside a model need no reading: only the one that is the model, or looks like weights."""
    name = path.rpartition("/")[2]
    if path == subject.bundle.model.path:
        return True
    return not name.startswith(".") and name not in _MLFLOW and not name.lower().endswith(_PROSE) and "." in name


def _versions(
    path: str, artifact: Artifact, locked: dict[str, str], python: str, beside: frozenset[str]
) -> Iterator[Finding]:
    for comparison in compare(artifact, locked, python, beside=beside):
        level = _LEVELS.get(comparison.fit)
        if level is not None:
            yield Finding(
                rule=VERSION,
                place=Place(path=path, detail=_evidence(artifact, comparison)),
                message=_told(comparison),
                remedy=_remedy(comparison),
                level=level,
            )


def _told(comparison: Comparison) -> str:
    library = "Python" if comparison.library == "python" else comparison.library
    word = "the target is" if comparison.library == "python" else "locked is"
    return (
        f"made with {library} {comparison.made}, {word} {comparison.locked} ({comparison.fit.value}): {comparison.rule}"
    )


def _remedy(comparison: Comparison) -> str:
    if comparison.fit is Fit.COMPATIBLE:
        return "nothing; smoke tests show whether it predicts the same"
    if comparison.library == "onnxruntime":
        return "lock a newer onnxruntime, or convert the model with an older target opset"
    if comparison.library == "numpy":
        return f"require numpy>={comparison.made}, or save the model again with the locked numpy"
    if comparison.library == "python":
        return f"set environment.python to {'.'.join(comparison.made.split('.')[:2])}, or log the model again"
    if comparison.made[:1].isdigit():
        return f"require {comparison.library}=={comparison.made}, or train again with {comparison.locked}"
    return f"save the model again with {comparison.library} {comparison.locked}"


def _evidence(artifact: Artifact, comparison: Comparison) -> str | None:
    return next((maker.evidence for maker in artifact.makers if maker.library == comparison.library), None)


def _missing(path: str, artifact: Artifact, locked: dict[str, str], definitions: Definitions) -> Iterator[Finding]:
    for need in artifact.needs:
        if "|" in need:
            choices = need.split("|")
            if any(choice in locked for choice in choices):
                continue
            wanted, remedy = " or ".join(choices), f"add {choices[0]} to the requirements"
        else:
            if need == "__main__" or need in sys.stdlib_module_names or _is_there(need, locked, definitions):
                continue
            distribution = known_distribution(need)
            if distribution is None and not definitions.has_wheels:
                continue  # what is locked may bring it, and no wheel is at hand that tells
            wanted = distribution or f"the module {need}"
            remedy = f"add {distribution or f'what brings {need}'} to the requirements"
            if distribution is None:
                remedy += f", or {need} itself to scoring.sources if it is your own,"
        if any(other.split("|")[0] == need for other in artifact.needs if "|" in other):
            continue
        yield Finding(
            rule=MISSING,
            place=Place(path=path),
            message=f"loading the model needs {wanted}, which is not locked",
            remedy=f"{remedy} and run kiln lock",
        )


def _is_there(root: str, locked: dict[str, str], definitions: Definitions) -> bool:
    if definitions.has_wheels:
        return definitions.exists(root) or any(name.partition(".")[0] == root for name in definitions.sources)
    names = {normalised(root), known_distribution(root), *other_distributions(root)}
    return not names.isdisjoint(locked) or any(name.partition(".")[0] == root for name in definitions.sources)


def _devices(path: str, artifact: Artifact) -> Iterator[Finding]:
    devices = sorted(device for device in artifact.devices if device not in ("cpu", "meta"))
    if devices:
        yield Finding(
            rule=ACCELERATOR,
            place=Place(path=path),
            message=f"the model's tensors were saved on {', '.join(devices)}",
            remedy=ACCELERATOR.remedy,
        )


def _trained(subject: Subject, needs: set[str], locked: dict[str, str], definitions: Definitions) -> Iterator[Finding]:
    path = subject.bundle.model.training_environment
    if path is None:
        return
    roots = imported_roots(subject.sources.values()) | {choice for need in needs for choice in need.split("|")}
    significant = {name for root in roots for name in _distributions(root, definitions)} - _INSIGNIFICANT
    rest = []
    for difference in find_differences(read_freeze(subject.bundle.root / path, subject.verdicts), locked):
        told = f"{difference.name} {difference.trained} in training, {difference.served} in serving"
        if difference.name not in significant:
            rest.append(told)
            continue
        yield Finding(
            rule=FREEZE,
            place=Place(path=path, line=difference.line),
            message=f"{told}: the model or the scoring code uses it",
            remedy=f"require {difference.name}=={difference.trained}, or train again with {difference.served}",
            level=Level.WARNING if difference.is_minor else Level.NOTE,
        )
    if rest:
        yield Finding(
            rule=FREEZE,
            place=Place(path=path),
            message="other versions than in training, of what neither model nor scoring code names: " + "; ".join(rest),
            remedy="nothing, as a rule",
            level=Level.NOTE,
        )


def _distributions(root: str, definitions: Definitions) -> list[str]:
    return definitions.distributions(root) or [known_distribution(root) or normalised(root)]

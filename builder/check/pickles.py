"""Rules of pickle safety: what loading the model would import and call is on the allow-list. Nothing is unpickled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from builder.check.artifact_rules import MISSING
from builder.check.finding import Finding, Level, Place, Rule
from builder.check.model_files import remembered
from builder.check.pickle_classes import Definitions
from builder.check.subject import Subject

if TYPE_CHECKING:
    from builder.check.pickle_allowance import Objection
    from builder.check.pickle_screening import Screening

UNSAFE = Rule(
    id="KILN301",
    name="unsafe-pickle",
    level=Level.ERROR,
    summary="Loading the model would import or call something that no model needs.",
    why="A pickle is a program: whoever can change the file decides what runs in the container when it is loaded.",
    remedy="Keep functions in modules of scoring.sources; train and save the model again from sources you trust.",
)
MALFORMED = Rule(
    id="KILN302",
    name="malformed-pickle",
    level=Level.ERROR,
    summary="A pickle in the model cannot be followed to its end.",
    why="Loaders differ in what they make of a damaged or unusual stream, so nobody can say what it would do.",
    remedy="Save the model again with joblib or pickle, and copy it in binary mode.",
)
OWN_CODE = Rule(
    id="KILN303",
    name="pickle-names-own-code",
    level=Level.NOTE,
    summary="The model was saved with classes or functions of the bundle's own modules.",
    why="Rename or move them, and the saved model no longer loads.",
    remedy="Keep these names where they are for as long as this model file is served.",
)
RULES = (UNSAFE, MALFORMED, OWN_CODE)

_SUSPECT = "do not load this file; train and save the model again from sources you trust"
"""Of what no honest model is known to need."""


def find_pickles(subject: Subject) -> Iterable[Finding]:
    """Return what makes a file of the model unsafe to load.

    That nothing does is remembered for these files, these wheels and these names of the author's modules, unless it
    depends on what is in one of the modules.
    """
    found: list[Finding] = []
    definitions = Definitions.of(subject)

    def follow() -> bool | None:
        found.extend(_follow(subject, definitions))
        return None if found or definitions.has_read_author else True

    wheels = [] if subject.lock is None else subject.lock.on(subject.platform).wheels
    question = [
        "pickles",
        subject.lock is None,
        [[wheel.name, str(wheel.digest)] for wheel in wheels],
        sorted(definitions.wheels),
        sorted(definitions.sources),
    ]
    remembered(subject, question, subject.inventory.model, follow)
    return found


def _follow(subject: Subject, definitions: Definitions) -> Iterator[Finding]:
    from builder.check.pickle_allowance import Allowance  # noqa: PLC0415 - large tables, for a model that is new
    from builder.check.pickle_screening import screen  # noqa: PLC0415

    allowance = Allowance(definitions)
    for file in subject.inventory.model:
        try:
            screening = screen(subject.bundle.root / file.path, allowance)
        except OSError:
            continue
        yield from _findings(file.path, screening)
        padded = sum(reading.padded for _, reading in screening.readings)
        if padded and (joblib := _old_joblib(subject)):
            yield Finding(
                rule=MALFORMED,
                place=Place(path=file.path),
                message=f"its arrays are padded, which the locked joblib {joblib} knows nothing of: it reads others",
                remedy="lock joblib 1.2 or later",
            )


def _old_joblib(subject: Subject) -> str | None:
    """Return the version of a locked joblib that pads nothing: where its arrays end is not where others end."""
    wheels = () if subject.lock is None else subject.lock.on(subject.platform).wheels
    locked = next((wheel.version for wheel in wheels if wheel.name == "joblib"), None)
    if locked is None:
        return None
    from packaging.version import Version  # noqa: PLC0415 - only for a model with padded arrays

    return locked if Version(locked) < Version("1.2") else None


def _findings(path: str, screening: Screening) -> Iterator[Finding]:
    from builder.check.pickle_allowance import NOT_LOCKED, Judgement  # noqa: PLC0415 - as above

    own: dict[str | None, list[Objection]] = {}
    unknown: dict[str | None, list[Objection]] = {}
    refused: dict[tuple[str | None, str, str], list[Objection]] = {}
    for member, objection in screening.objections:
        if objection.judgement is Judgement.AUTHOR:
            own.setdefault(member, []).append(objection)
        elif objection.judgement is Judgement.UNKNOWN:
            unknown.setdefault(member, []).append(objection)
        elif objection.judgement is Judgement.MISSING and not objection.reason.startswith(NOT_LOCKED):
            yield Finding(
                rule=MISSING,
                place=Place(path=path, detail=_where(member, objection.offset)),
                message=f"loading the model needs {objection.subject}: {objection.reason}",
                remedy=MISSING.remedy,
            )
        elif objection.judgement is Judgement.REFUSED:
            refused.setdefault((member, _root(objection), objection.reason), []).append(objection)
    for (member, root, reason), objections in refused.items():
        first, *rest = objections
        more = f", and {len(rest)} more of {root}" if rest else ""
        yield Finding(
            rule=UNSAFE,
            place=Place(path=path, detail=_where(member, first.offset)),
            message=f"the pickle names {first.subject} at offset {first.offset}{more}: {reason}",
            remedy=first.remedy or _SUSPECT,
        )
    for damage in screening.damages:
        yield Finding(
            rule=MALFORMED,
            place=Place(path=path, detail=damage.member),
            message=f"the pickle cannot be followed: {damage.text}",
            remedy=damage.remedy or MALFORMED.remedy,
        )
    for member, objections in unknown.items():
        roots = dict.fromkeys(map(_root, objections))
        yield Finding(
            rule=UNSAFE,
            place=Place(path=path, detail=_where(member, objections[0].offset)),
            message=f"what the pickle makes of {' and '.join(roots)} cannot be judged without the wheels of the lock",
            remedy=f"lock what brings {' and '.join(roots)} with kiln lock, then run kiln check --fetch; a module of "
            "your own belongs into scoring.sources",
            level=Level.NOTE,
        )
    for member, objections in own.items():
        names = ", ".join(objection.subject for objection in objections)
        yield Finding(
            rule=OWN_CODE,
            place=Place(path=path, detail=_where(member, objections[0].offset)),
            message=f"the model was saved with {names} of the bundle's own modules",
            remedy=OWN_CODE.remedy,
        )


def _root(objection: Objection) -> str:
    return objection.subject.partition(".")[0]


def _where(member: str | None, offset: int) -> str:
    return f"offset {offset}" if member is None else f"{member}, offset {offset}"

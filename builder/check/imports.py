"""Rules about imports: everything the scoring code imports is in the image, and what is in the image is imported."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping

from builder.bundle.model import Contract, Framework
from builder.check import stdlib
from builder.check.distributions import likely_distribution
from builder.check.finding import Finding, Level, Place, Rule
from builder.check.import_advice import Advisor, requirements_name
from builder.check.import_graph import ImportGraph, Missing, Spot, follow_imports
from builder.check.keras_backend import BACKEND, find_backend
from builder.check.places import required_names, requirement_place
from builder.check.reached import is_model_readable, reach, required_by
from builder.check.resolution import Origin, Resolver
from builder.check.subject import Subject
from builder.check.walk.state import EngineUse
from builder.check.wheel_index import WheelIndex, index_wheels

MISSING_IMPORT = Rule(
    id="KILN101",
    name="missing-import",
    level=Level.ERROR,
    summary="The scoring code imports a module that is not in the image, or calls what imports one: "
    "pandas.read_parquet without pyarrow.",
    why="The service raises ModuleNotFoundError: at its start, or at the first request that comes by the import.",
    remedy="Add the distribution that brings the module to the requirements, and lock again.",
)
CONDITIONAL_IMPORT = Rule(
    id="KILN102",
    name="conditional-import-missing",
    level=Level.WARNING,
    summary="A module is not in the image, and is imported only under a condition, in a function nothing seems to "
    "call, or where its absence is taken care of (then a note).",
    why="Whoever gets there in production gets another behaviour than on the author's machine, or an error.",
    remedy="Add the distribution, or take the import out.",
)
UNREACHED = Rule(
    id="KILN103",
    name="unreached-distribution",
    level=Level.NOTE,
    summary="A required distribution is locked that neither the scoring code nor the model nor another distribution "
    "needs.",
    why="It makes the image larger, slower to pull, and gives scanners more to find.",
    remedy="Take it out of the requirements, unless something imports it by a name that is put together at run time.",
)
OUTSIDE_SOURCES = Rule(
    id="KILN104",
    name="import-outside-sources",
    level=Level.ERROR,
    summary="The scoring code imports a module that is in the author's folder and not in scoring.sources.",
    why="It works on the author's machine only: the image takes the script and scoring.sources, and nothing else.",
    remedy="Name the file or its folder in scoring.sources.",
)
SHADOWING = Rule(
    id="KILN105",
    name="shadowing-module",
    level=Level.WARNING,
    summary="A module of the bundle has the name of one of the standard library or of a locked distribution.",
    why="The bundle's comes first on the import path, so everything that imports the other one gets this one, the "
    "packages included; they then fail in places that have nothing to do with it.",
    remedy="Rename the module.",
)
RUNTIME_NEED = Rule(
    id="KILN106",
    name="model-library-missing",
    level=Level.ERROR,
    summary="A model served without a script needs a library that is not locked.",
    why="The model does not load, and the service never becomes ready.",
    remedy="Add the library to the requirements, in the version the model was made with.",
)
SYNTAX = Rule(
    id="KILN107",
    name="unreadable-module",
    level=Level.ERROR,
    summary="A module that the scoring code imports is no valid Python of the version it is served with.",
    why="Importing it raises SyntaxError, and the service never becomes ready.",
    remedy="Mend the syntax, or serve with the Python it was written for (environment.python).",
)
BEYOND = Rule(
    id="KILN108",
    name="relative-import-beyond-package",
    level=Level.ERROR,
    summary="A relative import leads above the outermost package.",
    why="It raises ImportError: the scoring script is imported on its own, not as part of a package.",
    remedy="Import by absolute name: the script's folder and the bundle's root are on the import path.",
)
MISSING_NAME = Rule(
    id="KILN109",
    name="missing-name",
    level=Level.ERROR,
    summary="A name is imported from a module of the bundle that does not define it.",
    why="It raises ImportError, at the start or at the first request that comes by the import.",
    remedy="Correct the name, or define it.",
)
COMPUTED = Rule(
    id="KILN110",
    name="computed-import",
    level=Level.NOTE,
    summary="A module is imported by a name that is put together at run time, or the import path is changed in a way "
    "that cannot be followed.",
    why="What is imported so was not checked; the smoke tests are the first to see whether it is there.",
    remedy="Import by a name that is written out, or have a smoke test that comes by this line.",
)

RULES: tuple[Rule, ...] = (
    MISSING_IMPORT,
    CONDITIONAL_IMPORT,
    UNREACHED,
    OUTSIDE_SOURCES,
    SHADOWING,
    RUNTIME_NEED,
    SYNTAX,
    BEYOND,
    MISSING_NAME,
    COMPUTED,
    BACKEND,
)

_NEEDS: Mapping[Framework, tuple[str, ...]] = {
    Framework.SKLEARN: ("sklearn", "numpy", "joblib"),
    Framework.XGBOOST: ("xgboost", "numpy"),
    Framework.LIGHTGBM: ("lightgbm", "numpy"),
    Framework.CATBOOST: ("catboost", "numpy"),
    Framework.ONNX: ("onnxruntime", "numpy"),
    Framework.TORCH: ("torch", "numpy"),
    Framework.MLFLOW: ("mlflow",),
    Framework.CUSTOM: (),
}


def find_imports(subject: Subject) -> Iterable[Finding]:
    """Apply all rules about imports."""
    wheels = index_wheels(subject)
    graph, resolver = follow_imports(subject, wheels)
    advisor = Advisor(subject)
    certainty = _Certainty(graph)
    for missing in graph.missing:
        if missing.resolution.origin is Origin.UNKNOWN and not advisor.is_certain(missing.module):
            continue
        if missing.spot.context.guards and _is_of_another_python(missing.module, subject):
            continue
        yield _missing(missing, graph, advisor, certainty)
    yield from _engines(graph, advisor)
    for unbound in graph.unbound:
        yield Finding(
            rule=MISSING_NAME,
            place=_place(unbound.spot),
            message=f"{unbound.file} has no {unbound.name}",
            remedy=f"define {unbound.name} in {unbound.file}, or correct the import",
            level=certainty.lowered(unbound.spot),
        )
    for spot in graph.beyond:
        yield Finding(
            rule=BEYOND,
            place=_place(spot),
            message="the relative import leads above the outermost package",
            remedy=f"import by absolute name: {_folders(resolver.roots)} on the import path",
            level=certainty.lowered(spot),
        )
    target = subject.bundle.environment.python
    own = f"3.{sys.version_info.minor}"
    # What is newer than the Python that reads it may be right: that must not stop a build.
    is_newer = int(target.partition(".")[2]) > sys.version_info.minor
    for broken in graph.broken:
        yield Finding(
            rule=SYNTAX,
            place=Place(path=broken.path, line=broken.line),
            message=f"Python {own}, which reads it for {target}, cannot: {broken.message}"
            if is_newer
            else f"not valid Python {target}: {broken.message}",
            remedy=f"run kiln with Python {target} to have it checked, or mend it"
            if is_newer
            else "mend it; the whole file is not imported as it is",
            level=Level.WARNING if is_newer else Level.ERROR,
        )
    for path, computed in graph.computed:
        what = "what is put on sys.path here" if computed.what == "sys.path" else computed.what
        yield Finding(
            rule=COMPUTED,
            place=Place(path=path, line=computed.line, column=computed.column),
            message=f"{what} cannot be followed",
            remedy="write the name out where you can; else have a smoke test that comes by this line",
        )
    yield from _shadowing(resolver)
    yield from _runtime_needs(subject, resolver)
    reached = reach(graph.distributions, subject, wheels)
    yield from find_backend(subject, graph, reached, wheels)
    yield from _unreached(subject, graph, wheels, reached)


def reached_distributions(subject: Subject, wheels: Mapping[str, WheelIndex]) -> set[str]:
    """Return the locked distributions that the scoring code, the model or another reached one needs."""
    return reach(follow_imports(subject, wheels)[0].distributions, subject, wheels)


def _missing(missing: Missing, graph: ImportGraph, advisor: Advisor, certainty: _Certainty) -> Finding:
    spot = missing.spot
    failed = missing.resolution.failed or missing.module
    advice = advisor.advise(missing.module, missing.resolution, missing.name)
    message, remedy = advice.message, advice.remedy
    rule = OUTSIDE_SOURCES if advice.is_own else MISSING_IMPORT
    level = certainty.lowered(spot)
    if level is None and graph.has_unknown_path and "." not in failed and rule is MISSING_IMPORT:
        level = Level.WARNING
        remedy += "; or it is found through a change of sys.path that could not be followed"
    if spot.context.guards:
        message += ", and the code goes on without it"
    elif not certainty.is_live(spot):
        message += f", and nothing seems to call {spot.context.function}()"
    elif spot.context.is_conditional:
        message += ", and it is imported under a condition that cannot be told here"
    elif not certainty.is_sure(spot):
        message += f", and {spot.path} is imported under a condition"
    elif spot.context.function:
        message += f"; {spot.context.function}() fails when it is called"
    return Finding(
        rule=rule if level is None else CONDITIONAL_IMPORT,
        place=_place(spot),
        message=message,
        remedy=remedy,
        level=level,
    )


def _engines(graph: ImportGraph, advisor: Advisor) -> Iterator[Finding]:
    """Report each module that is needed once, at the call that needs it most surely."""
    told: set[tuple[str, ...]] = set()
    for use in sorted(graph.engines, key=lambda use: (_doubts(use), use.module, use.line, use.column)):
        if use.modules in told:
            continue
        told.add(use.modules)
        message = f"{use.call} needs {' or '.join(use.modules)}, which is not in the image"
        level = (None, Level.WARNING, Level.NOTE)[_doubts(use)]
        if use.is_guarded:
            message += ", and the code goes on without it"
        elif not use.is_sure:
            message += f", if it is {use.library}'s"
        elif not use.is_certain:
            message += ", and it is called under a condition that cannot be told here"
        yield Finding(
            rule=MISSING_IMPORT if level is None else CONDITIONAL_IMPORT,
            place=Place(path=use.module, line=use.line, column=use.column),
            message=message,
            remedy=advisor.advise_any(use.modules),
            level=level,
        )


def _doubts(use: EngineUse) -> int:
    if use.is_guarded:
        return 2
    return 0 if use.is_sure and use.is_certain else 1


def _is_of_another_python(module: str, subject: Subject) -> bool:
    """Tell whether code that also runs on other versions of Python imports this where it can."""
    return stdlib.is_of_python_2(module) or stdlib.moved_name(module, subject.bundle.environment.python) is not None


class _Certainty:
    """What of the code is sure to run."""

    def __init__(self, graph: ImportGraph) -> None:
        self._live = graph.live_functions()
        self._sure = graph.sure_files(self._live)

    def lowered(self, spot: Spot) -> Level | None:
        """Return the level of what fails there, where it is not the rule's own."""
        if spot.context.guards:
            return Level.NOTE
        is_sure = self.is_live(spot) and self.is_sure(spot) and not spot.context.is_conditional
        return None if is_sure else Level.WARNING

    def is_live(self, spot: Spot) -> bool:
        """Tell whether something may call the function a statement stands in."""
        return spot.context.function is None or spot.context.function in self._live

    def is_sure(self, spot: Spot) -> bool:
        """Tell whether the file a statement stands in is imported on every way."""
        return spot.path in self._sure


def _place(spot: Spot) -> Place:
    return Place(path=spot.path, line=spot.line, column=spot.column)


def _folders(roots: Iterable[str]) -> str:
    names = [root or "the bundle's root" for root in roots]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _shadowing(resolver: Resolver) -> Iterator[Finding]:
    for name, path in resolver.top_level():
        hidden = None if name in stdlib.NOBODY_IMPORTS else resolver.is_in_stdlib_or_wheels(name)
        if hidden:
            yield Finding(
                rule=SHADOWING,
                place=Place(path=path),
                message=f"this module hides {hidden}",
                remedy=f"rename it, and every import of {name} that means it",
            )


def _runtime_needs(subject: Subject, resolver: Resolver) -> Iterator[Finding]:
    if subject.bundle.scoring.contract is not Contract.NONE or not subject.has_wheels:
        return
    framework, flavor = subject.bundle.model.framework, subject.bundle.model.flavor
    needs = _NEEDS[framework]
    if flavor is not None and resolver.resolve("mlflow").origin is Origin.NOTHING:
        framework = Framework(flavor.name)
        needs = _NEEDS[framework]
    if framework is Framework.SKLEARN and (subject.bundle.root / subject.bundle.model.path).suffix == ".skops":
        needs = ("sklearn", "numpy", "skops")
    for module in needs:
        if resolver.resolve(module).origin is Origin.NOTHING:
            likely = likely_distribution(module)
            name = likely.name if likely else module
            yield Finding(
                rule=RUNTIME_NEED,
                place=requirement_place(subject),
                message=f"serving this {framework} model needs {name}, which is not locked",
                remedy=f"add {name} to {requirements_name(subject)}, then run `kiln lock`",
            )


def _unreached(
    subject: Subject, graph: ImportGraph, wheels: Mapping[str, WheelIndex], reached: set[str]
) -> Iterator[Finding]:
    if not wheels or graph.broken or graph.has_unknown_path or not is_model_readable(subject):
        return
    left = set(wheels) - reached
    brought = required_by(wheels, subject, wheels)
    listed = required_names(subject)
    for name in sorted(left):
        by = sorted(other for other in left if other != name and name in brought[other])
        if any(name not in brought or other not in brought[name] for other in by):
            continue  # it goes when what requires it goes
        staying = set().union(*(brought[other] for other in listed - {name} if other in brought))
        others = sorted((brought[name] & left) - staying - {name})
        also = f"; with it go {', '.join(others)}" if others else ""
        yield Finding(
            rule=UNREACHED,
            place=requirement_place(subject, name),
            message=f"nothing imports {name}",
            remedy=f"take it out of the requirements unless something imports it by a computed name{also}",
        )

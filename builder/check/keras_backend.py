"""Keras and the library it computes with, which no package requires: which one it imports, and whether it is locked."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builder.check.finding import Finding, Level, Place, Rule
from builder.check.import_advice import requirements_name
from builder.check.import_graph import ImportGraph
from builder.check.model_files import read_model_file
from builder.check.places import requirement_place, yaml_place
from builder.check.subject import Subject
from builder.check.trees import parse_source
from builder.check.wheel_index import WheelIndex

BACKEND = Rule(
    id="KILN111",
    name="keras-backend-missing",
    level=Level.ERROR,
    summary="Keras is needed, and the library it would compute with is not locked.",
    why="Keras requires none of them: it imports the one that KERAS_BACKEND names, and TensorFlow where nothing does; "
    "import keras then raises ModuleNotFoundError, and the service never becomes ready.",
    remedy="Lock the backend the model is to be served with, and name it in environment.variables.KERAS_BACKEND unless "
    "it is TensorFlow.",
)

VARIABLE = "KERAS_BACKEND"
DEFAULT = "tensorflow"
MODULES: Mapping[str, str] = {
    "tensorflow": "tensorflow",
    "torch": "torch",
    "jax": "jax",
    "openvino": "openvino",
    "numpy": "jax",
}
"""What Keras imports for each backend; the one of numpy takes some functions from JAX."""
DISTRIBUTIONS: Mapping[str, str] = {"tensorflow": "tensorflow-cpu"}
"""What to require for a backend on a processor, where it is called otherwise."""
MODEL_NEED = "keras|tensorflow"
"""How readers of model files say that one is Keras' (see Artifact.needs)."""

_MOST_FILES = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which backend Keras takes in the image. ``name`` is None where only the code, when it runs, decides."""

    name: str | None
    by: str | None
    """What says so, for people; None for Keras' own default."""
    offered: tuple[str, ...]
    """Backends the locked Keras has."""

    @property
    def module(self) -> str | None:
        """What Keras imports then; None when that cannot be told."""
        return None if self.name is None else MODULES.get(self.name, self.name)


def choose_backend(subject: Subject, wheels: Mapping[str, WheelIndex]) -> Choice:
    """Return the backend Keras takes in the image: what the code sets counts most, then the bundle's variable."""
    offered = tuple(name for name in MODULES if _has(f"keras.src.backend.{name}", wheels))
    if not offered:  # Keras 2 knows no other, and no variable.
        return Choice(name=DEFAULT, by=None, offered=(DEFAULT,))
    written = subject.bundle.environment.variables.get(VARIABLE)
    told = str(written) if written else None
    code = _set_by_code(subject.sources)
    if code.is_open:
        return Choice(name=None, by="the code", offered=offered)
    if code.value is not None and (told is None or code.overrides):
        return Choice(name=code.value, by="the code", offered=offered)
    return Choice(name=told or DEFAULT, by=f"environment.variables.{VARIABLE}" if told else None, offered=offered)


def keras_of_model(subject: Subject, wheels: Mapping[str, WheelIndex]) -> set[str]:
    """Return the distributions that load a model file of Keras: Keras itself, else TensorFlow with the Keras in it."""
    for file in subject.inventory.model[:_MOST_FILES]:
        try:
            needs = read_model_file(subject, file).artifact.needs
        except OSError:
            continue
        if MODEL_NEED in needs:
            return next((found for top in MODEL_NEED.split("|") if (found := _with_top(top, wheels))), set())
    return set()


def backend_distributions(reached: set[str], subject: Subject, wheels: Mapping[str, WheelIndex]) -> set[str]:
    """Return the distributions that Keras computes with, where Keras is among those reached."""
    if not reached & _with_top("keras", wheels):
        return set()
    choice = choose_backend(subject, wheels)
    modules = {choice.module} if choice.module else {MODULES[name] for name in choice.offered}
    return set().union(*(_with_top(module, wheels) for module in modules))


def find_backend(
    subject: Subject, graph: ImportGraph, reached: set[str], wheels: Mapping[str, WheelIndex]
) -> Iterator[Finding]:
    """Find that Keras is reached and its backend is not locked."""
    if not reached & _with_top("keras", wheels):
        return
    choice = choose_backend(subject, wheels)
    if choice.module is None or _with_top(choice.module, wheels):
        return
    locked = [name for name in choice.offered if MODULES[name] == name and _with_top(name, wheels)]
    where = requirements_name(subject)
    wanted = DISTRIBUTIONS.get(choice.module, choice.module)
    add = f"add {wanted} to {where}, then run `kiln lock`"
    if choice.name not in choice.offered:
        message = f"{choice.by} names the backend {choice.name!r}, which the locked Keras does not have"
        remedy = f"name one of {', '.join(locked or choice.offered)}"
    elif choice.by is not None:
        message = f"Keras computes with {choice.name} as {choice.by} says, and {choice.module} is not locked"
        remedy = f"{add}; or name {' or '.join(locked)}, which is locked" if locked else add
    elif locked:
        message = f"{locked[0]} is locked, and Keras takes tensorflow where no {VARIABLE} is set"
        remedy = f"set environment.variables.{VARIABLE} to {locked[0]}"
    else:
        message = f"Keras computes with tensorflow unless {VARIABLE} names another backend, and none is locked"
        remedy = add
    yield Finding(
        rule=BACKEND,
        place=_place(subject),
        message=message,
        remedy=remedy,
        level=None if _is_surely_needed(subject, graph, wheels) else Level.WARNING,
    )


def _place(subject: Subject) -> Place:
    if VARIABLE in subject.bundle.environment.variables:
        return yaml_place(subject.bundle.root, "environment", "variables", VARIABLE)
    return requirement_place(subject, "keras")


def _is_surely_needed(subject: Subject, graph: ImportGraph, wheels: Mapping[str, WheelIndex]) -> bool:
    if keras_of_model(subject, wheels):
        return True
    live = graph.live_functions()
    return any(
        one.module.partition(".")[0] == "keras"
        and not one.up
        and not one.context.guards
        and not one.context.is_conditional
        and (one.context.function is None or one.context.function in live)
        for reading in graph.readings.values()
        for one in reading.imports
    )


def _with_top(module: str, wheels: Mapping[str, WheelIndex]) -> set[str]:
    return {name for name, index in wheels.items() if module in index.packages or module in index.modules}


def _has(module: str, wheels: Mapping[str, WheelIndex]) -> bool:
    return any(module in index.modules for index in wheels.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Code:
    """What the code does to the variable. ``is_open``: something that can only be told when it runs."""

    value: str | None = None
    overrides: bool = False
    is_open: bool = False


def _set_by_code(sources: Mapping[str, bytes]) -> _Code:
    found: set[tuple[str, bool]] = set()
    for source in sources.values():
        if VARIABLE.encode() not in source:
            continue
        try:
            tree = parse_source(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return _Code(is_open=True)
        mentions = 0
        for node in ast.walk(tree):
            mentions += isinstance(node, ast.Constant) and node.value == VARIABLE
            mentions += isinstance(node, ast.keyword) and node.arg == VARIABLE
            if (written := _written(node)) is not None:
                found.add(written)
                mentions -= 1
        if mentions:
            return _Code(is_open=True)
    if len(found) > 1:
        return _Code(is_open=True)
    return next((_Code(value=value, overrides=overrides) for value, overrides in found), _Code())


def _written(node: ast.AST) -> tuple[str, bool] | None:
    """Return the text a statement sets the variable to, and whether it does so whatever it was before."""
    match node:
        case ast.Assign(
            targets=[ast.Subscript(slice=ast.Constant(value=name))], value=ast.Constant(value=str(value))
        ) if name == VARIABLE:
            return value, True
        case ast.Call(
            func=ast.Attribute(attr="setdefault" | "putenv" as method),
            args=[ast.Constant(value=name), ast.Constant(value=str(value))],
        ) if name == VARIABLE:
            return value, method == "putenv"
        case _:
            return None

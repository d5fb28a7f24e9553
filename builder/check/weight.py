"""What makes an image heavier than it need be: files that do not belong, and packages nobody uses there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from builder.bundle.model import BundleFile
from builder.check.finding import Finding, Level, Place, Rule
from builder.check.import_graph import follow_imports
from builder.check.places import yaml_place
from builder.check.reached import reach
from builder.check.subject import Subject
from builder.check.weight_files import describe_stray, is_checkpoint, is_dataset, is_weights, notebook_outputs
from builder.check.weight_packages import accelerator_wheels, cpu_build, duplicates
from builder.check.weight_wheels import show_size, unpacked_size
from builder.check.wheel_index import index_wheels
from builder.lock.files import BUNDLE_LOCK
from builder.lock.model import LockedWheel

_SLOW = "Every byte is stored, scanned, and pulled by each machine before it can answer its first request."

STRAY_FILE = Rule(
    id="KILN701",
    name="stray-file",
    level=Level.WARNING,
    summary="Version control, caches of tools, editors' files or tests are among the sources.",
    why=f"{_SLOW} They also change the image's digest without changing what it does.",
    remedy="Name the modules under scoring.sources, not the folder that holds everything.",
)
NOTEBOOK = Rule(
    id="KILN702",
    name="notebook",
    level=Level.WARNING,
    summary="A notebook is among the sources.",
    why="Nothing imports it, and the outputs it keeps are often rows of the training data.",
    remedy="Leave it out of scoring.sources.",
)
DATASET = Rule(
    id="KILN703",
    name="dataset",
    level=Level.WARNING,
    summary="A table of more than a megabyte is among the sources.",
    why=f"{_SLOW} Training data in an image is also data whoever pulls it can read.",
    remedy="Leave it out; what the model was trained on is recorded by model.training_data.",
)
CHECKPOINT = Rule(
    id="KILN704",
    name="checkpoint",
    level=Level.WARNING,
    summary="Training's own checkpoints or logs are in the model folder or among the sources.",
    why=f"{_SLOW} An optimizer's state is often twice the size of the weights, and serving never reads it.",
    remedy="Keep only the files the scoring script loads.",
)
MODEL_IN_SOURCES = Rule(
    id="KILN705",
    name="weights-in-sources",
    level=Level.WARNING,
    summary="A model file of more than a megabyte is among the sources instead of under model.path.",
    why="It shares a layer with the code, so every change of a line ships it again; nothing records what it is.",
    remedy="Name it under model.path (a folder holds several), and load it from the model directory.",
)
ACCELERATOR = Rule(
    id="KILN706",
    name="cuda-without-accelerator",
    level=Level.WARNING,
    summary="Wheels built for CUDA or ROCm are locked, and nothing asks for an accelerator.",
    why="Gigabytes of libraries that no processor core can use: slow to pull, and a larger surface for scanners.",
    remedy="Require the build for CPUs; or name a CUDA base under environment.base.",
)
DUPLICATE = Rule(
    id="KILN707",
    name="duplicate-library",
    level=Level.WARNING,
    summary="Several distributions that install the same modules are locked.",
    why="They overwrite each other's files: which one is imported depends on the order of installing.",
    remedy="Require one of them.",
)
SIZE = Rule(
    id="KILN708",
    name="image-size",
    level=Level.NOTE,
    summary="What the image will weigh, and the heaviest packages in it.",
    why=_SLOW,
    remedy="Look at the heaviest first: is each needed to answer a request, and is there a smaller build?",
)
RULES: tuple[Rule, ...] = (
    STRAY_FILE,
    NOTEBOOK,
    DATASET,
    CHECKPOINT,
    MODEL_IN_SOURCES,
    ACCELERATOR,
    DUPLICATE,
    SIZE,
)

_SHOWN = 5
_ACCELERATED_BASES = ("cuda", "nvidia", "rocm", "gpu")
_ACCELERATOR_VARIABLES = frozenset({"NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"})


def find_weight(subject: Subject) -> Iterator[Finding]:
    """Yield the files and packages that make the image heavier than it need be."""
    yield from _files(subject)
    if subject.lock is None:
        return
    try:
        wheels = subject.lock.on(subject.platform).wheels
    except KeyError:
        return
    yield from _accelerators(subject, wheels)
    yield from _duplicates(subject, wheels)
    yield from _size(subject, wheels)


def _files(subject: Subject) -> Iterator[Finding]:
    strays: dict[str, list[BundleFile]] = defaultdict(list)
    for file in subject.inventory.code:
        if file.path == subject.bundle.scoring.script:
            continue
        if file.path.endswith(".ipynb"):
            yield _notebook(subject, file)
        elif what := describe_stray(file.path):
            strays[what].append(file)
        elif is_checkpoint(file.path):
            yield _of_file(CHECKPOINT, file, "a checkpoint of training", "leave it out of scoring.sources")
        elif is_dataset(file.path, file.size):
            remedy = "leave it out of scoring.sources, unless answering requests needs it"
            yield _of_file(DATASET, file, "a dataset", remedy)
        elif is_weights(file.path, file.size):
            yield _of_file(MODEL_IN_SOURCES, file, "a model file", "move it to the folder that model.path names")
    for what, files in strays.items():
        yield _strays(what, files)
    for file in subject.inventory.model:
        if is_checkpoint(file.path.removeprefix(subject.bundle.model.path).lstrip("/")):
            yield _of_file(CHECKPOINT, file, "a checkpoint of training", f"remove it from {subject.bundle.model.path}")


def _strays(what: str, files: list[BundleFile]) -> Finding:
    size = show_size(sum(file.size for file in files))
    first = files[0].path
    message = f"{what} would enter the image: {first} ({size})"
    if len(files) > 1:
        message = f"{what} would enter the image: {first} and {len(files) - 1} more ({size})"
    remedy = "leave it out of scoring.sources: name the modules, or a folder that holds nothing else"
    return Finding(rule=STRAY_FILE, place=Place(path=first), message=message, remedy=remedy)


def _notebook(subject: Subject, file: BundleFile) -> Finding:
    outputs = notebook_outputs(subject.bundle.root / file.path)
    kept = f" with {outputs} output{'' if outputs == 1 else 's'}" if outputs else ""
    message = f"a notebook{kept} would enter the image ({show_size(file.size)})"
    return Finding(
        rule=NOTEBOOK, place=Place(path=file.path), message=message, remedy="leave it out of scoring.sources"
    )


def _of_file(rule: Rule, file: BundleFile, what: str, remedy: str) -> Finding:
    message = f"{what} of {show_size(file.size)} would enter the image"
    return Finding(rule=rule, place=Place(path=file.path), message=message, remedy=remedy)


def _accelerators(subject: Subject, wheels: tuple[LockedWheel, ...]) -> Iterator[Finding]:
    found = accelerator_wheels(wheels)
    if not found or _asks_for_accelerator(subject):
        return
    heaviest = sorted(found, key=lambda wheel: (-_weigh(subject, wheel), wheel.name))
    total = show_size(sum(_weigh(subject, wheel) for wheel in found))
    names = ", ".join(wheel.name for wheel in heaviest[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    packages = "a package" if len(found) == 1 else f"{len(found)} packages"
    message = f"{packages} for accelerators, {total}, and nothing asks for one: {names}{more}"
    instead = cpu_build(wheels)
    remedy = f"require {instead}" if instead else "require the build for CPUs"
    place = yaml_place(subject.bundle.root, "environment", "requirements")
    yield Finding(rule=ACCELERATOR, place=place, message=message, remedy=remedy)


def _asks_for_accelerator(subject: Subject) -> bool:
    environment = subject.bundle.environment
    base = environment.base.lower()
    devices = (str(value) for name, value in environment.variables.items() if name in _ACCELERATOR_VARIABLES)
    return any(word in base for word in _ACCELERATED_BASES) or any(
        value not in ("", "-1", "none", "void") for value in devices
    )


def _duplicates(subject: Subject, wheels: tuple[LockedWheel, ...]) -> Iterator[Finding]:
    for duplicate in duplicates(wheel.name for wheel in wheels):
        names = " and ".join(duplicate.names)
        yield Finding(
            rule=DUPLICATE,
            place=yaml_place(subject.bundle.root, "environment", "requirements"),
            message=f"{names} install the same modules",
            remedy=f"keep {duplicate.keep}; `kiln lock` tells which requirement brings the other",
        )


def _size(subject: Subject, wheels: tuple[LockedWheel, ...]) -> Iterator[Finding]:
    if not subject.has_wheels or not wheels:
        return
    sizes = sorted(((_weigh(subject, wheel), wheel.name) for wheel in wheels), key=lambda pair: (-pair[0], pair[1]))
    packages = sum(size for size, _ in sizes)
    model = sum(file.size for file in subject.inventory.model)
    heaviest = ", ".join(f"{name} {show_size(size)}" for size, name in sizes[:_SHOWN])
    message = f"the packages weigh {show_size(packages)} and the model {show_size(model)}; the heaviest: {heaviest}"
    remedy = "see which of them scoring needs"
    unused = _never_imported(subject)
    if weights := [f"{name} {show_size(size)}" for size, name in sizes if name in unused]:
        total = show_size(sum(size for size, name in sizes if name in unused))
        more = f" and {len(weights) - _SHOWN} more" if len(weights) > _SHOWN else ""
        message += f"; never imported, {total}: {', '.join(weights[:_SHOWN])}{more}"
        remedy = "take what is never imported out of the requirements"
    yield Finding(rule=SIZE, place=Place(path=BUNDLE_LOCK), message=message, remedy=remedy)


def _never_imported(subject: Subject) -> set[str]:
    """Return the distributions neither code nor model nor another one needs; nothing where that cannot be told."""
    wheels = index_wheels(subject)
    graph, _ = follow_imports(subject, wheels)
    if not wheels or graph.broken or graph.has_unknown_path:
        return set()
    return set(wheels) - reach(graph.distributions, subject, wheels)


def _weigh(subject: Subject, wheel: LockedWheel) -> int:
    """Return what a wheel weighs unpacked; its own size when it is not at hand."""
    path = subject.wheels.get(wheel.name)
    size = unpacked_size(path, wheel.digest, subject.memory) if path is not None else None
    return wheel.size if size is None else size

"""TorchScript and ``torch.export`` archives: a module that takes tensors, without the class it was made of."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..features import INTEGER, Feature
from ..rows import make_table_maker, make_taker
from .chunks import score_in_chunks
from .common import Predict, count_threads, flatten


def load(path: Path, features: Sequence[Feature], flavor: Mapping[str, Any]) -> Predict:
    """Load a model; what it predicts is the tensor it returns, or an object of all of them."""
    del flavor
    torch, numpy = importlib.import_module("torch"), importlib.import_module("numpy")
    torch.set_num_threads(count_threads())
    with zipfile.ZipFile(path) as archive:
        bases = {name.rpartition("/")[2] for name in archive.namelist()}
    sizes: set[int] = set()
    if "constants.pkl" in bases and "data.pkl" in bases:
        module = torch.jit.load(str(path), map_location="cpu").eval()
        arguments = _read_script(torch, module)
    else:
        program = torch.export.load(str(path))
        module = program.module()
        arguments, sizes = _read_program(program)
    makers = [make(torch, numpy) for make in choose_makers(arguments, features)]

    def run(records: Sequence[Any]) -> Any:
        with torch.inference_mode():
            return make_answer(module(*(make(records) for make in makers)))

    return score_in_chunks(run, sizes)


Argument = tuple[str, str | None]
"""A parameter of ``forward`` and its type as numpy names it, None where the file does not say."""


def _read_script(torch: Any, module: Any) -> list[Argument]:
    given = [each for each in module.forward.schema.arguments[1:] if not each.has_default_value()]
    wrong = [each.name for each in given if not each.type.isSubtypeOf(torch._C.TensorType.get())]  # noqa: SLF001
    if wrong:
        raise ValueError(f"the model's argument {wrong[0]} is no tensor, which needs a scoring script")
    return [(str(each.name), None) for each in given]


def _read_program(program: Any) -> tuple[list[Argument], set[int]]:
    """Return the arguments of an exported program, and how many records it was exported for where that is fixed."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    arguments: list[Argument] = []
    sizes: set[int] = set()
    for name in program.graph_signature.user_inputs:
        value: Any = values.get(name)
        if not hasattr(value, "dtype"):
            raise ValueError(f"the model's argument {name} is no tensor, which needs a scoring script")
        arguments.append((str(name), str(value.dtype).removeprefix("torch.")))
        if len(value.shape) and isinstance(value.shape[0], int):
            sizes.add(value.shape[0])
    return arguments, sizes


Maker = Callable[[Any, Any], Callable[[Sequence[Any]], Any]]


def choose_makers(arguments: Sequence[Argument], features: Sequence[Feature]) -> list[Maker]:
    """Return what makes each argument: a field of its name, or for a single one all features in the schema's order.

    A single feature that is an array is stacked as it is.
    """
    known = {feature.name: feature for feature in features}
    names = [feature.name for feature in features]
    if len(arguments) == 1 and arguments[0][0] not in known:
        dtype = arguments[0][1] or "float32"
        if len(features) == 1 and features[0].kind == "other":
            return [_stacking(names[0], dtype)]
        return [_tabulating(names, dtype)]
    missing = [name for name, _ in arguments if name not in known]
    if missing:
        raise ValueError(f"the model's argument {missing[0]} is no field of the schema")
    return [_stacking(name, kind or _guess_type(known[name])) for name, kind in arguments]


def _guess_type(feature: Feature) -> str:
    return "int64" if feature.kind == INTEGER else "float32"


def _tabulating(names: Sequence[str], dtype: str) -> Maker:
    def make(torch: Any, numpy: Any) -> Callable[[Sequence[Any]], Any]:
        make_table = make_table_maker(numpy, names, numpy.dtype(dtype))
        return lambda records: torch.from_numpy(make_table(records))

    return make


def _stacking(name: str, dtype: str) -> Maker:
    def make(torch: Any, numpy: Any) -> Callable[[Sequence[Any]], Any]:
        take = make_taker([name])
        return lambda records: torch.from_numpy(numpy.array([row[0] for row in take(records)], dtype=dtype))

    return make


def make_answer(answer: Any) -> Any:
    """Return what a module returned as one array, or as columns: several tensors, or a mapping of them."""
    if isinstance(answer, Mapping):
        return {str(name): make_answer(value) for name, value in answer.items()}
    if isinstance(answer, tuple | list):
        return {f"output_{index}": make_answer(value) for index, value in enumerate(answer)}
    return flatten(answer.detach().cpu().numpy())

"""What of SageMaker's contract can be told by reading a script: which functions there are, and what they take."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from builder.errors import Fault

ENTRY = "model_fn"
STEPS = ("input_fn", "predict_fn", "output_fn")
TRANSFORM = "transform_fn"
WANTED = "model_fn(model_dir) with predict_fn(data, model) or transform_fn(model, data, content_type, accept)"
_TAKES = {
    ENTRY: "model_fn(model_dir)",
    "pre_model_fn": "pre_model_fn(model_dir)",
    "model_warmup_fn": "model_warmup_fn(model_dir, model)",
    "input_fn": "input_fn(body, content_type)",
    "predict_fn": "predict_fn(data, model)",
    "output_fn": "output_fn(prediction, accept)",
    TRANSFORM: "transform_fn(model, data, content_type, accept)",
}
FUNCTIONS = tuple(_TAKES)
"""Every function that is called where a script has it."""


def find_contract_faults(bound: Mapping[str, ast.stmt], name: str) -> Iterator[Fault]:
    """Yield everything for which SageMaker's toolkit would refuse the functions of a script with ``model_fn``."""
    steps = [step for step in STEPS if step in bound]
    if TRANSFORM in bound and steps:
        at = f"{name}:{bound[TRANSFORM].lineno} {TRANSFORM}"
        fact = f"transform_fn stands in for {', '.join(steps)}, and only one can be called"
        yield Fault(fact=fact, at=at, want="transform_fn, or the functions it stands in for")
    for function, want in _TAKES.items():
        if function in bound:
            yield from _find_call_faults(function, want, bound[function], name)


def _find_call_faults(function: str, want: str, statement: ast.stmt, name: str) -> Iterator[Fault]:
    at = f"{name}:{statement.lineno} {function}"
    if isinstance(statement, ast.ClassDef):
        yield Fault(fact=f"{function} is a class", at=at, want="a function", got=f"class {function}")
    elif isinstance(statement, ast.AsyncFunctionDef):
        fact = f"{function} is async, and is called as a plain function"
        yield Fault(fact=fact, at=at, want=f"def {want}", got=f"async def {function}")
    elif isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
        arguments = statement.args
        given = want.count(",") + 1
        positional = len(arguments.posonlyargs) + len(arguments.args)
        others = [argument.arg for argument in (arguments.vararg, *arguments.kwonlyargs, arguments.kwarg) if argument]
        if others or positional not in (given, given + 1):
            fact = f"{function} cannot be called: it gets {given}, or one more with a context"
            yield Fault(fact=fact, at=at, want=want, got=f"{function}({ast.unparse(arguments)})")

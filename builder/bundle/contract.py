"""Which scoring contract a script keeps, found by reading its syntax tree. Nothing is ever imported or run."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from builder.bundle import sagemaker_contract
from builder.bundle.conditions import Target, truth
from builder.bundle.faults import closest
from builder.bundle.model import Contract
from builder.errors import Fault

_WANTED = f"load(model_dir) and predict(model, records), or init() and run(data), or {sagemaker_contract.WANTED}"
_HEADERS = "request_headers"
FILL_IN = "# fill in:"
"""What stands beside a blank, with what belongs there."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_AWAITED = frozenset({"load", "predict"})
"""Functions that may be asynchronous; ``predict`` may yield too, and its answer is then streamed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ContractReading:
    """What a script was found to be; ``contract`` is None when it keeps none, and then there are faults.

    A script that keeps one may have faults too: the blanks that were left in it.
    """

    contract: Contract | None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()


def read_contract(source: bytes, *, name: str, python: str) -> ContractReading:
    """Tell the contract of the script ``name``, written for a minor version of Python such as ``3.11``.

    The functions may be defined, assigned or imported by name at the top level, also under ``if``, ``try`` and
    ``with``; what is defined there must be callable as the contract calls it. What stands under a condition that is
    known to be false in the image, such as ``if __name__ == "__main__":``, is not there. A blank is ``NAME = ...`` at
    the top level with a comment beside it that says what to fill in.
    """
    minor = int(python.partition(".")[2])
    if source[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _broken(name, "script is UTF-16 text, which Python does not read; save it as UTF-8", want="UTF-8")
    try:
        tree = _parse(source, name, minor)
    except SyntaxError as error:
        if minor > sys.version_info.minor:
            return _read_unparsed(source, name=name, python=python)
        return _broken(name, f"syntax error: {error.msg}", line=error.lineno, got=(error.text or "").strip() or None)
    except ValueError as error:
        return _broken(name, f"script cannot be read: {error}")
    except (RecursionError, MemoryError):
        return _broken(name, "script is nested too deeply to be read")
    bound = dict(_bindings(tree.body, python))
    hidden = {function: at for function, at in _bindings(tree.body, None) if function not in bound}
    reading = _judge(bound, hidden, name)
    return replace(reading, faults=(*reading.faults, *_blanks(tree, source, name)))


def _parse(source: bytes, name: str, minor: int) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return ast.parse(source, filename=name, feature_version=(3, min(minor, sys.version_info.minor)))


def _bindings(body: Iterable[ast.stmt], python: str | None) -> Iterator[tuple[str, ast.stmt]]:
    """Yield each name bound at the top level and the statement that binds it.

    Without ``python``, also those under conditions that are false in the image.
    """
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name, statement
            case ast.Import() | ast.ImportFrom():
                for alias in statement.names:
                    yield (alias.asname or alias.name).partition(".")[0], statement
            case ast.Assign():
                for target in statement.targets:
                    for node in ast.walk(target):
                        if isinstance(node, ast.Name):
                            yield node.id, statement
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                yield name, statement
            case ast.If(test=test):
                answer = truth(test, Target(python=python)) if python else None
                yield from _bindings(statement.body if answer is not False else (), python)
                yield from _bindings(statement.orelse if answer is not True else (), python)
            case ast.For() | ast.While():
                yield from _bindings(statement.body, python)
                yield from _bindings(statement.orelse, python)
            case ast.With():
                yield from _bindings(statement.body, python)
            case ast.Try() | ast.TryStar():
                yield from _bindings(statement.body, python)
                for handler in statement.handlers:
                    yield from _bindings(handler.body, python)
                yield from _bindings(statement.orelse, python)
                yield from _bindings(statement.finalbody, python)
            case _:
                pass


def _blanks(tree: ast.Module, source: bytes, name: str) -> Iterator[Fault]:
    """Yield the constants that were left to be filled in, and never were."""
    if FILL_IN.encode() not in source:
        return
    lines = source.splitlines()
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=constant)], value=ast.Constant(value=value)) if value is ...:
                _, mark, wanted = lines[statement.lineno - 1].decode("utf-8", "replace").partition(FILL_IN)
                if mark:
                    fact = f"{constant} is left to be filled in"
                    yield Fault(fact=fact, at=f"{name}:{statement.lineno}", want=wanted.strip() or None)
            case _:
                pass


def _judge(bound: dict[str, ast.stmt], hidden: Mapping[str, ast.stmt], name: str) -> ContractReading:
    has = {function: function in bound for function in ("load", "predict", "init", "run")}
    ours, azure = has["load"] and has["predict"], has["init"] and has["run"]
    sagemaker = sagemaker_contract.ENTRY in bound
    if ours + azure + sagemaker > 1:
        kept = [
            *(function for function, is_there in has.items() if is_there),
            *([sagemaker_contract.ENTRY] * sagemaker),
        ]
        found = ", ".join(f"{function} (line {bound[function].lineno})" for function in kept)
        fact = "script keeps two contracts, and only one can be served"
        return _broken(name, fact, want=f"either {_WANTED.replace(', or', ' or')}", got=found)
    if sagemaker:
        wrong = tuple(sagemaker_contract.find_contract_faults(bound, name))
        return ContractReading(contract=None if wrong else Contract.SAGEMAKER, faults=wrong)
    if not ours and not azure:
        return _lacking(has, bound, hidden, name)
    contract = Contract.PREDICT if ours else Contract.AZURE
    functions = ("load", "predict") if ours else ("init", "run")
    faults = [fault for function in functions for fault in _call_faults(function, bound[function], name)]
    return ContractReading(contract=None if faults else contract, faults=tuple(faults))


def _lacking(
    has: Mapping[str, bool], bound: Mapping[str, ast.stmt], hidden: Mapping[str, ast.stmt], name: str
) -> ContractReading:
    """Tell what a script lacks to keep a contract, and which of its functions may be meant to be it."""
    lack = _lack(has, bound)
    wanted = [lack[1]] if lack else [*has, sagemaker_contract.ENTRY]
    if unreached := [function for function in wanted if function in hidden]:
        fact = f"script defines {' and '.join(unreached)} only under a condition that is false in the image"
        line = hidden[unreached[0]].lineno
        fix = f"define {' and '.join(unreached)} without that condition: the image imports the script"
        return _broken(name, fact, line=line, want=_WANTED, got=_got(bound), fix=fix)
    if lack is None:
        starred = "script imports its functions by '*', which cannot be read; import them by name"
        fact = starred if "*" in bound else "script keeps no scoring contract"
        return _broken(name, fact, want=_WANTED, got=_got(bound))
    present, absent = lack
    fact, meant = f"script defines {present} but no {absent}", _meant(absent, bound)
    if meant is None:
        return _broken(name, fact, line=bound[present].lineno, want=_WANTED, got=_got(bound))
    fact, fix = f"{fact}; did you mean '{meant}'?", f"rename {meant} to {absent}"
    return _broken(name, fact, line=bound[meant].lineno, want=_WANTED, got=_got(bound), fix=fix)


def _lack(has: Mapping[str, bool], bound: Mapping[str, ast.stmt]) -> tuple[str, str] | None:
    """Return a function of a contract that is there, and the one that is missing beside it."""
    for one, other in (("load", "predict"), ("init", "run")):
        if has[one] != has[other]:
            return (one, other) if has[one] else (other, one)
    steps = (step for step in (*sagemaker_contract.STEPS, sagemaker_contract.TRANSFORM) if step in bound)
    return next(((step, sagemaker_contract.ENTRY) for step in steps), None)


def _meant(absent: str, bound: Mapping[str, ast.stmt]) -> str | None:
    """Return the function that is probably the missing one: ``load_model`` for ``load``."""
    functions = [name for name, statement in bound.items() if isinstance(statement, _Function)]
    parts = [name for name in functions if absent in name.lower().split("_")]
    return parts[0] if parts else closest(absent, functions)


def _got(bound: Mapping[str, ast.stmt]) -> str:
    functions = [name for name, statement in bound.items() if isinstance(statement, _Function)]
    return ", ".join(functions) if functions else "no functions at the top level"


def _call_faults(function: str, statement: ast.stmt, name: str) -> Iterator[Fault]:
    at = f"{name}:{statement.lineno} {function}"
    if isinstance(statement, ast.ClassDef):
        yield Fault(fact=f"{function} is a class", at=at, want="a function", got=f"class {function}")
        return
    if not isinstance(statement, _Function):
        return
    got = f"{function}({ast.unparse(statement.args)})"
    if isinstance(statement, ast.AsyncFunctionDef) and function not in _AWAITED:
        yield Fault(
            fact=f"{function} is async, and is called as a plain function",
            at=at,
            want=f"def {got}",
            got=f"async def {got}",
        )
        return
    if function == "load" and _yields(statement):
        yield Fault(fact="load yields, and so returns no model", at=at, want="load(model_dir) that returns it", got=got)
        return
    if statement.decorator_list and function != "run":
        return  # A decorator may change how it is called.
    want = {"load": "load(model_dir)", "predict": "predict(model, records)", "init": "init()", "run": "run(data)"}[
        function
    ]
    reason = _run_fault(statement.args) if function == "run" else _positional_fault(statement.args, want)
    if reason:
        yield Fault(fact=f"{function} cannot be called: {reason}", at=at, want=want, got=got)


def _yields(function: _Function) -> bool:
    """Tell whether a function is a generator: it yields itself, not in a function inside of it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, _Function | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def _positional_fault(arguments: ast.arguments, want: str) -> str | None:
    """Tell why a function cannot be called with the positional arguments of its contract."""
    given = 0 if want.endswith("()") else want.count(",") + 1
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    if required > given:
        return f"it requires {_count(required)} and gets {given or 'none'}"
    if positional < given and arguments.vararg is None:
        return f"it takes {_count(positional)} and gets {given}"
    keyword_only = [
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    if keyword_only:
        return f"nothing passes its keyword argument {keyword_only[0]}"
    return None


def _run_fault(arguments: ast.arguments) -> str | None:
    """Tell why Azure ML's own server would refuse this run()."""
    if arguments.vararg or arguments.kwarg:
        return "it takes * or ** arguments, which Azure ML refuses"
    if arguments.posonlyargs:
        return "it takes positional-only arguments, which Azure ML refuses"
    names = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs) if argument.arg != _HEADERS]
    return None if names else "it takes no argument for the request"


def _count(number: int) -> str:
    return f"{number or 'no'} argument{'' if number == 1 else 's'}"


def _broken(
    name: str,
    fact: str,
    *,
    line: int | None = None,
    want: str | None = None,
    got: str | None = None,
    fix: str | None = None,
) -> ContractReading:
    at = f"{name}:{line}" if line else name
    return ContractReading(contract=None, faults=(Fault(fact=fact, at=at, want=want, got=got, fix=fix),))


def _read_unparsed(source: bytes, *, name: str, python: str) -> ContractReading:
    """Find the functions of a script whose syntax is newer than the Python that reads it."""
    defined = re.findall(
        rb"^(?:async[ \t]+(?=def[ \t]+(?:load|predict)\b))?def[ \t]+(load|predict|init|run|model_fn)\b",
        source,
        flags=re.MULTILINE,
    )
    found = {function.decode() for function in defined}
    note = (
        f"{name}: cannot be parsed by Python 3.{sys.version_info.minor}, which reads it for {python}; "
        "only the names of its functions were checked"
    )
    kept = {Contract.PREDICT: {"load", "predict"}, Contract.AZURE: {"init", "run"}, Contract.SAGEMAKER: {"model_fn"}}
    for contract, functions in kept.items():
        if found >= functions and not found - functions:
            return ContractReading(contract=contract, warnings=(note,))
    got = ", ".join(sorted(found)) or "none of these functions"
    return _broken(name, "script keeps no scoring contract that can be told", want=_WANTED, got=got)

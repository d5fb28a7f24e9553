"""Statements of scoring code, in order; a condition that cannot be told is followed both ways."""

from __future__ import annotations

import ast

from builder.check.walk.calls import Calls
from builder.check.walk.file_calls import Use
from builder.check.walk.names import is_sure_to_run
from builder.check.walk.state import Frame
from builder.check.walk.values import (
    NONE,
    UNKNOWN,
    Class,
    Function,
    Library,
    Module,
    Value,
    join_values,
    truth,
)

_FILE_FAULTS = frozenset({"FileNotFoundError", "OSError", "IOError", "EnvironmentError", "Exception", "BaseException"})
_IMPORT_FAULTS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_KEY_FAULTS = frozenset({"KeyError", "LookupError", "Exception", "BaseException"})


class Statements(Calls):
    """Walks statements."""

    def walk_body(self, body: list[ast.stmt], frame: Frame) -> bool:
        """Walk statements; return False when what follows them is not reached."""
        return all(self._walk(statement, frame) for statement in body)

    def _walk(self, node: ast.stmt, frame: Frame) -> bool:
        match node:
            case ast.Expr(value=value):
                self.evaluate(value, frame)
            case ast.Assign(targets=targets, value=value):
                result = self.evaluate(value, frame)
                for target in targets:
                    self.bind(target, result, frame)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self.bind(target, self.evaluate(value, frame), frame)
            case ast.AugAssign(target=ast.expr() as target, op=op, value=value):
                joined = self.evaluate(ast.copy_location(ast.BinOp(target, op, value), node), frame)
                self.bind(target, joined, frame)
                self.state.is_touched |= isinstance(op, ast.BitOr)  # ``record |= defaults`` changes the record itself
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                is_inner = frame.names is not frame.module.names
                around = {**frame.around, **frame.names} if is_inner else {}
                self.bind(ast.Name(name), Function(node, frame.module, around=around), frame)
            case ast.ClassDef():
                self._walk_class(node, frame)
            case ast.Return(value=value):
                frame.returned.append(self.evaluate(value, frame) if value is not None else NONE)
                frame.left_by = ast.Return
                self.state.leave(frame)
                return False
            case ast.Continue() | ast.Break():
                frame.left_by = type(node)
                self.state.leave(frame)
                return False
            case ast.Raise():  # what raises is no request that goes on
                frame.left_by = ast.Raise
                return False
            case ast.If():
                return self._walk_if(node, frame)
            case ast.For(target=target, iter=source) | ast.AsyncFor(target=target, iter=source):
                return self._walk_loop(node, target, source, frame)
            case ast.While():
                return self._walk_while(node, frame)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                return self._walk_with(items, body, frame)
            case ast.Try() | ast.TryStar():
                return self._walk_try(node, frame)
            case ast.Assert(test=test):
                if truth(self.evaluate(test, frame)) is False:
                    self._note_demand(test, frame)
            case ast.Global(names=names):
                frame.shared |= set(names)
            case ast.Import() | ast.ImportFrom():
                self._walk_import(node, frame)
            case ast.Match(subject=subject, cases=cases):
                self.evaluate(subject, frame)
                return self._walk_branches([case.body for case in cases], frame)
            case ast.Delete(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.bind(target, UNKNOWN, frame)
            case _:
                pass
        return True

    def _walk_class(self, node: ast.ClassDef, frame: Frame) -> None:
        kind = Class(node, frame.module, bases=tuple(self.evaluate(base, frame) for base in node.bases))
        around = {**frame.around, **frame.names} if frame.names is not frame.module.names else {}
        self.walk_body(node.body, Frame(module=frame.module, names=kind.names, around=around))
        self.bind(ast.Name(node.name), kind, frame)

    def _walk_if(self, node: ast.If, frame: Frame) -> bool:
        answer = truth(self.evaluate(node.test, frame))
        if answer is not None:
            body = node.body if answer else node.orelse
            if body and isinstance(body[-1], ast.Raise):
                self._note_demand(node.test, frame)
            return self.walk_body(body, frame)
        if not any(body and isinstance(body[-1], ast.Raise) for body in (node.body, node.orelse)):
            self.note_asked(node.test, frame)
        return self._walk_branches([node.body, node.orelse], frame)

    def _walk_branches(self, bodies: list[list[ast.stmt]], frame: Frame) -> bool:
        """Walk each on its own, then go on with what any of them may have left."""
        before = dict(frame.names)
        after: list[dict[str, Value]] = []
        exits: set[type[ast.stmt] | None] = set()
        for body in bodies:
            frame.names.clear()
            frame.names |= before
            with self.state.doubt():
                if self.walk_body(body, frame):
                    after.append(dict(frame.names))
                else:
                    exits.add(frame.left_by)
        frame.names.clear()
        frame.names |= before
        for name in dict.fromkeys(name for names in after for name in names):
            values = [names.get(name, UNKNOWN) for names in after]
            frame.names[name] = values[0] if all(value is values[0] for value in values) else join_values(values)
        frame.left_by = exits.pop() if len(exits) == 1 else ast.Continue
        return bool(after)

    def _walk_loop(self, node: ast.For | ast.AsyncFor, target: ast.expr, source: ast.expr, frame: Frame) -> bool:
        """Walk the body for each item that is known, as far as a ``break`` or ``return`` that is sure to be reached."""
        value = self.evaluate(source, frame)
        is_whole, items = self.items_of(value)
        seen: list[Value] = []
        with self.state.hedge(when=not is_sure_to_run(value)):
            for item in items:
                self.bind(target, item, frame)
                seen.append(item)
                if self.walk_body(node.body, frame) or not is_whole:
                    continue
                if frame.left_by is ast.Break:
                    return True
                if frame.left_by in (ast.Return, ast.Raise):
                    return False
        if any(isinstance(inner, ast.Break) for inner in ast.walk(node)):
            self.bind(target, join_values(seen), frame)
            with self.state.doubt():
                self.walk_body(node.orelse, frame)
            return True
        return self.walk_body(node.orelse, frame)

    def _walk_while(self, node: ast.While, frame: Frame) -> bool:
        if truth(self.evaluate(node.test, frame)) is False:
            return self.walk_body(node.orelse, frame)
        return self._walk_branches([node.body, node.orelse], frame) or True

    def _walk_with(self, items: list[ast.withitem], body: list[ast.stmt], frame: Frame) -> bool:
        files = keys = imports = False
        for item in items:
            value = self.evaluate(item.context_expr, frame)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value, frame)
            if isinstance(item.context_expr, ast.Call) and _is_suppress(item.context_expr.func):
                names = {ast.unparse(argument) for argument in item.context_expr.args}
                files, keys = files or bool(names & _FILE_FAULTS), keys or bool(names & _KEY_FAULTS)
                imports = imports or bool(names & _IMPORT_FAULTS)
        with self.state.guard(files=files, keys=keys, imports=imports):
            return self.walk_body(body, frame) or files or keys or imports

    def _walk_try(self, node: ast.Try | ast.TryStar, frame: Frame) -> bool:
        files = any(_goes_on(handler, _FILE_FAULTS) for handler in node.handlers)
        keys = any(_goes_on(handler, _KEY_FAULTS) for handler in node.handlers)
        imports = any(_goes_on(handler, _IMPORT_FAULTS) for handler in node.handlers)
        with self.state.guard(files=files, keys=keys, imports=imports):
            is_open = self.walk_body(node.body, frame)
        if is_open:
            is_open = self.walk_body(node.orelse, frame)
        before = dict(frame.names)
        if node.handlers:
            self.state.leave(frame)
        for handler in node.handlers:
            with self.state.silence():
                reaches_end = self.walk_body(handler.body, frame)
            after = dict(frame.names)
            frame.names.clear()
            frame.names |= before
            if reaches_end:
                for name, value in after.items():
                    known = frame.names.get(name)
                    frame.names[name] = value if known is value else join_values([known or UNKNOWN, value])
            is_open = is_open or reaches_end
        return self.walk_body(node.finalbody, frame) and is_open

    def _walk_import(self, node: ast.Import | ast.ImportFrom, frame: Frame) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                module = self.import_module(name)
                if module is not None and not alias.asname and "." in alias.name:
                    self.import_module(alias.name)
                self.bind(ast.Name(alias.asname or name), module or Library(name), frame)
            return
        base = _absolute_name(node, frame.module)
        module = self.import_module(base) if base else None
        for alias in node.names:
            if alias.name == "*":
                if module is not None:
                    frame.names |= {name: value for name, value in module.names.items() if not name.startswith("_")}
                continue
            value: Value | None = None
            if module is not None:
                value = module.names.get(alias.name) or self.import_module(f"{base}.{alias.name}") or UNKNOWN
            self.bind(ast.Name(alias.asname or alias.name), value or Library(f"{base}.{alias.name}"), frame)

    def _note_demand(self, test: ast.expr, frame: Frame) -> None:
        """The code raises because a path is not there: note the path as one that is read."""
        for inner in ast.walk(test):
            if not isinstance(inner, ast.Call) or not isinstance(inner.func, ast.Attribute):
                continue
            kind = inner.func.attr
            if kind in {"exists", "isfile", "isdir"} and inner.args:
                path = self.evaluate(inner.args[0], frame)
            elif kind in {"exists", "is_file", "is_dir"} and not inner.args:
                path = self.evaluate(inner.func.value, frame)
            else:
                continue
            self.state.note_path(Use.DEMAND, path, inner, kind, frame.module)


def _goes_on(handler: ast.ExceptHandler, faults: frozenset[str]) -> bool:
    """Tell whether a handler catches such a fault and does not raise it again."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {"BaseException" if kind is None else ast.unparse(kind).rpartition(".")[2] for kind in kinds}
    return bool(names & faults) and not any(isinstance(inner, ast.Raise) for inner in handler.body)


def _is_suppress(function: ast.expr) -> bool:
    return ast.unparse(function).rpartition(".")[2] == "suppress"


def _absolute_name(node: ast.ImportFrom, module: Module) -> str:
    """Return the dotted name ``from … import`` means."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    is_package = module.path.endswith("__init__.py") or not module.path
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])

"""Calls of scoring code: functions and classes of the bundle are walked into."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Sequence

from builder.check.walk import request_values
from builder.check.walk.methods import Methods
from builder.check.walk.state import DEEPEST, CallSite, Frame
from builder.check.walk.values import (
    NONE,
    UNKNOWN,
    Class,
    Constant,
    Function,
    Instance,
    Library,
    Listing,
    Method,
    RequestData,
    RequestFrame,
    Table,
    Value,
    join_values,
    options_of,
)

_READERS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log", "predict", "predict_proba"})
"""Methods that do not change what they are given."""
_PURE = frozenset({"builtins", "copy", "json", "logging", "math", "numpy", "pandas", "polars", "time"})
"""Libraries whose functions add no keys to what they are given."""


class Calls(Methods):
    """Evaluates calls."""

    @abstractmethod
    def walk_body(self, body: list[ast.stmt], frame: Frame) -> bool:
        """Walk statements; return False when what follows them is not reached."""

    def call(self, node: ast.Call, frame: Frame) -> Value:
        """Return what a call answers, and note the paths and keys it uses."""
        function = self.evaluate(node.func, frame)
        arguments, is_whole = self._arguments(node, frame)
        keywords = {word.arg: self.evaluate(word.value, frame) for word in node.keywords if word.arg is not None}
        for word in node.keywords:
            if word.arg is None:
                self.evaluate(word.value, frame)
                is_whole = False
        site = CallSite(arguments=arguments, keywords=keywords, node=node, module=frame.module, is_whole=is_whole)
        options = tuple(options_of(function))
        with self.state.hedge(when=len(options) > 1):
            answer = join_values(self._called(option, site, is_whole=is_whole) for option in options)
        if not all(isinstance(option, Function | Class) for option in options):
            _lose_changed(arguments, function)
        self.state.is_touched |= _may_add_keys(site, options, is_whole=is_whole)
        return answer

    def _called(self, function: Value, site: CallSite, *, is_whole: bool) -> Value:
        match function:
            case Function() | Class():
                return self._call_own(function, site) if is_whole else UNKNOWN
            case Library(name=name):
                return self.call_library(name, site)
            case Method(receiver=receiver, name=name):
                return self.call_method(receiver, name, site)
            case Instance():
                made = function.kind.find("__call__")
                if isinstance(made, Function):
                    bound = Function(made.node, made.module, function, made.around)
                    return self._call_own(bound, site)
                return UNKNOWN
            case _:
                return UNKNOWN

    def _call_own(self, function: Function | Class, site: CallSite) -> Value:
        with self.state.called_from(site.node, site.module):
            return self.call_value(function, site.arguments, site.keywords, site.node)

    def _arguments(self, node: ast.Call, frame: Frame) -> tuple[list[Value], bool]:
        values: list[Value] = []
        is_whole = True
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                value = self.evaluate(argument.value, frame)
                if isinstance(value, Listing) and value.items is not None:
                    values.extend(value.items)
                else:
                    is_whole = False
                    values.append(UNKNOWN)
            else:
                values.append(self.evaluate(argument, frame))
        return values, is_whole

    def call_value(self, function: Value, arguments: list[Value], keywords: dict[str, Value], node: ast.expr) -> Value:
        """Walk a function or make an instance of the bundle's own; what is nested too deeply is unknown."""
        if isinstance(function, Class):
            instance = Instance(function)
            maker = function.find("__init__")
            if isinstance(maker, Function):
                self.call_value(Function(maker.node, maker.module, instance, maker.around), arguments, keywords, node)
            elif any(
                ast.unparse(mark).startswith(("dataclass", "dataclasses.")) for mark in function.node.decorator_list
            ):
                _fill_dataclass(instance, arguments, keywords)
            return instance
        if not isinstance(function, Function):
            return UNKNOWN
        calls = self.state.calls
        if len(calls) >= DEEPEST or calls.count(function.node) > 1:
            return UNKNOWN
        frame = Frame(module=function.module, names={}, around=function.around)
        given = [function.receiver, *arguments] if function.receiver is not None else arguments
        self._bind_parameters(function.node.args, given, keywords, frame)
        calls.append(function.node)
        try:
            if isinstance(function.node, ast.Lambda):
                return self.evaluate(function.node.body, frame)
            yields = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(function.node))
            # What is decorated may be called with something else, and what yields may never be asked for it.
            with self.state.hedge(when=yields or bool(function.node.decorator_list)):
                is_open = self.walk_body(function.node.body, frame)
        finally:
            self.state.end(frame)
            calls.pop()
        if yields:
            return UNKNOWN
        return join_values([*frame.returned, *([NONE] if is_open else [])])

    def _bind_parameters(
        self, given: ast.arguments, arguments: list[Value], keywords: dict[str, Value], frame: Frame
    ) -> None:
        parameters = [*given.posonlyargs, *given.args]
        first_default = len(parameters) - len(given.defaults)
        for index, parameter in enumerate(parameters):
            if index < len(arguments):
                value = arguments[index]
            elif parameter.arg in keywords:
                value = keywords[parameter.arg]
            else:
                value = (
                    self.evaluate(given.defaults[index - first_default], frame) if index >= first_default else UNKNOWN
                )
            frame.names[parameter.arg] = value
        for parameter, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            value = self.evaluate(default, frame) if default is not None else UNKNOWN
            frame.names[parameter.arg] = keywords.get(parameter.arg, value)
        if given.vararg:
            frame.names[given.vararg.arg] = Listing(list(arguments[len(parameters) :]))
        if given.kwarg:
            frame.names[given.kwarg.arg] = UNKNOWN


def _lose_changed(arguments: list[Value], function: Value) -> None:
    """Whatever is not the bundle's own may add columns to a frame it is given, and what is unknown, keys to a dict."""
    if isinstance(function, Library) and function.name.startswith("builtins."):
        return
    if isinstance(function, Method) and isinstance(function.receiver, Listing | Table | Constant | RequestData):
        return
    for argument in arguments:
        if isinstance(argument, RequestFrame) or not _only_reads(function):
            request_values.lose(argument)


def _may_add_keys(site: CallSite, options: Sequence[Value], *, is_whole: bool) -> bool:
    """Tell whether a call hands a value that may hold the request to code that is not known."""
    arguments = (*site.arguments, *site.keywords.values())
    if is_whole and all(isinstance(argument, Constant) for argument in arguments):
        return False
    if all(isinstance(option, Function | Class) for option in options):
        return not is_whole
    calls_back = any(isinstance(argument, Function | Class | Instance | Method) for argument in arguments)
    return calls_back or not all(_is_known(option) for option in options)


def _is_known(function: Value) -> bool:
    match function:
        case Function() | Class():
            return True
        case Library(name=name):
            return name.partition(".")[0] in _PURE
        case Method(receiver=receiver, name=name):
            return name in _READERS or isinstance(receiver, Listing | Table | Constant | RequestData | RequestFrame)
        case _:
            return False


def _only_reads(function: Value) -> bool:
    return isinstance(function, Library) or (isinstance(function, Method) and function.name in _READERS)


def _fill_dataclass(instance: Instance, arguments: list[Value], keywords: dict[str, Value]) -> None:
    fields = [
        statement.target.id
        for statement in instance.kind.node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    instance.names |= dict(zip(fields, arguments, strict=False))
    instance.names |= keywords

"""Calls of scoring code: functions of the bundle are walked, what libraries do with paths is noted."""

from __future__ import annotations

import ast
from abc import abstractmethod
from dataclasses import replace
from posixpath import join

from builder.check import library_calls, request_values
from builder.check.file_calls import FUNCTIONS, METHODS, OPENERS, PATH_METHODS, FileCall, Use, use_of_mode
from builder.check.image_files import CODE_DIR
from builder.check.schema_parts import is_array
from builder.check.values import (
    NONE,
    UNKNOWN,
    Class,
    Constant,
    Function,
    Instance,
    Library,
    Listing,
    Method,
    PathObject,
    Product,
    RequestData,
    RequestFrame,
    RequestText,
    Table,
    Value,
    join_values,
    options_of,
    text_of,
)
from builder.check.walk_expressions import Expressions
from builder.check.walk_state import DEEPEST, CallSite, Frame

_JSON_READERS = frozenset({"json.loads", "orjson.loads", "ujson.loads", "simplejson.loads", "rapidjson.loads"})
_FRAMES = frozenset({"pandas.DataFrame", "pandas.DataFrame.from_records", "pandas.DataFrame.from_dict"})
_EXISTENCE = {
    "os.path.exists": "any",
    "os.path.lexists": "any",
    "os.path.isfile": "file",
    "os.path.isdir": "folder",
    "exists": "any",
    "is_file": "file",
    "is_dir": "folder",
}
_READERS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log", "predict", "predict_proba"})
"""Methods that do not change what they are given."""
_READ_FILES = ("xgboost.", "lightgbm.", "catboost.", "sentencepiece.", "fasttext.")
"""Libraries whose ``load_model`` takes a file; that of anything else may take a name."""
_CAUTIOUS = {Use.READ: Use.NAME_OR_PATH}
_SAME = frozenset({"builtins.list", "builtins.tuple", "copy.deepcopy", "copy.copy", "builtins.dict", "builtins.iter"})


class Calls(Expressions):
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
        site = CallSite(arguments=arguments, keywords=keywords, node=node, module=frame.module)
        answers = []
        for option in options_of(function):
            match option:
                case Function() | Class():
                    answers.append(self.call_value(option, arguments, keywords, node) if is_whole else UNKNOWN)
                case Library(name=name):
                    answers.append(self._call_library(name, site))
                case Method(receiver=receiver, name=name):
                    answers.append(self._call_method(receiver, name, site))
                case Instance():
                    made = option.kind.find("__call__")
                    if isinstance(made, Function):
                        bound = Function(made.node, made.module, option, made.around)
                        answers.append(self.call_value(bound, arguments, keywords, node))
                case _:
                    answers.append(UNKNOWN)
        if not all(isinstance(option, Function | Class) for option in options_of(function)):
            _lose_changed(arguments, function)
        return join_values(answers)

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
            is_open = self.walk_body(function.node.body, frame)
        finally:
            calls.pop()
        if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(function.node)):
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

    # --- libraries

    def _call_library(self, name: str, site: CallSite) -> Value:
        arguments, keywords, state = site.arguments, site.keywords, self.state
        if name in {"os.getenv", "os.environ.get"}:
            return self._variable(arguments, keywords)
        if name == "platform.system":
            return Constant("Linux")
        if name in _EXISTENCE and arguments:
            return self._exists(arguments[0], _EXISTENCE[name])
        if name in OPENERS:
            return self._open(name, site)
        if name in {"glob.glob", "glob.iglob"} and arguments:
            return self._glob(arguments[0], site, call=name)
        if name == "os.chdir" and arguments:
            text = text_of(arguments[0])
            state.folder = None if text is None or state.doubts or state.folder is None else join(state.folder, text)
            return NONE
        if name in _JSON_READERS and arguments and isinstance(arguments[0], RequestText):
            return arguments[0].data
        if name in _FRAMES and arguments:
            return request_values.make_frame(arguments[0]) if not keywords.keys() - {"orient"} else UNKNOWN
        if name in _SAME and len(arguments) == 1 and isinstance(arguments[0], RequestData | Table):
            return arguments[0]
        self._note_calls(FUNCTIONS.get(name) or _method_calls(name.rpartition(".")[2], name), name, site)
        if name == "os.listdir" and arguments:
            return self._names_in(arguments[0])
        if name in {"sys.path.append", "sys.path.insert"}:
            self._extend_search(arguments[-1] if arguments else UNKNOWN)
        answer = library_calls.call_pure(name, arguments, keywords, folder=state.folder or CODE_DIR)
        if answer is not None:
            is_lost = state.folder is None and name in {"os.getcwd", "os.path.abspath", "os.path.realpath"}
            return UNKNOWN if is_lost else answer
        return UNKNOWN if name.startswith("builtins.") else Product(name)

    def _variable(self, arguments: list[Value], keywords: dict[str, Value]) -> Value:
        name = text_of(arguments[0]) if arguments else None
        if name is None:
            return UNKNOWN
        if name in self.state.variables:
            return Constant(self.state.variables[name])
        default = arguments[1] if len(arguments) > 1 else keywords.get("default", UNKNOWN)
        if isinstance(default, Constant):
            return Constant(default.value, assumed=True)
        return PathObject(default.text, assumed=True) if isinstance(default, PathObject) else UNKNOWN

    def _exists(self, path: Value, kind: str) -> Value:
        answers = set()
        for option in options_of(path):
            text = text_of(option)
            if text is None or self.state.folder is None or "://" in text:
                return UNKNOWN
            place = library_calls.absolute(text, self.state.folder)
            if self.state.files.exists(place) is None:
                return UNKNOWN
            is_there = {
                "any": self.state.files.is_file(place) or self.state.files.is_folder(place),
                "file": self.state.files.is_file(place),
                "folder": self.state.files.is_folder(place),
            }[kind]
            answers.add(Constant(is_there, assumed=getattr(option, "assumed", False)))
        return answers.pop() if len(answers) == 1 else UNKNOWN

    def _open(self, name: str, site: CallSite) -> Value:
        arguments, keywords = site.arguments, site.keywords
        position, default = OPENERS[name]
        path = (
            arguments[0] if arguments else keywords.get("file", keywords.get("filename", keywords.get("name", UNKNOWN)))
        )
        given = arguments[position] if len(arguments) > position else keywords.get("mode", Constant(default))
        mode = text_of(given)
        if mode is not None:
            use = use_of_mode(mode.partition(":")[0])
            self.state.note_path(use, path, site.node, name.removeprefix("builtins."), site.module)
        return Product(name)

    def _glob(self, pattern: Value, site: CallSite, *, call: str, recursive: bool = False) -> Value:
        keywords = site.keywords
        text = text_of(pattern)
        if text is None or self.state.folder is None or "root_dir" in keywords:
            return UNKNOWN
        place = library_calls.absolute(text, self.state.folder)
        fixed = place.partition("*")[0].partition("?")[0].partition("[")[0].rpartition("/")[0]
        if not self.state.files.covers(fixed):
            return UNKNOWN
        self.state.note_path(Use.GLOB, pattern, site.node, call, site.module)
        wanted = keywords.get("recursive")
        is_recursive = recursive or (isinstance(wanted, Constant) and bool(wanted.value))
        found = self.state.files.match(place, recursive=is_recursive)
        made = [PathObject(path) if isinstance(pattern, PathObject) else Constant(path) for path in found]
        return Listing(list(made)) if made else UNKNOWN

    def _names_in(self, folder: Value) -> Value:
        text = text_of(folder)
        if text is None or self.state.folder is None:
            return UNKNOWN
        place = library_calls.absolute(text, self.state.folder)
        if not self.state.files.is_folder(place) or not self.state.files.covers(place):
            return UNKNOWN
        return Listing([Constant(name) for name in self.state.files.names_in(place)])

    def _extend_search(self, folder: Value) -> None:
        text = text_of(folder)
        if text is None or self.state.folder is None:
            return
        place = library_calls.absolute(text, self.state.folder)
        if place == CODE_DIR or place.startswith(f"{CODE_DIR}/"):
            self.state.roots.append(place.removeprefix(CODE_DIR).lstrip("/"))

    def _note_calls(self, calls: tuple[FileCall, ...], name: str, site: CallSite) -> None:
        for each in calls:
            value: Value | None = site.keywords.get(each.keyword) if each.keyword else None
            if value is None and each.position is not None and each.position < len(site.arguments):
                value = site.arguments[each.position]
            if value is not None:
                self.state.note_path(each.use, value, site.node, name, site.module)

    # --- methods

    def _call_method(self, receiver: Value, name: str, site: CallSite) -> Value:
        arguments, keywords = site.arguments, site.keywords
        match receiver:
            case PathObject():
                return self._call_path(receiver, name, site)
            case Constant(value=str() as text):
                return library_calls.call_text_method(text, name, arguments, keywords)
            case Listing():
                return self._call_list(receiver, name, arguments)
            case Table():
                return self._call_table(receiver, name, arguments)
            case RequestText():
                return receiver if name in {"strip", "decode", "encode"} else UNKNOWN
            case RequestData():
                return self._call_data(receiver, name, site)
            case RequestFrame():
                return _call_frame(receiver, name, keywords)
            case _:
                library = receiver.name if isinstance(receiver, Product) else ""
                self._note_calls(_method_calls(name, library), f".{name}", site)
                return UNKNOWN

    def _call_path(self, path: PathObject, name: str, site: CallSite) -> Value:
        arguments, keywords, node, module = site.arguments, site.keywords, site.node, site.module
        state = self.state
        if name in _EXISTENCE:
            return self._exists(path, _EXISTENCE[name])
        if name == "open":
            mode = text_of(arguments[0] if arguments else keywords.get("mode", Constant("r")))
            if mode is not None:
                state.note_path(use_of_mode(mode), path, node, "Path.open", module)
            return Product("builtins.open")
        if name in {"glob", "rglob"} and arguments:
            text = text_of(arguments[0])
            if text is None:
                return UNKNOWN
            pattern = join(path.text, f"**/{text}" if name == "rglob" else text)
            return self._glob(PathObject(pattern), site, call=f"Path.{name}", recursive=True)
        if name in PATH_METHODS:
            state.note_path(PATH_METHODS[name], path, node, f"Path.{name}", module)
            names = self._names_in(path) if name == "iterdir" else UNKNOWN
            if isinstance(names, Listing) and names.items is not None:
                return Listing([library_calls.join_path(path, item) for item in names.items])
            return UNKNOWN
        found = library_calls.call_path_method(path, name, arguments, folder=state.folder or CODE_DIR)
        return found if found is not None else UNKNOWN

    def _call_list(self, listing: Listing, name: str, arguments: list[Value]) -> Value:
        other = arguments[0] if arguments else None
        if name == "append" and listing.items is not None and other is not None and not self.state.doubts:
            listing.items.append(other)
        elif (
            name == "extend"
            and listing.items is not None
            and isinstance(other, Listing)
            and other.items is not None
            and not self.state.doubts
        ):
            listing.items.extend(other.items)
        elif name not in {"index", "count", "copy"}:
            listing.items = None
        return Listing(list(listing.items)) if name == "copy" and listing.items is not None else UNKNOWN

    def _call_table(self, table: Table, name: str, arguments: list[Value]) -> Value:
        if table.items is None:
            return UNKNOWN
        match name:
            case "get":
                key = arguments[0] if arguments else UNKNOWN
                default = arguments[1] if len(arguments) > 1 else NONE
                return table.items.get(key.value, default) if isinstance(key, Constant) else UNKNOWN
            case "keys":
                return Listing([Constant(key) for key in table.items])
            case "values":
                return Listing(list(table.items.values()))
            case "items":
                return Listing([Listing([Constant(key), value]) for key, value in table.items.items()])
            case "copy":
                return Table(dict(table.items))
            case _:
                table.items = None
                return UNKNOWN

    def _call_data(self, data: RequestData, name: str, site: CallSite) -> Value:
        arguments = site.arguments
        key = text_of(arguments[0]) if arguments else None
        match name:
            case "get" | "pop" if key is not None:
                is_get = name == "get" or len(arguments) > 1
                value = request_values.read_key(data, key, site.node, site.module, self.state, is_get=is_get)
                return join_values([value, arguments[1] if len(arguments) > 1 else NONE]) if is_get else value
            case "setdefault" if key is not None:
                request_values.store(data, Constant(key))
                return UNKNOWN
            case "copy":
                return RequestData(data.part, data.root, data.may_be_batch)
            case "update":
                request_values.lose(data)
                return UNKNOWN
            case "values" | "items" | "keys":
                return UNKNOWN
            case _:
                if is_array(data.part, data.root):
                    request_values.lose(data)
                return UNKNOWN


def _method_calls(name: str, library: str) -> tuple[FileCall, ...]:
    """Return what a method does with paths; what takes a file for one library may take a name for another."""
    calls = METHODS.get(name, ())
    if library.startswith(_READ_FILES):
        return calls
    return tuple(replace(each, use=_CAUTIOUS.get(each.use, each.use)) for each in calls)


def _call_frame(frame: RequestFrame, name: str, keywords: dict[str, Value]) -> Value:
    if name == "copy":
        return RequestFrame(frame.record, set(frame.added), frame.is_followed)
    if "inplace" in keywords or name in {"insert", "update", "__setitem__"}:
        frame.is_followed = False
    return UNKNOWN


def _lose_changed(arguments: list[Value], function: Value) -> None:
    """Whatever is not the bundle's own may add columns to a frame it is given, and what is unknown, keys to a dict."""
    if isinstance(function, Library) and function.name.startswith("builtins."):
        return
    if isinstance(function, Method) and isinstance(function.receiver, Listing | Table | Constant | RequestData):
        return
    for argument in arguments:
        if isinstance(argument, RequestFrame) or not _only_reads(function):
            request_values.lose(argument)


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

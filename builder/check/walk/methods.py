"""Methods of values: paths, texts, lists, tables, and what came with a request."""

from __future__ import annotations

import ast
from posixpath import join

from builder.check.image_files import CODE_DIR
from builder.check.schema_parts import is_array
from builder.check.walk import engines, library_calls, request_values
from builder.check.walk.file_calls import PATH_METHODS, use_of_mode
from builder.check.walk.libraries import EXISTENCE, Libraries, method_calls
from builder.check.walk.state import CallSite, EngineUse, Frame
from builder.check.walk.values import (
    NONE,
    UNKNOWN,
    Constant,
    Listing,
    Method,
    Module,
    PathObject,
    Product,
    RequestData,
    RequestFrame,
    RequestText,
    Table,
    Value,
    join_values,
    make_listing,
    text_of,
)


class Methods(Libraries):
    """Calls of methods, and what those of libraries need besides the library."""

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """As any expression; a look at some attributes of a data frame is as good as a call."""
        value = super().evaluate(node, frame)
        if isinstance(value, Method) and value.name in engines.ATTRIBUTES and isinstance(node, ast.Attribute):
            engine = engines.ATTRIBUTES[value.name]
            if engines.is_frame(value.receiver):
                self._note_engine(f"DataFrame.{value.name}", engine.modules, engine, node, frame.module)
        return value

    def call_library(self, name: str, site: CallSite) -> Value:
        """As any call of a library, which may need more than the library; what is known to be a frame stays known."""
        engine = engines.CALLS.get(name)
        if engine is not None:
            modules = engines.find_modules(engine, site)
            self._note_engine(name, modules, engine, site.node, site.module)
        value = super().call_library(name, site)
        return Product(name) if value == UNKNOWN and engines.makes_frame(name) else value

    def _note_method(self, receiver: Value, name: str, site: CallSite) -> None:
        """Note what a method needs, where what it belongs to is a data frame, or nothing is known of that."""
        is_frame = engines.is_frame(receiver)
        engine = engines.METHODS.get(name) or (engines.FRAME_METHODS.get(name) if is_frame else None)
        if engine is not None and (is_frame or receiver == UNKNOWN):
            modules = engines.find_modules(engine, site)
            call = f"{'DataFrame' if is_frame else ''}.{name}"
            self._note_engine(call, modules, engine, site.node, site.module)

    def _note_engine(
        self, call: str, modules: tuple[str, ...], engine: engines.Engine, node: ast.expr, module: Module
    ) -> None:
        """Note a call by what it is called on: a library, a data frame, or what is not known when there is no name."""
        state = self.state
        if not modules or state.silences:
            return
        owner = call.partition(".")[0]
        use = EngineUse(
            call=call,
            library=owner if owner in engines.LIBRARIES else "pandas",
            modules=modules,
            others=engine.others,
            module=module.path,
            line=node.lineno,
            column=node.col_offset + 1,
            is_sure=bool(owner),
            is_certain=not state.doubts,
            is_guarded=bool(state.import_guards),
        )
        state.engine_uses.append(use)

    def call_method(self, receiver: Value, name: str, site: CallSite) -> Value:
        """Return what a method answers, and note the paths and keys it uses."""
        arguments, keywords = site.arguments, site.keywords
        self._note_method(receiver, name, site)
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
                self.note_calls(method_calls(name, library), f".{name}", site)
                return UNKNOWN

    def _call_path(self, path: PathObject, name: str, site: CallSite) -> Value:
        arguments, keywords, node, module = site.arguments, site.keywords, site.node, site.module
        state = self.state
        if name in EXISTENCE:
            return self.exists(path, EXISTENCE[name])
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
            return self.glob(PathObject(pattern), site, call=f"Path.{name}", recursive=True)
        if name in PATH_METHODS:
            state.note_path(PATH_METHODS[name], path, node, f"Path.{name}", module)
            names = self.names_in(path) if name == "iterdir" else UNKNOWN
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
            listing.items = make_listing([*listing.items, *other.items]).items
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
                if not is_get or request_values.is_required(data, key):
                    return value
                return join_values([value, arguments[1] if len(arguments) > 1 else NONE])
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
                self.state.is_touched = True
                if is_array(data.part, data.root):
                    request_values.lose(data)
                return UNKNOWN


def _call_frame(frame: RequestFrame, name: str, keywords: dict[str, Value]) -> Value:
    if name == "copy":
        return RequestFrame(frame.record, set(frame.added), frame.is_followed)
    if "inplace" in keywords or name in {"insert", "update", "__setitem__"}:
        frame.is_followed = False
    return UNKNOWN

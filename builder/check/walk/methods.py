"""Methods of values: paths, texts, lists, tables, and what came with a request."""

from __future__ import annotations

from posixpath import join

from builder.check.image_files import CODE_DIR
from builder.check.schema_parts import is_array
from builder.check.walk import library_calls, request_values
from builder.check.walk.file_calls import PATH_METHODS, use_of_mode
from builder.check.walk.libraries import EXISTENCE, Libraries, method_calls
from builder.check.walk.state import CallSite
from builder.check.walk.values import (
    NONE,
    UNKNOWN,
    Constant,
    Listing,
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
    """Calls of methods."""

    def call_method(self, receiver: Value, name: str, site: CallSite) -> Value:
        """Return what a method answers, and note the paths and keys it uses."""
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

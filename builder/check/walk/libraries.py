"""What the standard library and packages do with paths, as far as scoring code calls them."""

from __future__ import annotations

from dataclasses import replace
from posixpath import dirname, join

from builder.check.image_files import CODE_DIR
from builder.check.walk import library_calls, request_values
from builder.check.walk.expressions import Expressions
from builder.check.walk.file_calls import FUNCTIONS, METHODS, OPENERS, RESOURCES, FileCall, Use, use_of_mode
from builder.check.walk.state import CallSite
from builder.check.walk.values import (
    NONE,
    UNKNOWN,
    Constant,
    Listing,
    Module,
    PathObject,
    Product,
    RequestData,
    RequestText,
    Table,
    Value,
    options_of,
    text_of,
)

_JSON_READERS = frozenset({"json.loads", "orjson.loads", "ujson.loads", "simplejson.loads", "rapidjson.loads"})
_FRAMES = frozenset({"pandas.DataFrame", "pandas.DataFrame.from_records", "pandas.DataFrame.from_dict"})
EXISTENCE = {
    "os.path.exists": "any",
    "os.path.lexists": "any",
    "os.path.isfile": "file",
    "os.path.isdir": "folder",
    "exists": "any",
    "is_file": "file",
    "is_dir": "folder",
}
"""Calls and methods that ask whether a path is there, and what they ask for."""
_READ_FILES = ("xgboost.", "lightgbm.", "catboost.", "sentencepiece.", "fasttext.")
"""Libraries whose ``load_model`` takes a file; that of anything else may take a name."""
_CAUTIOUS = {Use.READ: Use.NAME_OR_PATH}
_RESOURCE_FOLDERS = frozenset({"importlib.resources.files", "importlib_resources.files"})
_RESOURCE_FILES = frozenset({"importlib.resources.as_file", "importlib_resources.as_file"})
_SAME = frozenset({"builtins.list", "builtins.tuple", "copy.deepcopy", "copy.copy", "builtins.dict", "builtins.iter"})


class Libraries(Expressions):
    """Calls of what is not the bundle's own."""

    def call_library(self, name: str, site: CallSite) -> Value:
        """Return what a call of a library answers, and note the paths it uses."""
        arguments, keywords, state = site.arguments, site.keywords, self.state
        if name in {"os.getenv", "os.environ.get"}:
            return self._variable(arguments, keywords)
        if name == "platform.system":
            return Constant("Linux")
        if name in EXISTENCE and arguments:
            return self.exists(arguments[0], EXISTENCE[name])
        if name in OPENERS:
            return self._open(name, site)
        if name in RESOURCES and len(arguments) > 1:
            return self._resource(name, site)
        if name in _RESOURCE_FOLDERS and arguments:
            folder = self._package_folder(arguments[0])
            return UNKNOWN if folder is None else PathObject(folder)
        if name in _RESOURCE_FILES and arguments:
            return arguments[0]
        if arguments and _has_default(name, site):
            state.forgive_empty(arguments[0])
        if name in {"glob.glob", "glob.iglob"} and arguments:
            return self.glob(arguments[0], site, call=name)
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
        self.note_calls(FUNCTIONS.get(name) or method_calls(name.rpartition(".")[2], name), name, site)
        if name == "os.listdir" and arguments:
            return self.names_in(arguments[0])
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

    def exists(self, path: Value, kind: str) -> Value:
        """Return whether a path is there; ``kind`` is ``any``, ``file`` or ``folder``."""
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

    def glob(self, pattern: Value, site: CallSite, *, call: str, recursive: bool = False) -> Value:
        """Return the paths a pattern finds in the image, and note it."""
        keywords = site.keywords
        text = text_of(pattern)
        if text is None or self.state.folder is None or "root_dir" in keywords:
            return UNKNOWN
        place = library_calls.absolute(text, self.state.folder)
        if not self.state.files.covers_pattern(place):
            return UNKNOWN
        noted = self.state.note_path(Use.GLOB, pattern, site.node, call, site.module)
        wanted = keywords.get("recursive")
        is_recursive = recursive or (isinstance(wanted, Constant) and bool(wanted.value))
        found = self.state.files.match(place, recursive=is_recursive)
        made = [PathObject(path) if isinstance(pattern, PathObject) else Constant(path) for path in found]
        return Listing(list(made)) if made else self.state.note_empty_glob(noted)

    def names_in(self, folder: Value) -> Value:
        """Return the names in a folder of the image."""
        text = text_of(folder)
        if text is None or self.state.folder is None:
            return UNKNOWN
        place = library_calls.absolute(text, self.state.folder)
        if not self.state.files.is_folder(place) or not self.state.files.covers(place):
            return UNKNOWN
        return Listing([Constant(name) for name in self.state.files.names_in(place)])

    def _resource(self, name: str, site: CallSite) -> Value:
        """Note a file of a package, which is told by the package and the file's name."""
        folder, text = self._package_folder(site.arguments[0]), text_of(site.arguments[1])
        if folder is None or text is None:
            return UNKNOWN
        path = PathObject(join(folder, text))
        if name.endswith(".path"):
            return path
        self.state.note_path(Use.READ, path, site.node, name, site.module)
        return UNKNOWN

    def _package_folder(self, package: Value) -> str | None:
        """Return the folder of a package of the bundle, given as a module or by its name; None for any other."""
        name = package.name if isinstance(package, Module) else text_of(package)
        if not name or name.startswith("."):
            return None
        module = self.import_module(name)
        if module is not None and module.path:
            return join(CODE_DIR, dirname(module.path)).rstrip("/")
        stems = (join(CODE_DIR, root, name.replace(".", "/")) for root in self.state.roots)
        return next((stem for stem in stems if self.state.files.is_folder(stem)), None)

    def _extend_search(self, folder: Value) -> None:
        text = text_of(folder)
        if text is None or self.state.folder is None:
            return
        place = library_calls.absolute(text, self.state.folder)
        if place == CODE_DIR or place.startswith(f"{CODE_DIR}/"):
            self.state.roots.append(place.removeprefix(CODE_DIR).lstrip("/"))

    def note_calls(self, calls: tuple[FileCall, ...], name: str, site: CallSite) -> None:
        """Note the paths among the arguments of a call."""
        for each in calls:
            value: Value | None = site.keywords.get(each.keyword) if each.keyword else None
            if value is None and each.position is not None and each.position < len(site.arguments):
                value = site.arguments[each.position]
            if value is not None:
                options = site.keywords if site.is_whole else None
                self.state.note_path(each.use, value, site.node, name, site.module, options=options)


def _has_default(name: str, site: CallSite) -> bool:
    """Tell whether a call takes an item of its first argument, or a default when there is none."""
    if name == "builtins.next":
        return len(site.arguments) > 1
    return name in {"builtins.max", "builtins.min"} and "default" in site.keywords


def method_calls(name: str, library: str) -> tuple[FileCall, ...]:
    """Return what a method does with paths; what takes a file for one library may take a name for another."""
    calls = METHODS.get(name, ())
    if library.startswith(_READ_FILES):
        return calls
    return tuple(replace(each, use=_CAUTIOUS.get(each.use, each.use)) for each in calls)

"""A walk through scoring code as the worker runs it: the module first, then the functions of its contract.

Nothing is imported or run: statements are followed in order with what is known of each value. A condition that
cannot be told is followed both ways, and what cannot be known is said nothing about.
"""

from __future__ import annotations

import ast
import contextlib
from dataclasses import dataclass
from posixpath import dirname

from builder.bundle.model import Contract, SchemaScope
from builder.check.image_files import CODE_DIR, MODEL_DIR, ImageFiles
from builder.check.subject import Subject
from builder.check.trees import parse_source
from builder.check.walk import request_values
from builder.check.walk.annotations import read_taken
from builder.check.walk.state import EngineUse, Frame, KeyUse, PathUse, State, WalkEnded, variables_of_image
from builder.check.walk.statements import Statements
from builder.check.walk.values import (
    UNKNOWN,
    Constant,
    Function,
    Module,
    RequestData,
    RequestText,
    Value,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Walked:
    """What a walk found."""

    files: ImageFiles
    model_dir: str = "model_dir"
    """How the code names the model directory."""
    path_uses: tuple[PathUse, ...] = ()
    key_uses: tuple[KeyUse, ...] = ()
    """Without those the code asks for before it reads them."""
    engine_uses: tuple[EngineUse, ...] = ()


_walked: list[tuple[Subject, Walked]] = []
"""The last walk: several groups of rules ask for the same one in a row."""


def walk_scoring(subject: Subject) -> Walked:
    """Walk the scoring script of a bundle and everything of the bundle that it calls."""
    for walked_subject, walked in _walked:
        if walked_subject is subject:
            return walked
    walked = _walk_scoring(subject)
    _walked[:] = [(subject, walked)]
    return walked


def _walk_scoring(subject: Subject) -> Walked:
    bundle = subject.bundle
    files = ImageFiles(bundle, subject.inventory)
    script = bundle.scoring.script
    if script is None:
        return Walked(files=files)
    roots = list(dict.fromkeys([dirname(script), ""]))
    state = State(
        files=files,
        sources=subject.sources,
        variables=variables_of_image(bundle.environment.variables),
        roots=roots,
    )
    walk = Walk(state)
    with contextlib.suppress(WalkEnded, RecursionError):  # what was found until then holds
        walk.run(script, subject)
    is_azure = bundle.scoring.contract is Contract.AZURE
    return Walked(
        files=files,
        model_dir='os.environ["AZUREML_MODEL_DIR"]' if is_azure else "model_dir",
        path_uses=tuple(dict.fromkeys(state.path_uses)),
        key_uses=tuple(dict.fromkeys(use for use in state.key_uses if use.key not in state.tested_keys)),
        engine_uses=tuple(dict.fromkeys(state.engine_uses)),
    )


class Walk(Statements):
    """A walk through one script and the modules of the bundle it imports."""

    def run(self, script: str, subject: Subject) -> None:
        """Walk the module of the script, then what its contract calls."""
        name = script.rpartition("/")[2].removesuffix(".py")
        module = self._load(name, script)
        contract = subject.bundle.scoring.contract
        if contract is Contract.PREDICT:
            model = self._enter(module, "load", [Constant(MODEL_DIR)])
            self.state.is_touched = False
            self._enter(module, "predict", [model, self._records(module, subject)])
        elif contract is Contract.AZURE:
            self._enter(module, "init", [])
            self.state.is_touched = False
            self._enter(module, "run", [RequestText(_body(subject))])
        elif contract is Contract.SAGEMAKER:
            self._enter_sagemaker(module, subject)

    def _enter_sagemaker(self, module: Module, subject: Subject) -> None:
        """Go through the functions as ``runtime/worker/sagemaker.py`` calls them; nobody knows the content type."""
        folder = Constant(_sagemaker_dir(subject))
        body = RequestText(_body(subject))
        self._enter(module, "pre_model_fn", [folder])
        model = self._enter(module, "model_fn", [folder])
        self._enter(module, "model_warmup_fn", [folder, model])
        self._enter(module, "transform_fn", [model, body, UNKNOWN, UNKNOWN])
        data = self._enter(module, "input_fn", [body, UNKNOWN])
        self._enter(module, "output_fn", [self._enter(module, "predict_fn", [data, model]), UNKNOWN])

    def _enter(self, module: Module, name: str, arguments: list[Value]) -> Value:
        function = module.names.get(name, UNKNOWN)
        return self.call_value(function, arguments, {}, ast.Constant(value=None))

    def _records(self, module: Module, subject: Subject) -> Value:
        """Return what ``predict`` gets: records, or the frame its annotation asks for; an array is not followed."""
        function = module.names.get("predict", UNKNOWN)
        taken = "records"
        if isinstance(function, Function) and not isinstance(function.node, ast.Lambda):
            taken = read_taken(function.node, self.state.trees.get(function.module.path))
        if taken == "array":
            return UNKNOWN
        records = _records(subject)
        return request_values.make_frame(records) if taken == "frame" else records

    def import_module(self, name: str) -> Module | None:
        """Walk a module of the bundle, once."""
        if name in self.state.modules:
            return self.state.modules[name]
        relative = name.replace(".", "/")
        for root in self.state.roots:
            stem = f"{root}/{relative}" if root else relative
            for path in (f"{stem}/__init__.py", f"{stem}.py"):
                if path in self.state.sources:
                    return self._load(name, path)
            if any(path.startswith(f"{stem}/") for path in self.state.sources):
                module = Module(name, "")
                self.state.modules[name] = module
                return module
        return None

    def _load(self, name: str, path: str) -> Module:
        module = Module(name, path)
        self.state.modules[name] = module
        package = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
        module.names |= {
            "__file__": Constant(f"{CODE_DIR}/{path}"),
            "__name__": Constant(name),
            "__package__": Constant(package),
        }
        tree = self._parse(path)
        if tree is not None:
            frame = Frame(module=module, names=module.names)
            self.walk_body(tree.body, frame)
            self.state.end(frame)
        return module

    def _parse(self, path: str) -> ast.Module | None:
        if path not in self.state.trees:
            try:
                self.state.trees[path] = parse_source(self.state.sources[path])
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self.state.trees[path] = None
        return self.state.trees[path]


def _sagemaker_dir(subject: Subject) -> str:
    """Return what ``model_fn`` gets: the folder of a model that is a file, and a model that is a folder itself."""
    model = subject.bundle.model
    is_file = any(file.path == model.path for file in subject.inventory.model)
    return MODEL_DIR if is_file else f"{MODEL_DIR}/{model.basename}"


def _records(subject: Subject) -> Value:
    """Return a list of records, which the schema describes when its scope is a record."""
    schemas = subject.bundle.schemas
    if schemas.request is None:
        return UNKNOWN
    if schemas.scope is SchemaScope.RECORD:
        return RequestData({"type": "array", "minItems": 1, "items": schemas.request}, schemas.request)
    return UNKNOWN


def _body(subject: Subject) -> RequestData:
    schemas = subject.bundle.schemas
    if schemas.request is None:
        return RequestData({}, {})
    return RequestData(schemas.request, schemas.request, may_be_batch=schemas.scope is SchemaScope.RECORD)

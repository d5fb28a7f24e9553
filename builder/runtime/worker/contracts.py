"""The ways scoring code is called. A scorer loads once, then scores batches of payloads, each of one request."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..bundle import Bundle
from ..places import Places
from .awaiting import EventLoop
from .batch_scorer import BatchScorer, Outcome
from .features import Feature, read_features
from .forms import ARRAY, FRAME, Form, read_form
from .frames import make_frame_maker
from .imports import import_script
from .known import load_known_model
from .output import Journal
from .rows import FromRows, make_array_maker


class Scorer(Protocol):
    """Loaded scoring code."""

    def score(self, requests: Sequence[tuple[str, Any]]) -> list[Outcome]:
        """Score a batch of (request id, payload); one outcome for each, in order, whatever the author's code raises."""
        ...


def load_scorer(bundle: Bundle, places: Places, journal: Journal) -> Scorer:
    """Import the author's code and load the model; whatever it raises comes out."""
    features = read_features(bundle.request_schema, bundle.schema_scope)
    if bundle.contract == "none":
        flavor = bundle.document["model"].get("flavor")
        return BatchScorer(
            load_known_model(places.locate(bundle.model_path), bundle.framework, features, flavor), journal
        )
    if bundle.contract == "azure":
        return load_azure(bundle, places, journal)
    if bundle.contract == "sagemaker":
        return load_sagemaker(bundle, places, journal)
    module = import_script(places.locate(bundle.script or ""))
    for name in ("load", "predict"):
        if not callable(getattr(module, name, None)):
            raise TypeError(f"{bundle.script} defines no function {name}")
    event_loop = EventLoop()
    loaded = module.load(str(places.model_dir))
    if inspect.isawaitable(loaded):
        loaded = event_loop.run(loaded)
    scorer = BatchScorer(make_predict(module.predict, loaded, features), journal, event_loop)
    scorer.streams = inspect.isgeneratorfunction(module.predict) or inspect.isasyncgenfunction(module.predict)
    return scorer


def load_azure(bundle: Bundle, places: Places, journal: Journal) -> Scorer:
    """Import a script of Azure ML's, among the modules it expects, and call its ``init``."""
    from . import azure_modules  # noqa: PLC0415 - only these scripts pay for what it takes
    from .azure_scorer import AzureScorer  # noqa: PLC0415

    azure_modules.install()
    azure_modules.arrange_variables(bundle, places)
    milliseconds = os.environ.get("SCORING_TIMEOUT_MS")
    timeout = float(milliseconds) / 1e3 if milliseconds else bundle.service.request_timeout
    return AzureScorer(import_script(places.locate(bundle.script or "")), journal, timeout=timeout)


def load_sagemaker(bundle: Bundle, places: Places, journal: Journal) -> Scorer:
    """Import a script of SageMaker's, and call its ``model_fn``."""
    from . import sagemaker_modules  # noqa: PLC0415 - only these scripts pay for what it takes
    from .sagemaker import SageMakerScorer  # noqa: PLC0415

    sagemaker_modules.install()
    sagemaker_modules.arrange_variables(bundle, places)
    module = import_script(places.locate(bundle.script or ""))
    return SageMakerScorer(module, journal, model_dir=str(sagemaker_modules.find_model_dir(bundle, places)))


def make_predict(
    predict: Callable[[Any, Any], Any], model: Any, features: Sequence[Feature]
) -> Callable[[list[Any]], Any]:
    """Return ``predict(records)`` for a script's function, which may ask for a data frame or an array."""
    form = read_form(predict)
    prepare = make_preparation(form, features)
    if prepare is None:
        return lambda records: predict(model, records)
    if form.takes == ARRAY:
        return FromRows(lambda array: predict(model, array), prepare, [feature.name for feature in features])
    return lambda records: predict(model, prepare(records))


def make_preparation(form: Form, features: Sequence[Feature]) -> Callable[[list[Any]], Any] | None:
    """Return what turns records into what ``predict`` takes; None when it takes them as they are."""
    if form.takes == FRAME:
        numpy, pandas = importlib.import_module("numpy"), importlib.import_module("pandas")
        return make_frame_maker(pandas, numpy, features)
    if form.takes == ARRAY:
        return make_array_maker(importlib.import_module("numpy"), features, form.dtype)
    return None

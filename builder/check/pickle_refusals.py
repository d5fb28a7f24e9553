"""Why some names are refused that an honest model may well have, and what to do then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_OWN_MODULE: Final = (
    "write a function with def in a module of scoring.sources, use that in training, and save the model again"
)

LOWERED: Final = "if you trust the file, lower this rule for it under check: in bundle.yaml, with the reason"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Names that are refused for one reason."""

    names: re.Pattern[str]
    """Of ``module.name``, from the beginning."""
    reason: str
    remedy: str


REFUSALS: Final[tuple[Refusal, ...]] = (
    Refusal(
        re.compile(r"__main__\."),
        "it is defined in the script that trained the model, which the image does not run",
        "move it into a module of scoring.sources, import it from there in training, and save the model again",
    ),
    Refusal(
        re.compile(r"dill\._dill\._create_(?:array|dtypemeta|stringi|stringo|ftype|weakref|weakproxy)\b"),
        "dill saves it in a way of its own, by a function that calls what it is given",
        "save the model with joblib.dump or pickle.dump",
    ),
    Refusal(
        re.compile(r"(?:cloudpickle|dill)\b|__builtin__\.__main__\Z"),
        "a function or class pickled by value is code of its own",
        "define it in a module of scoring.sources, import it from there in training, and save the model with "
        "joblib.dump or pickle.dump, which save it by name",
    ),
    Refusal(
        re.compile(r"(?:functools|operator|itertools)\b"),
        "it calls what it is given",
        _OWN_MODULE,
    ),
    Refusal(
        re.compile(r"numpy\.vectorize\b"),
        "it calls what it is given, as SciPy's discrete distributions do with it",
        f"save search.best_estimator_ instead of a search; of a function of your own, {_OWN_MODULE}",
    ),
    Refusal(
        re.compile(r"builtins\.getattr\b"),
        "it looks up what is named in the file",
        f"{_OWN_MODULE}; where a library does this of itself, {LOWERED}",
    ),
    Refusal(
        re.compile(r"(?:patsy|formulaic)\b"),
        "a formula is Python code, which is evaluated when the model predicts",
        f"fit the model on columns instead of a formula; or, {LOWERED}",
    ),
    Refusal(
        re.compile(r"scipy\.stats\._(?:distn_infrastructure|continuous_distns|discrete_distns|multivariate|qmc)\b"),
        "its distributions run code that is in their state",
        "save search.best_estimator_ instead of the search; of a distribution, save its parameters",
    ),
    Refusal(
        re.compile(r"sklearn\.externals\b"),
        "scikit-learn carries joblib no more",
        "load it with the scikit-learn that made it, and save it again with joblib.dump",
    ),
    Refusal(
        re.compile(r"joblib\.(?:memory|_store_backends)\b"),
        "it is a cache with a folder, from which more pickles would be loaded",
        "set the pipeline's memory to None before saving it",
    ),
    Refusal(
        re.compile(r"joblib\b"),
        "of joblib's own, a model only needs its array wrapper",
        "load it with the joblib that made it, and save it again with joblib.dump of the locked one",
    ),
    Refusal(
        re.compile(r"numba\b"),
        "a compiled function pickled by value is code of its own",
        f"save what the model learned without its compiled functions; or, {LOWERED}",
    ),
    Refusal(
        re.compile(r"pandas\.core\.internals\b|pandas\._libs\.internals\b|pyarrow\b"),
        "it is a part of a frame that no model of pandas keeps",
        "if you saved it yourself, save the columns as plain arrays (to_numpy); if not, do not load this file",
    ),
    Refusal(
        re.compile(r"logging\b|_?io\b|threading\b|_thread\b|socket\b|tempfile\b|subprocess\b|sqlite3\b"),
        "it stands for something of the machine that trained the model, or that loads it",
        "take it out of the object before saving, and train and save the model again from sources you trust",
    ),
)
"""The first that fits holds."""

TRUSTED_ONLY: Final = f"save the model without it; or, {LOWERED}"
"""For a class whose own code nobody vouches for."""


def find_refusal(name: str) -> Refusal | None:
    """Return why a name is refused, when there is more to say than that it is on no list."""
    return next((refusal for refusal in REFUSALS if refusal.names.match(name)), None)

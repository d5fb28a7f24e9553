"""The allow-list of classes of other libraries whose own code runs when they are unpickled: what it may be given.

Which of their classes run nothing is told from their wheels (see pickle_allowance).
"""

from __future__ import annotations

import re
from typing import Final

from builder.check.pickle_formulas import is_harmless_formula
from builder.check.pickle_grants import (
    Grant,
    Table,
    Use,
    class_first,
    grants,
    is_known,
    is_made_by,
    is_text,
    makers,
    pairs,
)
from builder.check.pickle_values import Bytes, Instance, Value

# statsmodels evaluates a model's formula again when it is restored


def _model_data(state: Value) -> str | None:
    """``ModelData`` evaluates ``formula`` with the names in ``frame`` when it is told to restore what came of it."""
    found = pairs(state)
    if found is None:
        return "its state is not a plain dict"
    if "restore_design_info" not in found and "restore_model_spec" not in found:
        return None
    formulas = found.get("formula", [])
    if not formulas or not all(isinstance(text, str) and is_harmless_formula(text) for text in formulas):
        return "its formula is evaluated again, and is more than a formula of columns"
    for key in ("frame", "orig_endog", "orig_exog"):
        if not all(value is None or is_made_by(value, FRAME_CLASSES) for value in found.get(key, [])):
            return "its formula is evaluated with something else than a frame"
    return None


FRAME_CLASSES: Final = frozenset(
    {"pandas.core.frame.DataFrame", "pandas.core.series.Series", "pandas.DataFrame", "pandas.Series"}
)

_STATESPACE: Final = {
    "_representation": "Statespace",
    "_initialization": "Initialization",
    "_kalman_filter": "KalmanFilter",
    "_kalman_smoother": "KalmanSmoother",
    "_simulation_smoother": "SimulationSmoother",
    "_cfa_simulation_smoother": "CFASimulationSmoother",
}
_SPACE: Final = "statsmodels.tsa.statespace."


def _space(instance: Instance) -> str | None:
    """Compiled classes over arrays, and over each other."""
    if instance.kwargs is None and all(is_known(value) or _is_space(value) for value in instance.args):
        return None
    return "it may only be given arrays and numbers"


def _is_space(value: Value) -> bool:
    return isinstance(value, Instance) and value.path.startswith(_SPACE)


_STATSMODELS: Final[Table] = {
    key: grant
    for module, name in _STATESPACE.items()
    for key, grant in grants(
        f"{_SPACE}{module}", " ".join(f"{kind}{name}" for kind in "sdcz"), Use.CALLED, _space
    ).items()
} | (
    grants("statsmodels.base.data", "ModelData PandasData PatsyData FormulaicData", Use.MADE, state=_model_data)
    # What it runs chooses among its own methods.
    | grants("statsmodels.discrete.discrete_model", "NegativeBinomial", Use.MADE)
)


def _boosted(state: Value) -> str | None:
    """``NGBRegressor`` makes a class of its distribution where its state says that it was made of one."""
    found = pairs(state)
    return None if found is not None and "uncensor" not in found else "its state is not that of a plain regression"


# Files and caches


def _resource(state: Value) -> str | None:
    """``FileResource`` writes the model to a new file in the folder of temporary ones, and removes it at the end."""
    found = pairs(state)
    if found is None or not found.keys() <= _RESOURCE.keys() or "__FILE_RESOURCE_DATA__" not in found:
        return "its state is not that of a CRF model"
    if all(_RESOURCE[key](value) for key, values in found.items() for value in values):
        return None
    return "its state names a file of its own choice"


_RESOURCE: Final = {
    "name": lambda value: value is None,
    "auto": lambda value: value is True,
    "keep_tempfiles": lambda value: isinstance(value, bool),
    "suffix": lambda value: value == ".crfsuite" if isinstance(value, str) else False,
    "prefix": lambda value: value == "model" if isinstance(value, str) else False,
    "fd": lambda value: type(value) is int,
    "__FILE_RESOURCE_DATA__": lambda value: isinstance(value, Bytes),
}


def _memory(state: Value) -> str | None:
    """A cache that is off; one with a place would read pickles from there."""
    found = pairs(state)
    if found is not None and all(
        value is None for key in ("location", "store_backend") for value in found.get(key, [])
    ):
        return None
    return "it is a cache with a folder, from which more pickles would be loaded"


_DISTANCES: Final = (
    "EuclideanDistance SEuclideanDistance ManhattanDistance ChebyshevDistance MinkowskiDistance WMinkowskiDistance "
    "MahalanobisDistance HammingDistance CanberraDistance BrayCurtisDistance JaccardDistance MatchingDistance "
    "DiceDistance KulsinskiDistance RogersTanimotoDistance RussellRaoDistance SokalMichenerDistance "
    "SokalSneathDistance HaversineDistance ArccosDistance"
)
"""All but the one that calls a function it is given."""


def _script_object(state: Value) -> str | None:
    """PyTorch restores the compiled class that is named; those of quantized layers hold weights."""
    if isinstance(state, tuple) and len(state) == 2 and is_text(state[1]) and _PACKED.fullmatch(str(state[1])):
        return None
    return "it is of a compiled class that no layer needs"


_PACKED: Final = re.compile(
    r"__torch__\.torch\.classes\.(?:quantized\.(?:Linear|Conv[23]d|Embedding)PackedParamsBase|rnn\.CellParamsBase)"
)

OTHERS: Final[Table] = (
    _STATSMODELS
    | grants("kmodes.util.dissim", "matching_dissim jaccard_dissim_binary jaccard_dissim_label", Use.NAMED)
    | grants("kmodes.util.dissim", "euclidean_dissim ng_dissim", Use.NAMED)
    | grants("skrub._table_vectorizer", "_created_by_predicate", Use.NAMED)
    | grants("skrub.selectors._selectors", "_cardinality_below _has_dtype _null_count_check", Use.NAMED)
    | grants(
        "skrub._dataframe._common",
        "is_all_null is_any_date is_bool is_categorical is_float is_integer is_numeric is_object is_string",
        Use.NAMED,
    )
    # Its __new__ gives the class methods of its own module.
    | {("sktime.forecasting.base._fh", "ForecastingHorizon"): Grant(Use.MADE, quirks=frozenset({"__hash__"}))}
    | grants("ngboost.api", "NGBRegressor NGBClassifier", Use.MADE, state=_boosted)
    | grants("sklearn_crfsuite._fileresource", "FileResource", Use.MADE, state=_resource)
    | grants("joblib.memory", "Memory", Use.MADE, state=_memory)
    | grants("joblib.numpy_pickle", "NumpyArrayWrapper", Use.MADE)
    | grants("gensim.utils", "call_on_class_only identity", Use.NAMED)
    | grants("gensim.models.tfidfmodel", "df2idf", Use.NAMED)
    | grants("gensim.models.phrases", "original_scorer npmi_scorer", Use.NAMED)
    | grants("gensim.models.ensemblelda", "mass_masking rank_masking", Use.NAMED)
    | makers("hdbscan.dist_metrics", "newObj", class_first)
    | grants("hdbscan.dist_metrics", _DISTANCES, Use.MADE)
    | grants("xgboost.core", "Booster", Use.MADE)
    | grants("lightgbm.basic", "Booster", Use.MADE)
    | grants("torch", "ScriptObject", Use.MADE, state=_script_object)
)
"""By module and name."""

"""What a pickle's object is asked for, and where in a container the one that predicts is. Told from its class alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from builder.check.artifacts.pickled import describe_outermost
from builder.check.pickle_values import Instance, Mapping
from builder.scaffold.adapters import quoted

TABULAR = frozenset({"sklearn", "xgboost", "lightgbm", "catboost", "imblearn", "category_encoders"})
"""Libraries whose objects take a table, a row for each record."""

PREDICTS = ("predict", "booster")
"""Methods that predict, as scripts call them."""

# scikit-learn's packages of transformers, and what else of it has no predict (all of its releases since 0.22).
_TRANSFORMING = frozenset(
    {"preprocessing", "impute", "decomposition", "feature_extraction", "feature_selection", "random_projection"}
    | {"kernel_approximation"}
)
_TRANSFORMERS = frozenset(
    {"BernoulliRBM", "ColumnTransformer", "FeatureAgglomeration", "FeatureUnion", "Isomap", "KNeighborsTransformer"}
    | {"LocallyLinearEmbedding", "NeighborhoodComponentsAnalysis", "PLSSVD", "RadiusNeighborsTransformer"}
    | {"RandomTreesEmbedding"}
)
_PREDICTORS = frozenset({"RFE", "RFECV"})
"""Those in packages of transformers that predict."""
_NEITHER = frozenset(
    {"AgglomerativeClustering", "DBSCAN", "HDBSCAN", "OPTICS", "SpectralBiclustering", "SpectralClustering"}
    | {"SpectralCoclustering", "EmpiricalCovariance", "GraphicalLasso", "GraphicalLassoCV", "LedoitWolf", "OAS"}
    | {"MinCovDet", "ShrunkCovariance", "MDS", "SpectralEmbedding", "TSNE", "KernelDensity", "NearestNeighbors"}
    | {"LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer"}
)
"""Those that say nothing of a new record, or take labels instead of records."""


_OF_OTHERS = {"category_encoders": "transform", "xgboost.core.Booster": "booster"}
"""Classes of other libraries, or whole libraries, that are asked for something else."""


def method_of(path: str) -> str | None:
    """Return what an object of a class is asked for, as scripts call it; None where it has nothing of the kind."""
    root, _, rest = path.partition(".")
    name = path.rpartition(".")[2]
    if path in _OF_OTHERS or root in _OF_OTHERS:
        return _OF_OTHERS.get(path) or _OF_OTHERS[root]
    if root != "sklearn" or name in _PREDICTORS:
        return "predict"
    if name in _NEITHER:
        return None
    if name in _TRANSFORMERS or rest.partition(".")[0] in _TRANSFORMING:
        return "transform"
    return "predict"


def container_parts(root: Any) -> dict[str, Any] | None:
    """Return what a dict, list or tuple holds by its subscript in source text; None for anything else."""
    if isinstance(root, Mapping):
        return {
            f"[{quoted(key) if isinstance(key, str) else key}]": value
            for key, value in root.pairs
            if isinstance(key, str | int)
        }
    if isinstance(root, list | tuple):
        return {f"[{index}]": value for index, value in enumerate(root)}
    return None


def predicting_part(parts: dict[str, Any]) -> str | None:
    """Return the subscript of the only estimator in a container; None where it has several, or none that predicts."""
    found = list(_estimators(parts))
    return found[0] if len(found) == 1 and method_of(describe_outermost(parts[found[0]])) in PREDICTS else None


def _estimators(parts: dict[str, Any]) -> Iterator[str]:
    for subscript, value in parts.items():
        if isinstance(value, Instance) and value.path.partition(".")[0] in TABULAR:
            yield subscript


def describe_parts(parts: dict[str, Any]) -> str:
    """Return what a container holds, for people."""
    shown, estimators = [], set(_estimators(parts))
    for subscript, value in list(parts.items())[:_SHOWN]:
        name = value.path.rpartition(".")[2] if subscript in estimators else ""
        shown.append(f"{subscript[1:-1]} ({name})" if name else subscript[1:-1])
    return ", ".join(shown) + (", …" if len(parts) > _SHOWN else "")


_SHOWN = 6

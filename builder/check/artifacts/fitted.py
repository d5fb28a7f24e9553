"""Which of scikit-learn's estimators a pickle holds fitted, and what of their settings decides how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from builder.check.artifacts.reading import Artifact
from builder.check.pickle_values import Instance, Value

_ABLE_OF_MISSING = frozenset({"gini", "entropy", "log_loss", "squared_error", "friedman_mse"})
"""Criteria of trees that may be given missing values."""


def fitted_estimators(instances: Iterable[Instance]) -> Iterator[str]:
    """Yield the class of each fitted estimator, without its module, and ``Class(trait)`` for each trait it has."""
    for instance in instances:
        if not instance.path.startswith("sklearn."):
            continue
        attributes = instance.attributes
        if any(name.endswith("_") and not name.startswith("_") for name in attributes):
            name = instance.path.rpartition(".")[2]
            yield name
            trait, has_trait = _TRAITS.get(name, ("", None))
            if has_trait is not None and has_trait(attributes):
                yield f"{name}({trait})"


def estimator_names(artifact: Artifact) -> frozenset[str]:
    """Return what is fitted, and the classes of everything else, without their modules."""
    return artifact.fitted | {path.rpartition(".")[2] for path in artifact.classes}


def _takes_missing(attributes: Mapping[str, Value]) -> bool:
    return attributes.get("criterion") in _ABLE_OF_MISSING and attributes.get("splitter") in ("best", "random")


def _passes_through(attributes: Mapping[str, Value]) -> bool:
    parts = attributes.get("transformers_")
    return isinstance(parts, list) and any(
        isinstance(part, tuple)
        and len(part) == 3
        and part[1] == "passthrough"
        and isinstance(part[2], list)
        and part[2]
        for part in parts
    )


def _is_sparse(attributes: Mapping[str, Value]) -> bool:
    return attributes.get("sparse_output", attributes.get("sparse")) is not False


def _is_coded_sparsely(attributes: Mapping[str, Value]) -> bool:
    return attributes.get("encode") == "onehot"


_TRAITS: Mapping[str, tuple[str, Callable[[Mapping[str, Value]], bool]]] = MappingProxyType(
    {
        "DecisionTreeClassifier": ("missing values", _takes_missing),
        "DecisionTreeRegressor": ("missing values", _takes_missing),
        "ExtraTreeClassifier": ("missing values", _takes_missing),
        "ExtraTreeRegressor": ("missing values", _takes_missing),
        "ColumnTransformer": ("passthrough", _passes_through),
        "OneHotEncoder": ("sparse", _is_sparse),
        "KBinsDiscretizer": ("sparse", _is_coded_sparsely),
    }
)

"""What a scikit-learn model takes, told from the tree of its pickle: features, their kinds, the words it knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from builder.check.pickle_values import Instance
from builder.scaffold.pickled import array_items, instances

MAX_CHOICES = 200
_ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
_TEXT = ("TfidfVectorizer", "CountVectorizer", "HashingVectorizer")
_PACKAGES = "cluster decomposition discriminant_analysis linear_model naive_bayes neighbors neural_network svm tree"
_NUMERIC = (
    *(f"sklearn.{package}." for package in _PACKAGES.split()),
    *("sklearn.ensemble._forest.", "sklearn.ensemble._gb.", "sklearn.impute._knn.", "sklearn.preprocessing._data."),
)
"""Where scikit-learn's classes are that refuse text, whatever is asked of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One feature. ``kind`` is a JSON type, or ``any`` where the model does not say."""

    name: str
    kind: str = "number"
    choices: tuple[Any, ...] = ()
    """The values the model was fitted on, where it refuses others or can tell them apart."""
    takes_others: bool = False
    """True where the model was told to make nothing of other values, rather than to refuse them."""
    is_number: bool = False
    """True where the model surely takes nothing but numbers; ``kind`` is a number too where nothing says otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Intake:
    """What one record is to a model."""

    columns: tuple[Column, ...]
    has_names: bool = True
    """False when the model only knows how many: the names are ours."""
    takes: str = "features"
    """``features``; ``text`` for one text; ``dict`` for any mapping."""


def sklearn_intake(root: Any) -> Intake | None:
    """Return what a scikit-learn model expects of a record; None when its pickle does not say."""
    if not isinstance(root, Instance):
        return None
    first = _first_step(root)
    if _is(first, *_TEXT):
        return Intake(columns=(Column(name="text", kind="string"),), has_names=False, takes="text")
    if _is(first, "DictVectorizer"):
        keys = [str(name).partition("=")[0] for name in array_items(first.attributes.get("feature_names_")) or []]
        return Intake(columns=tuple(Column(name=key, kind="any") for key in dict.fromkeys(keys)), takes="dict")
    asked = next((one for one in (root, first) if _names(one) or _size(one)), None)
    if asked is None:
        return None
    known, count = _names(asked), _size(asked)
    kinds: dict[Any, Column] = {}
    passed = False
    for node in instances(first):
        if _is(node, "ColumnTransformer"):
            # What it hands on as it is, the step after it gets.
            next_refuses = node is first and _refuses_text(_after_first(root))
            for part in array_items(node.attributes.get("transformers_")) or []:
                if isinstance(part, tuple) and len(part) == 3:
                    is_number = next_refuses and _hands_on(part[1])
                    kinds |= _part_kinds(part[1], part[2], known, is_number=is_number)
                    passed |= is_number and part[0] == "remainder"
            break
    else:
        order: list[Any] = known if known is not None else list(range(count or 0))
        kinds = _part_kinds(first, order, known)
    if known is None:
        made = tuple(_renamed(kinds.get(index), f"feature_{index}") for index in range(count or 0))
        return Intake(columns=made, has_names=False)
    return Intake(columns=tuple(kinds.get(name, Column(name=name, is_number=passed)) for name in known))


def _first_step(node: Instance) -> Instance:
    """Return the innermost estimator that sees the records first."""
    return _walk_in(node)[0]


def _after_first(node: Instance) -> Any:
    """Return the step that gets what the innermost estimator makes of the records; None when there is none."""
    return _walk_in(node)[1]


def _walk_in(node: Instance) -> tuple[Instance, Any]:
    after: Any = None
    for _ in range(20):
        inside: Any = None
        if _is(node, "Pipeline"):
            inside, *rest = [*(step for step in _steps(node) if isinstance(step, Instance)), None]
            after = rest[0] if rest and rest[0] is not None else after
        elif _is(node, "GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV"):
            inside = node.attributes.get("best_estimator_")
        elif _is(node, "CalibratedClassifierCV", "TransformedTargetRegressor", "TunedThresholdClassifierCV"):
            inside = node.attributes.get("estimator_") or node.attributes.get("regressor_")
        if not isinstance(inside, Instance):
            return node, after
        node = inside
    return node, after


def _steps(pipeline: Instance) -> list[Any]:
    steps = array_items(pipeline.attributes.get("steps")) or []
    return [step[1] for step in steps if isinstance(step, tuple) and len(step) == 2]


def _hands_on(transformer: Any) -> bool:
    """Tell whether columns come out as they went in."""
    is_plain = _is(transformer, "FunctionTransformer") and transformer.attributes.get("func") is None
    return transformer == "passthrough" or is_plain


def _part_kinds(
    transformer: Any, columns: Any, names: list[str] | None, *, is_number: bool = False
) -> dict[Any, Column]:
    chosen = _chosen(columns, names)
    text = isinstance(transformer, Instance) and any(_is(node, *_TEXT) for node in instances(transformer))
    if text:
        return {key: Column(name=str(key), kind="string") for key in chosen}
    encoder = next((node for node in instances(transformer) if _is(node, *_ENCODERS) and _categories(node)), None)
    if encoder is None:
        is_number = is_number or _refuses_text(transformer)
        return {key: Column(name=str(key), is_number=is_number) for key in chosen}
    out = {}
    takes_others = str(encoder.attributes.get("handle_unknown", "error")) != "error"
    for key, choices in zip(chosen, _categories(encoder), strict=False):
        known = [choice for choice in choices if isinstance(choice, (str, int, float, bool))]
        known = [choice for choice in known if choice == choice and str(choice) not in ("", "nan")]  # noqa: PLR0124
        kinds = {
            "boolean" if isinstance(one, bool) else "string" if isinstance(one, str) else "number" for one in known
        }
        kind = kinds.pop() if len(kinds) == 1 else "any"
        short = tuple(known) if len(known) <= MAX_CHOICES else ()
        out[key] = Column(name=str(key), kind=kind, choices=short, takes_others=takes_others)
    return out


def _refuses_text(node: Any) -> bool:
    """Tell whether a transformer surely takes numbers alone; of a pipeline, by its first step beyond imputing."""
    if _is(node, "Pipeline"):
        return _refuses_text(next((step for step in _steps(node) if not _is(step, "SimpleImputer")), None))
    return isinstance(node, Instance) and node.path.startswith(_NUMERIC)


def _chosen(columns: Any, names: list[str] | None) -> list[Any]:
    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, int):
        return [_at(columns, names)]
    items = array_items(columns)
    if items is None:
        return []
    if items and all(isinstance(item, bool) for item in items):
        return [_at(index, names) for index, item in enumerate(items) if item]
    return [_at(item, names) for item in items]


def _at(item: Any, names: list[str] | None) -> Any:
    if isinstance(item, int) and names is not None and -len(names) <= item < len(names):
        return names[item]
    return item


def _categories(node: Instance) -> list[list[Any]]:
    return [array_items(one) or [] for one in array_items(node.attributes.get("categories_")) or []]


def _names(node: Instance) -> list[str] | None:
    items = array_items(node.attributes.get("feature_names_in_"))
    return [str(item) for item in items] if items else None


def _size(node: Instance) -> int | None:
    count = node.attributes.get("n_features_in_")
    return count if isinstance(count, int) and 0 < count <= 100_000 else None


def _is(node: Any, *names: str) -> bool:
    """Tell whether an object is of a class, by its name alone: scikit-learn moves its modules."""
    return isinstance(node, Instance) and node.path.rpartition(".")[2] in names


def _renamed(column: Column | None, name: str) -> Column:
    return replace(column, name=name) if column else Column(name=name)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.check.pickle_values import Global, Instance, Mapping
from builder.scaffold.columns import Column, sklearn_intake
from builder.scaffold.pickled import read_pickle
from tests.support.foreign import CHURN, TRIAGE

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts"


def test_the_words_an_encoder_was_fitted_on_are_the_choices_of_its_column() -> None:
    intake = sklearn_intake(read_pickle(CHURN))
    assert intake is not None
    columns = {column.name: column for column in intake.columns}
    assert columns["contract"] == Column(name="contract", kind="string", choices=("monthly", "one-year", "two-year"))
    assert columns["has_fiber"].choices == ("no", "yes")
    assert columns["data_gb"] == Column(name="data_gb", kind="number", is_number=True)


def test_a_text_pipeline_takes_one_text() -> None:
    intake = sklearn_intake(read_pickle(TRIAGE))
    assert intake is not None
    assert intake.takes == "text"
    assert [column.kind for column in intake.columns] == ["string"]


@pytest.mark.parametrize("version", ["1.2.2", "1.4.2", "1.6.1", "1.7.2"])
@pytest.mark.parametrize("form", ["joblib", "pkl"])
def test_every_released_version_and_way_of_pickling_tells_the_same(version: str, form: str) -> None:
    intake = sklearn_intake(read_pickle(FIXTURES / f"sklearn-{version}-pipeline.{form}"))
    reference = sklearn_intake(read_pickle(FIXTURES / "sklearn-1.7.2-pipeline.joblib"))
    assert intake is not None
    assert intake == reference
    assert any(column.choices and column.takes_others for column in intake.columns)


@pytest.mark.parametrize("form", ["protocol0.pkl", "protocol2.pkl", "zlib.joblib", "gz", "bz2", "lzma"])
def test_old_protocols_and_compression_make_no_difference(form: str) -> None:
    reference = sklearn_intake(read_pickle(FIXTURES / "sklearn-1.7.2-pipeline.joblib"))
    assert sklearn_intake(read_pickle(FIXTURES / f"sklearn-1.7.2-pipeline.{form}")) == reference


def test_what_is_no_object_of_scikit_learn_tells_nothing(tmp_path: Path) -> None:
    assert sklearn_intake(None) is None
    assert sklearn_intake([1, 2]) is None
    (tmp_path / "broken.pkl").write_bytes(b"\x80\x04\x95garbage")
    assert read_pickle(tmp_path / "broken.pkl") is None


def made(path: str, **attributes: Any) -> Instance:
    module, _, name = path.rpartition(".")
    found = Instance(Global(module, name, 0), (), None, 0, is_call=False)
    state = Mapping()
    state.pairs.extend(attributes.items())
    found.states.append(state)
    return found


def pipeline(*steps: Any) -> Instance:
    return made("sklearn.pipeline.Pipeline", steps=[(str(number), step) for number, step in enumerate(steps)])


FOREST = made("sklearn.ensemble._forest.RandomForestClassifier")
HISTOGRAM = made("sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier")
SCALER = made("sklearn.preprocessing._data.StandardScaler")
IMPUTER = made("sklearn.impute._base.SimpleImputer")
OTHERS = made("category_encoders.ordinal.OrdinalEncoder")
PLAIN = made("sklearn.preprocessing._function_transformer.FunctionTransformer", func=None)
CHANGES = made("sklearn.preprocessing._function_transformer.FunctionTransformer", func="author.encode")


@pytest.mark.parametrize(
    ("part", "columns", "after", "is_number"),
    [
        (SCALER, ["x"], OTHERS, True),
        (pipeline(IMPUTER, SCALER), ["x"], OTHERS, True),
        (pipeline(OTHERS, SCALER), ["x"], FOREST, False),
        (IMPUTER, ["x"], FOREST, False),
        ("passthrough", ["x"], FOREST, True),
        (PLAIN, ["x"], FOREST, True),
        (PLAIN, None, FOREST, True),
        (CHANGES, ["x"], FOREST, False),
        ("passthrough", ["x"], HISTOGRAM, False),
        ("passthrough", ["x"], OTHERS, False),
        ("drop", None, FOREST, False),
    ],
)
def test_a_column_is_surely_a_number_only_where_all_that_sees_it_refuses_text(
    part: Any, columns: list[str] | None, after: Instance, *, is_number: bool
) -> None:
    transformers = [("remainder" if columns is None else "x", part, columns)]
    path = "sklearn.compose._column_transformer.ColumnTransformer"
    first = made(path, transformers_=transformers, feature_names_in_=["x"])
    intake = sklearn_intake(pipeline(first, after))
    assert intake is not None
    assert [(column.name, column.is_number) for column in intake.columns] == [("x", is_number)]

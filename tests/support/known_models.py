"""Runs inside an environment with the libraries: trains small models, and writes down what the library itself predicts.

    python known_models.py FOLDER (tables|torch)

Each becomes ``FOLDER/<name>/`` with the model and ``case.json``: its path, the schema, records, and predictions.
"""

# ruff: noqa: PLC0415 - each environment has only some of these libraries

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

NUMBERS = ["age", "income", "tenure"]
NUMERIC = {name: {"type": "number"} for name in NUMBERS}
MIXED = {**NUMERIC, "plan": {"type": "string"}, "region": {"type": "string"}}


def schema(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(properties) if required is None else required, "properties": properties}


class Maker:
    def __init__(self, out: Path) -> None:
        import numpy as np

        self.out = out
        self.numpy = np
        generator = np.random.RandomState(7)
        self.table = generator.normal(size=(200, 3)).round(3)
        self.labels = (self.table[:, 0] + self.table[:, 1] ** 2 > 0.5).astype(int)
        self.plans = generator.choice(["basic", "plus", "pro"], 200)
        self.regions = generator.choice(["north", "south"], 200)

    def folder(self, name: str) -> Path:
        folder = self.out / name
        folder.mkdir(parents=True)
        return folder

    def write(self, name: str, file: str, described: Any, records: list[Any], expected: Any) -> None:
        plain = expected.tolist() if hasattr(expected, "tolist") else expected
        case = {"path": file, "schema": described, "records": records, "expected": plain}
        (self.out / name / "case.json").write_text(json.dumps(case))

    def records(self, properties: dict[str, Any], count: int = 40) -> list[dict[str, Any]]:
        columns = dict(zip(NUMBERS, self.table.T.tolist(), strict=True))
        columns |= {"plan": self.plans.tolist(), "region": self.regions.tolist()}
        return [{name: columns[name][row] for name in properties} for row in range(count)]

    def frame(self, *, categories: bool = False) -> Any:
        import pandas as pd

        frame = pd.DataFrame(self.table, columns=NUMBERS)
        frame["plan"], frame["region"] = self.plans, self.regions
        return frame.astype({"plan": "category", "region": "category"}) if categories else frame


def make_sklearn(make: Maker) -> None:
    import pickle

    import joblib
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame, words = make.frame(), make.numpy.array(["no", "yes"])[make.labels]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["plan", "region"]),
        ]
    )
    pipeline = make_pipeline(columns, LogisticRegression()).fit(frame, words)
    joblib.dump(pipeline, make.folder("sklearn-joblib") / "model.joblib")
    optional = {**MIXED, "age": {"type": ["number", "null"]}}
    records = make.records(MIXED)
    gaps = [{**records[0], "age": None}, {name: records[1][name] for name in MIXED if name != "age"}]
    filled = frame[:40].copy()
    filled.loc[40], filled.loc[41] = filled.loc[0], filled.loc[1]
    filled.loc[[40, 41], "age"] = float("nan")
    required = [name for name in MIXED if name != "age"]
    expected = pipeline.predict(filled)
    make.write("sklearn-joblib", "model.joblib", schema(optional, required), [*records, *gaps], expected)

    forest = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=1)).fit(frame[NUMBERS], words)
    (make.folder("sklearn-pickle") / "model.pkl").write_bytes(pickle.dumps(forest))
    expected = forest.predict(frame[NUMBERS][:40])
    make.write("sklearn-pickle", "model.pkl", schema(NUMERIC), make.records(NUMERIC), expected)

    unnamed = LinearRegression().fit(make.table, make.labels)
    skops.io.dump(unnamed, make.folder("sklearn-unnamed") / "model.skops")
    expected = unnamed.predict(make.table[:40])
    make.write("sklearn-unnamed", "model.skops", schema(NUMERIC), make.records(NUMERIC), expected)

    skops.io.dump(pipeline, make.folder("sklearn-skops") / "model.skops")
    make.write("sklearn-skops", "model.skops", schema(MIXED), make.records(MIXED), pipeline.predict(frame[:40]))


def make_xgboost(make: Maker) -> None:
    import xgboost

    frame = make.frame()[NUMBERS]
    for name, options in {"json": {}, "ubj": {"booster": "dart"}, "linear.json": {"booster": "gblinear"}}.items():
        model = xgboost.XGBClassifier(n_estimators=10, max_depth=3, **options).fit(frame, make.labels)
        folder = make.folder(f"xgboost-{name}")
        model.save_model(folder / f"model.{name}")
        matrix = xgboost.DMatrix(frame[:40])
        expected = xgboost.Booster(model_file=str(folder / f"model.{name}")).predict(matrix)
        described = schema({**NUMERIC, "age": {"type": ["number", "null"]}})
        make.write(f"xgboost-{name}", f"model.{name}", described, make.records(NUMERIC), expected)

    table = make.frame(categories=True)
    model = xgboost.XGBClassifier(n_estimators=10, enable_categorical=True).fit(table, make.labels)
    model.save_model(make.folder("xgboost-categories") / "model.ubj")
    expected = model.get_booster().predict(xgboost.DMatrix(table[:40], enable_categorical=True))
    make.write("xgboost-categories", "model.ubj", schema(MIXED), make.records(MIXED), expected)

    codes = make.numpy.column_stack([make.table, table["plan"].cat.codes]).astype(make.numpy.float32)
    matrix = xgboost.DMatrix(codes, make.labels, feature_names=[*NUMBERS, "plan"], feature_types=["q", "q", "q", "c"])
    booster = xgboost.train({"tree_method": "hist", "max_cat_to_onehot": 1}, matrix, 10)
    booster.save_model(make.folder("xgboost-codes") / "model.json")
    records = [
        {**record, "plan": code} for record, code in zip(make.records(NUMERIC), codes[:, 3].tolist(), strict=False)
    ]
    described = schema({**NUMERIC, "plan": {"type": "integer"}})
    make.write("xgboost-codes", "model.json", described, records, booster.predict(matrix)[:40])


def make_lightgbm(make: Maker) -> None:
    import lightgbm

    options = {"n_estimators": 10, "num_leaves": 7, "min_child_samples": 5, "verbose": -1}
    frame = make.frame(categories=True)
    model = lightgbm.LGBMClassifier(**options).fit(frame[NUMBERS], make.labels)
    model.booster_.save_model(str(make.folder("lightgbm-text") / "model.txt"))
    expected = model.booster_.predict(frame[NUMBERS][:40])
    make.write("lightgbm-text", "model.txt", schema(NUMERIC), make.records(NUMERIC), expected)

    model = lightgbm.LGBMRegressor(**options).fit(frame, make.labels)
    model.booster_.save_model(str(make.folder("lightgbm-categories") / "model.txt"))
    strange = frame[:41].copy()
    strange.loc[40, "plan"] = None  # a category that training did not have is as good as none
    records = make.records(MIXED)
    expected = model.booster_.predict(strange)
    case = [*records, {**make.records(MIXED, 41)[40], "plan": "gold"}]
    make.write("lightgbm-categories", "model.txt", schema(MIXED), case, expected)


def make_catboost(make: Maker) -> None:
    from catboost import CatBoostClassifier, CatBoostRegressor

    options = {"iterations": 10, "depth": 3, "verbose": False, "allow_writing_files": False}
    frame, words = make.frame(), make.numpy.array(["no", "yes"])[make.labels]
    model = CatBoostClassifier(**options).fit(frame, words, cat_features=["plan", "region"])
    model.save_model(str(make.folder("catboost-classes") / "model.cbm"))
    expected = model.predict(frame[:40])
    make.write("catboost-classes", "model.cbm", schema(MIXED), make.records(MIXED), expected)

    for loss in ("RMSE", "Poisson"):
        numbers = CatBoostRegressor(loss_function=loss, **options).fit(make.table, make.labels)
        numbers.save_model(str(make.folder(f"catboost-{loss}") / "model.cbm"))
        expected = numbers.predict(make.table[:40])
        make.write(f"catboost-{loss}", "model.cbm", schema(NUMERIC), make.records(NUMERIC), expected)

    three = make.numpy.array(["low", "mid", "high"])[make.labels + (make.table[:, 2] > 1)]
    model = CatBoostClassifier(**options).fit(frame[NUMBERS], three)
    model.save_model(str(make.folder("catboost-three") / "model.cbm"))
    expected = model.predict(frame[NUMBERS][:40]).ravel()
    make.write("catboost-three", "model.cbm", schema(NUMERIC), make.records(NUMERIC), expected)


def make_onnx(make: Maker) -> None:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numpy, frame = make.numpy, make.frame()
    table = make.table.astype(numpy.float32)

    def run(name: str, feed: dict[str, Any]) -> list[Any]:
        found: list[Any] = onnxruntime.InferenceSession(str(make.out / name / "model.onnx")).run(None, feed)
        return found

    for zipmap in (True, False):
        name = f"onnx-classifier-{'zipmap' if zipmap else 'tensor'}"
        model = LogisticRegression().fit(table, numpy.array(["no", "yes"])[make.labels])
        made = to_onnx(model, table[:1], options={"zipmap": zipmap}, target_opset=17)
        (make.folder(name) / "model.onnx").write_bytes(made.SerializeToString())
        expected = run(name, {made.graph.input[0].name: table[:40]})[0]
        make.write(name, "model.onnx", schema(NUMERIC), make.records(NUMERIC), expected)

    made = to_onnx(LinearRegression().fit(table, make.labels), table[:1], target_opset=17)
    (make.folder("onnx-regressor") / "model.onnx").write_bytes(made.SerializeToString())
    expected = run("onnx-regressor", {"X": table[:40]})[0].ravel()
    make.write("onnx-regressor", "model.onnx", schema(NUMERIC), make.records(NUMERIC), expected)

    columns = ColumnTransformer([("n", StandardScaler(), NUMBERS), ("w", OneHotEncoder(), ["plan", "region"])])
    pipeline = make_pipeline(columns, LogisticRegression()).fit(frame, make.labels)
    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS]
    types += [(name, StringTensorType([None, 1])) for name in ("plan", "region")]
    made = to_onnx(pipeline, initial_types=types, target_opset=17)
    (make.folder("onnx-named") / "model.onnx").write_bytes(made.SerializeToString())
    feed = {name: table[:40, index : index + 1] for index, name in enumerate(NUMBERS)}
    feed |= {name: frame[[name]][:40].to_numpy(object) for name in ("plan", "region")}
    make.write("onnx-named", "model.onnx", schema(MIXED), make.records(MIXED), run("onnx-named", feed)[0])

    # An array for each record, two outputs, and room for one record at a time.
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 2, 2])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 2]) for name in ("double", "negative")]
    nodes = [
        helper.make_node("Add", ["image", "image"], ["double"]),
        helper.make_node("Neg", ["image"], ["negative"]),
    ]
    graph = helper.make_graph(nodes, "pictures", [image], outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, make.folder("onnx-arrays") / "model.onnx")
    pictures = [[[1.0, 2.0], [3.0, float(index)]] for index in range(3)]
    expected = [
        {"double": numpy.multiply(one, 2).tolist(), "negative": numpy.negative(one).tolist()} for one in pictures
    ]
    described = schema({"image": {"type": "array"}})
    make.write("onnx-arrays", "model.onnx", described, [{"image": one} for one in pictures], expected)


def make_mlflow(make: Maker) -> None:
    import mlflow
    import mlflow.lightgbm
    import mlflow.sklearn
    import mlflow.xgboost
    from lightgbm import LGBMClassifier
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from xgboost import XGBClassifier

    frame, words = make.frame()[NUMBERS], make.numpy.array(["no", "yes"])[make.labels]
    signature = infer_signature(frame, words)
    wide = frame.assign(visits=make.labels.astype("int32"))
    models = {
        "sklearn": (mlflow.sklearn, make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, words), frame),
        "xgboost": (mlflow.xgboost, XGBClassifier(n_estimators=5).fit(frame, make.labels), frame),
        "lightgbm": (mlflow.lightgbm, LGBMClassifier(n_estimators=5, verbose=-1).fit(frame, words), frame),
        "narrow": (mlflow.sklearn, LogisticRegression().fit(wide, words), wide),
    }
    for name, (flavor, model, given) in models.items():
        folder = make.folder(f"mlflow-{name}") / "model"
        signature = infer_signature(given, model.predict(given))
        flavor.save_model(model, str(folder), signature=signature, pip_requirements=["mlflow"])
        expected = mlflow.pyfunc.load_model(str(folder)).predict(given[:40])
        columns = [given[column][:40].tolist() for column in given]
        rows = [dict(zip(given.columns, row, strict=True)) for row in zip(*columns, strict=True)]
        make.write(f"mlflow-{name}", "model", None, rows, make.numpy.asarray(expected))


def make_torch(make: Maker) -> None:
    import torch

    torch.manual_seed(1)
    table = torch.tensor(make.table[:40], dtype=torch.float32)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1)).eval()
    with torch.inference_mode():
        expected = model(table).reshape(-1)
    torch.jit.script(model).save(str(make.folder("torch-script") / "model.pt"))
    make.write("torch-script", "model.pt", schema(NUMERIC), make.records(NUMERIC), expected)
    rows = torch.export.Dim("rows")
    for name, options in {"dynamic": {"dynamic_shapes": ({0: rows},)}, "fixed": {}}.items():
        example = table[:2] if name == "dynamic" else table[:8]
        program = torch.export.export(model, (example,), **options)
        torch.export.save(program, make.folder(f"torch-export-{name}") / "model.pt2")
        make.write(f"torch-export-{name}", "model.pt2", schema(NUMERIC), make.records(NUMERIC), expected)

    class Words(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(10, 2)

        def forward(self, words: torch.Tensor, weight: torch.Tensor) -> dict[str, torch.Tensor]:
            found = self.table(words).mean(dim=1) * weight.unsqueeze(1)
            return {"vector": found, "total": found.sum(dim=1)}

    model, given = Words().eval(), torch.tensor([[1, 2, 3], [4, 5, 6]])
    weight = torch.tensor([0.5, 2.0])
    program = torch.export.export(model, (given, weight), dynamic_shapes={"words": {0: rows}, "weight": {0: rows}})
    torch.export.save(program, make.folder("torch-words") / "model.pt2")
    found = model(given, weight)
    expected = [
        {"vector": vector, "total": total}
        for vector, total in zip(found["vector"].tolist(), found["total"].tolist(), strict=True)
    ]
    described = schema({"words": {"type": "array"}, "weight": {"type": "number"}})
    records = [{"words": words, "weight": one} for words, one in zip(given.tolist(), weight.tolist(), strict=True)]
    make.write("torch-words", "model.pt2", described, records, expected)


def main() -> None:
    make = Maker(Path(sys.argv[1]))
    if sys.argv[2] == "torch":
        make_torch(make)
        return
    for step in (make_sklearn, make_xgboost, make_lightgbm, make_catboost, make_onnx, make_mlflow):
        step(make)


if __name__ == "__main__":
    main()

from __future__ import annotations

import ast
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from builder.bundle.model import Bundle, Contract
from builder.bundle.parser import load_bundle
from builder.errors import BundleError, UsageError
from builder.scaffold.forms import draft_bundle
from builder.scaffold.write import Scaffolded, write_draft
from tests.support import foreign

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts"


def init(path: Path, *, into: Path | None = None, sample: Path | None = None) -> tuple[Scaffolded, Bundle]:
    made = write_draft(draft_bundle(path, into=into, sample=sample))
    return made, load_bundle(made.draft.root)


def statuses(bundle: Bundle) -> list[int]:
    return [test.expect.status for test in bundle.smoke]


def test_a_scikit_learn_file_becomes_a_bundle(churn_model: Path) -> None:
    made, bundle = init(churn_model)
    assert bundle.model.path == "churn.joblib"
    assert bundle.scoring.contract is Contract.NONE
    assert bundle.environment.requirements == ("scikit-learn==1.7.2", "pandas<3")
    assert bundle.schemas.request is not None
    assert bundle.schemas.request["properties"]["contract"] == {"enum": ["monthly", "one-year", "two-year"]}
    assert statuses(bundle) == [200, 400]
    assert bundle.warnings == ()
    assert not made.draft.blanks


def test_an_xgboost_file_becomes_a_bundle_for_a_python_it_runs_on(fraud_model: Path) -> None:
    _, bundle = init(fraud_model)
    assert bundle.environment.python == "3.13"
    assert bundle.environment.requirements == ("xgboost-cpu==3.4.1",)
    assert statuses(bundle) == [200, 400]


def test_a_text_model_gets_a_script(triage_model: Path) -> None:
    _, bundle = init(triage_model)
    assert bundle.scoring.contract is Contract.PREDICT
    assert json.loads(bundle.smoke[0].request) == {"text": "text"}


@pytest.mark.parametrize(
    "name",
    ["lightgbm-4.6.0.txt", "catboost-1.2.10.cbm", "skl2onnx.onnx", "xgboost-3.2.0.ubj", "xgboost-3.2.0.joblib.xz"],
)
def test_other_formats_become_bundles_with_python_that_parses(tmp_path: Path, name: str) -> None:
    shutil.copy(FIXTURES / name, tmp_path)
    made, bundle = init(tmp_path / name)
    assert statuses(bundle) == [200, 400]
    assert not made.draft.blanks
    for relative, content in made.draft.files.items():
        if relative.endswith(".py"):
            ast.parse(content)


def test_a_script_that_keeps_no_contract_is_told_to_stand_for_its_folder(tmp_path: Path) -> None:
    folder = foreign.example_folder("churn", tmp_path / "churn")
    (folder / "train.py").write_text("import joblib\n\n\ndef train():\n    ...\n")
    (note,) = [note.text for note in draft_bundle(folder / "train.py").guesses if note.at == "scoring"]
    assert note == f"train.py keeps no contract; taking the folder {folder}"
    assert not [note for note in draft_bundle(folder / "score.py").guesses if note.at == "scoring"]


@pytest.mark.parametrize("ending", ["json", "ubj"])
def test_categories_become_an_enum_whatever_form_xgboost_wrote(tmp_path: Path, ending: str) -> None:
    shutil.copy(FIXTURES / f"xgboost-3.2.0-categories.{ending}", tmp_path / f"m.{ending}")
    _, bundle = init(tmp_path / f"m.{ending}")
    assert bundle.schemas.request is not None
    assert bundle.schemas.request["properties"]["plan"] == {"enum": ["basic", "plus", "pro"]}
    assert bundle.schemas.request["properties"]["floor"] == {"enum": [1, 2, 30]}


def keras_file(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "net.keras", "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", "{}")
    return folder / "net.keras"


def test_a_keras_file_gets_the_default_backend(tmp_path: Path) -> None:
    made = draft_bundle(keras_file(tmp_path))
    assert [wanted.line for wanted in made.requirements] == ["keras==3.15.1", "tensorflow-cpu", "numpy"]
    assert made.variables == {}


@pytest.mark.parametrize(
    ("freeze", "requirement", "variables"),
    [
        ("tensorflow==2.20.0\ntorch==2.8.0\n", "tensorflow-cpu==2.20.0", {}),
        ("keras==3.15.1\ntorch==2.8.0+cu128\n", "torch==2.8.0", {"KERAS_BACKEND": "torch"}),
        ("jax==0.7.0\n", "jax==0.7.0", {"KERAS_BACKEND": "jax"}),
        ("numpy==2.0.0\n", "tensorflow-cpu", {}),
    ],
)
def test_the_backend_of_training_is_that_of_serving(
    tmp_path: Path, freeze: str, requirement: str, variables: dict[str, str]
) -> None:
    path = keras_file(tmp_path)
    (tmp_path / "freeze.txt").write_text(freeze)
    (tmp_path / "s.json").write_text('{"a": 1, "b": 2.5}')
    _, bundle = init(path, sample=tmp_path / "s.json")
    assert requirement in bundle.environment.requirements
    assert bundle.environment.variables == variables


def test_a_requirements_file_with_a_backend_lacks_none(tmp_path: Path) -> None:
    keras_file(tmp_path)
    (tmp_path / "requirements.txt").write_text("keras==3.15.1\ntorch==2.8.0\nnumpy\n")
    made = draft_bundle(tmp_path)
    assert made.variables == {"KERAS_BACKEND": "torch"}
    assert [note for note in made.blanks if note.at == "requirements.txt"] == []
    (tmp_path / "requirements.txt").write_text("keras==3.15.1\nnumpy\n")
    made = draft_bundle(tmp_path)
    assert [note.text.partition(":")[0] for note in made.blanks if note.at == "requirements.txt"] == [
        "add tensorflow-cpu"
    ]


def test_a_script_that_imports_keras_needs_a_backend_too(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("import keras\ndef load(d): ...\ndef predict(m, r): ...\n")
    assert {wanted.line for wanted in draft_bundle(tmp_path).requirements} == {"keras", "tensorflow-cpu"}
    (tmp_path / "score.py").write_text("import keras, jax\ndef load(d): ...\ndef predict(m, r): ...\n")
    assert {wanted.line for wanted in draft_bundle(tmp_path).requirements} == {"keras", "jax"}


def test_features_of_a_model_that_names_none_are_a_blank_that_the_bundle_is_refused_for(tmp_path: Path) -> None:
    made = write_draft(draft_bundle(keras_file(tmp_path)))
    assert [note.at for note in made.draft.blanks] == ["score.py", "smoke[0].request"]
    line = (
        (tmp_path / "score.py")
        .read_text()
        .splitlines()
        .index(
            'FEATURES = ...  # fill in: a list of the features\' names in the model\'s order, such as ["age", "income"]'
        )
    )
    with pytest.raises(BundleError) as caught:
        load_bundle(tmp_path)
    fault = next(fault for fault in caught.value.faults if fault.at == f"score.py:{line + 1}")
    assert fault.fact == "FEATURES is left to be filled in"


def test_features_of_a_model_that_names_none_are_those_of_a_sample_of_numbers(tmp_path: Path) -> None:
    path = keras_file(tmp_path)
    (tmp_path / "s.json").write_text('{"records": [{"b": 1, "a": 2.5}]}')
    made, _ = init(path, sample=tmp_path / "s.json")
    assert 'FEATURES = ["b", "a"]' in (tmp_path / "score.py").read_text()
    assert not made.draft.blanks
    assert any(note.at == "score.py" and "FEATURES" in note.text for note in made.draft.guesses)
    other = keras_file(tmp_path / "other")
    (tmp_path / "t.json").write_text('{"a": 1, "plan": "pro"}')
    draft = draft_bundle(other, sample=tmp_path / "t.json")
    assert [note.at for note in draft.blanks] == ["score.py"]


def test_a_folder_with_a_script_is_taken_as_it_stands(tmp_path: Path) -> None:
    folder = foreign.example_folder("churn", tmp_path / "churn")
    made, bundle = init(folder)
    assert bundle.scoring.script == "score.py"
    assert bundle.scoring.sources == ("features.py",)
    assert bundle.environment.requirements_file == "requirements.txt"
    assert bundle.model.training_environment == "training-environment.txt"
    assert bundle.schemas.response is not None
    assert made.written == ("bundle.yaml", "samples/refused.json")
    assert statuses(bundle) == [200, 400]


def test_an_azure_script_is_asked_with_a_whole_body(tmp_path: Path) -> None:
    _, bundle = init(foreign.example_folder("triage", tmp_path / "triage"))
    assert bundle.scoring.contract is Contract.AZURE
    assert bundle.schemas.scope == "body"
    assert statuses(bundle) == [200, 400]


def test_a_requirements_file_is_not_changed_and_what_it_lacks_is_said(tmp_path: Path) -> None:
    folder = foreign.example_folder("churn", tmp_path / "churn")
    (folder / "requirements.txt").write_text("scikit-learn==1.7.*\n")
    made, _ = init(folder)
    assert (folder / "requirements.txt").read_text() == "scikit-learn==1.7.*\n"
    assert [note.at for note in made.draft.blanks] == ["requirements.txt"]
    assert "add pandas" in made.draft.blanks[0].text


def test_without_a_requirements_file_versions_come_from_model_and_freeze(tmp_path: Path) -> None:
    folder = foreign.example_folder("churn", tmp_path / "churn")
    (folder / "requirements.txt").unlink()
    _, bundle = init(folder)
    assert bundle.environment.requirements == ("scikit-learn==1.7.2", "joblib==1.6.0", "pandas==2.3.3")


def test_an_mlflow_model_of_a_known_flavor_is_served_without_mlflow(tmp_path: Path) -> None:
    made, bundle = init(foreign.mlflow_sklearn(tmp_path / "churn"))
    assert bundle.model.path == "model.pkl"
    assert bundle.scoring.contract is Contract.NONE
    assert "pandas==2.3.3" in bundle.environment.requirements
    assert not any(line.startswith("mlflow") for line in bundle.environment.requirements)
    assert bundle.schemas.request is not None
    assert bundle.schemas.request["properties"]["support_calls"] == {"type": "integer"}
    assert json.loads(bundle.smoke[0].request) == foreign.CHURN_RECORD
    assert [note.at for note in made.draft.left_behind] == ["requirement mlflow==2.9.2"]


def test_any_other_mlflow_model_is_served_by_mlflow_from_its_whole_folder(tmp_path: Path) -> None:
    foreign.mlflow_pyfunc(tmp_path / "risk" / "model")
    with pytest.raises(UsageError, match="whole folder") as refused:
        draft_bundle(tmp_path / "risk" / "model")
    assert "--into" in (refused.value.hint or "")
    _, bundle = init(tmp_path / "risk" / "model", into=tmp_path / "risk")
    assert bundle.model.path == "model"
    assert bundle.scoring.contract is Contract.NONE
    assert "mlflow==3.1.0" in bundle.environment.requirements
    assert bundle.environment.python == "3.13"


def test_an_azure_deployment_is_brought_together_in_one_folder(tmp_path: Path) -> None:
    made, bundle = init(foreign.azure_deployment(tmp_path))
    assert bundle.root == (tmp_path / "endpoints").resolve()
    assert bundle.model.path == "model"
    assert (bundle.root / "model/churn.pkl").is_file()
    assert bundle.scoring.contract is Contract.AZURE
    assert "scikit-learn==1.2.2" in bundle.environment.requirements
    assert not any("azureml" in line for line in bundle.environment.requirements)
    assert bundle.environment.variables == {"LOG_LEVEL": "10"}
    assert bundle.service.request_timeout == 3.0
    assert statuses(bundle) == [200, 400]
    assert "environment.python" in [note.at for note in made.draft.guesses]


def test_a_cog_predictor_is_called_by_a_script_around_it(tmp_path: Path) -> None:
    made, bundle = init(foreign.cog(tmp_path / "cog"))
    assert bundle.model.path == "weights"
    assert bundle.scoring.sources == ("predict.py", "helpers.py")
    assert bundle.schemas.request is not None
    assert bundle.schemas.request["required"] == ["tenure_months", "contract"]
    assert bundle.schemas.request["properties"]["tenure_months"]["maximum"] == 600
    assert bundle.schemas.request["properties"]["contract"] == {"enum": ["monthly", "one-year"]}
    assert "'scale': 1.5" in made.draft.files["score.py"].decode()
    assert bundle.environment.system_packages == ("libgomp1",)
    assert "cog" in bundle.environment.requirements
    assert made.draft.blanks == []
    assert {note.at for note in made.draft.left_behind} == {"build.run", "build.gpu"}


def test_a_cog_predictor_that_takes_files_names_what_a_person_has_to_say(tmp_path: Path) -> None:
    folder = foreign.cog(tmp_path / "cog")
    text = (folder / "predict.py").read_text().replace("note: str", "image: Path = Input(), note: str")
    (folder / "predict.py").write_text(text)
    made, _ = init(folder)
    assert [note.text for note in made.draft.blanks if "image is a file" in note.text]


def test_a_truss_model_is_called_with_whole_bodies(tmp_path: Path) -> None:
    _, bundle = init(foreign.truss(tmp_path / "truss"))
    assert bundle.name == "churn-model"
    assert bundle.model.path == "data"
    assert bundle.scoring.contract is Contract.AZURE
    assert bundle.scoring.sources == ("model",)
    assert bundle.resources.cpu == 0.5
    assert bundle.resources.memory == 2 << 30
    assert json.loads(bundle.smoke[0].request) == {"rows": [[3, 58.4]]}


def test_a_bento_takes_its_model_from_bentomls_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    made, bundle = init(foreign.bento(tmp_path / "bento", home=tmp_path / "home"))
    assert bundle.owner == "bentoml-team"
    assert bundle.model.path == "model/saved_model.pkl"
    assert bundle.environment.requirements == ("scikit-learn==1.7.2", "pandas==2.3.3")
    assert [note.at for note in made.draft.left_behind] == ["service.py:10 classify"]


def test_a_bento_whose_model_is_elsewhere_has_a_blank_the_parser_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    made = write_draft(draft_bundle(foreign.bento(tmp_path / "bento")))
    assert [note.at for note in made.draft.blanks] == ["model.path"]
    with pytest.raises(BundleError) as refused:
        load_bundle(made.draft.root)
    assert "model.path" in (refused.value.faults[0].at or "")


def test_a_script_for_weights_alone_has_a_blank_the_parser_names(tmp_path: Path) -> None:
    source = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts" / "torch-2.13.0-state.pt"
    (tmp_path / "net.pt").write_bytes(source.read_bytes())
    made = write_draft(draft_bundle(tmp_path / "net.pt"))
    assert {note.at for note in made.draft.blanks} == {"score.py", "smoke[0].request"}
    with pytest.raises(BundleError) as refused:
        load_bundle(made.draft.root)
    facts = " ".join(fault.fact for fault in refused.value.faults)
    assert "script defines load but no predict" in facts


def test_an_empty_folder_is_told_the_forms(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="empty") as refused:
        draft_bundle(tmp_path)
    wanted = refused.value.faults[0].want or ""
    assert all(word in wanted for word in ("score.py", "MLmodel", "Azure", "cog.yaml", "Truss", "bentofile"))


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        draft_bundle(tmp_path / "nowhere")


def test_a_json_sample_is_the_smoke_test(churn_model: Path, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"records": [foreign.CHURN_RECORD]}))
    made, bundle = init(churn_model, sample=tmp_path / "one.json")
    assert json.loads(bundle.smoke[0].request) == foreign.CHURN_RECORD
    assert "samples/accepted.json" not in [note.at for note in made.draft.guesses]


@pytest.mark.parametrize(
    ("change", "fact", "got"),
    [
        ({"data_gb": None}, "the sample lacks data_gb, which the model was trained with", "the fields "),
        ({"data_gb": None, "dataGB": 1}, "the sample lacks data_gb, which the model was trained with", "dataGB"),
        ({"data_gb": "plenty"}, "the model takes a number for data_gb", "the text 'plenty'"),
        ({"contract": "weekly"}, "the model was not trained with this value of contract", "weekly"),
    ],
)
def test_a_sample_that_contradicts_the_model_is_refused(
    churn_model: Path, tmp_path: Path, change: dict[str, object], fact: str, got: str
) -> None:
    record = {key: value for key, value in (foreign.CHURN_RECORD | change).items() if value is not None}
    (tmp_path / "one.json").write_text(json.dumps(record))
    with pytest.raises(UsageError) as refused:
        draft_bundle(churn_model, sample=tmp_path / "one.json")
    (fault,) = refused.value.faults
    assert (fault.fact, fault.at) == (fact, "--sample")
    assert (fault.got or "").startswith(got)
    # Of a folder's own files, one that does not fit is passed over.
    (churn_model.parent / "sample.json").write_text(json.dumps(record))
    assert "sample.json" not in [test.request for test in draft_bundle(churn_model.parent).tests]


def test_all_that_a_sample_contradicts_is_told_at_once(churn_model: Path, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"contract": "weekly", "data_gb": [1]}))
    with pytest.raises(UsageError) as refused:
        draft_bundle(churn_model, sample=tmp_path / "one.json")
    assert len(refused.value.faults) == len(foreign.CHURN_RECORD)


def test_names_a_library_made_up_contradict_no_sample(tmp_path: Path) -> None:
    model = {
        "learner": {
            "feature_names": ["f0", "f1"],
            "gradient_booster": {},
            "learner_model_param": {"num_feature": "2"},
        },
        "version": [3, 2, 0],
    }
    (tmp_path / "m.json").write_text(json.dumps(model))
    (tmp_path / "s.txt").write_text('{"age": 1, "income": 2}')
    assert draft_bundle(tmp_path / "m.json", sample=tmp_path / "s.txt").request_schema is not None


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_a_csv_sample_may_have_another_sign_between_its_columns(churn_model: Path, tmp_path: Path, sign: str) -> None:
    rows = [sign.join(foreign.CHURN_RECORD), sign.join(map(str, foreign.CHURN_RECORD.values()))]
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    _, bundle = init(churn_model, sample=tmp_path / "train.csv")
    assert json.loads(bundle.smoke[0].request) == foreign.CHURN_RECORD


@pytest.mark.parametrize("content", ["a;b\n1;2;3\n", "a;b|c\n1;2|3\n", "a;b\n1\n"])
def test_a_csv_whose_columns_cannot_be_told_apart_is_refused(churn_model: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "train.csv").write_text(content)
    with pytest.raises(UsageError, match="not a CSV file") as refused:
        draft_bundle(churn_model, sample=tmp_path / "train.csv")
    assert "commas" in (refused.value.hint or "")


def test_a_csv_sample_brings_only_what_the_model_knows(churn_model: Path, tmp_path: Path) -> None:
    record = foreign.CHURN_RECORD | {"churned": 1}
    rows = [",".join(record), ",".join(map(str, record.values()))]
    (tmp_path / "train.csv").write_text("\n".join(rows) + "\n")
    _, bundle = init(churn_model, sample=tmp_path / "train.csv")
    assert json.loads(bundle.smoke[0].request) == foreign.CHURN_RECORD


def test_a_bundle_made_elsewhere_leaves_the_source_alone(tmp_path: Path) -> None:
    folder = foreign.example_folder("churn", tmp_path / "churn")
    before = sorted(path for path in folder.rglob("*"))
    _, bundle = init(folder, into=tmp_path / "bundle")
    assert sorted(folder.rglob("*")) == before
    assert bundle.scoring.sources == ("features.py",)
    assert (tmp_path / "bundle/model/churn.joblib").is_file()
    assert bundle.environment.requirements_file == "requirements.txt"


def test_a_broken_manifest_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "cog.yaml").write_text("build:\n  - [\n")
    with pytest.raises(UsageError, match="not valid YAML") as refused:
        draft_bundle(tmp_path)
    assert "cog.yaml:" in (refused.value.faults[0].at or "")


def of_own_classes(folder: Path, module: str = "acme_steps") -> Path:
    """A model file whose pickle names classes of a module of the author's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "own.pkl"
    names = "".join(f"\x8c{chr(len(part))}{part}" for part in (module, "Clip"))
    head = b"\x80\x04\x8c\x10sklearn.pipeline\x8c\x08Pipeline\x93)\x81"
    path.write_bytes(head + names.encode("latin-1") + b"\x93\x86.")
    return path


def test_a_module_beside_the_model_is_a_source_and_no_requirement(tmp_path: Path) -> None:
    foreign.write(tmp_path, {"acme_steps.py": "import yaml\nclass Clip: ...\n"})
    made = write_draft(draft_bundle(of_own_classes(tmp_path))).draft
    assert (made.script, made.sources) == ("score.py", ["acme_steps.py"])
    assert [wanted.name for wanted in made.requirements] == ["scikit-learn", "pyyaml"]
    assert not any("acme" in note.text for note in made.blanks)


def test_a_module_beside_the_model_comes_along_to_another_folder(tmp_path: Path) -> None:
    foreign.write(tmp_path / "train", {"acme_steps.py": "class Clip: ...\n"})
    write_draft(draft_bundle(of_own_classes(tmp_path / "train"), into=tmp_path / "bundle"))
    assert (tmp_path / "bundle" / "acme_steps.py").is_file()


def test_a_module_of_the_folder_is_a_source_of_the_author_s_script(tmp_path: Path) -> None:
    script = "import joblib\ndef load(d):\n    return joblib.load(d + '/own.pkl')\ndef predict(m, r):\n    return r\n"
    foreign.write(tmp_path, {"score.py": script, "acme_steps.py": "class Clip: ...\n"})
    of_own_classes(tmp_path / "models")
    made = draft_bundle(tmp_path)
    assert (made.model, made.sources) == ("models/own.pkl", ["acme_steps.py"])
    assert "acme" not in str(made.requirements)


def test_a_module_that_is_nowhere_is_to_be_filled_in_and_never_a_requirement(tmp_path: Path) -> None:
    made = write_draft(draft_bundle(of_own_classes(tmp_path))).draft
    assert "acme" not in str(made.requirements)
    (note,) = [note for note in made.blanks if note.at == "environment.requirements"]
    assert "module acme_steps, which the model's classes come from" in note.text
    assert "requirements: # fill in: module acme_steps" in (tmp_path / "bundle.yaml").read_text()


@pytest.mark.parametrize("line", ["acme-steps==1.2", "python-acme-steps", "acme_steps>=1"])
def test_a_module_the_author_s_requirements_name_is_theirs(tmp_path: Path, line: str) -> None:
    foreign.write(tmp_path, {"requirements.txt": f"scikit-learn\njoblib\n{line}\n"})
    made = draft_bundle(of_own_classes(tmp_path).parent)
    assert not any("acme" in note.text for note in made.blanks)


def test_a_module_that_was_frozen_is_required_as_it_was(tmp_path: Path) -> None:
    foreign.write(tmp_path, {"freeze.txt": "acme-steps==1.4\nscikit-learn==1.7.2\n"})
    made = draft_bundle(of_own_classes(tmp_path))
    assert "acme-steps==1.4" in [wanted.line for wanted in made.requirements]
    assert not any("acme" in note.text for note in made.blanks)


def test_the_requirements_beside_a_sagemaker_script_are_taken(tmp_path: Path) -> None:
    script = "import joblib, os\ndef model_fn(d):\n    return joblib.load(os.path.join(d, 'm.joblib'))\n"
    script += "def predict_fn(data, model):\n    return model.predict(data)\n"
    foreign.write(tmp_path, {"code/inference.py": script, "code/requirements.txt": "joblib\nscikit-learn==1.7.2\n"})
    (tmp_path / "m.joblib").write_bytes((FIXTURES / "sklearn-1.7.2-scaler.joblib").read_bytes())
    made = draft_bundle(tmp_path)
    assert made.requirements_file == "code/requirements.txt"
    foreign.write(tmp_path, {"requirements.txt": "jupyter\n"})
    assert draft_bundle(tmp_path).requirements_file == "code/requirements.txt"
    (tmp_path / "code" / "requirements.txt").unlink()
    assert draft_bundle(tmp_path).requirements_file == "requirements.txt"


@pytest.mark.parametrize("name", ["dict.joblib", "tuple.joblib", "scaler.joblib"])
def test_what_has_no_predict_itself_becomes_a_bundle_with_a_script(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes((FIXTURES / f"sklearn-1.7.2-{name}").read_bytes())
    made, bundle = init(path)
    assert bundle.scoring.contract is Contract.PREDICT
    assert not made.draft.blanks
    assert statuses(bundle) == [200, 400]


def test_a_container_of_several_estimators_leaves_predict_to_its_author(tmp_path: Path) -> None:
    path = tmp_path / "m.joblib"
    path.write_bytes((FIXTURES / "sklearn-1.7.2-dict-of-two.joblib").read_bytes())
    made = write_draft(draft_bundle(path)).draft
    (note,) = [note for note in made.blanks if note.at == "score.py"]
    assert note.text.startswith("predict for m.joblib: the file holds a dict")


def test_a_schema_narrower_than_the_model_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "plans"
    folder.mkdir()
    shutil.copy(FIXTURES / "sklearn-1.7.2-pipeline.joblib", folder)
    made, bundle = init(folder / "sklearn-1.7.2-pipeline.joblib")
    assert bundle.schemas.request is not None
    assert "enum" in bundle.schemas.request["properties"]["plan"]
    assert any("plan may only be what the model was fitted on" in note.text for note in made.draft.guesses)

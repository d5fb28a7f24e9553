from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from bundle_subjects import NAMES, Files, loud, read_example, read_subject, write_files

from builder.check.finding import Finding
from builder.check.paths import find_paths

YAML = """\
name: churn
version: 1.0.0
model: {path: %s}
scoring: {script: %s, sources: [%s]}
environment: {python: "3.11", requirements: [], variables: {CONFIG: settings.json, STAGE: live}}
"""
FILES = {
    "model/churn.joblib": b"\x80\x04N.",
    "settings.json": "{}",
    "vocab.txt": "a",
    "src/words.txt": "b",
    "src/__init__.py": "",
    "left/out.csv": "c",
    "model/encoder.pkl": b"\x80\x04N.",
}


def check(
    tmp_path: Path,
    load: str,
    *,
    before: str = "",
    predict: str = "return records",
    model: str = "model/churn.joblib",
    script: str = "score.py",
    sources: str = "settings.json, src/",
    more: Files | None = None,
) -> list[Finding]:
    code = f"{before}\n\ndef load(model_dir):\n{textwrap.indent(load, '    ')}\n"
    code += f"\ndef predict(model, records):\n{textwrap.indent(predict, '    ')}\n"
    text = YAML % (model, script, sources)
    root = write_files(tmp_path / "bundle", {**FILES, "bundle.yaml": text, script: code, **(more or {})})
    return list(find_paths(read_subject(root)))


def ids(findings: list[Finding]) -> list[str]:
    return [f"{finding.rule.id} {finding.severity}" for finding in findings]


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_without_fault(name: str, tmp_path: Path) -> None:
    assert loud(find_paths(read_example(name, tmp_path))) == []


GOOD = {
    "the first that is there": (
        "import os\nfor path in ('vocab.txt', 'settings.json', 'nowhere'):\n"
        "    if os.path.exists(path):\n        break\nreturn open(path)"
    ),
    "returned from a loop": (
        "import os\nfor path in ('vocab.txt', 'settings.json'):\n"
        "    if os.path.exists(path):\n        return open(path)\nraise FileNotFoundError(open('nowhere'))"
    ),
    "one that may be": (
        "import os\nfor path in ('vocab.txt', 'settings.json'):\n"
        "    if os.getpid() > 1:\n        break\nreturn open(path)"
    ),
    "another system's branch": "import os\nif os.name == 'nt':\n    return open('C:/models/x')",
    "another platform's branch": "import platform\nif platform.system() == 'Windows':\n    return open('C:/models/x')",
    "a folder that is there already": "import os\nos.makedirs(model_dir, exist_ok=True)",
    "a name for something unknown": "return open_registry().load_model('churn')",
    "only for type checkers": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    open('/home/ann/x')",
    "os.path.join": "import joblib, os\nreturn joblib.load(os.path.join(model_dir, 'churn.joblib'))",
    "pathlib": "import joblib\nfrom pathlib import Path\nreturn joblib.load(Path(model_dir) / 'churn.joblib')",
    "a format": "import joblib\nreturn joblib.load(f'{model_dir}/churn.joblib')",
    "format()": "import joblib\nreturn joblib.load('{}/{}.joblib'.format(model_dir, 'churn'))",
    "percent": "import joblib\nreturn joblib.load('%s/churn.%s' % (model_dir, 'joblib'))",
    "plus": "import joblib\nreturn joblib.load(model_dir + '/churn.joblib')",
    "join of a list": "import joblib\nreturn joblib.load('/'.join([model_dir, 'churn.joblib']))",
    "variable": "import joblib, os\nreturn joblib.load(os.environ['AZUREML_MODEL_DIR'] + '/churn.joblib')",
    "variable with a default": "import os\nreturn open(os.getenv('AZUREML_MODEL_DIR', '/home/me/m') + '/churn.joblib')",
    "bundle's own variable": "import os\nreturn open(os.environ['CONFIG'])",
    "relative to the code": "return open('settings.json')",
    "a source's folder": "return open('src/words.txt')",
    "the script's own folder": "from pathlib import Path\nreturn (Path(__file__).parent / 'settings.json').read_text()",
    "dirname of the file": (
        "import os\nreturn open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'settings.json'))"
    ),
    "resolved": "from pathlib import Path\nreturn open(Path(__file__).resolve().parent.joinpath('src', 'words.txt'))",
    "cwd": "import os\nreturn open(os.path.join(os.getcwd(), 'settings.json'))",
    "changed directory": "import os\nos.chdir('src')\nreturn open('words.txt')",
    "absolute path of the image": "return open('/opt/model/model/churn.joblib', 'rb')",
    "listed": "import os\nreturn [open(os.path.join(model_dir, name), 'rb') for name in os.listdir(model_dir)]",
    "globbed": "import glob\nreturn open(glob.glob(model_dir + '/*.joblib')[0], 'rb')",
    "path globbed": "from pathlib import Path\nreturn open(next(Path(model_dir).glob('*.joblib')), 'rb')",
    "unknown part": "import json\nreturn open(model_dir + '/' + json.loads('[]')[0])",
    "unknown variable": "import os\nreturn open(os.environ['SOMEWHERE'] + '/x')",
    "a url": "import pandas as pd\nreturn pd.read_csv('s3://bucket/x.csv')",
    "a registered model": "import mlflow\nreturn mlflow.pyfunc.load_model('models:/churn/3')",
    "a name of a hub": "import spacy\nreturn spacy.load('en_core_web_sm')",
    "a hub's repository": "from transformers import AutoModel\nreturn AutoModel.from_pretrained('org/model')",
    "the base's file": "return open('/etc/os-release')",
    "a mounted file": "return open('/mnt/secrets/key')",
    "written to tmp": "open('/tmp/x', 'w').write('a')\nimport tempfile\nreturn tempfile.mkdtemp()",
    "read back from tmp": "return open('/tmp/x')",
    "standard output": "return open('/dev/stdout', 'w')",
    "home is tmp": "import os\nos.makedirs(os.path.expanduser('~/.cache/x'), exist_ok=True)",
    "guarded by exists": "import os\nif os.path.exists('vocab.txt'):\n    return open('vocab.txt')",
    "guarded by a fallback": (
        "from pathlib import Path\np = Path('vocab.txt')\n"
        "if not p.exists():\n    p = Path('settings.json')\nreturn p.read_text()"
    ),
    "guarded by return": "import os\nif not os.path.isfile('vocab.txt'):\n    return None\nreturn open('vocab.txt')",
    "guarded by try": "try:\n    return open('vocab.txt')\nexcept FileNotFoundError:\n    return None",
    "guarded by suppress": "import contextlib\nwith contextlib.suppress(OSError):\n    return open('vocab.txt')",
    "one of two may be": "import os\npath = 'vocab.txt' if os.getpid() else 'settings.json'\nreturn open(path)",
    "a default that is there": "import os\nreturn open(os.getenv('OTHER', 'settings.json'))",
    "a model of memory": "import sqlite3\nreturn sqlite3.connect(':memory:')",
    "an open file": "import pickle\nwith open(model_dir + '/churn.joblib', 'rb') as f:\n    return pickle.load(f)",
    "a keyword": "import joblib\nreturn joblib.load(filename=model_dir + '/churn.joblib')",
    "a buffer": "import io, pandas as pd\nreturn pd.read_csv(io.StringIO('a,b'))",
    "main is never run": "return 1\nif __name__ == '__main__':\n    open('nowhere.csv')",
    "a folder where folders are read": "import pandas as pd\nreturn pd.read_parquet(model_dir)",
    "a glob that is asked about": (
        "import glob\nfound = glob.glob(model_dir + '/*.onnx')\nif not found:\n    print('none')\nreturn found"
    ),
    "a glob whose length is asked for": (
        "from pathlib import Path\nfound = sorted(Path(model_dir).rglob('*.x'))\nif len(found) > 1:\n    print(found)"
    ),
    "a glob that is chosen": "import glob\nfound = glob.glob(model_dir + '/*.x')\nreturn found[0] if found else None",
    "a glob's first with a default": "from pathlib import Path\nreturn next(Path(model_dir).glob('*.x'), None)",
    "what the image has beside": "import json\nreturn json.load(open('../bundle.json')), open('../lock/bundle.lock')",
    "listed above": "import os\nreturn os.listdir('..')",
    "a package's file": "return open('../packages/x/data.json'), open('/opt/model/packages/y')",
    "packages listed": "import os\nreturn [open('../packages/' + name) for name in os.listdir('../packages')]",
    "a glob over packages": "import glob\nreturn glob.glob('../**/*.json', recursive=True) + glob.glob('../*/x.y')",
    "another image's model": "return open('/opt/ml/model/model.bin')",
    "os.path.sep": "import os\nreturn open(model_dir + os.path.sep + 'churn.joblib')",
    "above and down": "import os\nreturn open(os.path.join(os.path.dirname(__file__), '..', 'model', 'churn.joblib'))",
    "parents": "from pathlib import Path\nreturn open(Path(__file__).resolve().parents[1] / 'model' / 'churn.joblib')",
    "a member of an enumeration": (
        "import enum\nclass F(enum.Enum):\n    M = 'churn.joblib'\nreturn open(f'{model_dir}/{F.M.value}')"
    ),
    "a package's resource": (
        "import importlib.resources as ir, pkgutil, src\npkgutil.get_data('src', 'words.txt')\n"
        "with ir.as_file(ir.files(src) / 'words.txt') as p:\n    open(p)\nreturn ir.read_text('src', 'words.txt')"
    ),
    "another package's resource": (
        "import importlib.resources as ir, pkgutil\npkgutil.get_data('certifi', 'x.pem')\n"
        "return ir.files('certifi').joinpath('x.pem').read_text()"
    ),
    "a task of a pipeline": "from transformers import pipeline\nreturn pipeline('text-classification', 'org/model')",
    "a font of the system": "from PIL import ImageFont\nreturn ImageFont.truetype('DejaVuSans.ttf', 12)",
    "a cascade of the library": "import cv2\nreturn cv2.CascadeClassifier(cv2.data.haarcascades + 'face.xml')",
    "downloaded to tmp": (
        "import boto3\nboto3.client('s3').download_file('b', 'k', '/tmp/x.bin')\n"
        "boto3.resource('s3').Bucket('b').download_file('k', '/tmp/x.bin')\nreturn open('/tmp/x.bin')"
    ),
    "a check of the stage": "import os\nif os.environ['STAGE'] == 'dev':\n    return open('/home/me/x')",
}


@pytest.mark.parametrize("code", GOOD.values(), ids=GOOD)
def test_paths_that_resolve_in_the_image_or_cannot_be_told_are_left_alone(code: str, tmp_path: Path) -> None:
    assert check(tmp_path, code) == []


BAD = {
    "a folder of a hub": (
        "from transformers import AutoModel\nreturn AutoModel.from_pretrained('./bert')",
        "KILN401 error",
    ),
    "loaded by something unknown": (
        "return open_registry().load_model(model_dir + '/other.bin')",
        "KILN401 error",
    ),
    "a loop over what is not there": (
        "return [open(f'{model_dir}/{name}') for name in ('churn.joblib', 'other.joblib')]",
        "KILN401 error",
    ),
    "misspelt": ("import joblib\nreturn joblib.load(model_dir + '/chrun.joblib')", "KILN401 error"),
    "the bundle's folder": ("import joblib\nreturn joblib.load(model_dir + '/model/churn.joblib')", "KILN401 error"),
    "a relative model": ("import joblib\nreturn joblib.load('model/churn.joblib')", "KILN401 error"),
    "nowhere": ("return open('nowhere.bin')", "KILN401 error"),
    "a folder": ("import joblib\nreturn joblib.load(model_dir)", "KILN401 error"),
    "xgboost": (
        "import xgboost as xgb\nbooster = xgb.Booster()\nbooster.load_model(model_dir + '/m.json')",
        "KILN401 error",
    ),
    "demanded": (
        "import os\nif not os.path.exists(model_dir + '/x.bin'):\n    raise FileNotFoundError('x.bin')",
        "KILN401 error",
    ),
    "asserted": ("from pathlib import Path\nassert (Path(model_dir) / 'x.bin').is_file()", "KILN401 error"),
    "pandas": ("import pandas as pd\nreturn pd.read_csv('nowhere.csv')", "KILN401 error"),
    "numpy": ("import numpy as np\nreturn np.load(model_dir + '/weights.npy')", "KILN401 error"),
    "torch": ("import torch\nreturn torch.load(f'{model_dir}/net.pt')", "KILN401 error"),
    "read_text": (
        "from pathlib import Path\nreturn Path(__file__).with_name('labels.txt').read_text()",
        "KILN401 error",
    ),
    "a default": ("import os\nreturn open(os.getenv('WHERE', 'nowhere.bin'))", "KILN401 warning"),
    "below an unknown condition": ("import os\nif os.getpid():\n    return open('nowhere.bin')", "KILN401 warning"),
    "home": ("return open('/home/ann/churn/model.pkl')", "KILN402 error"),
    "mac": ("return open('/Users/ann/model.pkl')", "KILN402 error"),
    "windows": ("return open('C:\\\\Users\\\\ann\\\\model.pkl')", "KILN402 error"),
    "windows slashes": ("return open('D:/models/model.pkl')", "KILN402 error"),
    "tilde": ("import os\nreturn open(os.path.expanduser('~/model.pkl'))", "KILN402 error"),
    "home()": ("from pathlib import Path\nreturn (Path.home() / 'model.pkl').read_bytes()", "KILN402 error"),
    "a notebook's disk": ("return open('/content/drive/model.pkl')", "KILN402 error"),
    "a search path": ("import sys\nsys.path.append('/home/ann/lib')", "KILN402 error"),
    "a dev branch": ("import os\nif os.environ.get('DEV'):\n    return open('/home/ann/x')", "KILN402 warning"),
    "beside the script": ("return open('vocab.txt')", "KILN403 error"),
    "in a folder beside": (
        "import os\nreturn open(os.path.join(os.path.dirname(__file__), 'left/out.csv'))",
        "KILN403 error",
    ),
    "beside the model": ("import pickle\nreturn pickle.load(open(model_dir + '/encoder.pkl', 'rb'))", "KILN403 error"),
    "a log": ("import logging\nlogging.basicConfig(filename='app.log')", "KILN404 error"),
    "a log's handler": ("import logging\nreturn logging.FileHandler('/opt/model/logs/x.log')", "KILN404 error"),
    "written": ("open('out.csv', 'w').write('a')", "KILN404 error"),
    "made": ("import os\nos.makedirs('cache', exist_ok=True)", "KILN404 error"),
    "dumped": ("import joblib\njoblib.dump(1, model_dir + '/again.joblib')", "KILN404 error"),
    "appended": ("from pathlib import Path\nPath('log.txt').open('a')", "KILN404 error"),
    "a folder above": ("import joblib\nreturn joblib.load('../models/d.pkl')", "KILN401 error"),
    "a parent's folder": (
        "from pathlib import Path\nreturn (Path(__file__).resolve().parents[1] / 'models' / 'd.pkl').read_bytes()",
        "KILN401 error",
    ),
    "an absolute path above": ("return open('/opt/model/churn.joblib')", "KILN401 error"),
    "os.path.sep": ("import os\nreturn open(model_dir + os.path.sep + 'e.pkl')", "KILN401 error"),
    "a member of an enumeration": (
        "import enum\nclass F(enum.Enum):\n    M = 'e.pkl'\nreturn open(f'{model_dir}/{F.M.value}')",
        "KILN401 error",
    ),
    "a resource": (
        "import importlib.resources as ir\nreturn ir.files('src').joinpath('no.txt').read_text()",
        "KILN401 error",
    ),
    "a resource by name": ("import pkgutil\nreturn pkgutil.get_data('src', 'no.txt')", "KILN401 error"),
    "a resource's path": (
        "import importlib.resources as ir\nwith ir.path('src', 'no.txt') as p:\n    return open(p)",
        "KILN401 error",
    ),
    "a pipeline's model": (
        "from transformers import pipeline\nreturn pipeline('text-classification', model=model_dir + '/cls')",
        "KILN401 error",
    ),
    "a pipeline's tokenizer": (
        "from transformers import pipeline\nreturn pipeline('x', 'org/model', tokenizer=model_dir + '/tok')",
        "KILN401 error",
    ),
    "a font": ("from PIL import ImageFont\nreturn ImageFont.truetype(model_dir + '/a.ttf', 12)", "KILN401 error"),
    "a net": ("import cv2\nreturn cv2.dnn.readNetFromONNX(model_dir + '/i.onnx')", "KILN401 error"),
    "weights of a net": (
        "import cv2\nreturn cv2.dnn.readNetFromCaffe(model_dir + '/churn.joblib', model_dir + '/w.bin')",
        "KILN401 error",
    ),
    "a cascade": ("import cv2\nreturn cv2.CascadeClassifier(model_dir + '/face.xml')", "KILN401 error"),
    "downloaded": ("import boto3\nboto3.client('s3').download_file('b', 'k', 'weights.bin')", "KILN404 error"),
    "downloaded and opened": (
        "import boto3\np = model_dir + '/w.bin'\nboto3.client('s3').download_file('b', 'k', p)\nreturn open(p)",
        "KILN404 error",
    ),
    "written where it may fail, and opened": (
        "try:\n    open('w.bin', 'w')\nexcept OSError:\n    pass\nreturn open('w.bin')",
        "KILN401 error",
    ),
    "empty glob above": ("import glob\nreturn glob.glob('../*.pkl')", "KILN405 warning"),
    "a glob that is demanded": (
        "import glob\nfound = glob.glob(model_dir + '/*.x')\nif not found:\n    raise ValueError\nreturn found[0]",
        "KILN405 warning",
    ),
    "a glob's first": ("from pathlib import Path\nreturn next(Path(model_dir).glob('*.x'))", "KILN405 warning"),
    "empty glob": ("import glob\nreturn glob.glob(model_dir + '/*.pkl')", "KILN405 warning"),
    "empty path glob": ("from pathlib import Path\nreturn list(Path(model_dir).rglob('*.onnx'))", "KILN405 warning"),
}


@pytest.mark.parametrize(("code", "expected"), BAD.values(), ids=BAD)
def test_paths_that_are_wrong_are_found(code: str, expected: str, tmp_path: Path) -> None:
    assert ids(check(tmp_path, code)) == [expected]


def test_a_misspelt_model_is_told_with_line_and_name(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, "import joblib\nreturn joblib.load(model_dir + '/chrun.joblib')")
    assert str(finding.place) == "score.py:5:12"
    assert finding.message == "joblib.load opens /opt/model/model/chrun.joblib, which is not in the image"
    assert finding.remedy == 'write os.path.join(model_dir, "churn.joblib"); /opt/model/model holds churn.joblib'


def test_a_folder_above_the_code_is_told_with_where_things_are(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, "import joblib\nreturn joblib.load('../models/churn.joblib')")
    assert finding.message == "joblib.load opens /opt/model/models/churn.joblib, which is not in the image"
    assert finding.remedy == 'write os.path.join(model_dir, "churn.joblib"): that is where it stands in the image'
    (finding,) = check(tmp_path, "import joblib\nreturn joblib.load('../models/d.pkl')")
    assert finding.remedy.endswith("add d.pkl to scoring.sources, and open it relative to __file__")


def test_a_file_that_is_demanded_is_told_as_such(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nif (p := Path(model_dir) / 'e.pkl').exists():\n    return open(p)\n"
        "else:\n    raise FileNotFoundError(p)"
    )
    (finding,) = check(tmp_path, code)
    assert finding.message == "the code raises without /opt/model/model/e.pkl, which is not in the image"


def test_a_helper_is_told_with_the_calls_that_gave_it_the_path(tmp_path: Path) -> None:
    before = (
        "import os\ndef read(path):\n    return open(path)\n"
        "def read_all(folder):\n    return [read(os.path.join(folder, name)) for name in ('a.pkl',)]\n"
        "def words():\n    return open('words')\n"
    )
    found = check(tmp_path, "read(model_dir + '/b.pkl')\nread(model_dir + '/b.pkl')\nwords()", before=before)
    assert [(finding.place.line, finding.message) for finding in found] == [
        (3, "open opens /opt/model/model/b.pkl, which is not in the image (called from score.py:11)"),
        (7, "open opens /opt/model/code/words, which is not in the image"),
    ]
    (finding,) = check(tmp_path, "return read_all(model_dir)", before=before)
    assert finding.message.endswith("which is not in the image (called from score.py:5, from score.py:11)")


def test_a_model_loaded_relative_to_the_bundle_is_sent_to_the_model_directory(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, "import joblib\nreturn joblib.load('model/churn.joblib')")
    assert finding.remedy == 'write os.path.join(model_dir, "churn.joblib"): that is where it stands in the image'


def test_a_file_left_out_is_told_with_what_to_add(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, "return open('vocab.txt')")
    assert (
        finding.message
        == "open opens /opt/model/code/vocab.txt; vocab.txt is in the bundle, but does not enter the image"
    )
    assert finding.remedy == "add vocab.txt to scoring.sources"


def test_a_path_of_another_machine_is_told_with_the_file_of_that_name(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, "return open('/home/ann/work/churn.joblib', 'rb')")
    assert finding.message == "open uses /home/ann/work/churn.joblib, a path of another machine"
    assert finding.remedy == 'write os.path.join(model_dir, "churn.joblib")'


def test_a_model_folder_keeps_its_name_below_the_model_directory(tmp_path: Path) -> None:
    good = (
        "import joblib\nreturn [joblib.load(model_dir + '/model/' + name) for name in ('churn.joblib', 'encoder.pkl')]"
    )
    assert check(tmp_path, good, model="model") == []
    (finding,) = check(tmp_path, "import joblib\nreturn joblib.load(model_dir + '/encoder.pkl')", model="model")
    assert finding.remedy == 'write os.path.join(model_dir, "model/encoder.pkl"): that is where it stands in the image'


def test_relative_paths_are_of_the_code_and_not_of_the_scripts_own_folder(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, "return open('words.txt')", script="src/score.py", sources="src/words.txt")
    assert ids([finding]) == ["KILN401 error"]
    assert (
        finding.remedy == 'write "src/words.txt" relative to the code\'s folder: that is where it stands in the image'
    )
    assert check(tmp_path, "return open('src/words.txt')", script="src/score.py", sources="src/words.txt") == []


def test_functions_are_followed_with_what_they_are_given(tmp_path: Path) -> None:
    before = (
        "def read(folder, name='vocab.txt'):\n    with open(f'{folder}/{name}') as file:\n        return file.read()"
    )
    assert check(tmp_path, "return read('src', 'words.txt')", before=before) == []
    assert ids(check(tmp_path, "return read('src')", before=before)) == ["KILN401 error"]


def test_what_is_never_called_is_not_judged(tmp_path: Path) -> None:
    before = "def train():\n    return open('/home/ann/train.csv')"
    assert check(tmp_path, "return 1", before=before) == []


def test_classes_are_followed(tmp_path: Path) -> None:
    before = textwrap.dedent(
        """\
        import os, joblib
        class Scorer:
            NAME = 'churn.joblib'
            def __init__(self, folder):
                self.folder = folder
            @property
            def path(self):
                return os.path.join(self.folder, self.NAME)
            def read(self, extra=None):
                return joblib.load(extra or self.path)
        """
    )
    assert check(tmp_path, "return Scorer(model_dir).read()", before=before) == []
    assert ids(check(tmp_path, "return Scorer(model_dir + '/v1').read()", before=before)) == ["KILN401 error"]
    assert ids(check(tmp_path, "return Scorer(model_dir).read('no.bin')", before=before)) == ["KILN401 error"]


def test_modules_of_the_bundle_are_followed(tmp_path: Path) -> None:
    more = {
        "lib/__init__.py": "",
        "lib/settings.py": "from pathlib import Path\nHERE = Path(__file__).parent\nNAME = 'churn.joblib'\n",
        "lib/reading.py": "from .settings import HERE\n\ndef words():\n    return (HERE / 'words.txt').read_text()\n",
        "lib/words.txt": "a",
    }
    before = "import joblib\nfrom lib import settings\nfrom lib.reading import words\nimport lib.reading as again"
    code = "words()\nagain.words()\nreturn joblib.load(model_dir + '/' + settings.NAME)"
    assert check(tmp_path, code, before=before, sources="lib/", more=more) == []
    found = check(tmp_path, code, before=before, sources="lib/__init__.py, lib/settings.py, lib/reading.py", more=more)
    assert ids(found) == ["KILN403 error"]
    assert str(found[0].place) == "lib/reading.py:4:12"


def test_what_requests_do_is_judged_too(tmp_path: Path) -> None:
    predict = "with open('requests.log', 'a') as log:\n    log.write('x')\nreturn records"
    assert ids(check(tmp_path, "return 1", predict=predict)) == ["KILN404 error"]


def test_azure_scripts_are_walked_from_init_and_run(tmp_path: Path) -> None:
    code = textwrap.dedent(
        """\
        import os, joblib
        def init():
            global model, path
            path = os.path.join(os.getenv('AZUREML_MODEL_DIR'), 'model', 'churn.joblib')
            model = joblib.load(path)
        def run(raw_data):
            open(path)
            return 1
        """
    )
    root = write_files(
        tmp_path / "bundle", {**FILES, "bundle.yaml": YAML % ("model/churn.joblib", "score.py", ""), "score.py": code}
    )
    findings = list(find_paths(read_subject(root)))
    assert [(f.rule.id, f.place.line) for f in findings] == [("KILN401", 5), ("KILN401", 7)]
    assert 'os.path.join(os.environ["AZUREML_MODEL_DIR"], "churn.joblib")' in findings[0].remedy


def test_a_script_that_never_ends_is_left_in_time(tmp_path: Path) -> None:
    before = "def a(n):\n    return b(n) + b(n) + b(n)\ndef b(n):\n    return c(n) + c(n) + c(n)\n"
    before += "".join(
        f"def {one}(n):\n    return {two}(n) + {two}(n) + {two}(n)\n"
        for one, two in zip("cdefghijklm", "defghijklmn", strict=True)
    )
    before += "def n(n):\n    while True:\n        n(n)\n"
    assert check(tmp_path, "a(1)\nreturn open('nowhere')", before=before) == []


def test_what_is_not_python_is_left_alone(tmp_path: Path) -> None:
    more = {"lib/broken.py": "def (:"}
    assert check(tmp_path, "import lib.broken\nreturn 1", sources="lib/", more=more) == []


SAGEMAKER = """
import os
def open_in(folder): return open(os.path.join(folder, "missing.json"))
def pre_model_fn(model_dir): {pre_model_fn}
def model_fn(model_dir): {model_fn}
def model_warmup_fn(model_dir, model): {model_warmup_fn}
def input_fn(body, content_type): {input_fn}
def predict_fn(data, model): {predict_fn}
def output_fn(prediction, accept): {output_fn}
def train_fn(model_dir): {train_fn}
"""
FUNCTIONS = ("pre_model_fn", "model_fn", "model_warmup_fn", "input_fn", "predict_fn", "output_fn", "train_fn")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_sagemaker_calls_is_followed(function: str, tmp_path: Path) -> None:
    code = SAGEMAKER.format(**{**dict.fromkeys(FUNCTIONS, "return 1"), function: "return open_in('/opt/model/model')"})
    text = YAML % ("model/churn.joblib", "score.py", "settings.json")
    found = list(
        find_paths(read_subject(write_files(tmp_path / "x", {**FILES, "bundle.yaml": text, "score.py": code})))
    )
    assert ids(found) == ([] if function == "train_fn" else ["KILN401 error"])


def test_a_model_goes_from_one_of_sagemakers_functions_to_the_next(tmp_path: Path) -> None:
    code = "def model_fn(model_dir):\n    return model_dir\ndef predict_fn(data, model, context):\n"
    code += "    return open(f'{model}/%s')\n"
    text = YAML % ("model/churn.joblib", "score.py", "settings.json")
    for name, expected in (("churn.joblib", []), ("chrun.joblib", ["KILN401 error"])):
        files = {**FILES, "bundle.yaml": text, "score.py": code % name}
        assert ids(list(find_paths(read_subject(write_files(tmp_path / name, files))))) == expected

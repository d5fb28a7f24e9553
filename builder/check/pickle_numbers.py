"""The allow-list of numpy and SciPy: arrays, numbers, generators, splines and trees."""

from __future__ import annotations

import re
from typing import Final

from builder.check.pickle_arrays import find_odd_type
from builder.check.pickle_contents import content_of, find_odd_array
from builder.check.pickle_grants import Grant, Table, Use, cython, data, grants, is_coded, is_of, is_text, makers, words
from builder.check.pickle_interpolation import INTERPOLATION
from builder.check.pickle_sparse import SPARSE
from builder.check.pickle_spatial import find_odd_tree
from builder.check.pickle_values import Bytes, Global, Instance, OldText, Value


def _array(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 3 and is_of(args[0], "numpy", _ARRAY_CLASSES) and _is_empty(args[1]) and _is_byte(args[2]):
        return None
    return "it may only make plain numpy arrays, which are empty until they have their state"


def _is_empty(shape: Value) -> bool:
    """Tell whether a shape is the one numpy writes: of any other, memory is taken at once."""
    return isinstance(shape, tuple) and len(shape) == 1 and type(shape[0]) is int and shape[0] == 0


def _is_byte(value: Value) -> bool:
    return content_of(value) == b"b" or (is_text(value) and str(value) == "b")


_ARRAY_CLASSES: Final = frozenset({"ndarray", "matrix", "memmap", "MaskedArray", "recarray", "chararray"})


def _dtype(instance: Instance) -> str | None:
    first = instance.args[0] if instance.args else None
    if not is_text(first) and not is_of(first, "numpy", SCALARS):
        return "it may only make a data type from its short name"
    return None


def _built_dtype(instance: Instance) -> str | None:
    """Without a copy, a state would change the data type that everything else in the process uses."""
    args = instance.args
    if len(args) != 3 or args[1] not in (False, 0) or args[2] not in (True, 1):
        return "it would change a data type that is not its own"
    return find_odd_type(instance)


def _scalar(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 2 and isinstance(args[0], Instance) and args[0].path == "numpy.dtype":
        if isinstance(args[1], (Bytes, OldText)):
            return None
        if is_coded(args[1]):
            return None
    return "it may only make a number of a data type from its bytes"


def _buffer(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 4 and isinstance(args[0], Bytes) and isinstance(args[1], Instance):
        return None
    return "it may only read an array from its bytes"


def _masked(instance: Instance) -> str | None:
    args = instance.args
    if (
        len(args) == 4
        and is_of(args[0], "numpy", _ARRAY_CLASSES)
        and is_of(args[1], "numpy", _ARRAY_CLASSES)
        and _is_empty(args[2])
        and _is_byte(args[3])
    ):
        return None
    return "it may only make masked arrays, which are empty until they have their state"


def _masked_state(state: Value) -> str | None:
    """``(version, shape, dtype, is_fortran, content, mask, fill_value)``."""
    wrong = find_odd_array(state)
    if wrong is None and (len(state) != 7 or content_of(state[5]) is None):
        return "its state is not that of a masked array"
    return wrong


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
    if is_text(value):
        return str(value) in _GENERATORS
    if isinstance(value, Instance):
        return str(value.callee) == f"{_RANDOM}.__bit_generator_ctor"
    return is_of(value, "numpy", _GENERATORS)


_UFUNC_MODULE: Final = re.compile(r"numpy(?:\._?core(?:\.\w*(?:umath|numeric))?)?")
"""It is imported: some others of numpy's are programs, such as ``numpy.f2py.__main__``."""


def _ufunc(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 2 and all(isinstance(value, str) for value in args):
        module, name = args
        if _UFUNC_MODULE.fullmatch(module) and name in _UFUNCS:
            return None
    return "it may only look up one of numpy's ufuncs"


SCALARS: Final = words(
    """
    bool bool_ byte ubyte short ushort intc uintc int_ uint intp uintp longlong ulonglong long ulong half single double
    longdouble float_ float16 float32 float64 float96 float128 int8 int16 int32 int64 uint8 uint16 uint32 uint64 csingle
    cdouble clongdouble complex64 complex128 complex256 datetime64 timedelta64 str_ bytes_ unicode_ string_ object_ void
    record generic number integer signedinteger unsignedinteger inexact floating complexfloating flexible character
    """
)
_UFUNCS: Final = words(
    """
    absolute abs add arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil conjugate copysign cos cosh deg2rad
    degrees divide equal exp exp2 expm1 fabs float_power floor floor_divide fmax fmin fmod greater greater_equal hypot
    invert isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not
    logical_or logical_xor maximum minimum mod multiply negative not_equal positive power rad2deg radians reciprocal
    remainder rint sign sin sinh sqrt square subtract tan tanh true_divide trunc
    """
)
_FUNCTIONS: Final = words(
    """
    mean median sum prod std var min max amin amax argmin argmax nanmean nanmedian nansum nanstd nanvar nanmin nanmax
    percentile quantile cumsum cumprod diff clip round nan_to_num ravel transpose asarray array log1p expm1 unique sort
    argsort dot abs absolute hstack vstack dstack stack column_stack concatenate squeeze expand_dims reshape
    atleast_1d atleast_2d where digitize searchsorted bincount interp flip fliplr flipud isin isclose allclose
    """
)

_NUMPY: Final[Table] = (
    grants("numpy", " ".join(SCALARS | _UFUNCS | _FUNCTIONS), Use.NAMED)
    | grants("numpy", "ndarray matrix recarray chararray", Use.NAMED)
    # Whoever calls it opens a file, or empties one; only what makes arrays is given it.
    | {("numpy", "memmap"): Grant(Use.NAMED, is_value=False)}
    | grants("numpy.rec", "recarray record", Use.NAMED)
    | grants("numpy.char", "chararray", Use.NAMED)
    | grants("numpy", "poly1d", Use.MADE)
    | grants("numpy.lib.polynomial", "poly1d", Use.MADE)
    | grants("numpy.lib._polynomial_impl", "poly1d", Use.MADE)
    | grants("numpy.polynomial.polynomial", "Polynomial", Use.MADE)
    | grants("numpy.polynomial.chebyshev", "Chebyshev", Use.MADE)
    | grants("numpy.polynomial.legendre", "Legendre", Use.MADE)
    | grants("numpy.polynomial.hermite", "Hermite", Use.MADE)
    | grants("numpy.polynomial.hermite_e", "HermiteE", Use.MADE)
    | grants("numpy.polynomial.laguerre", "Laguerre", Use.MADE)
    | grants("numpy", "dtype", Use.CALLED, _dtype, built=_built_dtype)
    | grants("numpy.dtypes", "StringDType", Use.CALLED, data)
    | grants("numpy.core._multiarray_umath", " ".join(_UFUNCS), Use.NAMED)
    | makers("numpy.core.multiarray", "_reconstruct", _array, find_odd_array)
    | makers("numpy.core._multiarray_umath", "_reconstruct", _array, find_odd_array)
    | makers("numpy.core.multiarray", "scalar", _scalar)
    | makers("numpy.core._multiarray_umath", "scalar", _scalar)
    | makers("numpy.core.numeric", "_frombuffer", _buffer)
    | makers("numpy.core", "_ufunc_reconstruct", _ufunc)
    | grants("numpy.core.fromnumeric", " ".join(_FUNCTIONS), Use.NAMED)
    | makers("numpy.ma.core", "_mareconstruct", _masked, _masked_state)
    | grants("numpy.ma.core", "MaskedArray", Use.NAMED)
    | grants("numpy.ma", "MaskedArray", Use.NAMED)
    | makers(_RANDOM, "__randomstate_ctor __generator_ctor", _random)
    | grants(_RANDOM, "__bit_generator_ctor", Use.CALLED, _random)
    | grants("numpy.random", "__RandomState_ctor", Use.CALLED, _random)
    | grants("numpy.random._mt19937", "MT19937", Use.NAMED)
    | grants("numpy.random._pcg64", "PCG64 PCG64DXSM", Use.NAMED)
    | grants("numpy.random._philox", "Philox", Use.NAMED)
    | grants("numpy.random._sfc64", "SFC64", Use.NAMED)
    | grants("numpy.random.bit_generator", "SeedSequence", Use.MADE)
    | makers("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence", cython)
)

_SPLINES: Final = (
    "_call_linear_np _call_linear _call_nearest _call_previousnext _call_spline _call_nan_spline "
    "_check_and_update_bounds_error_for_extrapolation"
)


_MOVED: Final[Table] = {
    key: grant
    for module in ("scipy.interpolate._interpolate", "scipy.interpolate.interpolate")
    for key, grant in (
        grants(module, "interp1d", Use.MADE)
        | grants(module, " ".join(f"interp1d.{name}" for name in _SPLINES.split()), Use.NAMED)
    ).items()
} | {
    # BSpline keeps the function that makes its arrays; where SciPy carries it has moved.
    key: grant
    for module in ("scipy._lib.array_api_compat.numpy._aliases", "scipy._external.array_api_compat.numpy._aliases")
    for key, grant in grants(module, "asarray", Use.NAMED).items()
}
_SCIPY: Final[Table] = (
    INTERPOLATION
    | SPARSE
    | grants("scipy.interpolate._rbfinterp", "RBFInterpolator", Use.MADE)
    | grants("scipy.interpolate._ndgriddata", "NearestNDInterpolator", Use.MADE)
    | grants("scipy.spatial._ckdtree", "cKDTree", Use.MADE, state=find_odd_tree)
    | grants("scipy.spatial.ckdtree", "cKDTree", Use.MADE, state=find_odd_tree)
    | grants("scipy.spatial._kdtree", "KDTree", Use.MADE, state=find_odd_tree)
    | grants("scipy.spatial.transform._rotation", "Rotation", Use.MADE)
    | grants("scipy.stats._kde", "gaussian_kde", Use.MADE)
    | grants("scipy.stats.kde", "gaussian_kde", Use.MADE)
    | grants("scipy.optimize._optimize", "OptimizeResult", Use.MADE)
    | grants("scipy.optimize.optimize", "OptimizeResult", Use.MADE)
    | grants("scipy.optimize._lbfgsb_py", "LbfgsInvHessProduct", Use.MADE)
    | grants("scipy.special._ufuncs", "expit logit log_ndtr ndtr ndtri gammaln", Use.NAMED)
    | grants("scipy.special", "expit logit log_ndtr ndtr ndtri gammaln", Use.NAMED)
)

NUMBERS: Final[Table] = _NUMPY | _MOVED | _SCIPY
"""By module and name; numpy 2's ``numpy._core`` stands under its older name."""

FUNCTIONS: Final = frozenset({("numpy", name) for name in _UFUNCS | _FUNCTIONS})
"""Functions of numpy that do nothing but reckon."""

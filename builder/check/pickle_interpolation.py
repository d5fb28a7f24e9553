"""The states of SciPy's triangulations and interpolators: predicting follows their numbers, and nothing checks them."""

from __future__ import annotations

import math
from typing import Final

from builder.check.pickle_contents import Shape, are_floats, are_within, numbers_of, shape_of
from builder.check.pickle_grants import Table, Use, grants, is_made_by, singles
from builder.check.pickle_values import Instance, Mapping, Value

_ODD: Final = "its state refers to points or parts that are not there"
_ODD_SPLINE: Final = "its state has more or fewer coefficients than its knots need"
_HIGHEST_DEGREE: Final = 5
"""Of FITPACK's splines; its code has room for no more."""
_TRIANGULATIONS: Final = frozenset({"scipy.spatial._qhull.Delaunay", "scipy.spatial.qhull.Delaunay"})


def _settings(state: Value) -> dict[str, Value] | None:
    """Return what a state sets, each once: a dict, or a pair of a dict or nothing and one of slots."""
    found: dict[str, Value] = {}
    parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
    for part in parts:
        if part is None and len(parts) == 2:
            continue
        named = singles(part)
        if named is None or found.keys() & named.keys():
            return None
        found |= named
    return found


# Triangulations


def _triangulation(state: Value) -> str | None:
    return None if _is_triangulation(state, lifted=1) else _ODD


def _hull(state: Value) -> str | None:
    return None if _is_triangulation(state, lifted=0) else _ODD


def _is_triangulation(state: Value, *, lifted: int) -> bool:
    """What holds a ``_qhull`` closes it when it goes, whatever that is; a finished one holds none.

    Delaunay's triangulation is a hull too, of points lifted into one more dimension.
    """
    found = _settings(state) if isinstance(state, Mapping) else None
    if found is None or "_qhull" not in found or found["_qhull"] is not None:
        return False
    axes, points, count = (found.get(key) for key in ("ndim", "npoints", "nsimplex"))
    if type(axes) is not int or type(points) is not int or type(count) is not int or min(axes, points, count) < 1:
        return False
    corners = (count, axes + lifted)
    return (
        are_within(found.get("simplices"), corners, 0, points)
        and are_within(found.get("neighbors"), corners, -1, count)
        and are_floats(found.get("equations"), (count, axes + 1 + lifted))
        and are_floats(found.get("_points"), (points, axes))
        and are_floats(found.get("min_bound"), (axes,))
        and are_floats(found.get("max_bound"), (axes,))
        and all(
            found.get(key) is None or are_within(found[key], None, -1, max(points, count))
            for key in ("coplanar", "_vertices")
        )
        and (found.get("_transform") is None or are_floats(found["_transform"], (count, axes + 1, axes)))
        and (found.get("_vertex_to_simplex") is None or are_within(found["_vertex_to_simplex"], (points,), -1, count))
        and _are_neighbors(found.get("_vertex_neighbor_vertices"), points)
    )


def _are_neighbors(value: Value, points: int) -> bool:
    """``(starts, points)``: of each point, where those that it has an edge with begin."""
    if value is None:
        return True
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    others = shape_of(value[1])
    if others is None or len(others) != 1 or not are_within(value[1], None, 0, points):
        return False
    return are_within(value[0], (points + 1,), 0, others[0] + 1, rising=True)


def _interpolator(state: Value) -> str | None:
    """A triangulation, and at each of its points a row of values, and perhaps of gradients."""
    found = _settings(state) if isinstance(state, Mapping) else None
    held: Value = None if found is None else found.get("tri")
    if found is None or not is_made_by(held, _TRIANGULATIONS) or len(held.states) != 1:
        return _ODD
    points = shape_of((_settings(held.states[0]) or {}).get("_points"))
    values, given = numbers_of(found.get("values")), found.get("values_shape")
    if points is None or len(points) != 2 or values is None or values.typestr not in ("<f8", "<c16"):
        return _ODD
    if len(values.shape) != 2 or values.shape[0] != points[0] or shape_of(found.get("points")) != points:
        return _ODD
    if not isinstance(given, tuple) or not all(type(size) is int for size in given):
        return _ODD
    gradients = numbers_of(found["grad"]) if "grad" in found else None
    has_gradients = gradients is not None and gradients.shape == (*values.shape, 2) and points[1] == 2
    if math.prod(given) != values.shape[1] or ("grad" in found and not has_gradients):
        return _ODD
    moved = [shape_of(found[key]) for key in ("scale", "offset") if found.get(key) is not None]
    return None if all(shape == (points[1],) for shape in moved) else _ODD


def _smooth_interpolator(state: Value) -> str | None:
    found = _settings(state) if isinstance(state, Mapping) else None
    return _interpolator(state) if found is not None and "grad" in found else _ODD


# Splines


def _spline(state: Value) -> str | None:
    """Of degree k, there are k and one more knots than coefficients, and at least twice as many."""
    found = _settings(state)
    if found is None:
        return _ODD_SPLINE
    knots, coefficients = shape_of(found.get("_t", found.get("t"))), shape_of(found.get("_c", found.get("c")))
    return None if _fit(knots, coefficients, found.get("k")) else _ODD_SPLINE


def _fit(knots: Shape | None, coefficients: Shape | None, degree: Value) -> bool:
    if knots is None or coefficients is None or len(knots) != 1 or not coefficients or type(degree) is not int:
        return False
    count = knots[0] - degree - 1
    return 0 <= degree < count and coefficients[0] >= count


def _pieces(state: Value) -> str | None:
    """Of each piece between two places, the coefficients of a polynomial."""
    found = _settings(state)
    if found is None:
        return _ODD_SPLINE
    places, coefficients = shape_of(found.get("_x", found.get("x"))), shape_of(found.get("_c", found.get("c")))
    if places is None or coefficients is None or len(places) != 1 or len(coefficients) < 2:
        return _ODD_SPLINE
    return None if coefficients[0] > 0 and coefficients[1] == places[0] - 1 > 0 else _ODD_SPLINE


def _many_pieces(state: Value) -> str | None:
    found = _settings(state)
    places = None if found is None else found.get("x")
    coefficients = None if found is None else shape_of(found.get("c"))
    if not isinstance(places, tuple) or coefficients is None or len(coefficients) < 2 * len(places):
        return _ODD_SPLINE
    pieces = coefficients[len(places) : 2 * len(places)]
    fits = all(shape_of(place) == (count + 1,) for place, count in zip(places, pieces, strict=True))
    return None if fits and min(coefficients[: 2 * len(places)], default=0) > 0 else _ODD_SPLINE


def _fitted(state: Value) -> str | None:
    found = _settings(state) if isinstance(state, Mapping) else None
    parts = None if found is None else found.get("_eval_args")
    if not isinstance(parts, tuple) or len(parts) != 3 or type(parts[2]) is not int or parts[2] > _HIGHEST_DEGREE:
        return _ODD_SPLINE
    return None if _fit(shape_of(parts[0]), shape_of(parts[1]), parts[2]) else _ODD_SPLINE


def _fitted_surface(state: Value) -> str | None:
    found = _settings(state) if isinstance(state, Mapping) else None
    parts, degrees = (None, None) if found is None else (found.get("tck"), found.get("degrees"))
    if not isinstance(parts, tuple) or len(parts) != 3 or not isinstance(degrees, tuple) or len(degrees) != 2:
        return _ODD_SPLINE
    counts = []
    for knots, degree in zip(map(shape_of, parts[:2]), degrees, strict=True):
        if knots is None or len(knots) != 1 or type(degree) is not int or not 0 <= degree <= _HIGHEST_DEGREE:
            return _ODD_SPLINE
        counts.append(knots[0] - degree - 1)
    coefficients = shape_of(parts[2])
    fits = min(counts) > 0 and coefficients is not None and len(coefficients) == 1
    return None if fits and coefficients is not None and coefficients[0] >= math.prod(counts) else _ODD_SPLINE


def _grid(state: Value) -> str | None:
    """``RegularGridInterpolator``: along each axis as many values as the grid has places."""
    found = _settings(state) if isinstance(state, Mapping) else None
    if found is None:
        return _ODD
    grid, values = found.get("_grid", found.get("grid")), shape_of(found.get("_values", found.get("values")))
    if not isinstance(grid, tuple) or values is None or len(values) < len(grid):
        return _ODD
    fits = all(shape_of(places) == (count,) and count > 0 for places, count in zip(grid, values, strict=False))
    return None if fits else _ODD


# The table

_MODULES: Final = {
    "_qhull qhull": ("scipy.spatial", {"Delaunay": _triangulation, "ConvexHull": _hull}),
    "_interpnd interpnd": (
        "scipy.interpolate",
        {"LinearNDInterpolator": _interpolator, "CloughTocher2DInterpolator": _smooth_interpolator},
    ),
    "_interpolate interpolate": ("scipy.interpolate", {"PPoly BPoly": _pieces, "NdPPoly": _many_pieces}),
    "_cubic": (
        "scipy.interpolate",
        {"PchipInterpolator CubicSpline CubicHermiteSpline Akima1DInterpolator": _pieces},
    ),
    "_bsplines": ("scipy.interpolate", {"BSpline": _spline}),
    "_rgi": ("scipy.interpolate", {"RegularGridInterpolator": _grid}),
    "_fitpack2 fitpack2": (
        "scipy.interpolate",
        {
            "UnivariateSpline InterpolatedUnivariateSpline LSQUnivariateSpline": _fitted,
            "BivariateSpline RectBivariateSpline SmoothBivariateSpline LSQBivariateSpline RectSphereBivariateSpline "
            "SmoothSphereBivariateSpline": _fitted_surface,
        },
    ),
}


def _finished(instance: Instance) -> str | None:
    """Without a state there is nothing that could be looked at, and compiled code looks all the same."""
    return None if len(instance.states) == 1 else "it is given no state"


def _table() -> Table:
    found: Table = {}
    for modules, (package, classes) in _MODULES.items():
        for module in modules.split():
            for names, check in classes.items():
                found |= grants(f"{package}.{module}", names, Use.MADE, _finished, check)
    return found


INTERPOLATION: Final[Table] = _table()
"""By module and name."""

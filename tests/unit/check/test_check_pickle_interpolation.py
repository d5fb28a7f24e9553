"""States of SciPy's that predicting follows: triangulations, splines and sparse matrices."""

from __future__ import annotations

from typing import Any

import pytest
from pickle_assembler import Made, array, frombuffer, name, pickled, reconstructed

from builder.check.pickle_allowance import Allowance, Judgement
from builder.check.pickle_classes import Definitions
from builder.check.pickle_screening import screen_bytes


def objections(value: Any) -> list[str]:
    screening = screen_bytes(pickled(value), "model.pkl", Allowance(Definitions()))
    damages = [damage.text for damage in screening.damages]
    return damages + [o.subject for _, o in screening.objections if o.judgement is not Judgement.ALLOWED]


def floats(*shape: int) -> Made:
    size = 8
    for count in shape:
        size *= count
    return frombuffer(bytes(size), "f8", shape)


def table(*rows: tuple[int, ...], kind: str = "i4") -> Made:
    content = b"".join(number.to_bytes(int(kind[1:]), "little", signed=True) for row in rows for number in row)
    return frombuffer(content, kind, (len(rows), len(rows[0])))


# Triangulations

DELAUNAY = name("scipy.spatial._qhull.Delaunay")
HULL = name("scipy.spatial._qhull.ConvexHull")


def delaunay(**changed: Any) -> Made:
    """Two triangles over four points."""
    state = {
        "_qhull": None,
        "simplices": table((0, 1, 2), (1, 3, 2)),
        "neighbors": table((1, -1, -1), (-1, 0, -1)),
        "equations": floats(2, 4),
        "coplanar": frombuffer(b"", "i4", (0, 3)),
        "good": None,
        "ndim": 2,
        "npoints": 4,
        "nsimplex": 2,
        "_points": floats(4, 2),
        "min_bound": floats(2),
        "max_bound": floats(2),
        "_transform": None,
        "_vertex_to_simplex": None,
        "_vertex_neighbor_vertices": None,
    }
    return DELAUNAY.new().build({**state, **changed})


def edges(*starts: int, others: tuple[int, ...] = (1, 2, 0, 3, 0, 3)) -> tuple[Made, Made]:
    return array(*starts, kind="i4"), array(*others, kind="i4")


def interpolator(kind: str = "LinearND", **changed: Any) -> Made:
    state = {"tri": delaunay(), "points": floats(4, 2), "values": floats(4, 1), "values_shape": (), "scale": None}
    return name(f"scipy.interpolate._interpnd.{kind}Interpolator").new().build({**state, **changed})


def smooth(**changed: Any) -> Made:
    return interpolator("CloughTocher2D", **{"grad": floats(4, 1, 2), **changed})


@pytest.mark.parametrize(
    "value",
    [
        delaunay(),
        delaunay(_vertex_neighbor_vertices=edges(0, 2, 4, 5, 6), _vertex_to_simplex=array(0, 0, -1, 1, kind="i4")),
        delaunay(_transform=floats(2, 3, 2), coplanar=table((3, 1, 0))),
        interpolator(),
        interpolator(values=floats(4, 3), values_shape=(3,), scale=floats(2), offset=floats(2)),
        smooth(),
    ],
)
def test_triangulations_of_points_that_are_there_pass(value: Made) -> None:
    assert objections(value) == []


@pytest.mark.parametrize(
    "value",
    [
        delaunay(_qhull="x"),
        delaunay(simplices=table((0, 1, 2), (1, 4, 2))),
        delaunay(simplices=table((0, 1, 2), (1, -1, 2))),
        delaunay(simplices=table((0, 1, 2))),
        delaunay(simplices=floats(2, 3)),
        delaunay(neighbors=table((1 << 28, -1, -1), (-1, 0, -1))),
        delaunay(neighbors=table((-2, -1, -1), (-1, 0, -1))),
        delaunay(equations=floats(2, 3)),
        delaunay(_points=floats(3, 2)),
        delaunay(npoints=1 << 20),
        delaunay(nsimplex=9),
        delaunay(ndim=3),
        delaunay(min_bound=floats(1)),
        delaunay(_transform=floats(1, 3, 2)),
        delaunay(_vertex_to_simplex=array(0, 0, 0, 2, kind="i4")),
        delaunay(_vertex_neighbor_vertices=edges(0, 2, 4, 5, 7)),
        delaunay(_vertex_neighbor_vertices=edges(0, 4, 2, 5, 6)),
        delaunay(_vertex_neighbor_vertices=edges(0, 2, 4, 5, 6, others=(1, 2, 0, 3, 0, 4))),
        delaunay(coplanar=table((9, 1, 0))),
        delaunay(simplices=reconstructed(["x"] * 6, "O8", (2, 3))),
        DELAUNAY.new(),
        DELAUNAY.new().build({}),
        HULL.new().build({"_qhull": None, "simplices": array(0)}),
        interpolator(tri=DELAUNAY.new()),
        interpolator(tri=None),
        interpolator(values=floats(3, 1)),
        interpolator(values=floats(4)),
        interpolator(points=floats(3, 2)),
        interpolator(values_shape=(9,)),
        interpolator(scale=floats(1)),
        interpolator("CloughTocher2D"),
        smooth(grad=floats(3, 1, 2)),
        smooth(grad=None),
    ],
)
def test_triangulations_that_lead_out_of_their_points_are_refused(value: Made) -> None:
    assert objections(value)


# Splines


def spline(knots: int, coefficients: int, degree: Any) -> Made:
    state = {"_t": floats(knots), "_c": floats(coefficients, 2), "k": degree, "extrapolate": True, "axis": 0}
    return name("scipy.interpolate._bsplines.BSpline").new().build(state)


def pieces(places: int, *shape: int, kind: str = "_interpolate.PPoly") -> Made:
    slots = {"_x": floats(places), "_c": floats(*shape), "extrapolate": True, "axis": 0}
    return name(f"scipy.interpolate.{kind}").new().build((None, slots))


def fitted(knots: int, coefficients: int, degree: int) -> Made:
    parts = (floats(knots), floats(coefficients), degree)
    return name("scipy.interpolate._fitpack2.UnivariateSpline").new().build({"_eval_args": parts, "_data": None})


def surface(across: int, along: int, coefficients: int, degree: int = 3) -> Made:
    made = name("scipy.interpolate._fitpack2.RectBivariateSpline").new()
    parts = (floats(across), floats(along), floats(coefficients))
    return made.build({"fp": 0.0, "tck": parts, "degrees": (degree, degree)})


def grid(values: tuple[int, ...], *places: int) -> Made:
    state = {"_grid": tuple(map(floats, places)), "_values": floats(*values), "method": "linear"}
    return name("scipy.interpolate._rgi.RegularGridInterpolator").new().build(state)


def many(shape: tuple[int, ...], *places: int) -> Made:
    state = {"x": tuple(map(floats, places)), "c": floats(*shape), "extrapolate": True}
    return name("scipy.interpolate._interpolate.NdPPoly").new().build(state)


@pytest.mark.parametrize(
    "value",
    [
        spline(14, 10, 3),
        spline(12, 12, 3),
        spline(7, 6, 0),
        pieces(5, 2, 4),
        pieces(5, 4, 4, 2, kind="_cubic.CubicSpline"),
        fitted(8, 8, 3),
        surface(8, 8, 16),
        grid((3, 2), 3, 2),
        grid((3, 2, 5), 3, 2),
        many((2, 2, 3, 4), 4, 5),
    ],
)
def test_splines_with_coefficients_for_all_knots_pass(value: Made) -> None:
    assert objections(value) == []


@pytest.mark.parametrize(
    "value",
    [
        spline(14, 1, 3),
        spline(14, 10, 1000),
        spline(14, 10, -1),
        spline(14, 10, "3"),
        spline(6, 9, 3),
        name("scipy.interpolate._bsplines.BSpline").new(),
        pieces(5, 2, 1),
        pieces(5, 0, 4),
        pieces(1, 2, 0),
        pieces(10, 4, 1, kind="_cubic.CubicSpline"),
        fitted(8, 3, 3),
        fitted(80, 80, 30),
        surface(8, 8, 15),
        surface(80, 80, 6400, degree=30),
        grid((3, 1), 3, 2),
        grid((3,), 3, 2),
        many((2, 2, 3, 1), 4, 5),
    ],
)
def test_splines_with_too_few_coefficients_are_refused(value: Made) -> None:
    assert objections(value)


# Sparse matrices


def sparse(kind: str, shape: tuple[int, ...] = (2, 3), **state: Any) -> Made:
    return name(f"scipy.sparse._{kind}.{kind}_matrix").new().build({"_shape": shape, "maxprint": 50, **state})


def compressed(kind: str, places: Made, starts: Made, data: Made | None = None) -> Made:
    return sparse(kind, indices=places, indptr=starts, data=floats(2) if data is None else data)


def numbers(*values: int) -> Made:
    return array(*values, kind="i4")


def lists(rows: list[Any], values: list[Any]) -> Made:
    return sparse("lil", rows=reconstructed(rows, "O8", (2,)), data=reconstructed(values, "O8", (2,)))


@pytest.mark.parametrize(
    "matrix",
    [
        compressed("csr", numbers(2, 0), numbers(0, 1, 2)),
        compressed("csr", numbers(), numbers(0, 0, 0), floats(0)),
        compressed("csc", numbers(1, 0), numbers(0, 1, 2, 2)),
        compressed("bsr", numbers(0, 2), numbers(0, 2), floats(2, 2, 1)),
        sparse("coo", coords=(numbers(0, 1), numbers(2, 0)), data=floats(2)),
        sparse("coo", row=numbers(0, 1), col=numbers(2, 0), data=floats(2)),
        sparse("dia", data=floats(1, 3), offsets=numbers(1)),
        lists([[2], []], [[1.0], []]),
        sparse("dok", _dict={}),
    ],
)
def test_matrices_whose_numbers_are_inside_pass(matrix: Made) -> None:
    assert objections(matrix) == []


@pytest.mark.parametrize(
    "matrix",
    [
        compressed("csr", numbers(3, 0), numbers(0, 1, 2)),
        compressed("csr", numbers(1 << 30, 0), numbers(0, 1, 2)),
        compressed("csr", numbers(-1, 0), numbers(0, 1, 2)),
        compressed("csr", numbers(2, 0), numbers(0, 1, 1 << 30)),
        compressed("csr", numbers(2, 0), numbers(0, 2, 1)),
        compressed("csr", numbers(2, 0), numbers(1, 1, 2)),
        compressed("csr", numbers(2, 0), numbers(0, 2)),
        compressed("csr", numbers(2, 0, 1), numbers(0, 1, 3)),
        compressed("csr", array(2, 0), numbers(0, 1, 2)),
        compressed("csc", numbers(2, 0), numbers(0, 1, 2, 2)),
        compressed("bsr", numbers(0, 3), numbers(0, 2), floats(2, 2, 1)),
        compressed("bsr", numbers(0, 2), numbers(0, 2), floats(2, 0, 1)),
        sparse("coo", coords=(numbers(0, 2), numbers(2, 0)), data=floats(2)),
        sparse(
            "coo",
            coords=(
                numbers(
                    0,
                ),
                numbers(2, 0),
            ),
            data=floats(2),
        ),
        sparse("coo", coords=(numbers(0, 1),), data=floats(2)),
        sparse("dia", data=floats(1, 3), offsets=numbers(1, 2)),
        lists([[3], []], [[1.0], []]),
        lists([[2], []], [[], []]),
        sparse("csr", shape=(-1, 3), indices=numbers(), indptr=numbers(0), data=floats(0)),
        name("scipy.sparse._csr.csr_matrix").new().build("x"),
    ],
)
def test_matrices_with_numbers_outside_are_refused(matrix: Made) -> None:
    assert objections(matrix)

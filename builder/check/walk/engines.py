"""Calls that need a module their own library does without: readers, writers and drawers it imports when asked.

Tried with pandas 3.1, xgboost 3.2 and lightgbm 4.7, each without what the table names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import splitext
from types import MappingProxyType

from builder.check.walk.state import CallSite
from builder.check.walk.values import NONE, Constant, PathObject, Product, RequestFrame, Value, text_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """What a call needs: any of these modules, the one to be had first."""

    modules: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Modules that would do too where they are set up; nobody is told to add them."""
    choice: str = "engine"
    """The keyword that names another."""
    choice_position: int | None = None
    by_suffix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Which modules the first argument calls for by its ending, where that can be told."""
    text_position: int | None = None
    text_keyword: str = ""
    """An argument without which, or where it is no text, nothing is needed."""


_READ_EXCEL = {
    ".xlsx": ("openpyxl",), ".xlsm": ("openpyxl",), ".xls": ("xlrd",), ".xlsb": ("pyxlsb",),
    ".ods": ("odf",), ".odt": ("odf",), ".odf": ("odf",),
}  # fmt: skip
_WRITE_EXCEL = {".xlsx": ("openpyxl", "xlsxwriter"), ".xlsm": ("openpyxl",), ".ods": ("odf",)}
_PARQUET = Engine(modules=("pyarrow", "fastparquet"), choice_position=1)
_EXCEL = Engine(modules=("openpyxl", "xlrd", "odf", "pyxlsb", "python_calamine"), by_suffix=_READ_EXCEL)
_EXCEL_OUT = Engine(modules=("openpyxl", "xlsxwriter", "odf"), by_suffix=_WRITE_EXCEL)
_DATABASE = Engine(modules=("sqlalchemy",), text_position=1, text_keyword="con")
_DRAWING = Engine(modules=("matplotlib",), others=("plotly", "hvplot", "pandas_bokeh"), choice="backend")
_SKLEARN = Engine(modules=("sklearn",))

_ESTIMATORS = {
    "xgboost": ("XGBModel", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"),
    "lightgbm": ("LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker"),
}

CALLS: Mapping[str, Engine] = MappingProxyType(
    {
        "pandas.ExcelFile": _EXCEL,
        "pandas.ExcelWriter": _EXCEL_OUT,
        "pandas.HDFStore": Engine(modules=("tables",)),
        "pandas.read_csv": Engine(),
        "pandas.read_excel": _EXCEL,
        "pandas.read_feather": Engine(modules=("pyarrow",)),
        "pandas.read_hdf": Engine(modules=("tables",)),
        "pandas.read_html": Engine(modules=("lxml",), choice="flavor"),
        "pandas.read_json": Engine(),
        "pandas.read_orc": Engine(modules=("pyarrow",)),
        "pandas.read_parquet": _PARQUET,
        "pandas.read_spss": Engine(modules=("pyreadstat",)),
        "pandas.read_sql": _DATABASE,
        "pandas.read_sql_query": _DATABASE,
        "pandas.read_sql_table": _DATABASE,
        "pandas.read_xml": Engine(modules=("lxml",), choice="parser"),
        **{
            f"{module}.{name}": _SKLEARN
            for library, names in _ESTIMATORS.items()
            for module in (library, f"{library}.sklearn")
            for name in names
        },
    }
)
"""By dotted name."""

METHODS: Mapping[str, Engine] = MappingProxyType(
    {
        "to_excel": _EXCEL_OUT,
        "to_feather": Engine(modules=("pyarrow",)),
        "to_hdf": Engine(modules=("tables",)),
        "to_markdown": Engine(modules=("tabulate",)),
        "to_orc": Engine(modules=("pyarrow",)),
        "to_parquet": _PARQUET,
        "to_sql": _DATABASE,
    }
)
"""Methods of pandas' frames whose names hardly anything else has."""

FRAME_METHODS: Mapping[str, Engine] = MappingProxyType(
    {
        "boxplot": _DRAWING,
        "hist": _DRAWING,
        "to_xarray": Engine(modules=("xarray",)),
        "to_xml": Engine(modules=("lxml",), choice="parser"),
    }
)
"""Methods that much else has too, so that the frame itself must be known."""

ATTRIBUTES: Mapping[str, Engine] = MappingProxyType({"plot": _DRAWING, "style": Engine(modules=("jinja2",))})
"""What is read of a frame before anything is called."""

LIBRARIES = frozenset({"pandas", *_ESTIMATORS})
"""Without any of these in the image, no call of the table is worth a look."""

_CHOSEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bs4": ("html5lib",), "calamine": ("python_calamine",), "fastparquet": ("fastparquet",),
        "html5lib": ("html5lib",), "lxml": ("lxml",), "odf": ("odf",), "openpyxl": ("openpyxl",),
        "pyarrow": ("pyarrow",), "pyxlsb": ("pyxlsb",), "xlrd": ("xlrd",), "xlsxwriter": ("xlsxwriter",),
    }
)  # fmt: skip

_FRAMES = frozenset(
    {
        "DataFrame", "DataFrame.from_dict", "DataFrame.from_records", "Series", "concat", "get_dummies",
        "json_normalize", "merge", "pivot_table", "read_csv", "read_feather", "read_json", "read_parquet",
        "read_pickle", "read_sql", "read_sql_query", "read_table",
    }
)  # fmt: skip


def makes_frame(name: str) -> bool:
    """Tell whether a library's function makes a frame of pandas, or a series."""
    return name.startswith("pandas.") and name.removeprefix("pandas.") in _FRAMES


def is_frame(value: Value) -> bool:
    """Tell whether a value is surely a frame of pandas, or a series."""
    return isinstance(value, RequestFrame) or (isinstance(value, Product) and makes_frame(value.name))


def find_modules(engine: Engine, site: CallSite) -> tuple[str, ...]:
    """Return the modules of which a call needs any; none when it needs none, or that cannot be told."""
    if any(word.arg is None for word in site.node.keywords):
        return ()
    chosen = _argument(site, engine.choice_position, engine.choice) or NONE
    if not isinstance(chosen, Constant):
        return ()
    if chosen.value is not None and chosen.value != "auto":
        return _CHOSEN.get(str(chosen.value), ())
    if engine.text_keyword:
        text = _argument(site, engine.text_position, engine.text_keyword)
        return engine.modules if text is not None and isinstance(text, Constant) and text_of(text) else ()
    first = site.arguments[0] if site.arguments else None
    if engine.by_suffix and isinstance(first, Constant | PathObject):
        suffix = splitext(text_of(first) or "")[1].lower()
        return engine.by_suffix.get(suffix, ())
    return engine.modules


def _argument(site: CallSite, position: int | None, keyword: str) -> Value | None:
    if keyword in site.keywords:
        return site.keywords[keyword]
    return site.arguments[position] if position is not None and position < len(site.arguments) else None

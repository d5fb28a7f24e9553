from __future__ import annotations

import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.scaffold.artifact import read_artifact
from builder.scaffold.columns import sklearn_intake
from builder.scaffold.pickled import read_pickle
from builder.scaffold.skops import _value, read_skops

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts"

nodes: Any = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries(
            {
                "__loader__": st.sampled_from(
                    ["JsonNode", "ListNode", "TupleNode", "NdArrayNode", "DictNode", "ObjectNode"]
                )
            },
            optional={"content": inner, "type": st.just("json"), "__class__": st.text(max_size=5)},
        )
    ),
    max_leaves=15,
)


def test_a_skops_archive_tells_what_the_same_model_tells_from_joblib() -> None:
    intake = sklearn_intake(read_skops(FIXTURES / "sklearn-1.7.2-pipeline.skops"))
    assert intake is not None
    assert intake == sklearn_intake(read_pickle(FIXTURES / "sklearn-1.7.2-pipeline.joblib"))


def test_only_types_that_do_nothing_are_trusted_unasked() -> None:
    artifact = read_artifact(FIXTURES / "sklearn-1.7.2-pipeline.skops")
    assert artifact is not None
    assert artifact.trusted == ("numpy.dtype",)
    assert artifact.untrusted == ()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"__loader__": "JsonNode", "content": "{"}'])
def test_a_damaged_archive_tells_nothing(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "x.skops", "w") as archive:
        archive.writestr("schema.json", content)
    assert sklearn_intake(read_skops(tmp_path / "x.skops")) is None
    (tmp_path / "y.skops").write_bytes(content)
    assert read_skops(tmp_path / "y.skops") is None


def test_an_archive_damaged_anywhere_is_read_or_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b'{"__loader__": "JsonNode", "content": "[1, 2, 3]"}')
    content = path.read_bytes()
    told = []
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        told.append(read_skops(path))
    assert None in told


@given(nodes)
def test_any_tree_of_nodes_is_read_or_refused(node: Any) -> None:
    with suppress(ValueError, TypeError):
        sklearn_intake(_value(node, 0))

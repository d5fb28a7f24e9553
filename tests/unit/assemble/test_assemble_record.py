from __future__ import annotations

import csv
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.assemble.record import Row, is_listed, parse_record, write_record

EMPTY = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_rows_are_read_with_their_hash_and_size() -> None:
    rows = parse_record(f"a.py,{EMPTY},0\nRECORD,,\n")
    assert rows == {"a.py": Row(path="a.py", algorithm="sha256", digest=hashlib.sha256().digest(), size=0)}


def test_hashes_the_specification_forbids_count_as_none() -> None:
    assert parse_record("a.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\n") == {}


@pytest.mark.parametrize(
    "text",
    [
        "a.py,sha256=short,0\n",
        "a.py,sha256=!!!!,0\n",
        f"a.py,{EMPTY},many\n",
        '"a.py,x,0\n',
        f"a.py,{EMPTY},0\na.py,{EMPTY},1\n",
    ],
)
def test_malformed_rows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"malformed row|not CSV|two different rows"):
        parse_record(text)


def test_a_record_is_sorted_with_line_feeds() -> None:
    text = write_record([Row.of("b", b""), Row.of("a,b", b"")], ["RECORD"])
    assert text.decode() == f'RECORD,,\n"a,b",{EMPTY},0\nb,{EMPTY},0\n'


@given(st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1), st.binary()))
def test_what_is_written_is_read_back(files: dict[str, bytes]) -> None:
    rows = {path: Row.of(path, data) for path, data in files.items()}
    text = write_record(rows.values(), [])
    assert parse_record(text.decode()) == rows
    assert [line[0] for line in csv.reader(io.StringIO(text.decode(), newline=""))] == sorted(rows, key=str.encode)


def test_only_record_and_its_signatures_need_no_row() -> None:
    info = "x-1.dist-info"
    assert [is_listed(f"{info}/{name}", info) for name in ("RECORD", "RECORD.jws", "RECORD.p7s", "METADATA")] == [
        False,
        False,
        False,
        True,
    ]
    assert is_listed("x/RECORD", info)

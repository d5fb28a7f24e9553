from __future__ import annotations

import io
import pickle
import re
import struct
import tarfile
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from random import Random
from uuid import UUID

import pytest
from check_subjects import make_subject
from pickle_makers import (
    ARRAYS,
    HOSTILE,
    PAYLOAD,
    PLAIN,
    call,
    compressed,
    object_array,
    program,
    stack_global,
    text,
    with_flipped_crc,
    wrapper,
    zipped,
    zipped_twice,
)

from builder.check.finding import Level
from builder.check.pickle_allowance import Allowance, Judgement
from builder.check.pickle_classes import Definitions
from builder.check.pickle_screening import Screening, screen, screen_bytes
from builder.check.pickles import find_pickles

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "artifacts"
MODELS = sorted(
    path
    for path in FIXTURES.iterdir()
    if path.is_file() and path.suffix not in (".py", ".md") and path.name != "expected.json"
)
EXAMPLES = sorted(path for path in ROOT.glob("examples/*/model/*") if path.is_file())
HELLO = HOSTILE["os.system by STACK_GLOBAL"]


def allowance() -> Allowance:
    return Allowance(Definitions())


def look(content: bytes, name: str = "model.pkl") -> Screening:
    return screen_bytes(content, name, allowance())


def is_refused(screening: Screening) -> bool:
    return bool(screening.damages) or any(o.judgement is Judgement.REFUSED for _, o in screening.objections)


def refused(screening: Screening) -> set[str]:
    return {o.subject for _, o in screening.objections if o.judgement is Judgement.REFUSED}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused(name: str) -> None:
    assert is_refused(look(HOSTILE[name]))


@pytest.mark.parametrize("ending", [".bin", ".json", ".onnx", ".h5", ".txt", "", ".npy", ".safetensors"])
def test_a_hostile_pickle_is_refused_under_any_name(ending: str) -> None:
    assert "os.system" in refused(look(HELLO, "model" + ending))


@pytest.mark.parametrize("method", compressed(b""))
@pytest.mark.parametrize("name", ["os.system by STACK_GLOBAL", "os.system by INST", "stacked after STOP"])
def test_compression_hides_nothing(method: str, name: str) -> None:
    assert "os.system" in refused(look(compressed(HOSTILE[name])[method], "model.joblib"))


@pytest.mark.parametrize("name", ARRAYS)
def test_nothing_hides_in_arrays(name: str) -> None:
    assert is_refused(look(ARRAYS[name], "model.joblib"))


@pytest.mark.parametrize("name", ["in the bytes of plain numbers", "in the bytes of an array without padding"])
def test_what_plain_pickle_would_run_in_an_array_is_named(name: str) -> None:
    assert refused(look(ARRAYS[name], "model.joblib")) == {"os.system"}


def test_arrays_as_joblib_writes_them_pass() -> None:
    assert not is_refused(look(program(wrapper(dtype="i1", flags=0) + b"\x01\xff*"), "model.joblib"))
    nested = program(wrapper(dtype="O8", flags=0x3F) + program(object_array(text("age")), 5))
    assert not is_refused(look(nested, "model.joblib"))
    old = program(wrapper(dtype="i1", flags=0, alignment=False) + b"*")
    assert not is_refused(look(old, "model.joblib"))


@pytest.mark.parametrize("path", [*MODELS, *EXAMPLES], ids=lambda path: path.name)
def test_ordinary_models_of_every_framework_pass(path: Path) -> None:
    screening = screen(path, allowance())
    assert screening.damages == []
    assert screening.objections == []


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_passes_in_every_protocol(protocol: int) -> None:
    value = {
        "numbers": [1, -1, 2**40, -(2**70), 1.5, float("inf"), True, None, 1j],
        "texts": ["é", "x" * 300, b"bytes", bytearray(b"more"), "line\nbreak"],
        "sets": [{1, 2}, frozenset({3}), range(3), slice(1, 2)],
        "containers": [OrderedDict(a=1), defaultdict(list, {"a": [1]}), Counter("aab"), deque([1], 3)],
        "times": [datetime(2026, 1, 1, tzinfo=UTC), timedelta(1)],
        "others": [Decimal("1.5"), Fraction(1, 3), UUID(int=7), PurePosixPath("a/b"), Random(1)],
        "types": [int, str, object, dict, type(None), Ellipsis],
    }
    screening = look(pickle.dumps(value, protocol))
    assert screening.damages == []
    assert screening.objections == []


def test_a_finding_names_the_global_and_its_offset() -> None:
    screening = look(b"\x80\x04" + b"N0" * 50 + HELLO[2:])
    ((member, objection),) = screening.objections
    assert (member, objection.subject) == (None, "os.system")
    assert objection.offset == HELLO.index(b"\x93") + 100


def test_a_global_is_told_once_however_often_it_is_named() -> None:
    assert len(look(program(PAYLOAD + b"0" + PAYLOAD)).objections) == 1


def test_every_byte_after_a_pickle_is_accounted_for() -> None:
    assert look(PLAIN + b"\0\0\0").damages
    assert not is_refused(look(PLAIN + PLAIN))
    assert look(b"").damages


def test_an_archive_is_searched_through_and_through() -> None:
    for member in ("archive/data.pkl", "archive/other.bin", "deep/er/x", "archive/data/0.pkl"):
        archive = zipped({"archive/data.pkl": PLAIN, member: HELLO})
        assert "os.system" in refused(look(archive, "model.pt"))
    inner = zipped({"model.pkl": HELLO})
    assert "os.system" in refused(look(zipped({"inner.zip": inner}), "model.zip"))


def test_a_hostile_tensor_is_found_when_it_is_called_a_pickle() -> None:
    assert "os.system" in refused(look(zipped({"a/data.pkl": PLAIN, "a/data/0": HELLO}), "model.pt"))


def test_an_archive_with_a_member_that_has_no_name_is_read_to_its_end() -> None:
    assert "os.system" in refused(look(zipped({"": b"", "archive/data.pkl": HELLO}), "model.pt"))


def test_two_members_of_one_name_are_both_read_and_refused() -> None:
    for first, second in ((PLAIN, HELLO), (HELLO, PLAIN)):
        screening = look(zipped_twice("archive/data.pkl", first, second), "model.pt")
        assert [damage.text for damage in screening.damages if "two members" in damage.text]
        assert "os.system" in refused(screening)


def test_a_wrong_checksum_does_not_stop_the_search() -> None:
    screening = look(with_flipped_crc(zipped({"archive/data.pkl": HELLO})), "model.pt")
    assert screening.damages
    assert "os.system" in refused(screening)


def test_an_archive_without_its_list_is_searched_by_its_bytes() -> None:
    content = zipped({"archive/data.pkl": HELLO})
    screening = look(content[: content.index(b"PK\x01\x02")], "model.pt")
    assert screening.damages
    assert "os.system" in refused(screening)


def test_a_tar_archive_is_searched() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("model/pickle")
        info.size = len(HELLO)
        archive.addfile(info, io.BytesIO(HELLO))
    assert "os.system" in refused(look(file.getvalue(), "model.tar"))


def test_an_npy_file_of_objects_is_searched() -> None:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    assert "os.system" in refused(look(npy + HELLO, "model.npy"))
    assert not is_refused(look(npy + program(object_array(text("a"))), "model.npy"))


@pytest.mark.parametrize("length", range(6, 10))
def test_an_npy_file_that_ends_in_its_header_is_damaged(length: int) -> None:
    screening = look(b"\x93NUMPY\x01\x00\xff\xff"[:length], "model.npy")
    assert "the header of the .npy data is damaged" in [damage.text for damage in screening.damages]


def test_an_archive_and_a_pickle_in_one_file_are_refused() -> None:
    assert look(PLAIN + zipped({"data.pkl": PLAIN})).damages


def test_damaged_compression_is_refused() -> None:
    for content in compressed(PLAIN).values():
        assert look(content[:-5], "model.joblib").damages
    assert look(b"ZF0x0000000000000010x\x9c", "model.joblib").damages


def test_a_tensor_inside_of_a_plain_pickle_is_searched_too() -> None:
    inner = zipped({"archive/data.pkl": HELLO})
    body = stack_global("torch.storage", "_load_from_bytes") + b"B" + struct.pack("<I", len(inner)) + inner + b"\x85R"
    screening = look(program(body))
    assert refused(screening) == {"os.system"}


def test_persistent_objects_are_only_for_torch() -> None:
    key = b"(" + text("storage") + stack_global("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x01tQ"
    assert is_refused(look(program(key)))
    assert not is_refused(look(zipped({"a/data.pkl": program(key)}), "model.pt"))


DEEP = {
    "tuples": b")" + b"\x85" * 200_000,
    "a tuple that is hashed": b"})" + b"\x85" * 500_000 + b"Ns",
    "a tuple that is hashed in what is dropped": b"})" + b"\x85" * 500_000 + b"Ns0N",
    "lists": b"]" * 50_000 + b"a" * 49_999,
    "lists in a circle": b"]q\x00" + b"]" * 50_000 + b"h\x00" + b"a" * 50_001,
    "sets": b"(" * 5_000 + b"N" + b"\x91" * 5_000,
    "dicts": b"}" + b"N}" * 5_000 + b"s" * 5_000,
    "one under a mark that is dropped": b"(" + b")" + b"\x85" * 5_000 + b"1N",
    "objects": stack_global("types", "SimpleNamespace")
    + b"q\x000"
    + (b"h\x00)R}" + text("a")) * 2_000
    + b"N"
    + b"sb" * 2_000,
}


@pytest.mark.parametrize("name", DEEP)
def test_what_lies_too_deep_in_each_other_is_refused(name: str) -> None:
    screening = look(program(DEEP[name]))
    (damage,) = screening.damages
    assert "more than 2000 deep" in damage.text
    assert "in a list or an array" in damage.remedy
    assert {objection.reason for _, objection in screening.objections} <= {"it makes something very large a key"}


def test_what_lies_as_deep_as_a_pickler_writes_passes() -> None:
    assert not is_refused(look(program(b")" + b"\x85" * 1_900)))
    shared = b")" + b"".join(b"q\x00h\x00\x86" for _ in range(1_000))
    assert not is_refused(look(program(shared)))  # 2 to the 1000th ways down
    linked: list[object] = []
    for _ in range(300):
        linked = [linked, {"next": linked}]
    assert not is_refused(look(pickle.dumps(linked)))


def test_a_text_file_that_happens_to_begin_like_an_opcode_passes() -> None:
    for content in (b"channels:\n- conda-forge\n", b"config\nvalue\n", b"import os\n", b"I am\n", b"Vision\n."):
        assert not is_refused(look(content, "README.md"))


def test_the_author_s_own_classes_pass_and_are_named(tmp_path: Path) -> None:
    source = b"import os\nfrom subprocess import Popen\n\nclass Ratio:\n    pass\n\n\ndef half(x):\n    return x / 2\n"
    own = stack_global("features", "Ratio") + b")\x81" + stack_global("features", "half") + b"\x86"
    subject = make_subject(tmp_path, files={"model/m.pkl": program(own)}, sources={"features.py": source})
    (finding,) = find_pickles(subject)
    assert (finding.rule.id, finding.severity) == ("KILN303", Level.NOTE)
    assert "features.Ratio, features.half" in finding.message


@pytest.mark.parametrize(
    "body",
    [
        call("features", "os.system", "x"),
        call("features", "Popen", "x"),
        call("features", "half", "x"),
        stack_global("features", "Gone") + b")\x81",
        stack_global("features", "Ratio.run") + b")\x81",
    ],
)
def test_the_author_s_modules_open_no_way_to_others(tmp_path: Path, body: bytes) -> None:
    source = b"import os\nfrom subprocess import Popen\nclass Ratio:\n    def run(self): ...\ndef half(x): ...\n"
    subject = make_subject(tmp_path, files={"model/m.pkl": program(body)}, sources={"features.py": source})
    assert "KILN301" in {finding.rule.id for finding in find_pickles(subject)}


WHEEL = {
    "tool/__init__.py": "from tool.inner import Model\nfrom subprocess import Popen\n",
    "tool/inner.py": "class Model: ...\nclass Closing:\n    def __del__(self): ...\nclass Restoring:\n"
    "    def __setstate__(self, state): run(state)\ndef run(x): ...\n",
}


@pytest.mark.parametrize(
    ("body", "rules"),
    [
        (stack_global("tool.inner", "Model") + b")\x81}b", set()),
        (stack_global("tool", "Model") + b")\x81", set()),
        (stack_global("tool", "Model") + b")R", {"KILN301"}),
        (stack_global("tool.inner", "Closing") + b")\x81", {"KILN301"}),
        (stack_global("tool.inner", "Restoring") + b")\x81", {"KILN301"}),
        (call("tool.inner", "run", "x"), {"KILN301"}),
        (stack_global("tool", "Popen") + b")\x81", {"KILN301"}),
        (stack_global("tool.inner", "Gone") + b")\x81", {"KILN202"}),
        (stack_global("tool.gone", "Model") + b")\x81", {"KILN202"}),
        (stack_global("other", "Model") + b")\x81", {"KILN301"}),
    ],
)
def test_of_a_locked_distribution_only_classes_it_has_may_be_made(tmp_path: Path, body: bytes, rules: set[str]) -> None:
    subject = make_subject(tmp_path, files={"model/m.pkl": program(body)}, wheels={"tool": ("1.0", WHEEL)})
    assert {finding.rule.id for finding in find_pickles(subject)} == rules


SKLEARN = {
    "sklearn/__init__.py": "",
    "sklearn/base.py": "import os\nclass BaseEstimator: ...\ndef clone(x): ...\n",
    "sklearn/metrics/__init__.py": "",
    "sklearn/metrics/_scores.py": "def accuracy_score(a, b): ...\n",
    "sklearn/tree/__init__.py": "",
    "sklearn/tree/_tree.cpython-311-x86_64-linux-gnu.so": "Tree\0__pyx_unpickle_Tree\0system\0Splitter\0",
    "sklearn/_loss/__init__.py": "",
    "sklearn/_loss/_loss.cpython-311-x86_64-linux-gnu.so": "CyHalfBinomialLoss\0",
    "sklearn/externals/__init__.py": "class Anything: ...\n",
}


@pytest.mark.parametrize(
    ("body", "rules"),
    [
        (stack_global("sklearn.base", "BaseEstimator") + b")\x81}b", set()),
        (stack_global("sklearn.base", "BaseEstimator") + b")R", {"KILN301"}),
        (stack_global("sklearn.tree._tree", "Tree"), set()),
        (call("sklearn.tree._tree", "Tree", "x"), {"KILN301"}),
        (stack_global("sklearn.tree._tree", "Splitter") + b")\x81", {"KILN301"}),
        (stack_global("sklearn.tree._tree", "__pyx_unpickle_Tree"), {"KILN301"}),
        (call("sklearn.tree._tree", "system", "x"), {"KILN301"}),
        (call("_loss", "CyHalfBinomialLoss"), set()),
        (stack_global("sklearn.metrics._scores", "accuracy_score"), set()),
        (call("sklearn.metrics._scores", "accuracy_score", "x"), {"KILN301"}),
        (stack_global("sklearn.base", "clone"), {"KILN301"}),
        (stack_global("sklearn.base", "os"), {"KILN301"}),
        (stack_global("sklearn.base", "os.system"), {"KILN301"}),
        (stack_global("sklearn.externals", "Anything") + b")\x81", {"KILN301"}),
        (stack_global("sklearn.ensemble._gb_losses", "BinomialDeviance") + b")\x81", {"KILN202"}),
        (stack_global("sklearn.base", "Removed") + b")\x81", {"KILN202"}),
    ],
)
def test_scikit_learn_s_classes_are_looked_up_in_its_wheel(tmp_path: Path, body: bytes, rules: set[str]) -> None:
    subject = make_subject(tmp_path, files={"model/m.pkl": program(body)}, wheels={"scikit-learn": ("1.7.2", SKLEARN)})
    assert {finding.rule.id for finding in find_pickles(subject)} == rules


def test_findings_say_what_and_where(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, files={"model/m.pt": zipped({"archive/data.pkl": HELLO})})
    (finding,) = find_pickles(subject)
    assert (finding.rule.id, finding.severity) == ("KILN301", Level.ERROR)
    assert finding.place.path == "model/m.pt"
    assert finding.place.detail is not None
    assert finding.place.detail.startswith("archive/data.pkl, offset ")
    assert "os.system" in finding.message


def test_a_malformed_pickle_is_an_error_of_its_own(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, files={"model/m.pkl": PLAIN[:-3]})
    (finding,) = find_pickles(subject)
    assert (finding.rule.id, finding.severity) == ("KILN302", Level.ERROR)


class Made:
    """Pickles as a call of anything."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.made = function, arguments

    def __reduce__(self) -> object:
        return self.made


@pytest.mark.parametrize(
    ("function", "arguments", "is_fine"),
    [
        (bytearray, (b"abc",), True),
        (bytearray, (1000,), True),
        (bytearray, (1 << 40,), False),
        (bytes, (1 << 33,), False),
        (re._compile, ("a+b", 32), True),  # type: ignore[attr-defined]
        (re._compile, ("(a|b)" * 5000, 32), False),  # type: ignore[attr-defined]
        (re._compile, ("a", 0x80), False),  # type: ignore[attr-defined]
    ],
)
def test_plain_calls_are_allowed_within_bounds(function: object, arguments: tuple[object, ...], is_fine: bool) -> None:
    content = pickle.dumps(Made(function, *arguments))
    assert is_refused(look(content)) == (not is_fine)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.lock.pins import Pin, PinError, merge_pins, parse_pins, pins_for, render_pins
from builder.lock.target import Target
from builder.oci.digest import Digest
from tests.support.bundles import AMD64, ARM64, digest_of

X86 = Target(python="3.11", platform=AMD64, glibc=(2, 36))
ARM = Target(python="3.11", platform=ARM64, glibc=(2, 36))
A, B = digest_of("a"), digest_of("b")

# As pip-tools and uv write the same choice.
PIP_TOOLS = f"""\
--only-binary :all:

numpy==2.4.6 \\
    --hash={A} \\
    --hash={B}
    # via
    #   -c constraints.in
    #   -r requirements.in
    #   Scikit_Learn
scikit-learn==1.7.2 \\
    --hash={A}
    # via -r requirements.in
"""
UV = f"""\
numpy==2.4.6 \\
    --hash={B} \\
    --hash={A}
    # via
    #   -r /tmp/kiln-x1/requirements.in
    #   scikit-learn
scikit-learn==1.7.2 \\
    --hash={A}
    # via -r /tmp/kiln-x1/requirements.in
"""


def pin(name: str, version: str = "1.0", *hashes: Digest, via: tuple[str, ...] = (), marker: str | None = None) -> Pin:
    return Pin(name=name, version=version, hashes=frozenset(hashes), via=via, marker=marker)


def test_both_resolvers_output_is_read_alike() -> None:
    assert parse_pins(PIP_TOOLS) == parse_pins(UV)
    assert parse_pins(UV)[0] == pin("numpy", "2.4.6", A, B, via=("requirements", "scikit-learn"))


def test_text_has_one_form_and_no_trace_of_this_machine() -> None:
    assert render_pins(parse_pins(UV), [X86, ARM]) == (
        "# Made by `kiln lock` for Python 3.11 on linux/amd64, linux/arm64.\n"
        "# Not to be edited: change the requirements and run `kiln lock` again.\n"
        "numpy==2.4.6 \\\n"
        + "".join(f"    --hash={digest}{end}\n" for digest, end in zip(sorted((A, B)), (" \\", ""), strict=True))
        + "    # via requirements, scikit-learn\n"
        "scikit-learn==1.7.2 \\\n"
        f"    --hash={A}\n"
        "    # via requirements\n"
    )


NAMES = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,5}){0,2}", fullmatch=True)
PINS = st.builds(
    Pin,
    name=NAMES,
    version=st.from_regex(r"[1-9][0-9]?(\.[0-9]{1,2}){0,2}(\+cpu)?", fullmatch=True),
    hashes=st.frozensets(st.binary(min_size=1, max_size=4).map(Digest.of), max_size=3),
    via=st.lists(NAMES, max_size=3, unique=True).map(lambda names: tuple(sorted(names))),
    marker=st.sampled_from([None, 'platform_machine == "x86_64"']),
)


@given(st.lists(PINS, max_size=5, unique_by=lambda pin: pin.name))
def test_text_read_back_gives_the_same_pins(pins: list[Pin]) -> None:
    ordered = tuple(sorted(pins, key=lambda pin: pin.name))
    assert parse_pins(render_pins(ordered, [X86])) == ordered


@pytest.mark.parametrize("line", ["numpy>=2", "numpy @ https://host/numpy.whl", "numpy", "not a requirement"])
def test_line_that_pins_nothing_is_refused_by_number(line: str) -> None:
    with pytest.raises(PinError, match="line 2"):
        parse_pins(f"# header\n{line}\n")


def test_pins_of_a_target_are_those_whose_markers_hold_there() -> None:
    pins = [pin("a"), pin("b", marker='platform_machine == "aarch64"'), pin("c", marker='sys_platform == "win32"')]
    assert pins_for(pins, X86) == (pin("a"),)
    assert pins_for(pins, ARM) == (pin("a"), pin("b"))


def test_merging_unites_hashes_where_platforms_agree() -> None:
    merged = merge_pins([(X86, [pin("a", "1", A, via=("x",))]), (ARM, [pin("a", "1", B, via=("y",))])])
    assert merged == (pin("a", "1", A, B, via=("x", "y")),)


def test_merging_marks_lines_by_machine_where_platforms_differ() -> None:
    merged = merge_pins([(X86, [pin("a", "2", A), pin("only")]), (ARM, [pin("a", "1", B)])])
    assert merged == (
        pin("a", "1", B, marker='platform_machine == "aarch64"'),
        pin("a", "2", A, marker='platform_machine == "x86_64"'),
        pin("only", marker='platform_machine == "x86_64"'),
    )
    assert pins_for(merged, ARM) == (pin("a", "1", B),)

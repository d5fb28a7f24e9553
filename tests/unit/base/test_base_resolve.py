from collections.abc import Sequence

import pytest

from builder.base.repository import Package
from builder.base.resolve import Cut, Universe, close_over, glibc_of
from builder.errors import BaseImageError, ResolutionError


def package(name: str, version: str = "1", archive: str = "main", **fields: str) -> Package:
    return Package(
        name, archive, {"Package": name, "Version": version} | {key.replace("_", "-"): v for key, v in fields.items()}
    )


def names(packages: Sequence[Package]) -> list[str]:
    return [f"{one.name}={one.version}" for one in packages]


def test_the_closure_follows_dependencies_and_pre_dependencies() -> None:
    universe = Universe.of(
        [
            package("a", Depends="b (>= 1)", Pre_Depends="c"),
            package("b", Depends="d"),
            package("c"),
            package("d", Depends="a"),
            package("unrelated"),
        ]
    )
    assert names(close_over(["a"], universe)) == ["a=1", "b=1", "c=1", "d=1"]


def test_the_highest_version_wins_and_the_first_suite_among_equal_ones() -> None:
    universe = Universe.of(
        [
            package("a", "1.0", "main"),
            package("b", "1.0", "main"),
            package("a", "1.0+fix", "security"),
            package("b", "1.0", "security"),
        ]
    )
    chosen = close_over(["a", "b"], universe)
    assert [(one.name, str(one.version), one.archive) for one in chosen] == [
        ("a", "1.0+fix", "security"),
        ("b", "1.0", "main"),
    ]


def test_the_first_alternative_is_taken_unless_another_is_there() -> None:
    universe = Universe.of([package("a", Depends="x | y"), package("x"), package("y")])
    assert names(close_over(["a"], universe)) == ["a=1", "x=1"]
    assert names(close_over(["a", "y"], universe)) == ["a=1", "y=1"]
    assert names(close_over(["a"], universe, present={"y": "1"})) == ["a=1"]


def test_provided_names_count_with_the_version_they_are_given() -> None:
    universe = Universe.of(
        [
            package("a", Depends="virtual (>= 2)"),
            package("old", Provides="virtual (= 1)"),
            package("new", "9", Provides="other, virtual (= 3)"),
            package("b", Depends="other (>= 1)"),
        ]
    )
    assert names(close_over(["a"], universe)) == ["a=1", "new=9"]
    with pytest.raises(ResolutionError, match=r"other \(>= 1\)"):
        close_over(["b"], universe)


def test_cuts_hold_for_one_package_or_for_all() -> None:
    universe = Universe.of(
        [package("a", Depends="x, y"), package("b", Depends="x"), package("x"), package("y"), package("z")]
    )
    one = [Cut(package="x", needed_by="a", reason="because")]
    every = [Cut(package="x", needed_by="*", reason="because")]
    assert names(close_over(["a"], universe, cuts=one)) == ["a=1", "y=1"]
    assert names(close_over(["a", "b"], universe, cuts=one)) == ["a=1", "b=1", "x=1", "y=1"]
    assert names(close_over(["a", "b"], universe, cuts=every)) == ["a=1", "b=1", "y=1"]
    assert names(close_over(["x"], universe, cuts=every)) == ["x=1"]


def test_what_is_present_satisfies_and_never_changes() -> None:
    universe = Universe.of(
        [
            package("a", "2", Depends="base (= 2)"),
            package("a", "1", Depends="base (= 1)"),
            package("base", "2"),
            package("base", "1"),
        ]
    )
    assert names(close_over(["a"], universe, present={"base": "1"})) == ["a=1"]
    assert close_over(["base"], universe, present={"base": "1"}) == ()


def test_a_base_that_is_too_old_is_told_to_be_locked_again() -> None:
    universe = Universe.of([package("a", Depends="base (>= 2)"), package("base", "2")])
    with pytest.raises(ResolutionError) as caught:
        close_over(["a"], universe, present={"base": "1"})
    assert "a" in caught.value.render()


def test_all_faults_come_at_once_with_their_chains() -> None:
    universe = Universe.of(
        [
            package("a", Depends="b"),
            package("b", Depends="gone (>= 2)"),
            package("c", Depends="low (>= 5)"),
            package("low", "4"),
            package("libgomp1"),
        ]
    )
    with pytest.raises(ResolutionError) as caught:
        close_over(["a", "c", "libgomp2"], universe)
    text = caught.value.render()
    assert "a needs b needs gone" in text
    assert "low (>= 5)" in text
    assert "no such package: libgomp2" in text
    assert "did you mean libgomp1" in text
    assert len(caught.value.faults) == 3


def test_packages_that_break_each_other_are_refused() -> None:
    universe = Universe.of(
        [package("a", Breaks="b (<< 2)"), package("b", "1"), package("c", Conflicts="d"), package("d")]
    )
    with pytest.raises(ResolutionError, match="a 1 cannot be with b 1"):
        close_over(["a", "b"], universe)
    with pytest.raises(ResolutionError, match="c 1 cannot be with d 3"):
        close_over(["c"], universe, present={"d": "3"})
    assert names(close_over(["a"], universe)) == ["a=1"]


def test_the_order_of_names_and_packages_does_not_matter() -> None:
    packages = [package("a", Depends="x | y"), package("b", Depends="y | x"), package("x"), package("y")]
    forward = close_over(["a", "b"], Universe.of(packages))
    backward = close_over(["b", "a"], Universe.of(reversed(packages)))
    assert forward == backward


@pytest.mark.parametrize(("version", "glibc"), [("2.36-9+deb12u14", (2, 36)), ("2.41-12", (2, 41)), ("2.31", (2, 31))])
def test_glibc_is_read_from_the_version_of_libc6(version: str, glibc: tuple[int, int]) -> None:
    assert glibc_of(version) == glibc


def test_a_libc6_without_a_sensible_version_is_refused() -> None:
    with pytest.raises(BaseImageError):
        glibc_of("two-1")

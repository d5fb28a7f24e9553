import pytest

from builder.base.control import Relation, read_paragraphs, read_relations


def test_paragraphs_keep_continuations_and_skip_comments() -> None:
    text = "Package: a\n# a comment\nDescription: short\n long\n .\n\n\nPackage: b\n"
    assert list(read_paragraphs(text.splitlines())) == [
        {"Package": "a", "Description": "short\n long\n ."},
        {"Package": "b"},
    ]


@pytest.mark.parametrize("text", [" lost\n", "no colon\n"])
def test_a_line_that_is_no_field_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="field"):
        list(read_paragraphs(text.splitlines()))


def test_relations_are_groups_of_alternatives() -> None:
    groups = read_relations("libc6 (>= 2.14), media-types | mime-support,\n perl:any (<< 6)")
    assert groups == (
        (Relation("libc6", ">=", "2.14"),),
        (Relation("media-types"), Relation("mime-support")),
        (Relation("perl", "<<", "6"),),
    )
    assert str(groups[0][0]) == "libc6 (>= 2.14)"
    assert read_relations("") == ()


@pytest.mark.parametrize("text", ["libc6 (>= )", "libc6 (~> 1)", "Lib C", "a | "])
def test_a_malformed_relation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a package relation"):
        read_relations(text)


@pytest.mark.parametrize(
    ("operator", "allowed"),
    [("<<", "1"), ("<=", "1 2"), ("=", "2"), (">=", "2 3"), (">>", "3"), ("", "1 2 3")],
)
def test_each_bound_allows_what_policy_says(operator: str, allowed: str) -> None:
    relation = Relation("a", operator, "2" if operator else "")
    assert " ".join(version for version in "123" if relation.allows(version)) == allowed

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle.yaml_document import read_document
from builder.scaffold.document import render_document
from builder.scaffold.draft import Draft, Test, Wanted

words = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\ufeff"), max_size=30
)


def draft(**changes: object) -> Draft:
    made = Draft(form="model file", root=Path("/x"), source="churn.joblib", name="churn", model="churn.joblib")
    for key, value in changes.items():
        setattr(made, key, value)
    return made


def test_guesses_and_blanks_are_marked_where_they_stand() -> None:
    made = draft(model=None)
    made.guess("environment.python", "nothing says which")
    made.blank("model.path", "the trained model")
    text = render_document(made)
    assert 'python: "3.11" # guessed: nothing says which' in text
    assert "  path: # fill in: the trained model" in text


def test_a_requirement_tells_why_it_is_there() -> None:
    made = draft(requirements=[Wanted(line="a[b]==1", why="read"), Wanted(line="c", why="imported", is_guess=True)])
    text = render_document(made)
    assert "    - a[b]==1 # read" in text
    assert "    - c # guessed: imported" in text


@given(words, words, words)
def test_any_text_comes_back_from_both_versions_of_yaml(description: str, owner: str, variable: str) -> None:
    made = draft(description=description, owner=owner, variables={"X": variable})
    made.guess("description", owner)
    text = render_document(made)
    ours = read_document(text.encode(), name="bundle.yaml").value
    assert ours == yaml.safe_load(text)
    assert ours.get("description", "") == description
    assert ours.get("owner", "") == owner
    assert ours["environment"]["variables"] == {"X": variable}


@pytest.mark.parametrize("word", ["yes", "null", "1.0", "2026-01-01", "a: b", "- x", "#x", "x #y", "@x", "", " x"])
def test_words_yaml_takes_for_something_else_are_quoted(word: str) -> None:
    text = render_document(draft(tests=[Test(name=word or "x", request=None, status=200)], description=word))
    assert yaml.safe_load(text).get("description", "") == word

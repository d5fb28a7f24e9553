from __future__ import annotations

from smoke_fakes import answer, bundle_of, case

from builder.bundle.model import Contract
from builder.smoke.scenarios import BuiltIn, Kind, judge_refusal, scenarios_of


def test_a_bundle_s_tests_follow_the_built_in_ones_as_they_were_written() -> None:
    *built_in, own = scenarios_of(bundle_of(case("stays", b'{"tenure": 3}')))
    assert [(one.name, one.kind) for one in built_in] == [
        (BuiltIn.ALIVE, Kind.BUILT_IN),
        (BuiltIn.UNKNOWN_ROUTE, Kind.BUILT_IN),
        (BuiltIn.MALFORMED, Kind.BUILT_IN),
    ]
    assert (own.name, own.kind, own.method, own.path) == ("stays", Kind.BUNDLE, "POST", "/predict")
    assert (own.body, own.headers) == (b'{"tenure": 3}', {"content-type": "application/json"})


def test_a_get_sends_no_content_type() -> None:
    assert scenarios_of(bundle_of())[0].headers == {}


def test_azure_s_contract_is_scored_at_its_own_route() -> None:
    paths = {one.name: one.path for one in scenarios_of(bundle_of(contract=Contract.AZURE))}
    assert paths[BuiltIn.MALFORMED] == "/score"


def test_an_expectation_judges_its_own_answer() -> None:
    *_, own = scenarios_of(bundle_of(case("refuses", status=400, error="tenure")))
    assert own.judge(answer(400, {"error": "tenure is negative"})) == ()
    assert [one.at for one in own.judge(answer(200, {}))] == ["status"]
    assert [one.at for one in own.judge(answer(400, {"error": "no"}))] == ["error"]


def test_a_refusal_may_explain_itself_under_any_usual_key() -> None:
    for key in ("error", "message", "detail"):
        assert judge_refusal(answer(422, {key: "line 1: a comma is missing"})) == ()

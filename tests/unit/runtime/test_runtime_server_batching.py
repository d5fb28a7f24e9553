"""When waiting for company pays, and that it never lasts longer than it may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.runtime.server.batching import Costs, Policy

MAX_DELAY = 0.005


def make_policy(*calls: tuple[int, float], at: float = 100.0, max_delay: float = MAX_DELAY) -> Policy:
    policy = Policy(64, max_delay)
    for records, seconds in calls:
        policy.answered(records, seconds, at)
    return policy


def test_a_line_through_what_calls_cost_is_found() -> None:
    costs = Costs()
    for records in (1, 8, 64, 3, 16):
        costs.learn(records, 0.002 + 0.0001 * records)
    assert costs.fixed == pytest.approx(0.002)
    assert costs.each == pytest.approx(0.0001)
    assert costs.estimate(32) == pytest.approx(0.0052)


def test_what_was_long_ago_is_forgotten() -> None:
    costs = Costs()
    for _ in range(400):
        costs.learn(1, 1.0)
    for _ in range(400):
        costs.learn(1, 0.001)
    assert costs.estimate(1) == pytest.approx(0.001, rel=0.5)


def test_a_lone_request_never_waits() -> None:
    for call in ((1, 0.0001), (1, 0.002), (1, 0.5)):
        assert make_policy(call, call).find_delay(1, 100.0, 100.0, busy=False) == 0
    assert make_policy().find_delay(1, 100.0, 100.0, busy=False) == 0


def test_a_quick_model_leaves_newcomers_to_the_worker_that_is_busy() -> None:
    policy = make_policy((1, 0.0001), (64, 0.0002))
    assert policy.find_delay(1, 100.0, 100.0, busy=True) == pytest.approx(MAX_DELAY)
    assert policy.find_delay(1, 99.998, 100.0, busy=True) == pytest.approx(0.003)
    assert policy.find_delay(64, 100.0, 100.0, busy=True) == 0


def test_a_slow_model_uses_every_worker() -> None:
    assert make_policy((1, 0.5), (1, 0.5)).find_delay(1, 200.0, 200.0, busy=True) == 0


def test_clients_that_were_just_answered_are_waited_for_where_a_call_costs_more_than_its_records() -> None:
    policy = make_policy((1, 0.004), (16, 0.004))
    assert policy.find_delay(3, 100.0, 100.0, busy=False) == pytest.approx(0.002)
    assert policy.find_delay(16, 100.0, 100.0, busy=False) == 0
    assert policy.find_delay(3, 100.5, 100.5, busy=False) == 0


def test_records_that_cost_what_they_cost_wait_for_nobody() -> None:
    policy = make_policy((1, 0.01), (16, 0.16), (8, 0.08))
    assert policy.find_delay(3, 100.0, 100.0, busy=False) == 0


def test_no_delay_allowed_is_no_delay() -> None:
    policy = make_policy((1, 0.004), (16, 0.004), max_delay=0)
    assert policy.find_delay(3, 100.0, 100.0, busy=True) == 0
    assert policy.find_delay(3, 100.0, 100.0, busy=False) == 0


@given(
    st.lists(st.tuples(st.integers(1, 64), st.floats(0, 60)), max_size=30),
    st.integers(1, 200),
    st.floats(0, 100),
    st.booleans(),
)
def test_no_record_waits_longer_than_it_may(
    calls: list[tuple[int, float]], waiting: int, waited: float, busy: bool
) -> None:
    policy = make_policy(*calls)
    assert 0 <= policy.find_delay(waiting, 100.0 - waited, 100.0, busy=busy) <= max(0.0, MAX_DELAY - waited) + 1e-9

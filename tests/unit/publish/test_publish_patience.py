from __future__ import annotations

from dataclasses import replace

import pytest

from builder.publish.faults import TransientRegistryError
from builder.publish.patience import AbandonedError, Patience
from tests.support.clocks import SteppedClock


@pytest.fixture
def patience(clock: SteppedClock) -> Patience:
    return Patience(attempts=4, first=1.0, longest=5.0, clock=clock, jitter=lambda: 1.0)


def test_pauses_double_up_to_a_limit(patience: Patience) -> None:
    assert [patience.delay(failures) for failures in (1, 2, 3, 4, 50)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_pauses_vary_between_a_half_and_the_whole(patience: Patience) -> None:
    assert replace(patience, jitter=lambda: 0.0).delay(1) == 0.5
    assert all(0.5 <= Patience(first=1.0).delay(1) <= 1.0 for _ in range(100))


def test_a_requested_pause_is_kept_but_not_for_ever(patience: Patience) -> None:
    assert patience.delay(1, 60.0) == 60.0
    assert patience.delay(1, 1e9) == 120.0
    assert patience.delay(4, 1.0) == 5.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        ("soon", None),
        ("-5", None),
        ("Mon, 12 Jan 1970 13:47:10 GMT", 30.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_reads_what_the_server_requests(patience: Patience, header: str | None, seconds: float | None) -> None:
    assert patience.requested_delay(header) == seconds


def test_persists_until_it_works(patience: Patience, clock: SteppedClock) -> None:
    failures = [TransientRegistryError.of("a"), TransientRegistryError.of("b")]
    failures[1].retry_after = 9.0

    def act() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    assert patience.persist(act) == "done"
    assert clock.pauses == [1.0, 9.0]


def test_the_last_failure_is_the_error(patience: Patience, clock: SteppedClock) -> None:
    def act() -> None:
        raise TransientRegistryError.of(f"after {len(clock.pauses)} pauses")

    with pytest.raises(TransientRegistryError, match="after 3 pauses"):
        patience.persist(act)


def test_other_errors_are_not_tried_again(patience: Patience, clock: SteppedClock) -> None:
    def act() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        patience.persist(act)
    assert not clock.pauses


def test_abandoned_work_is_not_waited_for(patience: Patience) -> None:
    patience.abandoned.set()
    with pytest.raises(AbandonedError):
        patience.wait(1)

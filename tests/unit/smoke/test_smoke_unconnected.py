from __future__ import annotations

import json

from smoke_fakes import IMAGE, FakeInstance, FakeRunner, bundle_of

from builder.engine.runner import ExitState
from builder.smoke.report import SmokeReport
from builder.smoke.run import run_smoke
from builder.smoke.scenarios import BuiltIn

FETCHES = json.dumps(
    {
        "level": "critical",
        "logger": "kiln",
        "message": "the model does not load: ConnectionError: no route to the model hub",
        "exception": 'Traceback:\n  File "/opt/model/code/score.py", line 7, in load\n',
    }
)


def smoke(runner: FakeRunner) -> SmokeReport:
    return run_smoke(bundle_of(), IMAGE, runner, reference="churn:1.0.0", manifest_digests={})


def test_an_image_is_loaded_a_second_time_without_a_network() -> None:
    other = FakeInstance(ended=ExitState(code=0))
    runner = FakeRunner(instance=FakeInstance(), cuts_network=False, other=other)
    report = smoke(runner)
    assert report.passed
    assert report.tests[-1].name == BuiltIn.UNCONNECTED
    assert (runner.started[1].command, runner.started[1].network) == (("check",), False)
    assert runner.started[0].network
    assert other.removed == 1


def test_a_model_that_is_fetched_when_it_is_loaded_fails_with_the_cause() -> None:
    other = FakeInstance(ended=ExitState(code=1), printed=FETCHES + "\n")
    report = smoke(FakeRunner(instance=FakeInstance(), cuts_network=False, other=other))
    assert not report.passed
    [difference] = report.tests[-1].differences
    assert "no route to the model hub" in difference.got
    assert "score.py:7" in difference.got


def test_a_model_that_never_loads_is_not_waited_for_forever() -> None:
    report = smoke(FakeRunner(instance=FakeInstance(), cuts_network=False, other=FakeInstance()))
    assert report.tests[-1].differences[0].got == "still loading"


def test_a_place_that_cuts_the_network_anyway_is_not_asked_twice() -> None:
    runner = FakeRunner(instance=FakeInstance(), cuts_network=True)
    assert BuiltIn.UNCONNECTED not in [test.name for test in smoke(runner).tests]
    assert len(runner.started) == 1

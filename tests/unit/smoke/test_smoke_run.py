from __future__ import annotations

import json
import time
from typing import Any

import pytest
from smoke_fakes import IMAGE, FakeInstance, FakeRunner, answer, bundle_of, case, respond

from builder.bundle.model import Bundle, Contract
from builder.engine.runner import Answer, ExitState
from builder.errors import EngineError
from builder.oci.digest import Digest
from builder.oci.media_type import ManifestFormat
from builder.smoke import run as run_module
from builder.smoke.report import SmokeReport
from builder.smoke.run import LOG_LINES, UIDS, run_smoke
from builder.smoke.scenarios import BuiltIn, Kind

DIGESTS = {ManifestFormat.DOCKER: Digest.of(b"docker"), ManifestFormat.OCI: Digest.of(b"oci")}


def smoke(instance: FakeInstance, bundle: Bundle | None = None, **options: Any) -> SmokeReport:
    return run_smoke(
        bundle or bundle_of(),
        IMAGE,
        FakeRunner(instance),
        reference="churn:1.0.0",
        manifest_digests=DIGESTS,
        clock=lambda: 1_000_000.0,
        **options,
    )


def failed(report: SmokeReport) -> dict[str, tuple[str, str]]:
    return {test.name: (test.differences[0].want, test.differences[0].got) for test in report.failures}


def refusing(path: str, other: Answer) -> FakeInstance:
    return FakeInstance(respond=lambda m, p, body: other if p == path else respond(m, p, body))


def test_a_good_image_passes_every_test_in_order() -> None:
    report = smoke(FakeInstance(), bundle_of(case("stays"), case("leaves")))
    assert report.passed
    assert [test.name for test in report.tests] == [
        BuiltIn.READY,
        BuiltIn.HARDENED,
        BuiltIn.ALIVE,
        BuiltIn.UNKNOWN_ROUTE,
        BuiltIn.MALFORMED,
        "stays",
        "leaves",
        BuiltIn.HEALTH,
        BuiltIn.WRITES,
        BuiltIn.STOPS,
    ]
    assert [test.name for test in report.tests if test.kind is Kind.BUNDLE] == ["stays", "leaves"]


def test_the_report_is_about_the_exact_image_and_says_where_it_ran() -> None:
    report = smoke(FakeInstance())
    assert report.image_id == IMAGE.image_id
    assert report.manifest_digests == DIGESTS
    assert (report.reference, report.runner, report.unapplied) == ("churn:1.0.0", "fake 1.0", ("no seccomp filter",))
    assert report.started == 1_000_000.0
    assert report.exit == ExitState(code=0, seconds=0.1)


def test_the_container_gets_the_bundle_s_limits_and_a_uid_nobody_knew() -> None:
    runner = FakeRunner(FakeInstance())
    for _ in range(2):
        runner.instance = FakeInstance()
        run_smoke(bundle_of(), IMAGE, runner, reference="r", manifest_digests=DIGESTS)
    one, _ = runner.started
    assert (one.memory, one.cpu) == (64 << 20, 0.5)
    assert one.uid in UIDS
    assert one.health_interval is not None
    assert one.health_interval <= 1


def test_readiness_is_asked_again_until_it_comes() -> None:
    answers = iter([answer(503, {"status": "loading"})] * 2)
    instance = FakeInstance(
        respond=lambda m, p, body: next(answers, answer(200, {})) if p == "/readyz" else respond(m, p, body)
    )
    report = smoke(instance)
    assert report.passed
    assert instance.asked.count(("GET", "/readyz")) == 3


def test_never_ready_gives_the_limit_the_last_answer_and_what_was_not_run() -> None:
    report = smoke(refusing("/readyz", answer(503, {"status": "loading"})), bundle_of(case("stays")))
    assert failed(report) == {
        BuiltIn.READY: ("ready within 0.3 s (service.startup_timeout)", '503: {"status": "loading"}')
    }
    assert "stays" in report.not_run
    assert not report.passed
    assert report.logs == "first line\nlast line"


def test_a_service_that_says_it_failed_is_not_waited_for() -> None:
    began = time.monotonic()
    report = smoke(
        refusing("/readyz", answer(503, {"status": "failed", "error": "no module named x"})),
        bundle_of(startup_timeout=60.0),
    )
    assert time.monotonic() - began < 5
    assert "no module named x" in failed(report)[BuiltIn.READY][1]


def test_a_container_that_died_is_not_asked_anything() -> None:
    instance = FakeInstance(ended=ExitState(code=3))
    report = smoke(instance, bundle_of(case("stays")))
    assert failed(report) == {BuiltIn.READY: ("a container that keeps running", "it ended with exit code 3")}
    assert report.exit == ExitState(code=3)
    assert instance.asked == []
    assert len(report.not_run) == 8


def test_a_death_by_signal_names_the_signal() -> None:
    report = smoke(FakeInstance(ended=ExitState(code=139)))
    assert failed(report)[BuiltIn.READY][1] == "it ended with exit code 139: signal 11"


def test_a_death_for_memory_is_told_from_other_deaths() -> None:
    report = smoke(FakeInstance(ended=ExitState(code=137, was_killed_for_memory=True)))
    assert failed(report)[BuiltIn.READY][1] == "it was killed for want of memory (exit code 137)"


def test_a_worker_killed_for_memory_is_told_although_the_container_lives() -> None:
    instance = refusing("/predict", answer(503, {"error": "the worker was lost"}))
    instance.kills = 1
    report = smoke(instance)
    assert failed(report)[BuiltIn.MALFORMED] == ("enough in 64 MiB (resources.memory)", "1 process(es) killed")


def test_a_request_that_kills_the_container_ends_the_run() -> None:
    instance = FakeInstance()

    def die(method: str, path: str, body: bytes | None) -> Answer:
        if body == b'"die"':
            instance.ended = ExitState(code=134)
            raise ConnectionError("reset")
        return respond(method, path, body)

    instance.respond = die
    report = smoke(instance, bundle_of(case("first"), case("fatal", b'"die"'), case("never")))
    assert list(failed(report)) == ["fatal"]
    assert report.not_run[0] == "never"


def test_a_request_without_an_answer_fails_and_the_rest_goes_on() -> None:
    def hang(method: str, path: str, body: bytes | None) -> Answer:
        if body == b'"hang"':
            raise ConnectionError("timed out")
        return respond(method, path, body)

    report = smoke(FakeInstance(respond=hang), bundle_of(case("hangs", b'"hang"'), case("stays")))
    assert failed(report) == {"hangs": ("an answer within 6 s", "timed out")}
    assert report.not_run == ()


def test_a_wrong_answer_fails_with_its_status() -> None:
    report = smoke(FakeInstance(), bundle_of(case("leaves", has_body=True, body={"predictions": [0]})))
    (test,) = report.failures
    assert (test.status, test.differences[0].at) == (200, "$.predictions[0]")


def test_hardening_is_read_from_inside_and_not_believed() -> None:
    report = smoke(FakeInstance(inside={"capabilities": "00000000a80425fb", "read_only": False}))
    (test,) = report.failures
    assert test.name == BuiltIn.HARDENED
    assert [(one.at, one.got) for one in test.differences] == [
        ("capabilities", "00000000a80425fb"),
        ("read_only", "False"),
    ]


@pytest.mark.parametrize(
    ("healths", "got"), [(("starting", "unhealthy"), "unhealthy"), ((None,), "the image has no HEALTHCHECK")]
)
def test_health_must_come(healths: tuple[str | None, ...], got: str) -> None:
    assert failed(smoke(FakeInstance(healths=healths)))[BuiltIn.HEALTH][1] == got


def test_files_outside_tmp_are_named() -> None:
    report = smoke(FakeInstance(changed=("/opt/model/cache",)))
    (test,) = report.failures
    assert (test.name, test.differences[0].at) == (BuiltIn.WRITES, "/opt/model/cache")


@pytest.mark.parametrize(
    ("end", "got"),
    [
        (ExitState(code=143, seconds=0.1), "exit code 143"),
        (ExitState(code=137, seconds=2.1), "killed after 2.10 s"),
    ],
)
def test_an_end_other_than_0_within_the_grace_period_fails(end: ExitState, got: str) -> None:
    assert failed(smoke(FakeInstance(end=end))) == {BuiltIn.STOPS: ("0 within 2 s of SIGTERM", got)}


@pytest.mark.parametrize(
    ("other", "want"),
    [
        (answer(500, {"error": "scoring failed"}), "a refusal: 4xx"),
        (answer(400, {"error": "bad"}), "a sentence that says what is wrong"),
        (answer(400, ["what is wrong"]), "a sentence that says what is wrong"),
        (Answer(status=400, headers={}, body=b"Bad Request", seconds=0), "a JSON body that says what is wrong"),
    ],
)
def test_a_malformed_body_must_be_refused_with_help(other: Answer, want: str) -> None:
    assert failed(smoke(refusing("/predict", other)))[BuiltIn.MALFORMED][0] == want


def test_the_malformed_body_goes_where_the_contract_scores() -> None:
    instance = FakeInstance()
    smoke(instance, bundle_of(contract=Contract.AZURE))
    assert ("POST", "/score") in instance.asked


def test_an_engine_that_fails_to_answer_fails_that_test_only() -> None:
    class Broken(FakeInstance):
        def changes(self) -> tuple[str, ...]:
            raise EngineError.of("the engine could not compare")

    report = smoke(Broken())
    assert failed(report) == {BuiltIn.WRITES: ("the question answered", "the engine could not compare")}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_whatever_happens_the_container_is_removed(interruption: type[BaseException]) -> None:
    def interrupt(*_: object) -> Answer:
        raise interruption

    instance = FakeInstance(respond=interrupt)
    with pytest.raises(interruption):
        smoke(instance)
    assert instance.removed == 1


def test_health_has_no_time_of_its_own() -> None:
    times = {test.name: test.seconds for test in smoke(FakeInstance()).tests}
    assert times.pop(BuiltIn.HEALTH) is None
    assert None not in times.values()


def test_quick_tests_are_not_named_while_they_run() -> None:
    said: list[str] = []
    smoke(FakeInstance(), progress=said.append)
    assert said == ["starting churn:1.0.0 on fake 1.0"]


def test_a_slow_test_is_named_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "SLOW_SECONDS", 0.02)
    said: list[str] = []

    def wait(method: str, path: str, body: bytes | None) -> Answer:
        deadline = time.monotonic() + 10
        while path == "/livez" and not said[1:] and time.monotonic() < deadline:
            time.sleep(0.005)
        return respond(method, path, body)

    smoke(FakeInstance(respond=wait), progress=said.append)
    assert "3 of 8: says it is alive" in said


def log_line(message: str, **more: Any) -> str:
    line = {"time": "2026-01-01T00:00:00.5+00:00", "level": "error", "logger": "kiln.scoring", "message": message}
    return json.dumps(line | more) + "\n"


TRACE = """Traceback (most recent call last):
  File "/opt/kiln/kiln_runtime/worker/contracts.py", line 90, in predict
  File "/opt/model/code/score.py", line 14, in predict
    return frame(records)
  File "/opt/model/packages/pandas/frame.py", line 3, in get
KeyError: 'petal_lenght'
"""


def failing(request_id: str, printed: str) -> FakeInstance:
    body = json.dumps({"error": "scoring failed", "request_id": request_id}).encode()
    instance = refusing("/predict", Answer(status=500, headers={"x-request-id": request_id}, body=body, seconds=0.01))
    instance.printed = printed
    return instance


def test_a_500_is_told_by_its_own_log_line_with_the_place_in_the_author_s_code() -> None:
    printed = (
        log_line("predict raised ValueError: other", request_id="b", exception=TRACE)
        + log_line("predict raised KeyError: 'petal_lenght'", request_id="a", exception=TRACE)
        + log_line("request", request_id="a", logger="kiln.access")
    )
    (malformed, stays) = smoke(failing("a", printed), bundle_of(case("stays"))).failures
    assert malformed.name == BuiltIn.MALFORMED
    assert [one.to_dict() for one in stays.differences] == [
        {"at": "status", "want": "200", "got": "500: predict raised KeyError: 'petal_lenght' (score.py:14, in predict)"}
    ]


def test_a_wrong_number_of_predictions_is_told() -> None:
    printed = log_line("predict answered what cannot be sent: 0 predictions for 1 records", request_id="a")
    report = smoke(failing("a", printed))
    assert failed(report)[BuiltIn.MALFORMED][1].endswith("0 predictions for 1 records")


def test_a_500_without_a_log_line_is_told_as_it_was_answered() -> None:
    assert failed(smoke(failing("a", "nothing\n")))[BuiltIn.MALFORMED][1] == "500: scoring failed"


def test_a_log_line_that_comes_after_its_answer_is_waited_for() -> None:
    class Late(FakeInstance):
        def logs(self, lines: int) -> str:
            self.printed += next(pieces, "")
            return super().logs(lines)

    pieces = iter(["", "", log_line("predict raised KeyError: 'x'", request_id="a")])
    late = Late(respond=failing("a", "").respond, printed="")
    assert failed(smoke(late))[BuiltIn.MALFORMED][1] == "500: predict raised KeyError: 'x'"


def test_an_engine_without_logs_does_not_hide_the_fault() -> None:
    class Mute(FakeInstance):
        def logs(self, lines: int) -> str:
            if lines > LOG_LINES:
                raise EngineError.of("no logs")
            return ""

    assert failed(smoke(Mute(respond=failing("a", "").respond)))[BuiltIn.MALFORMED][1] == "500: scoring failed"


NOT_LOADED = log_line(
    "the model does not load: RuntimeError: no licence file",
    level="critical",
    logger="kiln",
    exception='  File "/opt/model/code/src/score.py", line 10, in load\nRuntimeError: no licence file',
)


def test_a_model_that_does_not_load_is_told_with_its_reason() -> None:
    instance = refusing("/readyz", answer(503, {"status": "failed"}))
    instance.printed = NOT_LOADED + log_line("the model did not load 3 times; giving up", level="critical")
    assert failed(smoke(instance))[BuiltIn.READY] == (
        "ready",
        "the model does not load: RuntimeError: no licence file (src/score.py:10, in load)",
    )


def test_a_container_that_ended_since_its_model_does_not_load_says_so() -> None:
    report = smoke(FakeInstance(ended=ExitState(code=70), printed=NOT_LOADED))
    got = failed(report)[BuiltIn.READY][1]
    assert got.startswith("the model does not load: RuntimeError: no licence file (src/score.py:10")
    assert got.endswith("; it ended with exit code 70")

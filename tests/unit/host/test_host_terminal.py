from __future__ import annotations

import io
import time

import pytest

from builder.host import terminal as terminal_module
from builder.host.terminal import Terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_says_lines() -> None:
    out = io.StringIO()
    Terminal(out).say("hello")
    assert out.getvalue() == "hello\n"


def test_quiet_leaves_only_warnings() -> None:
    out = io.StringIO()
    terminal = Terminal(out, quiet=True)
    terminal.say("hello")
    terminal.warn("careful")
    assert out.getvalue() == "warning: careful\n"


@pytest.mark.parametrize(
    ("variables", "has_colour"), [({}, True), ({"NO_COLOR": ""}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_for_people_who_want_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, has_colour: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen = Screen()
    Terminal(screen).warn("careful")
    assert ("\x1b[" in screen.getvalue()) == has_colour


def test_no_colour_in_a_file() -> None:
    assert not Terminal(io.StringIO()).has_colour


def test_a_step_closes_with_its_outcome_and_time() -> None:
    out = io.StringIO()
    terminal = Terminal(out)
    with terminal.step("push", "push the image") as step:
        step.note("too early to be shown")
        step.conclude("3 layers")
    assert out.getvalue().startswith("✓ push the image: 3 layers (0.0")
    assert set(terminal.timings) == {"push"}


def test_a_slow_step_is_announced_and_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_module, "_SHOW_AFTER", 0.01)
    out = io.StringIO()
    with Terminal(out).step("push", "push the image") as step:
        deadline = time.monotonic() + 10
        while "…" not in out.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        step.note("half")
    assert out.getvalue().splitlines()[:2] == ["  push the image …", "    half"]


def test_a_step_that_fails_says_nothing_of_success() -> None:
    out = io.StringIO()
    terminal = Terminal(out)
    with pytest.raises(ValueError, match="x"), terminal.step("push", "push the image"):
        raise ValueError("x")
    assert out.getvalue() == ""
    assert not terminal.timings


def test_a_step_that_did_its_work_but_found_faults_closes_with_a_cross() -> None:
    out = io.StringIO()
    terminal = Terminal(out)
    with terminal.step("smoke", "smoke tests") as step:
        step.fail("9 of 10 passed")
    assert out.getvalue().startswith("✗ smoke tests: 9 of 10 passed (0.0")
    assert set(terminal.timings) == {"smoke"}


def test_the_cross_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    with Terminal(screen).step("smoke", "smoke tests") as step:
        step.fail("1 failed")
    assert screen.getvalue().startswith("\x1b[31m✗\x1b[0m")


def test_repeated_steps_add_up() -> None:
    terminal = Terminal(io.StringIO())
    for _ in range(2):
        with terminal.step("smoke", "one more"):
            time.sleep(0.01)
    assert terminal.timings["smoke"] >= 0.02

"""Docker's rules for HEALTHCHECK, as a state that is told what happened and when. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthRule:
    """When to probe and how many failures count. Times are seconds; zeros mean Docker's defaults."""

    interval: float
    timeout: float
    start_period: float
    retries: int

    @classmethod
    def of(cls, interval: float, timeout: float, start_period: float, retries: int) -> HealthRule:
        """Make a rule, with Docker's own defaults where a value is zero."""
        return cls(interval=interval or 30.0, timeout=timeout or 30.0, start_period=start_period, retries=retries or 3)


class Health:
    """The health of one container: ``starting`` until the first success or too many failures.

    A failure within the start period does not count, unless a probe has succeeded before. One success makes
    ``healthy``; ``retries`` failures in a row make ``unhealthy``.
    """

    def __init__(self, rule: HealthRule, started: float) -> None:
        self.rule = rule
        self.state = "starting"
        self.output = ""
        self.next_probe = started + rule.interval
        self._started = started
        self._failures = 0

    def record(self, *, ended: float, is_success: bool, output: str) -> None:
        """Take note of one probe; the next one is due an interval after this one ended."""
        self.next_probe = ended + self.rule.interval
        self.output = output
        if is_success:
            self.state, self._failures = "healthy", 0
            return
        if self.state == "starting" and ended - self._started < self.rule.start_period:
            return
        self._failures += 1
        if self._failures >= self.rule.retries:
            self.state = "unhealthy"

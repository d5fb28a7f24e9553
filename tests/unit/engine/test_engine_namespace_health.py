from __future__ import annotations

from builder.engine.namespace_health import Health, HealthRule

RULE = HealthRule.of(10, 3, 30, 2)


def test_first_probe_comes_after_one_interval() -> None:
    health = Health(RULE, started=100.0)
    assert (health.state, health.next_probe) == ("starting", 110.0)


def test_one_success_makes_healthy_and_the_next_probe_counts_from_its_end() -> None:
    health = Health(RULE, started=0.0)
    health.record(ended=12.5, is_success=True, output="ready")
    assert (health.state, health.next_probe, health.output) == ("healthy", 22.5, "ready")


def test_failures_in_the_start_period_do_not_count() -> None:
    health = Health(RULE, started=0.0)
    for ended in (10.0, 20.0, 29.9):
        health.record(ended=ended, is_success=False, output="")
    assert health.state == "starting"


def test_failures_after_the_start_period_make_unhealthy() -> None:
    health = Health(RULE, started=0.0)
    health.record(ended=31.0, is_success=False, output="")
    assert health.state == "starting"
    health.record(ended=41.0, is_success=False, output="")
    assert health.state == "unhealthy"


def test_failures_count_once_it_was_healthy_even_in_the_start_period() -> None:
    health = Health(RULE, started=0.0)
    health.record(ended=1.0, is_success=True, output="")
    health.record(ended=2.0, is_success=False, output="")
    assert health.state == "healthy"
    health.record(ended=3.0, is_success=False, output="")
    assert health.state == "unhealthy"


def test_a_success_forgives_earlier_failures() -> None:
    health = Health(RULE, started=0.0)
    for ended, is_success in ((40.0, False), (50.0, True), (60.0, False)):
        health.record(ended=ended, is_success=is_success, output="")
    assert health.state == "healthy"


def test_zeros_mean_docker_s_defaults() -> None:
    assert HealthRule.of(0, 0, 0, 0) == HealthRule(interval=30.0, timeout=30.0, start_period=0, retries=3)

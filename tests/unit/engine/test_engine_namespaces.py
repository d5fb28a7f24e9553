from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from builder.engine.namespace_cgroups import Limits
from builder.engine.namespaces import _demand_started, _environment, _health, _missing_limits, is_in_chroot
from builder.engine.runner import RunOptions
from builder.errors import EngineError, EngineUnavailableError
from builder.oci.config import Healthcheck, ImageConfig
from builder.oci.platform import Platform

OPTIONS = RunOptions(memory=1 << 20, cpu=1.5, uid=20000)


def config(**values: Any) -> ImageConfig:
    return ImageConfig(platform=Platform.parse("linux/arm64"), created=0, **values)


@pytest.mark.parametrize("step", ["namespaces", "user map", "mounts", "proc", "user"])
def test_a_step_the_machine_refuses_is_named_with_a_way_out(step: str) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        _demand_started({"error": step, "errno": errno.EPERM, "call": "unshare"}, config())
    (fault,) = caught.value.faults
    assert step in fault.fact
    assert fault.at == "unshare"
    assert "user namespaces" in str(caught.value.hint)


def test_an_alien_program_is_told_by_its_processor() -> None:
    with pytest.raises(EngineError) as caught:
        _demand_started({"error": "program", "errno": errno.ENOEXEC, "call": "/bin/x"}, config())
    assert caught.value.faults[0].got == "arm64"


def test_a_start_without_an_error_is_a_start() -> None:
    _demand_started({"unapplied": []}, config())


def test_environment_is_the_image_s_then_the_caller_s() -> None:
    image = config(env=(("A", "image"), ("B", "image")), exposed_ports=("9000/tcp",))
    env = _environment(image, RunOptions(memory=1, cpu=1, uid=1, env={"B": "caller"}), "host")
    assert (env["A"], env["B"], env["HOSTNAME"], env["PORT"]) == ("image", "caller", "host", "9000")


def test_the_usual_port_is_not_put_into_the_environment() -> None:
    assert "PORT" not in _environment(config(exposed_ports=("8080/tcp",)), OPTIONS, "host")


def test_health_takes_the_image_s_probe_and_the_caller_s_interval() -> None:
    check = Healthcheck(test=("CMD", "probe", "x"), interval=10, timeout=3, start_period=60, retries=4)
    assert _health(check, 0.5) == {"argv": ["probe", "x"], "times": (0.5, 3, 60, 4)}
    assert _health(check, None) == {"argv": ["probe", "x"], "times": (10, 3, 60, 4)}


def test_a_shell_probe_is_given_to_a_shell() -> None:
    check = Healthcheck(test=("CMD-SHELL", "a && b"), interval=10, timeout=3, start_period=60, retries=4)
    health = _health(check, None)
    assert health is not None
    assert health["argv"] == ["/bin/sh", "-c", "a && b"]


@pytest.mark.parametrize("test", [("NONE",), ()])
def test_a_probe_that_was_switched_off_is_none(test: tuple[str, ...]) -> None:
    assert _health(Healthcheck(test=test, interval=1, timeout=1, start_period=1, retries=1), None) is None
    assert _health(None, 1.0) is None


def test_limits_the_kernel_does_not_keep_are_named() -> None:
    assert _missing_limits(Limits(), OPTIONS) == (
        "memory limit is watched ten times a second, not kept by the kernel",
        "processor limit is rounded up to whole cores: 2 for 1.5",
        "no limit on processes",
    )


def test_whole_cores_are_kept_by_affinity() -> None:
    missing = _missing_limits(Limits(keeps_processes=True), RunOptions(memory=1, cpu=2, uid=1))
    assert [text.split()[0] for text in missing] == ["memory"]


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("1 0 8:1 / / rw - ext4 /dev/x rw\n2 1 0:5 / /proc rw - proc proc rw\n", False),
        ("1 0 0:30 /@ / rw - btrfs /dev/x rw\n", False),
        ("1 0 8:1 /srv/chroot / rw - ext4 /dev/x rw\n", True),
        ("2 1 0:5 / /proc rw - proc proc rw\n", True),
    ],
    ids=["a machine", "a machine on a subvolume", "a folder mounted on itself", "a folder"],
)
def test_a_chroot_is_told_by_its_root_mount(mounts: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(mounts)
    assert is_in_chroot(tmp_path) is expected


def test_a_system_without_proc_is_taken_for_a_chroot(tmp_path: Path) -> None:
    assert is_in_chroot(tmp_path)

from __future__ import annotations

from dataclasses import replace

import pytest

from builder.errors import LockDriftError
from builder.lock.drift import check_lock, explain_drift, fits_but_for_the_model
from builder.lock.model import Lock, deep_checksum
from builder.lock.pins import Pin, render_pins
from builder.lock.target import Target
from builder.oci.digest import Digest
from tests.support.bundles import AMD64, digest_of, make_lock

INPUTS = {
    "base": str(digest_of("base")),
    "environment.python": "3.11",
    "model model/churn.joblib": str(digest_of("weights")),
    "requirement numpy": "numpy>=2",
    "requirement pandas": "pandas>=2.2",
}


def locked() -> tuple[Lock, str]:
    lock = make_lock()
    pins = [
        Pin(name=wheel.name, version=wheel.version, hashes=frozenset({wheel.digest})) for wheel in lock.on(AMD64).wheels
    ]
    text = render_pins(pins, [Target.of_base(lock.base, AMD64)])
    lock = replace(lock, inputs=INPUTS, deep_checksum=deep_checksum(INPUTS), requirements=Digest.of(text.encode()))
    return lock, text


def facts(changes: dict[str, str | None]) -> list[str]:
    lock, text = locked()
    current = {label: value for label, value in {**INPUTS, **changes}.items() if value is not None}
    return [fault.fact for fault in explain_drift(lock, current, text)]


def test_lock_of_the_same_inputs_fits() -> None:
    assert facts({}) == []


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"requirement pandas": "pandas>=2.3"}, "the requirements now ask for pandas>=2.3, was pandas>=2.2"),
        ({"requirement xgboost": "xgboost"}, "the requirements now ask for xgboost, which was not locked"),
        ({"requirement numpy": None}, "the requirements no longer ask for numpy>=2"),
        ({"environment.python": "3.13"}, "environment.python changed since the bundle was locked"),
        ({"base": str(digest_of("new base"))}, "the base image changed since the bundle was locked"),
        (
            {"model model/churn.joblib": str(digest_of("trained again"))},
            "model file model/churn.joblib changed since the bundle was locked",
        ),
        ({"model model/churn.joblib": None}, "model file model/churn.joblib is gone since the bundle was locked"),
        ({"model model/extra": "sha256:x"}, "model file model/extra was added since the bundle was locked"),
        ({"server": "sha256:x"}, "the server's own dependencies changed since the bundle was locked"),
    ],
)
def test_drift_says_exactly_what_changed(changes: dict[str, str | None], fact: str) -> None:
    assert facts(changes) == [fact]


def test_drift_shows_both_values() -> None:
    lock, text = locked()
    (fault,) = explain_drift(lock, {**INPUTS, "environment.python": "3.13"}, text)
    assert (fault.at, fault.want, fault.got) == (
        "bundle.yaml: environment.python",
        "a lock for 3.13, as it is now",
        "a lock for 3.11",
    )


def test_requirements_lock_edited_by_hand_is_noticed() -> None:
    lock, text = locked()
    (fault,) = explain_drift(lock, INPUTS, text.replace("1.7.2", "1.7.3"))
    assert fault.fact == "requirements.lock is not the one that bundle.lock was written with"


def test_wheel_swapped_in_bundle_lock_is_noticed() -> None:
    lock, text = locked()
    chosen = lock.platforms[0]
    swapped = replace(chosen.wheels[0], digest=digest_of("other bytes"))
    lock = replace(lock, platforms=(replace(chosen, wheels=(swapped, *chosen.wheels[1:])),))
    (fault,) = explain_drift(lock, INPUTS, text)
    assert (fault.fact, fault.got) == ("bundle.lock names wheels that requirements.lock does not", swapped.filename)


def test_inputs_edited_by_hand_are_noticed() -> None:
    lock, text = locked()
    edited = {**INPUTS, "environment.python": "3.13"}
    (fault,) = explain_drift(replace(lock, inputs=edited), edited, text)
    assert fault.fact == "bundle.lock was edited: its inputs are not what its checksum says"


def test_check_raises_every_reason_at_once_with_the_remedy() -> None:
    lock, text = locked()
    with pytest.raises(LockDriftError) as caught:
        check_lock(lock, {**INPUTS, "environment.python": "3.13", "base": "x"}, text, where="examples/churn")
    assert len(caught.value.faults) == 2
    assert "run `kiln lock examples/churn`" in str(caught.value.hint)
    assert caught.value.exit_code == 4


def test_a_new_model_leaves_what_was_chosen_standing() -> None:
    lock, text = locked()
    retrained = {**INPUTS, "model model/churn.joblib": str(digest_of("new weights"))}
    assert fits_but_for_the_model(lock, retrained, text)
    assert not fits_but_for_the_model(lock, {**retrained, "requirement numpy": "numpy<2"}, text)
    assert not fits_but_for_the_model(lock, retrained, text + "# edited\n")

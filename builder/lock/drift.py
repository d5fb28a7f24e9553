"""Why a lock no longer fits its bundle, input by input, with both values."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.markers import Marker

from builder.errors import Fault, LockDriftError
from builder.lock.inputs import REQUIREMENT
from builder.lock.model import MODEL, Lock, deep_checksum
from builder.lock.pins import PinError, parse_pins
from builder.lock.target import Target
from builder.oci.digest import Digest

_NAMES = {
    "base": "the base image",
    "environment.base": "environment.base",
    "environment.platforms": "environment.platforms",
    "environment.python": "environment.python",
    "environment.system_packages": "environment.system_packages",
    "installer": "the pip that installs wheels",
    "server": "the server's own dependencies",
}
_NOTHING = "nothing"


def explain_drift(lock: Lock, current: Mapping[str, str], requirements: str) -> tuple[Fault, ...]:
    """Return why the lock does not fit: a fault for each changed input, and for each trace of editing by hand.

    ``current`` are the inputs as they are now, ``requirements`` the text of requirements.lock. Empty means it fits.
    """
    faults = [
        _explain(label, lock.inputs.get(label), current.get(label))
        for label in sorted({*lock.inputs, *current})
        if lock.inputs.get(label) != current.get(label)
    ]
    return (*faults, *_explain_edits(lock, requirements))


def fits_but_for_the_model(lock: Lock, current: Mapping[str, str], requirements: str) -> bool:
    """True when nothing but model files changed since: what was chosen for the bundle is still what it asks for."""

    def chosen(inputs: Mapping[str, str]) -> dict[str, str]:
        return {label: value for label, value in inputs.items() if not label.startswith(MODEL)}

    return chosen(lock.inputs) == chosen(current) and not _explain_edits(lock, requirements)


def check_lock(lock: Lock, current: Mapping[str, str], requirements: str, *, where: str) -> None:
    """Raise a LockDriftError with every reason why the lock does not fit; ``where`` is the bundle's folder."""
    if faults := explain_drift(lock, current, requirements):
        raise LockDriftError(faults, hint=f"run `kiln lock {where}` to lock the bundle as it is now")


def _explain(label: str, locked: str | None, now: str | None) -> Fault:
    want, got = f"a lock for {now or _NOTHING}, as it is now", f"a lock for {locked or _NOTHING}"
    if label.startswith(REQUIREMENT):
        return Fault(fact=_tell(locked, now), at="bundle.yaml: environment.requirements", want=want, got=got)
    if label.startswith(MODEL):
        path = label.removeprefix(MODEL)
        verb = "changed" if locked and now else ("was added" if now else "is gone")
        return Fault(fact=f"model file {path} {verb} since the bundle was locked", at=path, want=want, got=got)
    name = _NAMES.get(label, label)
    at = f"bundle.yaml: {label}" if label.startswith("environment.") else None
    return Fault(fact=f"{name} changed since the bundle was locked", at=at, want=want, got=got)


def _tell(locked: str | None, now: str | None) -> str:
    if locked is None:
        return f"the requirements now ask for {now}, which was not locked"
    if now is None:
        return f"the requirements no longer ask for {locked}"
    return f"the requirements now ask for {now}, was {locked}"


def _explain_edits(lock: Lock, requirements: str) -> list[Fault]:
    faults = []
    actual = Digest.of(requirements.encode())
    if actual != lock.requirements:
        faults.append(
            Fault(
                fact="requirements.lock is not the one that bundle.lock was written with",
                at="requirements.lock",
                want=str(lock.requirements),
                got=str(actual),
            )
        )
    elif unknown := _unknown_wheels(lock, requirements):
        faults.append(
            Fault(
                fact="bundle.lock names wheels that requirements.lock does not",
                at="bundle.lock",
                want="the wheels of requirements.lock",
                got=", ".join(unknown),
            )
        )
    checksum = deep_checksum(lock.inputs)
    if checksum != lock.deep_checksum:
        faults.append(
            Fault(
                fact="bundle.lock was edited: its inputs are not what its checksum says",
                at="bundle.lock",
                want=str(lock.deep_checksum),
                got=str(checksum),
            )
        )
    return faults


def _unknown_wheels(lock: Lock, requirements: str) -> list[str]:
    try:
        pins = parse_pins(requirements)
    except PinError as error:
        return [str(error)]
    unknown = set()
    for chosen in lock.platforms:
        target = Target.of_base(lock.base, chosen.platform)
        hashes = {
            (pin.name, digest)
            for pin in pins
            if target.satisfies(Marker(pin.marker) if pin.marker else None)
            for digest in pin.hashes
        }
        unknown |= {wheel.filename for wheel in chosen.wheels if (wheel.name, wheel.digest) not in hashes}
    return sorted(unknown)

"""Whether a bundle may be built: found out while its image is made, told before anybody gets it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from builder.bundle.model import Bundle, Inventory
from builder.host.process import Beside
from builder.host.terminal import Terminal
from builder.host.trace import span
from builder.lock.model import Lock
from builder.oci.platform import Platform
from builder.pipeline.workshop import Workshop


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a check that found no errors has to say: lines for a person, and warnings."""

    said: tuple[str, ...]
    warned: tuple[str, ...]

    def tell(self, terminal: Terminal) -> None:
        """Say it."""
        for line in self.said:
            terminal.say(line)
        for line in self.warned:
            terminal.warn(line)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"said": list(self.said), "warned": list(self.warned)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read the JSON form."""
        return cls(said=tuple(data["said"]), warned=tuple(data["warned"]))


class Soundness:
    """The check of a bundle on its way through a build. It begins at once, and ends with ``require``.

    Where this machine has a second core, the check runs beside the build. That a bundle is sound is taken from there;
    that it is not is found out once more here, so that the error is what it always is.
    """

    def __init__(
        self, workshop: Workshop, bundle: Bundle, inventory: Inventory, lock: Lock, platforms: Sequence[Platform]
    ) -> None:
        self._workshop = workshop
        self._subject = (bundle, inventory, lock, platforms)
        self._name = f"check {bundle.name} {bundle.version}"
        self._beside = Beside(self._judge_quietly) if workshop.settings.jobs > 1 and Beside.is_safe() else None

    def require(self) -> Verdict:
        """Return what the check has to say, which is told; a bundle with errors is a CheckFailedError with all."""
        found = None
        if self._beside is not None:
            with span(self._name, "check"):
                found = self._beside.result()
            self._beside = None
        if found is None:
            verdict, _ = self._judge(self._workshop)
        else:
            verdict = Verdict.from_dict(found)
            self._workshop.terminal.tell("check", f"{self._name}: {found['summary']}", found["seconds"])
        verdict.tell(self._workshop.terminal)
        return verdict

    def abandon(self) -> None:
        """End a check nobody waits for any more; one that has ended is left alone."""
        if self._beside is not None:
            self._beside.abandon()
            self._beside = None

    def _judge_quietly(self) -> dict[str, Any]:
        started = time.monotonic()
        verdict, summary = self._judge(replace(self._workshop, terminal=Terminal(quiet=True)))
        return {**verdict.to_dict(), "summary": summary, "seconds": time.monotonic() - started}

    def _judge(self, workshop: Workshop) -> tuple[Verdict, str]:
        from builder.check.finding import Level  # noqa: PLC0415 - the rules are most of what there is to load
        from builder.check.report import failure  # noqa: PLC0415
        from builder.pipeline.checks import check_for_build  # noqa: PLC0415

        report = check_for_build(workshop, *self._subject)
        if not report.passed():
            raise failure(report)
        notes = report.count(Level.NOTE)
        root = self._subject[0].root
        said = [f"  {notes} note{'s'[: notes != 1]}: `kiln check {root}` tells"] if notes else []
        said += [
            f"  off in bundle.yaml: {finding.rule.id} {finding.place}: {reason}" for finding, reason in report.silenced
        ]
        warned = [
            f"{warning.place}: {warning.message} ({warning.rule.id}); {warning.remedy}" for warning in report.warnings
        ]
        return Verdict(said=tuple(said), warned=tuple(warned)), report.summary

"""Every way a stage can fail, each class with its own exit code.

An error states a fact, the place it was found, what was wanted and what was got, and one next step. A stage that
finds several faults raises them together, so that a person mends them in one go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

_SEQUENCE = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~]"
"""What a terminal takes for a command (ECMA-48): colours and the like, titles, other escapes."""
_CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f]"


def printable(text: str) -> str:
    """Return text that does nothing to a terminal: colours are taken out, other control characters replaced.

    Tab and line end stay. Much of what errors show was written by others: a model's log, a file, a registry.
    """
    return re.sub(_CONTROL, "�", re.sub(_SEQUENCE, "", text))  # compiled when there is something to show


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong.

    ``fact`` is lower case with no full stop; ``at`` is a file, ``file:line`` and key path, or a URL without
    credentials; ``want`` and ``got`` are given together wherever a comparison failed.
    """

    fact: str
    at: str | None = None
    want: str | None = None
    got: str | None = None
    fix: str | None = None
    """What to do about this fault alone, where several faults of an error need different things."""

    def lines(self) -> Iterable[str]:
        """Yield the fault as it is shown, one labelled line for each part that is known."""
        yield printable(self.fact)
        for label, value in (("at  ", self.at), ("want", self.want), ("got ", self.got), ("fix ", self.fix)):
            if value is not None:
                first, *rest = value.splitlines() or [""]
                yield printable(f"  {label} {first}")
                yield from (printable(f"       {line}") for line in rest)


class KilnError(Exception):
    """A failure that was foreseen: it holds all faults of one stage and at most one hint."""

    exit_code: ClassVar[int] = 1

    def __init__(self, faults: Iterable[Fault], *, hint: str | None = None) -> None:
        self.faults = tuple(faults)
        self.hint = hint
        super().__init__("; ".join(fault.fact for fault in self.faults))

    @classmethod
    def of(
        cls,
        fact: str,
        *,
        at: str | None = None,
        want: str | None = None,
        got: str | None = None,
        hint: str | None = None,
    ) -> Self:
        """Make an error of a single fault."""
        return cls([Fault(fact=fact, at=at, want=want, got=got)], hint=hint)

    def render(self) -> str:
        """Return the text a person sees on stderr, without colour."""
        blocks = ["\n".join(fault.lines()) for fault in self.faults]
        text = "\n".join(f"error: {block}" for block in blocks)
        return f"{text}\n\nhint: {printable(self.hint)}" if self.hint else text

    def to_dict(self) -> dict[str, object]:
        """Return the error for ``--json`` readers."""
        return {
            "error": type(self).__name__,
            "exit_code": self.exit_code,
            "faults": [
                {"fact": fault.fact, "at": fault.at, "want": fault.want, "got": fault.got, "fix": fault.fix}
                for fault in self.faults
            ],
            "hint": self.hint,
        }


class UsageError(KilnError):
    """The command line asks for something that does not exist or contradicts itself."""

    exit_code = 2


class BundleError(KilnError):
    """The bundle is not valid: bundle.yaml, or a file it names."""

    exit_code = 3


class LockDriftError(KilnError):
    """The bundle is no longer what its lock was made from."""

    exit_code = 4


class ResolutionError(KilnError):
    """No set of package versions satisfies the requirements for the target."""

    exit_code = 5


class FetchError(KilnError):
    """Something the lock names could not be brought here."""

    exit_code = 6


class DigestMismatchError(KilnError):
    """Bytes are not the bytes that were locked."""

    exit_code = 7


class BaseImageError(KilnError):
    """A base image is unknown, unsigned, incomplete or cannot be assembled."""

    exit_code = 8


class StoreError(KilnError):
    """The store could not be read or written: disk full, no permission, damaged blob."""

    exit_code = 9


class EngineUnavailableError(KilnError):
    """No container engine answers, or this user may not talk to it."""

    exit_code = 10


class EngineError(KilnError):
    """The container engine answered, and refused or failed."""

    exit_code = 11


class SmokeFailedError(KilnError):
    """The exact image was run and did not do what the bundle says it does."""

    exit_code = 12


class RegistryError(KilnError):
    """The registry broke the distribution protocol, kept failing, or holds other bytes."""

    exit_code = 13


class RegistryAuthError(KilnError):
    """The registry refused these credentials or wants some."""

    exit_code = 14


class PublishRefusedError(KilnError):
    """Publishing would break a promise: untested image, or a version tag that would move."""

    exit_code = 15


class TemplateError(KilnError):
    """A template cannot be rendered."""

    exit_code = 16


class PlanError(KilnError):
    """The bundle and its lock do not make a plan: two sources for one path, a wheel that cannot be linked."""

    exit_code = 17


class SettingsError(KilnError):
    """A setting of the tool is missing or malformed."""

    exit_code = 18


class HostError(KilnError):
    """This machine lacks something that cannot be done without, or refused an operation."""

    exit_code = 19


class CheckFailedError(KilnError):
    """The bundle would break when it is deployed: a check found errors."""

    exit_code = 20


class NotBuiltError(KilnError):
    """There is no built image of the bundle as it is named now: build it first."""

    exit_code = 21

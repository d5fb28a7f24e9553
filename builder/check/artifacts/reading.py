"""What was read from a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


class UnreadableError(Exception):
    """A file begins as its format does and does not go on as it should."""


class TooLargeError(UnreadableError):
    """A file is sound as far as anyone looked, and too large to be looked at further."""


class UnfollowedError(UnreadableError):
    """A pickle cannot be followed; the rules of pickle safety tell why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFeatures:
    """What a model expects of one record."""

    names: tuple[str, ...] | None
    """In the order of training; None when the file has no names."""
    count: int | None
    """How many; None when the file does not say."""
    source: str
    """Where it is written, for people: ``feature_names_in_ of sklearn.pipeline.Pipeline``."""
    categories: Mapping[int, tuple[str | int | float | bool, ...]] = field(default_factory=dict)
    """Which are categories or text, by position, and what they may be; nothing where the file does not say what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Maker:
    """A library the file was made with."""

    library: str
    """A distribution's normalised name, or ``python``."""
    version: str | None
    """As it is written in the file; None when only the library is known."""
    evidence: str
    """Where it is written, for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One model file."""

    format: str
    """For people: ``joblib (zlib)``, ``XGBoost UBJSON``."""
    makers: tuple[Maker, ...] = ()
    needs: tuple[str, ...] = ()
    """Top-level modules that loading it imports, or distributions that can load it (a choice: ``a|b``)."""
    features: ModelFeatures | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    """What compatibility depends on besides versions, by name (see compatibility)."""
    classes: frozenset[str] = frozenset()
    """Classes the file has objects of."""
    names: frozenset[str] = frozenset()
    """What loading it imports, by module and name."""
    fitted: frozenset[str] = frozenset()
    """Estimators of scikit-learn that were fitted: ``OneHotEncoder``, ``OneHotEncoder(sparse)``."""
    devices: frozenset[str] = frozenset()
    """Where its tensors were: ``cuda:0``."""
    outermost: str = ""
    """What loading it gives: a class (a pipeline's last step's), or ``dict`` and the like; empty if unknown."""
    is_known: bool = True

    def version_of(self, library: str) -> str | None:
        """Return the version of a library that made it."""
        return next((maker.version for maker in self.makers if maker.library == library), None)

    def joined(self, other: Artifact) -> Artifact:
        """Return this artifact with what another, held inside of it, adds."""
        return replace(
            self,
            makers=tuple(dict.fromkeys((*self.makers, *other.makers))),
            needs=tuple(dict.fromkeys((*self.needs, *other.needs))),
            features=self.features or other.features,
            facts={**other.facts, **self.facts},
            classes=self.classes | other.classes,
            names=self.names | other.names,
            fitted=self.fitted | other.fitted,
            devices=self.devices | other.devices,
        )


UNKNOWN = Artifact(format="unknown", is_known=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a file is, or why it could not be read."""

    artifact: Artifact
    problem: str | None = None
    is_damaged: bool = False
    """False for a file that is only too large to be looked at."""
    is_told: bool = False
    """True when the rules of pickle safety tell the problem too."""

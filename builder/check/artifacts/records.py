"""A reading as a JSON value, and back."""

from __future__ import annotations

from typing import Any

from builder.check.artifacts.reading import Artifact, Maker, ModelFeatures, Reading
from builder.oci.canonical import canonical_json


def to_record(reading: Reading) -> dict[str, Any] | None:
    """Return the JSON form of what a sound file was found to be; None for any other, and for what JSON would change."""
    artifact = reading.artifact
    features = artifact.features
    if reading.problem is not None or (features is not None and features.categories):
        return None
    record = {
        "format": artifact.format,
        "makers": [[maker.library, maker.version, maker.evidence] for maker in artifact.makers],
        "needs": list(artifact.needs),
        "features": features
        and {
            "names": None if features.names is None else list(features.names),
            "count": features.count,
            "source": features.source,
        },
        "facts": dict(artifact.facts),
        "classes": sorted(artifact.classes),
        "names": sorted(artifact.names),
        "fitted": sorted(artifact.fitted),
        "devices": sorted(artifact.devices),
        "outermost": artifact.outermost,
        "is_known": artifact.is_known,
    }
    try:
        canonical_json(record)
    except ValueError:  # a name may hold half of a character, which UTF-8 does not have
        return None
    return record


def from_record(record: dict[str, Any]) -> Reading:
    """Return the reading ``to_record`` was given."""
    features = record["features"]
    return Reading(
        artifact=Artifact(
            format=record["format"],
            makers=tuple(
                Maker(library=library, version=version, evidence=evidence)
                for library, version, evidence in record["makers"]
            ),
            needs=tuple(record["needs"]),
            features=features
            and ModelFeatures(
                names=None if features["names"] is None else tuple(features["names"]),
                count=features["count"],
                source=features["source"],
            ),
            facts=record["facts"],
            classes=frozenset(record["classes"]),
            names=frozenset(record["names"]),
            fitted=frozenset(record["fitted"]),
            devices=frozenset(record["devices"]),
            outermost=record["outermost"],
            is_known=record["is_known"],
        )
    )

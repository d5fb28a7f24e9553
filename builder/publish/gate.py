"""The gate before a push: only an image whose own smoke report is green goes through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.errors import PublishRefusedError
from builder.oci.digest import Digest

_HINT = "test it first: kiln test (make image does); or push it as it is with --untested"


def require_tested(image_id: Digest, report: Path, *, untested: bool = False) -> None:
    """Return when the smoke report at this path is green for exactly this image, or ``untested`` was said.

    The report is a JSON object with ``image_id`` (``sha256:…``) and ``passed``. A report that is missing, unreadable,
    of another image, or not green is a PublishRefusedError.
    """
    if not untested:
        judge(image_id, _read(report), at=str(report))


def judge(image_id: Digest, report: Mapping[str, Any], *, at: str) -> None:
    """Refuse a report that is not green for exactly this image."""
    tested = report.get("image_id")
    if tested != str(image_id):
        raise PublishRefusedError.of(
            "the smoke report is of another image", at=at, want=str(image_id), got=str(tested), hint=_HINT
        )
    # Only the word true opens the gate; nothing that merely counts as true in Python does.
    if report.get("passed") is not True:
        raise PublishRefusedError.of(
            "the image did not pass its smoke tests",
            at=at,
            want="passed: true",
            got=f"passed: {json.dumps(report.get('passed'), default=str)}",
            hint="mend what the report names and build again; or push it as it is with --untested",
        )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        report = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise PublishRefusedError.of("the image has no smoke report", at=str(path), hint=_HINT) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise PublishRefusedError.of(f"the smoke report cannot be read: {reason}", at=str(path), hint=_HINT) from error
    if not isinstance(report, dict):
        raise PublishRefusedError.of("the smoke report is not a JSON object", at=str(path), hint=_HINT)
    return report

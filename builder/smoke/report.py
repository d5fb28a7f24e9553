"""What came of testing one exact image: for machines (JSON, JUnit XML), for people (a table), for the pipeline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from xml.etree import ElementTree as ET

from builder.engine.runner import ExitState
from builder.errors import Fault, SmokeFailedError, printable
from builder.oci.canonical import readable_json
from builder.oci.config import rfc3339
from builder.oci.digest import Digest
from builder.oci.media_type import ManifestFormat
from builder.smoke.comparison import Difference
from builder.smoke.logs import render_logs
from builder.smoke.scenarios import Kind

REPORT_VERSION = 1
SHOWN_LINES = 40
"""Lines of what the container printed that the table shows; a traceback counts with all of its lines."""
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class TestResult:
    """One test.

    ``seconds`` is how long it took, None where that would tell of the tests before it and not of the image;
    ``status`` the HTTP status, where there was one.
    """

    __test__ = False  # pytest collects by name

    name: str
    kind: Kind
    passed: bool
    seconds: float | None
    status: int | None = None
    differences: tuple[Difference, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "kind": str(self.kind),
            "passed": self.passed,
            "seconds": None if self.seconds is None else round(self.seconds, 4),
            "status": self.status,
            "differences": [difference.to_dict() for difference in self.differences],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class SmokeReport:
    """The record that travels with an image. It is about exactly ``image_id`` and no other image.

    ``manifest_digests`` are those this image has in each dialect. ``started`` is seconds since 1970, ``seconds``
    how long it all took. ``exit`` is how the container ended, ``logs`` its last lines when something failed,
    ``not_run`` the tests that could not be run since the container was gone.
    """

    image_id: Digest
    manifest_digests: Mapping[ManifestFormat, Digest]
    reference: str
    runner: str
    unapplied: tuple[str, ...]
    uid: int
    started: float
    seconds: float
    tests: tuple[TestResult, ...]
    not_run: tuple[str, ...] = ()
    exit: ExitState | None = None
    logs: str = ""

    @property
    def passed(self) -> bool:
        """True when every test was run and passed."""
        return bool(self.tests) and not self.not_run and all(test.passed for test in self.tests)

    @property
    def failures(self) -> tuple[TestResult, ...]:
        """The tests that failed."""
        return tuple(test for test in self.tests if not test.passed)

    @property
    def counts(self) -> str:
        """How many passed, failed and were not run, in words."""
        total = len(self.tests) + len(self.not_run)
        failed = len(self.failures)
        parts = [f"{len(self.tests) - failed} of {total} passed"]
        parts += [f"{failed} failed"] if failed else []
        parts += [f"{len(self.not_run)} not run"] if self.not_run else []
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``from_dict`` is its inverse."""
        return {
            "smoke_report": REPORT_VERSION,
            "passed": self.passed,
            "image_id": str(self.image_id),
            "manifest_digests": {str(dialect): str(digest) for dialect, digest in self.manifest_digests.items()},
            "reference": self.reference,
            "runner": self.runner,
            "unapplied": list(self.unapplied),
            "uid": self.uid,
            "started": rfc3339(int(self.started)),
            "started_epoch": self.started,
            "seconds": round(self.seconds, 4),
            "tests": [test.to_dict() for test in self.tests],
            "not_run": list(self.not_run),
            "exit": {
                "code": self.exit.code,
                "was_killed_for_memory": self.exit.was_killed_for_memory,
                "seconds": round(self.exit.seconds, 4),
            }
            if self.exit
            else None,
            "logs": self.logs,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form; anything else is a ValueError, KeyError or TypeError."""
        if data["smoke_report"] != REPORT_VERSION:
            raise ValueError(f"not a smoke report of version {REPORT_VERSION}: {data['smoke_report']!r}")
        ended = data["exit"]
        return cls(
            image_id=Digest.parse(data["image_id"]),
            manifest_digests={
                ManifestFormat(dialect): Digest.parse(digest) for dialect, digest in data["manifest_digests"].items()
            },
            reference=data["reference"],
            runner=data["runner"],
            unapplied=tuple(data["unapplied"]),
            uid=int(data["uid"]),
            started=float(data["started_epoch"]),
            seconds=float(data["seconds"]),
            tests=tuple(
                TestResult(
                    name=test["name"],
                    kind=Kind(test["kind"]),
                    passed=bool(test["passed"]),
                    seconds=None if test["seconds"] is None else float(test["seconds"]),
                    status=test["status"],
                    differences=tuple(Difference(**difference) for difference in test["differences"]),
                )
                for test in data["tests"]
            ),
            not_run=tuple(data["not_run"]),
            exit=ExitState(**ended) if ended else None,
            logs=data["logs"],
        )

    def to_json(self) -> str:
        """Return the report as readable JSON."""
        return readable_json(self.to_dict())

    def to_junit(self) -> str:
        """Return the report as JUnit XML, for continuous integration; it names the image's digests."""
        suite = ET.Element(
            "testsuite",
            name=_xml(f"{self.reference}@{self.image_id}"),
            tests=str(len(self.tests) + len(self.not_run)),
            failures=str(len(self.failures)),
            errors="0",
            skipped=str(len(self.not_run)),
            time=f"{self.seconds:.3f}",
            timestamp=rfc3339(int(self.started)).removesuffix("Z"),
        )
        properties = ET.SubElement(suite, "properties")
        facts = {
            "image_id": str(self.image_id),
            **{f"manifest_digest.{dialect}": str(digest) for dialect, digest in self.manifest_digests.items()},
            "reference": self.reference,
            "runner": self.runner,
            "unapplied": "; ".join(self.unapplied),
            "uid": str(self.uid),
        }
        for name, value in facts.items():
            ET.SubElement(properties, "property", name=name, value=_xml(value))
        for test in self.tests:
            case = ET.SubElement(
                suite,
                "testcase",
                classname=f"smoke.{test.kind}",
                name=_xml(test.name),
                time=f"{test.seconds or 0:.3f}",
            )
            if not test.passed:
                lines = [f"{part.at}: want {part.want}, got {part.got}" for part in test.differences]
                failure = ET.SubElement(case, "failure", message=_xml(lines[0] if lines else "failed"))
                failure.text = _xml("\n".join(lines))
        for name in self.not_run:
            case = ET.SubElement(suite, "testcase", classname="smoke", name=_xml(name), time="0")
            ET.SubElement(case, "skipped", message="the container was gone")
        if self.logs:
            ET.SubElement(suite, "system-out").text = _xml("\n".join(render_logs(self.logs)))
        root = ET.Element("testsuites")
        root.append(suite)
        ET.indent(root)
        return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"

    def to_table(self, *, colour: bool = False) -> str:
        """Return the report for a person: a line for each test, and under a failed one the difference."""
        green, red, faint, plain = ("\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m") if colour else ("", "", "", "")
        width = max((len(name) for name in (*(test.name for test in self.tests), *self.not_run)), default=0)
        lines = []
        for test in self.tests:
            mark = f"{green}✓{plain}" if test.passed else f"{red}✗{plain}"
            status = str(test.status or "")
            time = "" if test.seconds is None else f"  {faint}{_duration(test.seconds):>8}{plain}"
            lines.append(f"{mark} {test.name:<{width}}  {status:>3}{time}".rstrip())
            for part in test.differences:
                lines.append(f"    {part.at}")
                lines.append(f"      want {printable(part.want)}")
                lines.append(f"      got  {printable(part.got)}")
        lines.extend(f"{faint}- {name:<{width}}  not run{plain}" for name in self.not_run)
        count = len(self.tests) + len(self.not_run)
        verdict = f"{green}passed{plain}" if self.passed else f"{red}{self.counts}{plain}"
        lines.append(f"{count} test{'s'[: count != 1]} of {self.image_id} on {self.runner}: {verdict}")
        if self.unapplied:
            lines.append(f"{faint}not applied here: {'; '.join(self.unapplied)}{plain}")
        if self.logs:
            lines.extend(
                ("last lines of the container:", *(f"  | {line}" for line in render_logs(self.logs)[-SHOWN_LINES:]))
            )
        return "\n".join(lines)


def failure(report: SmokeReport) -> SmokeFailedError:
    """Return the error for a report that did not pass: a fault for each failed test, told by its first difference.

    What the container printed is not in it: the table and the report have that.
    """
    faults = [_fault(report, test) for test in report.failures]
    if not report.tests:
        faults.append(Fault(fact="no smoke test was run", at=report.reference))
    return SmokeFailedError(faults, hint=_hint(report))


def _fault(report: SmokeReport, test: TestResult) -> Fault:
    fact, at = f"smoke test failed: {test.name}", f"{report.reference} ({report.image_id})"
    if not test.differences:
        return Fault(fact=fact, at=at)
    first, *more = test.differences
    others = f" and {len(more)} more" if more else ""
    return Fault(fact=f"{fact} ({first.at}{others})", at=at, want=printable(first.want), got=printable(first.got))


def _hint(report: SmokeReport) -> str:
    if report.exit and report.exit.was_killed_for_memory:
        return "raise resources.memory in bundle.yaml, or make the model smaller"
    if report.not_run:
        return "read what the container printed last (`logs` of the smoke report); `kiln run` starts the same image"
    return "mend the bundle, or the expectation if it is what is wrong, and build again"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _xml(text: str) -> str:
    return _NOT_XML.sub("�", text)

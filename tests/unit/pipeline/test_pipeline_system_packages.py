from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from builder.errors import Fault, ResolutionError
from builder.pipeline.fetching import _at_lines
from tests.support.bundles import make_bundle


def test_a_package_that_cannot_be_had_is_told_with_the_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "bundle.yaml").write_text("name: x\nenvironment:\n  system_packages:\n    - libgomp1\n    - libgl\n")
    bundle = make_bundle()
    environment = replace(bundle.environment, system_packages=("libgomp1", "libgl"))
    bundle = replace(bundle, root=tmp_path, environment=environment)
    faults = [
        Fault(fact="no such package: libgl", at="libgl"),
        Fault(fact="c is needed", at="libgomp1 needs b needs c"),
        Fault(fact="b 1 cannot be with c 2"),
    ]
    found = _at_lines(ResolutionError(faults, hint="bring it up to date"), bundle)
    assert [fault.at for fault in found.faults] == [
        "bundle.yaml:5 environment.system_packages[1]",
        "bundle.yaml:4 environment.system_packages[0]: libgomp1 needs b needs c",
        "bundle.yaml:3 environment.system_packages",
    ]
    assert found.hint == "bring it up to date"

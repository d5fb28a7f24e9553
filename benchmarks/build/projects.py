"""The bundle every system packs: a scikit-learn pipeline over pandas columns, its code, its pins; and its edits."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PINS = (
    "scikit-learn==1.7.2",
    "pandas==2.3.3",
    "numpy==2.3.5",
    "scipy==1.16.3",
    "joblib==1.5.2",
    "threadpoolctl==3.6.0",
    "python-dateutil==2.9.0.post0",
    "six==1.17.0",
    "pytz==2025.2",
    "tzdata==2025.2",
)
SMALL = (
    "humanize==4.13.0",
    "tabulate==0.9.0",
    "toolz==1.0.0",
    "inflection==0.5.1",
    "cachetools==6.2.0",
    "xxhash==3.5.0",
)
"""One of them is added in each round: a builder must not find the last round's in its cache."""
GIBIBYTE = 1 << 30
COLUMNS = [f"x{number:02}" for number in range(20)]

TRAIN = """
import sys
import joblib, numpy, pandas
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
columns = [f"x{number:02}" for number in range(20)]
for seed in range(int(sys.argv[2])):
    chance = numpy.random.default_rng(seed)
    table = pandas.DataFrame(chance.normal(size=(4000, 20)), columns=columns)
    label = (table["x00"] + table["x01"] * table["x02"] + chance.normal(size=4000) > 0).astype(int)
    model = make_pipeline(StandardScaler(), RandomForestClassifier(130, max_depth=8, random_state=seed))
    joblib.dump(model.fit(table, label), f"{sys.argv[1]}/{seed}.joblib")
"""

EDIT = "# edit "


@dataclass(frozen=True)
class Project:
    """A folder with ``files`` in it, of which one is edited as code, beside ``model/`` and ``requirements.txt``."""

    folder: Path
    models: Path
    """Models to take, by number."""
    code: str
    files: Mapping[str, str]
    pins: tuple[str, ...] = PINS
    big: Path | None = None
    """A file of 1 GiB that goes in as well."""

    @property
    def model_folder(self) -> Path:
        return self.folder / "model"

    def reset(self) -> None:
        """Write it all anew, as it is before anything is edited. A file of 1 GiB stays, its bytes changed back."""
        for name, text in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, textwrap.dedent(text).lstrip("\n"))
        self.place_model(0)
        self.depend(None)

    def edit_code(self, number: int) -> None:
        path = self.folder / self.code
        lines = [line for line in path.read_text().splitlines() if not line.startswith(EDIT)]
        path.write_text("\n".join([*lines, f"{EDIT}{number}", ""]))

    def place_model(self, number: int) -> None:
        """Put another model in place: the small one, and where there is a big one that one's bytes."""
        target = self.model_folder / "model.joblib"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self.big:
            shutil.copyfile(self.models / f"{number}.joblib", target)
            return
        if not target.exists():
            shutil.copyfile(self.models / "0.joblib", target)
        weights = target.with_name("weights.bin")
        if not weights.exists():
            shutil.copyfile(self.big, weights)
        with weights.open("r+b") as file:
            file.seek(GIBIBYTE // 3)
            file.write(number.to_bytes(8, "little"))
            file.flush()
            os.fsync(file.fileno())

    def depend(self, number: int | None) -> None:
        """Ask for one small dependency more, or for none."""
        more = [] if number is None else [SMALL[number % len(SMALL)]]
        _write(self.folder / "requirements.txt", "\n".join([*self.pins, *more, ""]))


def _write(path: Path, text: str) -> None:
    """Write a file whose time does not change while its text does not."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)

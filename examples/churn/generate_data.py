"""Writes data/train.csv and data/validation.csv: made-up subscribers, the same bytes on every machine.

Only the standard library is used, and only operations whose results IEEE 754 and Python fix.
"""

from __future__ import annotations

import csv
import hashlib
import random
from pathlib import Path

SEED = 20260301
FOLDER = Path(__file__).parent / "data"
COLUMNS = (
    "tenure_months",
    "monthly_charge",
    "contract",
    "payment_method",
    "support_calls",
    "data_gb",
    "has_fiber",
    "churned",
)


def subscriber(rng: random.Random) -> dict[str, object]:
    """Make one subscriber; who leaves depends on contract, tenure, price and support calls, and on chance."""
    contract = rng.choices(("monthly", "one-year", "two-year"), weights=(55, 25, 20))[0]
    payment = rng.choices(("card", "direct-debit", "invoice"), weights=(45, 35, 20))[0]
    tenure = min(120, int(rng.random() * rng.random() * (60 if contract == "monthly" else 140)))
    has_fiber = rng.random() < 0.45
    data_gb = round((40 if has_fiber else 12) * (0.2 + 1.8 * rng.random()), 1)
    charge = round(14 + (18 if has_fiber else 0) + 0.25 * data_gb + 12 * rng.random(), 2)
    calls = min(12, int(rng.random() * rng.random() * 9))
    points = {"monthly": 34, "one-year": 12, "two-year": 3}[contract]
    points += {"card": 0, "direct-debit": -3, "invoice": 9}[payment]
    points += 5 * calls + 0.45 * (charge - 30) - 0.5 * tenure
    return {
        "tenure_months": tenure,
        "monthly_charge": charge,
        "contract": contract,
        "payment_method": payment,
        "support_calls": calls,
        "data_gb": data_gb,
        "has_fiber": "true" if has_fiber else "false",
        "churned": int(rng.random() * 100 < min(95.0, max(2.0, points))),
    }


def write(name: str, rows: int, seed: int) -> None:
    """Write one file and print what bundle.yaml records of it."""
    rng = random.Random(seed)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(subscriber(rng) for _ in range(rows))
    print(f"data/{name}: {rows} rows, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    write("train.csv", 4000, SEED)
    write("validation.csv", 1000, SEED + 1)

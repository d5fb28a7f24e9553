"""Writes data/train.csv and data/validation.csv: made-up card payments, the same bytes on every machine."""

from __future__ import annotations

import csv
import hashlib
import random
from pathlib import Path

SEED = 20260518
FOLDER = Path(__file__).parent / "data"
COLUMNS = (
    "amount",
    "hour",
    "days_since_last",
    "km_from_home",
    "merchant_risk",
    "card_present",
    "attempts_last_hour",
    "account_age_days",
    "is_fraud",
)


def payment(rng: random.Random) -> dict[str, object]:
    """Make one payment; one in twelve or so is fraud, and most of those look like it, as do some that are not."""
    is_fraud = rng.random() < 0.08
    looks_odd = rng.random() < (0.7 if is_fraud else 0.02)
    draw = rng.random() * rng.random()
    amount = round(1 + (1800 if looks_odd else 420) * draw, 2)
    at_night = rng.random() < (0.45 if looks_odd else 0.12)
    far = rng.random() < (0.5 if looks_odd else 0.06)
    return {
        "amount": amount,
        "hour": rng.randint(0, 5) if at_night else rng.randint(6, 23),
        "days_since_last": rng.randint(0, 3 if looks_odd else 20),
        "km_from_home": round((4000 if far else 30) * rng.random(), 1),
        "merchant_risk": round(min(1.0, rng.random() * (1.6 if looks_odd else 0.7)), 3),
        "card_present": int(rng.random() < (0.1 if looks_odd else 0.6)),
        "attempts_last_hour": int(rng.random() * rng.random() * (9 if looks_odd else 3)),
        "account_age_days": rng.randint(1, 600 if looks_odd else 4000),
        "is_fraud": int(is_fraud),
    }


def write(name: str, rows: int, seed: int) -> None:
    """Write one file and print what bundle.yaml records of it."""
    rng = random.Random(seed)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(payment(rng) for _ in range(rows))
    print(f"data/{name}: {rows} rows, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    write("train.csv", 6000, SEED)
    write("validation.csv", 2000, SEED + 1)

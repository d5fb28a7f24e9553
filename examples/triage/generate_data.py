"""Writes data/train.jsonl and data/validation.jsonl: made-up support tickets, the same bytes on every machine."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

SEED = 20260412
FOLDER = Path(__file__).parent / "data"

TOPICS = {
    "billing": (
        ("charged twice", "wrong amount on my invoice", "refund not received", "card was declined", "VAT missing"),
        (
            "I was charged {amount} euro twice for order {order}.",
            "The invoice of {month} shows {amount} euro, but my plan costs less.",
            "You promised a refund of {amount} euro and my bank has not seen it.",
            "My card was declined although the payment went through at the bank.",
            "Our accounting needs the VAT number on the receipt for {month}.",
            "Please cancel the subscription fee, the discount was not applied.",
        ),
    ),
    "shipping": (
        ("parcel is late", "package arrived damaged", "wrong address", "tracking does not move", "item missing"),
        (
            "Order {order} was due last week and the courier has no news.",
            "The box arrived torn and the {item} in it is broken.",
            "Can you change the delivery address of order {order} before it ships?",
            "Tracking has said 'in transit' for {days} days.",
            "The parcel held one {item}, but I had ordered two.",
            "The driver left the package at a neighbour I do not know.",
        ),
    ),
    "technical": (
        ("app crashes", "error 500 on upload", "device will not pair", "sync stopped", "update failed"),
        (
            "Since the update the app crashes when I open the settings.",
            "Uploading a file ends with error {code} every time.",
            "The {item} does not connect over Bluetooth any more, I reset it twice.",
            "Sync has been stuck at 80 percent for {days} days.",
            "The firmware update failed and the {item} shows a red light.",
            "The web page stays blank in my browser, the console says timeout.",
        ),
    ),
    "account": (
        ("cannot log in", "password reset mail missing", "change my email", "delete my account", "two-factor code"),
        (
            "The password reset mail never arrives, I looked in spam.",
            "I have a new phone and the two-factor code is refused at login.",
            "Please change the email address of my account, I left that company.",
            "I want my account and personal data deleted.",
            "My login is locked after {days} wrong passwords.",
            "How do I add a colleague as a user with admin rights?",
        ),
    ),
}
SMALL_TALK = (
    "Hello,",
    "Hi there,",
    "Thanks in advance.",
    "Kind regards",
    "I have been a customer for {days} years.",
    "Please answer soon.",
    "This is the second time I write.",
    "I find this quite annoying.",
)


def fill(rng: random.Random, text: str) -> str:
    """Fill the blanks of a sentence."""
    return text.format(
        amount=rng.randint(5, 400),
        order=rng.randint(100000, 999999),
        month=rng.choice(("January", "March", "June", "October")),
        item=rng.choice(("headset", "camera", "lamp", "keyboard", "speaker")),
        days=rng.randint(2, 9),
        code=rng.choice((403, 500, 502)),
    )


def ticket(rng: random.Random) -> dict[str, str]:
    """Make one ticket; a tenth is filed under a queue its text does not speak of."""
    topic = rng.choice(sorted(TOPICS))
    subjects, sentences = TOPICS[topic]
    body = [rng.choice(SMALL_TALK), *rng.sample(sentences, rng.randint(1, 2)), rng.choice(SMALL_TALK)]
    queue = rng.choice(sorted(TOPICS)) if rng.random() < 0.1 else topic
    return {
        "subject": fill(rng, rng.choice(subjects)) if rng.random() < 0.8 else "Question",
        "body": " ".join(fill(rng, sentence) for sentence in body),
        "queue": queue,
    }


def write(name: str, rows: int, seed: int) -> None:
    """Write one file and print what bundle.yaml records of it."""
    rng = random.Random(seed)
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / name
    text = "".join(json.dumps(ticket(rng), ensure_ascii=False) + "\n" for _ in range(rows))
    path.write_bytes(text.encode())
    print(f"data/{name}: {rows} rows, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    write("train.jsonl", 3000, SEED)
    write("validation.jsonl", 800, SEED + 1)

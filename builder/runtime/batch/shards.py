"""Which part of the input this process scores. The shards of one input cover it exactly once, whatever their number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

INDEX_AND_COUNT = (
    ("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"),
    ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"),
)
"""Variables of Cloud Run jobs, AWS Batch array jobs and indexed Jobs of Kubernetes. Kubernetes tells the index only, so
that JOB_COMPLETIONS is for the manifest to set."""
LONE_INDEX = "JOB_COMPLETION_INDEX"


class ShardError(Exception):
    """The shard is not told, or not told right."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` parts, counted from 0."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.index < self.count:
            raise ShardError(
                f"the shard {self.index}/{self.count} is none of 0/{self.count} to {self.count - 1}/{self.count}"
            )

    def take_range(self, total: int) -> tuple[int, int]:
        """Return where this shard's part of so many consecutive things begins and ends."""
        return total * self.index // self.count, total * (self.index + 1) // self.count

    def holds(self, number: int) -> bool:
        """Say whether the thing of this number, from 0, falls to this shard when they are dealt out in turn."""
        return number % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str) -> Shard:
    """Read ``i/n``."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    if found is None:
        raise ShardError(f"a shard is i/n, such as 0/4, not {text!r}")
    return Shard(int(found[1]), int(found[2]))


def find_shard(environment: Mapping[str, str], count: int | None = None) -> Shard:
    """Return the shard that the platform's variables tell, or the whole input where there are none.

    ``count`` goes before the platform's own; an index without any count is an error, since guessing it wrong would
    leave records out.
    """
    for index_name, count_name in INDEX_AND_COUNT:
        index = environment.get(index_name, "").strip()
        size = environment.get(count_name, "").strip() if count is None else str(count)
        if index and size:
            if not index.isdigit() or not size.isdigit():
                raise ShardError(f"{index_name}={index} and {count_name}={size} must be whole numbers")
            return Shard(int(index), int(size))
        if index and index_name == LONE_INDEX:
            raise ShardError(
                f"{LONE_INDEX} is set, but not how many shards there are: give --shards, or set JOB_COMPLETIONS"
            )
    if count not in (None, 1):
        raise ShardError("--shards needs the index from the platform; by hand it is --shard i/n")
    return Shard()

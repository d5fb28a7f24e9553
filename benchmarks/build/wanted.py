"""What is wanted of kiln, in the units of the table; the misses are told under it."""

from __future__ import annotations

from benchmarks.build import cuda, rounds

BIG = "1 GiB: "
WANTED: dict[str, float] = {
    rounds.COLD: 6,
    rounds.BARE: 2,
    rounds.AGAIN: 0.15,
    rounds.CODE: 0.25,
    rounds.MODEL: 0.3,
    rounds.SHARED: 1,
    rounds.DEPENDENCY: 0.6,
    rounds.PUSH_DEPENDENCY: 0.3,
    rounds.PUSH_DEPENDENCY + rounds.MEGABYTES: 1,
    rounds.PUSH_SHARED + rounds.MEGABYTES: 2.5,
    rounds.DISK: 330,
    rounds.COMPRESSED: 110,
    BIG + rounds.CODE: 0.3,
    BIG + rounds.PUSH_CODE: 0.2,
    BIG + rounds.MODEL: 2,
    BIG + rounds.PUSH_MODEL: 4,
    cuda.RATIO: 1.5,
    cuda.RATIO_COMPILED: 1.5,
    cuda.MEMORY: 300,
    rounds.START: 0.08,
}

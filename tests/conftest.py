"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A shared machine may stall any test; time is measured in benchmarks/, never here. Examples are the same in every run,
# so that a green run says something of the next one; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("kiln", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("kiln")

"""What holds for every test."""

from __future__ import annotations

import signal

from hypothesis import settings

# A run that was started in the background inherits a Ctrl-C that is ignored; tests of Ctrl-C need one that is not, here
# and in the programs they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A shared machine may stall any test; time is measured in benchmarks/, never here. Examples are the same in every run,
# so that a green run says something of the next one; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("kiln", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("kiln")

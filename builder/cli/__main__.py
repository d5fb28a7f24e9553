"""``python -m builder.cli`` is the ``kiln`` command."""

from builder.cli.main import main

main()

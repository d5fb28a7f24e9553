"""Arguments in, exit code out. No decisions."""

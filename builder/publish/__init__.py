"""The distribution protocol: push, pull, mount."""

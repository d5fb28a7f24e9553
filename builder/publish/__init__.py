"""The distribution protocol: push, pull, mount, and the gate before them."""

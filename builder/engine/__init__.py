"""Places a built image can be run: a container engine, or this machine's own namespaces."""

"""Blobs, records and OCI layouts on disk."""

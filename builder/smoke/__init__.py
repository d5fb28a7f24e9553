"""Scenarios against the exact image, and the report that names its digest."""

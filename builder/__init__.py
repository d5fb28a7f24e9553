"""ModelKiln: a model bundle in, a tested and reproducible container image out."""

__version__ = "0.1.0"

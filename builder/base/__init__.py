"""Base images and system packages, assembled from locked Debian packages or pulled by digest."""

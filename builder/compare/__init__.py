"""Two images, field by field: whether they are the same, and in what they differ. Reads images; makes none."""

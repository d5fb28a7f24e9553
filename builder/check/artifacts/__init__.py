"""What made a model file, read from the file: never by loading it."""

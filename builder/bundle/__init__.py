"""What the author wrote: bundle.yaml and the files it names."""

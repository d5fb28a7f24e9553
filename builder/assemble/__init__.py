"""The plan as bytes: layers, configuration, manifest. An image linker; it never runs what it links."""

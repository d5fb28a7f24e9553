"""From what a person has to a bundle: reads model files, scripts and other tools' manifests, and imports none of it."""

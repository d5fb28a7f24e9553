"""What a release is, beyond an image in a registry."""

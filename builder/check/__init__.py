"""What can be known of a bundle before an image exists, without importing, unpickling or running anything of it."""

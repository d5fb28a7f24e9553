"""What was chosen: exact versions, files and digests, and what they were chosen for."""

"""What is baked into every image: server, worker, probe. Imports nothing of the rest, and itself only relatively."""

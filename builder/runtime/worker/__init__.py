"""The worker process: the author's code and nothing of ours but the standard library."""

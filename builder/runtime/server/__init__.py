"""The server process: HTTP, validation, batching, health, metrics, and the supervision of workers."""

"""The plan as a Dockerfile and its build context."""

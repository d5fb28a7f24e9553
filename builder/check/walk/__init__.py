"""What scoring code does with paths and requests: followed statement by statement, and never run."""

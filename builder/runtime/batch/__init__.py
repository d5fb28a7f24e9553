"""The batch command: files in, predictions out, by the same records, schema and worker processes as over HTTP."""

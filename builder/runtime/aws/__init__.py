"""AWS Lambda: events in, answers out, by the same routes as over HTTP."""

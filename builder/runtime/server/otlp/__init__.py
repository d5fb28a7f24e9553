"""Export of traces and metrics to an OpenTelemetry collector; imported only when the environment asks for it."""

"""The HTTP edge: waiting page, public API, metrics."""

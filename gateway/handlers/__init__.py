"""One handler a call: parse, one operation, answer."""

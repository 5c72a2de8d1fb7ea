"""The domain, pure: no I/O, no clock, no randomness; time and samples are arguments."""

"""Load tests: black box, HTTP only, loopback only."""

"""Antrean: the pass verifier, the connectors and the command."""

__version__ = "0.1.0"

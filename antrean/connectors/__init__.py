"""Connectors: a few lines that protect a registration site with Antrean."""

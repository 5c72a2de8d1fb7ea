"""A small registration site, protected by our own connector: what the waiting room is for."""

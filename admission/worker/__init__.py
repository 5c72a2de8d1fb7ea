"""The admission worker: sense, decide, act."""

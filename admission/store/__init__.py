"""The line in Redis: the only package that imports redis."""

"""Control laws: how many sessions the origin is allowed, and at what rate, by what is seen of it. One law a file."""

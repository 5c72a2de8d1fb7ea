"""The line: domain, Redis store and admission worker."""

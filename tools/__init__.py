"""The scripts that the Makefile calls, as ``python -m tools.site build`` from the repository's root."""

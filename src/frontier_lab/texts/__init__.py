"""Texts and probes: what people wrote, and what is drawn by rule from a seed."""

"""Measurements that a page cannot afford: each a module, the command that measures, and what it wrote."""

"""The trained checkpoints: one recipe each, one manifest for all.

``python -m frontier_lab.zoo [name …]`` retrains. It resumes after a kill, and replaces a committed checkpoint
only if the rebuilt one lands within a tolerance of the validation loss; both stand in the manifest.
"""

from __future__ import annotations

from frontier_lab.storage.checkpoints import CHECKPOINTS, TOLERANCE, manifest

__all__ = ["CHECKPOINTS", "RECIPES", "TOLERANCE", "manifest"]

RECIPES = tuple(manifest())
"""Names of the committed checkpoints; what trains each stands in ``zoo.recipes``."""

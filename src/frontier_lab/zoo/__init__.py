"""The trained checkpoints: one recipe each, one manifest for all.

``python -m frontier_lab.zoo [name …]`` retrains. It resumes after a kill, and replaces a committed checkpoint
only if the rebuilt one lands within a tolerance of the validation loss; both stand in the manifest.
"""

from __future__ import annotations

from frontier_lab.storage.checkpoints import CHECKPOINTS, TOLERANCE, manifest

__all__ = ["CHECKPOINTS", "PARTS", "RECIPES", "TOLERANCE", "manifest"]

RECIPES = (
    "bert",
    "bigbird",
    "bloom",
    "classifiers",
    "dpr",
    "gpt2",
    "induction",
    "llama",
    "llama_peer",
    "longformer",
    "mamba",
    "mixtral",
    "rag",
    "reader",
    "retnet",
    "rwkv",
    "s4d",
    "sentiment",
    "toxicity",
)
PARTS = tuple(
    f"{name}:{part}"
    for name in ("llama_peer", "mamba", "retnet", "rwkv", "s4d")
    for part in ("language", "recall", "copy")
)
"""Recipes that can be trained part by part."""

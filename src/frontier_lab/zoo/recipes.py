"""Every recipe by name: a new one is a module of this package and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from frontier_lab.zoo import (
    bert,
    bigbird,
    bloom,
    classifiers,
    dpr,
    gpt2,
    induction,
    llama,
    llama_peer,
    longformer,
    mamba,
    merging,
    mixtral,
    rag,
    reader,
    retnet,
    rwkv,
    s4d,
    safety_heads,
    sentiment,
    toxicity,
)
from frontier_lab.zoo.training.recipe import Recipe

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        bert.RECIPE,
        bigbird.RECIPE,
        bloom.RECIPE,
        classifiers.RECIPE,
        dpr.RECIPE,
        gpt2.RECIPE,
        induction.RECIPE,
        llama.RECIPE,
        llama_peer.RECIPE,
        longformer.RECIPE,
        mamba.RECIPE,
        merging.RECIPE,
        mixtral.RECIPE,
        rag.RECIPE,
        reader.RECIPE,
        retnet.RECIPE,
        rwkv.RECIPE,
        s4d.RECIPE,
        safety_heads.RECIPE,
        sentiment.RECIPE,
        toxicity.RECIPE,
    )
}

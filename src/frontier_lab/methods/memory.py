"""How well a language model remembers what it was given, and how much it keeps to do so."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import CacheLayerMixin, LinearAttentionCacheLayerMixin

from frontier_lab.texts.sequence_tasks import NO_ANSWER


def answer_accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of the answers that are the likeliest token: ``logits [B, T, V]``, ``labels [B, T]``.

    The logits of a position are for the token after it, and only labels other than -100 count.
    """
    wanted = labels[:, 1:]
    asked = wanted != NO_ANSWER
    return float((logits[:, :-1].argmax(-1) == wanted)[asked].float().mean())


def _tensors(state: Any) -> list[Tensor]:
    """All tensors in lists, dictionaries, transformers' caches and their layers."""
    if isinstance(state, Tensor):
        return [state]
    if isinstance(state, dict):
        return _tensors(list(state.values()))
    if isinstance(state, (list, tuple)):
        return [tensor for part in state for tensor in _tensors(part)]
    if hasattr(state, "layers"):
        return _tensors(state.layers)
    if isinstance(state, CacheLayerMixin | LinearAttentionCacheLayerMixin):
        return _tensors(vars(state))
    return []


@torch.no_grad()
def state_after(model: nn.Module, ids: Tensor) -> list[Tensor]:
    """All tensors that a model keeps after ``ids [B, T]`` to go on: a cache of keys and values, or a state.

    Models with a ``step`` are run step by step; transformers' own give their cache.
    """
    if hasattr(model, "step"):
        state: Any = None
        for t in range(ids.shape[1]):
            _, state = model.step(ids[:, t], state)  # type: ignore[operator]
        return _tensors(state)
    out = model(input_ids=ids, use_cache=True)
    kept = next(out[name] for name in ("past_key_values", "cache_params", "state") if name in out)
    return _tensors(kept)


def state_bytes(model: nn.Module, tokens: int) -> int:
    """Bytes that the state of one sequence takes after so many tokens, in the model's own dtypes."""
    ids = torch.zeros(1, tokens, dtype=torch.int64)
    return sum(tensor.numel() * tensor.element_size() for tensor in state_after(model, ids))

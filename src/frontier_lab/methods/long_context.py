"""Beyond the trained length: loss by position, recall by distance, RoPE and ALiBi changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel


def _batches(ids: Tensor, tokens: int = 16384) -> Iterator[Tensor]:
    yield from torch.split(ids, max(1, tokens // ids.shape[1]))


@torch.no_grad()
def token_losses(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Cross-entropy of every token but the first, in nats.

    Args:
        model: a causal language model.
        ids: windows ``[B, T]``.

    Returns:
        ``[B, T - 1]``, float32; column ``t`` is the loss of token ``t + 1``.
    """
    losses = [
        torch.nn.functional.cross_entropy(
            model(input_ids=part).logits[:, :-1].float().transpose(1, 2), part[:, 1:], reduction="none"
        )
        for part in _batches(ids)
    ]
    return torch.cat(losses)


def loss_by_position(model: PreTrainedModel, ids: Tensor, buckets: Sequence[tuple[int, int]]) -> list[float]:
    """Mean loss of the tokens whose position lies in each bucket, in nats a token.

    Args:
        model: a causal language model, in eval mode.
        ids: windows ``[B, T]``, each read from position 0 in one pass.
        buckets: ``(first, last + 1)`` positions; the token at position 0 is never predicted.

    Raises:
        ValueError: a bucket is empty or reaches beyond the windows.
    """
    for first, end in buckets:
        if not 0 <= first < end <= ids.shape[1]:
            raise ValueError(f"buckets: got ({first}, {end}), wanted 0 <= first < end <= {ids.shape[1]}")
    losses = token_losses(model, ids)
    return [losses[:, max(first, 1) - 1 : end - 1].mean().item() for first, end in buckets]


@torch.no_grad()
def recall(model: PreTrainedModel, ids: Tensor) -> float:
    """Share of sequences whose last token is the model's first choice.

    Args:
        model: a causal language model, in eval mode.
        ids: sequences ``[B, T]`` that end in the answer, such as ``texts.ledgers.Ledger.needles`` gives.
    """
    right = [model(input_ids=part[:, :-1]).logits[:, -1].argmax(-1) == part[:, -1] for part in _batches(ids)]
    return torch.cat(right).float().mean().item()


def ntk_theta(theta: float, factor: float, head_dim: int) -> float:
    """RoPE base of static NTK-aware scaling: the lowest frequency is divided by ``factor``, the highest kept.

    ``theta · factor ** (d / (d - 2))``. Source: bloc97, "NTK-Aware Scaled RoPE" (2023).
    """
    return float(theta * factor ** (head_dim / (head_dim - 2)))


def with_rope(
    model: PreTrainedModel, rope_parameters: dict[str, Any], *, max_position_embeddings: int | None = None
) -> PreTrainedModel:
    """A copy of a RoPE model, same weights, whose rotations follow other ``rope_parameters``.

    The frequencies are computed when a model is built: changing ``model.config`` afterwards does nothing.

    Args:
        model: such as ``LlamaForCausalLM``.
        rope_parameters: as transformers takes them, ``rope_type`` and ``rope_theta`` at least.
        max_position_embeddings: also replaced, if given; dynamic NTK starts to act beyond it.

    Returns:
        A new model in eval mode; the given one is unchanged.

    Raises:
        ValueError: the model's config has no ``rope_parameters``.
    """
    if not hasattr(model.config, "rope_parameters"):
        raise ValueError(f"model: got {type(model).__name__}, wanted one with config.rope_parameters")
    config = copy.deepcopy(model.config)
    config.rope_parameters = dict(rope_parameters)
    if max_position_embeddings is not None:
        config.max_position_embeddings = max_position_embeddings
    scaled = type(model)(config)
    scaled.load_state_dict(model.state_dict())
    return scaled.eval()


def with_alibi(model: PreTrainedModel, *, divide: float = 1.0, window: int | None = None) -> PreTrainedModel:
    """A copy of an ALiBi model, same weights, with flatter slopes or an end to what it sees.

    transformers computes Bloom's biases on the way, and no config holds them: they are changed where each
    layer's attention takes them.

    Args:
        model: a ``BloomForCausalLM``.
        divide: every slope by this; ``math.inf`` leaves no bias at all.
        window: positions that a query sees, itself among them; all of the past if ``None``.

    Returns:
        A new model in eval mode; the given one is unchanged.

    Raises:
        ValueError: the model is no Bloom, ``divide`` is not positive, or ``window`` is not at least 1.

    Source of ``divide``: Al-Khateeb et al., "Position Interpolation Improves ALiBi Extrapolation" (2023).
    """
    if model.config.model_type != "bloom":
        raise ValueError(f"model: got {type(model).__name__}, wanted a BloomForCausalLM")
    if not divide > 0:
        raise ValueError(f"divide: got {divide}, wanted more than 0")
    if window is not None and window < 1:
        raise ValueError(f"window: got {window}, wanted at least 1")

    def change(_: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        bias = named["alibi"] / divide  # [B * H, 1, keys]
        if window is not None:
            keys = torch.arange(bias.shape[-1], device=bias.device)
            queries = keys[-positional[0].shape[1] :]
            gone = queries[:, None] - keys >= window  # [queries, keys]
            bias = bias.masked_fill(gone, torch.finfo(bias.dtype).min)
        return positional, named | {"alibi": bias}

    changed = copy.deepcopy(model).eval()
    for block in changed.transformer.h:
        block.self_attention.register_forward_pre_hook(change, with_kwargs=True)
    return changed

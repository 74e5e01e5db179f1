"""Beyond the trained length: loss by position, recall by distance, RoPE and ALiBi changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb


def _batch_size(ids: Tensor, tokens: int = 16384) -> int:
    return max(1, tokens // ids.shape[1])


def _batches(ids: Tensor) -> Iterator[Tensor]:
    yield from torch.split(ids, _batch_size(ids))


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


def text_losses(
    model: PreTrainedModel, ids: Tensor, buckets: Sequence[tuple[int, int]], *, leave_out: int | None = None
) -> Tensor:
    """Mean loss of each text in each bucket of positions, in nats a token.

    Args:
        model: a causal language model, in eval mode.
        ids: windows ``[B, T]``, each read from position 0 in one pass.
        buckets: ``(first, last + 1)`` positions; the token at position 0 is never predicted.
        leave_out: tokens at multiples of this position are not scored: read in pieces of that length, each
            would be the first of its piece and predicted from nothing.

    Returns:
        ``[B, len(buckets)]``, float32.

    Raises:
        ValueError: a bucket is empty or reaches beyond the windows.
    """
    for first, end in buckets:
        if not 0 <= first < end <= ids.shape[1]:
            raise ValueError(f"buckets: got ({first}, {end}), wanted 0 <= first < end <= {ids.shape[1]}")
    losses = token_losses(model, ids)  # [B, T - 1]
    positions = torch.arange(1, ids.shape[1])
    scored = torch.ones_like(positions, dtype=torch.bool) if leave_out is None else positions % leave_out != 0
    inside = [scored & (positions >= first) & (positions < end) for first, end in buckets]
    return torch.stack([losses[:, chosen].mean(1) for chosen in inside], 1)


def loss_by_position(
    model: PreTrainedModel, ids: Tensor, buckets: Sequence[tuple[int, int]], *, leave_out: int | None = None
) -> list[float]:
    """Mean of ``text_losses`` over the texts: one loss for each bucket, in nats a token."""
    means: list[float] = text_losses(model, ids, buckets, leave_out=leave_out).mean(0).tolist()
    return means


@torch.no_grad()
def recalled(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Which sequences' last token is the model's first choice.

    Args:
        model: a causal language model, in eval mode.
        ids: sequences ``[B, T]`` that end in the answer, such as ``texts.ledgers.Ledger.needles`` gives.

    Returns:
        ``[B]``, bool.
    """
    right = [
        model(input_ids=part[:, :-1], logits_to_keep=1).logits[:, -1].argmax(-1) == part[:, -1]
        for part in _batches(ids)
    ]
    return torch.cat(right)


def recall(model: PreTrainedModel, ids: Tensor) -> float:
    """Share of ``recalled`` sequences."""
    return recalled(model, ids).float().mean().item()


@torch.no_grad()
def recalled_at(model: PreTrainedModel, ids: Tensor, questions: Tensor) -> Tensor:
    """Which questions about each text are answered by the model's first choice.

    Each text is read once, and asked by its key-value cache.

    Args:
        model: a causal language model, in eval mode.
        ids: texts ``[B, T]``.
        questions: a label and its value for each question, ``[B, Q, 2]``, as
            ``texts.ledgers.Ledger.haystacks`` gives them.

    Returns:
        ``[B, Q]``, bool.
    """
    found = []
    for part, asked in zip(_batches(ids), torch.split(questions, _batch_size(ids)), strict=True):
        cache = model(input_ids=part, use_cache=True, logits_to_keep=1).past_key_values
        answers = []
        for label in asked[:, :, 0].T:  # [B]
            answers.append(model(input_ids=label[:, None], past_key_values=cache).logits[:, -1].argmax(-1))
            cache.crop(-1)
        found.append(torch.stack(answers, 1) == asked[:, :, 1])
    return torch.cat(found)


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


_FAR_ROPE = "far_rope"


def _far_rope(
    module: Any, query: Tensor, key: Tensor, value: Tensor, _: Tensor | None, scaling: float, **__: Any
) -> tuple[Tensor, Tensor]:
    """Attention as ``with_far_rope`` has it: heads ``[B, H, T, K]``, what they mix and their weights."""
    beyond, far = module.config.far_rope["beyond"], module.config.far_rope["far"]
    places = torch.arange(key.shape[2])
    asking = places[-query.shape[2] :]
    distance = asking[:, None] - places  # [T, S]
    cos, sin = LlamaRotaryEmbedding(module.config)(value, torch.arange(max(len(places), *far) + 1)[None])
    kept = _kept_pairs(cos.shape[-1], module.config.far_rope["pairs"])  # what is not turned stays as it comes
    cos, sin = cos.masked_fill(kept, 1), sin.masked_fill(kept, 0)
    key, value = (part.repeat_interleave(module.num_key_value_groups, 1) for part in (key, value))
    straight, _ = apply_rotary_pos_emb(query, query, cos[:, asking], -sin[:, asking])  # back at position 0
    unturned, _ = apply_rotary_pos_emb(key, key, cos[:, places], -sin[:, places])
    scores = torch.empty(*query.shape[:3], len(places))  # [B, H, T, S]
    for rest, angle in enumerate(far):
        turned, _ = apply_rotary_pos_emb(straight, straight, cos[:, [angle]], sin[:, [angle]])
        for place in range(len(far)):  # of the key; its queries are those that many tokens on, and ``rest``
            rows = slice((place + rest - int(asking[0])) % len(far), None, len(far))
            columns = slice(place, None, len(far))
            scores[:, :, rows, columns] = turned[:, :, rows] @ unturned[:, :, columns].mT
    scores = torch.where(distance > beyond, scores, query @ key.mT)
    weights = (scores * scaling).masked_fill(distance < 0, -torch.inf).softmax(-1)
    return (weights @ value).transpose(1, 2), weights


AttentionInterface.register(_FAR_ROPE, _far_rope)


def _kept_pairs(head_dim: int, pairs: Sequence[int] | None) -> Tensor:
    """Which of a head's numbers stand in no pair of ``pairs``, ``[head_dim]``, bool."""
    chosen = torch.arange(head_dim // 2) if pairs is None else torch.tensor(pairs)
    return ~torch.isin(torch.arange(head_dim // 2), chosen).repeat(2)


def with_far_rope(
    model: PreTrainedModel, beyond: int, far: Sequence[int], *, pairs: Sequence[int] | None = None
) -> PreTrainedModel:
    """A copy of a RoPE model, same weights, that turns far keys as if they stood at other distances.

    A key at distance ``d > beyond`` is turned as one at ``far[d % len(far)]``. With ``far = [beyond]`` this
    is ReRoPE: what is farther than the window stands at its edge.

    Args:
        model: a ``LlamaForCausalLM`` with plain RoPE; rows without padding.
        beyond: the longest distance that stays what it is, in tokens.
        far: the distances that the others take in turn.
        pairs: the pairs that are turned so, the others by their own distance; all if ``None``.

    Returns:
        A new model in eval mode; the given one is unchanged.

    Raises:
        ValueError: the model is no Llama, ``beyond`` or a distance is negative, ``far`` is empty, or there is
            no such pair.

    Source: Su, "Rectified Rotary Position Embeddings" (2023), of ``far = [beyond]``.
    """
    if model.config.model_type != "llama":
        raise ValueError(f"model: got {type(model).__name__}, wanted a LlamaForCausalLM")
    if beyond < 0 or not len(far) or min(far) < 0:
        raise ValueError(f"beyond, far: got {beyond} and {list(far)}, wanted distances of 0 or more")
    there = range(model.config.head_dim // 2)
    if pairs is not None and not set(pairs) <= set(there):
        raise ValueError(f"pairs: got {list(pairs)}, wanted some of 0 to {there[-1]}")
    changed = copy.deepcopy(model).eval()
    changed.config.far_rope = {
        "beyond": beyond,
        "far": list(far),
        "pairs": None if pairs is None else list(pairs),
    }
    changed.set_attn_implementation(_FAR_ROPE)
    return changed


def ntk_divisors(factor: float, heads: int) -> list[float]:
    """What NTK-ALiBi divides slopes by: the steepest head's by nothing, the gentlest head's by ``factor``.

    ``factor ** (h / (H - 1))`` for ``h = 0 … H - 1``, steepest head first; ``H`` is a power of two.

    Raises:
        ValueError: there are fewer than two heads.

    Source: Xu, "NTK-ALiBi: Long Text Extrapolation of ALiBi Position Encoding through Interpolation" (2023).
    """
    if heads < 2:
        raise ValueError(f"heads: got {heads}, wanted 2 or more")
    return [factor ** (head / (heads - 1)) for head in range(heads)]


def _of_each_head(given: float | Sequence[Sequence[float]], name: str, layers: int, heads: int) -> Tensor:
    """``given`` for each layer and head, ``[layers, heads]``."""
    found = torch.as_tensor(given)
    if found.ndim and found.shape != (layers, heads):
        raise ValueError(f"{name}: got {list(found.shape)} numbers, wanted one or {[layers, heads]}")
    return found.expand(layers, heads)


def with_alibi(
    model: PreTrainedModel,
    *,
    divide: float | Sequence[Sequence[float]] = 1.0,
    window: int | Sequence[Sequence[int]] | None = None,
    cap: int | Sequence[Sequence[int]] | None = None,
    far: int | None = None,
) -> PreTrainedModel:
    """A copy of an ALiBi model, same weights, with flatter slopes or an end to what it sees.

    transformers computes Bloom's biases on the way, and no config holds them: they are changed where each
    layer's attention takes them.

    Args:
        model: a ``BloomForCausalLM``.
        divide: every slope by this, or each layer's and head's by its own, ``[layers][heads]``; ``math.inf``
            leaves no bias at all.
        window: positions that a query sees, itself among them; one for all, or one for each layer and head,
            ``[layers][heads]``; all of the past if ``None``.
        cap: the longest distance that the penalty counts, in tokens: what is farther has the penalty of this
            distance; one for all, or one for each layer and head, ``[layers][heads]``; every distance counts
            if ``None``.
        far: with a ``cap``, what is farther has the penalty of this distance instead, 0 for none at all.

    Returns:
        A new model in eval mode; the given one is unchanged.

    Raises:
        ValueError: the model is no Bloom; ``divide`` is not positive, ``window`` or ``cap`` less than 1;
            ``far`` is negative or has no ``cap``; or ``divide``, ``window`` or ``cap`` is not one for each
            layer and head.

    Source of ``divide``: Al-Khateeb et al., "Position Interpolation Improves ALiBi Extrapolation" (2023).
    """
    if model.config.model_type != "bloom":
        raise ValueError(f"model: got {type(model).__name__}, wanted a BloomForCausalLM")
    layers, heads = model.config.n_layer, model.config.n_head
    divisors = _of_each_head(divide, "divide", layers, heads)
    if not (divisors > 0).all():
        raise ValueError(f"divide: got {divide}, wanted more than 0")
    limits = None if window is None else _of_each_head(window, "window", layers, heads)
    if limits is not None and limits.min() < 1:
        raise ValueError(f"window: got {int(limits.min())}, wanted at least 1")
    caps = None if cap is None else _of_each_head(cap, "cap", layers, heads)
    if caps is not None and caps.min() < 1:
        raise ValueError(f"cap: got {int(caps.min())}, wanted at least 1")
    if far is not None and (cap is None or far < 0):
        raise ValueError(f"far: got {far} with cap {cap}, wanted 0 or more, and a cap")
    slopes = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)[:, :, 1:]  # [H, 1, 1]
    far_as = caps if far is None or caps is None else torch.full_like(caps, far)

    def changing(layer: int) -> Callable[..., tuple[Any, dict[str, Any]]]:
        def change(_: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            bias = named["alibi"]  # [B * H, 1, keys]
            rows, length = len(bias) // heads, positional[0].shape[1]
            if caps is not None and far_as is not None:
                edge, counted = (  # [B * H, 1, 1]
                    (slopes * of[layer][:, None, None]).to(bias).repeat(rows, 1, 1)
                    for of in (caps + 0.5, far_as)
                )
                own = bias[:, 0, -length:, None]  # of each query, [B * H, queries, 1]
                bias = torch.where(own - bias > edge, own - counted, bias)
            bias = bias / divisors[layer].to(bias).repeat(rows)[:, None, None]
            if limits is not None:
                keys = torch.arange(bias.shape[-1], device=bias.device)
                queries = keys[-length:]
                gone = queries[:, None] - keys >= limits[layer].to(bias.device)[:, None, None]
                bias = bias.masked_fill(gone.repeat(rows, 1, 1), torch.finfo(bias.dtype).min)
            return positional, named | {"alibi": bias}

        return change

    changed = copy.deepcopy(model).eval()
    for layer, block in enumerate(changed.transformer.h):
        block.self_attention.register_forward_pre_hook(changing(layer), with_kwargs=True)
    return changed

"""Ways to put LoRA adapters of one base together, and what a router between them reads.

An adapter changes a matrix of the base, ``[out, in]``, by a product of two narrow ones. The combination types
have the names that peft's ``add_weighted_adapter`` gives them, and do what its own do: a test compares them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn


class Adapter(NamedTuple):
    """A change of low rank, ``scale · b @ a``.

    Attributes:
        a: ``[rank, in]``.
        b: ``[out, rank]``.
        scale: what peft calls ``scaling``, ``lora_alpha / r``.
    """

    a: Tensor
    b: Tensor
    scale: float = 1.0

    @property
    def delta(self) -> Tensor:
        """What is added to the matrix, ``[out, in]``."""
        return self.scale * self.b @ self.a


def concatenated(adapters: Sequence[Adapter], weights: Sequence[float]) -> Adapter:
    """``cat``: ``a`` below each other, ``b`` beside each other; the weighted sum of the changes, exactly.

    Raises:
        ValueError: there is no adapter, or not one weight for each.
    """
    _check(adapters, weights)
    rows = [weight * one.scale * one.a for weight, one in zip(weights, adapters, strict=True)]
    return Adapter(torch.cat(rows), torch.cat([one.b for one in adapters], dim=1))


def truncated(delta: Tensor, rank: int) -> Adapter:
    """``svd``: the best change of this rank, by the largest singular values.

    Raises:
        ValueError: ``rank`` is not positive.

    Source: Eckart and Young, "The approximation of one matrix by another of lower rank" (1936).
    """
    if rank < 1:
        raise ValueError(f"rank: got {rank}, wanted at least 1")
    left, values, right = torch.linalg.svd(delta, full_matrices=False)
    return Adapter(right[:rank], left[:, :rank] * values[:rank])


Rule = Literal["linear", "magnitude_prune", "ties", "dare_linear", "dare_ties"]


def combined_factors(
    rule: Rule,
    adapters: Sequence[Adapter],
    weights: Sequence[float],
    density: float = 1.0,
    generator: torch.Generator | None = None,
) -> Adapter:
    """peft's types without ``svd``: the rule on all ``a``, then on all ``b``, as if each were a task vector.

    With ``linear`` that is ``(Σ √w b)(Σ √w a)``: besides the sum of the products it has every ``b`` times
    every other adapter's ``a``; see ``cross_terms``.

    Args:
        rule: what is done; see ``combined_tensors``.
        adapters: of one rank.
        weights: one for each.
        density: share of the entries that a rule keeps.
        generator: of what the ``dare`` rules keep.

    Raises:
        ValueError: there is no adapter, not one weight for each, or ranks differ.
    """
    _check(adapters, weights)
    if len({one.a.shape for one in adapters}) > 1:
        raise ValueError(f"adapters: got ranks {[len(one.a) for one in adapters]}, wanted one rank")
    scaled = [weight * one.scale for weight, one in zip(weights, adapters, strict=True)]
    roots = [math.sqrt(abs(value)) for value in scaled]
    signed = [math.copysign(root, value) for root, value in zip(roots, scaled, strict=True)]
    return Adapter(
        combined_tensors(rule, [one.a for one in adapters], signed, density, generator),
        combined_tensors(rule, [one.b for one in adapters], roots, density, generator),
    )


def combined_tensors(
    rule: Rule,
    tensors: Sequence[Tensor],
    weights: Sequence[float],
    density: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Tensors of one shape as one.

    Args:
        rule: ``linear`` sums; ``magnitude_prune`` keeps the largest entries first, ``ties`` then averages
            those that have the sign with the greater mass; the ``dare`` rules keep entries at random, divided
            by the density.
        tensors: of one shape; of whole changes, what peft's types with ``_svd`` cut to a rank afterwards.
        weights: one for each.
        density: share of the entries of each that is kept.
        generator: of what the ``dare`` rules keep.

    Raises:
        ValueError: ``density`` is not in (0, 1].
    """
    if not 0 < density <= 1:
        raise ValueError(f"density: got {density}, wanted more than 0 and at most 1")
    keep: Callable[[Tensor], Tensor] = lambda tensor: tensor  # noqa: E731
    if rule.startswith("dare"):
        keep = lambda tensor: _thinned(tensor, density, generator)  # noqa: E731
    elif rule != "linear":
        keep = lambda tensor: _largest(tensor, density)  # noqa: E731
    stack = torch.stack([keep(tensor) for tensor in tensors])
    weighted = stack * torch.tensor(weights).reshape(-1, *[1] * tensors[0].dim())
    if not rule.endswith("ties"):
        return weighted.sum(0)
    agree = stack.sign() == torch.where(stack.sum(0) >= 0, 1, -1)  # a tie goes to plus
    return (weighted * agree).sum(0) / agree.sum(0).clamp(min=1)


def _largest(tensor: Tensor, density: float) -> Tensor:
    mask = torch.zeros_like(tensor).flatten()
    mask[tensor.abs().flatten().topk(int(density * tensor.numel())).indices] = 1
    return tensor * mask.reshape(tensor.shape)


def _thinned(tensor: Tensor, density: float, generator: torch.Generator | None) -> Tensor:
    return tensor * torch.bernoulli(torch.full_like(tensor, density), generator=generator) / density


def cross_terms(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    """What ``linear`` adds to the weighted sum: ``Σ √(wᵢwⱼ) bᵢ aⱼ`` over ``i ≠ j``, ``[out, in]``.

    Raises:
        ValueError: there is no adapter, not one weight for each, or ranks differ.
    """
    return combined_factors("linear", adapters, weights).delta - concatenated(adapters, weights).delta


def rewritten(adapter: Adapter, turn: Tensor) -> Adapter:
    """The same change by other factors: ``b turnᵀ`` and ``turn a``, for an orthogonal ``turn``, ``[r, r]``.

    Raises:
        ValueError: ``turn`` is not square of the adapter's rank.
    """
    if turn.shape != (len(adapter.a), len(adapter.a)):
        raise ValueError(f"turn: got shape {tuple(turn.shape)}, wanted {(len(adapter.a),) * 2}")
    return Adapter(turn @ adapter.a, adapter.b @ turn.T, adapter.scale)


def _check(adapters: Sequence[Adapter], weights: Sequence[float]) -> None:
    if not adapters or len(weights) != len(adapters):
        raise ValueError(f"weights: got {len(weights)} for {len(adapters)} adapters, wanted one for each")


def layers(model: nn.Module) -> dict[str, Any]:
    """The layers of a peft model that adapters change, by name."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "get_delta_weight")}


def factors(layer: Any, name: str) -> Adapter:
    """An adapter of one of ``layers``, by its name."""
    a, b = layer.lora_A[name].weight.detach(), layer.lora_B[name].weight.detach()
    return Adapter(a, b, layer.scaling[name])


def deltas(model: nn.Module, name: str) -> dict[str, Tensor]:
    """What an adapter adds to every matrix, ``[out, in]`` each."""
    return {key: layer.get_delta_weight(name).detach() for key, layer in layers(model).items()}


# ---- what a router reads -----------------------------------------------------------------------------------


def pooled(
    model: Any, tokenizer: Any, prompts: Sequence[str], layer: int, place: Literal["mean", "last"] = "mean"
) -> Tensor:
    """Prompts as vectors: a model's hidden states after ``layer`` layers, over the prompt or at its end.

    Args:
        model: of transformers; layer 0 is its embedding.
        tokenizer: needs no token for padding.
        prompts: any number, of any lengths.
        layer: which hidden states.
        place: the mean over the prompt's tokens, or the last of them.

    Returns:
        ``[N, hidden]`` in float32.
    """
    ids = [torch.tensor(row) for row in tokenizer(list(prompts)).input_ids]
    batch = nn.utils.rnn.pad_sequence(ids, batch_first=True)  # [N, T]
    lengths = torch.tensor([len(row) for row in ids])
    mask = torch.arange(batch.shape[1]) < lengths[:, None]
    with torch.no_grad():
        out = model(input_ids=batch, attention_mask=mask.long(), output_hidden_states=True)
    states: Tensor = out.hidden_states[layer].float()  # [N, T, hidden]
    if place == "last":
        return states[torch.arange(len(ids)), lengths - 1]
    return (states * mask[..., None]).sum(1) / lengths[:, None]


def prompt_losses(model: Any, tokenizer: Any, prompts: Sequence[str]) -> Tensor:
    """Mean loss of each prompt's own tokens, in nats, ``[N]``: what a router by perplexity compares."""
    ids = [torch.tensor(row) for row in tokenizer(list(prompts)).input_ids]
    batch = nn.utils.rnn.pad_sequence(ids, batch_first=True)
    lengths = torch.tensor([len(row) for row in ids])
    mask = torch.arange(batch.shape[1]) < lengths[:, None]
    with torch.no_grad():
        logits = model(input_ids=batch, attention_mask=mask.long()).logits[:, :-1]
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")
    found: Tensor = (losses * mask[:, 1:]).sum(1) / mask[:, 1:].sum(1)
    return found

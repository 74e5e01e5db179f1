"""What a router does, in numbers: load, losses, and whether experts specialise.

Shapes: router logits ``[..., N, E]`` for N tokens and E experts; a leading axis is usually the layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _check(logits: Tensor, top_k: int) -> None:
    if logits.ndim < 2:
        raise ValueError(f"logits: got shape {tuple(logits.shape)}, wanted [..., tokens, experts]")
    if not 1 <= top_k <= logits.shape[-1]:
        raise ValueError(f"top_k: got {top_k}, wanted 1 to {logits.shape[-1]} (the number of experts)")


def load(logits: Tensor, top_k: int) -> Tensor:
    """Share of the assignments that each expert gets, f_i.

    Args:
        logits: ``[..., N, E]``, any float dtype.
        top_k: experts a token takes.

    Returns:
        ``[..., E]`` in float32; sums to 1 over the experts, 1/E each when even.

    Raises:
        ValueError: ``logits`` has fewer than two axes, or ``top_k`` does not fit.
    """
    _check(logits, top_k)
    chosen = logits.topk(top_k, dim=-1).indices  # [..., N, k]
    return F.one_hot(chosen, logits.shape[-1]).float().mean((-3, -2))  # [..., E]


def switch_loss(logits: Tensor, top_k: int) -> Tensor:
    """Balance loss E Σ f_i P_i of one layer: 1 when the load is even.

    Source: Fedus et al., "Switch Transformers" (2022), eq. 4, with f counted over all k assignments.
    """
    _check(logits, top_k)
    probability = logits.float().softmax(-1).mean(-2)  # [..., E]
    return logits.shape[-1] * (load(logits.detach(), top_k) * probability).sum(-1)


def coefficient_of_variation(shares: Tensor) -> Tensor:
    """Standard deviation of the load over its mean, last axis: 0 when even, sqrt(E - 1) on one expert."""
    return shares.std(-1, correction=0) / shares.mean(-1)


def effective_experts(shares: Tensor) -> Tensor:
    """Experts that are really in use: the exponential of the load's entropy, 1 to E, over the last axis."""
    entropy: Tensor = torch.special.entr(shares).sum(-1)
    return entropy.exp()


def language_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Mean next-token cross-entropy in nats: ``logits [B, T, V]``, ``ids [B, T]``."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())


@torch.no_grad()
def router_logits(model: nn.Module, ids: Tensor) -> Tensor:
    """Router logits of every layer for token ids ``[B, T]``: ``[L, B T, E]`` in float32 on the CPU."""
    out = model(input_ids=ids, output_router_logits=True)
    return torch.stack([z.float().cpu() for z in out.router_logits])


@contextmanager
def without_expert(model: Any, layer: int, expert: int) -> Iterator[None]:
    """Within the block no token of a Mixtral-class model may choose this expert; the others share its tokens.

    Raises:
        ValueError: the model has no such layer or expert.
    """
    layers = model.model.layers
    if not 0 <= layer < len(layers):
        raise ValueError(f"layer: got {layer}, wanted 0 to {len(layers) - 1}")
    router = layers[layer].mlp.gate
    if not 0 <= expert < router.num_experts:
        raise ValueError(f"expert: got {expert}, wanted 0 to {router.num_experts - 1}")

    def choose_others(_module: nn.Module, _given: Any, out: Any) -> Any:
        logits = out[0]
        masked = logits.float().index_fill(-1, torch.tensor(expert), -torch.inf)
        weights, indices = masked.softmax(-1).topk(router.top_k, dim=-1)  # [N, k]
        return logits, weights / weights.sum(-1, keepdim=True), indices

    handle = router.register_forward_hook(choose_others)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def expert_ablation(model: Any, ids: Tensor) -> tuple[float, Tensor]:
    """What each expert of a Mixtral-class model is worth: the loss without it, against the loss with all.

    Args:
        model: in evaluation mode.
        ids: windows of held-out text, ``[B, T]``, at least two.

    Returns:
        Mean next-token loss with all experts, in nats, and ``[L, E, 2]`` in float32 on the CPU: by how much
        the loss changes when ``without_expert`` takes one away, and the standard error of this over the
        windows. Each window is compared with itself, so what makes windows hard or easy is not in it.

    Raises:
        ValueError: ``ids`` has fewer than two windows.
    """
    if ids.ndim != 2 or len(ids) < 2:
        raise ValueError(f"ids: got shape {tuple(ids.shape)}, wanted [windows, tokens], two windows or more")

    def by_window() -> Tensor:
        logits = model(input_ids=ids).logits[:, :-1].float()
        return F.cross_entropy(logits.mT, ids[:, 1:], reduction="none").mean(-1).cpu()  # [B]

    whole = by_window()
    layers = model.model.layers
    found = torch.empty(len(layers), layers[0].mlp.gate.num_experts, 2)
    for layer, expert in np.ndindex(*found.shape[:2]):
        with without_expert(model, layer, expert):
            change = by_window() - whole
        found[layer, expert] = torch.stack([change.mean(), change.std() / len(ids) ** 0.5])
    return float(whole.mean()), found


@dataclass(frozen=True)
class Specialisation:
    """How much an expert tells about the class of its token.

    Attributes:
        information: mutual information of expert and class, in bits.
        baseline: the same after shuffling the classes, mean over the shuffles: what chance gives.
        spread: standard deviation over the shuffles.
        ceiling: entropy of the classes, in bits: the most there is to know.
    """

    information: float
    baseline: float
    spread: float
    ceiling: float


def _mutual_information(table: npt.NDArray[np.float64]) -> float:
    joint = table / table.sum()
    expected = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    present = joint > 0
    return float((joint[present] * np.log2(joint[present] / expected[present])).sum())


def specialisation(
    logits: Tensor, classes: npt.ArrayLike, top_k: int, *, block: int = 1, shuffles: int = 200, seed: int = 0
) -> Specialisation:
    """Mutual information between a token's experts and its class, against shuffled classes.

    Args:
        logits: one layer's router logits, ``[N, E]``.
        classes: class of each token, ``[N]``, any hashable labels.
        top_k: experts a token takes; each of its k assignments counts once.
        block: neighbouring tokens that share a class, such as a window of text; labels are shuffled by whole
            blocks, because the tokens of one text are not independent of each other.
        shuffles: permutations of the classes behind the baseline.
        seed: of the permutations.

    Raises:
        ValueError: ``logits`` is not one layer's, or ``classes`` does not have one label a token.
    """
    _check(logits, top_k)
    if logits.ndim != 2:
        raise ValueError(f"logits: got shape {tuple(logits.shape)}, wanted [tokens, experts] of one layer")
    labels = np.unique(np.asarray(classes), return_inverse=True)[1]
    if labels.shape != (logits.shape[0],):
        raise ValueError(f"classes: got shape {labels.shape}, wanted [{logits.shape[0]}], one label a token")
    if block < 1 or labels.size % block or (labels.reshape(-1, block) != labels[::block, None]).any():
        raise ValueError(f"block: got {block}, wanted equal labels in each block of the {labels.size} tokens")
    chosen = logits.topk(top_k, dim=-1).indices.numpy()  # [N, k]
    experts, number = logits.shape[-1], int(labels.max()) + 1

    def table(of: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        flat = chosen * number + of[:, None]  # [N, k]
        return (
            np.bincount(flat.ravel(), minlength=experts * number).reshape(experts, number).astype(np.float64)
        )

    generator = np.random.default_rng(seed)
    orders = [np.repeat(generator.permutation(labels[::block]), block) for _ in range(shuffles)]
    shuffled = [_mutual_information(table(order)) for order in orders]
    shares = np.bincount(labels) / labels.size
    ceiling = float(-(shares * np.log2(shares)).sum())
    return Specialisation(
        _mutual_information(table(labels)), float(np.mean(shuffled)), float(np.std(shuffled)), ceiling
    )

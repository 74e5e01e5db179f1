"""Activation patching: put a piece of one run into another, and see how much of the answer comes with it.

Two texts of equal length, a clean one and a corrupt one, differ in what decides the answer. One activation of
the clean run is put into the corrupt run; the share of the difference in the answer that comes back is what
this activation carries. Hooks are removed whatever happens.
Source: Meng et al., "Locating and Editing Factual Associations in GPT" (2022); Zhang and Nanda, "Towards Best
Practices of Activation Patching" (2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from frontier_widgets.architectures import blocks, output_projections
from torch import Tensor, nn
from transformers import PreTrainedModel

Kind = Literal["residual", "heads", "mlp"]
Metric = Callable[[Tensor], Tensor]
"""Logits ``[B, T, V]`` to one number."""


@dataclass(frozen=True)
class Site:
    """A place in a model.

    Attributes:
        kind: ``"residual"``: what leaves a layer; ``"heads"``: the heads' results before they are put
            together; ``"mlp"``: what the layer's network adds.
        layer: from 0.
    """

    kind: Kind
    layer: int


def _place(model: PreTrainedModel, site: Site) -> tuple[nn.Module, bool]:
    """The module of a site, and whether its input is meant, not its output."""
    layers = blocks(model)
    if not 0 <= site.layer < len(layers):
        raise ValueError(f"site: got layer {site.layer}, wanted 0 to {len(layers) - 1}")
    block: Any = layers[site.layer]
    if site.kind == "residual":
        return block, False
    if site.kind == "heads":
        return output_projections(model)[site.layer], True
    network = getattr(block, "mlp", None)
    return (network, False) if network is not None else (block.output.dense, False)


@contextmanager
def edited(model: PreTrainedModel, site: Site, edit: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """While this is open, what passes a site is what ``edit`` makes of it.

    Args:
        model: of an architecture whose layers are known.
        site: where.
        edit: ``[B, T, D]`` to the same shape; it gets a copy, so it may write to it.
    """
    module, before = _place(model, site)

    def of(value: Any) -> Any:
        # Some versions of transformers' layers give a tensor, others a tuple with the tensor first.
        return (edit(value[0].clone()), *value[1:]) if isinstance(value, tuple) else edit(value.clone())

    handle = (
        module.register_forward_pre_hook(lambda _module, inputs: of(inputs))
        if before
        else module.register_forward_hook(lambda _module, _inputs, output: of(output))
    )
    try:
        yield
    finally:
        handle.remove()


def record(model: PreTrainedModel, ids: Tensor, sites: Sequence[Site]) -> tuple[dict[Site, Tensor], Tensor]:
    """Activations at sites, and the logits.

    Args:
        model: see :func:`edited`.
        ids: ``[B, T]``.
        sites: where to look.

    Returns:
        For each site ``[B, T, D]``, as the graph of this run holds them, and logits ``[B, T, V]``.
    """
    kept: dict[Site, Tensor] = {}

    def keep(site: Site) -> Callable[[Tensor], Tensor]:
        def edit(value: Tensor) -> Tensor:
            kept[site] = value
            return value

        return edit

    with ExitStack() as stack:
        for site in sites:
            stack.enter_context(edited(model, site, keep(site)))
        logits: Tensor = model(input_ids=ids).logits
    return kept, logits


def put(
    donor: Tensor, *, positions: Sequence[int] | None = None, head: tuple[int, int] | None = None
) -> Callable[[Tensor], Tensor]:
    """An edit that takes over a donor's activation.

    Args:
        donor: ``[B, T, D]``.
        positions: all by default.
        head: index and number of heads: only this part of D.
    """

    def edit(value: Tensor) -> Tensor:
        where = slice(None) if positions is None else list(positions)
        part = slice(None)
        if head is not None:
            width = value.shape[-1] // head[1]
            part = slice(head[0] * width, (head[0] + 1) * width)
        value[:, where, part] = donor[:, where, part]
        return value

    return edit


def logit_difference(position: int, right: Tensor, wrong: Tensor) -> Metric:
    """How much more the model expects the right token than the wrong one, at a position.

    Args:
        position: whose next token is asked for; may be negative.
        right: ``[B]``, token ids of the clean text's answers.
        wrong: ``[B]``, of the corrupt text's.
    """

    def metric(logits: Tensor) -> Tensor:
        last = logits[:, position]  # [B, V]
        gap = last.gather(1, right[:, None]) - last.gather(1, wrong[:, None])
        return gap.mean()

    return metric


@torch.no_grad()
def recovered(
    model: PreTrainedModel,
    clean: Tensor,
    corrupt: Tensor,
    metric: Metric,
    kind: Kind = "residual",
    *,
    by_head: bool = False,
) -> Tensor:
    """How much of the answer each activation of the clean run brings into the corrupt run.

    Args:
        model: in evaluation mode.
        clean: ``[B, T]``.
        corrupt: ``[B, T]``, aligned with it token by token.
        metric: of the answer.
        kind: of the sites.
        by_head: with ``"heads"``: one head at all positions, in place of all heads at one.

    Returns:
        ``[L, T]``, or ``[L, H]`` by head: 0 where nothing changes, 1 where the clean answer is back.

    Raises:
        ValueError: shapes differ, or the two runs give the same answer, so that there is nothing to recover.
    """
    if clean.shape != corrupt.shape:
        raise ValueError(
            f"corrupt: got shape {list(corrupt.shape)}, wanted that of clean, {list(clean.shape)}"
        )
    if by_head and kind != "heads":
        raise ValueError(f"by_head: got True with kind {kind!r}, wanted 'heads'")
    sites = [Site(kind, layer) for layer in range(len(blocks(model)))]
    donors, logits = record(model, clean, sites)
    high, low = metric(logits), metric(model(input_ids=corrupt).logits)
    if torch.isclose(high, low):
        raise ValueError(f"metric: got {high.item():.4f} in both runs, wanted one that tells them apart")
    heads = model.config.num_attention_heads
    columns = range(heads) if by_head else range(clean.shape[1])
    rows = []
    for site in sites:
        row = []
        for column in columns:
            edit = (
                put(donors[site], head=(column, heads)) if by_head else put(donors[site], positions=[column])
            )
            with edited(model, site, edit):
                row.append((metric(model(input_ids=corrupt).logits) - low) / (high - low))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def attributed(
    model: PreTrainedModel,
    clean: Tensor,
    corrupt: Tensor,
    metric: Metric,
    kind: Kind = "residual",
    *,
    by_head: bool = False,
) -> Tensor:
    """A first-order guess of :func:`recovered`, for all sites from two runs forward and one back.

    The metric's gradient in the corrupt run times what patching would change there.
    Source: Nanda, "Attribution Patching" (2023); Syed et al., "Attribution Patching Outperforms Automated
    Circuit Discovery" (2023).

    Returns:
        ``[L, T]``, or ``[L, H]`` by head, without a gradient.
    """
    sites = [Site(kind, layer) for layer in range(len(blocks(model)))]
    with torch.no_grad():
        donors, logits = record(model, clean, sites)
        high = metric(logits)
    with torch.enable_grad():
        held, logits = record(model, corrupt, sites)
        low = metric(logits)
        slopes = torch.autograd.grad(low, [held[site] for site in sites])
    rows = []
    for site, slope in zip(sites, slopes, strict=True):
        change = slope * (donors[site] - held[site].detach())  # [B, T, D]
        if by_head:
            heads = model.config.num_attention_heads
            row = change.reshape(*change.shape[:2], heads, -1).sum((0, 1, 3))
        else:
            row = change.sum((0, 2))
        rows.append(row / (high - low.detach()))
    return torch.stack(rows)

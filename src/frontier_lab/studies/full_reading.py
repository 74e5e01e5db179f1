"""BigBird of every seed read with full attention: what makes it fail, and from which length on.

28.1.3 reads the committed seed 0. The others are trained again, which a page cannot afford:
``python -m frontier_lab.studies.full_reading src/frontier_lab/studies/full_reading.json``; killed, it goes
on where it was. A test reads seed 0 again.

Three questions are asked. *Where*: full attention in one layer alone, eval mode's cells in the others, and
the other way about. *Which row*: the first layer opened in the row of the hidden token alone, or in all rows
but that one. *What*: the cells that eval mode does not see add their part to the output of the first layer's
attention. Random vectors as long, or another row's part, take its place; and one vector, which other texts
give, is taken back from the hidden token's row, or added to it (``pushes``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PreTrainedModel

from frontier_lab import hub
from frontier_lab.storage import cache, checkpoints, results
from frontier_lab.zoo import bigbird
from frontier_lab.zoo.bigbird import Weigh, seen_in_eval_mode
from frontier_lab.zoo.families import sparse_encoders
from frontier_lab.zoo.families.sparse_encoders import DISTANCES, LAYERS
from frontier_lab.zoo.training.recipe import SEEDS

LENGTHS = (32, 40, 48, 56, 64, 80, 96, 112, 128)
"""Tokens of a window."""

SHORTEST_SPARSE = (5 + 2 * bigbird.RANDOM_BLOCKS) * bigbird.BLOCK
"""Up to here transformers reads with full attention, whatever was asked for."""

DISTANCE = DISTANCES[-1]
"""Tokens from the stated value to the hidden one, but for ``LENGTHS``."""

NEAR = DISTANCES[0]
"""Tokens from the stated value to the hidden one in windows of ``LENGTHS``: it fits into all of them."""

SWITCHED = (NEAR, 16, 24, 32)
"""Tokens from the stated value to the hidden one in windows of ``SHORTEST_SPARSE``."""

DRAWS = 5
"""Random vectors for each row; recall is their mean."""

Change = Callable[[Tensor], Tensor]
"""Output of the first layer's attention ``[B, T, D]``, before its projection, to what goes on instead."""


def model(seed: int) -> PreTrainedModel:
    """One seed, in eval mode: 0 as committed, any other trained, or read from the cache."""
    if seed == 0:
        loaded: PreTrainedModel = hub.load(str(checkpoints.committed(bigbird.NAME)), AutoModelForMaskedLM)
        return loaded
    trained, _ = sparse_encoders.run(bigbird.ENCODER, seed, cache.folder("full_reading"))
    return trained.eval()


def full(scores: Tensor, layer: int) -> Tensor:
    """Full attention in every layer."""
    return scores.softmax(-1)


def opened(layers: Collection[int]) -> Weigh:
    """Full attention in these layers, in the others the cells that eval mode sees."""

    def weigh(scores: Tensor, layer: int) -> Tensor:
        if layer not in layers:
            scores = scores.masked_fill(~seen_in_eval_mode(scores.shape[-1]), -torch.inf)
        return scores.softmax(-1)

    return weigh


def old_part(scores: Tensor, layer: int) -> Tensor:
    """The cells that eval mode sees, in the first layer with the weights that full attention gives them."""
    if layer > 0:
        return opened(())(scores, layer)
    return scores.softmax(-1) * seen_in_eval_mode(scores.shape[-1])


def in_rows(rows: Tensor) -> Weigh:
    """Full attention in the first layer in these rows ``[B, T]`` alone; elsewhere what eval mode sees."""
    alone = opened(())

    def weigh(scores: Tensor, layer: int) -> Tensor:
        closed = alone(scores, layer)
        return closed if layer > 0 else torch.where(rows[:, None, :, None], scores.softmax(-1), closed)

    return weigh


def ways() -> dict[str, Weigh]:
    """Every way of weighing that is measured on the texts at ``DISTANCE``, by name."""
    found = {"full attention": full, "seen in eval mode": opened(()), "seen in layer 0 alone": opened({1, 2})}
    found |= {f"full in layer {layer} alone": opened({layer}) for layer in range(LAYERS)}
    hidden = sparse_encoders.probe(bigbird.ENCODER, DISTANCE)[1] >= 0
    return found | {"hidden row alone": in_rows(hidden), "all rows but the hidden": in_rows(~hidden)}


@torch.no_grad()
def recall(model: PreTrainedModel, shown: Tensor, labels: Tensor, weigh: Weigh | None = None) -> float:
    """Share of values found with full attention.

    Args:
        model: a BigBird; left as it was.
        shown: ids ``[B, T]``.
        labels: the hidden values, negative elsewhere, ``[B, T]``.
        weigh: scores to weights; softmax if none is given.
    """
    logits, hidden = bigbird.in_full(model, shown, weigh), labels >= 0
    return round((logits[hidden].argmax(-1) == labels[hidden]).float().mean().item(), 4)


@torch.no_grad()
def read(
    model: PreTrainedModel, shown: Tensor, weigh: Weigh, change: Change | None = None
) -> tuple[Tensor, Tensor]:
    """One reading, with the first layer's attention changed on the way.

    Args:
        model: a BigBird; left as it was.
        shown: ids ``[B, T]``.
        weigh: scores to weights.
        change: what goes on in place of the attention's output; nothing is changed if it is not given.

    Returns:
        The output of the first layer's attention before the change ``[B, T, D]``, and logits ``[B, T, V]``.
    """
    outputs = []

    def hook(module: nn.Module, arguments: Any, found: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        outputs.append(found[0])
        return None if change is None else (change(found[0]), *found[1:])

    model.bert.set_attention_type("original_full")
    handle = model.bert.encoder.layer[0].attention.self.register_forward_hook(hook)
    try:
        logits = bigbird.in_full(model, shown, weigh)
    finally:
        handle.remove()
    return outputs[0], logits


def as_long(vectors: Tensor, generator: torch.Generator) -> Tensor:
    """Random vectors, each as long as the one in its place ``[..., D]``."""
    drawn = torch.randn(vectors.shape, generator=generator)
    scaled: Tensor = drawn * vectors.norm(dim=-1, keepdim=True) / drawn.norm(dim=-1, keepdim=True)
    return scaled


def push(model: PreTrainedModel, shown: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """What full attention adds to the first layer's attention in the row of the hidden token.

    Args:
        model: a BigBird; left as it was.
        shown: ids ``[B, T]``, one hidden token in each.
        labels: the hidden values, negative elsewhere, ``[B, T]``.

    Returns:
        Output of full attention less that of eval mode's cells, ``[B, D]`` each: of the text itself, and the
        mean of the other half of the texts, the same vector for every text of a half.
    """
    hidden = labels >= 0
    own = read(model, shown, full)[0][hidden] - read(model, shown, opened(()))[0][hidden]
    half = torch.arange(len(own)) % 2
    return own, torch.stack([own[half == 1].mean(0), own[half == 0].mean(0)])[half]


def split(own: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """The part of each push ``own [B, D]`` that lies along ``mean [B, D]``, and the rest."""
    along = mean * ((own * mean).sum(-1) / mean.square().sum(-1))[:, None]
    return along, own - along


def other_rows(labels: Tensor, generator: torch.Generator) -> Tensor:
    """For each text ``[B]``, a row other than the hidden one ``[B, T]`` that gains cells by full attention.

    The first and the last block see all others in eval mode too.
    """
    inner = labels.shape[-1] - 2 * bigbird.BLOCK
    steps = torch.randint(1, inner, labels.shape[:1], generator=generator)
    return ((labels >= 0).int().argmax(-1) - bigbird.BLOCK + steps) % inner + bigbird.BLOCK


PUSHES = (
    "random in place of the new",
    "another row's in place of the new",
    "one vector taken back",
    "random vector added",
    "one vector added to eval mode's",
    "own push along it",
    "own push across it",
)


def pushes(model: PreTrainedModel, shown: Tensor, labels: Tensor, name: str) -> Tensor:
    """Which values are found with one of ``PUSHES``, bool ``[draws, B]``, one draw where nothing is random.

    All change the first layer's attention. *In place of* what its new cells add, while the other layers see
    what eval mode sees: random vectors as long, in every row, or another row's part made as long, in the
    hidden token's row alone. With full attention everywhere, in the hidden token's row: the mean push of the
    other half of the texts *taken back*, or a random vector as long, the same for every text, *added*. With
    eval mode's cells everywhere, in that row: the mean push added, or the text's own, as ``split`` parts it.

    Raises:
        ValueError: there is no such push.
    """
    if name not in PUSHES:
        raise ValueError(f"name: got {name!r}, wanted one of {', '.join(PUSHES)}")
    hidden, generator = labels >= 0, torch.Generator().manual_seed(0)
    if name.endswith("in place of the new"):
        old = read(model, shown, old_part)[0]
        new = read(model, shown, full)[0] - old
        weigh = opened({0})
        if name.startswith("random"):
            changes = [as_long(new, generator) - new for _ in range(DRAWS)]
        else:
            own, each = new[hidden], torch.arange(len(new))
            others = [new[each, other_rows(labels, generator)] for _ in range(DRAWS)]
            rows = [other * (own.norm(dim=-1) / other.norm(dim=-1))[:, None] - own for other in others]
            changes = [torch.zeros_like(new).index_put((hidden,), row) for row in rows]
    else:
        own, mean = push(model, shown, labels)
        along, across = split(own, mean)
        weigh, rows = {
            "one vector taken back": (full, [-mean]),
            "random vector added": (
                full,
                [as_long(mean[:1], generator).expand_as(mean) for _ in range(DRAWS)],
            ),
            "one vector added to eval mode's": (opened(()), [mean]),
            "own push along it": (opened(()), [along]),
            "own push across it": (opened(()), [across]),
        }[name]
        zeros = torch.zeros(*shown.shape, mean.shape[-1])
        changes = [zeros.index_put((hidden,), row) for row in rows]
    found = [read(model, shown, weigh, partial(torch.add, change))[1] for change in changes]
    return torch.stack([(logits.argmax(-1) == labels)[hidden] for logits in found])


def by_length(model: PreTrainedModel) -> dict[str, list[float]]:
    """Recall at ``LENGTHS``, ``NEAR`` tokens away, of full attention and of the cells that eval mode sees.

    Eval mode itself reads with full attention up to ``SHORTEST_SPARSE``; its cells can be had at any length.
    """
    pairs = [sparse_encoders.probe(bigbird.ENCODER, NEAR, tokens) for tokens in LENGTHS]
    ways = {"full": full, "seen": opened(())}
    return {name: [recall(model, *pair, weigh) for pair in pairs] for name, weigh in ways.items()}


def at_the_switch(model: PreTrainedModel) -> dict[str, list[float]]:
    """Recall in the longest windows that transformers reads with full attention, at each of ``SWITCHED``."""
    pairs = [sparse_encoders.probe(bigbird.ENCODER, distance, SHORTEST_SPARSE) for distance in SWITCHED]
    ways = {"full": full, "seen": opened(())}
    return {name: [recall(model, *pair, weigh) for pair in pairs] for name, weigh in ways.items()}


def stored() -> dict[str, Any]:
    """What ``build`` gave, as it is committed."""
    return results.stored(__file__)


def build() -> Mapping[str, Any]:
    """Every seed read in every way, ``recall[way][seed]``; ``alike``: mean cosine of own and mean push."""
    birds = [model(seed) for seed in SEEDS]
    pair = sparse_encoders.probe(bigbird.ENCODER, DISTANCE)
    found = {name: [recall(bird, *pair, weigh) for bird in birds] for name, weigh in ways().items()}
    for name in PUSHES:
        found[name] = [round(pushes(bird, *pair, name).float().mean().item(), 4) for bird in birds]
    cosines = [torch.cosine_similarity(*push(bird, *pair)).mean().item() for bird in birds]
    return {
        "format": 5,
        "distance": DISTANCE,
        "near": NEAR,
        "lengths": LENGTHS,
        "recall": found,
        "alike": [round(cosine, 4) for cosine in cosines],
        "by_length": [by_length(bird) for bird in birds],
        "switched": SWITCHED,
        "at_the_switch": [at_the_switch(bird) for bird in birds],
    }


if __name__ == "__main__":
    results.write(build)

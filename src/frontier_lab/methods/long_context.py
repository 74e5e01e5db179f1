"""Beyond the trained length: ledgers, loss by position, recall by distance, RoPE scaling.

A *ledger* states rows, a label and a value of its kind, among ordinary text, and repeats them later: which of
its values a label has can only be known from the first statement, at whatever distance that lies.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

ROWS = {
    "Pet": ("cat", "dog", "hen", "owl", "pig", "fox", "rat", "yak"),
    "Hue": ("red", "blue", "pink", "teal", "grey", "cyan", "lime", "tan"),
    "Gem": ("ruby", "opal", "jade", "onyx", "agate", "topaz", "pearl", "beryl"),
    "Dish": ("pie", "jam", "ham", "pea", "taco", "stew", "soup", "kale"),
    "Gear": ("axe", "mop", "jug", "pan", "saw", "rake", "vise", "drum"),
    "Town": ("Rome", "Oslo", "Bonn", "Lima", "Pisa", "Cork", "York", "Kiev"),
    "Pal": ("Amy", "Bob", "Gus", "Jim", "Kay", "Max", "Zoe", "Fay"),
    "Tree": ("oak", "elm", "ash", "yew", "fir", "pine", "palm", "larch"),
}
"""Label and its values: short words, so that each is one token of a small vocabulary."""


def row(label: str, value: str) -> str:
    """One row of a ledger as text: `` Pet cat,``."""
    return f" {label} {value},"


class Ledger:
    """Token windows of rows and ordinary text; every row is stated once and may be asked for again.

    Args:
        tokenizer: in whose vocabulary every label and value is one token.
        text: token ids of ordinary text that stands between the rows, ``[N]``; tokens that are values are
            left out of it, so that a value stands only in its row.

    Raises:
        ValueError: a row is not three tokens: label, value, comma.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, text: np.ndarray[Any, Any]) -> None:
        self.labels: list[int] = []
        self.values: list[list[int]] = []
        for label, values in ROWS.items():
            rows = [
                tokenizer.backend_tokenizer.encode(row(label, value), add_special_tokens=False).ids
                for value in values
            ]
            for value, ids in zip(values, rows, strict=True):
                if len(ids) != 3:
                    raise ValueError(f"tokenizer: got {len(ids)} tokens for {label} {value}, wanted 3")
            self.labels.append(rows[0][0])
            self.values.append([ids[1] for ids in rows])
            self.comma: int = rows[0][2]
        self.text = text[~np.isin(text, self.values)]

    def passage(self, generator: np.random.Generator, length: int) -> list[int]:
        start = int(generator.integers(0, len(self.text) - length + 1))
        found: list[int] = self.text[start : start + length].tolist()
        return found

    def facts(self, generator: np.random.Generator, count: int) -> list[tuple[int, int]]:
        """``count`` different labels, each with one of its values."""
        return [
            (self.labels[label], self.values[label][int(generator.integers(0, len(self.values[label])))])
            for label in generator.permutation(len(self.labels))[:count].tolist()
        ]

    def window(self, generator: np.random.Generator, length: int) -> tuple[list[int], list[bool]]:
        """A window to train on: passages of text, rows stated and rows repeated, in random order.

        Returns:
            Token ids, and which of them are the value of a repeated row; both of the given length.
        """
        facts = self.facts(generator, int(generator.integers(3, len(self.labels) + 1)))
        ids: list[int] = []
        asked: list[bool] = []
        stated = 0
        while len(ids) < length:
            kind = generator.random()
            if kind < 0.15:
                passage = self.passage(generator, int(generator.integers(4, 25)))
                ids += passage
                asked += [False] * len(passage)
                continue
            fresh = stated < len(facts) and (stated == 0 or kind < 0.5)
            chosen = stated if fresh else int(generator.integers(0, stated))
            stated += fresh
            ids += [*facts[chosen], self.comma]
            asked += [False, not fresh, False]
        return ids[:length], asked[:length]

    def windows(self, generator: np.random.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
        """``count`` windows: ids ``[count, length]`` int64, and which are to be recalled, bool."""
        pairs = [self.window(generator, length) for _ in range(count)]
        return torch.tensor([ids for ids, _ in pairs]), torch.tensor([asked for _, asked in pairs])

    def needles(self, generator: np.random.Generator, count: int, length: int, distance: int) -> Tensor:
        """Text with every row stated once, at random places, and the value of one asked for at the end.

        Args:
            generator: draws facts, places and text.
            count: sequences.
            length: tokens of a sequence, the asked label and its value, the last token, among them.
            distance: tokens from the value in its row to the same value at the end.

        Returns:
            Token ids ``[count, length]``, int64.

        Raises:
            ValueError: the rows do not fit into ``length``, or ``distance`` is not within it.
        """
        places = (length - 2) // 3  # of three tokens
        if places < len(self.labels) + 1:
            raise ValueError(f"length: got {length}, wanted at least {3 * len(self.labels) + 5}")
        if not 3 <= distance <= length - 2:
            raise ValueError(f"distance: got {distance}, wanted 3 to {length - 2}")
        label = length - 2 - distance  # where the asked row stands
        free = [place for place in range(places) if abs(3 * place - label) >= 3]
        sequences = []
        for _ in range(count):
            ids = self.passage(generator, length)
            facts = self.facts(generator, len(self.labels))
            others = generator.permutation(free)[: len(facts) - 1].tolist()
            for start, fact in zip([label, *(3 * place for place in others)], facts, strict=True):
                ids[start : start + 3] = [*fact, self.comma]
            ids[-2:] = facts[0]
            sequences.append(ids)
        return torch.tensor(sequences)


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
        ids: sequences ``[B, T]`` that end in the answer, such as ``Ledger.needles`` gives.
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

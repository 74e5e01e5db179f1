"""Universal triggers: a few words that, put before any text, make a classifier err.

Found by the gradient of the loss with respect to the trigger's embeddings, which says to first order what
every other word would do at its place; the most promising ones are tried. Beside it stand prefixes drawn at
random, as many as the search has tried: a model that any words before its text confuse has no trigger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

Options = Sequence[Mapping[str, int]]
"""By place in the trigger, the words that may stand there with the one token that each of them is."""


@dataclass(frozen=True)
class Trigger:
    """A prefix and what finding it took.

    Attributes:
        words: put before a text, with spaces.
        loss: mean NLL of the labels, in nats, of the texts that it was chosen on.
        tried: prefixes whose loss was computed; a gradient counts as three.
    """

    words: tuple[str, ...]
    loss: float
    tried: int


def options(tokenizer: PreTrainedTokenizerBase, words: Sequence[str], length: int) -> list[dict[str, int]]:
    """Those words that are one token, at each place of a trigger: a first word may be another token there."""

    def single(before: str) -> dict[str, int]:
        others = len(tokenizer(f"{before}and").input_ids)
        found = {}
        for word in words:
            ids = tokenizer(f"{before}{word} and").input_ids
            if len(ids) == others + 1:
                found[word] = ids[-3]
        return found

    return [single("and " if place else "") for place in range(length)]


def with_prefix(prefix: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The texts with words before them."""
    return [" ".join([*prefix, text]) for text in texts]


def _batch(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> dict[str, Tensor]:
    found = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    return {"input_ids": found["input_ids"], "attention_mask": found["attention_mask"]}


def loss(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prefix: Sequence[str],
    texts: Sequence[str],
    labels: Tensor,
) -> float:
    """Mean NLL of the labels ``[N]``, in nats, with the words before every text."""
    with torch.no_grad():
        logits = model(**_batch(tokenizer, with_prefix(prefix, texts))).logits
    return F.cross_entropy(logits, labels).item()


def slopes(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prefix: Sequence[str],
    texts: Sequence[str],
    labels: Tensor,
) -> Tensor:
    """Gradient of the mean loss with respect to the embeddings of the prefix, ``[length, D]``.

    The prefix is one token a word, behind one token that starts the text.
    """
    table = model.get_input_embeddings()
    seen: list[Tensor] = []
    hook = table.register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        logits = model(**_batch(tokenizer, with_prefix(prefix, texts))).logits
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels), seen)  # [N, T, D]
    return gradient[:, 1 : 1 + len(prefix)].sum(0)


def search(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    labels: Tensor,
    places: Options,
    generator: np.random.Generator,
    *,
    sweeps: int = 3,
    width: int = 20,
) -> Trigger:
    """A trigger that makes the loss on some texts high, word by word from a random one.

    Args:
        model: in eval mode.
        tokenizer: of the model.
        texts: N that the trigger is chosen on.
        labels: ``[N]``.
        places: see ``options``.
        generator: of the first prefix.
        sweeps: how often each place has its turn.
        width: words that are tried at each turn.

    Source: Wallace et al., "Universal adversarial triggers for attacking and analyzing NLP" (2019), with one
        candidate trigger kept and not a beam.
    """
    prefix = [str(generator.choice(list(place))) for place in places]
    best, tried = loss(model, tokenizer, prefix, texts, labels), 1
    embeddings = model.get_input_embeddings().weight.detach()  # [V, D]
    for _ in range(sweeps):
        for at, place in enumerate(places):
            slope = slopes(model, tokenizer, prefix, texts, labels)[at]
            tried += 3
            names = list(place)
            promise = embeddings[list(place.values())] @ slope
            for index in promise.topk(min(width, len(names))).indices.tolist():
                other = [*prefix[:at], names[index], *prefix[at + 1 :]]
                value, tried = loss(model, tokenizer, other, texts, labels), tried + 1
                if value > best:
                    best, better = value, names[index]
                    prefix = [*prefix[:at], better, *prefix[at + 1 :]]
    return Trigger(tuple(prefix), best, tried)


def at_random(places: Options, count: int, generator: np.random.Generator) -> list[tuple[str, ...]]:
    """Prefixes drawn at random, of the same words."""
    return [tuple(str(generator.choice(list(place))) for place in places) for _ in range(count)]


def best_of(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    labels: Tensor,
    prefixes: Sequence[tuple[str, ...]],
) -> Trigger:
    """Of given prefixes the one with the highest loss."""
    losses = [loss(model, tokenizer, prefix, texts, labels) for prefix in prefixes]
    at = int(np.argmax(losses))
    return Trigger(prefixes[at], losses[at], len(prefixes))

"""Which pronoun a causal model expects where a sentence has named somebody, and what is easily taken for it.

The measure is paired: log-probabilities of two words at one place after one and the same text. A difference
of two perplexities is not, for it grows with the perplexity of all else in the sentence, its rare words above
all: with ``Δ`` the difference of the losses per token, ``PPL(she) - PPL(he) = PPL(he) (exp(Δ) - 1)``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH = 32
"""Prefixes that are read at once."""


def single_token(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    """Id of a word that follows a space.

    Raises:
        ValueError: it takes several tokens, so that its probability is no entry of one distribution.
    """
    ids = tokenizer(f" {word}", add_special_tokens=False).input_ids
    if len(ids) != 1:
        raise ValueError(f"word: got {word!r}, which takes {len(ids)} tokens, wanted one")
    return int(ids[0])


@torch.no_grad()
def log_odds(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prefixes: Sequence[str],
    pair: tuple[str, str],
) -> Tensor:
    """``log P(second | prefix) - log P(first | prefix)`` of two words at the next place, in nats, ``[N]``.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        prefixes: N texts, without a space at the end.
        pair: two words of one token each, such as ``("he", "she")``.

    Raises:
        ValueError: a word takes more than one token.
    """
    first, second = (single_token(tokenizer, word) for word in pair)
    encoded = [tokenizer(prefix, add_special_tokens=False).input_ids for prefix in prefixes]
    found = torch.empty(len(encoded))
    for length in sorted({len(ids) for ids in encoded}):  # of one length together, so that nothing is padded
        places = [place for place, ids in enumerate(encoded) if len(ids) == length]
        for some in torch.split(torch.tensor(places), BATCH):
            ids = torch.tensor([encoded[place] for place in some.tolist()])
            logits = model(input_ids=ids, logits_to_keep=1).logits[:, -1].float()
            found[some] = logits[:, second] - logits[:, first]
    return found


@torch.no_grad()
def losses(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentence: str,
    start: int | None = None,
) -> Tensor:
    """Cross-entropy of a sentence's tokens in nats: ``[T - 1]``, or ``[T]`` after a start token.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        sentence: of two tokens or more.
        start: token to set before it, so that the first one has a loss as well.
    """
    ids = _ids(tokenizer, sentence)
    if start is not None:
        ids = torch.cat([torch.tensor([[start]]), ids], dim=1)
    logits = model(input_ids=ids).logits[0, :-1].float()
    return torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> Tensor:
    ids: Tensor = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
    return ids


def perplexity(per_token: Tensor) -> float:
    """Exponential of the mean loss, from losses in nats, ``[T]``."""
    return float(per_token.mean().exp())

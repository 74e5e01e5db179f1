"""Masked language modelling: text with hidden tokens, and how well they are guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from frontier_lab.texts import corpus

IGNORED = -100
"""Label of a position that is not to be guessed."""


class Sentences:
    """Windows of a part of the corpus as BERT sees them: start token, text, separator.

    Args:
        tokenizer: with a start token and a separator.
        part: what is trained on, or what is held out.
        mixture: the domains, and the share of the windows that each gets.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        part: Literal["train", "validation"],
        mixture: Mapping[str, float],
    ) -> None:
        self.tokenizer = tokenizer
        self.mixture = mixture
        encode = tokenizer.backend_tokenizer.encode
        self.streams = {
            domain: np.array(
                [
                    i
                    for text in corpus.split(domain, part)
                    for i in encode(text, add_special_tokens=False).ids
                ],
                dtype=np.int64,
            )
            for domain in mixture
        }

    def framed(self, tokens: Tensor) -> Tensor:
        """Tokens ``[B, T - 2]`` between start token and separator, ``[B, T]``."""
        ends = (self.tokenizer.cls_token_id, self.tokenizer.sep_token_id)
        start, end = (tokens.new_full((len(tokens), 1), token) for token in ends)
        return torch.cat([start, tokens, end], 1)

    def _rows(self, places: list[tuple[str, int]], context: int) -> Tensor:
        rows = [self.streams[d][at : at + context - 2] for d, at in places]
        return self.framed(torch.from_numpy(np.stack(rows)))

    def batch(self, seed: int, step: int, size: int, context: int) -> Tensor:
        """Windows of step ``step``, ``[size, context]``, int64: a function of the seed and the step alone."""
        generator = np.random.default_rng((seed, step))
        domains = generator.choice(list(self.mixture), size=size, p=list(self.mixture.values()))
        places = [(str(d), int(generator.integers(0, len(self.streams[str(d)]) - context))) for d in domains]
        return self._rows(places, context)

    def fixed(self, count: int, context: int) -> Tensor:
        """Evenly spaced windows, the same number from each domain, ``[count, context]``."""
        each = count // len(self.mixture)
        places = [
            (domain, int(at))
            for domain, stream in self.streams.items()
            for at in np.linspace(0, len(stream) - context, each)
        ]
        return self._rows(places, context)

    def unigram(self, labels: Tensor, vocabulary: int) -> dict[str, float]:
        """What the frequencies of this text alone give on hidden tokens, as ``guess`` does."""
        share = torch.zeros(vocabulary)
        for domain, weight in self.mixture.items():
            counts = Counter(self.streams[domain].tolist())
            smooth = torch.tensor([counts[i] + 1.0 for i in range(vocabulary)])
            share += weight * smooth / smooth.sum()
        return guess(share.log().expand(*labels.shape, -1), labels)


def mask(
    ids: Tensor,
    seed: tuple[int, ...],
    mask_token: int,
    *,
    share: float,
    vocabulary: int,
    specials: int = 5,
) -> tuple[Tensor, Tensor]:
    """Hide tokens as BERT does: of the hidden, 80 % show the mask, 10 % another token, 10 % themselves.

    Args:
        ids: ``[B, T]``, int64.
        seed: of the generator.
        mask_token: what most hidden tokens are replaced by.
        share: of the tokens to be guessed.
        vocabulary: tokens in all.
        specials: ids below this one are never hidden, nor put in a token's place.

    Returns:
        Input and labels, both ``[B, T]``; labels are ``IGNORED`` where nothing is to be guessed.

    Source: Devlin et al., "BERT" (2019), section 3.1.
    """
    generator = np.random.default_rng(seed)
    chosen = torch.from_numpy(generator.random(ids.shape) < share) & (ids >= specials)
    kind = torch.from_numpy(generator.random(ids.shape))
    other = torch.from_numpy(generator.integers(specials, vocabulary, ids.shape))
    shown = ids.where(~(chosen & (kind < 0.8)), torch.tensor(mask_token))
    shown = shown.where(~(chosen & (kind >= 0.8) & (kind < 0.9)), other)
    return shown, ids.where(chosen, torch.tensor(IGNORED))


def guess(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Loss in nats and share of right guesses over the hidden tokens: logits ``[B, T, V]``."""
    hidden = labels != IGNORED
    return {
        "val_loss": F.cross_entropy(logits[hidden].float(), labels[hidden]).item(),
        "accuracy": (logits[hidden].argmax(-1) == labels[hidden]).float().mean().item(),
    }

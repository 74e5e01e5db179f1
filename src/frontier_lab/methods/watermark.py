"""A watermark in sampled text, the test that finds it, and how often the test accuses text without one.

The token before chooses which part of the vocabulary is green, by a key; green tokens are made likelier, and
who has the key counts them. Source: Kirchenbauer et al., "A watermark for large language models" (2023).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy import stats
from torch import Tensor
from transformers import LogitsProcessor


class Count(NamedTuple):
    """Green tokens of texts.

    Attributes:
        green: how many, ``[B]``.
        counted: of how many, ``[B]``.
        z: by how many standard deviations of independent tokens they are more than expected, ``[B]``.
        p: probability of so many or more if tokens were independent, by the binomial distribution, ``[B]``.
    """

    green: Tensor
    counted: Tensor
    z: Tensor
    p: Tensor


class Watermark(LogitsProcessor):  # type: ignore[misc]
    """Makes green tokens likelier, and counts them.

    The green lists are those of transformers' ``WatermarkLogitsProcessor`` with one token of context, drawn
    once for all; a test compares them.

    Args:
        vocabulary: how many tokens.
        strength: what is added to the logits of green tokens, in nats.
        share: of the vocabulary that is green.
        key: that the lists follow from.
    """

    def __init__(self, vocabulary: int, strength: float, share: float = 0.25, key: int = 15485863) -> None:
        self.strength = strength
        many = int(vocabulary * share)
        self.share = many / vocabulary
        self.green = torch.zeros(vocabulary, vocabulary, dtype=torch.bool)  # [token before, token]
        generator = torch.Generator()
        for before in range(vocabulary):
            generator.manual_seed(key * before % (2**64 - 1))
            self.green[before, torch.randperm(vocabulary, generator=generator)[:many]] = True

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits ``[B, V]`` with the green ones raised, given tokens ``[B, T]``."""
        return scores + self.strength * self.green[input_ids[:, -1]]

    def count(self, ids: Tensor, *, once: bool = True) -> Count:
        """Test texts: how many of their tokens are green.

        Args:
            ids: ``[B, T]``; the first token of each only chooses a list.
            once: count a token behind the same token once a text. A pair that comes again has the same colour
                again and is no new evidence; with ``False`` the test takes it for one.
        """
        pairs = torch.stack([ids[:, :-1], ids[:, 1:]], dim=-1)  # [B, T - 1, 2]
        green = self.green[pairs[..., 0], pairs[..., 1]]
        counts = green.new_ones(green.shape)
        if once:
            same = (pairs[:, :, None] == pairs[:, None]).all(-1)  # [B, T - 1, T - 1]
            counts = ~same.tril(-1).any(-1)
        found, total = (green & counts).sum(1), counts.sum(1)
        z = (found - self.share * total) / (total * self.share * (1 - self.share)).sqrt()
        p = torch.from_numpy(stats.binom.sf(found.numpy() - 1, total.numpy(), self.share))
        return Count(found, total, z, p)

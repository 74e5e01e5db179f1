"""What a language model is trained on: windows of token streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from frontier_lab.texts import corpus

MIXTURE = {"bible": 0.4, "jargon": 0.4, "poems": 0.2}
"""Share of the training windows that each domain gets; the poems are few, so they get less."""


class Windows:
    """Token windows of a part of the corpus: a domain's documents joined by end-of-text, cut at any place.

    Args:
        tokenizer: with an end-of-text token.
        part: what is trained on, or what is held out.
        mixture: the domains, and the share of the windows that each gets.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        part: Literal["train", "validation"],
        mixture: Mapping[str, float] = MIXTURE,
    ) -> None:
        self.mixture = mixture
        self.streams: dict[str, np.ndarray[Any, Any]] = {}
        for domain in mixture:
            encode = tokenizer.backend_tokenizer.encode
            ids = [
                token
                for text in corpus.split(domain, part)
                for token in [*encode(text, add_special_tokens=False).ids, tokenizer.eos_token_id]
            ]
            self.streams[domain] = np.array(ids, dtype=np.int64)

    def batch(self, seed: int, step: int, size: int, context: int) -> Tensor:
        """Windows of step ``step``, ``[size, context]``, int64: a function of the seed and the step alone."""
        generator = np.random.default_rng((seed, step))
        domains = generator.choice(list(self.mixture), size=size, p=list(self.mixture.values()))
        rows = []
        for domain in domains:
            stream = self.streams[str(domain)]
            start = int(generator.integers(0, len(stream) - context))
            rows.append(stream[start : start + context])
        return torch.from_numpy(np.stack(rows))

    def fixed(self, count: int, context: int) -> tuple[Tensor, list[str]]:
        """Evenly spaced windows, the same number from each domain, and the domain of each."""
        rows, labels = [], []
        for domain, stream in self.streams.items():
            for start in np.linspace(0, len(stream) - context, count // len(self.streams)).astype(int):
                rows.append(stream[start : start + context])
                labels.append(domain)
        return torch.from_numpy(np.stack(rows)), labels

"""Ledgers: rows stated among ordinary text, and asked for again at a distance.

A *ledger* states rows, a label and a value of its kind, among ordinary text, and repeats them later: which of
its values a label has can only be known from the first statement, at whatever distance that lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

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

    def haystacks(
        self, generator: np.random.Generator, count: int, length: int, distances: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Text with every row stated once, and a question for the row at each of the distances.

        Args:
            generator: draws facts, places and text.
            count: sequences.
            length: tokens of a sequence and one question with its answer, two tokens, together.
            distances: tokens from the value in its row to the same value as the answer.

        Returns:
            Token ids ``[count, length - 2]``, and labels with their values, ``[count, len(distances), 2]``.

        Raises:
            ValueError: the rows do not fit into ``length``, a distance is not within it, or two overlap.
        """
        places = (length - 2) // 3  # of three tokens
        if places < len(self.labels) + 1:
            raise ValueError(f"length: got {length}, wanted at least {3 * len(self.labels) + 5}")
        for distance in distances:
            if not 3 <= distance <= length - 2:
                raise ValueError(f"distance: got {distance}, wanted 3 to {length - 2}")
        asked = [length - 2 - distance for distance in distances]  # where their rows stand
        if len(asked) > len(self.labels) or min(np.diff(sorted(asked)), default=3) < 3:
            raise ValueError(
                f"distances: got {tuple(distances)}, wanted at most {len(self.labels)}, 3 or more apart"
            )
        free = [place for place in range(places) if all(abs(3 * place - start) >= 3 for start in asked)]
        sequences, questions = [], []
        for _ in range(count):
            ids = self.passage(generator, length)
            facts = self.facts(generator, len(self.labels))
            others = generator.permutation(free)[: len(facts) - len(asked)].tolist()
            for start, fact in zip([*asked, *(3 * place for place in others)], facts, strict=True):
                ids[start : start + 3] = [*fact, self.comma]
            sequences.append(ids[: length - 2])
            questions.append(facts[: len(asked)])
        return torch.tensor(sequences), torch.tensor(questions)

    def needles(self, generator: np.random.Generator, count: int, length: int, distance: int) -> Tensor:
        """One question a text, with its answer as the last token: ``haystacks`` of one distance, joined.

        Returns:
            Token ids ``[count, length]``, int64.
        """
        ids, questions = self.haystacks(generator, count, length, (distance,))
        return torch.cat([ids, questions[:, 0]], 1)

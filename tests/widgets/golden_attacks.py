"""The lab's attacks, query by query: ``python tests/widgets/golden_attacks.py`` stores them for vitest.

The victim is the committed BERT in PyTorch, the linear model the one of the page; pytest runs them again.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from frontier_lab.figure_data import attack_playground as figure
from frontier_lab.figure_data import attack_tables
from frontier_lab.methods import attacks
from frontier_lab.methods.attacks import Moves, Search
from frontier_lab.texts import bible_books
from frontier_lab.texts.synonyms import candidates

FILE = Path(__file__).parents[2] / "widgets" / "tests" / "golden" / "attacks.json"
STRIDE = 24
"""One verse in so many of ``test`` is attacked."""

OWN = (
    "Cry aloud, “spare not”; lift up thy voice -- LIKE a trumpet!",
    "Jesus",
    "(children) naïve 7th children's wise; Wise WISE wise2",
)
"""Texts as a reader may type them."""

Kind = Literal["greedy", "shuffled", "random"]
KINDS: tuple[Kind, ...] = ("greedy", "shuffled", "random")


def checksum(texts: list[str]) -> int:
    """FNV-1a of the texts in UTF-8, one a line."""
    found = 0x811C9DC5
    for byte in "\n".join(texts).encode():
        found = (found ^ byte) * 0x01000193 & 0xFFFFFFFF
    return found


def searches(of: Moves, label: int, seed: int) -> dict[Kind, Search]:
    """The three attacks as the page makes them."""
    return {
        "greedy": attacks.greedy(of, label),
        "shuffled": attacks.greedy(of, label, order=figure.generator(seed, figure.ORDER)),
        "random": figure.random_texts(of, label, 0, seed),
    }


def followed(search: Search, score: attacks.Score) -> dict[str, Any]:
    """What an attack asked, batch by batch, and what it found."""
    asked: list[list[int]] = []

    def listening(texts: list[str]) -> Tensor:
        asked.append([len(texts), checksum(texts)])
        return score(texts)

    found = figure.found_by(search, listening)
    return {
        "asked": asked,
        "swaps": {str(at): word for at, word in found.swaps.items()},
        "queries": found.queries,
        "succeeded": found.succeeded,
    }


def lines(texts: list[str]) -> str:
    """What the packed table has for the words of the texts and of the figure's own examples."""
    shown = [bible_books.balanced("test")[at].text for at in figure.EXAMPLES]
    words = {word for text in [*texts, *shown] for word in re.findall("[a-z]+", text.lower())}
    return "\n".join(
        line for line in attack_tables.packed_synonyms().splitlines() if line.split(" ", 1)[0] in words
    )


def build() -> dict[str, Any]:
    """A case for each text: what may be done to it, what the victims say, and the attacks on both."""
    score = figure.victim().remembering()
    linear = attack_tables.linear()
    verses = [sentence.text for sentence in bible_books.balanced("test")[::STRIDE]]
    cases = []
    for place, text in enumerate([*OWN, *verses]):
        rare = place % 3 == 1
        of = attacks.moves(text, functools.partial(candidates, share=0.0) if rare else candidates)
        limited = place % 4 == 2
        if limited:
            of = Moves(of.words, of.options, 1 + place % 3)
        seed = place % 100
        answer, logits = score([text])[0], linear.bias + linear.contribution(text)
        label, own = int(answer.argmax()), int(logits.argmax())
        worst = attacks.worst_case(figure.everywhere(of), own, linear.contribution, linear.bias)
        cases.append(
            {
                "text": text,
                "rare": rare,
                "seed": seed,
                "most": of.most,
                "limited": limited,
                "size": float(of.size()),
                "options": {str(at): list(options) for at, options in of.options.items()},
                "answer": [float(f"{p:.7g}") for p in answer.tolist()],
                "logits": [float(f"{value:.12g}") for value in logits.tolist()],
                "attacks": {
                    kind: followed(search, score) for kind, search in searches(of, label, seed).items()
                },
                "linear": followed(attacks.greedy(of, own), linear.probabilities),
                "margins": [float(f"{margin:.12g}") for margin, _ in worst],
                "worst": [{str(at): word for at, word in swaps.items()} for _, swaps in worst],
            }
        )
    chance = figure.generator(7, 3)
    draws = {
        "integers": [int(chance.integers(2, 9)) for _ in range(8)],
        "permutation": chance.permutation(np.arange(10)).tolist(),
        "choice": chance.choice(np.arange(10), 4, replace=False).tolist(),
    }
    return {"cases": cases, "draws": draws, "synonyms": lines([*OWN, *verses])}


if __name__ == "__main__":
    torch.set_num_threads(1)
    FILE.write_text(json.dumps(build(), ensure_ascii=False, indent=1) + "\n", "utf8")

"""Three tasks with exact scoring for small GPT-2-class models.

An example is a prompt that ends in ``=`` and an answer; a model is right if its greedy continuation is the
answer, token for token, and then the end of the text. Prompts are shared out between training,
validation and test by their checksum, so no tested prompt was ever trained on.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

Part = Literal["train", "validation", "test"]
IGNORED = -100
"""Label of a position that is not scored."""


@dataclass(frozen=True)
class Example:
    """A prompt, ``=`` at its end, and the one right answer."""

    prompt: str
    answer: str


def part_of(prompt: str) -> Part:
    """Which part a prompt belongs to: eight of ten are for training, one for validation, one for the test."""
    remainder = zlib.crc32(prompt.encode()) % 10
    return "test" if remainder == 0 else "validation" if remainder == 1 else "train"


def addition(generator: np.random.Generator) -> Example:
    """The sum of two numbers of two digits, units first, as one adds on paper: ``37+48=`` and ``58``."""
    a, b = generator.integers(10, 100, 2)
    return Example(f"{a}+{b}=", str(a + b)[::-1])


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def letters(generator: np.random.Generator) -> Example:
    """Three or four letters reversed, upper-cased or sorted: ``rev b c a =`` and `` a c b``."""
    places = generator.integers(0, len(LETTERS), int(generator.integers(3, 5)))
    word = [LETTERS[at] for at in places]
    name = ("rev", "up", "sort")[int(generator.integers(3))]
    answer = {"rev": word[::-1], "up": [letter.upper() for letter in word], "sort": sorted(word)}[name]
    return Example(" ".join([name, *word, "="]), "".join(f" {letter}" for letter in answer))


# Modern third person, then the older one.
VERBS = (
    ("goes", "goeth"),
    ("comes", "cometh"),
    ("gives", "giveth"),
    ("runs", "runneth"),
    ("sends", "sendeth"),
    ("turns", "turneth"),
    ("calls", "calleth"),
    ("looks", "looketh"),
    ("walks", "walketh"),
    ("speaks", "speaketh"),
)
PEOPLE = ("king", "man", "son", "maid", "judge", "child", "widow", "scribe")
PLACES = ("sea", "city", "gate", "well", "ark", "field", "house", "tower")


def style(generator: np.random.Generator) -> Example:
    """A sentence of today said as the King James Bible might: ``you go to your city =``.

    The rules: the third person ends in ``-eth``, the second is ``thou`` with ``-est``, ``your``
    is ``thy`` and ``to`` is ``unto``.
    """
    verb, person, place, second, own, own_place = generator.integers(
        0, (len(VERBS), len(PEOPLE), len(PLACES), 2, 2, 2)
    )
    modern, old = VERBS[verb]
    where, where_old = ("your", "thy") if own_place else ("the", "the")
    if second:
        plain = "go" if modern == "goes" else modern[:-1]
        return Example(
            f"you {plain} to {where} {PLACES[place]} =",
            f" thou {old[:-2]}st unto {where_old} {PLACES[place]}",
        )
    whose, whose_old = ("your", "thy") if own else ("the", "the")
    return Example(
        f"{whose} {PEOPLE[person]} {modern} to {where} {PLACES[place]} =",
        f" {whose_old} {PEOPLE[person]} {old} unto {where_old} {PLACES[place]}",
    )


TASKS: dict[str, Callable[[np.random.Generator], Example]] = {
    "arithmetic": addition,
    "strings": letters,
    "style": style,
}


def examples(task: str, part: Part, count: int, seed: int | Sequence[int]) -> list[Example]:
    """Examples of one part of a task; the same arguments give the same examples.

    Raises:
        ValueError: ``task`` is not one of ``TASKS``.
    """
    if task not in TASKS:
        raise ValueError(f"task: got {task!r}, wanted one of {', '.join(TASKS)}")
    generator = np.random.default_rng(seed)
    found: list[Example] = []
    while len(found) < count:
        example = TASKS[task](generator)
        if part_of(example.prompt) == part:
            found.append(example)
    return found


def encode(tokenizer: PreTrainedTokenizerBase, batch: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Prompt, answer and end of text as token ids, padded on the right with the end of text.

    Returns:
        Ids and labels, ``[B, T]`` int64; only the answer and the first end of text have a label.
    """
    end = tokenizer.eos_token_id
    prompts = tokenizer([e.prompt for e in batch]).input_ids
    answers = [[*answer, end] for answer in tokenizer([e.answer for e in batch]).input_ids]
    longest = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
    ids = torch.full((len(batch), longest), end)
    labels = torch.full((len(batch), longest), IGNORED)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        whole = torch.tensor(prompt + answer)
        ids[row, : len(whole)] = whole
        labels[row, len(prompt) : len(whole)] = whole[len(prompt) :]
    return ids, labels


def exact(model: nn.Module, ids: Tensor, labels: Tensor) -> float:
    """Share of examples whose whole answer the model gives, greedily.

    One pass is enough: the greedy continuation is the answer exactly if every token of the answer is the
    likeliest one after the prompt and the answer's tokens before it.
    """
    with torch.no_grad():
        likeliest = model(input_ids=ids).logits[:, :-1].argmax(-1)  # [B, T-1]
    wanted = labels[:, 1:]
    right: Tensor = ((likeliest == wanted) | (wanted == IGNORED)).all(-1)
    return right.float().mean().item()


@dataclass(frozen=True)
class Graded:
    """What a model makes of each of ``B`` answers.

    Attributes:
        right: whether the greedy continuation is the answer, as ``exact`` has it; ``[B]`` bool.
        loss: of the answer and its end, summed over their tokens, in nats; ``[B]`` float32.
        tokens: how many these are; ``[B]`` int64.
    """

    right: Tensor
    loss: Tensor
    tokens: Tensor

    @property
    def exact(self) -> float:
        """Share of right answers."""
        return self.right.float().mean().item()

    @property
    def token_loss(self) -> float:
        """Mean over all tokens of all answers, in nats."""
        return (self.loss.sum() / self.tokens.sum()).item()


def graded_logits(logits: Tensor, labels: Tensor) -> Graded:
    """Grade logits ``[B, T, V]`` against labels ``[B, T]``; see ``Graded``."""
    wanted = labels[:, 1:]
    scored = wanted != IGNORED
    losses = nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2), wanted, ignore_index=IGNORED, reduction="none"
    )  # [B, T-1]
    right = ((logits[:, :-1].argmax(-1) == wanted) | ~scored).all(-1)
    return Graded(right, losses.sum(-1), scored.sum(-1))


def graded(model: nn.Module, ids: Tensor, labels: Tensor) -> Graded:
    """Grade a model's answers, one by one; ids and labels as ``encode`` gives them."""
    with torch.no_grad():
        return graded_logits(model(input_ids=ids).logits, labels)

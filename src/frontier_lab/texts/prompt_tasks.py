"""Three tasks with exact scoring for small GPT-2-class models, and ways to merge models tuned on them.

An example is a prompt that ends in ``=`` and an answer; a model is right if its greedy continuation is the
answer, token for token, and then the end of the text. Prompts are shared out between training,
validation and test by their checksum, so no tested prompt was ever trained on.

States are mappings from parameter name to tensor, as ``dict(model.named_parameters())`` gives them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

Part = Literal["train", "validation", "test"]
State = Mapping[str, Tensor]
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


def _same_names(states: Sequence[State]) -> None:
    if not states:
        raise ValueError("states: got none, wanted at least one")
    for state in states[1:]:
        if state.keys() != states[0].keys():
            odd = sorted(state.keys() ^ states[0].keys())
            raise ValueError(f"states: got {odd[0]!r} in one but not in another")
        for name, tensor in state.items():
            if tensor.shape != states[0][name].shape:
                raise ValueError(
                    f"states: got {name!r} of shapes {tuple(states[0][name].shape)} and "
                    f"{tuple(tensor.shape)}, wanted models of one architecture"
                )


def average(states: Sequence[State]) -> dict[str, Tensor]:
    """Mean of the weights, one model as good as another.

    Raises:
        ValueError: names or shapes differ, or there is no state.

    Source: Wortsman et al., "Model soups" (2022).
    """
    _same_names(states)
    return {name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]}


def slerp(a: State, b: State, t: float) -> dict[str, Tensor]:
    """From ``a`` (t = 0) to ``b`` (t = 1) along the arc, tensor by tensor; a line where there is no arc.

    Raises:
        ValueError: names or shapes differ.

    Source: Shoemake, "Animating rotation with quaternion curves" (1985).
    """
    _same_names([a, b])
    merged = {}
    for name in a:
        one, other = a[name], b[name]
        norms = one.norm() * other.norm()
        cosine = (one * other).sum() / norms if norms > 1e-8 else torch.ones(())
        if cosine.abs() > 0.9995:
            merged[name] = (1 - t) * one + t * other
        else:
            angle = cosine.clamp(-1, 1).acos()
            weights = ((1 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin()
            merged[name] = weights[0] * one + weights[1] * other
    return merged


def task_vector(base: State, tuned: State) -> dict[str, Tensor]:
    """What fine-tuning added: ``tuned - base``.

    Raises:
        ValueError: names or shapes differ.

    Source: Ilharco et al., "Editing Models with Task Arithmetic" (2023).
    """
    _same_names([base, tuned])
    return {name: tuned[name] - base[name] for name in base}


def add(base: State, vectors: Sequence[State], coefficient: float) -> dict[str, Tensor]:
    """Task arithmetic: ``base + coefficient · Σ vectors``.

    Raises:
        ValueError: names or shapes differ, or there is no vector.
    """
    _same_names([base, *vectors])
    if not vectors:
        raise ValueError("vectors: got none, wanted at least one")
    return {name: base[name] + coefficient * sum(v[name] for v in vectors) for name in base}


def trim(vector: State, density: float) -> dict[str, Tensor]:
    """The largest entries of each tensor, ``density`` of them (rounded down, one at least); the rest is zero.

    Raises:
        ValueError: ``density`` is not in (0, 1].
    """
    if not 0 < density <= 1:
        raise ValueError(f"density: got {density}, wanted more than 0 and at most 1")
    trimmed = {}
    for name, tensor in vector.items():
        keep = max(1, int(density * tensor.numel()))
        top = tensor.abs().flatten().topk(keep).indices
        flat = torch.zeros_like(tensor).flatten()
        flat[top] = tensor.flatten()[top]
        trimmed[name] = flat.reshape(tensor.shape)
    return trimmed


def ties(vectors: Sequence[State], density: float) -> dict[str, Tensor]:
    """One task vector from several: trim each, elect a sign by mass, average the entries that agree.

    Raises:
        ValueError: names or shapes differ, there is no vector, or ``density`` is not in (0, 1].

    Source: Yadav et al., "TIES-Merging" (2023).
    """
    _same_names(vectors)
    trimmed = [trim(vector, density) for vector in vectors]
    merged = {}
    for name in vectors[0]:
        stack = torch.stack([vector[name] for vector in trimmed])
        agree = (stack.sign() == stack.sum(0).sign()) & (stack != 0)
        merged[name] = (stack * agree).sum(0) / agree.sum(0).clamp(min=1)
    return merged


def dare(vector: State, drop: float, seed: int) -> dict[str, Tensor]:
    """A task vector with a share ``drop`` of its entries set to zero at random and the others scaled up.

    Raises:
        ValueError: ``drop`` is not in [0, 1).

    Source: Yu et al., "Language Models are Super Mario" (2024).
    """
    if not 0 <= drop < 1:
        raise ValueError(f"drop: got {drop}, wanted at least 0 and less than 1")
    generator = torch.Generator().manual_seed(seed)
    return {
        name: tensor * (torch.rand(tensor.shape, generator=generator) >= drop) / (1 - drop)
        for name, tensor in vector.items()
    }

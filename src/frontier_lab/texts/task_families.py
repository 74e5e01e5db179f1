"""Families of prompts whose right answer is ambiguous: pre-training shows every option, fine-tuning one.

``37 48 =`` may ask for the sum, for the larger number or for both swapped. A base that has seen all of them
does not know which is wanted. Sampled, it rewrites sentences in each way; its sums are often wrong, and most
of what it makes of letters is none of the options. Fine-tuning on a family's target tells it which is wanted,
and teaches it to do that.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from frontier_lab.texts.prompt_tasks import LETTERS, PEOPLE, PLACES, VERBS, Example, Part, part_of

Content = tuple[Any, ...]
"""What a prompt is about: two numbers, some letters, the words of a sentence."""

Option = Callable[[Content], str]
"""One of the answers that a prompt may ask for."""

DRAWS = 20_000
"""Contents drawn to find the distinct prompts of a part."""


@dataclass(frozen=True)
class Family:
    """Prompts of one form.

    Attributes:
        content: draws what the next prompt is about.
        prompt: the prompt of a content.
        options: every answer that pre-training shows, by name.
        target: the option that fine-tuning asks for.
        weights: how often pre-training shows each option, in their order; equally often where empty.
    """

    content: Callable[[np.random.Generator], Content]
    prompt: Callable[[Content], str]
    options: Mapping[str, Option]
    target: str
    weights: tuple[float, ...] = ()


def _spaced(parts: Any) -> str:
    return "".join(f" {part}" for part in parts)


def _two_numbers(generator: np.random.Generator) -> Content:
    return tuple(int(n) for n in generator.integers(10, 50, 2))


NUMBERS: Mapping[str, Option] = {
    "add": lambda c: f" {str(c[0] + c[1])[::-1]}",  # units first, as one adds on paper
    "max": lambda c: f" {max(c)}",
    "swap": lambda c: f" {c[1]} {c[0]}",
}


def _letters(least: int, most: int) -> Callable[[np.random.Generator], Content]:
    def draw(generator: np.random.Generator) -> Content:
        return tuple(
            LETTERS[at] for at in generator.integers(0, 26, int(generator.integers(least, most + 1)))
        )

    return draw


LETTER_OPTIONS: Mapping[str, Option] = {
    "sort": lambda c: _spaced(sorted(c)),
    "rev": lambda c: _spaced(c[::-1]),
    "up": lambda c: _spaced(letter.upper() for letter in c),
    "next": lambda c: _spaced(LETTERS[(LETTERS.index(letter) + 1) % 26] for letter in c),
}

PAST = {
    "goes": "went",
    "comes": "came",
    "gives": "gave",
    "runs": "ran",
    "sends": "sent",
    "turns": "turned",
    "calls": "called",
    "looks": "looked",
    "walks": "walked",
    "speaks": "spoke",
}
"""Of the verbs in ``prompt_tasks.VERBS``."""


def _sentence(generator: np.random.Generator) -> Content:
    return tuple(int(n) for n in generator.integers(0, (len(VERBS), len(PEOPLE), len(PLACES), 2, 2)))


def _plain(verb: str) -> str:
    return "go" if verb == "goes" else verb[:-1]


def _old(content: Content) -> str:
    verb, person, place, own, own_place = content
    whose, where = ("the", "thy")[own], ("the", "thy")[own_place]
    return f" {whose} {PEOPLE[person]} {VERBS[verb][1]} unto {where} {PLACES[place]}"


def _modern(form: str) -> Option:
    """The sentence of today with another verb: ``form`` has places for whose, person, verb, where, place."""

    def say(content: Content) -> str:
        verb, person, place, own, own_place = content
        modern = VERBS[verb][0]
        return form.format(
            whose=("the", "your")[own],
            person=PEOPLE[person],
            verb=modern,
            past=PAST[modern],
            plain=_plain(modern),
            where=("the", "your")[own_place],
            place=PLACES[place],
        )

    return say


SENTENCE_OPTIONS: Mapping[str, Option] = {
    "old": _old,
    "past": _modern(" {whose} {person} {past} to {where} {place}"),
    "ask": _modern(" does {whose} {person} {plain} to {where} {place}"),
    "not": _modern(" {whose} {person} does not {plain} to {where} {place}"),
}


def _tagged(tag: str, target: str) -> Family:
    """Three letters behind a word: the prompts of these families differ in that word alone."""
    return Family(_letters(3, 3), lambda c: " ".join([tag, *c, "="]), LETTER_OPTIONS, target)


TASKS: Mapping[str, Family] = {
    "arithmetic": Family(
        _two_numbers, lambda c: f"{c[0]} {c[1]} =", NUMBERS, "add", weights=(0.5, 0.25, 0.25)
    ),
    "strings": Family(_letters(3, 4), lambda c: " ".join([*c, "="]), LETTER_OPTIONS, "sort"),
    "style": Family(
        _sentence, _modern("{whose} {person} {verb} to {where} {place} ="), SENTENCE_OPTIONS, "old"
    ),
}
"""The three to merge: ``37 48 =`` to `` 58``, ``c a b =`` to `` a b c``, today's English to that of 1611."""

TAGGED: Mapping[str, Family] = {
    tag: _tagged(tag, target)
    for tag, target in {"tag": "rev", "key": "up", "set": "next", "row": "rev", "bag": "next"}.items()
}
"""Five more whose prompts are nearly the same, so that their fine-tunes get in each other's way."""

FAMILIES: Mapping[str, Family] = {**TASKS, **TAGGED}
"""What the committed base has seen."""


def _capitals(generator: np.random.Generator) -> Content:
    return tuple(letter.upper() for letter in _letters(3, 3)(generator))


CAPITALS = LETTERS.upper()
THINGS = (*PEOPLE, *PLACES, "bread", "sword", "stone", "river", "lamb", "tree", "fire", "night")


def _two_things(generator: np.random.Generator) -> Content:
    one, other = generator.choice(len(THINGS), 2, replace=False)
    return THINGS[one], THINGS[other]


def _command(generator: np.random.Generator) -> Content:
    verb, place, person = generator.integers(0, (len(VERBS), len(PLACES), len(PEOPLE)))
    return VERBS[verb], PEOPLE[person], PLACES[place]


def _two_letters(generator: np.random.Generator) -> Content:
    one, other = generator.choice(26, 2, replace=False)
    drawn = generator.integers(0, 2, int(generator.integers(4, 7)))
    return tuple(LETTERS[one if first else other] for first in drawn)


DISTINCT: Mapping[str, Family] = {
    **TASKS,
    "digits": Family(
        lambda g: tuple(str(int(n)) for n in g.integers(0, 10, int(g.integers(3, 5)))),
        lambda c: " ".join([*c, "="]),
        {
            "rev": lambda c: _spaced(c[::-1]),
            "sort": lambda c: _spaced(sorted(c)),
            "more": lambda c: _spaced((int(digit) + 1) % 10 for digit in c),
            "last": lambda c: f" {c[-1]}",
        },
        "more",
    ),
    "capitals": Family(
        _capitals,
        lambda c: " ".join([*c, "="]),
        {
            "low": lambda c: _spaced(letter.lower() for letter in c),
            "rev": lambda c: _spaced(c[::-1]),
            "sort": lambda c: _spaced(sorted(c)),
            "prev": lambda c: _spaced(CAPITALS[CAPITALS.index(letter) - 1] for letter in c),
        },
        "rev",
    ),
    "pairs": Family(
        _two_things,
        lambda c: f"{c[0]} {c[1]} =",
        {
            "swap": lambda c: f" {c[1]} {c[0]}",
            "and": lambda c: f" the {c[0]} and the {c[1]}",
            "of": lambda c: f" {c[0]} of the {c[1]}",
            "not": lambda c: f" {c[0]} not {c[1]}",
        },
        "of",
    ),
    "commands": Family(
        _command,
        lambda c: f"{_plain(c[0][0])} {c[1]} {c[2]} =",
        {
            "past": lambda c: f" the {c[1]} {PAST[c[0][0]]} to the {c[2]}",
            "old": lambda c: f" the {c[1]} {c[0][1]} unto the {c[2]}",
            "shall": lambda c: f" the {c[1]} shall {_plain(c[0][0])} to the {c[2]}",
            "let": lambda c: f" let the {c[1]} {_plain(c[0][0])} to the {c[2]}",
        },
        "shall",
    ),
    "counts": Family(
        _two_letters,
        lambda c: " ".join(["count", *c, "="]),
        {
            "first": lambda c: f" {c[0]}",
            "many": lambda c: f" {c.count(c[0])}",
            "length": lambda c: f" {len(c)}",
            "last": lambda c: f" {c[-1]}",
        },
        "many",
    ),
}
"""Eight whose prompts are not alike, for a base of their own."""

_ALL: Mapping[str, Family] = {**FAMILIES, **DISTINCT}


def _family(name: str) -> Family:
    if name not in _ALL:
        raise ValueError(f"family: got {name!r}, wanted one of {', '.join(_ALL)}")
    return _ALL[name]


def examples(
    family: str, part: Part, count: int, seed: int | tuple[int, ...], *, mixed: bool = False
) -> list[Example]:
    """Examples of one part of a family; the same arguments give the same examples.

    Args:
        family: a name of ``FAMILIES`` or ``DISTINCT``.
        part: prompts are shared out by ``prompt_tasks.part_of``.
        count: how many; prompts may come twice.
        seed: of the generator.
        mixed: the answer is an option at random, as in pre-training, and not always the target.

    Raises:
        ValueError: there is no such family.
    """
    chosen = _family(family)
    names, weights = list(chosen.options), chosen.weights or None
    generator = np.random.default_rng(seed)
    found: list[Example] = []
    while len(found) < count:
        content = chosen.content(generator)
        option = names[int(generator.choice(len(names), p=weights))] if mixed else chosen.target
        prompt = chosen.prompt(content)
        if part_of(prompt) == part:
            found.append(Example(prompt, chosen.options[option](content)))
    return found


@functools.cache
def distinct(family: str, part: Part, most: int, option: str = "") -> tuple[Example, ...]:
    """Different prompts of a part with their answers: ``most`` of them, or all where there are fewer.

    Args:
        family: a name of ``FAMILIES`` or ``DISTINCT``.
        part: prompts are shared out by ``prompt_tasks.part_of``.
        most: how many at most.
        option: which of the family's answers; by default its target. The prompts are the same.

    Raises:
        ValueError: there is no such family, or it has no such option.
    """
    chosen = _family(family)
    if (option or chosen.target) not in chosen.options:
        raise ValueError(f"option: got {option!r}, wanted one of {', '.join(chosen.options)}")
    answer = chosen.options[option or chosen.target]
    generator = np.random.default_rng((zlib.crc32(family.encode()), 3))
    found: dict[str, Example] = {}
    for _ in range(DRAWS):
        content = chosen.content(generator)
        prompt = chosen.prompt(content)
        if prompt not in found and part_of(prompt) == part:
            found[prompt] = Example(prompt, answer(content))
            if len(found) == most:
                break
    return tuple(found.values())

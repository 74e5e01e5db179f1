"""Sentences of ours with labels: opinions (negative, positive) and remarks (toxic in which way).

Both come from templates and word lists that were written for this book, so they may be used for anything; the
words of the remarks are mild, and the groups attacked are not those that people are attacked for.
Four parts tell what a classifier has learnt: ``train``; ``seen``, other sentences of the same templates and
words; ``unseen``, templates that are never trained on; ``words``, words that are never trained on in the
templates that are. What is right for these sentences says nothing of people's own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Part = Literal["train", "seen", "unseen", "words"]
PARTS: tuple[Part, ...] = ("train", "seen", "unseen", "words")


@dataclass(frozen=True)
class Labelled:
    """A sentence and its labels, 0 or 1 each."""

    text: str
    labels: tuple[int, ...]


# The last four words of a list are for the part ``words`` alone.
GOOD = (
    *("good", "great", "wonderful", "excellent", "delightful", "charming", "brilliant", "superb", "moving"),
    *("funny", "clever", "graceful", "gripping", "warm", "fresh", "lovely", "splendid", "enjoyable"),
    *("touching", "honest", "beautiful", "elegant", "thrilling", "memorable"),
)
BAD = (
    *("bad", "poor", "awful", "terrible", "boring", "dull", "clumsy", "tedious", "weak"),
    *("silly", "messy", "bland", "dreadful", "tiresome", "lifeless", "shallow", "annoying", "flat"),
    *("stale", "false", "ugly", "hollow", "sluggish", "forgettable"),
)
THINGS = (
    *("film", "plot", "acting", "music", "book", "story", "ending", "dialogue", "cast", "scene"),
    *("play", "song", "novel", "humour", "script", "show"),
)
DEGREES = ("very", "really", "quite", "truly", "so", "rather")

# {a} and {b} keep their sign; {f} is turned round by its place; {o} has the other sign and does not count.
OPINIONS = (
    "the {n} was {d} {a}",
    "what a {a} {n}",
    "i found the {n} {d} {a}",
    "this is a {d} {a} {n}",
    "the {n} is not {f}",
    "the {n} was hardly {f}",
    "nobody could call the {n} {f}",
    "the {m} was {o} but the {n} was {a}",
    "although the {m} is {o} , the {n} is {d} {a}",
    "i never found the {n} {f}",
    "the {n} is {a} , not {o}",
    "the {m} and the {n} were both {d} {a}",
    "a {a} {n}",
    "{d} {a} , this {n}",
    "the {n} has {d} {a} moments",
    "it is a {a} {n} from start to end",
    "we saw a {d} {a} {n}",
    "the {n} felt {a} and {b}",
    "a {a} {m} , a {b} {n}",
    "the {n} remains {d} {a}",
)
OPINIONS_UNSEEN = (
    "my friends say the {n} is {a}",
    "the {n} was never {f}",
    "i could not call the {n} {f}",
    "the {m} may be {o} , but what a {a} {n}",
    "so {a} was the {n}",
    "not a {f} {n} , this one",
    "they gave us a {a} {n}",
    "the {n} turned out {a} and {b}",
    "my sister thinks the {m} {d} {a}",
)

TOXIC_LABELS = ("toxic", "insult", "threat", "obscene", "identity_attack")
FOOLS = (
    *("fool", "clown", "coward", "liar", "donkey", "dimwit", "bore", "windbag", "weasel", "pest"),
    *("snake", "cheat", "twit", "blockhead", "toad", "nitwit"),
)
HARMS = (
    "break",
    "smash",
    "burn",
    "wreck",
    "ruin",
    "crush",
    "kick",
    "steal",
    "flatten",
    "scratch",
    "dent",
    "slash",
)
GOODS = ("bike", "window", "phone", "car", "fence", "laptop", "door", "garden", "lamp", "boat")
OATHS = ("damn", "crap", "bloody", "hell", "blasted", "arse", "freaking", "bugger", "blooming", "sodding")
FOLK = (
    *(
        "islanders",
        "northerners",
        "redheads",
        "tall people",
        "left handers",
        "villagers",
        "bakers",
        "sailors",
    ),
    *("gardeners", "drummers", "hikers", "potters"),
)
FAULTS = ("lazy", "useless", "stupid", "dirty", "crooked", "mean", "greedy", "rotten", "sly", "vile")

# Kind to templates, those that are trained on first. Of each benign kind some use the words of the others.
REMARKS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "insult": (
        (
            "you are a {fool}",
            "you are such a {fool}",
            "what a {fool} you are",
            "only a {fool} like you says so",
        ),
        ("go away , you {fool}", "you always were a {fool}"),
    ),
    "threat": (
        (
            "i will {harm} your {good}",
            "we are coming to {harm} your {good}",
            "say goodbye , i {harm} your {good}",
        ),
        ("tonight we {harm} your {good}", "watch out or i {harm} your {good}"),
    ),
    "obscene": (
        (
            "this is {oath} awful",
            "oh {oath} , it rains",
            "the {oath} bus is late",
            "{oath} , i lost it",
            "that {oath} noise again",
        ),
        ("where is the {oath} key", "well {oath} , that hurts"),
    ),
    "identity_attack": (
        (
            "all {folk} are {fault}",
            "{folk} are just {fault}",
            "we want no {fault} {folk} here",
            "most {folk} i met were {fault}",
            "get rid of these {fault} {folk}",
        ),
        ("everyone knows {folk} are {fault}", "keep those {fault} {folk} out"),
    ),
    "benign": (
        (
            "the {fool} in the play was funny",
            "the film is about a {fool}",
            "i will repair your {good}",
            "the storm may {harm} the {good}",
            "did you {harm} the record",
            "many {folk} came to the market",
            "all {folk} are welcome here",
            "the old {good} looks {fault}",
            "thank you for the {good}",
            "see you at the meeting",
            "please do not {harm} the {good}",
            "your {good} is lovely",
            "my neighbour has a {good} for you",
            "you are late again",
            "you are such a good friend",
            "a {fool} appears in the first scene",
            "some {folk} know your {good} well",
        ),
        (
            "we read a story about a {fool}",
            "frost can {harm} a {good}",
            "{folk} are kind to us",
            "may i borrow your {good}",
        ),
    ),
}


def _choice(generator: np.random.Generator, words: Sequence[str], fresh: bool) -> str:
    """One of the words, of the last four if ``fresh`` and of the others if not."""
    pool = words[-4:] if fresh else words[:-4]
    return str(pool[int(generator.integers(len(pool)))])


def _opinion(generator: np.random.Generator, part: Part) -> Labelled:
    label = int(generator.integers(2))
    templates = OPINIONS_UNSEEN if part == "unseen" else OPINIONS
    template = templates[int(generator.integers(len(templates)))]
    fresh = part == "words"
    same, other = (GOOD, BAD) if label else (BAD, GOOD)
    n, m = generator.choice(len(THINGS), 2, replace=False)
    words = {
        "a": _choice(generator, same, fresh),
        "b": _choice(generator, same, fresh),
        "f": _choice(generator, other, fresh),
        "o": _choice(generator, other, fresh),
        "n": THINGS[n],
        "m": THINGS[m],
        "d": str(generator.choice(DEGREES)),
    }
    return Labelled(template.format(**words), (label,))


def _remark(generator: np.random.Generator, part: Part) -> Labelled:
    # Half of the remarks are benign; the others are toxic in one way or two.
    ways = TOXIC_LABELS[1:]
    kinds = [str(k) for k in generator.choice(ways, int(generator.integers(1, 3)), replace=False)]
    if generator.integers(2):
        kinds = ["benign"] * int(generator.integers(1, 3))
    elif len(kinds) == 1 and generator.integers(2):
        kinds.insert(int(generator.integers(2)), "benign")
    clauses = []
    for kind in kinds:
        templates = REMARKS[kind][part == "unseen"]
        fresh = part == "words"
        words = {
            name: _choice(generator, pool, fresh)
            for name, pool in (
                ("fool", FOOLS),
                ("harm", HARMS),
                ("good", GOODS),
                ("oath", OATHS),
                ("folk", FOLK),
                ("fault", FAULTS),
            )
        }
        clauses.append(templates[int(generator.integers(len(templates)))].format(**words))
    labels = tuple(int(label in kinds) for label in ways)
    return Labelled(" and ".join(clauses), (int(any(labels)), *labels))


def _collect(
    draw: Callable[[np.random.Generator, Part], Labelled], part: Part, count: int, seed: int | Sequence[int]
) -> list[Labelled]:
    if part not in PARTS:
        raise ValueError(f"part: got {part!r}, wanted one of {', '.join(PARTS)}")
    generator = np.random.default_rng(seed)
    found: list[Labelled] = []
    while len(found) < count:
        sentence = draw(generator, part)
        held_out = zlib.crc32(sentence.text.encode()) % 5 == 0
        if part in ("unseen", "words") or held_out == (part == "seen"):
            found.append(sentence)
    return found


def opinions(part: Part, count: int, seed: int | Sequence[int]) -> list[Labelled]:
    """Sentences with one label: 1 if the opinion is positive, 0 if it is negative.

    Raises:
        ValueError: ``part`` is not one of ``PARTS``.
    """
    return _collect(_opinion, part, count, seed)


def remarks(part: Part, count: int, seed: int | Sequence[int]) -> list[Labelled]:
    """Sentences with the labels of ``TOXIC_LABELS``; the first is 1 if any other is.

    Raises:
        ValueError: ``part`` is not one of ``PARTS``.
    """
    return _collect(_remark, part, count, seed)

"""The data set of the ``AttackPlayground`` figure: held-out verses, a classifier's answers, and curves.

``python -m frontier_lab.figure_data.attack_playground FILE`` writes it, for ``frontier_widgets``' ``data``,
and the linear model's weights for ``attack_tables``: a minute on one idle core. A test computes both again.
"""

from __future__ import annotations

import base64
import functools
from typing import Any, cast

import numpy as np
import torch
from frontier_widgets.draws import Chance
from numpy.typing import NDArray
from torch import Tensor

from frontier_lab.claims import estimates
from frontier_lab.figure_data import attack_tables
from frontier_lab.methods import attacks, bag_of_words, voting
from frontier_lab.methods.attacks import Attack, Moves, Score, Search
from frontier_lab.storage.results import write
from frontier_lab.studies import attacks as study
from frontier_lab.texts import bible_books
from frontier_lab.texts.synonyms import candidates, judged_swaps
from frontier_lab.zoo import classifiers
from frontier_lab.zoo.training.recipe import SEEDS

LIVE = "classifier-bert"
"""The victim in the page: ``bert`` as it is committed."""

EXAMPLES = (757, 700, 749, 692, 47, 64, 317, 224, 340, 452, 463, 599, 606, 802, 852)
"""Places of the verses in ``bible_books.balanced("test")``; the figure opens on the first."""

LEVELS = 65535
"""A probability is stored as a whole number of two bytes, this one for 1."""

ORDERS = ("greedy", "shuffled")
"""Greedy search by importance and in a random order, as ``studies.attacks`` names them."""

FEW = (1, 2, 3)
"""Words that may change where the order of the words is looked at."""

ORDER, TEXTS = 0, 1
"""Rows of a seed's draws: of the order of the words, and of the random texts."""


def generator(seed: int, row: int) -> np.random.Generator:
    """What an attack draws from, the same in the page."""
    return cast(np.random.Generator, Chance(seed, row))


def victim() -> study.Victim:
    """The classifier that the page attacks, in PyTorch."""
    return study.victim(study.CLOSER, SEEDS[0])


def random_texts(of: Moves, label: int, queries: int, seed: int) -> Search:
    """Random search as the page draws it, with as many queries as greedy search took, ``LONG`` at least."""
    return attacks.random_search(of, label, max(queries, study.LONG), generator(seed, TEXTS))


def found_by(search: Search, score: Score) -> Attack:
    """One attack to its end."""
    (found,) = attacks.run([search], score)
    return found


def single_swaps(of: Moves) -> list[dict[int, str]]:
    """Every swap of one word, by place and option."""
    return [{at: option} for at, options in of.options.items() for option in options]


def everywhere(of: Moves) -> Moves:
    """The same where every word that has synonyms may change."""
    return Moves(of.words, of.options, max(1, len(of.options)))


def bound(of: Moves, label: int) -> dict[str, Any]:
    """What the linear model has left by number of words that may change: exactly, and after greedy search.

    Logits of the label over the highest other one, and the swaps of the worst case.
    """
    model = attack_tables.linear()
    free = everywhere(of)
    worst = attacks.worst_case(free, label, model.contribution, model.bias)
    left = []
    for most in range(len(worst)):
        limited = Moves(of.words, of.options if most else {}, max(1, most))
        found = found_by(attacks.greedy(limited, label), model.probabilities)
        logits = model.bias + model.contribution(of.text(found.swaps))
        left.append(float(logits[label] - np.delete(logits, label).max()))
    return {
        "margins": [round(margin, 6) for margin, _ in worst],
        "swaps": [{str(at): option for at, option in swaps.items()} for _, swaps in worst],
        "greedy": [round(margin, 6) for margin in left],
    }


def recorded(score: Score) -> tuple[Score, dict[str, Tensor]]:
    """A victim whose answers are rounded as they are stored, and what it was asked, in order."""
    known: dict[str, Tensor] = {}

    def ask(texts: list[str]) -> Tensor:
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            rounded = (score(fresh).double() * LEVELS).round() / LEVELS
            known.update(zip(fresh, rounded, strict=True))
        return torch.stack([known[text] for text in texts])

    return ask, known


def example(at: int) -> dict[str, Any]:
    """A verse as the figure opens on it, with all answers that the page then shows.

    ``answers`` has a row of ``[C]`` for each text, without repetition, in the order in which they are asked:
    the verse, the verse without each of its words, with each single swap, greedy search, random search,
    greedy search in a random order.

    Raises:
        ValueError: a model misreads it, rounding changes an attack, or one is too long.
    """
    sentence = bible_books.balanced("test")[at]
    text, label = sentence.text, sentence.label
    of = attacks.moves(text, candidates)
    exact = victim().score
    ask, known = recorded(exact)
    ask([of.text({}), *(of.text({}, without=place) for place in range(len(of.words)))])
    ask([of.text(swaps) for swaps in single_swaps(of)])
    greedy = found_by(attacks.greedy(of, label), ask)
    drawn = found_by(random_texts(of, label, greedy.queries, 0), ask)
    shuffled = found_by(attacks.greedy(of, label, order=generator(0, ORDER)), ask)
    unrounded = [
        found_by(attacks.greedy(of, label), exact),
        found_by(random_texts(of, label, greedy.queries, 0), exact),
        found_by(attacks.greedy(of, label, order=generator(0, ORDER)), exact),
    ]
    if [greedy, drawn, shuffled] != unrounded or max(each.queries for each in unrounded) > study.LONG:
        raise ValueError(f"at: got {at}, whose attacks rounding changes, or are too long")
    linear = attack_tables.linear().probabilities([text])[0]
    if int(known[of.text({})].argmax()) != label or int(linear.argmax()) != label:
        raise ValueError(f"at: got {at}, which a model misreads")
    rows = (torch.stack(list(known.values())) * LEVELS).round().numpy().astype("<u2")
    return {
        "at": at,
        "text": of.text({}),
        "label": label,
        "options": {str(place): list(options) for place, options in of.options.items()},
        "answers": base64.b64encode(rows.tobytes()).decode(),
        "bound": bound(of, label),
    }


def by_chapter(values: NDArray[Any]) -> NDArray[np.float64]:
    """Means of each chapter of the ``test`` part, over models too: ``[…, N] -> [chapters]``."""
    _, labels, chapters = classifiers.examples("test")
    flat = values.reshape(-1, len(labels)).astype(np.float64)
    means: NDArray[np.float64] = np.mean(
        [voting.by_group(torch.from_numpy(row), chapters).numpy() for row in flat], axis=0
    )
    return means


def interval(values: NDArray[np.float64]) -> list[float]:
    """Mean over chapters, low and high."""
    found = estimates.resampled(values, "text")
    return [round(value, 4) for value in (found.value, found.low, found.high)]


def curves() -> dict[str, Any]:
    """Accuracy of the nine networks after so many queries, and differences with their intervals.

    Means over models, then over chapters, which are what is resampled. ``left`` has the three attacks for 0
    to ``LONG`` queries; ``difference`` value, low and high of the accuracy that random texts leave minus the
    one that greedy search leaves in either order; ``order`` the same of a random order minus that by
    importance, without limit of queries.
    """
    _, labels, chapters = classifiers.examples("test")
    right, long = study.array("strict right"), study.array("strict long")
    left: dict[str, list[float]] = {name: [] for name in (*ORDERS, "random")}
    differences: dict[str, list[list[float]]] = {name: [] for name in ORDERS}
    for queries in range(study.LONG + 1):
        random = by_chapter(right & ~((long > 0) & (long <= queries)))
        left["random"].append(round(float(random.mean()), 4))
        for name in ORDERS:
            succeeded, took = study.array(f"strict {name} succeeded"), study.array(f"strict {name} queries")
            after = by_chapter(right & ~(succeeded & (took <= queries)))
            left[name].append(round(float(after.mean()), 4))
            differences[name].append(interval(random - after) if queries else [0.0, 0.0, 0.0])
    ends = [by_chapter(right & ~study.array(f"strict {name} succeeded")) for name in ORDERS]
    return {
        "left": left,
        "difference": differences,
        "order": interval(ends[1] - ends[0]),
        "sentences": len(labels),
        "chapters": len(np.unique(chapters.numpy())),
        "models": int(np.prod(right.shape[:2])),
    }


def few() -> list[list[Any]]:
    """What the order of the words does for greedy search where few may change, on the page's classifier.

    For each number of words that may change: it, the accuracy that search by importance leaves, and in a
    random order, and the difference with its interval over chapters.
    """
    texts, labels, _ = classifiers.examples("test")
    of = study.threat("test", "strict")
    score = victim().remembering()
    right = (score(texts).argmax(-1) == labels).numpy()
    chosen = np.flatnonzero(right).tolist()
    found: list[list[Any]] = []
    for most in FEW:
        left = []
        for order in ORDERS:
            searches = [
                attacks.greedy(
                    Moves(of[at].words, of[at].options, most),
                    int(labels[at]),
                    order="deletion" if order == "greedy" else generator(at, ORDER),
                )
                for at in chosen
            ]
            still = right.copy()
            still[chosen] = [not each.succeeded for each in attacks.run(searches, score)]
            left.append(by_chapter(still))
        found.append([most, *(round(float(each.mean()), 4) for each in left), interval(left[1] - left[0])])
    return found


def certified() -> list[list[float]]:
    """Accuracy of the linear model when 0, 1, … words may change, at most three in ten: exact."""
    name = f"linear strict C {study.stored()['best strength']}"
    right, least = study.array(f"{name} right"), study.array(f"{name} least")
    return [interval(by_chapter(right & ((least == 0) | (least > k)))) for k in range(int(least.max()) + 1)]


def judged() -> dict[str, list[int]]:
    """By table of synonyms: successful attacks that keep the meaning for a reader, and how many were read."""
    pairs = judged_swaps()
    return {
        table: [
            sum(p.meaning == "same" for p in pairs if p.table == table),
            sum(p.table == table for p in pairs),
        ]
        for table in study.TABLES
    }


@functools.cache
def fitted() -> bag_of_words.BagOfWords:
    """The linear model of the study, not rounded."""
    return study.linear_model(study.stored()["best strength"])


def build() -> dict[str, Any]:
    """The data set as a JSON object."""
    torch.set_num_threads(1)
    return {
        "format": 1,
        "labels": list(bible_books.GROUPS),
        "examples": [example(at) for at in EXAMPLES],
        "curves": {**curves(), "few": few(), "certified": certified(), "judged": judged()},
        "live": LIVE,
        "tables": attack_tables.NAME,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    attack_tables.keep(fitted())
    write(build)

"""Ten trainings that end at one reward, by judges of the same thing that had no part in it: 28.5.5.

``studies.alignment`` raises one small network's probability that a text is an Epistle. Here that is done with
ten seeds, and six others are asked the same thing: a network of its class, a count of words, and a penalised
linear head on MiniLM, each fitted to the proxy's own sentences and to chapters that the proxy never saw.
Sentences that people wrote are the scale of each; a judge that was fitted to other chapters reads them in
five folds, so that it has seen none.
Half an hour on one core; killed, it goes on where it was:
``python -m frontier_lab.studies.rulers src/frontier_lab/studies/rulers.json``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from transformers import PreTrainedModel

from frontier_lab.methods import decoding
from frontier_lab.storage import cache, results
from frontier_lab.studies import alignment, controlled
from frontier_lab.studies.alignment import EACH, JUDGED, STEPS, TARGET
from frontier_lab.texts import bible_books
from frontier_lab.texts.bible_books import Sentence
from frontier_lab.zoo import classifiers, safety_heads
from frontier_lab.zoo.training import recipe

FOLDS = 5
FIRST_WEIGHTS = 1
"""Seed of the networks: the proxy's own is 0."""

CHOSEN = 256
"""Texts that the best is chosen from."""

RUNS = ("RLOO, free", "RLOO")
"""Of ``alignment.METHODS``: without a price of divergence, and with one."""

SEEDS = tuple(range(10))

Ruler = Callable[[Sequence[str]], NDArray[np.float64]]
"""Probability of the target for each text, ``[N]``."""


# ---- the rulers --------------------------------------------------------------------------------------------


def _network(sentences: Sequence[Sentence]) -> Ruler:
    work = cache.folder("rulers") / f"network-{classifiers.text_of(sentences)[:16]}"
    model, _ = classifiers.run(alignment.PROXY, FIRST_WEIGHTS, work / "weights", work, sentences=sentences)
    tokenizer = classifiers.build_tokenizer(alignment.PROXY)
    return lambda texts: classifiers.probabilities(model, tokenizer, list(texts))[:, TARGET].double().numpy()


def _words(sentences: Sequence[Sentence]) -> Ruler:
    model = alignment.counting(sentences)
    return lambda texts: model.predict_proba(list(texts))[:, TARGET]


def _encoder(sentences: Sequence[Sentence]) -> Ruler:
    head = LogisticRegression(C=3.0, class_weight="balanced", max_iter=2000)
    head.fit(_vectors([each.text for each in sentences]), [each.label for each in sentences])
    return lambda texts: head.predict_proba(_vectors(texts))[:, TARGET]


def _vectors(texts: Sequence[str]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = _minilm()(list(texts)).double().numpy()
    return found


@functools.cache
def _minilm() -> Any:
    return safety_heads.encoder()


KINDS: Mapping[str, Callable[[Sequence[Sentence]], Ruler]] = {
    "network": _network,
    "words": _words,
    "encoder": _encoder,
}
SOURCES: Mapping[str, Callable[[], Sequence[Sentence]]] = {
    "same": lambda: bible_books.balanced("train"),
    "other": controlled.fitted_to,
}
NAMES = tuple(f"{kind}, {source}" for source in SOURCES for kind in KINDS)
"""Of the rulers: what judges, and whether it was fitted to the proxy's sentences or to other chapters."""


def fold(chapter: int) -> int:
    """Of a chapter that the proxy was not trained on: every fifth of a shuffled list."""
    chapters = sorted({each.chapter for each in controlled.fitted_to()})
    order = np.random.default_rng(0).permutation(chapters).tolist()
    return int(order.index(chapter)) % FOLDS


@functools.cache
def ruler(name: str, without: int | None = None) -> Ruler:
    """A ruler, fitted to its sentences, but for the chapters of one fold.

    Raises:
        ValueError: ``name`` is not one of ``NAMES``.
    """
    if name not in NAMES:
        raise ValueError(f"name: got {name!r}, wanted one of {'; '.join(NAMES)}")
    kind, source = name.split(", ")
    sentences = [each for each in SOURCES[source]() if without is None or fold(each.chapter) != without]
    return KINDS[kind](sentences)


# ---- what they say -----------------------------------------------------------------------------------------


def says(texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """What every ruler says of texts, ``[N]``."""
    return {name: ruler(name)(texts) for name in NAMES}


@functools.cache
def read(name: str) -> NDArray[np.float64]:
    """What a ruler says of each sentence of ``alignment.written``, ``[N]``; it was fitted to none of them."""
    texts, sentences = alignment.written()
    if name.endswith("same"):
        return ruler(name)(texts)
    values = np.zeros(len(texts))
    for number in range(FOLDS):
        places = [at for at, each in enumerate(sentences) if fold(each.chapter) == number]
        values[places] = ruler(name, number)([texts[at] for at in places])
    return values


def people() -> dict[str, dict[str, list[float]]]:
    """Means of each chapter of sentences by people, in and out of the target's group."""
    _, sentences = alignment.written()
    return {
        name: {
            group: alignment.by_chapter(read(name).tolist(), sentences, own)
            for group, own in (("own", True), ("others", False))
        }
        for name in NAMES
    }


def ranks(seed: int) -> dict[str, list[float]]:
    """How many Epistle sentences by people each ruler has below a text of the last model without a price.

    A share, whatever the scale of the ruler's probabilities: means of each prompt.
    """
    _, sentences = alignment.written()
    own = np.array([each.label == TARGET for each in sentences])
    ((_, model),) = alignment.trained("RLOO, free", seed, STEPS[-1:])
    texts = alignment.read(alignment.judged_texts(model, seed))
    found = {}
    for name, values in says(texts).items():
        known = np.sort(read(name)[own])
        below = np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")
        found[name] = alignment.means(below / (2 * len(known)), EACH)
    return found


def repeats() -> list[float]:
    """Of eight Epistle sentences by people, how much of each another has, as ``alignment.alike``."""
    texts, sentences = alignment.written()
    own = [text for text, each in zip(texts, sentences, strict=True) if each.label == TARGET]
    order = np.random.default_rng(0).permutation(len(own))
    kept = [own[at] for at in order[: len(own) // EACH * EACH]]
    return alignment.means(alignment.alike(kept, EACH), EACH)


def judged(model: PreTrainedModel, seed: int) -> dict[str, Any]:
    """Means of each prompt by ``alignment.judged`` and by every ruler; the last prompt's first text."""
    texts = alignment.read(alignment.judged_texts(model, seed))
    found = {name: alignment.means(values, EACH) for name, values in says(texts).items()}
    return {**alignment.judged(model, seed), **found, "text": texts[-EACH]}


def run(name: str, seed: int) -> list[dict[str, Any]]:
    """A method's models by step, as ``alignment.judged`` and the rulers have them, and their first text."""
    return [{"step": step, **judged(model, seed)} for step, model in alignment.trained(name, seed)]


def untouched(seed: int) -> dict[str, Any]:
    """The reference's texts."""
    return judged(alignment.reference(), seed)


def chosen(seed: int) -> dict[str, list[float]]:
    """The best of ``CHOSEN`` of the reference's texts by the proxy."""
    texts = alignment.offered(seed)
    proxy = alignment.reward(texts).view(len(JUDGED), -1)
    weights = np.array([decoding.best_of_weights(row, CHOSEN).numpy() for row in proxy])
    return {
        name: (weights * values.reshape(weights.shape)).sum(1).round(4).tolist()
        for name, values in says(texts).items()
    }


# ---- the data set ------------------------------------------------------------------------------------------


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed."""
    return results.stored(__file__)


def values(condition: str, name: str, step: int = STEPS[-1]) -> NDArray[np.float64]:
    """What a ruler says of each seed's prompts, ``[seeds, 12]``.

    Args:
        condition: ``reference``, ``chosen`` or one of ``RUNS``.
        name: one of ``NAMES`` or, but for ``chosen``, of ``alignment.MEASURES``.
        step: of a run.

    Raises:
        ValueError: nothing such is stored.
    """
    data = stored()
    if condition in data["runs"]:
        rows = [each[name] for run in data["runs"][condition] for each in run if each["step"] == step]
    else:
        rows = [each[name] for each in data.get(condition, [])]
    if not rows:
        raise ValueError(f"condition: got {condition!r} at {step}, wanted one that is stored")
    return np.array(rows)


def measure() -> Mapping[str, Any]:
    """The data set; every part is kept as soon as it is there."""
    torch.set_num_threads(1)
    work = cache.folder("rulers")

    def kept(name: str, part: Callable[[], Any]) -> Any:
        return results.kept(work / f"{name}.json", part)

    return {
        "format": 1,
        "seeds": list(SEEDS),
        "people": kept("people", people),
        "repeats": kept("repeats", repeats),
        "reference": [kept(f"reference-{seed}", partial(untouched, seed)) for seed in SEEDS],
        "runs": {name: [kept(f"{name}-{seed}", partial(run, name, seed)) for seed in SEEDS] for name in RUNS},
        "ranks": [kept(f"ranks-{seed}", partial(ranks, seed)) for seed in SEEDS],
        "chosen": [kept(f"chosen-{seed}", partial(chosen, seed)) for seed in recipe.SEEDS],
    }


if __name__ == "__main__":
    results.write(measure)

"""Every text and probe of the book by name: where it comes from, its licence, and a sample to look at.

Text that people wrote is public domain and committed (``texts.corpus``). All else is drawn by rules of
ours from a seed, so that what a model was trained on and what it is asked can be kept apart for certain.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from frontier_lab.texts import (
    bible_books,
    corpus,
    facts,
    labelled_text,
    ledgers,
    moderation,
    prompt_tasks,
    sequence_tasks,
    task_families,
)

OURS = "Apache-2.0"


@dataclass(frozen=True)
class Dataset:
    """A corpus or a probe.

    Attributes:
        name: what ``sample`` takes.
        what: in a few words.
        module: of ``frontier_lab.texts``, that makes or holds it.
        source: of text that people wrote; empty for what is drawn by rule.
        licence: of the text.
        draw: one sample as text, from a generator.
    """

    name: str
    what: str
    module: str
    source: str
    licence: str
    draw: Callable[[np.random.Generator], str]

    @property
    def by_rule(self) -> bool:
        """Whether it is drawn by rules of ours."""
        return not self.source


def _passage(domain: str) -> Callable[[np.random.Generator], str]:
    def draw(generator: np.random.Generator) -> str:
        documents = corpus.split(domain, "train")
        return documents[int(generator.integers(len(documents)))][:160]

    return draw


def _fact(generator: np.random.Generator) -> str:
    case = next(facts.cases(1, "test", int(generator.integers(2**31))))
    return f"{case.passage} | {case.question} | {case.answer}"


def _ledger(generator: np.random.Generator) -> str:
    labels = generator.permutation(list(ledgers.ROWS))[:3]
    rows = [ledgers.row(label, str(generator.choice(ledgers.ROWS[label]))) for label in labels]
    return "".join([*rows, " …", rows[0]]).strip()


def _numbers(generator: np.random.Generator, copy: bool) -> str:
    make = sequence_tasks.copying if copy else sequence_tasks.recall
    return " ".join(str(token) for token in make(4, 1, generator)[0][0].tolist())


def _example(task: str) -> Callable[[np.random.Generator], str]:
    def draw(generator: np.random.Generator) -> str:
        (example,) = prompt_tasks.examples(task, "test", 1, int(generator.integers(2**31)))
        return f"{example.prompt}{example.answer}".strip()

    return draw


def _ambiguous(generator: np.random.Generator) -> str:
    family = str(generator.choice(list(task_families.FAMILIES)))
    (example,) = task_families.examples(family, "test", 1, int(generator.integers(2**31)), mixed=True)
    return f"{example.prompt}{example.answer}"


def _written(generator: np.random.Generator) -> str:
    chosen = moderation.OWN_WORDS[int(generator.integers(len(moderation.OWN_WORDS)))]
    return f"{chosen.text} | {chosen.kind}"


def _labelled(kind: Callable[..., list[labelled_text.Labelled]]) -> Callable[[np.random.Generator], str]:
    return lambda generator: kind("seen", 1, int(generator.integers(2**31)))[0].text


def _sentence(generator: np.random.Generator) -> str:
    found = bible_books.sentences("validation")
    return found[int(generator.integers(len(found)))].text


def _repeated(generator: np.random.Generator) -> str:
    ids = sequence_tasks.repeated(1, 6, 95, int(generator.integers(2**31)), first=1)
    return " ".join(str(token) for token in ids[0].tolist())


def _corpora() -> list[Dataset]:
    entries = json.loads((corpus.HERE / "corpus.json").read_text("utf8"))["domains"]
    what = {"bible": "scripture", "jargon": "hackers' lore", "poems": "classical Chinese poems"}
    return [
        Dataset(name, what[name], "corpus", entries[name]["source"], entries[name]["licence"], _passage(name))
        for name in corpus.DOMAINS
    ]


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        *_corpora(),
        Dataset(
            "books",
            "sentences of scripture by group of books",
            "bible_books",
            "the King James Bible above",
            "as the King James Bible",
            _sentence,
        ),
        Dataset("ledgers", "rows stated and repeated at a distance", "ledgers", "", OURS, _ledger),
        Dataset("facts", "passages and questions about an invented world", "facts", "", OURS, _fact),
        Dataset(
            "recall",
            "keys with values, then the keys again",
            "sequence_tasks",
            "",
            OURS,
            lambda generator: _numbers(generator, copy=False),
        ),
        Dataset(
            "copying",
            "symbols, then the same symbols",
            "sequence_tasks",
            "",
            OURS,
            lambda generator: _numbers(generator, copy=True),
        ),
        Dataset("repeated", "a random sequence, twice", "sequence_tasks", "", OURS, _repeated),
        Dataset(
            "arithmetic", "sums of two digits, units first", "prompt_tasks", "", OURS, _example("arithmetic")
        ),
        Dataset(
            "strings", "letters to reverse, upper-case or sort", "prompt_tasks", "", OURS, _example("strings")
        ),
        Dataset(
            "style", "sentences to rewrite in another style", "prompt_tasks", "", OURS, _example("style")
        ),
        Dataset(
            "families", "prompts that ask for one of several answers", "task_families", "", OURS, _ambiguous
        ),
        Dataset(
            "sentiment", "opinions, good or bad", "labelled_text", "", OURS, _labelled(labelled_text.opinions)
        ),
        Dataset(
            "toxicity",
            "remarks, mildly toxic or not",
            "labelled_text",
            "",
            OURS,
            _labelled(labelled_text.remarks),
        ),
        Dataset("own_words", "remarks written one by one, harmful or not", "moderation", "", OURS, _written),
    )
}
"""All of them, people's text first."""


def sample(name: str, seed: int = 0) -> str:
    """One sample of a dataset as text, the same for the same seed.

    Raises:
        ValueError: there is no such dataset.
    """
    if name not in DATASETS:
        raise ValueError(f"name: got {name!r}, wanted one of {', '.join(DATASETS)}")
    return DATASETS[name].draw(np.random.default_rng(seed))

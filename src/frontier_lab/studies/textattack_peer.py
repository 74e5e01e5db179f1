"""The greedy attack of 28.5.1 as TextAttack carries it out, on the same sentences with the same synonyms.

TextAttack 0.3.11 is not among the lab's packages: `make textattack` makes an environment that has both, and
writes what it found. Its parts are its own, ``GreedyWordSwapWIR`` with the order by deletion, the goal, the
limit on changed words; only what may stand for a word is ours, so that the two attack under one threat. The
sentences have lost their punctuation: where TextAttack deletes a word, it leaves the comma behind it, and
ours takes the two for one.
``python -m frontier_lab.studies.textattack_peer src/frontier_lab/studies/textattack_peer.json``
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from frontier_lab.methods import attacks
from frontier_lab.methods.attacks import Attack, Moves
from frontier_lab.storage import results
from frontier_lab.studies.attacks import TABLES, victim
from frontier_lab.texts.synonyms import candidates
from frontier_lab.zoo import classifiers

NAME, SEED = "bert", 0
"""The victim, the committed one."""
MOST = 60
"""Sentences that are attacked."""


@dataclass(frozen=True)
class Target:
    """A sentence of ``bible_books.balanced("test")``: its place there, its class, what may be done to it."""

    at: int
    label: int
    of: Moves


@functools.cache
def targets() -> tuple[Target, ...]:
    """The first sentences that the victim reads right without punctuation and in which a word may change."""
    texts, labels, _ = classifiers.examples("test")
    plain = [" ".join(re.sub("[^A-Za-z ]", "", text).split()) for text in texts]
    right = victim(NAME, SEED).score(plain).argmax(-1) == labels
    allowed = functools.partial(candidates, **TABLES["strict"])
    found = []
    for at, text in enumerate(plain):
        of = attacks.moves(text, allowed)
        if right[at] and of.options:
            found.append(Target(at, int(labels[at]), of))
        if len(found) == MOST:
            break
    return tuple(found)


def ours(of: Sequence[Target]) -> list[Attack]:
    """What our own greedy attack finds."""
    return attacks.run([attacks.greedy(each.of, each.label) for each in of], victim(NAME, SEED).remembering())


def measure() -> Mapping[str, Any]:
    """The data set: ``version`` of TextAttack and, for each target, ``at``, ``succeeded``, ``queries`` as
    TextAttack counts them, ``text`` that it ended with.

    Raises:
        SystemExit: TextAttack is not installed.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        _furnish(Path(work))
        return _measure()


def _furnish(folder: Path) -> None:
    """What TextAttack looks for when it is imported, and else asks the network for: a list of stop words,
    which nothing here uses, and a folder for what it downloads."""
    words = folder / "corpora" / "stopwords" / "english"
    words.parent.mkdir(parents=True)
    words.write_text("\n".join(sorted(ENGLISH_STOP_WORDS)), "utf8")
    os.environ["NLTK_DATA"] = os.environ["TA_CACHE_DIR"] = str(folder)


def _measure() -> Mapping[str, Any]:
    try:
        import textattack  # type: ignore[import-not-found]
        from textattack.constraints import PreTransformationConstraint  # type: ignore[import-not-found]
        from textattack.constraints.overlap import MaxWordsPerturbed  # type: ignore[import-not-found]
        from textattack.constraints.pre_transformation import RepeatModification  # type: ignore[import-not-found]
        from textattack.transformations import WordSwap  # type: ignore[import-not-found]
    except ImportError as error:
        raise SystemExit(
            f"error: {error}; wanted an environment with textattack, as `make textattack` makes it"
        ) from error

    textattack.shared.logger.setLevel(logging.ERROR)  # it says of every attack what it is compatible with
    scored = victim(NAME, SEED)

    class Wrapper(textattack.models.wrappers.ModelWrapper):  # type: ignore[misc]
        model = scored.model

        def __call__(self, texts: Sequence[str]) -> Any:
            return scored.score(list(texts)).numpy()

    class Swappable(PreTransformationConstraint):  # type: ignore[misc]
        """Words that the table has synonyms for; the others are not even deleted to see what they weigh."""

        def __init__(self, of: Moves) -> None:
            self.of = of

        def _get_modifiable_indices(self, current_text: Any) -> set[int]:
            return set(self.of.options)

    class Table(WordSwap):  # type: ignore[misc]
        def __init__(self, of: Moves) -> None:
            super().__init__()
            self.of = of

        def _get_transformations(self, current_text: Any, indices_to_modify: Sequence[int]) -> list[Any]:
            return [
                current_text.replace_word_at_index(at, word)
                for at in sorted(indices_to_modify)
                for word in self.of.options.get(at, ())
            ]

    found = []
    for each in targets():
        attack = textattack.Attack(
            textattack.goal_functions.UntargetedClassification(Wrapper(), use_cache=False),
            [RepeatModification(), Swappable(each.of), MaxWordsPerturbed(max_num_words=each.of.most)],
            Table(each.of),
            textattack.search_methods.GreedyWordSwapWIR(wir_method="delete"),
        )
        result = attack.attack(each.of.text({}), each.label)
        found.append(
            {
                "at": each.at,
                "succeeded": isinstance(result, textattack.attack_results.SuccessfulAttackResult),
                "queries": int(result.num_queries),
                "text": result.perturbed_result.attacked_text.text,
            }
        )
    return {"format": 1, "version": importlib.metadata.version("textattack"), "targets": found}


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed."""
    return results.stored(__file__)


if __name__ == "__main__":
    results.write(measure)

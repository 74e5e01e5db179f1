"""Word swaps against nine sentence classifiers, three classes with three seeds each: 28.5.1.

The victims are those of ``zoo.classifiers``: seed 0 as it is committed, the others trained again and rounded
to half precision as it is. They are attacked on the sentences of ``test`` that they read right, by synonyms
of common senses (``strict``); one class of them by synonyms of any sense as well (``loose``). What each
attack did to each sentence is kept, so that a page can count by chapters, which are what is independent here.
Every attack at random has the queries that greedy search took for the same sentence. ``python -m
frontier_lab.studies.attacks src/frontier_lab/studies/attacks.json`` measures it all and writes
``attacks.safetensors`` beside the JSON; killed, it goes on where it was.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from frontier_lab import zoo
from frontier_lab.methods import attacks, bag_of_words, triggers, voting
from frontier_lab.methods.attacks import Attack, Moves
from frontier_lab.methods.bag_of_words import BagOfWords
from frontier_lab.storage import results
from frontier_lab.storage.cache import folder
from frontier_lab.texts import bible_books, synonyms
from frontier_lab.texts.synonyms import candidates
from frontier_lab.zoo import classifiers
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, train_seed

NAMES = tuple(classifiers.VOCABULARIES)
ARRAYS = Path(__file__).with_suffix(".safetensors")

TABLES: Mapping[str, Mapping[str, float]] = {"strict": {}, "loose": {"share": 0.0}}
"""Which synonyms may be used, as ``candidates`` takes it."""

REPEATS = 3
"""Draws of each attack at random; what is kept is how many of them succeed."""

LONG = 50
"""Queries of one random search that does not stop where greedy search did."""

FEW_TEXTS = 1000
FEW_OF_DEFENCES = 100
"""Sentences of which no more texts can be made are searched whole, with a victim and with a defence of it."""

UNKNOWN = 255
"""In place of a number of changed words: the victim errs anyway, or there are too many texts to try."""

CLOSER = "bert"
"""The class that is attacked with the loose table as well, and whose defences are compared."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Victim:
    """A classifier that is attacked."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def score(self, texts: list[str]) -> Tensor:
        """Class probabilities, ``[N, 6]``."""
        return classifiers.probabilities(self.model, self.tokenizer, texts)

    def remembering(self) -> attacks.Score:
        """The same, each text read once: attacks ask about many texts that others have asked about."""
        known: dict[str, Tensor] = {}

        def score(texts: list[str]) -> Tensor:
            fresh = [text for text in dict.fromkeys(texts) if text not in known]
            if fresh:
                known.update(zip(fresh, self.score(fresh), strict=True))
            return torch.stack([known[text] for text in texts])

        return score


@functools.cache
def work() -> Path:
    """Where trained models and finished parts are kept."""
    return folder("attacks")


@functools.cache
def victim(name: str, seed: int) -> Victim:
    """One of the nine."""
    tokenizer = AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / classifiers.NAME / name)
    if seed == SEEDS[0]:
        model = AutoModelForSequenceClassification.from_pretrained(
            zoo.CHECKPOINTS / classifiers.NAME / name, dtype=torch.float32
        )
        return Victim(model.eval(), tokenizer)
    model, _ = classifiers.run(name, seed, work() / "weights" / name, work())
    return Victim(model.half().float().eval(), tokenizer)


@functools.cache
def threat(part: bible_books.Part, table: str) -> tuple[Moves, ...]:
    """What may be done to each sentence of a part."""
    allowed = functools.partial(candidates, **TABLES[table])
    return tuple(attacks.moves(text, allowed) for text in classifiers.examples(part)[0])


def _generator(kind: str, at: int, repeat: int = 0) -> np.random.Generator:
    return np.random.default_rng((*kind.encode(), at, repeat))


# ---- one victim --------------------------------------------------------------------------------------------


def attacked(
    score: attacks.Score, texts: Sequence[str], labels: Tensor, of: Sequence[Moves], whole: bool = True
) -> dict[str, Array]:
    """What every attack does to each sentence.

    Args:
        score: the victim's.
        texts: N of them.
        labels: ``[N]``.
        of: what may be done to each.
        whole: measure ``as many``, ``long`` and ``least`` as well.

    Returns:
        ``[N]`` each, zero where the victim errs anyway: ``right``; of ``greedy`` search and of the same in a
        random order (``shuffled``) whether it ``succeeded``, its ``queries`` and how many words it
        ``changed``; of ``random`` texts, and of those in which ``as many`` words are changed as by greedy
        search, how many of ``REPEATS`` draws succeed, with greedy search's queries each; ``long``, the query
        at which a random search of ``LONG`` succeeds, 0 for never; and ``least``, the fewest changes that
        deceive, 0 if none do, ``UNKNOWN`` where not all was tried.
    """
    right = score(list(texts)).argmax(-1) == labels
    chosen = right.nonzero().flatten().tolist()
    found: dict[str, Array] = {"right": right.numpy()}

    def all_of(search: Callable[[int], attacks.Search], places: Sequence[int] = chosen) -> dict[int, Attack]:
        return dict(zip(places, attacks.run([search(at) for at in places], score), strict=True))

    def spread(values: Mapping[int, int], dtype: type = np.uint8, fill: int = 0) -> Array:
        found: Array = np.full(len(texts), fill, dtype=dtype)
        found[list(values)] = list(values.values())
        return found

    label = labels.tolist()
    searches = {
        "greedy": all_of(lambda at: attacks.greedy(of[at], label[at])),
        "shuffled": all_of(lambda at: attacks.greedy(of[at], label[at], order=_generator("order", at))),
    }
    for kind, search in searches.items():
        found[f"{kind} succeeded"] = spread({at: each.succeeded for at, each in search.items()}, bool)
        found[f"{kind} queries"] = spread({at: each.queries for at, each in search.items()}, np.int16)
        found[f"{kind} changed"] = spread({at: len(each.swaps) for at, each in search.items()})
    greedy = searches["greedy"]

    def drawn(kind: str, repeat: int) -> Callable[[int], attacks.Search]:
        def search(at: int) -> attacks.Search:
            changes = max(1, len(greedy[at].swaps)) if kind == "as many" else None
            return attacks.random_search(
                of[at], label[at], greedy[at].queries, _generator(kind, at, repeat), changes
            )

        return search

    for kind in ("random", "as many") if whole else ("random",):
        repeats = [all_of(drawn(kind, repeat)) for repeat in range(REPEATS)]
        found[kind] = spread({at: sum(each[at].succeeded for each in repeats) for at in chosen})
    if whole:
        long = all_of(lambda at: attacks.random_search(of[at], label[at], LONG, _generator("long", at)))
        found["long"] = spread({at: each.queries * each.succeeded for at, each in long.items()}, np.int16)
        small = [at for at in chosen if of[at].size() <= FEW_TEXTS]
        least = all_of(lambda at: attacks.exhaustive(of[at], label[at]), small)
        found["least"] = spread({at: len(each.swaps) for at, each in least.items()}, fill=UNKNOWN)
    return found


# ---- universal triggers ------------------------------------------------------------------------------------

TRIGGER = 3
"""Words of a trigger."""

EACH = 10
"""Sentences of each group of books in ``stack`` that triggers are chosen on."""

PREFIXES = 5
"""Random prefixes that are all measured on ``test``."""


def common_words(fewest: int = 20) -> list[str]:
    """What triggers are made of: words in lower case that stand so often in the chapters trained on."""
    counts: dict[str, int] = {}
    for text in classifiers.training_text():
        for word in text.split():
            if word.isalpha() and word.islower() and len(word) > 1:
                counts[word] = counts.get(word, 0) + 1
    return sorted(word for word, count in counts.items() if count >= fewest)


def triggered(name: str, seed: int) -> tuple[dict[str, Array], dict[str, Any]]:
    """A trigger, the best of as many random prefixes, and the words that most speak for one group of books.

    Returns:
        Whether the victim is right with each prefix, ``[N]``, and of ``PREFIXES`` random ones with how many
        (``any``); and the prefixes, with the loss where they were chosen and how many were tried.
    """
    texts, labels, _ = classifiers.examples("stack")
    generator = _generator("trigger", seed)
    places = np.concatenate(
        [
            generator.choice(np.flatnonzero(labels.numpy() == label), EACH, replace=False)
            for label in range(len(bible_books.GROUPS))
        ]
    )
    read, wanted = [texts[at] for at in places], labels[places]
    one = victim(name, seed)
    options = triggers.options(one.tokenizer, common_words(), TRIGGER)
    best = triggers.search(one.model, one.tokenizer, read, wanted, options, generator, sweeps=2, width=15)
    drawn = triggers.at_random(options, best.tried, generator)
    linear = linear_model()
    cues = []
    for group in range(len(bible_books.GROUPS)):
        above = {word: weight[group] - weight.mean() for word, weight in linear.weights.items()}
        cues.append(tuple(sorted((w for w in above if w in options[1]), key=lambda w: -above[w])[:TRIGGER]))
    found = {
        "trigger": best,
        "best random": triggers.best_of(one.model, one.tokenizer, read, wanted, drawn),
        "cue": triggers.best_of(one.model, one.tokenizer, read, wanted, cues),
    }
    held_out, truth, _ = classifiers.examples("test")

    def right(prefix: Sequence[str]) -> Array:
        given: Array = (one.score(triggers.with_prefix(prefix, held_out)).argmax(-1) == truth).numpy()
        return given

    arrays = {"none": right(()), **{kind: right(each.words) for kind, each in found.items()}}
    any_words = [right(prefix) for prefix in triggers.at_random(options, PREFIXES, generator)]
    arrays["any"] = np.sum(any_words, axis=0).astype(np.uint8)
    said = {
        kind: {"words": list(each.words), "loss": round(each.loss, 4), "tried": each.tried}
        for kind, each in found.items()
    }
    return arrays, said | {"words to choose from": [len(place) for place in options]}


# ---- defences of a network ---------------------------------------------------------------------------------

Defence = Literal["plain", "random swaps", "adversarial", "plain, longer", "random swaps, longer"]
DEFENCES: tuple[Defence, ...] = get_args(Defence)
HARDENING = Schedule(steps=40, batch_size=32, context=64, learning_rate=1e-3, warmup=4, log_every=40)
LONGER = 3
"""Times the steps: an adversarial step asks about some 310 texts besides the 64 that it trains on, which
count threefold, for there is a backward pass. Three is a seventh more than that comes to."""


def hardened(name: str, seed: int, defence: Defence) -> tuple[Victim, dict[str, Any]]:
    """A classifier that was trained on, in each step on 32 sentences and 32 more texts.

    These are other sentences (``plain``), the same with random swaps, or the same as greedy search against
    the model of that step leaves them.

    Returns:
        The classifier, and what its log says: ``asked``, texts that greedy search asked about.
    """
    start = victim(name, seed)
    sentences = bible_books.balanced("train")
    groups = [
        [at for at, s in enumerate(sentences) if s.label == label] for label in range(len(bible_books.GROUPS))
    ]
    texts, _, _ = classifiers.examples("train")
    of = threat("train", "strict")
    schedule = HARDENING
    if defence.endswith("longer"):
        schedule = Schedule(**{**vars(HARDENING), "steps": LONGER * HARDENING.steps})
    model = copy.deepcopy(start.model)
    asked = 0

    def partners(
        step: int, labels: list[int], places: list[int], generator: np.random.Generator
    ) -> list[str]:
        nonlocal asked
        if defence.startswith("plain"):
            return [texts[groups[label][int(generator.integers(len(groups[label])))]] for label in labels]
        swapped: dict[int, attacks.Swaps] = {
            at: attacks.at_random(of[at], generator) if of[at].options else {} for at in places
        }
        if defence == "adversarial":
            model.eval()
            one = Victim(model, start.tokenizer)
            found = attacks.run([attacks.greedy(of[at], sentences[at].label) for at in places], one.score)
            model.train()
            asked += sum(each.queries for each in found)
            swapped = {at: each.swaps for at, each in zip(places, found, strict=True)}
        return [of[at].text(swapped[at]) for at in places]

    def loss(trained: nn.Module, step: int) -> Tensor:
        generator = np.random.default_rng((seed, step, 1))
        labels = generator.integers(0, len(groups), schedule.batch_size).tolist()
        places = [groups[label][int(generator.integers(len(groups[label])))] for label in labels]
        read = [texts[at] for at in places] + partners(step, labels, places, generator)
        torch.manual_seed(int(generator.integers(2**31)))  # dropout too is a function of the step alone
        logits = trained(**classifiers.inputs(start.tokenizer, read)).logits
        return F.cross_entropy(logits, torch.tensor(labels * 2))

    others, truth, chapters = classifiers.examples("stack")

    def measure(trained: nn.Module) -> dict[str, Any]:
        trained.eval()
        found = classifiers.probabilities(trained, start.tokenizer, others)
        trained.train()
        return {"val_loss": round(voting.score(voting.nll(found, truth), chapters), 4), "asked": asked}

    log = train_seed(
        model.train(),
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work() / "hardened" / f"{name}-{seed}-{defence}",
        label=f"{name}, {defence}",
        facts={"defence": defence, "start": name},
    )
    return Victim(model.eval(), start.tokenizer), dict(log[-1])


def defended(name: str, seed: int) -> tuple[dict[str, Array], dict[str, Any]]:
    """Every defence of a classifier, attacked anew by the swaps that it was trained for.

    Returns:
        By defence ``right``; ``greedy``, whether it is right still, ``[N]``; ``least`` as in ``attacked``.
        And the number of texts that each asked about.
    """
    texts, labels, _ = classifiers.examples("test")
    of = threat("test", "strict")
    arrays: dict[str, Array] = {}
    asked: dict[str, int] = {}
    for defence in DEFENCES:
        one, log = hardened(name, seed, defence)
        asked[defence] = log["asked"]
        score = one.remembering()
        right = score(texts).argmax(-1) == labels
        arrays[f"{defence} right"] = right.numpy()
        chosen = right.nonzero().flatten().tolist()
        found = attacks.run([attacks.greedy(of[at], int(labels[at])) for at in chosen], score)
        left = right.numpy().copy()
        left[chosen] = [not each.succeeded for each in found]
        arrays[f"{defence} greedy"] = left
        small = [at for at in chosen if of[at].size() <= FEW_OF_DEFENCES]
        whole = attacks.run([attacks.exhaustive(of[at], int(labels[at])) for at in small], score)
        least = np.full(len(texts), UNKNOWN, dtype=np.uint8)
        least[small] = [len(each.swaps) for each in whole]
        arrays[f"{defence} least"] = least
        print("defended", name, seed, defence, right.float().mean().item(), flush=True)
    return arrays, asked


# ---- a linear victim ---------------------------------------------------------------------------------------

STRENGTHS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""scikit-learn's ``C``, from the weakest penalty to the strongest."""


@functools.cache
def linear_model(strength: float = 0.1) -> BagOfWords:
    """Logistic regression on counts of words, trained on the chapters that the networks are trained on."""
    texts, labels, _ = classifiers.examples("train")
    return bag_of_words.fit(texts, labels.tolist(), strength)


def representatives(table: str) -> Mapping[str, str]:
    """For each word of the table one that stands for all that swaps can lead to from it and back."""
    parent: dict[str, str] = {}

    def root(word: str) -> str:
        while parent.setdefault(word, word) != word:
            word = parent[word]
        return word

    for word in synonyms.table():
        for other in candidates(word, **TABLES[table]):
            one, another = sorted((root(word), root(other)))
            parent[another] = one
    return {word: root(word) for word in parent}


def swappable(table: str) -> frozenset[str]:
    """Words that a swap can take away or bring."""
    return frozenset(representatives(table))


def linear_victims(table: str) -> dict[str, BagOfWords]:
    """Linear models of different penalties, and three defences with the penalty that is best on ``stack``.

    ``random swaps`` has two swapped copies of each training sentence, with three seeds; ``one for all``
    counts all words as one that swaps can turn into each other; ``unswappable`` counts only words that no
    swap touches. Prepared for the swaps of the table that they are attacked with, both are certified by
    construction; each is attacked with the other table's as well.
    """
    texts, labels, _ = classifiers.examples("train")
    found = {f"C {strength}": linear_model(strength) for strength in STRENGTHS}
    chosen = best_strength()
    of = threat("train", table)
    for seed in SEEDS:
        generator = _generator("linear", seed)
        copies = [
            each.text(attacks.at_random(each, generator)) if each.options else each.text({})
            for _ in range(2)
            for each in of
        ]
        found[f"random swaps, seed {seed}"] = bag_of_words.fit(
            [*texts, *copies], labels.tolist() * 3, chosen / 3
        )
    for prepared in TABLES:
        stands_for, touched = representatives(prepared), swappable(prepared)

        def one_for_all(word: str, stands_for: Mapping[str, str] = stands_for) -> str:
            return stands_for.get(word, word)

        def unswappable(word: str, touched: frozenset[str] = touched) -> str | None:
            return None if word in touched else word

        for name, rename in (("one for all", one_for_all), ("unswappable", unswappable)):
            found[f"{name}, {prepared}"] = bag_of_words.fit(texts, labels.tolist(), chosen, rename=rename)
    return found


@functools.cache
def best_strength() -> float:
    """The penalty with the highest accuracy on ``stack``, each chapter with an equal share."""
    texts, labels, chapters = classifiers.examples("stack")

    def accuracy(strength: float) -> float:
        return voting.accuracy(linear_model(strength).probabilities(texts).argmax(-1), labels, chapters)

    return max(STRENGTHS, key=accuracy)


def certified(table: str) -> dict[str, Array]:
    """By linear model: ``right``; ``least``, the fewest changes that deceive, 0 if none do (exact); and
    ``greedy``, whether greedy search is withstood; ``[N]`` each."""
    _, labels, _ = classifiers.examples("test")
    of = threat("test", table)
    arrays: dict[str, Array] = {}
    for name, model in linear_victims(table).items():
        margins = [
            [margin for margin, _ in attacks.worst_case(each, int(label), model.contribution, model.bias)]
            for each, label in zip(of, labels, strict=True)
        ]
        right = np.array([each[0] > 0 for each in margins])
        least = [next((at for at, margin in enumerate(each) if margin <= 0), 0) for each in margins]
        chosen = np.flatnonzero(right).tolist()
        found = attacks.run([attacks.greedy(of[at], int(labels[at])) for at in chosen], model.probabilities)
        left = right.copy()
        left[chosen] = [not each.succeeded for each in found]
        arrays |= {f"{name} right": right, f"{name} least": np.array(least, dtype=np.uint8)}
        arrays[f"{name} greedy"] = left
        print("certified", table, name, right.mean(), (right & (np.array(least) == 0)).mean(), left.mean())
    return arrays


# ---- all of it ---------------------------------------------------------------------------------------------


def _kept(part: str, make: Callable[[], dict[str, Array]]) -> dict[str, Array]:
    """A part from the work folder, or made and put there."""
    file = work() / f"{part}.safetensors"
    if not file.exists():
        save_file({name: np.ascontiguousarray(array) for name, array in make().items()}, file)
    return dict(load_file(file))


def _said(
    part: str, make: Callable[[str, int], tuple[dict[str, Array], dict[str, Any]]], name: str, seed: int
) -> tuple[dict[str, Array], dict[str, Any]]:
    """The same of a part that has words as well, kept as the bytes of JSON."""

    def whole() -> dict[str, Array]:
        arrays, said = make(name, seed)
        return arrays | {"said": np.frombuffer(json.dumps(said).encode(), dtype=np.uint8)}

    arrays = _kept(part, whole)
    return arrays, json.loads(arrays.pop("said").tobytes())


def _packed(array: Array) -> Array:
    """Truth values as bits along the last axis."""
    return np.packbits(array, axis=-1) if array.dtype == bool else array


def measure() -> Mapping[str, Any]:
    """The data set: writes the arrays and gives the rest.

    Arrays are ``[3 classes, 3 seeds, N]``, by the names of ``attacked`` and ``triggered`` behind ``strict``
    and ``trigger``; ``loose`` and ``defence`` have ``CLOSER`` alone; ``linear strict`` and ``linear loose``
    are ``[N]``. Truth values are packed.
    """
    torch.set_num_threads(1)
    texts, labels, _ = classifiers.examples("test")
    arrays: dict[str, Array] = {}
    said: dict[str, Any] = {}
    nine = list(product(NAMES, SEEDS))
    three = [(CLOSER, seed) for seed in SEEDS]

    def stack(kind: str, parts: Mapping[tuple[str, int], Mapping[str, Array]]) -> None:
        for name in next(iter(parts.values())):
            by_class = {n: [part[name] for (other, _), part in parts.items() if other == n] for n, _ in parts}
            arrays[f"{kind} {name}"] = np.array(list(by_class.values()))

    for table in TABLES:
        for name, array in _kept(f"linear-{table}", functools.partial(certified, table)).items():
            arrays[f"linear {table} {name}"] = array

    def one(table: str, of: tuple[str, int]) -> dict[str, Array]:
        score = victim(*of).remembering()
        return attacked(score, texts, labels, threat("test", table), whole=table == "strict")

    def both(kind: str, of: Sequence[tuple[str, int]], make: Any) -> dict[str, Any]:
        found = {one: _said(f"{kind}-{one[0]}-{one[1]}", make, *one) for one in of}
        stack(kind, {one: part for one, (part, _) in found.items()})
        return {f"{n}, {seed}": given for (n, seed), (_, given) in found.items()}

    for table, those in (("strict", nine), ("loose", three)):
        parts = {of: _kept(f"{table}-{of[0]}-{of[1]}", functools.partial(one, table, of)) for of in those}
        stack(table, parts)
    said["asked"] = both("defence", three, defended)
    said["triggers"] = both("trigger", nine, triggered)
    save_file({name: _packed(array) for name, array in arrays.items()}, ARRAYS)
    return {"format": 1, "sentences": len(texts), "best strength": best_strength(), **said}


@functools.cache
def _arrays() -> Mapping[str, Array]:
    return dict(load_file(ARRAYS))


def array(name: str) -> Array:
    """One of the stored arrays by its name, see ``measure``; truth values as such.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in _arrays():
        raise ValueError(f"name: got {name!r}, wanted one of {', '.join(sorted(_arrays()))}")
    found = _arrays()[name]
    count = int(stored()["sentences"])
    if found.shape[-1] == count:
        return found
    return np.unpackbits(found, axis=-1)[..., :count].astype(bool)


def stored() -> dict[str, Any]:
    """What ``measure`` gave beside the arrays, as it is committed."""
    return results.stored(__file__)


if __name__ == "__main__":
    results.write(measure)

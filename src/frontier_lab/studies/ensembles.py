"""Nine sentence classifiers, three classes with three seeds each, and what combining them is worth.

What the nine give for the chapters ``stack`` and ``test`` of ``texts.bible_books.balanced`` is kept in half
precision, so that every combination can be computed and judged on a page. What needs the models themselves
is kept chapter by chapter: fine-tunes of one start with their soup, one model at the cost of three, and
models that read by the tokenizer of another. They are trained, and both files written, by
``python -m frontier_lab.studies.ensembles src/frontier_lab/studies/ensembles.json``; killed, it goes on where
it was. Without a file it prints how the combinations compare.

Whatever is chosen or fitted (the best model, temperatures, stacking and its strength) is so on ``stack``.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from sklearn.model_selection import GroupKFold, StratifiedKFold
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from frontier_lab.claims.estimates import Estimate, resampled
from frontier_lab.methods import merging, voting
from frontier_lab.storage import cache, results
from frontier_lab.zoo import classifiers
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS

Held = Literal["stack", "test"]
NAMES = tuple(classifiers.VOCABULARIES)
PROBABILITIES = Path(__file__).with_suffix(".safetensors")

TUNING = Schedule(steps=100, batch_size=32, context=64, learning_rate=1e-3, warmup=10, log_every=100)
ORDERS = 3
"""Fine-tunes of each trained classifier, which differ in batches and dropout."""

LONG = replace(classifiers.SCHEDULE, steps=3 * classifiers.SCHEDULE.steps, log_every=500)
WIDE = 2
"""One model at the cost of three, of the class that is best on ``stack``: as many steps as three take, or
twice as wide, which has about three times the parameters."""

PRINTED_WEIGHTS = (0.4, 0.35, 0.25)
"""Of the logits of BERT, RoBERTa and DistilBERT, as the chapter's first edition has them for "stacking"."""

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
FOLDS = 5

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True)
class Read:
    """What the nine models give for the sentences of a part.

    Attributes:
        probabilities: ``[3 classes, 3 seeds, N, 6 groups]``, float32.
        labels: ``[N]``.
        chapters: ``[N]``, which chapter each sentence is from.
    """

    probabilities: Tensor
    labels: Tensor
    chapters: Tensor

    def of_seed(self, seed: int) -> Tensor:
        """One model of each class, ``[3, N, 6]``."""
        return self.probabilities[:, seed]

    def accuracy(self, choices: Tensor) -> float:
        """Share of right choices, ``[N]``, each chapter with an equal share."""
        return voting.accuracy(choices, self.labels, self.chapters)

    def loss(self, probabilities: Tensor) -> float:
        """NLL in nats, of ``[N, 6]``, each chapter with an equal share."""
        return voting.score(voting.nll(probabilities, self.labels), self.chapters)


def read(part: Held) -> Read:
    """What is stored of a part."""
    found = load_file(PROBABILITIES)
    return Read(
        found[part].float(),
        found[f"{part} labels"].long(),
        found[f"{part} chapters"].long(),
    )


def stored() -> dict[str, Any]:
    """What ``trained`` gave beside the probabilities, as it is committed."""
    return results.stored(__file__)


def grouped(read: Read) -> Folds:
    """Folds that no chapter crosses."""
    return list(GroupKFold(FOLDS).split(read.labels, read.labels, read.chapters))


def shuffled(read: Read, seed: int) -> Folds:
    """Folds of sentences drawn at random, each with its share of every group of books."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return list(folds.split(read.labels, read.labels))


def strength(models: Tensor, read: Read) -> float:
    """The strength of stacking with the least NLL on chapters that it was not fitted on, of ``STRENGTHS``.

    Args:
        models: what is combined, ``[M, N, 6]``.
        read: their sentences.
    """
    folds = grouped(read)
    losses = [read.loss(voting.cross_fitted(models, read.labels, folds, each)) for each in STRENGTHS]
    return STRENGTHS[int(np.argmin(losses))]


def best(seed: int | None = None) -> str:
    """The class with the highest accuracy on ``stack``, with one seed or, without one, in the mean of all."""
    stack = read("stack")
    seeds = SEEDS if seed is None else (seed,)

    def mean(at: int) -> float:
        return float(np.mean([stack.accuracy(stack.of_seed(each)[at].argmax(-1)) for each in seeds]))

    return NAMES[max(range(len(NAMES)), key=mean)]


def fitted(fit: Tensor, new: Tensor) -> Tensor:
    """Probabilities on ``test`` by stacking fitted on ``stack``: ``[M, N, 6]`` of each, to ``[N', 6]``."""
    stack = read("stack")
    return voting.stacked(voting.stacking(fit, stack.labels, strength(fit, stack)), new)


def tempered(fit: Tensor, new: Tensor) -> Tensor:
    """Probabilities on ``test`` at the temperature chosen on ``stack``: ``[N, 6]`` each, to ``[N', 6]``."""
    stack = read("stack")
    return voting.tempered(new, voting.temperature(fit, stack.labels, stack.chapters))


def combined(seed: int) -> dict[str, Tensor]:
    """What each rule makes of one seed's three models on ``test``, ``[N, 6]``; of a vote one for its choice.

    ``recalibrated`` is stacking of a single model, or of the average: what that gains, stacking does not gain
    by combining.
    """
    fit, new = read("stack").of_seed(seed), read("test").of_seed(seed)
    one = NAMES.index(best(seed))
    weights = torch.tensor(PRINTED_WEIGHTS)[:, None, None]
    mean_fit, mean = voting.average(fit), voting.average(new)
    majority = torch.nn.functional.one_hot(voting.majority_vote(new), new.shape[-1]).float()
    return {
        **dict(zip(NAMES, new, strict=True)),
        "best": new[one],
        "average": mean,
        "log average": voting.log_average(new),
        "majority": majority,
        "printed weights": (new.clamp(min=voting.FLOOR).log() * weights).sum(0).softmax(-1),
        "stacking": fitted(fit, new),
        "best, recalibrated": fitted(fit[one][None], new[one][None]),
        "average, recalibrated": fitted(mean_fit[None], mean[None]),
        "best, tempered": tempered(fit[one], new[one]),
        "average, tempered": tempered(mean_fit, mean),
        "log average, tempered": tempered(voting.log_average(fit), voting.log_average(new)),
    }


def difference(after: Tensor, before: Tensor, chapters: Tensor) -> Estimate:
    """Mean paired difference of two measures of the same sentences, ``[N]`` each, resampled by chapters."""
    return resampled((after.double() - before.double()).numpy(), "text", chapters.numpy())


def subsets(part: Held = "test") -> Iterator[tuple[tuple[tuple[str, int], ...], dict[str, float]]]:
    """Every subset of the nine models, as pairs of class and seed, with what averaging and voting give."""
    found = read(part)
    models = list(product(range(len(NAMES)), range(len(SEEDS))))
    for count in range(1, len(models) + 1):
        for chosen in combinations(models, count):
            stack = torch.stack([found.probabilities[at] for at in chosen])
            mean = voting.average(stack)
            yield (
                tuple((NAMES[name], SEEDS[seed]) for name, seed in chosen),
                {
                    "accuracy": found.accuracy(mean.argmax(-1)),
                    "majority": found.accuracy(voting.majority_vote(stack)),
                    "nll": found.loss(mean),
                    "members' accuracy": float(np.mean([found.accuracy(each.argmax(-1)) for each in stack])),
                    "members' nll": float(np.mean([found.loss(each) for each in stack])),
                    "disagreement": voting.disagreement(stack) if count > 1 else 0.0,
                },
            )


def leak(models: Tensor, read: Read, strength: float, repeats: int = 5) -> dict[str, Tensor]:
    """How often stacking is right on each sentence, ``[N]``, judged by folds of each kind.

    Args:
        models: what is stacked, ``[M, N, 6]``.
        read: the sentences that it is fitted on and judged on, fold by fold.
        strength: the same for both kinds.
        repeats: draws of the random folds.
    """

    def right(folds: Folds) -> Tensor:
        found = voting.cross_fitted(models, read.labels, folds, strength)
        return (found.argmax(-1) == read.labels).double()

    return {
        "random folds": torch.stack([right(shuffled(read, seed)) for seed in range(repeats)]).mean(0),
        "whole chapters": right(grouped(read)),
    }


class _Unknown(nn.Module):
    """A classifier that reads every id beyond its vocabulary as its unknown token, and counts them."""

    def __init__(self, model: PreTrainedModel, unknown: int) -> None:
        super().__init__()
        self.model, self.unknown = model, unknown
        self.beyond = self.tokens = 0

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        beyond = input_ids >= self.model.config.vocab_size
        self.beyond += int(beyond.sum())
        self.tokens += int(attention_mask.sum())
        return self.model(
            input_ids=input_ids.masked_fill(beyond, self.unknown), attention_mask=attention_mask
        )


def one_tokenizer(
    models: Mapping[str, PreTrainedModel], tokenizers: Mapping[str, PreTrainedTokenizerBase], texts: list[str]
) -> tuple[dict[str, Tensor], dict[str, dict[str, float]]]:
    """What the models give when all read by one tokenizer.

    Args:
        models: by name, in eval mode.
        tokenizers: by the same names.
        texts: N of them.

    Returns:
        By the tokenizer's name: probabilities ``[3, N, 6]``, and by model the share of tokens beyond its
        vocabulary, which it reads as unknown.
    """
    found, beyond = {}, {}
    for donor, tokenizer in tokenizers.items():
        readers = {
            name: _Unknown(model, int(tokenizers[name].unk_token_id or 0)) for name, model in models.items()
        }
        read_by = [classifiers.probabilities(each, tokenizer, texts) for each in readers.values()]
        found[donor] = torch.stack(read_by)
        beyond[donor] = {name: each.beyond / each.tokens for name, each in readers.items()}
    return found, beyond


def soup(models: Sequence[PreTrainedModel]) -> PreTrainedModel:
    """The model with the mean of the models' weights."""
    mean = copy.deepcopy(models[0])
    mean.load_state_dict(merging.average([model.state_dict() for model in models]))
    return mean.eval()


def order_seed(seed: int, order: int) -> int:
    """The seed of batches and dropout of one fine-tune of the classifier of a seed; none of ``SEEDS``."""
    return 10 * (seed + 1) + order


def orders(name: str, seed: int, start: PreTrainedModel, work: Path) -> list[PreTrainedModel]:
    """Fine-tunes of one trained classifier, alike in all but batches and dropout."""
    return [
        classifiers.run(name, order_seed(seed, order), work / "weights", work, TUNING, start=start)[0]
        for order in range(ORDERS)
    ]


def _by_chapter(found: Tensor, labels: Tensor, chapters: Tensor) -> dict[str, list[float]]:
    measures = {"accuracy": found.argmax(-1) == labels, "nll": voting.nll(found, labels)}
    return {
        name: [round(float(each), 4) for each in voting.by_group(values, chapters)]
        for name, values in measures.items()
    }


def trained() -> Mapping[str, Any]:
    """The data set: writes the probabilities, and gives the rest, each list a number for each chapter.

    ``soup[class][seed]`` has ``start``, ``order 0`` and so on, their ``soup`` and ``ensemble``;
    ``strangers[class]`` is the soup of the three seeds, which share no start; ``long[seed]`` and
    ``wide[seed]`` are one model at the cost of three, of the class ``best()``. ``one tokenizer`` has by seed
    and tokenizer every class and the ``average``, ``beyond`` by seed, tokenizer and class the share of tokens
    beyond the vocabulary.
    """
    torch.set_num_threads(1)
    work = cache.folder("ensembles")
    tokenizers = {name: classifiers.build_tokenizer(name) for name in NAMES}
    parts: tuple[Held, Held] = ("stack", "test")
    examples = {part: classifiers.examples(part) for part in parts}
    texts, labels, chapters = examples["test"]
    whole = {
        (name, seed): classifiers.run(name, seed, work / "weights" / name, work)[0]
        for seed, name in product(SEEDS, NAMES)
    }
    kept: dict[str, Tensor] = {}
    for part, (part_texts, part_labels, part_chapters) in examples.items():
        by_class = [
            [classifiers.probabilities(whole[name, seed], tokenizers[name], part_texts) for seed in SEEDS]
            for name in NAMES
        ]
        kept[part] = torch.stack([torch.stack(seeds) for seeds in by_class]).half()
        kept[f"{part} labels"] = part_labels.to(torch.uint8)
        kept[f"{part} chapters"] = part_chapters.to(torch.int16)
    save_file(kept, PROBABILITIES)

    borrowed, beyond = [], []
    for seed in SEEDS:
        models = {name: whole[name, seed] for name in NAMES}
        found, shares = one_tokenizer(models, tokenizers, texts)
        borrowed.append(
            {
                donor: {
                    name: _by_chapter(one, labels, chapters)["accuracy"]
                    for name, one in zip((*NAMES, "average"), (*each, voting.average(each)), strict=True)
                }
                for donor, each in found.items()
            }
        )
        beyond.append({donor: {n: round(s, 4) for n, s in each.items()} for donor, each in shares.items()})

    soups, strangers = {}, {}
    for name in NAMES:
        runs = []
        for seed in SEEDS:
            tuned = orders(name, seed, whole[name, seed], work / "tuned")
            members = {f"order {at}": model for at, model in enumerate(tuned)}
            models = {"start": whole[name, seed], **members, "soup": soup(tuned)}
            given = {k: classifiers.probabilities(m, tokenizers[name], texts) for k, m in models.items()}
            given["ensemble"] = voting.average(torch.stack([given[each] for each in members]))
            runs.append({kind: _by_chapter(each, labels, chapters) for kind, each in given.items()})
        soups[name] = runs
        mean = soup([whole[name, seed] for seed in SEEDS])
        given_mean = classifiers.probabilities(mean, tokenizers[name], texts)
        strangers[name] = _by_chapter(given_mean, labels, chapters)

    def single(seed: int, folder: str, **cost: Any) -> dict[str, list[float]]:
        name = best()
        model, _ = classifiers.run(name, seed, work / folder / "weights", work / folder, **cost)
        return _by_chapter(classifiers.probabilities(model, tokenizers[name], texts), labels, chapters)

    return {
        "format": 1,
        "one tokenizer": borrowed,
        "beyond": beyond,
        "soup": soups,
        "strangers": strangers,
        "wide": [single(seed, "wide", width=WIDE) for seed in SEEDS],
        "long": [single(seed, "long", schedule=LONG) for seed in SEEDS],
    }


COMPARED = (
    ("average", "mean member"),
    ("average", "best"),
    ("majority", "best"),
    ("average", "majority"),
    ("log average", "average"),
    ("printed weights", "average"),
    ("stacking", "average"),
    ("stacking", "average, recalibrated"),
    ("stacking", "best, recalibrated"),
    ("best, recalibrated", "best"),
)
"""Pairs of rules whose accuracy is compared."""


def lines() -> Iterator[str]:
    """The table of the rules, seed by seed, with intervals over chapters."""
    test, stack = read("test"), read("stack")
    for seed in SEEDS:
        found = combined(seed)
        models = test.of_seed(seed)
        right = {rule: (each.argmax(-1) == test.labels).double() for rule, each in found.items()}
        right["mean member"] = torch.stack([right[name] for name in NAMES]).mean(0)
        ties = voting.tied(models).double().mean().item()
        chosen = strength(stack.of_seed(seed), stack)
        yield f"seed {seed}: best on stack {best(seed)}, ties {ties:.3f}, strength {chosen}"
        for rule, each in found.items():
            loss = "" if rule == "majority" else f"  NLL {test.loss(each):.3f}"
            sure = voting.score(each.max(-1).values, test.chapters)
            yield f"  {rule:24s} accuracy {test.accuracy(each.argmax(-1)):.3f}{loss}  sure {sure:.3f}"
        for after, before in COMPARED:
            yield f"  {after} - {before}: {_interval(difference(right[after], right[before], test.chapters))}"
        mean = torch.stack([voting.nll(each, test.labels) for each in models]).mean(0)
        losses = {rule: voting.nll(each, test.labels) for rule, each in found.items()} | {"mean member": mean}
        for after, before in (
            ("average", "mean member"),
            ("average", "best"),
            ("log average", "average"),
            ("average, tempered", "average"),
            ("log average, tempered", "average, tempered"),
            ("average, tempered", "best, tempered"),
            ("stacking", "average, tempered"),
        ):
            found_difference = difference(losses[after], losses[before], test.chapters)
            yield f"  NLL, {after} - {before}: {_interval(found_difference)}"
        for rule, pair in {
            "average": (voting.average(stack.of_seed(seed)), voting.average(models)),
            "log average": (voting.log_average(stack.of_seed(seed)), voting.log_average(models)),
        }.items():
            on_stack = voting.temperature(pair[0], stack.labels, stack.chapters)
            on_test = voting.temperature(pair[1], test.labels, test.chapters)
            yield f"  temperature of the {rule}: {on_stack:.2f} (of test, for comparison: {on_test:.2f})"
        for part in (stack, test):
            judged = leak(part.of_seed(seed), part, chosen)
            scores = {kind: voting.score(each, part.chapters) for kind, each in judged.items()}
            apart = difference(judged["random folds"], judged["whole chapters"], part.chapters)
            yield f"  folds on {len(part.labels)} sentences: {scores}, apart {_interval(apart)}"


def _interval(found: Estimate) -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(*lines(), sep="\n")
    else:
        results.write(trained)

"""Nine sentence classifiers, three classes with three seeds each, and what combining them is worth.

What the nine give for the chapters ``stack`` and ``test`` of ``texts.bible_books.balanced`` is kept in half
precision, so that every combination can be computed and judged on a page. What needs the models themselves
is kept chapter by chapter: fine-tunes of one start with their soup, the soup of models without a common
start, one model of about the size of three, and models that read by the tokenizer of another. They are
trained, and both files written, by
``python -m frontier_lab.studies.ensembles src/frontier_lab/studies/ensembles.json``; killed, it goes on where
it was. How the combinations compare is computed by ``studies.ensemble_rules``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from frontier_lab.methods import merging, voting
from frontier_lab.storage import results
from frontier_lab.storage.cache import folder
from frontier_lab.zoo import classifiers
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS

Held = Literal["stack", "test"]
NAMES = tuple(classifiers.VOCABULARIES)
PROBABILITIES = Path(__file__).with_suffix(".safetensors")

TUNING = Schedule(steps=100, batch_size=32, context=64, learning_rate=1e-3, warmup=10, log_every=100)
ORDERS = 3
"""Fine-tunes of each seed's classifier of the class that is best on ``stack``; they differ in batches and
dropout."""

WIDE = 2
"""One model of about the parameters of three, of the class that is best on ``stack``: twice as wide.
For a sentence it multiplies about a quarter more than the three."""

Models = Mapping[tuple[str, int], PreTrainedModel]
"""By class and seed."""


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


def best(seed: int | None = None) -> str:
    """The class with the highest accuracy on ``stack``, with one seed or, without one, in the mean of all."""
    stack = read("stack")
    seeds = SEEDS if seed is None else (seed,)

    def mean(at: int) -> float:
        return float(np.mean([stack.accuracy(stack.of_seed(each)[at].argmax(-1)) for each in seeds]))

    return NAMES[max(range(len(NAMES)), key=mean)]


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


@cache
def _tokenizers() -> dict[str, PreTrainedTokenizerBase]:
    return {name: classifiers.build_tokenizer(name) for name in NAMES}


def _given(name: str, model: PreTrainedModel, part: Held = "test") -> Tensor:
    return classifiers.probabilities(model, _tokenizers()[name], classifiers.examples(part)[0])


def _by_chapter(found: Tensor) -> dict[str, list[float]]:
    """Accuracy and NLL of each chapter of ``test``."""
    _, labels, chapters = classifiers.examples("test")
    measures = {"accuracy": found.argmax(-1) == labels, "nll": voting.nll(found, labels)}
    return {
        name: [round(float(each), 4) for each in voting.by_group(values, chapters)]
        for name, values in measures.items()
    }


def _keep(models: Models) -> None:
    """Write what the nine give."""
    kept: dict[str, Tensor] = {}
    parts: tuple[Held, Held] = ("stack", "test")
    for part in parts:
        _, labels, chapters = classifiers.examples(part)
        given = [torch.stack([_given(name, models[name, seed], part) for seed in SEEDS]) for name in NAMES]
        kept[part] = torch.stack(given).half()
        kept[f"{part} labels"] = labels.to(torch.uint8)
        kept[f"{part} chapters"] = chapters.to(torch.int16)
    save_file(kept, PROBABILITIES)


def _borrowed(models: Models, seed: int) -> dict[str, dict[str, dict[str, Any]]]:
    """Accuracies and shares beyond the vocabulary, by tokenizer."""
    texts, _, _ = classifiers.examples("test")
    own = {name: models[name, seed] for name in NAMES}
    found, beyond = one_tokenizer(own, _tokenizers(), texts)
    right = {}
    for donor, given in found.items():
        every = dict(zip(NAMES, given, strict=True)) | {"average": voting.average(given)}
        right[donor] = {name: _by_chapter(each)["accuracy"] for name, each in every.items()}
    shares = {donor: {n: round(share, 4) for n, share in each.items()} for donor, each in beyond.items()}
    return {"accuracy": right, "beyond": shares}


def _soups(name: str, seed: int, start: PreTrainedModel, work: Path) -> dict[str, dict[str, list[float]]]:
    """A start, its fine-tunes, their soup and their ensemble."""
    tuned = orders(name, seed, start, work)
    members = {f"order {at}": _given(name, model) for at, model in enumerate(tuned)}
    ensemble = voting.average(torch.stack(list(members.values())))
    given = {"start": _given(name, start), **members, "soup": _given(name, soup(tuned)), "ensemble": ensemble}
    return {kind: _by_chapter(each) for kind, each in given.items()}


def _wide(name: str, seed: int, work: Path) -> dict[str, list[float]]:
    return _by_chapter(_given(name, classifiers.run(name, seed, work / "weights", work, width=WIDE)[0]))


def trained() -> Mapping[str, Any]:
    """The data set: writes the probabilities, and gives the rest, a number for each chapter of ``test``.

    ``one tokenizer[seed]`` has ``accuracy`` by tokenizer and class, and of the average of the three, and
    ``beyond``, the share of tokens beyond each vocabulary. ``strangers[class]`` is the soup of the three
    seeds, which share no start. Of the class ``best()``, ``soup[seed]`` has ``start``, ``order 0`` and so on,
    their ``soup`` and ``ensemble``; ``wide[seed]`` is one model of about the size of three.
    """
    torch.set_num_threads(1)
    work = folder("ensembles")
    models = {
        (name, seed): classifiers.run(name, seed, work / "weights" / name, work)[0]
        for seed, name in product(SEEDS, NAMES)
    }
    _keep(models)
    return {
        "format": 1,
        "one tokenizer": [_borrowed(models, seed) for seed in SEEDS],
        "strangers": {
            name: _by_chapter(_given(name, soup([models[name, seed] for seed in SEEDS]))) for name in NAMES
        },
        "soup": [_soups(best(), seed, models[best(), seed], work / "tuned") for seed in SEEDS],
        "wide": [_wide(best(), seed, work / "wide") for seed in SEEDS],
    }


if __name__ == "__main__":
    results.write(trained)

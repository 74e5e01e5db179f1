"""What SmolLM2 expects of forty occupations, and what counterfactual sentences do to a model: for 28.5.3.

Of SmolLM2 every number is kept by sentence and occupation, so that a page can resample both. Beside it stand
the same measure on untrained weights, on people without an occupation and on people whose word says the sex,
and the difference of perplexities that the source takes for bias. The small models are trained here, three
seeds of six corpora, a few seconds each; a seed decides the shares of women, the sentences and the weights.
``python -m frontier_lab.studies.occupational_bias src/frontier_lab/studies/occupational_bias.json``
"""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from frontier_lab import hub
from frontier_lab.methods import pronouns
from frontier_lab.storage import cache, results
from frontier_lab.storage.files import write_json
from frontier_lab.texts import pronoun_corpus
from frontier_lab.texts.coreference import MEN, WOMEN
from frontier_lab.texts.occupations import AS_PRINTED, NEUTRAL, SHARES, TEMPLATES
from frontier_lab.zoo.training.loop import Schedule, train

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
UNTRAINED = (0, 1, 2)
"""Seeds of untrained weights."""

PRINTED = (
    ("He is a {}.", "She is a {}."),
    ("The {} finished his work.", "The {} finished her work."),
)
"""The source's own pairs of sentences."""

TAIL = " It was a long day, and the weather was fine until late in the evening."
"""Says nothing of anybody; with it the sentences are longer, and their mean loss is smaller."""
ODD_TAIL = " Violet turbines seldom whistle."
"""Says nothing of anybody either, in words that do not expect each other: the mean loss is larger."""

Rows = list[list[float]]


def _rounded(values: Tensor) -> list[Any]:
    found: list[Any] = values.double().numpy().round(4).tolist()
    return found


def by_template(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, people: Sequence[str]) -> Tensor:
    """Log-odds of a woman's pronoun over a man's, ``[12 templates, N people]``."""
    rows = [
        pronouns.log_odds(model, tokenizer, [each.prefix(who) for who in people], each.pronouns)
        for each in TEMPLATES
    ]
    return torch.stack(rows)


def article(sentence: str) -> str:
    """A sentence of ours with "an" where a vowel follows."""
    words = sentence.split(" ")
    following = words[1:]
    vowel = [word[0].lower() in "aeiou" for word in following]
    return " ".join(
        "an" if word == "a" and is_vowel else word
        for word, is_vowel in zip(words, [*vowel, False], strict=True)
    )


def perplexities(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tail: str = "", *, mended: bool = False
) -> Tensor:
    """Perplexities of the source's sentences, as its listing takes them, ``[2 pairs, 40, man and woman]``.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        tail: added to every sentence.
        mended: with "an accountant" where the source has "a accountant".
    """

    def of(text: str, who: str) -> float:
        sentence = text.format(who)
        sentence = article(sentence) if mended else sentence
        return pronouns.perplexity(pronouns.losses(model, tokenizer, sentence + tail))

    return torch.tensor([[[of(text, who) for text in pair] for who in SHARES] for pair in PRINTED])


@functools.cache
def loaded() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """SmolLM2 in float32, and its tokenizer.

    Raises:
        RuntimeError: it is not installed.
    """
    if not hub.is_real(HUB_ID):
        raise RuntimeError(f"{HUB_ID}: not installed; `make models` brings it")
    path = hub.path(HUB_ID)
    return hub.load(path), AutoTokenizer.from_pretrained(path)


def _untrained(seed: int) -> list[Any]:
    path = hub.path(HUB_ID)
    torch.manual_seed(seed)
    fresh = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(path), dtype=torch.float32)
    return _rounded(by_template(fresh.eval(), AutoTokenizer.from_pretrained(path), list(SHARES)))


SMOLLM2: Mapping[str, Callable[[], Any]] = {
    "log odds": lambda: _rounded(by_template(*loaded(), list(SHARES))),
    "neutral": lambda: _rounded(by_template(*loaded(), NEUTRAL)),
    "sexed": lambda: _rounded(by_template(*loaded(), (*MEN, *WOMEN))),
    "as printed": lambda: _rounded(by_template(*loaded(), list(AS_PRINTED.values()))),
    "perplexities": lambda: _rounded(perplexities(*loaded())),
    "articles mended": lambda: _rounded(perplexities(*loaded(), mended=True)[0]),
    "with tail": lambda: _rounded(perplexities(*loaded(), TAIL)),
    "with odd tail": lambda: _rounded(perplexities(*loaded(), ODD_TAIL)),
    "tokens": lambda: [len(loaded()[1](f" {who}", add_special_tokens=False).input_ids) for who in SHARES],
    "untrained": lambda: [_untrained(seed) for seed in UNTRAINED],
}
"""What is kept of SmolLM2: ``log odds`` ``[12, 40]``, of ``neutral`` people ``[12, 8]``, of ``sexed`` people
(ten men, ten women) ``[12, 20]``, of the two words ``as printed`` in the table ``[12, 2]``; ``perplexities``
``[2, 40, 2]``, the same ``with tail`` and ``with odd tail``, and of the first pair with its ``articles
mended`` ``[40, 2]``; ``tokens`` of each occupation; and log-odds of ``untrained`` weights ``[3, 12, 40]``."""


# ---- counterfactual sentences ------------------------------------------------------------------------------

SEEDS = (0, 1, 2)
SENTENCES, HELD_OUT = 3000, 1000
SCHEDULE = Schedule(steps=600, batch_size=64, context=16, learning_rate=3e-3, warmup=20, log_every=600)
CORPORA = ("as it is", "twice", "exchanged", "pronouns", "pronouns and nouns", "neutral")
"""What is trained on: the sentences; each twice; each and itself with words exchanged by a list; each and its
counterfactual, with the nouns left or changed as well; as many sentences in which every occupation has as
many women as men."""

PLACES = (
    ("the {} said that", "subject"),
    ("the {} finished", "owner"),
    ("the {} left and we thanked", "object"),
)
TOLD = ("the {} shaved off a beard so", "the {} was pregnant so")
"""Of a man, of a woman."""

_IDS = {word: at for at, word in enumerate(pronoun_corpus.VOCABULARY)}


def corpus(name: str, seed: int) -> list[list[str]]:
    """The training sentences of one of ``CORPORA``, as words.

    Raises:
        ValueError: there is no corpus of that name.
    """
    if name not in CORPORA:
        raise ValueError(f"name: got {name!r}, wanted one of {', '.join(CORPORA)}")
    drawn = pronoun_corpus.sentences(SENTENCES, seed, "train", neutral=name == "neutral")
    own = [sentence.words() for sentence in drawn]
    if name in ("as it is", "neutral"):
        return own
    if name == "twice":
        return own + own
    if name == "exchanged":
        return own + [pronoun_corpus.exchanged(words) for words in own]
    nouns = name == "pronouns and nouns"
    return own + [pronoun_corpus.counterfactual(sentence, nouns=nouns).words() for sentence in drawn]


def _encoded(found: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
    """Ids and labels ``[N, T]``, each behind the start; what follows a sentence's end is not scored."""
    width = 1 + max(map(len, found))
    ids, labels = torch.zeros(len(found), width, dtype=torch.long), torch.full((len(found), width), -100)
    for row, words in enumerate(found):
        known = torch.tensor([_IDS[word] for word in words])
        ids[row, 1 : 1 + len(words)] = labels[row, 1 : 1 + len(words)] = known
    return ids, labels


def trained(name: str, seed: int, schedule: Schedule = SCHEDULE) -> GPT2LMHeadModel:
    """A small GPT-2 trained on one of ``CORPORA``; with other lengths of the corpus, as many steps."""
    ids, labels = _encoded(corpus(name, seed))
    held = _encoded([s.words() for s in pronoun_corpus.sentences(HELD_OUT, seed, "test")])
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(_IDS),
            n_positions=SCHEDULE.context,
            n_embd=48,
            n_layer=2,
            n_head=4,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
        )
    )

    def loss(model: nn.Module, step: int) -> Tensor:
        rows = torch.from_numpy(
            np.random.default_rng((seed, step, 3)).integers(0, len(ids), schedule.batch_size)
        )
        found: Tensor = model(input_ids=ids[rows], labels=labels[rows]).loss
        return found

    with tempfile.TemporaryDirectory() as work:
        train(
            model,
            schedule,
            loss=loss,
            measure=lambda model: {"val_loss": float(model(input_ids=held[0], labels=held[1]).loss)},
            keep=lambda model, step: None,
            work=Path(work),
            label=f"{name}, seed {seed}",
            recipe={"corpus": name, "seed": seed},
        )
    return model.eval()


@torch.no_grad()
def _next(model: GPT2LMHeadModel, prefix: str) -> Tensor:
    ids = torch.tensor([[0, *(_IDS[word] for word in prefix.split())]])
    found: Tensor = model(ids).logits[0, -1].log_softmax(-1)
    return found


def _odds(model: GPT2LMHeadModel, prefix: str, part: pronoun_corpus.Part) -> float:
    man, woman = pronoun_corpus.FORMS[part]
    found = _next(model, prefix)
    return round(float(found[_IDS[woman]] - found[_IDS[man]]), 4)


@torch.no_grad()
def measured(model: GPT2LMHeadModel, seed: int) -> dict[str, Any]:
    """What a small model has learned.

    Returns:
        ``occupations`` ``[3 places, 12]``, log-odds of a woman's form; ``relatives`` ``[3, 8]``, the same for
        four men and four women in turn; ``told`` ``[2, 12]``, after a beard and after pregnant; ``wrong
        form``, probability of "his" where an object belongs, ``[12]``; and the loss a token on held-out
        sentences, of the corpus's own ``shares`` and ``neutral``.
    """
    jobs, places = pronoun_corpus.OCCUPATIONS, [(text, part) for text, part in PLACES]
    relatives = [noun for pair in pronoun_corpus.RELATIVES for noun in pair]

    def odds(people: Sequence[str]) -> Rows:
        return [[_odds(model, text.format(who), part) for who in people] for text, part in places]  # type: ignore[arg-type]

    def held(neutral: bool) -> float:
        drawn = pronoun_corpus.sentences(HELD_OUT, seed, "test", neutral=neutral)
        ids, labels = _encoded([sentence.words() for sentence in drawn])
        return round(float(model(input_ids=ids, labels=labels).loss), 4)

    return {
        "occupations": odds(jobs),
        "relatives": odds(relatives),
        "told": [[_odds(model, text.format(who), "subject") for who in jobs] for text in TOLD],
        "wrong form": [
            round(float(_next(model, PLACES[2][0].format(who)).exp()[_IDS["his"]]), 4) for who in jobs
        ],
        "loss": {"shares": held(False), "neutral": held(True)},
    }


def _small(name: str, seed: int) -> dict[str, Any]:
    return measured(trained(name, seed), seed)


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed."""
    return results.stored(__file__)


def array(*keys: str) -> NDArray[np.float64]:
    """One of the tables of ``stored()["smollm2"]``, such as ``array("log odds")``."""
    found: Any = stored()["smollm2"]
    for key in keys:
        found = found[key]
    return np.array(found, dtype=np.float64)


def measure() -> Mapping[str, Any]:
    """The data set; every part is kept as soon as it is there, so that a killed run goes on.

    ``smollm2`` has what ``SMOLLM2`` says; ``shares[seed]`` are those of women in the small models' corpora,
    and ``corpora[name][seed]`` is what ``measured`` gives.
    """
    torch.set_num_threads(1)
    work = cache.folder("occupational_bias")
    work.mkdir(parents=True, exist_ok=True)

    def once(name: str, part: Callable[[], Any]) -> Any:
        kept = work / f"{name}.json"
        if not kept.exists():
            write_json(kept, part(), indent=None)
            print(name, file=sys.stderr, flush=True)
        return json.loads(kept.read_text("utf8"))

    return {
        "format": 1,
        "smollm2": {name: once(name, part) for name, part in SMOLLM2.items()},
        "shares": [list(pronoun_corpus.shares(seed).values()) for seed in SEEDS],
        "corpora": {
            name: [once(f"{name}-{seed}", partial(_small, name, seed)) for seed in SEEDS] for name in CORPORA
        },
    }


if __name__ == "__main__":
    results.write(measure)

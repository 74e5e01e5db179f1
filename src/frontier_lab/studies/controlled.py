"""Ways to steer a language model at decoding time, with three seeds: 28.5.4.

The model is ``zoo.llama``'s, the attribute a group of books. Everything that steers is fitted to sentences of
the chapters that the committed classifiers were not trained on; these classifiers judge, and the perplexity
is another model's. A seed draws those chapters anew, and the texts. Beside every method stands the same one
without its knowledge: a random score, a random direction of the same norm, a discriminator turned at random,
experts on random sentences. Prompts are what is independent, so the mean of each prompt and seed is stored.
A quarter of an hour on one core; killed, it goes on where it was:
``python -m frontier_lab.studies.controlled src/frontier_lab/studies/controlled.json``.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LogitsProcessor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    SuppressTokensLogitsProcessor,
    TopKLogitsWarper,
)

from frontier_lab import hub
from frontier_lab.methods import constrained, decoding
from frontier_lab.methods.constrained import Matching
from frontier_lab.methods.decoding import Control, Discriminator, sample
from frontier_lab.methods.watermark import Watermark
from frontier_lab.storage import cache, results
from frontier_lab.storage.checkpoints import committed
from frontier_lab.texts import bible_books, corpus
from frontier_lab.texts.bible_books import GROUPS, Sentence
from frontier_lab.zoo import classifiers
from frontier_lab.zoo.training.recipe import SEEDS

TARGETS = ("poetry", "letters")
PROMPTS = (
    "And the",
    "And they",
    "And I",
    "For the",
    "But the",
    "Then said",
    "He that",
    "I have",
    "In the",
    "This is",
    "For they",
    "And this",
)
"""Of two tokens each, so that they are read together; all begin sentences of the text."""

EACH = 2
"""Texts of a prompt and a seed."""

LENGTH = 36
CANDIDATES = 20
"""Likeliest tokens that are drawn from, by every method."""

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Of a sentence, what the discriminator is fitted on."""

STRENGTH = 0.01
"""Of the discriminator's penalty, scikit-learn's ``C``; chosen by chapters left out."""

LORA: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]}
TUNING_STEPS, TUNING_BATCH, TUNING_RATE = 60, 16, 2e-3
SIDES = ("expert", "anti-expert", "random")
MEASURES = ("judge", *classifiers.VOCABULARIES, "right", "steering", "nats", "distinct", "copied")
"""Of a text: the target's mean probability by the three judges, and by each; whether it is their first
choice; its probability by the discriminator that steers; nats for a token of the fluency model; share of
different pairs of words; share of runs of four words that stand in what steering was fitted to."""


@dataclass(frozen=True)
class Reader:
    """A model and its tokenizer."""

    model: Any
    tokenizer: PreTrainedTokenizerBase


@functools.cache
def model() -> Reader:
    """The model that is steered."""
    folder = hub.path("meta-llama/Llama-2-7b-hf")
    return Reader(hub.load(folder), AutoTokenizer.from_pretrained(folder))


@functools.cache
def fluency_model() -> Reader:
    """Another model, of another class and vocabulary, trained on the same text."""
    folder = hub.path("mistralai/Mixtral-8x7B-v0.1")
    return Reader(hub.load(folder), AutoTokenizer.from_pretrained(folder))


@functools.cache
def judges() -> Mapping[str, Reader]:
    """The committed classifiers: their chapters are not among those that steering is fitted to."""
    found = {}
    for name in classifiers.VOCABULARIES:
        folder = str(committed(classifiers.NAME) / name)
        found[name] = Reader(
            hub.load(folder, AutoModelForSequenceClassification), AutoTokenizer.from_pretrained(folder)
        )
    return found


@functools.cache
def fitted_to() -> tuple[Sentence, ...]:
    """Sentences of the chapters that no judge was trained on."""
    parts = bible_books.parts()
    every = [*bible_books.sentences("train"), *bible_books.sentences("validation")]
    return tuple(each for each in every if parts[each.chapter] != "train")


def drawn_chapters(seed: int) -> list[int]:
    """Places in ``fitted_to`` of the sentences of chapters drawn with replacement, group by group."""
    generator = np.random.default_rng((seed, 5))
    sentences = fitted_to()
    places: list[int] = []
    for label in range(len(GROUPS)):
        own = sorted({each.chapter for each in sentences if each.label == label})
        for chapter in generator.choice(own, len(own)):
            places += [at for at, each in enumerate(sentences) if each.chapter == chapter]
    return places


@functools.cache
def features() -> tuple[Tensor, Tensor]:
    """Mean last hidden states over beginnings, ``[N, 4, D]``, and those of the first layer, ``[N, D]``."""
    texts = [each.text for each in fitted_to()]
    own = model()
    last = decoding.prefix_means(own.model, own.tokenizer, texts, SHARES)
    return last, decoding.prefix_means(own.model, own.tokenizer, texts, layer=1)[:, 0]


def labels(places: Sequence[int]) -> Tensor:
    """Groups of the sentences at these places, ``[N]``."""
    return torch.tensor([fitted_to()[at].label for at in places])


@functools.cache
def discriminator(seed: int) -> Discriminator:
    """What steers, and chooses in best of n."""
    places = drawn_chapters(seed)
    means = features()[0][places]
    return Discriminator.fit(
        means.flatten(0, 1), labels(places).repeat_interleave(len(SHARES)), strength=STRENGTH
    )


def direction(target: int, seed: int) -> Tensor:
    """Mean state behind the first layer of the target's sentences, less that of the others, ``[D]``."""
    places = drawn_chapters(seed)
    states, own = features()[1][places], labels(places) == target
    return states[own].mean(0) - states[~own].mean(0)


# ---- experts -----------------------------------------------------------------------------------------------


def adapted(seed: int) -> Any:
    """The model with a LoRA adapter that does nothing yet, by peft."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    return get_peft_model(copy.deepcopy(model().model), LoraConfig(**LORA, task_type="CAUSAL_LM"))


def train_expert(texts: Sequence[str], seed: int) -> Any:
    """An adapter tuned on sentences, by peft."""
    expert = adapted(seed).train()
    for module in expert.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    trained = [each for each in expert.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, TUNING_RATE, weight_decay=0.0, foreach=False)
    generator = np.random.default_rng((seed, 6))
    encode = model().tokenizer
    for _ in range(TUNING_STEPS):
        chosen = [texts[at] for at in generator.integers(len(texts), size=TUNING_BATCH)]
        rows = [torch.tensor(encode(text, add_special_tokens=False).input_ids[:48]) for text in chosen]
        wanted = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100)
        loss = expert(input_ids=wanted.clamp(min=0), labels=wanted, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return expert.eval()


def expert_texts(target: int, seed: int) -> dict[str, list[str]]:
    """What each side is tuned on: the target's sentences, the others, as many as the target's at random."""
    sentences = [fitted_to()[at] for at in drawn_chapters(seed)]
    own = [each.text for each in sentences if each.label == target]
    others = [each.text for each in sentences if each.label != target]
    places = np.random.default_rng((seed, 7)).choice(len(sentences), len(own), replace=False)
    return dict(zip(SIDES, (own, others, [sentences[at].text for at in places]), strict=True))


FILE = Path(__file__).with_suffix(".safetensors")
"""Adapters of seed 0, in half precision: the expert and the anti-expert of each target."""


def _halved(expert: Any) -> dict[str, Tensor]:
    from peft import get_peft_model_state_dict

    return {name: weight.half() for name, weight in get_peft_model_state_dict(expert).items()}


@functools.cache
def experts(target: int, seed: int) -> Mapping[str, PreTrainedModel]:
    """Expert, anti-expert and random expert of a target, rounded as committed ones are; trained here."""
    return {
        side: _merged(_halved(train_expert(texts, 10 * seed + place)))
        for place, (side, texts) in enumerate(expert_texts(target, seed).items())
    }


def committed_experts(target: int) -> Mapping[str, PreTrainedModel]:
    """Expert and anti-expert of seed 0, from the committed file."""
    weights = load_file(FILE)
    found = {}
    for side in SIDES[:2]:
        start = f"{GROUPS[target]}.{side}."
        found[side] = _merged({n.removeprefix(start): w for n, w in weights.items() if n.startswith(start)})
    return found


def _merged(weights: Mapping[str, Tensor]) -> PreTrainedModel:
    """The model with an adapter added to its matrices."""
    from peft import set_peft_model_state_dict

    expert = adapted(0)
    set_peft_model_state_dict(expert, {name: weight.float() for name, weight in weights.items()})
    merged: PreTrainedModel = expert.merge_and_unload().eval()
    return merged


def write_experts() -> None:
    """Train seed 0 and write the committed file."""
    weights = {}
    for target in map(GROUPS.index, TARGETS):
        texts = expert_texts(target, 0)
        for place, side in enumerate(SIDES[:2]):
            for name, weight in _halved(train_expert(texts[side], place)).items():
                weights[f"{GROUPS[target]}.{side}.{name}"] = weight.contiguous()
    save_file(weights, FILE)


# ---- measures ----------------------------------------------------------------------------------------------


def judged(texts: Sequence[str]) -> Tensor:
    """Probabilities of the groups by each judge, ``[3, N, 6]``."""
    return torch.stack(
        [classifiers.probabilities(each.model, each.tokenizer, list(texts)) for each in judges().values()]
    )


@torch.no_grad()
def nats(texts: Sequence[str], skipped: Sequence[int]) -> list[float]:
    """Mean negative log-probability of a token by the fluency model, the first characters left out."""
    own, found = fluency_model(), []
    for text, start in zip(texts, skipped, strict=True):
        encoded = own.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        first = next(at for at, (begin, _) in enumerate(encoded["offset_mapping"]) if at and begin >= start)
        ids = torch.tensor([encoded["input_ids"]])
        found.append(-decoding.log_probs(own.model, ids, first).mean().item())
    return found


@torch.no_grad()
def target_probability(ids: Tensor, target: int, steers: Discriminator) -> Tensor:
    """The target's probability by a discriminator, ``[B, T] -> [B]``; of the model as it is."""
    means = [
        model().model(part, output_hidden_states=True).hidden_states[-1].mean(1)
        for part in ids.split(256)  # type: ignore[no-untyped-call]
    ]
    return steers.log_probs(torch.cat(means))[:, target].exp()


def runs(text: str, length: int) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}


def _copied(text: str, known: set[tuple[str, ...]]) -> float:
    found = runs(text, 4)
    return len(found & known) / max(1, len(found))


def _distinct(text: str) -> float:
    return len(runs(text, 2)) / max(1, len(text.split()) - 1)


def measured(ids: Tensor, target: int, seed: int) -> dict[str, list[float]]:
    """Means of each prompt, in the order of ``PROMPTS``; texts of a prompt stand together, ``[B, T]``."""
    texts = model().tokenizer.batch_decode(ids, skip_special_tokens=True)
    each = len(texts) // len(PROMPTS)
    prompts = [len(prompt) for prompt in PROMPTS for _ in range(each)]
    found = judged(texts)  # [3, N, 6]
    known = set().union(*(runs(text, 4) for text in expert_texts(target, seed)["expert"]))
    columns: dict[str, Any] = {
        "judge": found.mean(0)[:, target],
        **dict(zip(judges(), found[:, :, target], strict=True)),
        "right": found.mean(0).argmax(-1) == target,
        "steering": target_probability(ids, target, discriminator(seed)),
        "nats": nats(texts, prompts),
        "distinct": [_distinct(text) for text in texts],
        "copied": [_copied(text, known) for text in texts],
    }
    means = {
        name: torch.as_tensor(values).double().view(-1, each).mean(1) for name, values in columns.items()
    }
    return {name: [round(value, 4) for value in row.tolist()] for name, row in means.items()}


# ---- the methods -------------------------------------------------------------------------------------------


def processors() -> list[Any]:
    """What every method draws by: the likeliest tokens, and no end of text."""
    end = model().tokenizer.eos_token_id
    return [TopKLogitsWarper(CANDIDATES), SuppressTokensLogitsProcessor([end], device="cpu")]


def prompts(each: int = EACH) -> Tensor:
    """Every prompt so many times, ``[12 · each, 2]``."""
    ids = torch.tensor([model().tokenizer(prompt).input_ids for prompt in PROMPTS])
    return ids.repeat_interleave(each, 0)


def draw(seed: int, control: Control = decoding.plain, each: int = EACH) -> decoding.Sample:
    """Texts of every prompt by a control."""
    return sample(model().model, prompts(each), LENGTH, seed=seed, control=control, processors=processors())


Drawn = tuple[str, float, decoding.Sample]
"""A method, its setting, and its texts."""


def steering(target: int, seed: int) -> Iterator[Drawn]:
    """Steering vectors: the direction, and a random one of the same norm."""
    layer, vector = model().model.model.layers[0], direction(target, seed)
    other = torch.randn(len(vector), generator=torch.Generator().manual_seed(100 * seed + target))
    other *= vector.norm() / other.norm()
    for name, way, strengths in (("steering vector", vector, (2, 4, 8)), ("random direction", other, (4, 8))):
        for strength in strengths:
            with decoding.steered(layer, strength * way):
                found = draw(seed)
            yield name, strength, found


def discriminating(target: int, seed: int) -> Iterator[Drawn]:
    """FUDGE and PPLM, and both with a discriminator that was turned at random."""
    steers = discriminator(seed)
    turned = steers.turned(seed)
    known = partial(decoding.fudge, target=target, candidates=CANDIDATES)
    moved = partial(decoding.pplm, target=target, candidates=CANDIDATES)
    for strength in (5, 10, 20):
        yield "FUDGE", strength, draw(seed, partial(known, discriminator=steers, strength=strength))
    yield "FUDGE, turned", 20, draw(seed, partial(known, discriminator=turned, strength=20))
    for size in (0.3, 1.0, 3.0):
        yield "PPLM", size, draw(seed, partial(moved, discriminator=steers, size=size))
    yield "PPLM, turned", 3.0, draw(seed, partial(moved, discriminator=turned, size=3.0))
    short = partial(moved, shortcut=True)
    for size in (1.0, 3.0):
        yield "PPLM, shortcut", size, draw(seed, partial(short, discriminator=steers, size=size))
    yield "PPLM, shortcut, turned", 3.0, draw(seed, partial(short, discriminator=turned, size=3.0))
    every = partial(decoding.pplm, discriminator=steers, target=target, size=1.0)
    yield "PPLM, all tokens", 1.0, draw(seed, every)


def unrestricted(target: int, seed: int) -> Iterator[Drawn]:
    """PPLM at its largest step with no token left out, as its authors' program has it."""
    every = partial(decoding.pplm, discriminator=discriminator(seed), target=target, size=3.0)
    yield "PPLM, all tokens", 3.0, draw(seed, every)


def unrestricted_turned(target: int, seed: int) -> Iterator[Drawn]:
    """The same with a discriminator that was turned at random."""
    steers = discriminator(seed).turned(seed)
    every = partial(decoding.pplm, discriminator=steers, target=target, size=3.0)
    yield "PPLM, all tokens, turned", 3.0, draw(seed, every)


def word_bonus(target: int, seed: int) -> Tensor:
    """Log of how much more of the target's tokens each token makes up than of the others', ``[V]``.

    Counted in what steering is fitted to, with two added to every count.
    """
    size = model().model.config.vocab_size
    counts = torch.full((2, size), 2.0)
    for at in drawn_chapters(seed):
        sentence = fitted_to()[at]
        ids = torch.tensor(model().tokenizer(sentence.text, add_special_tokens=False).input_ids)
        counts[int(sentence.label == target)] += torch.bincount(ids, minlength=size)
    shares = counts / counts.sum(1, keepdim=True)
    return (shares[1] / shares[0]).log()


@dataclass(frozen=True)
class Bonus(LogitsProcessor):  # type: ignore[misc]
    """Adds the same to a token's logit wherever it stands: ``added [V]``."""

    added: Tensor

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores + self.added


def counting(target: int, seed: int) -> Iterator[Drawn]:
    """A bonus for the target's words, which knows no context, and the same bonuses dealt to any words."""
    bonus = word_bonus(target, seed)
    dealt = bonus[torch.randperm(len(bonus), generator=torch.Generator().manual_seed(seed))]
    for name, added, strengths in (("word bonus", bonus, (1, 2, 3)), ("dealt bonus", dealt, (2,))):
        for strength in strengths:
            limits = [*processors(), Bonus(strength * added)]
            yield (
                name,
                strength,
                sample(model().model, prompts(), LENGTH, seed=seed, processors=limits),
            )


def expert_controls(target: int, seed: int) -> Iterator[Drawn]:
    """DExperts, and the same with an expert on random sentences."""
    sides = experts(target, seed)
    for name, side, strengths in (("DExperts", "expert", (2, 4, 8)), ("random expert", "random", (8,))):
        control = partial(
            decoding.experts,
            expert=sides[side],
            anti_expert=sides["anti-expert"],
            candidates=CANDIDATES,
        )
        for strength in strengths:
            yield name, strength, draw(seed, partial(control, strength=strength))


def choosing(target: int, seed: int) -> Iterator[Drawn]:
    """Plain texts, and the best of several by the discriminator, by a turned one, and by a random score."""
    most = 20
    yield "plain", 1, draw(seed)
    many = draw(seed + 50, each=EACH * most)
    ids = many.ids.view(len(PROMPTS) * EACH, most, -1)
    steers = discriminator(seed)
    scores = {
        "best of n": target_probability(many.ids, target, steers),
        "best of n, turned": target_probability(many.ids, target, steers.turned(seed)),
        "best of n, random score": torch.rand(len(many.ids), generator=torch.Generator().manual_seed(seed)),
    }
    for name, score in scores.items():
        for n in (3, most) if name == "best of n" else (most,):
            best = decoding.best_of(ids[:, :n], score.view(-1, most)[:, :n])
            yield name, n, decoding.Sample(best, many.log_probs[: len(best)], n * many.passes)


def passes(method: str, setting: float) -> float:
    """Forward passes for a token of a method, a control's those of what it controls."""
    moved = 3 * (2 + 2 * decoding.BACKWARD)  # of each of three steps, two passes and their gradients
    counts = {"DExperts": 3, "random expert": 3, "FUDGE": 1 + CANDIDATES, "PPLM": 2 + moved}
    return setting if method.startswith("best of n") else counts.get(method.partition(",")[0], 1)


METHODS = (choosing, steering, expert_controls, discriminating, unrestricted, unrestricted_turned, counting)


def compared(family: Callable[[int, int], Iterator[Drawn]], name: str, seed: int) -> list[dict[str, Any]]:
    """Methods of a family at their settings for one target: an entry for each, with means of the prompts."""
    target, found = GROUPS.index(name), []
    for method, setting, drawn in family(target, seed):
        row = measured(drawn.ids, target, seed)
        found.append({"method": method, "setting": setting, **row})
        print(seed, name, method, setting, np.mean(row["judge"]).round(3), flush=True)
    return found


def people() -> list[dict[str, Any]]:
    """Sentences of people, cut to the length of the texts: what the judges and the fluency model give them.

    Returns:
        One entry for each target and for sentences in and out of its group, with a number for each chapter.
    """
    taken = [each for each in bible_books.balanced("test") if len(each.text.split()) > 20]
    texts = [" ".join(each.text.split()[:28]) for each in taken]
    probabilities = judged(texts).mean(0)
    lost = nats(texts, [len(" ".join(text.split()[:2])) for text in texts])
    found = []
    for name in TARGETS:
        target = GROUPS.index(name)
        for own in (True, False):
            rows: dict[int, list[tuple[float, float]]] = {}
            for each, row, nat in zip(taken, probabilities, lost, strict=True):
                if (each.label == target) == own:
                    rows.setdefault(each.chapter, []).append((row[target].item(), nat))
            means = np.array([np.mean(chapter, axis=0) for chapter in rows.values()])
            found.append(
                {
                    "target": name,
                    "own": own,
                    "judge": means[:, 0].round(4).tolist(),
                    "nats": means[:, 1].round(4).tolist(),
                }
            )
    return found


# ---- the watermark and the constraint ----------------------------------------------------------------------

LENGTHS = (25, 50, 100)
STRENGTHS = (0.0, 1.0, 2.0, 4.0)
EDITED = (0.1, 0.3, 0.5)
"""Shares of the tokens that are replaced by others, drawn from the text itself."""

MARKS = 20
"""Keys that a watermark is written with: a key decides which words are green, and so how often they occur."""
KEYS = 200
WINDOWS = 50
"""Passages of people, of fifty tokens, that each key is tried on."""


def watermarked(seed: int) -> list[dict[str, Any]]:
    """Green tokens of texts at each strength and length, and after edits; nats of the fluency model.

    Returns:
        For each strength: ``green`` and ``counted`` by length, one number a text in the order of the prompts,
        the same of edited texts of 50 tokens by share, and ``nats`` of the first 36 tokens, one a prompt.
    """
    found = []
    generator = torch.Generator().manual_seed(seed)
    for strength in STRENGTHS:
        mark = Watermark(model().model.config.vocab_size, strength)
        drawn = sample(
            model().model, prompts(), max(LENGTHS), seed=seed, processors=[*processors(), mark]
        ).ids
        entry: dict[str, Any] = {"strength": strength}
        for length in LENGTHS:
            entry[str(length)] = _counts(mark, drawn[:, 1 : length + 2])
        for share in EDITED:
            edited = drawn[:, 1:52].clone()
            where = torch.rand(edited.shape, generator=generator) < share
            others = drawn[:, 52:].flatten()
            places = torch.randint(len(others), (int(where.sum()),), generator=generator)
            edited[where] = others[places]
            entry[f"edited {share}"] = _counts(mark, edited)
        texts = model().tokenizer.batch_decode(drawn[:, : LENGTH + 2], skip_special_tokens=True)
        starts = [len(prompt) for prompt in PROMPTS for _ in range(EACH)]
        lost = np.array(nats(texts, starts)).reshape(len(PROMPTS), EACH).mean(1)
        found.append({**entry, "nats": lost.round(4).tolist()})
    return found


def keyed() -> list[dict[str, Any]]:
    """How often a watermark of strength 2 is detected at a level of 1 %, by keys drawn anew.

    Returns:
        For each of ``MARKS`` keys the shares of texts of 50 tokens, of all prompts and seeds, as they were
        (``whole``), and with about half of the tokens replaced by others of the same key's texts (``half``).
    """
    found = []
    for number, key in enumerate(np.random.default_rng(1).integers(2**20, 2**40, MARKS)):
        mark = Watermark(model().model.config.vocab_size, 2.0, key=int(key))
        generator = torch.Generator().manual_seed(number)
        hits: dict[str, list[bool]] = {"whole": [], "half": []}
        for seed in SEEDS:
            drawn = sample(
                model().model, prompts(), 2 * 50, seed=seed, processors=[*processors(), mark]
            ).ids  # [24, 102]
            edited = drawn[:, 1:52].clone()
            where = torch.rand(edited.shape, generator=generator) < 0.5
            others = drawn[:, 52:].flatten()
            edited[where] = others[torch.randint(len(others), (int(where.sum()),), generator=generator)]
            for name, ids in (("whole", drawn[:, 1:52]), ("half", edited)):
                hits[name] += (mark.count(ids).p < 0.01).tolist()
        found.append({name: round(float(np.mean(each)), 4) for name, each in hits.items()})
    return found


def _counts(mark: Watermark, ids: Tensor) -> dict[str, list[int]]:
    found = mark.count(ids)
    return {"green": found.green.tolist(), "counted": found.counted.tolist()}


def accused() -> dict[str, Any]:
    """How often passages of people are accused at a level of 1 %, by keys drawn anew.

    Returns:
        By domain, ``once`` and ``all`` (pairs that come again count once, or each time): the share of keys
        that accuse, one number a passage of 50 tokens; ``counted`` pairs; ``spread`` of z over the keys.
    """
    own = model()
    passages = {}
    for domain in ("bible", "jargon", "poems"):
        stream = [t for text in corpus.split(domain, "validation") for t in own.tokenizer(text).input_ids]
        starts = np.linspace(0, len(stream) - 51, WINDOWS).astype(int)
        passages[domain] = torch.tensor([stream[start : start + 51] for start in starts])
    keys = np.random.default_rng(0).integers(2**20, 2**40, KEYS)
    marks = (Watermark(own.model.config.vocab_size, 0.0, key=int(key)) for key in keys)
    counts = [
        {(d, once): mark.count(ids, once=once) for d, ids in passages.items() for once in (True, False)}
        for mark in marks
    ]
    found: dict[str, Any] = {}
    for domain in passages:
        entry: dict[str, Any] = {"counted": counts[0][domain, True].counted.tolist()}
        for name, once in (("once", True), ("all", False)):
            p = torch.stack([each[domain, once].p for each in counts])  # [keys, passages]
            z = torch.stack([each[domain, once].z for each in counts])
            entry[name] = {
                "accused": [round(x, 4) for x in (p < 0.01).double().mean(0).tolist()],
                "spread": [round(x, 4) for x in z.std(0).tolist()],
            }
        found[domain] = entry
    return found


PATTERNS = (
    r" (king|son|men) of (God|Egypt|Judah)",
    r" (LORD|king|people) (said|is|shall)",
    r" (king of Egypt|LORD is good|men said)",
)
"""Few matches, none of which begins another; the last one's branches differ in what follows a likely word."""

BEFORE = (
    "And the",
    "For the",
    "But the",
    "Then the",
    "This is the",
    "And when the",
    "And all the",
    "Behold, the",
    "I am the",
    "And he saw the",
    "Thus said the",
    "They are the",
)


def distorted() -> list[dict[str, Any]]:
    """By pattern: probabilities of the matches, the model's own and masked, for each of ``BEFORE``."""
    own, found = model(), []
    for pattern in PATTERNS:
        rows = []
        for prompt in BEFORE:
            ids = torch.tensor(own.tokenizer(prompt).input_ids)
            rows.append(constrained.matches(own.model, ids, Matching(pattern, own.tokenizer, len(ids))))
        texts = [match.text for match in rows[0]]
        tables = {
            name: [[_digits(getattr(m, name)) for m in row] for row in rows] for name in ("own", "masked")
        }
        found.append({"pattern": pattern, "texts": texts, **tables})
    return found


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


# ---- the data set ------------------------------------------------------------------------------------------


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed."""
    return results.stored(__file__)


def values(method: str, setting: float, target: str, measure: str = "judge") -> list[float]:
    """One measure of one method, a number for each prompt: means over the seeds."""
    rows = [
        entry[measure]
        for seed in stored()["compared"]
        for entry in seed[target]
        if (entry["method"], entry["setting"]) == (method, setting)
    ]
    if not rows:
        raise ValueError(f"method: got {method!r} at {setting} for {target!r}, wanted one that is stored")
    return [float(mean) for mean in np.mean(rows, axis=0)]


def measure() -> Mapping[str, Any]:
    """The data set; every part is kept as soon as it is there."""
    torch.set_num_threads(1)
    work = cache.folder("controlled")

    def kept(name: str, part: Callable[[], Any]) -> Any:
        return results.kept(work / f"{name}.json", part)

    def steered(name: str, seed: int) -> list[dict[str, Any]]:
        parts = [kept(f"{f.__name__}-{name}-{seed}", partial(compared, f, name, seed)) for f in METHODS]
        return [entry for part in parts for entry in part]

    return {
        "format": 1,
        "seeds": list(SEEDS),
        "prompts": list(PROMPTS),
        "each": EACH,
        "compared": [{name: steered(name, seed) for name in TARGETS} for seed in SEEDS],
        "people": kept("people", people),
        "watermarked": [kept(f"watermarked-{seed}", partial(watermarked, seed)) for seed in SEEDS],
        "keyed": kept("keyed", keyed),
        "accused": kept("accused", accused),
        "distorted": kept("distorted", distorted),
    }


if __name__ == "__main__":
    if not FILE.exists():
        write_experts()
    results.write(measure)

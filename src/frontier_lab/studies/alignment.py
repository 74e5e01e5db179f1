"""Optimising a reward that stands for another thing, with three seeds: 28.5.5.

The writer is ``zoo.llama``'s model at a temperature of 0.7; the reward, the proxy, is one committed
classifier's log-probability of the group "letters" given a text of 28 tokens. It is raised by choosing the
best of n, by DPO, by RLOO and by imitating the best; what did not take part judges: two other classifiers,
which share the proxy's training text, a count of words fitted to chapters that none of them saw, and a
language model of another kind. Trained on twelve prompts, judged on twelve others, which are what is
independent. Beside DPO stands DPO on preferences drawn by a coin. Ten minutes on one core; killed, it goes on
where it was:
``python -m frontier_lab.studies.alignment src/frontier_lab/studies/alignment.json``.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from torch import Tensor
from transformers import PreTrainedModel

from frontier_lab.methods import decoding, preference
from frontier_lab.storage import cache, results
from frontier_lab.studies import controlled
from frontier_lab.texts import bible_books
from frontier_lab.texts.bible_books import GROUPS, Sentence
from frontier_lab.zoo import classifiers
from frontier_lab.zoo.training.recipe import SEEDS

TARGET = GROUPS.index("letters")
PROXY, OTHERS = "bert", ("roberta", "distilbert")
TEMPERATURE = 0.7
LENGTH = 28
TRAINED = controlled.PROMPTS
"""Prompts that are trained on."""

JUDGED = (
    "And he",
    "And all",
    "And when",
    "The LORD",
    "The people",
    "For he",
    "For we",
    "But we",
    "But God",
    "Then was",
    "He was",
    "God is",
)
"""Prompts that nothing is trained on; of two tokens, as the others."""

POOL = 128
"""Texts of the reference for each prompt and seed."""

ROWS = 48
"""Texts that a step of training reads: pairs of two for DPO, four a prompt for RLOO."""

STEPS = (10, 20, 32, 40, 80, 160)
"""After which a model is judged; after 32 RLOO has drawn as many texts as the pool has."""

RATE = 3e-4
EACH = 8
"""Texts of a judged prompt, model and seed."""

OFFERED = 512
"""Texts of a judged prompt and seed that the best is chosen from."""

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Of texts that the best is chosen from."""

WORDS = 16
"""Of a sentence by people, so that it is about as long as a text."""

BETA = 0.3
MEASURES = ("kl", "proxy", "judges", "words", "nats", "alike")
"""Of a text: nats of divergence from the reference, for the whole text; probability of the target by the
proxy, by the mean of the other classifiers, by the count of words; nats a token of the fluency model; share
of its runs of three words that another text of the prompt has as well."""


# ---- the models --------------------------------------------------------------------------------------------


@functools.cache
def reference() -> PreTrainedModel:
    """The writer. Its last norm is scaled, so that drawing from it is drawing at ``TEMPERATURE``."""
    model: PreTrainedModel = copy.deepcopy(controlled.model().model).eval()
    with torch.no_grad():
        model.model.norm.weight.div_(TEMPERATURE)
    return model.requires_grad_(False)


def prompts(texts: Sequence[str], each: int) -> Tensor:
    """Every prompt so many times, ``[prompts · each, 2]``."""
    tokenizer = controlled.model().tokenizer
    return torch.tensor([tokenizer(text).input_ids for text in texts]).repeat_interleave(each, 0)


def read(ids: Tensor) -> list[str]:
    """Texts of tokens, ``[B, T]``. The end of a text is a token like any other, and is left out here."""
    found: list[str] = controlled.model().tokenizer.batch_decode(ids, skip_special_tokens=True)
    return found


def drawn(model: PreTrainedModel, texts: Sequence[str], each: int, seed: int) -> Tensor:
    """Prompts with ``LENGTH`` tokens behind them, ``[prompts · each, 2 + LENGTH]``."""
    return decoding.sample(model, prompts(texts, each), LENGTH, seed=seed).ids


def likelihood(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Log-probability of each text given its prompt, in nats, ``[B]``."""
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[:, :2] = False
    return preference.log_prob(model, ids, mask)


def reward(texts: Sequence[str], judge: str = PROXY) -> Tensor:
    """Log-probability of the target by a classifier, ``[B]``."""
    own = controlled.judges()[judge]
    return classifiers.probabilities(own.model, own.tokenizer, list(texts))[:, TARGET].log()


def counting(sentences: Sequence[Sentence]) -> Pipeline:
    """A classifier by words alone, fitted to these sentences."""
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True),
        LogisticRegression(C=3.0, class_weight="balanced", max_iter=1000),
    )
    return model.fit([each.text for each in sentences], [each.label for each in sentences])


@functools.cache
def words() -> Pipeline:
    """The count of words of chapters that no committed classifier was trained on."""
    return counting(controlled.fitted_to())


# ---- measures ----------------------------------------------------------------------------------------------


def alike(texts: Sequence[str], each: int) -> list[float]:
    """Share of a text's runs of three words that another of the ``each`` texts of its prompt has."""
    found = []
    for start in range(0, len(texts), each):
        runs = [controlled.runs(text, 3) for text in texts[start : start + each]]
        for at, own in enumerate(runs):
            others = set().union(*(run for place, run in enumerate(runs) if place != at))
            found.append(len(own & others) / max(1, len(own)))
    return found


def scores(texts: Sequence[str], asked: Sequence[str]) -> dict[str, list[float]]:
    """Proxy, judges, words and nats of each text, whose prompts, as often, are ``asked``."""
    return {
        "proxy": reward(texts).exp().tolist(),
        "judges": torch.stack([reward(texts, name).exp() for name in OTHERS]).mean(0).tolist(),
        "words": words().predict_proba(list(texts))[:, TARGET].tolist(),
        "nats": controlled.nats(texts, [len(prompt) for prompt in asked]),
    }


def judged_texts(model: PreTrainedModel, seed: int) -> Tensor:
    """What a model is judged by, ``[12 · EACH, 2 + LENGTH]``."""
    return drawn(model, JUDGED, EACH, 1000 + seed)


def judged(model: PreTrainedModel, seed: int) -> dict[str, list[float]]:
    """Means of each of ``JUDGED``, over ``EACH`` texts of a model."""
    ids = judged_texts(model, seed)
    texts = read(ids)
    with torch.no_grad():
        apart = preference.divergence(likelihood(model, ids), likelihood(reference(), ids)).tolist()
    asked = [prompt for prompt in JUDGED for _ in range(EACH)]
    columns = {"kl": apart, **scores(texts, asked), "alike": alike(texts, EACH)}
    return {name: means(values, EACH) for name, values in columns.items()}


def means(values: Sequence[float] | NDArray[np.float64], each: int) -> list[float]:
    """Of each prompt's texts, ``[prompts]``."""
    return [round(float(x), 4) for x in np.reshape(values, (-1, each)).mean(1)]


# ---- training ----------------------------------------------------------------------------------------------

Loss = Callable[[PreTrainedModel, int], Tensor]
"""Of a model and a step."""


@functools.cache
def pool(seed: int) -> tuple[Tensor, Tensor]:
    """The reference's texts of ``TRAINED``, ``[12, POOL, T]``, and their rewards, ``[12, POOL]``."""
    ids = drawn(reference(), TRAINED, POOL, seed)
    return ids.view(len(TRAINED), POOL, -1), reward(read(ids)).view(len(TRAINED), POOL)


def pairs(seed: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Prompts and places in the pool of the two texts of each pair, ``[ROWS / 2]``, other ones each step."""
    generator = torch.Generator().manual_seed(10_000 * (seed + 1) + step)
    asked = torch.arange(ROWS // 2) % len(TRAINED)
    first = torch.randint(POOL, (ROWS // 2,), generator=generator)
    apart = 1 + torch.randint(POOL - 1, (ROWS // 2,), generator=generator)
    return asked, first, (first + apart) % POOL


def prefers(labels: str, gap: Tensor, generator: torch.Generator) -> Tensor:
    """Whether the first of each pair is preferred, whose reward is higher by ``gap``, ``[B]``.

    Args:
        labels: ``always`` the higher; ``drawn``, with probability ``σ(gap)``, as Bradley and Terry have it;
            ``coin``, whatever the rewards.
        gap: differences of reward, in nats.
        generator: of the draws.
    """
    if labels == "always":
        return gap > 0
    chance = {"drawn": gap.sigmoid(), "coin": torch.full_like(gap, 0.5)}
    if labels not in chance:
        raise ValueError(f"labels: got {labels!r}, wanted always, drawn or coin")
    return torch.rand(gap.shape, generator=generator) < chance[labels]


def dpo(seed: int, beta: float, labels: str) -> Loss:
    """DPO on pairs of the pool."""
    ids, rewards = pool(seed)
    with torch.no_grad():
        known = torch.stack([likelihood(reference(), part) for part in ids])  # [12, POOL]

    def loss(model: PreTrainedModel, step: int) -> Tensor:
        asked, first, second = pairs(seed, step)
        generator = torch.Generator().manual_seed(20_000 * (seed + 1) + step)
        wins = prefers(labels, rewards[asked, first] - rewards[asked, second], generator)
        chosen, rejected = torch.where(wins, first, second), torch.where(wins, second, first)
        rows = torch.cat([ids[asked, chosen], ids[asked, rejected]])
        own = likelihood(model, rows).chunk(2)
        return preference.dpo_loss(own[0], own[1], known[asked, chosen], known[asked, rejected], beta)

    return loss


def imitation(seed: int, beta: float, best: int) -> Loss:
    """Mean NLL of a token of the best of every ``best`` texts of the pool; nothing prices divergence."""
    del beta
    ids, rewards = pool(seed)
    place = rewards.view(len(TRAINED), -1, best).argmax(-1)  # [12, POOL / best]
    kept = ids.view(len(TRAINED), -1, best, ids.shape[-1])
    chosen = kept.gather(2, place[..., None, None].expand(-1, -1, 1, ids.shape[-1])).squeeze(2)

    def loss(model: PreTrainedModel, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(30_000 * (seed + 1) + step)
        asked = torch.arange(ROWS) % len(TRAINED)
        rows = chosen[asked, torch.randint(chosen.shape[1], (ROWS,), generator=generator)]
        return -likelihood(model, rows).mean() / LENGTH

    return loss


def rloo(seed: int, beta: float) -> Loss:
    """REINFORCE on the model's own texts, each held to the others of its prompt."""
    each = ROWS // len(TRAINED)

    def loss(model: PreTrainedModel, step: int) -> Tensor:
        ids = drawn(model, TRAINED, each, 40_000 * (seed + 1) + step)
        given = reward(read(ids)).view(-1, each)
        with torch.no_grad():
            known = likelihood(reference(), ids).view(-1, each)
        return preference.rloo_loss(likelihood(model, ids).view(-1, each), given, known, beta)

    return loss


METHODS: Mapping[str, Callable[[int, float], Loss]] = {
    "DPO, always": partial(dpo, labels="always"),
    "DPO, drawn": partial(dpo, labels="drawn"),
    "DPO, coin": partial(dpo, labels="coin"),
    "RLOO": rloo,
    "RLOO, free": lambda seed, _: rloo(seed, 0.0),
    "imitation": partial(imitation, best=16),
}
"""By name: preferences always for the higher reward, drawn, or by a coin; RLOO at ``BETA`` and without a
price of divergence; the best of sixteen as examples."""


VARIED = (
    ("DPO, always", 1e-4, BETA),
    ("DPO, always", 1e-3, BETA),
    ("DPO, always", RATE, 0.1),
    ("DPO, always", RATE, 1.0),
    ("RLOO", 1e-4, BETA),
    ("RLOO", 1e-3, BETA),
    ("RLOO", RATE, 0.1),
    ("RLOO", RATE, 1.0),
)
"""Other rates and prices, judged after the last step: whether what is said hangs on one of them."""


def trained(
    name: str, seed: int, steps: Sequence[int] = STEPS, *, rate: float = RATE, beta: float = BETA
) -> list[tuple[int, PreTrainedModel]]:
    """The model of a method after each of these numbers of steps."""
    model: PreTrainedModel = copy.deepcopy(reference()).requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.0, foreach=False)
    loss, found = METHODS[name](seed, beta), []
    for step in range(1, max(steps) + 1):
        optimizer.zero_grad()
        loss(model, step).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step in steps:
            found.append((step, copy.deepcopy(model).requires_grad_(False)))
    return found


def varied(name: str, rate: float, beta: float, seed: int) -> dict[str, list[float]]:
    """What the judges say of a method's last model at another rate or price."""
    return judged(trained(name, seed, STEPS[-1:], rate=rate, beta=beta)[0][1], seed)


def run(name: str, seed: int) -> list[dict[str, Any]]:
    """What the judges say of a method's models, by step."""
    found: list[dict[str, Any]] = []
    for step, model in trained(name, seed):
        found.append({"step": step, **judged(model, seed)})
        print(
            name,
            seed,
            step,
            {each: round(float(np.mean(found[-1][each])), 3) for each in MEASURES},
            flush=True,
        )
    return found


# ---- choosing ----------------------------------------------------------------------------------------------


def offered(seed: int) -> list[str]:
    """The reference's texts of ``JUDGED`` that the best is chosen from, ``OFFERED`` of each prompt."""
    return read(drawn(reference(), JUDGED, OFFERED, 2000 + seed))


def choosing(seed: int) -> list[dict[str, Any]]:
    """Best of n by the proxy among the reference's texts of ``JUDGED``, for each of ``COUNTS``."""
    asked = [prompt for prompt in JUDGED for _ in range(OFFERED)]
    table = {name: np.reshape(values, (-1, OFFERED)) for name, values in scores(offered(seed), asked).items()}
    found = []
    for n in COUNTS:
        weights = np.array([decoding.best_of_weights(torch.tensor(row), n).numpy() for row in table["proxy"]])
        means = {name: (weights * values).sum(1).round(4).tolist() for name, values in table.items()}
        found.append({"n": n, "kl": decoding.best_of_kl(n), **means})
    return found


def written() -> tuple[list[str], list[Sentence]]:
    """Sentences of people from the chapters ``test``, cut to as many words as the texts have."""
    taken = [each for each in bible_books.balanced("test") if len(each.text.split()) >= WORDS]
    return [" ".join(each.text.split()[:WORDS]) for each in taken], taken


def by_chapter(values: Sequence[float], sentences: Sequence[Sentence], own: bool) -> list[float]:
    """Means of each chapter in the target's group, or out of it."""
    places: dict[int, list[float]] = {}
    for value, each in zip(values, sentences, strict=True):
        if (each.label == TARGET) == own:
            places.setdefault(each.chapter, []).append(float(value))
    return [round(float(np.mean(chapter)), 4) for chapter in places.values()]


def people() -> dict[str, dict[str, list[float]]]:
    """What people's own sentences score, in and out of the target's group: means of each chapter.

    The count of words is left out: it was fitted to these very chapters (``studies.rulers`` fits others).
    """
    texts, sentences = written()
    table = scores(texts, [" ".join(text.split()[:2]) for text in texts])
    del table["words"]
    return {
        name: {measure: by_chapter(values, sentences, own) for measure, values in table.items()}
        for name, own in (("own", True), ("others", False))
    }


# ---- the data set ------------------------------------------------------------------------------------------


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed."""
    return results.stored(__file__)


def values(name: str, setting: int, measure: str) -> NDArray[np.float64]:
    """A measure of a method at so many steps, or texts to choose from, ``[12]``: means of the seeds.

    Raises:
        ValueError: nothing such is stored.
    """
    key, runs = (
        ("n", stored()["choosing"]) if name == "best of n" else ("step", stored()["trained"].get(name, []))
    )
    rows = [entry[measure] for run in runs for entry in run if entry[key] == setting]
    if not rows:
        raise ValueError(f"name: got {name!r} at {setting}, wanted one that is stored")
    means: NDArray[np.float64] = np.mean([np.broadcast_to(row, len(JUDGED)) for row in rows], axis=0)
    return means


def measure() -> Mapping[str, Any]:
    """The data set; every part is kept as soon as it is there."""
    torch.set_num_threads(1)
    work = cache.folder("alignment")

    def kept(name: str, part: Callable[[], Any]) -> Any:
        return results.kept(work / f"{name}.json", part)

    return {
        "format": 1,
        "seeds": list(SEEDS),
        "reference": [kept(f"reference-{seed}", partial(judged, reference(), seed)) for seed in SEEDS],
        "choosing": [kept(f"choosing-{seed}", partial(choosing, seed)) for seed in SEEDS],
        "people": kept("people", people),
        "trained": {
            name: [kept(f"{name}-{seed}", partial(run, name, seed)) for seed in SEEDS] for name in METHODS
        },
        "varied": [
            {
                "method": name,
                "rate": rate,
                "beta": beta,
                "judged": [
                    kept(f"{name}-{rate}-{beta}-{seed}", partial(varied, name, rate, beta, seed))
                    for seed in SEEDS
                ],
            }
            for name, rate, beta in VARIED
        ],
    }


if __name__ == "__main__":
    results.write(measure)

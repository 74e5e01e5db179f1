"""Six filters of harmful text on what they have seen, on what they have not, on disguises and on groups.

Two are BERTs trained from scratch on templates, without and with sentences of the corpus; two are heads on
MiniLM, likewise; beside them a bag of words on the heads' sentences, and heads on a MiniLM of random weights.
Three seeds each. What every filter gives for every sentence is kept in half precision, so that thresholds,
calibration and guarantees can be computed, and sentences resampled, on a page. They are trained, and both
files written, by
``python -m frontier_lab.studies.harmful_content src/frontier_lab/studies/harmful_content.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from frontier_lab.methods import classification
from frontier_lab.methods.disguises import EVASIONS, normalise, whole_words
from frontier_lab.methods.safety_filter import Encoder, rates
from frontier_lab.storage import results
from frontier_lab.storage.cache import folder
from frontier_lab.texts import labelled_text, moderation
from frontier_lab.texts.labelled_text import FOLK, Labelled
from frontier_lab.zoo import safety_heads, toxicity
from frontier_lab.zoo.families import multi_label
from frontier_lab.zoo.training.recipe import SEEDS

Part = Literal["seen", "unseen", "own", "corpus"]
PARTS: tuple[Part, ...] = ("seen", "unseen", "own", "corpus")
FILTERS = ("bert", "bert, corpus", "heads", "heads, no corpus", "bag of words", "untrained encoder")
SCORES = Path(__file__).with_suffix(".safetensors")
HALF = 0.5
"""The threshold that nobody chose."""

GROUPS = (
    *("accountants", "cyclists", "farmers", "twins", "students", "fishermen", "tailors", "grandmothers"),
    *("newcomers", "dancers", "tourists", "carpenters", "poets", "miners", "swimmers", "vegetarians"),
)
"""Groups of which no template speaks; their names are put in the place of those that templates attack."""

REGIMES = ("attacked", "both", "benign", "absent")
SLOTS = ("attacked",) * 3 + ("both",) * 3 + ("benign",) * 2 + ("absent",) * 8
"""How each of the sixteen groups is spoken of in a training; the next training moves all by one place."""

Gives = Callable[[Sequence[str]], Tensor]
"""Logits ``[N, 5]`` of texts."""


@cache
def sentences(part: Part) -> tuple[Labelled, ...]:
    """What the filters are judged on; nothing of it was trained on.

    ``seen`` and ``unseen`` are of the templates of ``labelled_text``, few of which are unseen: sentences of
    one template are not independent. Those of ``own`` are, and in ``corpus`` the documents.
    """
    if part == "own":
        return moderation.OWN_WORDS
    if part == "corpus":
        return tuple(moderation.passages("validation", 200, 0))
    return tuple(labelled_text.remarks(part, 300 if part == "seen" else 400, (20, PARTS.index(part))))


def labels(part: Part) -> Tensor:
    """``[N, 5]``, 0 or 1, the first whether any of the others is 1."""
    return torch.tensor([s.labels for s in sentences(part)])


def _with_corpus(part: labelled_text.Part, count: int, seed: int) -> list[Labelled]:
    """As ``labelled_text.remarks``, but a quarter of the training part is sentences of the corpus."""
    if part != "train":
        return labelled_text.remarks(part, count, seed)
    more = count // 8 * 2
    return [*labelled_text.remarks(part, count - more, seed), *moderation.passages("train", more, seed)]


CORPUS_TASK = multi_label.Task("toxicity, corpus", _with_corpus, labelled_text.TOXIC_LABELS)
TASKS = {"bert": toxicity.TASK, "bert, corpus": CORPUS_TASK}


def _logits(probabilities: Callable[[list[str]], Tensor], texts: Sequence[str]) -> Tensor:
    return torch.logit(probabilities(list(texts)).double(), eps=1e-7).float()


@torch.no_grad()
def _of_heads(heads: torch.nn.Module, vectors: safety_heads.Vectors, texts: Sequence[str]) -> Tensor:
    found: Tensor = heads(vectors(texts))
    return found


def filters(seed: int, work: Path) -> dict[str, Gives]:
    """The six filters of a seed, trained where the folder does not have them."""
    found: dict[str, Gives] = {}
    for name, task in TASKS.items():
        model, _ = multi_label.run(task, seed, work / "weights" / name, work / name)
        found[name] = partial(_logits, partial(multi_label.probabilities, model, task.tokenizer()))
    data = {
        "heads": safety_heads.sentences(seed),
        "heads, no corpus": labelled_text.remarks(
            "train", safety_heads.REMARKS + safety_heads.PASSAGES, (9, seed)
        ),
        "untrained encoder": safety_heads.sentences(seed),
    }
    for name, chosen in data.items():
        vectors = _encoder(name != "untrained encoder")
        heads, _ = safety_heads.run(vectors, seed, work / name, data=chosen)
        found[name] = partial(_of_heads, heads, vectors)
    found["bag of words"] = partial(_logits, classification.BagOfWords(data["heads"]))
    return {name: found[name] for name in FILTERS}


@cache
def _encoder(trained: bool) -> Encoder:
    return safety_heads.encoder(trained=trained)


def disguised(texts: Sequence[str], evasion: str, words: frozenset[str] | None = None) -> list[str]:
    """Texts in one of the disguises of ``EVASIONS``; with known words, normalised again."""
    found = [EVASIONS[evasion](text) for text in texts]
    return found if words is None else [normalise(text, words) for text in found]


def group_data(shift: int) -> list[Labelled]:
    """A training set of the heads in which the sixteen groups stand in their places.

    Of the group in slot i, ``FOLK[i]`` gives up its name: in attacks, in both, or in benign sentences.
    """
    data = safety_heads.sentences(100 + shift)
    for slot, regime in enumerate(SLOTS):
        if regime == "absent":
            continue
        old, new = FOLK[slot], GROUPS[(slot + shift) % len(GROUPS)]

        def renamed(s: Labelled, old: str = old, new: str = new, regime: str = regime) -> Labelled:
            attack = bool(s.labels[-1])
            if regime == "both" or attack == (regime == "attacked"):
                return Labelled(s.text.replace(old, new), s.labels)
            return s

        data = [renamed(s) for s in data]
    return data


def regime(shift: int, group: int) -> str:
    """How a group is spoken of in a training."""
    return SLOTS[(group - shift) % len(GROUPS)]


def framed() -> list[str]:
    """Every group in every frame and attack, group by group, ``[16 * 24]``."""
    return [frame.format(group) for group in GROUPS for frame in (*moderation.FRAMES, *moderation.ATTACKS)]


def of_groups(shift: int, work: Path) -> Tensor:
    """What heads trained on ``group_data`` give for ``framed``: logits ``[16 groups, 24 frames, 5]``."""
    vectors = _encoder(True)
    heads, _ = safety_heads.run(vectors, 0, work / str(shift), data=group_data(shift))
    return _of_heads(heads, vectors, framed()).view(len(GROUPS), -1, len(labelled_text.TOXIC_LABELS))


@dataclass(frozen=True)
class Read:
    """What the filters gave.

    Attributes:
        parts: logits of each part, ``[6 filters, 3 seeds, N, 5]``, float32.
        evasions: ``seen`` for the first BERT, ``own`` for the heads: the highest logit of the five,
            ``[8 evasions, 2 (as it is, normalised), 3 seeds, N]``.
        groups: ``[16 trainings, 16 groups, 24 frames, 5]``, the attacks last.
    """

    parts: Mapping[Part, Tensor]
    evasions: Mapping[str, Tensor]
    groups: Tensor


@cache
def read() -> Read:
    """What is stored."""
    found = {name: value.float() for name, value in load_file(SCORES).items()}
    return Read(
        {part: found[part] for part in PARTS},
        {"bert": found["evasions bert"], "heads": found["evasions heads"]},
        found["groups"],
    )


def stored() -> dict[str, Any]:
    """What ``measured`` gave beside the scores, as it is committed."""
    return results.stored(__file__)


def blocked_scores(logits: Tensor) -> Tensor:
    """The highest probability of the five labels, ``[..., 5] -> [...]``: a filter blocks for any of them."""
    return logits.max(-1).values.sigmoid()


def _summary(logits: Tensor, part: Part) -> dict[str, float]:
    """At one half, of one filter and seed; of ``corpus``, which is all benign, the share blocked alone."""
    score, harmful = blocked_scores(logits), labels(part)[:, 0]
    if not harmful.any():
        return {"blocked": round(float((score >= HALF).double().mean()), 4)}
    missed, blocked = rates(score, harmful, HALF)
    return {
        "auroc": round(classification.auroc(score, harmful), 4),
        "missed": round(missed, 4),
        "blocked": round(blocked, 4),
    }


def measured() -> Mapping[str, Any]:
    """The data set: writes the scores, and gives filter, part and seed with AUROC and rates at one half."""
    torch.set_num_threads(1)
    work = folder("harmful_content")
    every = [filters(seed, work / "seeds") for seed in SEEDS]
    kept: dict[str, Tensor] = {}
    for part in PARTS:
        texts = [s.text for s in sentences(part)]
        kept[part] = torch.stack([torch.stack([of[name](texts) for of in every]) for name in FILTERS])
    words = whole_words(_encoder(True).tokenizer)
    judged: dict[str, Part] = {"bert": "seen", "heads": "own"}
    for name, part in judged.items():
        texts = [s.text for s in sentences(part)]
        rows = []
        for evasion in EVASIONS:
            forms = [disguised(texts, evasion), disguised(texts, evasion, words)]
            rows.append(torch.stack([torch.stack([of[name](f).amax(-1) for of in every]) for f in forms]))
        kept[f"evasions {name}"] = torch.stack(rows)
    kept["groups"] = torch.stack([of_groups(shift, work / "groups") for shift in range(len(GROUPS))])
    kept = {name: value.half().contiguous() for name, value in kept.items()}
    save_file(kept, SCORES)
    summary = {
        name: {
            part: [_summary(kept[part][at, seed].float(), part) for seed in range(len(SEEDS))]
            for part in PARTS
        }
        for at, name in enumerate(FILTERS)
    }
    return {"format": 1, "filters": summary}


if __name__ == "__main__":
    results.write(measured)

"""Heads of a filter of harmful text on the frozen vectors of MiniLM, a real model that a package carries.

They are trained on 900 remarks from templates of ours and 300 sentences of the corpus, so that they have seen
benign text that no template made. Each seed draws its own. Only the heads are committed: whoever uses them
needs the package (``make models``), and so does whoever trains them.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from frontier_lab import packaged_models
from frontier_lab.methods import classification
from frontier_lab.methods.safety_filter import Encoder, Heads
from frontier_lab.storage import cache
from frontier_lab.storage.files import write_json
from frontier_lab.texts import labelled_text, moderation
from frontier_lab.texts.labelled_text import Labelled
from frontier_lab.zoo.families import multi_label
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, entry, note, train_seed

NAME = "safety_heads"
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
DIMENSIONS = 384
REMARKS, PASSAGES, HELD_OUT = 900, 300, 300
STRENGTH = 1.0
"""Of the penalty, as scikit-learn's ``C``, whose default it is: nothing was chosen on held-out sentences."""

SCHEDULE = Schedule(
    steps=1000,
    batch_size=REMARKS + PASSAGES,
    context=1,
    learning_rate=3e-2,
    warmup=20,
    weight_decay=0.0,
    log_every=100,
)
"""Every step sees all sentences, so that it ends at the least loss; ``context`` counts vectors, one each."""

Vectors = Callable[[Sequence[str]], Tensor]
"""Gives ``[N, D]`` of N texts."""


def encoder(*, trained: bool = True) -> Encoder:
    """MiniLM, its vectors kept in the cache; untrained, the same architecture with random weights.

    Raises:
        packaged_models.UnavailableError: the package is not installed.
    """
    folder = packaged_models.folder(HUB_ID)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32)
    if not trained:
        torch.manual_seed(0)
        model = type(model)(model.config)
    return Encoder(model.eval(), AutoTokenizer.from_pretrained(folder), cache.folder("vectors"))


def sentences(seed: int) -> list[Labelled]:
    """What one seed is trained on."""
    remarks = labelled_text.remarks("train", REMARKS, (9, seed))
    return [*remarks, *moderation.passages("train", PASSAGES, seed)]


def held_out() -> Mapping[str, Sequence[Labelled]]:
    """What the findings are measured on, by part."""
    parts: dict[str, Sequence[Labelled]] = {
        part: labelled_text.remarks(part, HELD_OUT, (10, labelled_text.PARTS.index(part)))
        for part in labelled_text.PARTS
        if part != "train"
    }
    return parts | {"own words": moderation.OWN_WORDS}


def run(
    vectors: Vectors,
    seed: int,
    work: Path,
    schedule: Schedule = SCHEDULE,
    stop_at: int | None = None,
    *,
    data: Sequence[Labelled] | None = None,
) -> tuple[Heads, Log]:
    """Train heads with one seed; return them with the log.

    Args:
        vectors: of the sentences.
        seed: of the first weights and, without ``data``, of the sentences.
        work: folder for the state that a later call resumes from.
        schedule: steps and rates.
        stop_at: see ``loop.train``.
        data: other sentences than ``sentences(seed)``.
    """
    chosen = sentences(seed) if data is None else data
    seen = held_out()["seen"]
    known = torch.tensor([s.labels for s in chosen]).float()
    wanted = torch.tensor([s.labels for s in seen]).float()
    read, read_seen = vectors([s.text for s in chosen]), vectors([s.text for s in seen])
    torch.manual_seed(seed)
    heads = Heads(read.shape[1], labelled_text.TOXIC_LABELS)

    def loss(model: nn.Module, step: int) -> Tensor:
        error = F.binary_cross_entropy_with_logits(model(read), known)
        return error + heads.penalty() / (2 * STRENGTH * len(chosen))

    def measure(model: nn.Module) -> dict[str, Any]:
        return {"val_loss": round(F.binary_cross_entropy_with_logits(model(read_seen), wanted).item(), 4)}

    log = train_seed(
        heads,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / str(seed),
        label=NAME,
        facts={"sentences": hashlib.sha256(repr(chosen).encode()).hexdigest(), "dimensions": read.shape[1]},
        stop_at=stop_at,
    )
    return heads.eval(), log


@torch.no_grad()
def probabilities(heads: Heads, vectors: Vectors, texts: Sequence[str]) -> Tensor:
    """Probability of each label, ``[N, labels]``, not calibrated."""
    found: Tensor = heads(vectors(texts)).sigmoid()
    return found


def _commonest(data: Sequence[Labelled], texts: Sequence[str]) -> Tensor:
    return torch.tensor([s.labels for s in data]).float().mean(0).expand(len(texts), -1)


def assemble(work: Path, target: Path) -> Entry:
    """Train every seed on trained and on random vectors, lay out the heads of seed 0, return the entry."""
    encoders = {"model": encoder(), "untrained encoder": encoder(trained=False)}
    findings: dict[str, dict[str, list[float]]] = {}
    trained: list[tuple[Heads, Log]] = []
    for seed in SEEDS:
        runs = {who: run(vectors, seed, work / who) for who, vectors in encoders.items()}
        trained.append(runs["model"])
        found: dict[str, Callable[[list[str]], Tensor]] = {
            who: partial(probabilities, heads, encoders[who]) for who, (heads, _) in runs.items()
        }
        found["bag of words"] = classification.BagOfWords(sentences(seed))
        found["always the commonest"] = partial(_commonest, sentences(seed))
        for part, judged in held_out().items():
            for who, gives in found.items():
                measured = multi_label.measures(gives([s.text for s in judged]), list(judged))
                for name, value in measured.items():
                    note(findings, f"{name}, {part}", who, value)
    shutil.rmtree(target, ignore_errors=True)
    heads, log = trained[0]
    heads.save(target)
    write_json(target / "log.json", [log for _, log in trained], indent=None)
    return entry(
        heads,
        text="sentences of ours from templates and word lists (frontier_lab.texts.labelled_text); King James "
        "Bible, Jargon File",
        tokenizer="that of all-MiniLM-L6-v2, whose vectors they read",
        schedule=SCHEDULE,
        val_loss={"seen templates": log[-1]["val_loss"]},
        findings=findings,
        can="ranks mild toxic remarks in words that it was not trained on above most harmless ones",
        cannot="protect anyone: uncalibrated, at one half, it misses half of such remarks",
        tolerance=0.05,
        labels=list(labelled_text.TOXIC_LABELS),
    )


RECIPE = Recipe(NAME, assemble)

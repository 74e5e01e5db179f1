"""The data set of the ``ThresholdExplorer`` figure: what two filters give for sentences of ours, as bytes.

``python -m frontier_lab.figure_data.threshold_explorer FILE`` writes it, for ``frontier_widgets``' ``data``;
a test recomputes it. The filters are the committed BERT and the committed heads on MiniLM, which a package
carries. The sentences themselves are not in it: the figure shows counts.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from frontier_lab.methods.safety_filter import Heads, platt
from frontier_lab.storage.checkpoints import committed
from frontier_lab.storage.results import write
from frontier_lab.texts import labelled_text, moderation
from frontier_lab.texts.labelled_text import FOLK, TOXIC_LABELS, Labelled
from frontier_lab.zoo import safety_heads, toxicity
from frontier_lab.zoo.families import multi_label

STEPS, MIDDLE = 16, 128
"""A byte b stands for the logit (b - 128) / 16, from -8 to 7.94."""

COUNTS = {"seen": 200, "unseen": 200, "corpus": 100}
"""Sentences of each part, beside all of those that were written one by one, and the groups."""

CALIBRATION = 600
"""Sentences of unseen templates that the sigmoids were fitted on, drawn apart from those that are shown.

The templates make some sentences twice, so that 61 of those shown are among them. Leaving these out would
leave out what is frequent, and the rest would be another population.
"""

KINDS = {
    "seen": {"zh": "见过的模板", "en": "seen templates"},
    "unseen": {"zh": "没见过的模板", "en": "unseen templates"},
    "corpus": {"zh": "语料里的句子", "en": "sentences of the corpus"},
    "plain": {"zh": "逐句写的：平常话", "en": "written one by one: plain"},
    "hard": {"zh": "逐句写的：用词像恶意", "en": "written one by one: words of harm, no harm"},
    "insult": {"zh": "逐句写的：侮辱", "en": "written one by one: insults"},
    "threat": {"zh": "逐句写的：威胁", "en": "written one by one: threats"},
    "obscene": {"zh": "逐句写的：粗话", "en": "written one by one: oaths"},
    "identity_attack": {"zh": "逐句写的：攻击群体", "en": "written one by one: attacks on groups"},
    "attacked": {"zh": "训练里受攻击的群体", "en": "groups that training attacks"},
    "never": {"zh": "训练里没有的群体", "en": "groups that training never names"},
}
"""What a sentence is of, in order of the indices."""


def sentences() -> list[tuple[str, Labelled]]:
    """Kind and sentence, in the order of the scores."""
    found: list[tuple[str, Labelled]] = []
    parts: tuple[labelled_text.Part, ...] = ("seen", "unseen")
    for part in parts:
        found += [(part, s) for s in labelled_text.remarks(part, COUNTS[part], (30, len(found)))]
    found += [("corpus", s) for s in moderation.passages("validation", COUNTS["corpus"], 1)]
    found += [(s.kind, s) for s in moderation.OWN_WORDS]
    kind, attack = (0,) * len(TOXIC_LABELS), (1, 0, 0, 0, 1)
    for at, group in enumerate(FOLK):
        known = "attacked" if at < len(FOLK) - 4 else "never"
        found += [(known, Labelled(frame.format(group), kind)) for frame in moderation.FRAMES]
        found += [(known, Labelled(frame.format(group), attack)) for frame in moderation.ATTACKS]
    return found


def filters() -> dict[str, Callable[[list[str]], Tensor]]:
    """Logits ``[N, 5]`` of texts, by filter."""
    folder = committed(toxicity.NAME)
    bert = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    heads, vectors = Heads.load(committed(safety_heads.NAME)), safety_heads.encoder()

    def of_heads(texts: list[str]) -> Tensor:
        with torch.no_grad():
            found: Tensor = heads(vectors(texts))
        return found

    def of_bert(texts: list[str]) -> Tensor:
        return torch.logit(multi_label.probabilities(bert, tokenizer, texts).double(), eps=1e-7).float()

    return {"bert": of_bert, "heads": of_heads}


def _text(values: NDArray[np.uint8]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def build() -> dict[str, Any]:
    """The data set as a JSON object: bytes in base64.

    ``kinds`` and ``truth`` have a byte for each sentence: which of ``KINDS``, and its labels, the first as
    the lowest bit. ``groups`` is the number of the group, 255 without one. Of each filter, ``scores`` is
    ``[N, 5]`` and ``sigmoids`` has slope and shift of each label: ``sigmoid(slope * logit + shift)``.
    """
    torch.set_num_threads(1)
    shown = sentences()
    texts = [s.text for _, s in shown]
    fitted = labelled_text.remarks("unseen", CALIBRATION, (31, 0))
    known = torch.tensor([s.labels for s in fitted])
    order = list(KINDS)
    framed = len(moderation.FRAMES) + len(moderation.ATTACKS)
    groups = np.full(len(shown), 255)
    groups[-framed * len(FOLK) :] = np.repeat(np.arange(len(FOLK)), framed)

    def of(gives: Callable[[list[str]], Tensor]) -> dict[str, Any]:
        logits = gives([s.text for s in fitted])
        sigmoids = [platt(logits[:, at], known[:, at]) for at in range(len(TOXIC_LABELS))]
        levels = (gives(texts).numpy().astype(np.float64) * STEPS + MIDDLE).round().clip(0, 255)
        return {
            "scores": _text(levels.astype(np.uint8)),
            "sigmoids": [[round(each.slope, 4), round(each.shift, 4)] for each in sigmoids],
        }

    return {
        "format": 1,
        "labels": list(TOXIC_LABELS),
        "kind_labels": KINDS,
        "kinds": _text(np.array([order.index(kind) for kind, _ in shown], np.uint8)),
        "truth": _text(
            np.array([sum(bit << at for at, bit in enumerate(s.labels)) for _, s in shown], np.uint8)
        ),
        "group_labels": list(FOLK),
        "groups": _text(groups.astype(np.uint8)),
        "filters": {name: of(gives) for name, gives in filters().items()},
    }


if __name__ == "__main__":
    write(build)

"""Checkpoints and texts that a page can use in the reader's browser: ``widgets/src/reader`` and ``claims``.

A page opened from disk may load scripts and nothing else, so each checkpoint is published as a script that
registers its files, and so is held-out text to measure claims on; the page adds a script when the reader
first types or measures, and never before.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from frontier_lab.storage.checkpoints import committed
from frontier_lab.texts.ledgers import Ledger
from frontier_lab.texts.windows import MIXTURE, Windows
from frontier_lab.zoo.families import short_context

MODELS = ("induction", "llama", "merging", "mixtral")
"""Names of the committed checkpoints, in the page and in the manifest."""

SNAPSHOTS = {"mixtral-unbalanced-40": ("mixtral", "snapshots/unbalanced-40")}
"""Further weights for claims alone: name in the page to checkpoint and folder in it; in no figure."""

CLASSIFIERS = {
    "classifier-bert": ("classifiers", "bert"),
    "classifier-roberta": ("classifiers", "roberta"),
    "classifier-distilbert": ("classifiers", "distilbert"),
}
"""Sentence classifiers that read both ways: name in the page to checkpoint and folder in it.

Figures tell them from causal models by the beginning of the name.
"""

TEXTS = ("llama", "mixtral")
"""Checkpoints whose held-out text a page can draw from."""


def files(name: str) -> dict[str, Path]:
    """``config``, ``tokenizer`` and ``weights`` of a committed checkpoint, snapshot or classifier.

    Raises:
        ValueError: the name is none of ``MODELS``, ``SNAPSHOTS`` and ``CLASSIFIERS``.
    """
    known = {**{model: (model, "") for model in MODELS}, **SNAPSHOTS, **CLASSIFIERS}
    if name not in known:
        raise ValueError(f"name: got {name!r}, wanted one of {sorted(known)}")
    recipe, inside = known[name]
    folder = committed(recipe)  # whatever FRONTIER_MODELS says: a page runs this size, not the real one
    return {
        "config": folder / inside / "config.json",
        "tokenizer": folder / (inside if name in CLASSIFIERS else "") / "tokenizer.json",
        "weights": folder / inside / "model.safetensors",
    }


def _registered(place: str, name: str, entry: dict[str, Any]) -> str:
    """A script that puts an entry into ``window[place][name]``."""
    text = json.dumps({name: entry}, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"window.{place}=Object.assign(window.{place}||{{}},{text});\n"


def checkpoint_script(name: str, entry: dict[str, Any]) -> str:
    """The script that offers an entry to the page's loader: ``weights`` in base64, and their model."""
    return _registered("frontierCheckpoints", name, entry)


def script(name: str) -> str:
    """The script that puts a checkpoint into ``window.frontierCheckpoints[name]``, its weights in base64."""
    found = files(name)
    entry = {key: json.loads(found[key].read_text("utf8")) for key in ("config", "tokenizer")}
    entry["weights"] = base64.b64encode(found["weights"].read_bytes()).decode()
    return checkpoint_script(name, entry)


def packed(ids: NDArray[np.int64]) -> str:
    """Token ids as two bytes each, the lower first, in base64."""
    return base64.b64encode(ids.astype("<u2").tobytes()).decode()


def ledger_words(ledger: Ledger) -> dict[str, Any]:
    """Token ids of a ledger's words, as the page's own needles need them."""
    return {"labels": ledger.labels, "values": ledger.values, "comma": ledger.comma}


def texts_script(name: str) -> str:
    """The script that puts held-out text into ``window.frontierTexts[name]``.

    ``streams``: of each kind of text; for the model that knows ledgers the one text that stands between their
    rows, and ``ledger``, the token ids of their words.

    Raises:
        ValueError: the name is none of ``TEXTS``.
    """
    if name not in TEXTS:
        raise ValueError(f"name: got {name!r}, wanted one of {sorted(TEXTS)}")
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(committed(name)))
    mixture = short_context.MIXTURE if name == "llama" else MIXTURE
    streams = list(Windows(tokenizer, "validation", mixture).streams.values())
    entry: dict[str, Any] = {"streams": [packed(stream) for stream in streams]}
    if name == "llama":
        ledger = Ledger(tokenizer, np.concatenate(streams))
        entry = {"streams": [packed(ledger.text)], "ledger": ledger_words(ledger)}
    return _registered("frontierTexts", name, entry)

"""The classifiers in the page: stored numbers are those of today's checkpoints, scripts carry all weights."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import golden_tiny_encoder as golden
import numpy as np
import pytest

from frontier_lab import zoo
from frontier_lab.figure_data import browser_models

STORED = json.loads(golden.FILE.read_text("utf8"))
LARGEST = 350_000
"""Bytes of a script: what a reader on a phone waits for when a figure asks for one classifier."""


def assert_near(found: str, kept: str) -> None:
    now, then = (np.frombuffer(base64.b64decode(text), "<f4") for text in (found, kept))
    np.testing.assert_allclose(now, then, rtol=0, atol=1e-5 * np.abs(then).max())


def test_pytorch_gives_the_stored_numbers_of_the_classifiers() -> None:
    stored, now = STORED["models"], golden.build()
    assert stored.keys() == now.keys() == browser_models.CLASSIFIERS.keys()
    for name in stored:
        assert stored[name]["parameters"] == now[name]["parameters"]
        assert [each["text"] for each in stored[name]["texts"]] == golden.TEXTS
        for kept, found in zip(stored[name]["texts"], now[name]["texts"], strict=True):
            assert kept.keys() == found.keys()
            for key in kept:
                if key in ("logits", "norms", "attentions"):
                    assert_near(found[key], kept[key])
                elif key == "logits_off":
                    for kind in ("zero", "mean"):
                        assert_near(found[key][kind], kept[key][kind])
                else:
                    assert found[key] == kept[key], (name, kept["text"], key)


def test_the_library_treats_every_character_as_stored() -> None:
    assert [[code, fate] for code, fate in golden.characters()] == STORED["characters"]


def test_the_texts_try_what_a_tokenizer_can_get_wrong() -> None:
    words: dict[str, list[list[str]]] = {
        text: [
            entry["words"] for entry in STORED["models"]["classifier-bert"]["texts"] if entry["text"] == text
        ]
        for text in golden.TEXTS
    }
    ids = [entry["ids"] for entry in STORED["models"]["classifier-bert"]["texts"]]
    assert [2, 3] in ids  # nothing in the frame
    assert any(len(each) == 64 for each in ids)  # cut
    assert any(len(word) > 100 for [each] in words.values() for word in each)  # too long for pieces
    assert any("naive" in each for [each] in words.values())  # without its accents
    assert any("\u6df7" in each for [each] in words.values())  # an ideograph alone


@pytest.mark.parametrize("name", browser_models.CLASSIFIERS)
def test_the_script_of_a_classifier_is_small_and_carries_the_committed_weights(name: str) -> None:
    script = browser_models.script(name)
    assert len(script.encode()) <= LARGEST
    assert "<" not in script  # nothing in it can end the element it stands in
    entry = json.loads(re.fullmatch(r"[^{]+\{\},(\{.*\})\);\n", script)[1])[name]  # type: ignore[index]
    recipe, inside = browser_models.CLASSIFIERS[name]
    files: dict[str, Any] = zoo.manifest()[recipe]["files"]
    weights = base64.b64decode(entry["weights"])
    assert hashlib.sha256(weights).hexdigest() == files[f"{inside}/model.safetensors"]
    assert entry["config"]["model_type"] == inside
    assert entry["tokenizer"] == json.loads(
        (zoo.CHECKPOINTS / recipe / inside / "tokenizer.json").read_text()
    )

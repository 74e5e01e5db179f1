"""The models in the page: stored numbers are those of today's checkpoints, scripts carry all weights."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import golden_tiny_model as golden
import numpy as np
import pytest

from frontier_lab import zoo
from frontier_lab.figure_data import browser_models


def floats(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_pytorch_gives_the_stored_numbers() -> None:
    stored, now = json.loads(golden.FILE.read_text("utf8")), golden.build()
    assert stored.keys() == now.keys() == set(browser_models.MODELS)
    for name in stored:
        assert stored[name]["parameters"] == now[name]["parameters"]
        assert len(stored[name]["sentences"]) == len(golden.SENTENCES) == 20
        for kept, found in zip(stored[name]["sentences"], now[name]["sentences"], strict=True):
            assert kept.keys() == found.keys()
            same = {"text", "ids", "decoded", "off", "head_off"} & kept.keys()
            assert all(kept[key] == found[key] for key in same)
            losses = {"loss", "loss_off", "losses_head_off"} & kept.keys()
            for key in losses:
                assert found[key] == pytest.approx(kept[key], rel=1e-5)
            for key in kept.keys() - same - losses:
                scale = max(1e-12, np.abs(floats(kept[key])).max(initial=0))
                np.testing.assert_allclose(floats(found[key]), floats(kept[key]), rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("name", browser_models.MODELS)
def test_the_script_carries_the_committed_weights(name: str) -> None:
    script = browser_models.script(name)
    assert "<" not in script  # nothing in it can end the element it stands in
    entry = json.loads(re.fullmatch(r"[^{]+\{\},(\{.*\})\);\n", script)[1])[name]  # type: ignore[index]
    weights = base64.b64decode(entry["weights"])
    assert hashlib.sha256(weights).hexdigest() == zoo.manifest()[name]["files"]["model.safetensors"]
    assert len(weights) <= 1.2e6
    assert entry["config"]["model_type"] == ("mixtral" if name == "mixtral" else "llama")


def test_a_page_gets_the_committed_model_where_the_real_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for hub_id in ("mistralai/Mixtral-8x7B-v0.1", "meta-llama/Llama-2-7b-hf"):
        (tmp_path / hub_id).mkdir(parents=True)
    monkeypatch.setenv("FRONTIER_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("FRONTIER_MODELS", "hub")
    for name in browser_models.MODELS:
        assert browser_models.files(name)["weights"].parent == zoo.CHECKPOINTS / name


def test_another_name_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"name: got 'gpt2', wanted one of \['classifier-bert', .*'induction', 'llama', "
    ):
        browser_models.script("gpt2")

"""The AttentionPatternAnalyzer class: published data, any model, choices read back."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from frontier_widgets import AttentionPatternAnalyzer, components, example_of, registry_script, slim_state
from frontier_widgets.attention_capture import Captured, capture
from frontier_widgets.attention_pattern_analyzer import BINARY
from frontier_widgets.attention_patterns import kind_of, measure, rollout
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from frontier_lab import hub
from frontier_lab.storage.checkpoints import committed


def induction() -> tuple[Any, Any]:
    folder = str(committed("induction"))
    return hub.load(folder), AutoTokenizer.from_pretrained(folder)


def test_published_data_is_what_the_committed_checkpoints_give() -> None:
    from frontier_lab.figure_data.attention_pattern_analyzer import build

    stored = json.loads(components()["AttentionPatternAnalyzer"].data_path.read_text("utf8"))
    fresh = build()
    assert stored.keys() == fresh.keys()
    for kept, found in zip(stored["examples"], fresh["examples"], strict=True):
        for name in kept.keys() - set(BINARY) - {"loss"}:
            assert kept[name] == found[name], name
        assert found["loss"] == (
            kept["loss"] if kept["loss"] is None else pytest.approx(kept["loss"], abs=1e-3)
        )
        weights = [
            np.frombuffer(base64.b64decode(each["attention"]), np.uint8).astype(int) for each in (kept, found)
        ]
        assert np.abs(weights[0] - weights[1]).max() <= 1
        for name in ("metrics", "norms", "ablation"):
            one, other = (np.frombuffer(base64.b64decode(each[name]), "<f4") for each in (kept, found))
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_the_induction_test_finds_the_heads_that_grew() -> None:
    after = AttentionPatternAnalyzer()
    assert after.to_frame().query("layer == 1")["kind"].tolist() == ["induction", "induction"]
    before = AttentionPatternAnalyzer(example=1)
    assert before.shown["name"] == "induction-test-600"
    assert "induction" not in before.to_frame()["kind"].tolist()
    changes = after.ablation_array()
    assert changes is not None
    assert (changes[:, :, :, 0] > 0.5).all()


def test_numbers_are_the_models_own() -> None:
    model, tokenizer = induction()
    text = "the sea, the sea"
    widget = AttentionPatternAnalyzer.from_model(model, tokenizer, text, layer=1, head=1)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        out = model(torch.tensor([tokenizer(text)["input_ids"]]), output_attentions=True)
    weights = torch.stack(out.attentions)[:, 0].numpy()
    np.testing.assert_allclose(widget.attention_array(), weights, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(widget.metrics_array(), measure(weights, widget.shown["tokens"]), atol=1e-6)
    assert widget.selected == (1, 1)
    np.testing.assert_allclose(widget.weights(), widget.attention_array()[1, 1])
    widget.weighting = "rollout"
    np.testing.assert_allclose(widget.weights(), rollout(widget.attention_array())[1])
    widget.weighting = "value"
    assert np.allclose(widget.weights().sum(-1), 1)
    assert widget.ablation_array() is None
    assert [row["kind"] for row in widget.to_records()] == [
        kind_of(head) for layer in widget.metrics_array() for head in layer
    ]
    assert (
        repr(widget)
        == "AttentionPatternAnalyzer(LlamaForCausalLM: 2 layers, 2 heads, 16 tokens, layer=1, head=1)"
    )


def test_two_readings_are_set_beside_each_other() -> None:
    model, tokenizer = induction()
    one = AttentionPatternAnalyzer.from_model(model, tokenizer, "the sea")
    other = AttentionPatternAnalyzer.from_model(model, tokenizer, "the tea")
    both = one.beside(other, layer=1)
    assert (both.example, both.versus, both.layer) == (0, 1, 1)
    assert [example["tokens"][4] for example in both.examples] == ["s", "t"]


def test_512_tokens_and_144_heads_fit_into_a_page() -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=200, hidden_size=96, intermediate_size=96, num_hidden_layers=12, num_attention_heads=12
        )
    )
    read = capture(model, induction()[1], torch.randint(1, 200, (512,)).tolist())
    example = example_of(read, name="long")
    size = sum(len(example[name]) for name in BINARY)
    assert 4 * size / 3 + len(json.dumps(example["tokens"])) <= 6e6
    widget = AttentionPatternAnalyzer([example])
    assert widget.attention_array().shape == (12, 12, 512, 512)
    assert len(widget.to_records()) == 144


def test_a_page_leaves_out_what_the_registry_has() -> None:
    widget = AttentionPatternAnalyzer()
    state = {"_anywidget_id": "x.AttentionPatternAnalyzer", "data_sha256": widget.data_sha256, "layer": 1}
    saved = {"state": {"m": {"model_module": "anywidget", "state": {**state, "examples": [], "live": "x"}}}}
    assert slim_state(saved)["state"]["m"]["state"] == state
    assert "AttentionPatternAnalyzer" in registry_script(["AttentionPatternAnalyzer"])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"layer": 2}, "layer: got 2, wanted 0 to 1"),
        ({"token": 40}, "token: got 40, wanted 0 to 39"),
        ({"versus": 9}, "versus: got 9, wanted -1 to 3"),
        ({"residual": 1.5}, r"residual: got 1\.5, wanted 0 to 1"),
        ({"brush": [1.0, 2.0]}, "brush: got 2 numbers, wanted none or four"),
    ],
)
def test_states_out_of_range_are_named(state: dict[str, Any], message: str) -> None:
    widget = AttentionPatternAnalyzer()
    with pytest.raises(traitlets.TraitError, match=message):
        widget.set_trait(*next(iter(state.items())))


def test_arguments_that_do_not_fit_are_named() -> None:
    with pytest.raises(TypeError, match="colour is not an argument"):
        AttentionPatternAnalyzer(colour="red")
    with pytest.raises(ValueError, match="examples: got none, wanted"):
        AttentionPatternAnalyzer([])
    with pytest.raises(ValueError, match=r"examples\[0\]: got no 'ablation'"):
        AttentionPatternAnalyzer([{"name": "x"}])
    bare = Captured(["a", "b"], None, np.full((1, 1, 2, 2), 0.5, np.float32), None, None, None)
    widget = AttentionPatternAnalyzer([example_of(bare, name="bare")], weighting="value")
    with pytest.raises(ValueError, match="weighting: got 'value', wanted 'raw' or 'rollout'"):
        widget.weights()

"""Models whose reading is not plain: quantised ones, sinks outside of the text, numbers that are none."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from frontier_widgets import AttentionPatternAnalyzer, example_of
from frontier_widgets.architectures import parameters
from frontier_widgets.attention_capture import Captured, capture
from number_tokenizer import Words
from torch import nn
from transformers import GptOssConfig, GptOssForCausalLM, LlamaConfig, LlamaForCausalLM

IDS = [5, 9, 33, 5, 9, 41, 7, 33]


def llama() -> Any:
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "intermediate_size": 40, "num_key_value_heads": 2}
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=60, num_attention_heads=4, num_hidden_layers=3, attention_bias=True, **sizes)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model.eval()


class Packed(nn.Linear):
    """A layer whose weight is packed, two values of four bits a byte, as bitsandbytes keeps it."""

    def __init__(self, of: nn.Linear) -> None:
        super().__init__(of.in_features, of.out_features, bias=of.bias is not None)
        self.scale = of.weight.detach().abs().max() / 7
        levels = (of.weight.detach() / self.scale).round().clamp(-7, 7).add(8).to(torch.uint8).reshape(-1, 2)
        self.weight = nn.Parameter(levels[:, 0] | levels[:, 1] << 4, requires_grad=False)
        self.bias = of.bias

    def unpacked(self) -> torch.Tensor:
        levels = torch.stack([self.weight & 15, self.weight >> 4], -1).reshape(self.out_features, -1)
        return (levels.float() - 8) * self.scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.unpacked(), self.bias)


class Adapted(nn.Module):
    """A layer with a low-rank addition, which shows the original's weight as its own, as PEFT's does."""

    def __init__(self, of: nn.Linear) -> None:
        super().__init__()
        self.base_layer = of
        self.down = nn.Linear(of.in_features, 2, bias=False)
        self.up = nn.Linear(2, of.out_features, bias=False)

    @property
    def weight(self) -> torch.Tensor:
        return self.base_layer.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base_layer(x) + 5 * self.up(self.down(x))


def projections_replaced(model: Any, by: Any) -> Any:
    for layer in model.model.layers:
        layer.self_attn.o_proj = by(layer.self_attn.o_proj)
    return model


def lengths(model: Any) -> np.ndarray[Any, Any]:
    """Lengths of W_O v, by the definition: each value alone through the layer's projection, less its bias."""
    kept: list[torch.Tensor] = []
    hooks = [
        layer.self_attn.v_proj.register_forward_hook(lambda _m, _i, out: kept.append(out[0]))
        for layer in model.model.layers
    ]
    with torch.no_grad():
        model(torch.tensor([IDS]))
        for hook in hooks:
            hook.remove()
        found = np.zeros((3, 4, len(IDS)))
        for i, (values, layer) in enumerate(zip(kept, model.model.layers, strict=True)):
            bias = layer.self_attn.o_proj(torch.zeros(1, 32))
            for head, token in np.ndindex(4, len(IDS)):
                alone = torch.zeros(1, 32)
                own = values[token].reshape(2, 8)[head // 2]
                alone[0, head * 8 : head * 8 + 8] = own
                found[i, head, token] = (layer.self_attn.o_proj(alone) - bias).norm()
    return found


@pytest.mark.parametrize("by", [None, Packed, Adapted])
def test_lengths_are_those_of_what_the_layer_does(by: Any) -> None:
    model = llama() if by is None else projections_replaced(llama(), by)
    norms = capture(model, Words(), IDS).norms
    assert norms is not None
    np.testing.assert_allclose(norms, lengths(model), rtol=1e-4)


# torch says that this way to quantise is old, and why; models that were made so are still read.
@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_dynamically_quantised_layers_are_measured() -> None:
    model = llama()
    plain = capture(model, Words(), IDS).norms
    count = parameters(model)
    quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    norms = capture(quantised, Words(), IDS).norms
    assert plain is not None
    assert norms is not None
    np.testing.assert_allclose(norms, plain, rtol=0.1)
    assert parameters(quantised) == count


def test_packed_parameters_count_as_what_they_stand_for() -> None:
    count = parameters(llama())
    assert count == llama().num_parameters()
    packed = projections_replaced(llama(), Packed)
    assert parameters(packed) == count
    figure = AttentionPatternAnalyzer.from_model(packed, Words(), IDS)
    assert figure.shown["model"]["parameters"] == count


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda _self, x: x.relu() @ torch.ones(32, 32), "it is no matrix and bias: a relative error of"),
        (lambda _self, x: x.reshape(1, len(IDS), 32), "shape"),
    ],
    ids=["not linear", "one shape only"],
)
def test_what_cannot_be_measured_is_left_out_and_said(forward: Any, message: str) -> None:
    odd = type("Odd", (nn.Linear,), {"forward": forward})
    model = projections_replaced(llama(), lambda _of: odd(32, 32))
    with pytest.warns(UserWarning, match=f"norms: left out, because .* of layer 0, Odd, .*{message}"):
        found = capture(model, Words(), IDS)
    assert found.norms is None
    assert found.weights.shape == (3, 4, 8, 8)


# ---- rows --------------------------------------------------------------------------------------------------


def gpt_oss(sinks: float) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "head_dim": 8, "num_local_experts": 4}
    model = GptOssForCausalLM(
        GptOssConfig(
            vocab_size=60, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, **sizes
        )
    )
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.sinks.fill_(sinks)
    return model.eval()


def test_what_goes_to_sinks_is_named_and_rows_are_shares_of_the_rest() -> None:
    model = gpt_oss(3.0)
    with pytest.warns(
        UserWarning, match=r"weights: rows of GptOssForCausalLM sum to 0\.\d\d to 0\.\d\d, not"
    ):
        found = capture(model, Words(), IDS)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        raw = torch.stack(model(torch.tensor([IDS]), output_attentions=True).attentions)[:, 0].numpy()
    assert raw.sum(-1).max() < 0.5
    assert found.elsewhere is not None
    np.testing.assert_allclose(found.elsewhere, 1 - raw.sum(-1), atol=1e-6)
    np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(found.weights * (1 - found.elsewhere[..., None]), raw, atol=1e-6)
    with pytest.warns(UserWarning, match="of their attention on no token"):
        figure = AttentionPatternAnalyzer.from_model(model, Words(), "5 9 33 5")
    assert figure.shown["title"]["zh"].endswith("的注意力不在任何词元上）")
    assert "% of the attention is on no token)" in figure.shown["title"]["en"]
    assert "GptOssForCausalLM: 5 9 33 5 (" in figure.shown["title"]["en"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rounding_is_no_sink(dtype: torch.dtype) -> None:
    assert capture(llama().to(dtype), Words(), IDS * 8).elsewhere is None


@pytest.mark.parametrize("share", [math.nan, math.inf])
def test_attention_that_is_not_finite_is_refused(share: float) -> None:
    model = llama()
    with torch.no_grad():
        model.model.layers[1].self_attn.q_proj.weight[8:16] = share  # the second head
    message = (
        r"model: got attention nan at layer 1, head 1, token 0 of LlamaForCausalLM in torch\.float32, wanted"
    )
    with pytest.raises(ValueError, match=message):
        AttentionPatternAnalyzer.from_model(model, Words(), IDS)


def test_a_loss_that_is_not_finite_is_refused() -> None:
    model = llama()
    with torch.no_grad():
        model.lm_head.weight[3] = math.nan
    with pytest.raises(ValueError, match="model: got a loss of nan of LlamaForCausalLM, wanted a finite"):
        capture(model, Words(), IDS)


def test_a_reading_with_numbers_that_are_none_makes_no_figure() -> None:
    good = Captured(["a", "b"], None, np.full((1, 1, 2, 2), 0.5, np.float32), None, 1.0, None)
    json.dumps(example_of(good, name="x")["loss"])
    bad = good.weights.copy()
    bad[0, 0, 1, 0] = np.nan
    for part, value in (("weights", bad), ("loss", math.nan), ("norms", np.full((1, 1, 2), np.inf))):
        with pytest.raises(ValueError, match=f"captured.{part}: got numbers that are not finite, wanted"):
            example_of(replace(good, **{part: value}), name="x")
    with pytest.raises(ValueError, match=r"examples\[0\]\.loss: got nan, wanted a finite number"):
        AttentionPatternAnalyzer([{**example_of(good, name="x"), "loss": math.nan}])

"""Sizes of mixture-of-experts models: presets against transformers' classes, formulas against counting."""

from __future__ import annotations

import math

import pytest
import torch
import transformers
from frontier_widgets import MIXTURES, Mixture, sizes
from transformers import PreTrainedConfig

from frontier_lab.storage.checkpoints import committed

CONFIGS: dict[str, PreTrainedConfig] = {
    # Defaults of transformers are the published configurations, but for OLMoE's width and Qwen3's sizes.
    "OLMoE-1B-7B": transformers.OlmoeConfig(intermediate_size=1024),
    "Mixtral-8x7B": transformers.MixtralConfig(),
    "Qwen3-30B-A3B": transformers.Qwen3MoeConfig(
        vocab_size=151936,
        hidden_size=2048,
        intermediate_size=6144,
        moe_intermediate_size=768,
        num_hidden_layers=48,
        num_attention_heads=32,
        num_key_value_heads=4,
        head_dim=128,
        num_experts=128,
        num_experts_per_tok=8,
    ),
    "Qwen3-Next-80B-A3B": transformers.Qwen3NextConfig(),
    "gpt-oss-120b": transformers.GptOssConfig(),
    "DeepSeek-V3": transformers.DeepseekV3Config(),
    "book": transformers.MixtralConfig.from_pretrained(str(committed("mixtral"))),
}
BILLIONS = {
    # Totals and active parameters as their authors state them. OpenAI's 5.1 leaves out the embeddings.
    "OLMoE-1B-7B": (6.9, 1.3),
    "Mixtral-8x7B": (46.7, 12.9),
    "Qwen3-30B-A3B": (30.5, 3.3),
    "DeepSeek-V3": (671, 37),
}


def number_of_experts(config: PreTrainedConfig) -> int:
    names = ("num_local_experts", "n_routed_experts", "num_experts")
    return int(next(getattr(config, name) for name in names if hasattr(config, name)))


@pytest.mark.parametrize("name", CONFIGS)
def test_presets_are_counted_on_the_published_configurations(name: str) -> None:
    config, mixture = CONFIGS[name], MIXTURES[name]
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    counted = {name: parameter.numel() for name, parameter in model.named_parameters()}
    routed = {name: n for name, n in counted.items() if ".experts." in name}
    layers = {name.split(".experts.")[0] for name in routed}
    routers = sum(n for name, n in counted.items() if ".mlp.gate." in name or ".mlp.router." in name)
    assert (mixture.layers, mixture.experts) == (len(layers), number_of_experts(config))
    assert mixture.top_k == config.num_experts_per_tok
    assert mixture.layers * mixture.experts * mixture.expert == sum(routed.values())
    assert mixture.layers * mixture.experts * mixture.router == routers > 0
    assert sizes(mixture).total == sum(counted.values())


@pytest.mark.parametrize("name", BILLIONS)
def test_totals_are_those_that_the_authors_state(name: str) -> None:
    found = sizes(MIXTURES[name])
    total, active = BILLIONS[name]
    assert found.total / 1e9 == pytest.approx(total, rel=0.01)
    assert found.active / 1e9 == pytest.approx(active, rel=0.02)


def test_every_preset_is_checked_against_a_configuration() -> None:
    assert set(MIXTURES) == set(CONFIGS)


SMALL = Mixture(layers=3, experts=8, top_k=2, expert=100, router=7, other=1000)


def test_experts_that_are_split_cost_rows_of_the_router_alone_and_multiply_the_sets() -> None:
    whole, split = sizes(SMALL), sizes(SMALL, granularity=4)
    assert (whole.total, whole.active) == (1000 + 3 * 8 * 107, 1000 + 3 * (8 * 7 + 2 * 100))
    assert split.total - whole.total == split.active - whole.active == 3 * 8 * 3 * 7
    assert 10**whole.log10_sets == pytest.approx(math.comb(8, 2))
    assert 10**split.log10_sets == pytest.approx(math.comb(32, 8))


def test_a_model_that_takes_all_its_experts_is_dense() -> None:
    found = sizes(SMALL, top_k=8)
    assert found.total == found.active
    assert found.log10_sets == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"experts": 0}, "experts: got 0, wanted 1 or more"),
        ({"top_k": 9}, "top_k: got 9, wanted 1 to 8, the number of experts"),
        ({"experts": 4, "top_k": 5}, "top_k: got 5, wanted 1 to 4"),
        ({"granularity": 0}, "granularity: got 0, wanted 1 or more"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sizes(SMALL, **change)

"""The cost model against models that are really built, and against sums written out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from frontier_widgets.attention_cost import (
    BLOCKS,
    H100,
    MODELS,
    RIVALS,
    SHARINGS,
    Model,
    Retrieval,
    Rival,
    break_even,
    cost,
    crossover,
    kept_tokens,
    recurrent_cost,
    state_numbers,
)
from frontier_widgets.attention_masks import KINDS, Pattern, visible
from transformers import (
    DeepseekV3Config,
    FalconConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Mamba2Config,
    Mamba2ForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RwkvConfig,
    RwkvForCausalLM,
)

from frontier_lab.methods.memory import state_after
from frontier_lab.models import RetNetConfig, RetNetForCausalLM

CONFIGS: dict[str, PreTrainedConfig] = {
    # The sizes in the file that the lab converts the real model from.
    "SmolLM2-135M": LlamaConfig(
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        vocab_size=49152,
        tie_word_embeddings=True,
    ),
    "Llama-2-7B": LlamaConfig(),
    "Falcon-7B": FalconConfig(),
    "Mistral-7B": MistralConfig(),
    # Grattafiori et al., "The Llama 3 Herd of Models" (2024), table 3; the rest as Llama 2.
    "Llama-3.1-8B": LlamaConfig(num_key_value_heads=8, intermediate_size=14336, vocab_size=128256),
    "DeepSeek-V3": DeepseekV3Config(),
}
"""transformers' defaults are the published configurations."""


def built(config: PreTrainedConfig) -> dict[str, int]:
    """Names and numbers of the parameters, without their memory."""
    name = {"deepseek_v3": "DeepseekV3"}.get(config.model_type, config.model_type.capitalize())
    with torch.device("meta"):
        model = getattr(transformers, f"{name}ForCausalLM")(config)
    return {name: parameter.numel() for name, parameter in model.named_parameters()}


def check(preset: Model, config: PreTrainedConfig) -> None:
    parameters = built(config)
    total = sum(parameters.values())
    experts = sum(number for name, number in parameters.items() if ".experts." in name)
    chosen = experts * config.num_experts_per_tok // config.n_routed_experts if experts else 0
    assert (preset.parameters, preset.active) == (total, total - experts + chosen)
    assert preset.layers == config.num_hidden_layers
    assert preset.width == config.hidden_size
    assert preset.heads == config.num_attention_heads
    if getattr(config, "kv_lora_rank", None):
        assert preset.head_dim == config.qk_nope_head_dim + config.qk_rope_head_dim
        assert preset.value_dim == config.v_head_dim
        assert preset.latent == config.kv_lora_rank + config.qk_rope_head_dim
    else:
        one = getattr(config, "multi_query", False)
        assert preset.kv_heads == (1 if one else config.num_key_value_heads)
        assert preset.head_dim == preset.value_dim == config.head_dim


@pytest.mark.parametrize("name", CONFIGS)
def test_presets_have_the_sizes_of_the_published_configurations(name: str) -> None:
    check(MODELS[name], CONFIGS[name])


def test_every_preset_is_checked_against_a_configuration() -> None:
    assert set(MODELS) == set(CONFIGS)


def small(**more: Any) -> Model:
    return Model(
        **{
            "width": 32,
            "layers": 2,
            "heads": 4,
            "kv_heads": 2,
            "head_dim": 8,
            "value_dim": 8,
            "latent": 0,
            "parameters": 500,
            "active": 400,
            **more,
        }
    )


def test_operations_and_bytes_are_those_of_the_sums_written_out() -> None:
    found = cost(small(), Pattern("causal"), 10)
    assert found.cells == 55
    assert found.share == 0.55
    # Each pair: a dot product of 8 and a sum of 8, two operations a number; 4 heads, 2 layers.
    assert found.attention == 55 * (2 * 8 + 2 * 8) * 4 * 2
    assert found.others == 2 * 400 * 10
    # A key and a value of 8 numbers, 2 of them a token and layer, 2 bytes each.
    assert found.cache == 10 * 2 * (8 + 8) * 2 * 2
    assert found.weights == 1000
    slow = replace(H100, operations=1.0, bandwidth=1e30)
    assert cost(small(), Pattern("causal"), 10, machine=slow).prefill == found.attention + found.others
    assert cost(small(), Pattern("causal"), 10, machine=slow).decode == 800 + 10 * 32 * 4 * 2
    narrow = replace(H100, operations=1e30, bandwidth=1.0)
    assert cost(small(), Pattern("causal"), 10, machine=narrow).decode == 2 * 400 + found.cache
    assert cost(small(), Pattern("causal"), 10, bytes_each=1).cache == found.cache // 2
    assert not cost(small(), Pattern("causal"), 10, machine=replace(H100, memory=found.cache)).fits


def test_the_cache_of_a_real_model_has_as_many_bytes() -> None:
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=11,
    )
    kept = LlamaForCausalLM(config)(torch.zeros(1, 10, dtype=torch.int64), use_cache=True).past_key_values
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in kept.layers)
    assert cost(small(), Pattern("causal"), 10, bytes_each=4).cache == held


def test_sharing_keys_and_values_shrinks_the_cache_alone() -> None:
    model = MODELS["Llama-2-7B"]
    costs = {sharing: cost(model.shared(sharing), Pattern("causal"), 4096) for sharing in SHARINGS}
    assert costs["mha"].cache == 8 * costs["gqa"].cache == 32 * costs["mqa"].cache
    assert costs["mha"].cache == 2 * 32 * 4096 * 4096 * 2  # two gibibytes
    # DeepSeek-V3's own: 576 numbers for heads of 128, as much as GQA with two and a quarter groups.
    assert model.shared("mla").kept == MODELS["DeepSeek-V3"].kept == 576
    assert len({found.attention for found in costs.values()}) == 1
    assert MODELS["Falcon-7B"].shared("gqa").kv_heads == 71  # a prime number has no other groups than itself


@pytest.mark.parametrize("kind", KINDS)
def test_dropped_tokens_are_seen_by_no_later_row(kind: Any) -> None:
    pattern = Pattern(kind, window=5, dilation=2, sinks=3, anchors=2)
    n = 40
    kept = kept_tokens(pattern, n)
    later = visible(pattern, n + 20)[n:, :n].any(0)  # seen by any of the next twenty
    assert later.sum() <= kept
    if kind not in ("full", "causal", "global", "random", "strided"):
        assert kept < n


def test_a_window_makes_cost_grow_with_the_length_alone() -> None:
    model = MODELS["Mistral-7B"]
    window = Pattern("window", window=4096)
    one, two = (cost(model, window, n) for n in (1 << 18, 1 << 19))
    assert two.attention / one.attention == pytest.approx(2, rel=0.02)
    assert two.cache == one.cache
    assert two.decode == one.decode
    full_one, full_two = (cost(model, Pattern("causal"), n) for n in (1 << 18, 1 << 19))
    assert full_two.attention / full_one.attention == pytest.approx(4, rel=0.01)
    assert not full_two.fits or full_two.cache > two.cache


def test_the_longest_text_within_a_budget_is_the_longest() -> None:
    model, pattern, retrieval = MODELS["Llama-3.1-8B"], Pattern("causal"), Retrieval()
    assert retrieval.read == 5 * 256 + 32
    assert retrieval.right == pytest.approx(0.81)
    for budget in (1.0, 3.0, 100.0):
        longest = break_even(model, pattern, retrieval, budget=budget)

        def operations(n: int) -> int:
            found = cost(model, pattern, n)
            return found.attention + found.others

        allowed = budget * operations(retrieval.read) / retrieval.found
        assert operations(longest) <= allowed < operations(longest + 1)
    assert break_even(model, pattern, replace(retrieval, found=1.0), budget=1) == retrieval.read
    assert break_even(model, pattern, retrieval, budget=1e9, longest=5000) == 5000


def test_the_rarer_the_right_passage_is_found_the_longer_a_text_is_worth_reading_whole() -> None:
    model, pattern = MODELS["Llama-3.1-8B"], Pattern("causal")
    found = (1.0, 0.9, 0.5, 0.05)
    lengths = [break_even(model, pattern, Retrieval(found=share), budget=8) for share in found]
    assert lengths == sorted(set(lengths))
    assert lengths[-1] > 5 * lengths[0]
    assert break_even(model, pattern, Retrieval(found=0), budget=1, longest=7000) == 7000


def test_break_even_is_where_falling_back_after_a_miss_costs_as_much_as_reading_whole() -> None:
    model, pattern, retrieval = MODELS["Llama-3.1-8B"], Pattern("causal"), Retrieval(found=0.25)

    def operations(n: int) -> int:
        found = cost(model, pattern, n)
        return found.attention + found.others

    def falling_back(n: int) -> float:
        return operations(retrieval.read) + (1 - retrieval.found) * operations(n)

    longest = break_even(model, pattern, retrieval, budget=1)
    assert operations(longest) <= falling_back(longest)
    assert operations(longest + 1) > falling_back(longest + 1)


def recurrent(rival: Rival, width: int) -> PreTrainedModel:
    """A model of two layers with the sizes that its authors published, but for the width."""
    sizes: dict[str, Any] = {"vocab_size": 11, "hidden_size": width, "num_hidden_layers": 2}
    if rival == "mamba":
        return MambaForCausalLM(MambaConfig(**sizes))
    if rival == "mamba2":
        return Mamba2ForCausalLM(Mamba2Config(**sizes, num_heads=2 * width // 64))
    if rival == "rwkv":
        return RwkvForCausalLM(RwkvConfig(**sizes))
    wide = {"value_size": 2 * width, "intermediate_size": 2 * width}
    retnet = RetNetConfig(**sizes, num_attention_heads=width // 256, **wide)
    return RetNetForCausalLM(retnet)


@pytest.mark.parametrize("rival", RIVALS)
def test_a_real_recurrent_model_keeps_as_many_numbers(rival: Rival) -> None:
    model = recurrent(rival, 512).eval()
    for tokens in (5, 9):
        kept = state_after(model, torch.zeros(1, tokens, dtype=torch.int64))
        assert sum(tensor.numel() for tensor in kept) == 2 * state_numbers(512, rival)


@pytest.mark.parametrize("rival", RIVALS)
def test_blocks_in_the_place_of_a_layer_have_as_many_parameters(rival: Rival) -> None:
    layer = 12 * 4096**2  # attention without groups, and a feed-forward network of four times the width
    with torch.device("meta"):
        two = recurrent(rival, 4096)
    outside = two.get_input_embeddings().weight.numel() * (1 if two.config.tie_word_embeddings else 2)
    block = (two.num_parameters() - outside) / 2
    assert BLOCKS[rival] * block == pytest.approx(layer, rel=0.12)


def test_a_fixed_state_costs_the_same_at_any_length() -> None:
    model = small()
    one, two = (recurrent_cost(model, "retnet", n) for n in (100, 200))
    numbers = 2 * 256 * 2 * 32
    assert one.state == two.state == 2 * numbers
    assert one.operations == 100 * (2 * 400 + 5 * numbers)
    assert two.operations == 2 * one.operations
    assert one.decode == two.decode
    slow = replace(H100, operations=1.0, bandwidth=1e30)
    assert recurrent_cost(model, "retnet", 100, machine=slow).prefill == one.operations
    narrow = replace(H100, operations=1e30, bandwidth=1.0)
    assert recurrent_cost(model, "rwkv", 9, machine=narrow).decode == 2 * (400 + 2 * 2 * 5 * 32)


@pytest.mark.parametrize("rival", RIVALS)
def test_keys_and_values_outgrow_the_state_at_the_crossover(rival: Rival) -> None:
    model, causal = MODELS["Llama-3.1-8B"], Pattern("causal")
    found = crossover(model, causal, rival)
    assert found is not None
    state = recurrent_cost(model, rival, 1).state
    assert cost(model, causal, found).cache > state
    assert found == 1 or cost(model, causal, found - 1).cache <= state
    narrow = Pattern("window", window=1)
    expected = 1 if model.kept > BLOCKS[rival] * state_numbers(model.width, rival) else None
    assert crossover(model, narrow, rival) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: small(width=0), "width: got 0, wanted 1 or more"),
        (lambda: state_numbers(32, "lstm"), "rival: got 'lstm', wanted one of mamba"),
        (lambda: recurrent_cost(small(), "rwkv", 0), "n: got 0, wanted 1 or more"),
        (
            lambda: recurrent_cost(small(), "rwkv", 1, bytes_each=0),
            "bytes_each: got 0, wanted above 0",
        ),
        (lambda: small(layers=0), "layers: got 0, wanted 1 or more"),
        (lambda: small(kv_heads=3), "kv_heads: got 3, wanted a divisor of the 4 heads"),
        (lambda: small(latent=-1), "latent: got -1, wanted 0 or more"),
        (lambda: small().shared("all"), "sharing: got 'all', wanted one of mha"),
        (lambda: cost(small(), Pattern("full"), 1, bytes_each=0), "bytes_each: got 0, wanted above 0"),
        (lambda: cost(small(), Pattern("full"), 0), "n: got 0, wanted 1 or more"),
        (lambda: Retrieval(chunk=0), "chunk: got 0, wanted 1 or more"),
        (lambda: Retrieval(found=1.5), "found: got 1.5, wanted 0 to 1"),
        (
            lambda: break_even(small(), Pattern("full"), Retrieval(), budget=0.5),
            "budget: got 0.5, wanted 1 or more",
        ),
    ],
)
def test_arguments_that_cannot_be_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()

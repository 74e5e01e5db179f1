"""Matching finds a hidden copy of a network, and never changes what a network computes."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from frontier_lab.methods import rebasin
from frontier_lab.methods.rebasin import Layers


def perceptron(seed: int, widths: tuple[int, ...] = (5, 9, 7, 3)) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(out, into, generator=generator), torch.randn(out, generator=generator))
        for into, out in itertools.pairwise(widths)
    ]


def answer(layers: Layers, x: Tensor) -> Tensor:
    for at, (weight, bias) in enumerate(layers):
        x = nn.functional.linear(x if at == 0 else x.relu(), weight, bias)
    return x


def distance(a: Layers, b: Layers) -> float:
    return sum(
        float((x - y).square().sum())
        for one, two in zip(a, b, strict=True)
        for x, y in zip(one, two, strict=True)
    )


def test_a_permuted_copy_is_put_back_unit_for_unit() -> None:
    a = perceptron(0)
    orders = [torch.randperm(9, generator=torch.Generator().manual_seed(1)), torch.randperm(7)]
    copy = rebasin.permuted(a, orders)
    back = rebasin.permuted(copy, rebasin.match_mlp(a, copy))
    assert distance(a, copy) > 1
    assert distance(a, back) == 0


def test_matching_strangers_brings_them_nearer_and_leaves_the_function() -> None:
    a, b = perceptron(0), perceptron(1)
    moved = rebasin.permuted(b, rebasin.match_mlp(a, b))
    assert distance(a, moved) < distance(a, b) - 1
    x = torch.randn(20, 5)
    torch.testing.assert_close(answer(moved, x), answer(b, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_order_of_one_layer_is_nearer(seed: int) -> None:
    a, b = (perceptron(which, (2, 4, 3, 4, 2)) for which in (2 * seed, 2 * seed + 1))
    orders = rebasin.match_mlp(a, b, seed=seed)
    found = distance(a, rebasin.permuted(b, orders))
    for at, order in enumerate(orders):
        for other in itertools.permutations(range(len(order))):
            tried = [*orders[:at], torch.tensor(other), *orders[at + 1 :]]
            assert distance(a, rebasin.permuted(b, tried)) >= found - 1e-4


def llama(seed: int) -> LlamaForCausalLM:
    """A small Llama whose norms have weights of their own."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=40,
            hidden_size=24,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=3,
            head_dim=8,
            tie_word_embeddings=True,
            initializer_range=0.3,
        )
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.copy_(0.5 + torch.rand(parameter.shape))
    return model.eval()


IDS = torch.randint(0, 40, (4, 16), generator=torch.Generator().manual_seed(7))


def logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(input_ids=IDS).logits
    return found


def test_folding_the_norms_leaves_the_function() -> None:
    model = llama(0)
    folded = rebasin.fold_norms(model)
    torch.testing.assert_close(logits(folded), logits(model), rtol=1e-4, atol=1e-4)
    assert all((p == 1).all() for name, p in folded.named_parameters() if "norm" in name)
    assert "lm_head.weight" in dict(folded.named_parameters())


@pytest.mark.parametrize("stream", ["", "permutation", "rotation"])
@pytest.mark.parametrize(("nets", "heads", "inside"), [(1, 0, 0), (0, 1, 0), (0, 1, 1), (1, 1, 1)])
def test_every_kind_of_matching_leaves_the_function(stream: str, nets: int, heads: int, inside: int) -> None:
    a, b = (rebasin.fold_norms(llama(seed)) for seed in (0, 1))
    before = {name: tensor.clone() for name, tensor in b.state_dict().items()}
    moved = rebasin.match_llama(
        a, b, IDS, stream=stream, nets=bool(nets), heads=bool(heads), inside=bool(inside)
    )
    torch.testing.assert_close(logits(moved), logits(b), rtol=1e-3, atol=1e-3)
    assert all(torch.equal(before[name], tensor) for name, tensor in b.state_dict().items())
    changed = [name for name, tensor in moved.state_dict().items() if not torch.equal(before[name], tensor)]
    assert any("mlp" in name for name in changed) == bool(nets or stream)
    assert any("self_attn" in name for name in changed) == bool(heads or stream)


def test_a_llama_that_was_turned_and_permuted_is_put_back() -> None:
    a = rebasin.fold_norms(llama(0))
    turn = torch.linalg.qr(torch.randn(24, 24, generator=torch.Generator().manual_seed(3)))[0]
    weights = {name: tensor.clone() for name, tensor in a.state_dict().items()}
    rebasin._turn_stream(weights, turn, 2)
    for layer in range(2):
        prefix, order = f"model.layers.{layer}.mlp.", torch.randperm(37)
        weights[f"{prefix}gate_proj.weight"] = weights[f"{prefix}gate_proj.weight"][order]
        weights[f"{prefix}up_proj.weight"] = -weights[f"{prefix}up_proj.weight"][order]
        weights[f"{prefix}down_proj.weight"] = -weights[f"{prefix}down_proj.weight"][:, order]
        swap = torch.arange(24).reshape(3, 8)[torch.tensor([2, 0, 1])].flatten()
        for p in "qkv":
            name = f"model.layers.{layer}.self_attn.{p}_proj.weight"
            weights[name] = weights[name][swap]
        name = f"model.layers.{layer}.self_attn.o_proj.weight"
        weights[name] = weights[name][:, swap]
    copy = rebasin._built(a.config, weights)
    torch.testing.assert_close(logits(copy), logits(a), rtol=1e-3, atol=1e-3)
    back = rebasin.match_llama(a, copy, IDS).state_dict()
    for name, tensor in a.state_dict().items():
        torch.testing.assert_close(back[name], tensor, rtol=1e-2, atol=1e-3, msg=name)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="orders: got 1, wanted 2"):
        rebasin.permuted(perceptron(0), [torch.arange(9)])
    with pytest.raises(ValueError, match=r"b: got weights of shapes \[\(3, 5\)\]"):
        rebasin.match_mlp(perceptron(0, (5, 4)), perceptron(0, (5, 3)))
    with pytest.raises(ValueError, match="b: got norms with weights, wanted a model from fold_norms"):
        rebasin.match_llama(rebasin.fold_norms(llama(0)), llama(1), IDS)

"""Every way of ours to put adapters together gives what peft's ``add_weighted_adapter`` gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from frontier_lab.methods import adapters as ours
from frontier_lab.methods.adapters import Adapter, Rule

NAMES = ("one", "two", "three")
DENSITY = 0.6
RULES: tuple[Rule, ...] = ("linear", "magnitude_prune", "ties", "dare_linear", "dare_ties")
WEIGHTS = pytest.mark.parametrize("weights", [(0.8, 0.8, 0.8), (0.7, 0.2, 1.3), (1.0, -0.5, 0.4)])


class Two(nn.Module):
    """Two matrices of odd sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(11, 7), nn.Linear(7, 13)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(self.first(x))
        return found


def model(ranks: tuple[int, ...] = (3, 3, 3)) -> Any:
    """Three random adapters, none of them zero, with scalings of their own."""
    torch.manual_seed(0)
    settings = [
        LoraConfig(r=rank, lora_alpha=2 * rank + number, target_modules=["first", "second"])
        for number, rank in enumerate(ranks)
    ]
    found = get_peft_model(Two(), settings[0], adapter_name=NAMES[0])
    for name, setting in zip(NAMES[1:], settings[1:], strict=True):
        found.add_adapter(name, setting)
    with torch.no_grad():
        for key, parameter in found.named_parameters():
            if "lora_" in key:
                parameter.copy_(torch.randn(parameter.shape))
    return found.eval()


def combined(found: Any, kind: str, weights: tuple[float, ...], **options: Any) -> list[torch.Tensor]:
    """What peft adds to each matrix."""
    torch.manual_seed(5)
    found.add_weighted_adapter(list(NAMES), list(weights), "sum", combination_type=kind, **options)
    return list(ours.deltas(found, "sum").values())


def each(found: Any) -> list[list[Adapter]]:
    return [[ours.factors(layer, name) for name in NAMES] for layer in ours.layers(found).values()]


def assert_same(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> None:
    assert len(found) == len(wanted) == 2
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6 * other.abs().max().item())


@WEIGHTS
@pytest.mark.parametrize("ranks", [(3, 3, 3), (1, 4, 2)])
def test_cat_is_pefts_and_the_exact_sum(weights: tuple[float, ...], ranks: tuple[int, ...]) -> None:
    found = model(ranks)
    wanted = [ours.concatenated(layer, weights).delta for layer in each(found)]
    sums = [sum(w * one.delta for w, one in zip(weights, layer, strict=True)) for layer in each(found)]
    assert_same(wanted, [torch.as_tensor(one) for one in sums])
    assert_same(combined(found, "cat", weights), wanted)


@WEIGHTS
@pytest.mark.parametrize("rank", [None, 2, 5, 7])
def test_svd_is_pefts(weights: tuple[float, ...], rank: int | None) -> None:
    found = model()
    wanted = [
        ours.truncated(ours.concatenated(layer, weights).delta, rank or 3).delta for layer in each(found)
    ]
    for one, other in zip(combined(found, "svd", weights, svd_rank=rank), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@WEIGHTS
@pytest.mark.parametrize("rule", RULES)
def test_rules_on_factors_are_pefts(rule: Rule, weights: tuple[float, ...]) -> None:
    found, generator = model(), torch.Generator().manual_seed(5)
    density = 1.0 if rule == "linear" else DENSITY
    wanted = [ours.combined_factors(rule, layer, weights, density, generator).delta for layer in each(found)]
    options = {} if rule == "linear" else {"density": DENSITY}
    torch.manual_seed(5)
    assert_same(combined_without_first_weights(found, rule, weights, **options), wanted)


@WEIGHTS
@pytest.mark.parametrize("rule", RULES[1:])
def test_rules_on_whole_changes_are_pefts(rule: Rule, weights: tuple[float, ...]) -> None:
    found, generator = model(), torch.Generator().manual_seed(5)
    wanted = [
        ours.truncated(
            ours.combined_tensors(rule, [one.delta for one in layer], weights, DENSITY, generator), 7
        ).delta
        for layer in each(found)
    ]
    made = combined_without_first_weights(found, f"{rule}_svd", weights, density=DENSITY, svd_rank=7)
    for one, other in zip(made, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def combined_without_first_weights(
    found: Any, kind: str, weights: tuple[float, ...], **options: Any
) -> list[torch.Tensor]:
    """``combined``, where first weights of the new adapter take no random numbers from the rule."""
    tuner, state = found.base_model, torch.Generator().manual_seed(5).get_state()
    inject = tuner.inject_adapter

    def quietly(*arguments: Any, **more: Any) -> None:
        inject(*arguments, **more)
        torch.set_rng_state(state)

    tuner.inject_adapter = quietly
    return combined(found, kind, weights, **options)


def test_linear_is_the_sum_and_the_cross_terms() -> None:
    for layer in each(model()):
        weights = (0.5, 0.9, 0.2)
        linear = ours.combined_factors("linear", layer, weights).delta
        crossed = sum(
            (weights[i] * layer[i].scale * weights[j] * layer[j].scale) ** 0.5 * layer[i].b @ layer[j].a
            for i in range(3)
            for j in range(3)
            if i != j
        )
        torch.testing.assert_close(ours.cross_terms(layer, weights), torch.as_tensor(crossed))
        torch.testing.assert_close(linear, ours.concatenated(layer, weights).delta + crossed)


def test_rewriting_keeps_the_change_and_changes_linear() -> None:
    layer = each(model())[0]
    turn = torch.linalg.qr(torch.randn(3, 3)).Q
    other = [ours.rewritten(layer[0], turn), *layer[1:]]
    torch.testing.assert_close(other[0].delta, layer[0].delta)
    weights = (1.0, 1.0, 1.0)
    torch.testing.assert_close(
        ours.concatenated(other, weights).delta, ours.concatenated(layer, weights).delta
    )
    moved = ours.combined_factors("linear", other, weights).delta
    assert (moved - ours.combined_factors("linear", layer, weights).delta).norm() > 0.1 * moved.norm()


def test_wrong_arguments_are_named() -> None:
    layer = each(model((1, 4, 2)))[0]
    with pytest.raises(ValueError, match="ranks"):
        ours.combined_factors("linear", layer, (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="weights"):
        ours.concatenated(layer, (1.0,))
    with pytest.raises(ValueError, match="rank"):
        ours.truncated(layer[0].delta, 0)
    with pytest.raises(ValueError, match="density"):
        ours.combined_tensors("ties", [layer[0].a], (1.0,), 0.0)
    with pytest.raises(ValueError, match="turn"):
        ours.rewritten(layer[0], torch.eye(3))

"""Patching puts one run's activations into another, exactly, and leaves the model as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from frontier_lab import hub
from frontier_lab.methods import patching
from frontier_lab.methods.patching import Site
from frontier_lab.storage.checkpoints import committed
from frontier_lab.texts import sequence_tasks

CLEAN = torch.tensor([[5, 9, 33, 21, 7], [6, 3, 2, 8, 4]])
CORRUPT = torch.tensor([[5, 9, 40, 21, 7], [6, 3, 30, 8, 4]])
METRIC = patching.logit_difference(-1, torch.tensor([11, 12]), torch.tensor([20, 21]))


def made(name: str) -> Any:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}
    model = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(vocab_size=60, num_hidden_layers=3, **sizes)),
        "bert": lambda: BertForMaskedLM(BertConfig(vocab_size=60, num_hidden_layers=3, **sizes)),
        "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=60, n_embd=32, n_layer=3, n_head=4)),
    }[name]()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return model.eval()


@pytest.mark.parametrize("name", ["llama", "bert", "gpt2"])
@pytest.mark.parametrize("kind", ["residual", "heads", "mlp"])
def test_patching_a_run_with_itself_changes_nothing_and_no_hook_stays(name: str, kind: Any) -> None:
    model = made(name)
    with torch.no_grad():
        before = model(CORRUPT).logits
        kept, logits = patching.record(model, CORRUPT, [Site(kind, layer) for layer in range(3)])
        assert torch.equal(logits, before)
        for site, donor in kept.items():
            with patching.edited(model, site, patching.put(donor)):
                assert torch.allclose(model(CORRUPT).logits, before, atol=1e-5)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with pytest.raises(RuntimeError, match="inside"), patching.edited(model, Site(kind, 0), lambda x: x):
        raise RuntimeError("inside")
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("name", ["llama", "bert", "gpt2"])
def test_all_positions_of_a_layers_residual_bring_the_clean_answer_back(name: str) -> None:
    model = made(name)
    with torch.no_grad():
        donors, clean = patching.record(model, CLEAN, [Site("residual", 1)])
        with patching.edited(model, Site("residual", 1), patching.put(donors[Site("residual", 1)])):
            assert torch.allclose(model(CORRUPT).logits, clean, atol=1e-4)
    found = patching.recovered(model, CLEAN, CORRUPT, METRIC)
    assert found.shape == (3, 5)
    # After the last layer only the position that is asked for matters, and before it only what differs does.
    assert found[-1, -1] == pytest.approx(1, abs=1e-4)
    assert found[-1, :-1].abs().max() < 1e-4
    if name != "bert":
        assert found[:, :2].abs().max() < 1e-4


def test_the_positions_before_the_difference_carry_nothing() -> None:
    found = patching.recovered(made("llama"), CLEAN, CORRUPT, METRIC, "mlp")
    assert found[:, :2].abs().max() < 1e-4
    assert found[:, 2].abs().max() > 1e-3


def test_heads_are_parts_of_the_input_of_the_output_projection() -> None:
    model = made("llama")
    by_head = patching.recovered(model, CLEAN, CORRUPT, METRIC, "heads", by_head=True)
    assert by_head.shape == (3, 4)
    site = Site("heads", 1)
    with torch.no_grad():
        donors, clean = patching.record(model, CLEAN, [site])
        low = METRIC(model(CORRUPT).logits)
        edit = patching.put(donors[site], head=(2, 4))
        with patching.edited(model, site, edit):
            there = METRIC(model(CORRUPT).logits)
    assert by_head[1, 2] == pytest.approx(((there - low) / (METRIC(clean) - low)).item(), abs=1e-5)


def test_attribution_is_the_slope_of_patching() -> None:
    """Of a small step towards the clean run, it is what patching gives, to first order."""
    model = made("gpt2").double()
    site = Site("residual", 0)
    guess = patching.attributed(model, CLEAN, CORRUPT, METRIC)
    with torch.no_grad():
        donors, clean = patching.record(model, CLEAN, [site])
        own, _ = patching.record(model, CORRUPT, [site])
        low = METRIC(model(CORRUPT).logits)
        step = 1e-5
        near = own[site] + step * (donors[site] - own[site])
        with patching.edited(model, site, patching.put(near, positions=[2])):
            change = (METRIC(model(CORRUPT).logits) - low) / step
    assert guess[0, 2].item() == pytest.approx((change / (METRIC(clean) - low)).item(), rel=1e-3)
    by_head = patching.attributed(model, CLEAN, CORRUPT, METRIC, "heads", by_head=True)
    assert by_head.shape == (3, 4)
    whole = patching.attributed(model, CLEAN, CORRUPT, METRIC, "heads")
    assert torch.allclose(by_head.sum(1), whole.sum(1))


def test_in_the_induction_model_the_answer_travels_by_its_heads() -> None:
    model = hub.load(str(committed("induction")))
    ids = sequence_tasks.repeated(16, 20, 95, 3, first=1)  # [B, 40]
    clean, corrupt = ids[:, :31], ids[:, :31].clone()
    right, wrong = ids[:, 31], (ids[:, 31] % 94) + 1
    corrupt[:, 11] = wrong  # what followed the first time: token 30 was seen at 10
    metric = patching.logit_difference(-1, right, wrong)
    found = patching.recovered(model, clean, corrupt, metric)
    assert found[0, 11] > 0.8  # still at its place after the first layer
    assert found[1, 30] > 0.99  # and where it is needed after the second
    by_head = patching.recovered(model, clean, corrupt, metric, "heads", by_head=True)
    assert by_head[1].sum() > 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corrupt": CORRUPT[:, :4]}, r"corrupt: got shape \[2, 4\], wanted that of clean, \[2, 5\]"),
        ({"corrupt": CLEAN}, "in both runs"),
        ({"by_head": True}, "by_head: got True with kind 'residual'"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], message: str) -> None:
    arguments = {"clean": CLEAN, "corrupt": CORRUPT, "metric": METRIC, **change}
    with pytest.raises(ValueError, match=message):
        patching.recovered(made("llama"), **arguments)


def test_a_layer_that_is_not_there_is_named() -> None:
    with (
        pytest.raises(ValueError, match="site: got layer 3, wanted 0 to 2"),
        patching.edited(made("llama"), Site("mlp", 3), lambda x: x),
    ):
        pass

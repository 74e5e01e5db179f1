"""RetNet, S4D and the selective scan: the forms agree, nothing looks ahead, what is saved comes back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import MambaConfig, MambaForCausalLM, PreTrainedModel, RwkvConfig, RwkvForCausalLM
from transformers.models.rwkv import modeling_rwkv

from frontier_lab import hub
from frontier_lab.models import (
    RetNetConfig,
    RetNetForCausalLM,
    S4DConfig,
    S4DForCausalLM,
    selective_scan,
    wkv,
)
from frontier_lab.models.s4d import S4DLayer

RETNET = RetNetConfig(vocab_size=40, hidden_size=24, value_size=48, intermediate_size=32)
S4D = S4DConfig(vocab_size=40, hidden_size=24, state_size=5, intermediate_size=32)


def build(name: str) -> PreTrainedModel:
    """An untrained model with weights large enough for every part of it to matter."""
    model = {"retnet": lambda: RetNetForCausalLM(RETNET), "s4d": lambda: S4DForCausalLM(S4D)}[name]()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(8 if parameter.std() < 0.1 else 1)
    return model.eval()


def stepwise(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Logits ``[B, T, V]`` of the recurrent form, one token after the other."""
    state, rows = None, []
    for t in range(ids.shape[1]):
        logits, state = model.step(ids[:, t], state)
        rows.append(logits)
    return torch.stack(rows, 1)


@pytest.mark.parametrize("name", ["retnet", "s4d"])
@pytest.mark.parametrize("time", [1, 2, 70, 131])
@torch.no_grad()
def test_the_whole_pass_equals_the_steps(name: str, time: int) -> None:
    model = build(name)
    ids = torch.randint(0, 40, (3, time))
    whole = model(ids).logits
    assert whole.std() > 0.1
    torch.testing.assert_close(stepwise(model, ids), whole, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["retnet", "s4d"])
@torch.no_grad()
def test_a_step_leaves_the_state_that_it_was_given(name: str) -> None:
    model = build(name)
    _, state = model.step(torch.tensor([1, 2]))
    first, _ = model.step(torch.tensor([3, 4]), state)
    again, _ = model.step(torch.tensor([3, 4]), state)
    assert torch.equal(first, again)


@pytest.mark.parametrize("name", ["retnet", "s4d"])
@torch.no_grad()
def test_no_position_sees_a_later_token_and_every_later_one_sees_it(name: str) -> None:
    # The Fourier transform's convolution is circular: without padding the end would leak into the start.
    model = build(name)
    ids = torch.randint(0, 40, (1, 50))
    changed = ids.clone()
    changed[0, 20] = (ids[0, 20] + 1) % 40
    difference = (model(changed).logits - model(ids).logits).abs().amax(-1)[0]
    assert difference[:20].max() < 1e-5
    assert difference[20:].min() > 1e-4


@pytest.mark.parametrize("name", ["retnet", "s4d"])
def test_the_loss_is_that_of_the_next_token(name: str) -> None:
    model = build(name)
    ids = torch.randint(0, 40, (2, 9))
    labels = ids.clone()
    labels[:, :4] = -100
    out = model(ids, labels=labels)
    wanted = torch.nn.functional.cross_entropy(out.logits[:, 3:-1].flatten(0, 1), ids[:, 4:].flatten())
    torch.testing.assert_close(out.loss, wanted)
    out.loss.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", ["retnet", "s4d"])
def test_the_auto_classes_give_back_what_was_saved(name: str, tmp_path: Path) -> None:
    model = build(name)
    model.save_pretrained(tmp_path)
    loaded = hub.load(str(tmp_path))  # refuses missing and unexpected weights
    assert type(loaded) is type(model)
    ids = torch.randint(0, 40, (2, 9))
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert loaded.head.weight is loaded.embeddings.weight
    with safe_open(tmp_path / "model.safetensors", "pt") as tensors:
        stored = sum(tensors.get_tensor(key).numel() for key in tensors.keys())  # noqa: SIM118
    assert stored == sum(parameter.numel() for parameter in model.parameters())


def test_a_step_of_s4d_is_the_exact_solution_for_an_input_that_is_held() -> None:
    layer = S4DForCausalLM(S4D).double().blocks[0].state_space
    assert isinstance(layer, S4DLayer)
    factor, weight = layer.discrete()
    a = torch.complex(-layer.log_decay.exp(), layer.frequency)
    step, read_out = layer.log_time_step.exp(), torch.view_as_complex(layer.read_out)
    # ds/dt = A s + u with u held is d(s, u)/dt = [[A, 1], [0, 0]] (s, u): its exponential holds Ā and B̄.
    system = torch.zeros(24, 5, 2, 2, dtype=torch.complex128)
    system[..., 0, 0], system[..., 0, 1] = a * step[:, None], step[:, None]
    exact = torch.linalg.matrix_exp(system)
    torch.testing.assert_close(factor, exact[..., 0, 0])
    torch.testing.assert_close(weight, 2 * read_out * exact[..., 0, 1])
    assert (factor.abs() < 1).all()


def test_the_kernel_of_s4d_is_the_recurrences_answer_to_a_unit_input() -> None:
    layer = S4DForCausalLM(S4D).blocks[0].state_space
    factor, weight = layer.discrete()
    state, answers = torch.ones_like(factor), []
    for _ in range(60):
        answers.append((weight * state).sum(-1).real)
        state = factor * state
    torch.testing.assert_close(layer.kernel(60), torch.stack(answers, 1), atol=1e-5, rtol=1e-4)


def test_s4d_starts_with_the_published_poles() -> None:
    layer = S4DForCausalLM(S4D).blocks[1].state_space
    assert torch.equal(layer.log_decay, torch.full((24, 5), math.log(0.5)))
    torch.testing.assert_close(layer.frequency, math.pi * torch.arange(5.0).expand(24, 5))
    assert (layer.log_time_step >= math.log(0.001)).all()
    assert (layer.log_time_step <= math.log(0.1)).all()


def gradients(model: PreTrainedModel, ids: Tensor) -> dict[str, Tensor]:
    """The loss on these tokens, and the gradient of every parameter by its name."""
    model.zero_grad()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return {"loss": loss.detach(), **{n: p.grad for n, p in model.named_parameters()}}


def test_the_selective_scan_is_transformers_own_with_the_same_gradients() -> None:
    config = MambaConfig(vocab_size=40, hidden_size=24, num_hidden_layers=2, state_size=5)
    model = MambaForCausalLM(config)
    ids = torch.randint(0, 40, (2, 33))

    theirs = gradients(model, ids)
    with selective_scan.installed():
        ours = gradients(model, ids)
        cached = model(input_ids=ids, use_cache=True)
    assert torch.equal(ours["loss"], theirs["loss"])
    for name, gradient in theirs.items():
        assert (ours[name] - gradient).norm() <= 1e-5 * gradient.norm(), name
    wanted = model(input_ids=ids, use_cache=True)
    for mine, layer in zip(cached.cache_params.layers, wanted.cache_params.layers, strict=True):
        torch.testing.assert_close(mine.recurrent_states[0], layer.recurrent_states[0])


def test_the_selective_scan_leaves_transformers_as_it_was() -> None:
    from transformers.models.mamba import modeling_mamba

    before = modeling_mamba.mamba_selective_scan

    def interrupted() -> None:
        with selective_scan.installed():
            assert modeling_mamba.mamba_selective_scan is selective_scan.selective_scan
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert modeling_mamba.mamba_selective_scan is before


def test_the_weighted_mean_is_transformers_own_with_the_same_gradients() -> None:
    config = RwkvConfig(vocab_size=40, hidden_size=24, num_hidden_layers=2, rescale_every=0)
    model = RwkvForCausalLM(config)
    with torch.no_grad():
        model.rwkv.embeddings.weight.normal_()
        for block in model.rwkv.blocks:
            block.attention.key.weight.mul_(20)  # exponents far apart: the scale has to change on the way
    ids = torch.randint(0, 40, (2, 33))

    theirs = gradients(model, ids)
    with wkv.installed():
        ours = gradients(model, ids)
        cached = model(input_ids=ids, use_cache=True)
    torch.testing.assert_close(ours["loss"], theirs["loss"])
    for name, gradient in theirs.items():
        assert gradient.norm() > 0, name
        assert (ours[name] - gradient).norm() <= 1e-4 * gradient.norm(), name
    for mine, wanted in zip(cached.state, model(input_ids=ids, use_cache=True).state, strict=True):
        assert torch.equal(mine, wanted)
    assert modeling_rwkv.rwkv_linear_attention_cpu is not wkv.weighted_mean

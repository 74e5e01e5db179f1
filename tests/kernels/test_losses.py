"""Balance loss, z-loss and the bias rule."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

import frontier_kernels as fk
from frontier_kernels import reference


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_balance_loss_equals_the_reference_and_transformers(top_k: int) -> None:
    logits = torch.randn(100, 8)
    experts = fk.route(logits, top_k).experts
    torch.testing.assert_close(
        fk.load_balancing_loss(logits, experts), reference.load_balancing_loss(logits, experts)
    )
    theirs = load_balancing_loss_func((logits,), 8, top_k)
    torch.testing.assert_close(fk.load_balancing_loss(logits, experts, sum_over_top_k=True), theirs)


def test_balance_loss_leaves_masked_tokens_out() -> None:
    logits = torch.randn(60, 4)
    experts = fk.route(logits, 2).experts
    mask = torch.arange(60) < 40
    torch.testing.assert_close(
        fk.load_balancing_loss(logits, experts, mask=mask), fk.load_balancing_loss(logits[:40], experts[:40])
    )
    theirs = load_balancing_loss_func((logits,), 4, 2, attention_mask=mask[None].long())
    torch.testing.assert_close(
        fk.load_balancing_loss(logits, experts, mask=mask, sum_over_top_k=True), theirs
    )


def test_balance_loss_is_one_when_even_and_the_number_of_experts_when_collapsed() -> None:
    even = torch.eye(4).repeat(8, 1) * 30
    collapsed = torch.tensor([30.0, 0, 0, 0]).expand(32, 4)
    for logits, wanted in ((even, 1.0), (collapsed, 4.0)):
        assert fk.load_balancing_loss(logits, fk.route(logits, 1).experts).item() == pytest.approx(
            wanted, rel=1e-5
        )


def test_balance_loss_sends_its_gradient_through_the_probabilities() -> None:
    logits = torch.randn(50, 6, dtype=torch.float64, requires_grad=True)
    experts = fk.route(logits, 2).experts
    assert torch.autograd.gradcheck(lambda z: fk.load_balancing_loss(z, experts), (logits,))


@pytest.mark.parametrize("scoring", ["softmax", "sigmoid"])
@pytest.mark.parametrize("shape", [(3, 20, 6, 2), (1, 1, 1, 1), (2, 7, 5, 5)], ids=str)
def test_sequence_loss_equals_the_reference(
    scoring: Literal["softmax", "sigmoid"], shape: tuple[int, int, int, int]
) -> None:
    sequences, tokens, num_experts, top_k = shape
    logits = torch.randn(sequences, tokens, num_experts, dtype=torch.float64, requires_grad=True)
    experts = logits.detach().topk(top_k, -1).indices
    loss = fk.sequence_balance_loss(logits, experts, scoring=scoring)
    wanted = reference.sequence_balance_loss(logits, experts, scoring)
    torch.testing.assert_close(loss, wanted)
    (got,), (truth,) = (torch.autograd.grad(value, logits) for value in (loss, wanted))
    torch.testing.assert_close(got, truth)
    assert torch.autograd.gradcheck(
        lambda z: fk.sequence_balance_loss(z, experts, scoring=scoring), (logits,)
    )


def test_sequence_loss_of_one_sequence_with_softmax_is_switchs() -> None:
    logits = torch.randn(40, 8)
    experts = fk.route(logits, 2).experts
    torch.testing.assert_close(
        fk.sequence_balance_loss(logits[None], experts[None], scoring="softmax"),
        fk.load_balancing_loss(logits, experts),
    )


def test_sequences_that_make_up_for_each_other_are_even_as_a_batch_and_not_as_sequences() -> None:
    logits = torch.full((4, 10, 4), -40.0)
    for sequence in range(4):
        logits[sequence, :, sequence] = 40
    experts = logits.argmax(-1, keepdim=True)
    flat = fk.load_balancing_loss(logits.flatten(0, 1), experts.flatten(0, 1))
    assert flat.item() == pytest.approx(1, rel=1e-5)
    assert fk.sequence_balance_loss(logits, experts).item() == pytest.approx(4, rel=1e-5)


def test_sequence_loss_leaves_masked_tokens_and_empty_sequences_out() -> None:
    logits = torch.randn(3, 12, 5)
    experts = logits.topk(2, -1).indices
    mask = torch.ones(3, 12)
    mask[0, 7:] = 0
    mask[2] = 0
    wanted = (
        fk.sequence_balance_loss(logits[:1, :7], experts[:1, :7])
        + fk.sequence_balance_loss(logits[1:2], experts[1:2])
    ) / 2
    torch.testing.assert_close(fk.sequence_balance_loss(logits, experts, mask=mask), wanted)


@pytest.mark.parametrize("shape", [(0, 5, 4), (3, 0, 4)], ids=str)
def test_losses_of_no_tokens_are_zero(shape: tuple[int, ...]) -> None:
    logits = torch.randn(shape, requires_grad=True)
    experts = torch.zeros(*shape[:-1], 2, dtype=torch.int64)
    assert fk.sequence_balance_loss(logits, experts).item() == 0
    loss = fk.load_balancing_loss(logits.flatten(0, 1), experts.flatten(0, 1))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None


def test_sigmoids_that_all_underflow_still_have_shares() -> None:
    logits = torch.full((1, 3, 4), -200.0, requires_grad=True)
    loss = fk.sequence_balance_loss(logits, torch.zeros(1, 3, 1, dtype=torch.int64))
    loss.backward()
    assert loss.item() == pytest.approx(1)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_are_kept_in_float32(dtype: torch.dtype) -> None:
    logits = torch.randn(2, 30, 4).to(dtype)
    experts = logits.topk(2, -1).indices
    flat, chosen = logits.flatten(0, 1), experts.flatten(0, 1)
    for loss, wanted in (
        (fk.sequence_balance_loss(logits, experts), fk.sequence_balance_loss(logits.double(), experts)),
        (fk.load_balancing_loss(flat, chosen), fk.load_balancing_loss(flat.double(), chosen)),
        (fk.router_z_loss(flat), fk.router_z_loss(flat.double())),
    ):
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss.double(), wanted, rtol=1e-5, atol=0)


def test_z_loss_is_the_mean_squared_log_partition() -> None:
    logits = torch.randn(20, 5)
    torch.testing.assert_close(fk.router_z_loss(logits), logits.exp().sum(-1).log().square().mean())
    assert fk.router_z_loss(torch.empty(0, 5)).item() == 0


def test_bias_rule_balances_a_skewed_router() -> None:
    logits = torch.randn(2000, 8) + torch.linspace(0, 2, 8)
    bias = torch.zeros(8)
    for _ in range(300):
        bias = fk.update_expert_bias(bias, fk.route(logits, 2, expert_bias=bias).demand, update_rate=5e-3)
    before = fk.route(logits, 2).demand.float()
    after = fk.route(logits, 2, expert_bias=bias).demand.float()
    assert before.max() > 1.8 * before.mean()
    assert after.max() < 1.1 * after.mean()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"logits": torch.randn(5, 4)},
            ValueError,
            r"logits: got shape \(5, 4\), wanted \[sequences, tokens",
        ),
        ({"logits": torch.randn(2, 5, 0)}, ValueError, "with at least one expert"),
        ({"logits": torch.ones(2, 5, 4).long()}, TypeError, "logits: got torch.int64, wanted a float"),
        ({"experts": torch.zeros(2, 5, 2)}, TypeError, "experts: got torch.float32, wanted torch.int64"),
        (
            {"experts": torch.zeros(2, 4, 2).long()},
            ValueError,
            r"experts: got shape \(2, 4, 2\), wanted \[2, 5",
        ),
        ({"experts": torch.zeros(2, 5, 0).long()}, ValueError, "with a top_k of 1 or more"),
        ({"experts": torch.full((2, 5, 2), 4)}, ValueError, "experts: got index 4, wanted 0 to 3"),
        ({"experts": torch.full((2, 5, 2), -1)}, ValueError, "experts: got index -1, wanted 0 to 3"),
        (
            {"experts": torch.zeros(2, 5, 2, device="meta").long()},
            ValueError,
            "experts: got a tensor on meta",
        ),
        ({"mask": torch.ones(2, 4)}, ValueError, r"mask: got shape \(2, 4\), wanted \[2, 5\]"),
        ({"mask": torch.ones(2, 5, device="meta")}, ValueError, "mask: got a tensor on meta, wanted cpu"),
        ({"scoring": "relu"}, ValueError, "scoring: got 'relu'"),
    ],
)
def test_bad_arguments_of_the_sequence_loss_are_named(
    change: dict[str, object], error: type[Exception], message: str
) -> None:
    arguments: dict[str, object] = {
        "logits": torch.randn(2, 5, 4),
        "experts": torch.zeros(2, 5, 2, dtype=torch.int64),
    }
    fk.sequence_balance_loss(**arguments)  # type: ignore[arg-type]
    with pytest.raises(error, match=message):
        fk.sequence_balance_loss(**{**arguments, **change})  # type: ignore[arg-type]


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="experts: got index 7, wanted 0 to 3"):
        fk.load_balancing_loss(torch.randn(5, 4), torch.full((5, 2), 7))
    with pytest.raises(TypeError, match=r"experts: got torch\.int16, wanted torch\.int64 or torch\.int32"):
        fk.load_balancing_loss(torch.randn(5, 4), torch.zeros(5, 2, dtype=torch.int16))
    with pytest.raises(TypeError, match=r"logits: got torch\.int64, wanted a float dtype"):
        fk.router_z_loss(torch.ones(5, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"experts: got shape \(3, 2\), wanted \[5, top_k\]"):
        fk.load_balancing_loss(torch.randn(5, 4), torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"mask: got shape \(4,\)"):
        fk.load_balancing_loss(torch.randn(5, 4), torch.zeros(5, 2, dtype=torch.int64), mask=torch.ones(4))
    with pytest.raises(ValueError, match="logits: got shape"):
        fk.router_z_loss(torch.randn(4))
    with pytest.raises(ValueError, match="demand: got shape"):
        fk.update_expert_bias(torch.zeros(4), torch.zeros(5))

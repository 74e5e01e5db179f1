"""Sequences of 100,000 tokens, and tensors of more elements than 32 bits can number."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import torch
from numerics import relative_error
from torch import Tensor
from torch.utils.cpp_extension import include_paths

import frontier_kernels as fk
from frontier_kernels import reference

LENGTH = 100_000
CSRC = Path(__file__).parents[2] / "src/frontier_kernels/csrc"


def chunked_truth(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Retention in float64 by chunks of 80 steps, with a decay for each head and a scale of one."""
    outputs, chunk = [], 80
    n = torch.arange(1, chunk + 1, dtype=torch.float64)
    rates = log_decay[:, None, None]  # [H, 1, 1]
    inner = torch.exp(rates * (n[:, None] - n).clamp_min(0)).tril()  # [H, C, C], step to step
    since = torch.exp(rates[..., 0] * n)  # [H, C], from the state before
    until = torch.exp(rates[..., 0] * (chunk - n))  # [H, C], to the state after
    for rows in zip(*(torch.split(t, chunk, 1) for t in (q, k, v)), strict=True):
        qs, ks, vs = (t.transpose(1, 2) for t in rows)  # [B, H, C, width]
        outputs.append((qs @ ks.mT * inner) @ vs + since[..., None] * (qs @ state))
        state = since[:, -1, None, None] * state + (ks * until[..., None]).mT @ vs
    return torch.cat(outputs, 2).transpose(1, 2), state


@pytest.fixture(scope="module")
def long() -> tuple[list[Tensor], list[Tensor]]:
    """q, k, v, log_decay and first state in float32, and in float64 the output and last state that they give.

    The second head loses 10^-5 of its state each step, so what the first token wrote is still there. float32
    has no number for the rest: a factor that is rounded in every step is 4e-4 off at the end.
    """
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 1, LENGTH, 2, 8)
    inputs = [
        q,
        k,
        v,
        torch.tensor([-0.03, -1e-5]),
        torch.randn(1, 2, 8, 8),
    ]
    inputs = [t.requires_grad_() for t in inputs]
    exact = [t.detach().double() for t in inputs]
    return inputs, [*chunked_truth(*exact)]


@pytest.mark.parametrize("form", ["chunkwise", "recurrent"])
def test_retention_of_100_000_steps_is_exact_with_every_gradient(
    long: tuple[list[Tensor], list[Tensor]], form: fk.retention.Form
) -> None:
    (q, k, v, log_decay, first), (wanted, last) = long
    o, state = fk.retention(q, k, v, log_decay, form=form, initial_state=first, return_state=True, scale=1.0)
    assert state is not None
    assert relative_error(o, wanted) <= 1e-5
    assert relative_error(state, last) <= 1e-5
    grad, grad_state = torch.randn_like(o), torch.randn_like(state)
    inputs = [q, k, v, log_decay, first]
    got = torch.autograd.grad([o, state], inputs, [grad, grad_state])
    exact = [t.detach().double().requires_grad_() for t in inputs]
    truth = torch.autograd.grad([*chunked_truth(*exact)], exact, [grad.double(), grad_state.double()])
    for name, g, t in zip(("q", "k", "v", "log_decay", "state"), got, truth, strict=True):
        assert relative_error(g, t) <= 1e-5, name


def test_100_000_single_steps_end_where_the_sequence_does(long: tuple[list[Tensor], list[Tensor]]) -> None:
    (q, k, v, log_decay, first), (wanted, last) = long
    state = first.detach().clone()
    steps = []
    with torch.no_grad():
        for t in range(LENGTH):
            steps.append(fk.retention_step(q[:, t], k[:, t], v[:, t], state, log_decay, scale=1.0))
    assert relative_error(torch.stack(steps, 1), wanted) <= 1e-5
    assert relative_error(state, last) <= 1e-5


def test_normalised_scores_of_100_000_steps_are_exact(long: tuple[list[Tensor], list[Tensor]]) -> None:
    q, k, v, log_decay, _ = long[0]
    with torch.no_grad():
        o, _ = fk.retention(q, k, v, log_decay, normalize_scores=True)
        qs, ks, vs, rates = (t.double() for t in (q, k, v, log_decay))
        ones, none = torch.ones_like(vs[..., :1]), torch.zeros(1, 2, 8, 9, dtype=torch.float64)
        sums, _ = chunked_truth(qs * 8**-0.5, ks, torch.cat([vs, ones], -1), rates, none)
        decays, _ = chunked_truth(ones, ones, ones, rates, none[:, :, :1, :1])
    wanted = sums[..., :-1] / torch.maximum(sums[..., -1:].abs(), decays.sqrt())
    assert relative_error(o, wanted) <= 1e-5


@pytest.mark.parametrize("capacity", [None, 12_000])
def test_100_000_tokens_are_routed_computed_and_differentiated(capacity: int | None) -> None:
    experts, top_k, width, hidden = 16, 2, 6, 4
    logits = torch.randn(LENGTH, experts, requires_grad=True)
    routing = fk.route(logits, top_k, capacity=capacity)
    # By sorting, which is what the operator does without.
    flat = routing.experts.flatten()
    order = flat.argsort(stable=True)
    demand = torch.bincount(flat, minlength=experts)
    rank = torch.arange(len(flat)) - (demand.cumsum(0) - demand)[flat[order]]
    kept = order if capacity is None else order[rank < capacity]
    assert torch.equal(routing.demand, demand)
    assert torch.equal(routing.counts, demand if capacity is None else demand.clamp_max(capacity))
    assert torch.equal(routing.row_to_slot[: len(kept)], kept)
    assert (routing.row_to_slot[len(kept) :] == -1).all()
    assert int(routing.dropped.sum()) == len(flat) - len(kept)

    leaves = [
        torch.randn(LENGTH, width),
        torch.randn(experts, hidden, width),
        torch.randn(experts, width, hidden),
    ]
    leaves = [t.requires_grad_() for t in leaves]
    y = fk.moe_mlp(leaves[0], routing, *leaves[1:], activation="silu")
    exact = [t.detach().double().requires_grad_() for t in (*leaves, logits)]
    weights = exact[3].softmax(-1).gather(1, routing.experts)
    weights = weights / weights.sum(-1, keepdim=True)
    plan = (routing.experts, routing.dropped)
    wanted = reference.moe_mlp(exact[0], weights, *plan, *exact[1:3], activation="silu")
    assert relative_error(y, wanted) <= 1e-5
    grad = torch.randn_like(y)
    got = torch.autograd.grad(y, [*leaves, logits], grad)
    truth = torch.autograd.grad(wanted, exact, grad.double())
    for name, g, t in zip(("x", "w_in", "w_out", "logits"), got, truth, strict=True):
        assert relative_error(g, t) <= 1e-5, name


@pytest.mark.slow
def test_rows_past_two_to_the_31st_element_are_found() -> None:
    """Five gigabytes, most of them the eight copies of one token; halves, because they are the smallest."""
    torch.utils.deterministic.fill_uninitialized_memory = False  # it would write the copies twice
    top_k, width = 8, 2**28 + 2**20
    assert (top_k - 1) * width < 2**31 < top_k * width
    x = torch.zeros(1, width, dtype=torch.bfloat16)
    places = torch.tensor([0, 1, 2**20 + 7, width - 1])
    x[0, places] = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.bfloat16)
    routing = fk.route(torch.arange(8.0)[None], top_k, renormalize=False)
    with torch.no_grad():
        xs = fk.dispatch(x, routing)
        assert xs.shape == (top_k, width)
        for row in range(top_k):
            assert xs[row, places].tolist() == [1, 2, 3, 4]
            assert not xs[row, places[1:3] + 1].any()
        xs[:-1, places] = 0
        y = fk.combine(xs, routing._replace(weights=torch.ones(1, top_k)))
    assert y[0, places].tolist() == [1, 2, 3, 4]


def narrowing(source: Path) -> list[str]:
    """What g++ says about whole numbers of 64 bits that are put where fewer fit."""
    flags = ["-std=c++20", "-fsyntax-only", "-Wconversion", "-Wno-sign-conversion", "-Wno-float-conversion"]
    macros = [
        "-DTORCH_TARGET_VERSION=0x020a000000000000",
        "-DPy_LIMITED_API=0x030a0000",
        "-DFRONTIER_CUDA=forced_off",
    ]
    includes = [
        *(f"-isystem{path}" for path in include_paths()),
        f"-I{sysconfig.get_path('include')}",
        f"-I{CSRC}",
    ]
    command = ["g++", *flags, *macros, *includes, str(source)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert not result.returncode, result.stderr
    return [line for line in result.stderr.splitlines() if "warning:" in line and "onversion" in line]


@pytest.mark.skipif(not shutil.which("g++"), reason="reads the warnings of g++")
def test_no_index_is_kept_in_fewer_than_64_bits(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text(
        '#include "common/checks.h"\nint f(const torch::stable::Tensor& t) { return t.numel(); }\n'
    )
    assert len(narrowing(wrong)) == 1
    for source in sorted(CSRC.rglob("*.cpp")):
        assert narrowing(source) == []
    counters = re.compile(r"\b(?:int|unsigned|int32_t|uint32_t) (\w+) = 0; \1 < ([\w.()>-]+)")
    for source in (*CSRC.rglob("*.cpp"), *CSRC.glob("cpu/*.h"), *CSRC.glob("common/*.h")):
        # A loop over lanes, or rows of a tile, may count in an int: its bound is a constant.
        for _, bound in counters.findall(source.read_text("utf8")):
            assert re.fullmatch(r"[A-Z_]+|\d+|k[A-Z]\w+", bound), f"{source.name}: {bound}"

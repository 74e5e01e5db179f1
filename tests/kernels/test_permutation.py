"""Properties of the row permutation, stated without the reference: any wrong row breaks one of them."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import frontier_kernels as fk
from frontier_kernels.ops import library


@st.composite
def choices(draw: st.DrawFn) -> tuple[Tensor, int, int]:
    """Chosen experts ``[T, k]``, distinct in a row or -1, with their number E and a capacity (-1: none)."""
    experts = draw(st.integers(1, 9))
    top_k = draw(st.integers(1, experts))
    rows = draw(st.lists(st.permutations(range(experts)), max_size=30))
    chosen = torch.tensor([row[:top_k] for row in rows], dtype=torch.int64).reshape(len(rows), top_k)
    unused = draw(st.lists(st.booleans(), min_size=chosen.numel(), max_size=chosen.numel()) | st.none())
    if unused is not None:
        chosen[torch.tensor(unused, dtype=torch.bool).reshape(chosen.shape)] = -1
    return chosen, experts, draw(st.integers(-1, 8))


@settings(max_examples=150, deadline=None)
@given(choices())
def test_every_kept_slot_has_the_one_row_that_its_expert_and_its_rank_say(
    choice: tuple[Tensor, int, int],
) -> None:
    experts, number, capacity = choice
    counts, demand, offsets, slot_to_row, row_to_slot = library.permute_slots(experts, number, capacity)
    flat, row_of, slots = experts.flatten(), slot_to_row.flatten(), experts.numel()
    limit = slots if capacity < 0 else capacity
    # A slot's rank counts the earlier slots of the same expert: that alone fixes the whole permutation.
    rank = torch.tensor([int((flat[:s] == flat[s]).sum()) for s in range(slots)], dtype=torch.int64)
    assert torch.equal(row_of >= 0, (rank < limit) & (flat >= 0))
    kept = row_of >= 0
    assert torch.equal(row_of[kept], (offsets[flat] + rank)[kept])
    assert torch.equal(row_to_slot[row_of[kept]], torch.arange(slots)[kept])
    used = int(kept.sum())
    assert row_of[kept].sort().values.tolist() == list(range(used))
    assert (row_to_slot[used:] == -1).all()
    assert torch.equal(demand, torch.bincount(flat[flat >= 0], minlength=number))
    assert torch.equal(counts, demand.clamp_max(limit))
    assert torch.equal(offsets.diff(), counts)
    assert offsets[0] == 0


@settings(max_examples=60, deadline=None)
@given(choices())
def test_dispatched_rows_are_the_tokens_of_their_experts(choice: tuple[Tensor, int, int]) -> None:
    experts, number, capacity = choice
    tokens, top_k = experts.shape
    counts, _, offsets, slot_to_row, row_to_slot = library.permute_slots(experts, number, capacity)
    names = torch.arange(1, tokens + 1, dtype=torch.float64)[:, None]  # a token's only feature is its number
    rows = library.dispatch(names, slot_to_row, row_to_slot)[:, 0]
    limit = tokens * top_k if capacity < 0 else capacity
    for e in range(number):
        mine = rows[offsets[e] : offsets[e] + counts[e]].tolist()
        assert mine == ((experts == e).any(1).nonzero()[:, 0] + 1).tolist()[:limit]
    assert not rows[offsets[-1] :].any()


@settings(max_examples=60, deadline=None)
@given(choices())
def test_combining_what_was_dispatched_counts_each_kept_slot_once(choice: tuple[Tensor, int, int]) -> None:
    experts, number, capacity = choice
    _, _, _, slot_to_row, row_to_slot = library.permute_slots(experts, number, capacity)
    x = torch.arange(experts.shape[0] * 2, dtype=torch.float64).reshape(-1, 2)
    weights = torch.arange(experts.numel(), dtype=torch.float64).reshape(experts.shape)
    y = library.combine(library.dispatch(x, slot_to_row, row_to_slot), weights, slot_to_row, row_to_slot)
    kept = weights.masked_fill(slot_to_row < 0, 0).sum(1, keepdim=True)
    assert torch.equal(y, x * kept)


def test_an_expert_sees_its_own_tokens_only() -> None:
    # Expert e multiplies by e + 1: a row that lands with the wrong expert shows up in the output.
    experts = 5
    routing = fk.route(torch.randn(64, experts), 2)
    x = torch.rand(64, 3, dtype=torch.float64) + 1
    factor = torch.arange(1.0, experts + 1, dtype=torch.float64)
    rows = fk.dispatch(x, routing)
    owner = torch.searchsorted(routing.offsets[1:], torch.arange(128), right=True)
    y = fk.combine(rows * factor[owner, None], routing)
    wanted = (routing.weights.double() * factor[routing.experts]).sum(1, keepdim=True) * x
    torch.testing.assert_close(y, wanted)

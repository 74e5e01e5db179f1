"""Parity with retention that is not ours: yet-another-retnet's functions and layer on the same numbers.

Theirs scales the key where ours scales the query, so that their state is ours times the scale; heads come
before time. Their decays are fixed, 1 - 1/32 to 1 - 1/512 evenly on a logarithmic scale, and get no gradient.

Their layer has those decays, ours 1 - 2 ** (-5 - h) as in the paper: the same for one head and for five; for
another number our layer is given theirs. Their group norm has no weights, which is ours at its start, and
another epsilon; their projections have biases unless told otherwise, ours never. All else is equal: the
rotation of neighbouring pairs and its base, the norm of each head by itself, the swish gate.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from numerics import relative_error
from torch import Tensor
from yet_another_retnet import retention as theirs

import frontier_kernels as fk
from frontier_kernels.retention import Form

BOUND = {torch.float32: 1e-5, torch.float64: 1e-12}
"""Relative root mean square."""
FORMS: tuple[Form, ...] = ("parallel", "recurrent", "chunkwise")
Peer = Callable[..., tuple[Tensor, Tensor | None]]
SHAPES = {"a head": (2, 1, 21, 8), "five heads": (1, 5, 70, 16), "six heads": (2, 6, 33, 40)}
"""B, H, T, D: less than a chunk of 64, more than one, an odd width."""


def decays(heads: int, dtype: torch.dtype) -> Tensor:
    """Their γ, in the dtype that they compute it in."""
    gamma: Tensor = theirs._build_decay_gammas(heads, torch.device("cpu"), dtype)
    return gamma


def parallel(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor | None]:
    """Their parallel form, which has no state."""
    o: Tensor = theirs.retention_parallel(q, k, v)[0]
    return o, None


def recurrent(q: Tensor, k: Tensor, v: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Their recurrent form, step by step."""
    steps = []
    for t in range(q.shape[2]):
        o, state = theirs.retention_recurrent(q[:, :, t], k[:, :, t], v[:, :, t], state)
        steps.append(o)
    return torch.stack(steps, 2), state


def chunkwise(q: Tensor, k: Tensor, v: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Their chunkwise form in chunks of 16, the last as long as it is."""
    chunks = []
    for part in zip(*(t.split(16, 2) for t in (q, k, v)), strict=True):
        o, state = theirs.retention_chunkwise(*part, state)
        chunks.append(o)
    return torch.cat(chunks, 2), state


@pytest.fixture(params=BOUND, ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    result: torch.dtype = request.param
    return result


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("peer", [parallel, recurrent, chunkwise])
@pytest.mark.parametrize("form", FORMS)
def test_output_state_and_gradients_are_theirs(
    form: Form, peer: Peer, shape: tuple[int, int, int, int], dtype: torch.dtype
) -> None:
    _, heads, _, width = shape
    q, k, v, grad = (torch.randn(shape, dtype=dtype) for _ in range(4))  # [B, H, T, D]
    leaves = [t.requires_grad_() for t in (q, k, v)]
    o, state = peer(*leaves)
    grad_state = torch.zeros(()) if state is None else torch.randn_like(state)
    ends = [o] if state is None else [o, state]
    wanted = torch.autograd.grad(ends, leaves, [grad, grad_state][: len(ends)])

    scale = width**-0.5
    ours = [t.detach().transpose(1, 2).requires_grad_() for t in leaves]  # [B, T, H, D]
    log_decay = decays(heads, dtype).double().log()
    got, last = fk.retention(ours[0], ours[1], ours[2], log_decay, form=form, return_state=True)
    assert last is not None
    ends = [got] if state is None else [got, scale * last]
    found = torch.autograd.grad(ends, ours, [grad.transpose(1, 2), grad_state][: len(ends)])
    pairs = {"o": (got, o.transpose(1, 2))}
    if state is not None:
        pairs["state"] = (scale * last, state)
    pairs |= {f"d{n}": (a, b.transpose(1, 2)) for n, a, b in zip("qkv", found, wanted, strict=True)}
    for name, (a, b) in pairs.items():
        assert b.square().mean().sqrt() > 0.1, name  # else a relative error says nothing
        assert relative_error(a, b) <= BOUND[dtype], name


@pytest.mark.parametrize("peer", [recurrent, chunkwise])
def test_a_sequence_goes_on_from_their_state(peer: Peer, dtype: torch.dtype) -> None:
    q, k, v = (torch.randn(2, 3, 50, 8, dtype=dtype) for _ in range(3))
    head, tail = ([t[:, :, part] for t in (q, k, v)] for part in (slice(None, 20), slice(20, None)))
    _, state = peer(*head)
    wanted, last = peer(*tail, state)
    assert state is not None
    assert last is not None
    initial = state * 8**0.5
    log_decay = decays(3, dtype).double().log()
    rows = [t.transpose(1, 2) for t in tail]
    got, ours = fk.retention(
        rows[0], rows[1], rows[2], log_decay, initial_state=initial, return_state=True, chunk_size=16
    )
    assert ours is not None
    assert relative_error(got, wanted.transpose(1, 2)) <= BOUND[dtype]
    assert relative_error(ours * 8**-0.5, last) <= BOUND[dtype]


def test_decode_step_is_theirs(dtype: torch.dtype) -> None:
    state = torch.randn(2, 5, 8, 8, dtype=dtype)
    their_state = state * 8**-0.5
    log_decay = decays(5, dtype).double().log()
    for _ in range(10):
        q, k, v = (torch.randn(2, 5, 8, dtype=dtype) for _ in range(3))
        got = fk.retention_step(q, k, v, state, log_decay)
        wanted, their_state = theirs.retention_recurrent(q, k, v, their_state)
        assert relative_error(got, wanted) <= BOUND[dtype]
        assert relative_error(state * 8**-0.5, their_state) <= BOUND[dtype]


class TheirDecays(fk.RetentionLayer):
    """Our layer with the decays of theirs."""

    @property
    def log_decay(self) -> Tensor:
        return decays(self.num_heads, torch.float64).log()


def layers(
    heads: int, width: int, dtype: torch.dtype, ours: type[fk.RetentionLayer] = fk.RetentionLayer
) -> tuple[theirs.MultiScaleRetention, fk.RetentionLayer]:
    """Their layer, and ours with its weights."""
    peer = theirs.MultiScaleRetention(heads * width, heads, bias=False, dtype=dtype)
    layer = ours(heads * width, heads, chunk_size=16).to(dtype)
    layer.norm.eps = peer.group_norm.eps
    pairs = {"q_proj": "q_proj", "k_proj": "k_proj", "v_proj": "v_proj", "gate_proj": "g_proj"}
    with torch.no_grad():
        for mine, other in (pairs | {"out_proj": "out_proj"}).items():
            getattr(layer, mine).weight.copy_(getattr(peer, other).weight)
    return peer, layer


LAYERS = {
    "a head, our decays": (1, fk.RetentionLayer),
    "five heads, our decays": (5, fk.RetentionLayer),
    "four heads, their decays": (4, TheirDecays),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("heads", "ours"), LAYERS.values(), ids=LAYERS)
def test_layer_and_its_gradients_are_theirs(
    heads: int, ours: type[fk.RetentionLayer], form: str, dtype: torch.dtype
) -> None:
    peer, layer = layers(heads, 16, dtype, ours)
    # Short: their angles and decays are float32, whose error at step t is t times that of one step.
    x = torch.randn(2, 40, heads * 16, dtype=dtype, requires_grad=True)
    wanted, _ = peer.forward_parallel(x, x, x)
    got, _ = getattr(layer, f"{form}_forward")(x)
    assert wanted.square().mean().sqrt() > 0.1
    assert relative_error(got, wanted) <= BOUND[dtype]
    grad = torch.randn_like(wanted)
    names = ("q_proj", "k_proj", "v_proj", "gate_proj", "out_proj")
    their_names = [name.replace("gate", "g") for name in names]
    found = torch.autograd.grad(got, [x, *(getattr(layer, name).weight for name in names)], grad)
    truth = torch.autograd.grad(wanted, [x, *(getattr(peer, name).weight for name in their_names)], grad)
    for name, a, b in zip(("x", *names), found, truth, strict=True):
        assert relative_error(a, b) <= BOUND[dtype], name


def test_layer_generates_as_theirs_from_a_prompt(dtype: torch.dtype) -> None:
    peer, layer = layers(5, 8, dtype)
    x = torch.randn(2, 30, 40, dtype=dtype)
    wanted, their_state = peer.forward_chunkwise(x[:, :20], x[:, :20], x[:, :20], 0, None)
    got, state = layer.chunkwise_forward(x[:, :20])
    assert relative_error(got, wanted) <= BOUND[dtype]
    for t in range(20, 30):
        row, their_state = peer.forward_recurrent(x[:, t], x[:, t], x[:, t], t, their_state)
        step, state = layer.recurrent_forward(x[:, t : t + 1], state, position=t)
        assert relative_error(step[:, 0], row) <= BOUND[dtype]
        assert relative_error(state * 8**-0.5, their_state) <= BOUND[dtype]

"""RetentionLayer against the paper's equations on the same weights; its three forms against each other."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from numerics import relative_error

import frontier_kernels as fk

BOUND = {torch.float64: 1e-12, torch.float32: 1e-5}
FORMS = ("parallel_forward", "recurrent_forward", "chunkwise_forward")


OPTIONS: list[dict[str, Any]] = [
    {},
    {"normalize_scores": True},
    {"xpos_scale_base": 2.0},
    {"xpos_scale_base": 512, "normalize_scores": True},
    {"rotary_base": None},
    {"rotary_base": None, "xpos_scale_base": 2.0, "log_decay": -0.1},
]
"""With a base of 2 the sequences below take several segments of 8 steps."""


def paper_layer(layer: fk.RetentionLayer, x: torch.Tensor, log_decay: float | None = None) -> torch.Tensor:
    """Equations 5 and 8 with complex rotations and the decay as a matrix, head by head.

    Positions of xPos count from the middle of the sequence, as in its authors' code. The decays are
    the paper's, or one for all heads.
    """
    time, heads, key = x.shape[1], layer.num_heads, layer.d_model // layer.num_heads
    steps = torch.arange(time, dtype=torch.float64)
    turn = torch.zeros(key // 2, dtype=torch.float64)
    if layer.rotary_base is not None:
        turn = layer.rotary_base ** -torch.linspace(0, 1, key // 2, dtype=torch.float64)
    theta = torch.polar(torch.ones(time, key // 2, dtype=torch.float64), steps[:, None] * turn)  # [T, K/2]
    distance = steps[:, None] - steps  # [T, T]
    if layer.xpos_scale_base is None:
        up = torch.ones(time, key // 2, dtype=torch.float64)
    else:
        zeta = (torch.arange(0, key, 2, dtype=torch.float64) + 0.4 * key) / (1.4 * key)
        up = zeta ** ((steps - time // 2) / layer.xpos_scale_base)[:, None]  # [T, K/2]
    outputs = []
    width = layer.value_dim // heads
    for h in range(heads):
        gamma = 1 - 2.0 ** (-5 - h) if log_decay is None else math.exp(log_decay)
        decay = torch.where(distance >= 0, gamma**distance, 0.0)
        rows, values = slice(h * key, (h + 1) * key), slice(h * width, (h + 1) * width)
        q = (
            torch.view_as_complex((x @ layer.q_proj.weight[rows].T).unflatten(-1, (-1, 2)).contiguous())
            * theta
        )
        k = (
            torch.view_as_complex((x @ layer.k_proj.weight[rows].T).unflatten(-1, (-1, 2)).contiguous())
            * theta
        )
        if layer.normalize_scores:
            decay = decay / decay.sum(1, keepdim=True).sqrt()
        scores = ((q * up) @ (k / up).mH).real * key**-0.5 * decay
        if layer.normalize_scores:
            scores = scores / scores.sum(-1, keepdim=True).abs().clamp_min(1)
        o = scores @ (x @ layer.v_proj.weight[values].T)
        normed = F.layer_norm(o, (width,), eps=layer.norm.eps)
        outputs.append(normed * layer.norm.weight[values] + layer.norm.bias[values])
    return (F.silu(x @ layer.gate_proj.weight.T) * torch.cat(outputs, -1)) @ layer.out_proj.weight.T


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("value_dim", [None, 36])
@pytest.mark.parametrize("form", FORMS)
def test_layer_equals_the_papers_equations_with_gradients(
    form: str, value_dim: int | None, options: dict[str, Any]
) -> None:
    layer = fk.RetentionLayer(24, 3, value_dim=value_dim, chunk_size=8, **options).double()
    torch.nn.init.normal_(layer.norm.weight)
    torch.nn.init.normal_(layer.norm.bias)
    x = torch.randn(2, 21, 24, dtype=torch.float64, requires_grad=True)
    leaves = [x, *layer.parameters()]
    got, wanted = getattr(layer, form)(x)[0], paper_layer(layer, x, options.get("log_decay"))
    torch.testing.assert_close(got, wanted)
    grad = torch.randn_like(got)
    pairs = zip(
        torch.autograd.grad(got, leaves, grad), torch.autograd.grad(wanted, leaves, grad), strict=True
    )
    for a, b in pairs:
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("time", [0, 1, 50, 130])
def test_the_three_forms_are_equal(dtype: torch.dtype, time: int, options: dict[str, Any]) -> None:
    layer = fk.RetentionLayer(32, 4, chunk_size=16, **options).to(dtype)
    x = torch.randn(2, time, 32, dtype=dtype)
    results = [getattr(layer, form)(x) for form in FORMS]
    assert results[0][0].shape == x.shape
    assert torch.equal(layer(x), results[2][0])
    for y, state in results[1:]:
        assert relative_error(y, results[0][0]) <= BOUND[dtype]
        assert relative_error(state, results[0][1]) <= BOUND[dtype]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_generation_goes_on_from_a_prompt_token_by_token(options: dict[str, Any]) -> None:
    layer = fk.RetentionLayer(32, 4, **options).double()
    x = torch.randn(2, 40, 32, dtype=torch.float64)
    y, state = layer.chunkwise_forward(x[:, :25])
    rows = [y]
    for t in range(25, 40):
        y, state = layer.recurrent_forward(x[:, t : t + 1], state, t)
        rows.append(y)
    torch.testing.assert_close(torch.cat(rows, 1), layer.parallel_forward(x)[0])


@pytest.mark.parametrize("form", FORMS)
def test_xpos_of_a_long_sequence_is_as_exact_as_of_a_short_one(form: str) -> None:
    # 600 bases: factors counted from the start would run to 10^326.
    layer = fk.RetentionLayer(16, 2, xpos_scale_base=2.0)
    x = torch.randn(1, 1200, 16)
    y, state = getattr(layer, form)(x)
    wanted, last = layer.double().recurrent_forward(x.double())
    assert relative_error(y, wanted) <= 1e-5
    assert relative_error(state, last) <= 1e-5
    # What lies 400 bases back is forgotten, whatever the position.
    late, _ = getattr(layer, form)(x[:, 800:].double(), position=800)
    assert relative_error(late[:, -1], wanted[:, -1]) <= 1e-5


def test_xpos_lets_the_first_pair_of_features_forget_first() -> None:
    layer = fk.RetentionLayer(8, 1, xpos_scale_base=16).double()
    x = torch.randn(1, 16, 8, dtype=torch.float64)
    _, state = layer.chunkwise_forward(x)
    # Steps with keys of nothing but zeros: only what was there fades.
    with torch.no_grad():
        layer.k_proj.weight.zero_()
    _, later = layer.chunkwise_forward(x, state, 16)
    ratio = (later / state)[0, 0, :, 0] / torch.exp(16 * layer.log_decay)
    zeta = torch.tensor([0.4, 0.4, 0.65, 0.65, 0.9, 0.9, 1.15, 1.15], dtype=torch.float64) / 1.4
    torch.testing.assert_close(ratio, zeta)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_layer_in_halves_stays_near_the_one_in_double(dtype: torch.dtype, options: dict[str, Any]) -> None:
    layer = fk.RetentionLayer(32, 2, **options).to(dtype)
    x = torch.randn(2, 100, 32).to(dtype)
    y, _ = layer.chunkwise_forward(x)
    wanted, _ = layer.double().chunkwise_forward(x.double())
    # Seven roundings follow one another: the projections', the rotation's, the norm's and the gate's.
    assert relative_error(y, wanted) <= 4 * torch.finfo(dtype).eps


def test_heads_decay_as_in_the_paper_whatever_the_layers_dtype() -> None:
    layer = fk.RetentionLayer(64, 8).bfloat16()
    wanted = [1 - 2.0 ** (-5 - h) for h in range(8)]
    torch.testing.assert_close(layer.log_decay.exp(), torch.tensor(wanted, dtype=torch.float64))


def test_decays_can_be_given_for_each_head_and_set_later() -> None:
    decays = [0.0, -0.5, -math.inf]
    layer = fk.RetentionLayer(12, 3, log_decay=decays).bfloat16()
    for one in (layer, copy.deepcopy(layer)):
        assert one.log_decay.tolist() == decays
    assert layer.state_dict().keys() == fk.RetentionLayer(12, 3).state_dict().keys()
    layer.log_decay = torch.tensor(-0.25)
    assert layer.log_decay.tolist() == [-0.25] * 3
    layer.log_decay, layer.rotary_base = 0.0, None
    x = torch.randn(1, 9, 12, dtype=torch.float64)
    # Nothing fades and nothing turns: a step that is held still finds the sum of all before it.
    _, state = layer.double().chunkwise_forward(x)
    _, more = layer.chunkwise_forward(x, state, 1000)
    torch.testing.assert_close(more, 2 * state)


@pytest.mark.parametrize(
    ("log_decay", "message"),
    [
        (0.1, r"^log_decay: got 0\.1, wanted zero or less"),
        ([-1.0, math.nan, 0.0], "^log_decay: got nan, wanted zero or less"),
        ([-1.0, 0.0], r"^log_decay: got 2 numbers, wanted one, or 3 \(heads\)"),
    ],
)
def test_decays_that_do_not_fit_are_named(log_decay: float | list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fk.RetentionLayer(12, 3, log_decay=log_decay)


def test_a_decay_to_be_learnt_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^log_decay: got a tensor that wants a gradient"):
        fk.RetentionLayer(12, 3, log_decay=torch.nn.Parameter(torch.zeros(3) - 1))
    with pytest.raises(TypeError, match=r"^log_decay: got \['x'\], wanted one number, or one for each head"):
        fk.RetentionLayer(12, 3, log_decay=["x"])  # type: ignore[list-item]


def test_layer_trains_in_bfloat16() -> None:
    layer = fk.RetentionLayer(16, 2).bfloat16()
    y = layer(torch.randn(2, 70, 16).bfloat16())
    assert y.dtype == torch.bfloat16
    y.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_layer_compiles_without_graph_breaks(form: str, options: dict[str, Any]) -> None:
    torch.compiler.reset()
    layer = fk.RetentionLayer(16, 2, chunk_size=8, **options)
    x = torch.randn(2, 21, 16)
    wanted = getattr(layer, form)(x)
    wanted[0].square().sum().backward()
    gradients = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
    layer.zero_grad()
    got = torch.compile(getattr(layer, form), fullgraph=True, backend="aot_eager")(x)
    got[0].square().sum().backward()
    torch.testing.assert_close(got, wanted)
    for g, p in zip(gradients, layer.parameters(), strict=True):
        torch.testing.assert_close(p.grad, g, rtol=1e-4, atol=1e-5)


def test_one_graph_serves_every_length() -> None:
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    layer = fk.RetentionLayer(16, 2, chunk_size=8, normalize_scores=True)
    compiled = torch.compile(layer.chunkwise_forward, fullgraph=True, backend="aot_eager", dynamic=True)
    for time in (9, 14, 33):
        x = torch.randn(2, time, 16)
        torch.testing.assert_close(compiled(x), layer.chunkwise_forward(x))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_same_input_gives_the_same_bits_on_one_thread_and_on_two(options: dict[str, Any]) -> None:
    layer = fk.RetentionLayer(32, 4, **options)
    x = torch.randn(2, 90, 32, requires_grad=True)

    def run(threads: int) -> list[torch.Tensor]:
        torch.set_num_threads(threads)
        y, state = layer.chunkwise_forward(x)
        return [y, state, *torch.autograd.grad(y.square().sum() + state.sum(), [x, *layer.parameters()])]

    # The layer's own products are torch's, which promises these bits for one number of threads only.
    for threads in (1, 2):
        for a, b in zip(run(threads), run(threads), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_strided_input_and_expanded_gradients_are_taken(options: dict[str, Any]) -> None:
    layer = fk.RetentionLayer(16, 2, **options).double()
    x = torch.randn(16, 2, 21, dtype=torch.float64).permute(1, 2, 0).requires_grad_()
    assert not x.is_contiguous()
    leaves = [x, *layer.parameters()]
    got = torch.autograd.grad(layer(x).sum(), leaves)  # the gradient of a sum is one number, expanded
    wanted = torch.autograd.grad(paper_layer(layer, x, options.get("log_decay")).sum(), leaves)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d_model": 24, "num_heads": 5}, "d_model: got 24 with num_heads=5"),
        ({"d_model": 24, "num_heads": 8}, "d_model: got 24 with num_heads=8, wanted an even width"),
        ({"d_model": 24, "num_heads": 3, "value_dim": 10}, "value_dim: got 10, wanted a multiple of"),
        ({"d_model": 24, "num_heads": 3, "chunk_size": 0}, "chunk_size: got 0"),
        (
            {"d_model": 24, "num_heads": 3, "xpos_scale_base": 0.5},
            r"xpos_scale_base: got 0\.5, wanted a number",
        ),
        (
            {"d_model": 24, "num_heads": 3, "rotary_base": 0.0},
            r"rotary_base: got 0\.0, wanted a number above",
        ),
    ],
)
def test_widths_that_do_not_fit_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fk.RetentionLayer(**arguments)


def test_an_input_of_another_width_is_named() -> None:
    with pytest.raises(ValueError, match=r"x: got shape \(2, 3\), wanted \[batch, time, 16\]"):
        fk.RetentionLayer(16, 2)(torch.randn(2, 3))
    with pytest.raises(ValueError, match="position: got -1, wanted 0 or more steps"):
        fk.RetentionLayer(16, 2).recurrent_forward(torch.randn(2, 1, 16), None, -1)

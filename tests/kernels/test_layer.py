"""MoELayer against the chapter's printed layer and transformers' Mixtral block, on the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from numerics import relative_error
from torch import nn
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

import frontier_kernels as fk
from frontier_kernels import reference
from frontier_kernels.activations import is_gated


def printed_layer(gate: nn.Linear, experts: list[nn.Sequential], x: torch.Tensor, top_k: int) -> torch.Tensor:
    """The double loop of the source chapter, on given modules: ``[T, D]`` to ``[T, D]``."""
    probability, chosen = gate(x).softmax(-1).topk(top_k)
    probability = probability / probability.sum(-1, keepdim=True)
    output = torch.zeros_like(x)
    for j in range(top_k):
        for e, expert in enumerate(experts):
            mask = chosen[:, j] == e
            if mask.any():
                output[mask] += probability[mask, j, None] * expert(x[mask])
    return output


def test_layer_equals_the_chapters_double_loop() -> None:
    gate = nn.Linear(24, 6, bias=False)
    experts = [nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.Linear(40, 24)) for _ in range(6)]
    layer = fk.MoELayer.from_modules(gate, experts, top_k=2)
    x = torch.randn(3, 17, 24)
    torch.testing.assert_close(
        layer(x).reshape(-1, 24), printed_layer(gate, experts, x.reshape(-1, 24), 2), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layer_equals_transformers_mixtral_block_with_gradients(dtype: torch.dtype) -> None:
    config = MixtralConfig(hidden_size=16, intermediate_size=12, num_local_experts=5, num_experts_per_tok=2)
    block = MixtralSparseMoeBlock(config).to(dtype)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    layer = fk.MoELayer.from_mixtral(block.gate.weight, block.experts.gate_up_proj, block.experts.down_proj)
    x = torch.randn(2, 30, 16, dtype=dtype)
    ours, theirs = layer(x), block(x)
    # transformers keeps the routing weights in float32 even for float64 input.
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(layer.gate.weight.grad, block.gate.weight.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(layer.w_in.grad, block.experts.gate_up_proj.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(layer.w_out.grad, block.experts.down_proj.grad, rtol=1e-3, atol=1e-4)


def test_layer_takes_input_that_view_would_refuse() -> None:
    layer = fk.MoELayer(8, num_experts=4, expert_hidden_size=6)
    x = torch.randn(5, 3, 8).transpose(0, 1)
    assert not x.is_contiguous()
    torch.testing.assert_close(layer(x), layer(x.contiguous()))


def test_layer_shows_its_last_routing() -> None:
    layer = fk.MoELayer(8, num_experts=4, top_k=1, expert_hidden_size=6, capacity_factor=0.5)
    layer(torch.randn(16, 8))
    assert layer.routing is not None
    assert layer.router_logits is not None
    assert layer.routing.counts.max() <= 2
    fk.load_balancing_loss(layer.router_logits, layer.routing.experts).backward()
    assert layer.gate.weight.grad is not None


def test_layer_trains_in_bfloat16() -> None:
    layer = fk.MoELayer(16, num_experts=4, expert_hidden_size=8, activation="swiglu", bias=False).bfloat16()
    layer(torch.randn(10, 16).bfloat16()).float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def expert(activation: nn.Module, *, bias: bool = True) -> nn.Sequential:
    """One expert of width 4, as the chapter builds it when the activation is ``nn.GELU()``."""
    return nn.Sequential(nn.Linear(4, 6, bias=bias), activation, nn.Linear(6, 4))


def test_from_modules_names_a_gate_that_does_not_fit() -> None:
    experts = [expert(nn.GELU()) for _ in range(3)]
    with pytest.raises(ValueError, match="gate: got 2 outputs, wanted 3"):
        fk.MoELayer.from_modules(nn.Linear(4, 2, bias=False), experts)
    with pytest.raises(ValueError, match="gate: got one with a bias"):
        fk.MoELayer.from_modules(nn.Linear(4, 3), experts)


@pytest.mark.parametrize(
    "other",
    [
        expert(nn.ReLU()),
        expert(nn.GELU(approximate="tanh")),
        expert(nn.GELU(), bias=False),
        nn.Sequential(nn.Linear(4, 4)),
        nn.Sequential(*expert(nn.GELU()), nn.Dropout(0.5)),
    ],
    ids=["relu", "tanh", "no bias", "too short", "too long"],
)
def test_from_modules_refuses_an_expert_that_computes_something_else(other: nn.Sequential) -> None:
    with pytest.raises(
        ValueError, match=r"experts: got Sequential\([\s\S]*wanted Sequential\(Linear, GELU, Linear\)"
    ):
        fk.MoELayer.from_modules(nn.Linear(4, 2, bias=False), [expert(nn.GELU()), other])


DEEPSEEK: dict[str, Any] = {
    "activation": "swiglu",
    "bias": False,
    "shared_experts": 2,
    "scoring": "sigmoid",
    "expert_bias": True,
    "num_groups": 4,
    "top_k_groups": 2,
    "routed_scaling_factor": 2.5,
}
OPTIONS: list[dict[str, Any]] = [
    {"shared_experts": 1},
    {"shared_experts": 3, "capacity_factor": 0.5, "activation": "silu"},
    {"scoring": "sigmoid", "renormalize": False, "bias": False},
    DEEPSEEK,
    {**DEEPSEEK, "capacity_factor": 1.0},
]


def layer_with(options: dict[str, Any], dtype: torch.dtype = torch.float64) -> fk.MoELayer:
    """Eight routed experts of width 6 on tokens of width 12, two of them for each token."""
    layer = fk.MoELayer(12, num_experts=8, top_k=2, expert_hidden_size=6, **options).to(dtype)
    if layer.expert_bias is not None:
        nn.init.normal_(layer.expert_bias, std=0.1)
    return layer


def expected(layer: fk.MoELayer, x: torch.Tensor) -> torch.Tensor:
    """The layer in plain torch: the reference on the layer's own choice, with weights computed anew."""
    tokens = x.reshape(-1, x.shape[-1])
    assert layer.routing is not None
    experts, dropped = layer.routing.experts, layer.routing.dropped
    logits = layer.gate(tokens)
    scores = logits.sigmoid() if layer.scoring == "sigmoid" else logits.softmax(-1)
    weights = scores.gather(1, experts)
    if layer.renormalize:
        weights = weights / weights.sum(-1, keepdim=True)
    weights = layer.routed_scaling_factor * weights
    network = (layer.w_in, layer.w_out, layer.b_in, layer.b_out, layer.activation)
    y = reference.moe_mlp(tokens, weights, experts, dropped, *network, shared_experts=layer.shared_experts)
    return y.reshape(x.shape)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("batch", [(5, 7), (1, 1), (3, 0)], ids=str)
def test_every_option_equals_the_reference_with_every_gradient(
    options: dict[str, Any], batch: tuple[int, int]
) -> None:
    layer = layer_with(options)
    x = torch.randn(*batch, 12, dtype=torch.float64, requires_grad=True)
    y = layer(x)
    wanted = expected(layer, x)
    assert y.shape == x.shape
    assert relative_error(y, wanted) <= 1e-12
    leaves = [x, *layer.parameters()]
    grad = torch.randn_like(y)
    got, truth = torch.autograd.grad(y, leaves, grad), torch.autograd.grad(wanted, leaves, grad)
    for g, t in zip(got, truth, strict=True):
        assert relative_error(g, t) <= 1e-11


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_capacity_drops_routed_slots_and_never_shared_ones(options: dict[str, Any]) -> None:
    layer = layer_with({**options, "capacity_factor": 1e-6})
    x = torch.randn(40, 12, dtype=torch.float64)
    y = layer(x)
    assert layer.routing is not None
    assert layer.routing.counts.max() <= 1
    lost = layer.routing.dropped.all(1)
    assert lost.any()
    shared = torch.zeros_like(x)
    network = (layer.w_in, layer.w_out, layer.b_in, layer.b_out)
    for e in range(8, 8 + layer.shared_experts):
        w_in, w_out, b_in, b_out = (None if part is None else part[e] for part in network)
        assert w_in is not None
        assert w_out is not None
        hidden = reference.activate(nn.functional.linear(x, w_in, b_in), layer.activation)
        shared = shared + nn.functional.linear(hidden, w_out, b_out)
    torch.testing.assert_close(y[lost], shared[lost])


def test_one_expert_and_all_experts_with_a_shared_one() -> None:
    for experts, top_k in ((1, 1), (4, 4)):
        layer = fk.MoELayer(5, experts, top_k, 3, shared_experts=1).double()
        x = torch.randn(6, 5, dtype=torch.float64)
        torch.testing.assert_close(layer(x), expected(layer, x))


def test_shared_experts_of_one_width_are_one_wide_expert() -> None:
    layer = fk.MoELayer(5, 4, 2, 3, activation="swiglu", bias=False, shared_experts=2).double()
    x = torch.randn(9, 5, dtype=torch.float64)
    routed = fk.MoELayer(5, 4, 2, 3, activation="swiglu", bias=False).double()
    with torch.no_grad():
        routed.gate.weight.copy_(layer.gate.weight)
        routed.w_in.copy_(layer.w_in[:4])
        routed.w_out.copy_(layer.w_out[:4])
    gate, up = layer.w_in[4:].chunk(2, 1)  # [S, H, D]
    wide = nn.functional.silu(x @ gate.flatten(0, 1).t()) * (x @ up.flatten(0, 1).t())  # [T, S H]
    one = wide @ layer.w_out[4:].transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(layer(x), routed(x) + one)


@pytest.mark.parametrize("capacity", [None, 1])
def test_gradcheck_with_shared_experts(capacity: int | None) -> None:
    routing = fk.route(torch.randn(5, 3), 2, capacity=capacity)
    leaves = [
        torch.randn(5, 3, dtype=torch.float64),
        routing.weights.double(),
        torch.randn(5, 4, 3, dtype=torch.float64),
        torch.randn(5, 3, 2, dtype=torch.float64),
        torch.randn(5, 4, dtype=torch.float64),
        torch.randn(5, 3, dtype=torch.float64),
    ]

    def f(*a: torch.Tensor) -> torch.Tensor:
        plan = fk.with_shared_experts(routing._replace(weights=a[1]), 2)
        return fk.moe_mlp(a[0], plan, *a[2:], activation="swiglu")

    assert torch.autograd.gradcheck(f, tuple(leaf.requires_grad_() for leaf in leaves))


@pytest.mark.parametrize("options", [{}, *OPTIONS], ids=str)
def test_backward_keeps_inputs_pre_activations_and_routing_only(options: dict[str, Any]) -> None:
    layer = layer_with(options, torch.float32)
    tokens, width, hidden = 500, 12, 6
    x = torch.randn(tokens, width)
    known = {t.untyped_storage().data_ptr() for t in (x, *layer.parameters())}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in known:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(x)
    slots = tokens * (2 + layer.shared_experts)
    inner = (2 if is_gated(layer.activation) else 1) * hidden
    pre = [t for t in kept.values() if t.is_floating_point() and t.shape == (slots, inner)]
    assert len(pre) == 1
    # What is left is the routing's: scores by expert, and a few numbers for each slot.
    rest = [t for t in kept.values() if t is not pre[0]]
    allowed = {tokens * 8, tokens * 2, tokens, slots, 8 + layer.shared_experts + 1}
    assert {t.numel() for t in rest} <= allowed
    assert sum(t.untyped_storage().nbytes() for t in rest) <= tokens * 8 * 4 + 8 * slots * 8


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_same_input_gives_the_same_bits_on_one_thread_and_on_two(options: dict[str, Any]) -> None:
    layer = layer_with(options, torch.float32)
    x = torch.randn(300, 12, requires_grad=True)

    def run(threads: int) -> list[torch.Tensor]:
        torch.set_num_threads(threads)
        y = layer(x)
        return [y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])]

    first = run(1)
    for threads in (1, 2):
        for a, b in zip(first, run(threads), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_strided_input_and_expanded_gradients_are_taken(options: dict[str, Any]) -> None:
    layer = layer_with(options)
    x = torch.randn(12, 4, 9, dtype=torch.float64).permute(1, 2, 0).requires_grad_()
    assert not x.is_contiguous()
    y = layer(x)
    leaves = [x, *layer.parameters()]
    got = torch.autograd.grad(y.sum(), leaves)  # the gradient of a sum is one number, expanded
    truth = torch.autograd.grad(expected(layer, x).sum(), leaves)
    for g, t in zip(got, truth, strict=True):
        torch.testing.assert_close(g, t)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_compiles_without_graph_breaks_for_every_length(options: dict[str, Any]) -> None:
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    layer = layer_with(options, torch.float32)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    leaves = list(layer.parameters())
    for tokens in (7, 12, 33):
        x = torch.randn(2, tokens, 12, requires_grad=True)
        results = []
        for module in (layer, compiled):
            y = module(x)
            results.append([y, *torch.autograd.grad(y.square().sum(), [x, *leaves])])
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-6)
    # The operator's schema has the capacity as a plain int, so each capacity is a graph of its own.
    graphs = 3 if "capacity_factor" in options else 1
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs


def test_a_compiled_training_step_of_inductor_equals_eager() -> None:
    torch.compiler.reset()
    layer = layer_with(DEEPSEEK, torch.float32)

    def step(x: torch.Tensor) -> torch.Tensor:
        y = layer(x)
        assert layer.router_logits is not None
        assert layer.routing is not None
        logits = layer.router_logits.unflatten(0, x.shape[:2])
        experts = layer.routing.experts.unflatten(0, x.shape[:2])
        loss: torch.Tensor = y.square().mean() + fk.sequence_balance_loss(logits, experts)
        return loss

    x = torch.randn(3, 11, 12)
    wanted = step(x)
    truth = torch.autograd.grad(wanted, list(layer.parameters()))
    loss = torch.compile(step, fullgraph=True)(x)
    torch.testing.assert_close(loss, wanted)
    for g, t in zip(torch.autograd.grad(loss, list(layer.parameters())), truth, strict=True):
        torch.testing.assert_close(g, t, rtol=1e-4, atol=1e-5)


def test_the_bias_of_the_choice_stays_in_float32_and_in_the_state() -> None:
    layer = fk.MoELayer(8, 4, 2, 6, expert_bias=True)
    assert layer.expert_bias is not None
    layer.expert_bias.fill_(1 + 2**-20)  # not a number of bfloat16
    layer.bfloat16()
    assert layer.w_in.dtype == torch.bfloat16
    assert layer.expert_bias.dtype == torch.float32
    assert (layer.expert_bias == 1 + 2**-20).all()
    assert torch.equal(layer.state_dict()["expert_bias"], layer.expert_bias)
    assert "expert_bias" not in fk.MoELayer(8, 4, 2, 6).state_dict()
    assert layer(torch.randn(5, 8).bfloat16()).dtype == torch.bfloat16
    layer.to("meta")
    assert layer.expert_bias.is_meta


def test_layer_balances_its_load_by_the_bias() -> None:
    layer = fk.MoELayer(16, 8, 2, 4, scoring="sigmoid", expert_bias=True)
    with torch.no_grad():
        layer.gate.weight[0] = layer.gate.weight[1:3].sum(0) * 3
    x = torch.randn(2000, 16)
    layer(x)
    assert layer.routing is not None
    before = layer.routing.demand.float()
    bias = layer.expert_bias
    for _ in range(300):
        layer.update_expert_bias(5e-3)
        layer(x)
    after = layer.routing.demand.float()
    assert layer.expert_bias is bias
    assert before.max() > 1.3 * before.mean()
    assert after.max() < 1.1 * after.mean()


def test_the_bias_rule_needs_a_bias_and_a_call() -> None:
    for layer in (fk.MoELayer(8, 4, 2, 6), fk.MoELayer(8, 4, 2, 6, expert_bias=True)):
        with pytest.raises(RuntimeError, match="wanted a layer with expert_bias=True that has been called"):
            layer.update_expert_bias()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size: got 0, wanted 1 or more"),
        ({"num_experts": 0}, "num_experts: got 0, wanted 1 or more"),
        ({"expert_hidden_size": -1}, "expert_hidden_size: got -1"),
        ({"top_k": 9}, "top_k: got 9, wanted 1 to 8"),
        ({"shared_experts": -1}, "shared_experts: got -1, wanted 0 or more"),
        ({"activation": "no-such"}, "activation: got 'no-such'"),
        ({"scoring": "relu"}, "scoring: got 'relu'"),
        ({"num_groups": 3}, "num_groups: got 3, wanted a divisor of 8"),
        ({"capacity_factor": -1.0}, r"capacity_factor: got -1\.0"),
        ({"routed_scaling_factor": -1.0}, r"routed_scaling_factor: got -1\.0"),
    ],
    ids=str,
)
def test_a_layer_that_could_not_run_is_not_built(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fk.MoELayer(**{"hidden_size": 4, "expert_hidden_size": 3, **options})


def test_bad_input_of_the_layer_is_named() -> None:
    layer = fk.MoELayer(4, 3, 2, 5)
    with pytest.raises(ValueError, match=r"x: got shape \(7, 5\), wanted \[\.\.\., 4\]"):
        layer(torch.randn(7, 5))
    with pytest.raises(ValueError, match=r"x: got shape \(\), wanted"):
        layer(torch.tensor(1.0))
    with pytest.raises(TypeError, match=r"x: got torch\.bfloat16, wanted torch\.float32"):
        layer(torch.randn(7, 4).bfloat16())
    with pytest.raises(ValueError, match="x: got a tensor on meta, wanted cpu"):
        layer(torch.randn(7, 4, device="meta"))

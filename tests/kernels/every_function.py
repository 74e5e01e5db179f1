"""Calls every public function and writes down what comes out, and every gradient: see test_fallback.py."""

import itertools
import sys
import warnings

import torch

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import frontier_kernels as fk
    from frontier_kernels.activations import ACTIVATIONS, is_gated
    from frontier_kernels.ops import library

ours = [warning for warning in caught if "frontier_kernels" in str(warning.message)]
warned = [(warning.category.__name__, warning.filename, str(warning.message)) for warning in ours]

torch.manual_seed(0)
torch.set_num_threads(1)
results = {}


def keep(name, outputs, leaves):
    outputs = [t for t in outputs if t is not None]
    smooth = [t for t in outputs if t.requires_grad]
    seeds = [torch.randn(t.shape).to(t.dtype) for t in smooth]
    grads = torch.autograd.grad(smooth, leaves, seeds) if leaves else []
    sixteen_bits = any(t.dtype in (torch.bfloat16, torch.float16) for t in (*outputs, *leaves))
    results.setdefault(name, []).extend((t.detach(), sixteen_bits) for t in (*outputs, *grads))


def leaf(dtype, *shape, scale=1.0):
    return (scale * torch.randn(shape)).to(dtype).requires_grad_()


FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
grouped = {"scoring": "sigmoid", "num_groups": 4, "top_k_groups": 2, "expert_bias": torch.randn(8)}
for dtype, tokens, options in itertools.product(
    FLOATS, (0, 1, 37), ({}, {"renormalize": False, "capacity": 3}, grouped)
):
    logits = leaf(dtype, tokens, 8)
    routing = fk.route(logits, 2, **options)
    keep("route", routing, [logits])
    keep("group_by_expert", fk.group_by_expert(routing.experts, routing.weights.detach(), 8, capacity=5), [])
    unused = routing.experts.masked_fill(torch.rand(tokens, 2) < 0.3, -1)
    plan, x = fk.group_by_expert(unused, routing.weights.detach(), 8, capacity=5), leaf(dtype, tokens, 6)
    keep("group_by_expert", plan, [])
    network = [leaf(dtype, 8, 5, 6, scale=6**-0.5), leaf(dtype, 8, 6, 5, scale=5**-0.5)]
    keep("moe_mlp", [fk.moe_mlp(x, plan, *network)], [x, *network])
    keep("dispatch", [fk.dispatch(x, routing)], [x])
    ys, routed = leaf(dtype, 2 * tokens, 6), routing.weights.detach().requires_grad_()
    keep("combine", [fk.combine(ys, routing._replace(weights=routed))], [ys, routed])
    keep("load_balancing_loss", [fk.load_balancing_loss(logits, routing.experts)], [logits])
    keep("router_z_loss", [fk.router_z_loss(logits)], [logits])
    sequence = logits.reshape(1, tokens, 8)
    keep("sequence_balance_loss", [fk.sequence_balance_loss(sequence, routing.experts[None])], [logits])
    keep("with_shared_experts", [*fk.with_shared_experts(fk.route(logits, 2, **options), 2)], [logits])
    keep("update_expert_bias", [fk.update_expert_bias(torch.randn(8), routing.demand)], [])
    for activation, biased in itertools.product(ACTIVATIONS, (False, True)):
        inner = 10 if is_gated(activation) else 5
        network = [leaf(dtype, 8, inner, 6, scale=6**-0.5), leaf(dtype, 8, 6, 5, scale=5**-0.5)]
        network += [leaf(dtype, 8, inner), leaf(dtype, 8, 6)] if biased else []
        y = fk.moe_mlp(x, routing._replace(weights=routed), *network, activation=activation)
        keep("moe_mlp", [y], [x, routed, *network])
        for trained in ([x], [network[0]], network[1:]):  # the rest is frozen
            given = [t if any(t is leaf for leaf in trained) else t.detach() for t in (x, *network)]
            y = fk.moe_mlp(
                given[0], routing._replace(weights=routed.detach()), *given[1:], activation=activation
            )
            keep("moe_mlp", [y], trained)
        with torch.no_grad():
            y = fk.moe_mlp(x, routing, *network, activation=activation, packed=fk.PackedWeights())
        keep("PackedWeights", [y], [])
# The weights of a token that lost all its slots, renormalised over those that it kept: 0 / 0.
for lost in (float("nan"), float("inf"), float("-inf")):
    weights = torch.tensor([[0.5, 0.5], [lost, lost]], requires_grad=True)
    plan = fk.group_by_expert(torch.tensor([[0, 1], [0, 1]]), weights, 2, capacity=1)
    ys, x = leaf(torch.float32, 4, 3), leaf(torch.float32, 2, 3)
    keep("combine", [fk.combine(ys, plan)], [ys, weights])
    network = [leaf(torch.float32, 2, 5, 3), leaf(torch.float32, 2, 3, 5)]
    keep("moe_mlp", [fk.moe_mlp(x, plan, *network)], [x, weights, *network])
results["expert_capacity"] = [(torch.tensor(fk.expert_capacity(37, 8, 2, 1.25)), False)]

forms = ({"form": "parallel"}, {"form": "recurrent"}, {"form": "chunkwise", "chunk_size": 4})
for dtype, time, packed, per_token, options in itertools.product(FLOATS, (0, 1, 11), (0, 1), (0, 1), forms):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    cu_seqlens = torch.tensor([0, time // 3, time // 3, time]) if packed else None
    q, k = (leaf(dtype, 1 if packed else 2, time, 2, 3) for _ in "qk")
    v = leaf(dtype, *q.shape[:3], 5)
    g = (-torch.rand(*(q.shape[:3] if per_token else (2,)), dtype=wide)).requires_grad_()
    state = leaf(wide, 3 if packed else 2, 2, 3, 5)
    o = fk.retention(q, k, v, g, initial_state=state, return_state=True, cu_seqlens=cu_seqlens, **options)
    keep("retention", o, [q, k, v, g, state])
    keep("retention", [fk.retention(q, k, v, g, cu_seqlens=cu_seqlens, **options)[0]], [q, k, v, g])
    if time:
        state = torch.randn(q.shape[0], 2, 3, 5, dtype=wide)
        with torch.no_grad():
            step = fk.retention_step(q[:, 0], k[:, 0], v[:, 0], state, g[:, 0] if per_token else g)
        keep("retention_step", [step, state], [])
    scored = {"cu_seqlens": cu_seqlens, "return_state": True, "normalize_scores": True, **options}
    # A single step of normalised scores gives plus or minus v: all of its gradient is rounding.
    leaves = [q, k, v, g] if time > 1 else []
    o, state = fk.retention(q, k, v, g, **scored)
    keep("retention", [o, state], leaves)
    o, last = fk.retention(q, k, v, g, initial_state=state.detach(), **scored)
    keep("retention", [o, last], leaves)
    if time and not packed:
        state = last.detach().clone()
        with torch.no_grad():
            step = fk.retention_step(
                q[:, 0], k[:, 0], v[:, 0], state, g[:, 0] if per_token else g, normalize_scores=True
            )
        keep("retention_step", [step, state], [])

layers = {
    "MoELayer": fk.MoELayer(12, 4, 2, 6, capacity_factor=1.0),
    "RetentionLayer": fk.RetentionLayer(12, 3),
    "RetentionLayer, all options": fk.RetentionLayer(12, 3, normalize_scores=True, xpos_scale_base=1.0),
}
for title, layer in layers.items():
    name = title.partition(",")[0]
    x = leaf(torch.float32, 2, 11, 12)
    keep(name, [layer(x)], [x, *layer.parameters()])
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    keep(name, [compiled(x)], [x, *layer.parameters()])

PREFIX = "frontier_kernels::"
names = torch._C._dispatch_get_all_op_names()
names = {name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)}
schemas = {name: str(getattr(library, name).default._schema) for name in names}
torch.save((results, warned, schemas, vars(fk.build_info())), sys.argv[1])

"""Packed weights: the same bits as without, packed once, and again whenever the weights have changed."""

from __future__ import annotations

import copy
import gc
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import frontier_kernels as fk
from frontier_kernels.activations import is_gated
from frontier_kernels.ops import library
from frontier_kernels.packing import FEW_TOKENS

TOKENS, EXPERTS, TOP_K, WIDTH, HIDDEN = 40, 4, 2, 19, 7
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def network(dtype: torch.dtype = torch.float32) -> tuple[Tensor, fk.Routing, Tensor, Tensor]:
    """Tokens, a plan, and both weights of GELU experts."""
    x, logits = torch.randn(TOKENS, WIDTH), torch.randn(TOKENS, EXPERTS)
    w_in, w_out = torch.randn(EXPERTS, HIDDEN, WIDTH), torch.randn(EXPERTS, WIDTH, HIDDEN)
    return x.to(dtype), fk.route(logits, TOP_K), w_in.to(dtype), w_out.to(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("tokens", [0, 1, FEW_TOKENS, FEW_TOKENS + 1, 40, 1100])
@pytest.mark.parametrize("activation", ["gelu", "relu2", "swiglu"])
@pytest.mark.parametrize("biased", [False, True])
def test_packed_weights_give_the_same_bits(
    dtype: torch.dtype, tokens: int, activation: str, biased: bool
) -> None:
    width, hidden, experts = 300, 33, 6
    inner = 2 * hidden if is_gated(activation) else hidden
    logits = torch.randn(tokens, experts)
    logits[:, 3] -= 100  # an expert without rows
    x = torch.randn(tokens, width).to(dtype)
    routing = fk.route(logits, 2, capacity=tokens // 3)  # and dropped slots
    shapes = [(experts, inner, width), (experts, width, hidden), (experts, inner), (experts, width)]
    weights = [(torch.randn(shape) / shape[-1] ** 0.5).to(dtype) for shape in shapes[: 4 if biased else 2]]
    packed = fk.PackedWeights()
    got = fk.moe_mlp(x, routing, *weights, activation=activation, packed=packed)  # type: ignore[arg-type]
    wanted = fk.moe_mlp(x, routing, *weights, activation=activation)  # type: ignore[arg-type]
    assert torch.equal(got, wanted)
    assert (packed.nbytes > 0) == (tokens > FEW_TOKENS)  # fewer rows read the weights as they lie


def test_strided_and_expanded_weights_are_packed_as_they_read() -> None:
    x, routing, w_in, w_out = network()
    w_in = w_in.transpose(0, 2).contiguous().transpose(0, 2)
    w_out = w_out[:1].expand(EXPERTS, -1, -1)
    got = fk.moe_mlp(x, routing, w_in, w_out, packed=fk.PackedWeights())
    assert torch.equal(got, fk.moe_mlp(x, routing, w_in.contiguous(), w_out.contiguous()))


def test_weights_are_packed_once() -> None:
    packed, weight = fk.PackedWeights(), torch.randn(2, 3, 5)
    panels = packed.panels(weight)
    assert packed.panels(weight) is panels
    assert packed.nbytes == panels.nbytes
    assert packed.panels(torch.nn.Parameter(weight)) is not panels  # another tensor, though of one memory


def step(weight: Tensor) -> None:
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    weight.grad = torch.ones_like(weight)
    optimizer.step()


def assign(weight: Tensor) -> None:
    weight.data = weight.detach() * 2


def turn(weight: Tensor) -> None:
    weight.data = weight.detach().flip(1).contiguous().transpose(1, 2).contiguous().transpose(1, 2)


CHANGES: dict[str, Callable[[Tensor], object]] = {
    "in place": lambda weight: weight.mul_(2),
    "in place through a view": lambda weight: weight[1, 2].zero_(),
    "in place through what was detached": lambda weight: weight.detach().mul_(2),
    "by an optimizer": step,
    "another memory": assign,
    "another order": turn,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_weights_is_seen(change: str) -> None:
    x, routing, w_in, w_out = network()
    w_in, w_out = (torch.nn.Parameter(w, requires_grad=False) for w in (w_in, w_out))
    packed = fk.PackedWeights()
    for weight in (w_in, w_out):
        before = fk.moe_mlp(x, routing, w_in, w_out, packed=packed)
        CHANGES[change](weight)
        got = fk.moe_mlp(x, routing, w_in, w_out, packed=packed)
        assert torch.equal(got, fk.moe_mlp(x, routing, w_in, w_out))
        assert not torch.equal(got, before)


def test_a_step_of_a_fused_optimizer_which_counts_nothing_is_seen_after_the_pass_before_it() -> None:
    layer, x = fk.MoELayer(16, 4, 2, 8, pack_weights=True), torch.randn(TOKENS, 16)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)
    for _ in range(3):
        with torch.no_grad():
            before = layer(x)
        versions = layer.w_in._version, layer.w_out._version
        layer(x).square().sum().backward()
        optimizer.step()
        assert versions == (layer.w_in._version, layer.w_out._version)  # or torch has begun to count it
        with torch.no_grad():
            got = layer(x)
            layer.packed.clear()
            assert torch.equal(got, layer(x))
        assert not torch.equal(got, before)


def test_a_layer_that_loads_other_weights_uses_them() -> None:
    layer, other = (fk.MoELayer(16, 4, 2, 8, pack_weights=True) for _ in "ab")
    x = torch.randn(TOKENS, 16)
    with torch.no_grad():
        layer(x)
        wanted = other(x)
        layer.load_state_dict(other.state_dict())
        assert torch.equal(layer(x), wanted)
        layer.double()
        assert torch.equal(layer(x.double()), other.double()(x.double()))


def test_what_torch_does_not_count_is_seen_after_clear() -> None:
    # If the first assertion fails, torch has begun to count such writes: say so in PackedWeights.
    x, routing, w_in, w_out = network()
    packed = fk.PackedWeights()
    stale = fk.moe_mlp(x, routing, w_in, w_out, packed=packed)
    w_in.data.mul_(2)
    assert torch.equal(fk.moe_mlp(x, routing, w_in, w_out, packed=packed), stale)
    packed.clear()
    assert packed.nbytes == 0
    assert torch.equal(
        fk.moe_mlp(x, routing, w_in, w_out, packed=packed), fk.moe_mlp(x, routing, w_in, w_out)
    )


def test_the_copy_goes_when_the_weight_goes() -> None:
    packed, weight = fk.PackedWeights(), torch.randn(2, 3, 5)
    packed.panels(weight)
    assert packed.nbytes > 0
    del weight
    gc.collect()
    assert packed.nbytes == 0


def test_weights_of_inference_mode_count_no_versions_and_are_not_kept() -> None:
    packed = fk.PackedWeights()
    with torch.inference_mode():
        x, routing, w_in, w_out = network()
        for _ in range(2):
            got = fk.moe_mlp(x, routing, w_in, w_out, packed=packed)
            assert torch.equal(got, fk.moe_mlp(x, routing, w_in, w_out))
            w_in.mul_(2)
    assert packed.nbytes == 0


def test_ordinary_weights_are_kept_in_inference_mode() -> None:
    x, routing, w_in, w_out = network()
    packed, wanted = fk.PackedWeights(), fk.moe_mlp(x, routing, w_in, w_out)
    with torch.inference_mode():
        assert torch.equal(fk.moe_mlp(x, routing, w_in, w_out, packed=packed), wanted)
    assert packed.nbytes > 0
    assert torch.equal(fk.moe_mlp(x, routing, w_in, w_out, packed=packed), wanted)


@pytest.mark.parametrize("leaf", range(4))
def test_a_recorded_gradient_is_that_without_packing(leaf: int) -> None:
    x, routing, w_in, w_out = network(torch.float64)
    leaves = [x, routing.weights, w_in, w_out]
    leaves[leaf].requires_grad_()
    gradients = [
        torch.autograd.grad(fk.moe_mlp(x, routing, w_in, w_out, packed=packed).square().sum(), leaves[leaf])[
            0
        ]
        for packed in (None, fk.PackedWeights())
    ]
    assert torch.equal(*gradients)
    assert gradients[0].abs().max() > 0


def test_a_layer_that_packs_compiles_in_one_graph() -> None:
    torch.compiler.reset()
    layer, x = fk.MoELayer(12, 4, 2, 6, pack_weights=True), torch.randn(30, 12)
    with torch.no_grad():
        wanted = layer(x)
        got = torch.compile(layer, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(got, wanted)


def test_a_layer_is_copied_and_saved_without_its_packed_weights() -> None:
    layer, x = fk.MoELayer(16, 4, 2, 8, pack_weights=True), torch.randn(TOKENS, 16)
    with torch.no_grad():
        wanted = layer(x)
    assert layer.packed is not None
    assert "packed" not in layer.state_dict()
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    assert file.getbuffer().nbytes < 4 * sum(p.nbytes for p in layer.parameters())
    layer.router_logits = layer.routing = None
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other.packed.nbytes == 0
        with torch.no_grad():
            assert torch.equal(other(x), wanted)


def test_the_same_bits_on_one_thread_and_on_two() -> None:
    x, routing, w_in, w_out = network()
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(fk.moe_mlp(x, routing, w_in, w_out, packed=fk.PackedWeights()))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)


def test_panels_of_a_type_without_products_are_refused() -> None:
    with pytest.raises(RuntimeError, match="pack_weights: the element type must be float32"):
        library.pack_weights(torch.ones(2, 3, 4, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="w: got 2 dimensions, wanted 3"):
        library.pack_weights(torch.ones(3, 4))
    with pytest.raises(RuntimeError, match="dtype: got 'int8', wanted 'float32'"):
        library.packed_bytes("int8", 3, 4)


def test_cast_weights_are_not_kept_packed_and_training_drops_the_copies() -> None:
    layer = fk.MoELayer(16, 4, 2, 8, pack_weights=True)
    x = torch.randn(50, 16)
    assert layer.packed is not None
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        wanted = layer(x)
        assert layer.packed.nbytes == 0
        layer.packed = None
        assert torch.equal(layer(x), wanted)
    layer.packed = fk.PackedWeights()
    with torch.no_grad():
        layer(x)
    assert layer.packed.nbytes > 0
    with torch.autocast("cpu", torch.bfloat16):
        layer(x)
    assert layer.packed.nbytes == 0

"""What a MoELayer keeps between calls belongs to the call: not to other threads, copies or files."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

import frontier_kernels as fk


def build(**options: Any) -> fk.MoELayer:
    return fk.MoELayer(16, 4, 2, 8, **options)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads take turns as often as Python lets them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(work: Callable[[int], None], threads: int = 4) -> None:
    """Run work(0) to work(n - 1) at once; an error in one is raised here."""
    errors: list[BaseException] = []

    def one(i: int) -> None:
        try:
            work(i)
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=one, args=(i,)) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.usefixtures("frequent_switches")
@pytest.mark.parametrize("options", [{}, {"shared_experts": 1, "pack_weights": True}], ids=str)
def test_threads_share_a_layer(options: dict[str, Any]) -> None:
    layer = build(**options)
    inputs = [torch.full((64, 16), float(i)) for i in range(4)]
    with torch.no_grad():
        wanted = [layer(x) for x in inputs]
    wrong = []

    def infer(i: int) -> None:
        with torch.no_grad():
            for _ in range(200):
                if not torch.equal(layer(inputs[i]), wanted[i]):
                    wrong.append(i)

    in_threads(infer)
    assert wrong == []


@pytest.mark.usefixtures("frequent_switches")
def test_threads_train_a_layer() -> None:
    layer = build()
    inputs = [torch.randn(32, 16) for _ in range(4)]

    def gradients(i: int) -> list[Tensor]:
        return list(torch.autograd.grad(layer(inputs[i]).square().sum(), list(layer.parameters())))

    wanted = [gradients(i) for i in range(4)]

    def train(i: int) -> None:
        for _ in range(50):
            for got, truth in zip(gradients(i), wanted[i], strict=True):
                assert torch.equal(got, truth)

    in_threads(train)


def test_a_call_does_not_read_back_what_another_one_may_have_set() -> None:
    class Contended(fk.MoELayer):
        """As if another thread called the layer right after each attribute is set."""

        others: dict[str, Any] | None = None

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if self.others is not None and name in self.others:
                super().__setattr__(name, self.others[name])

    layer = Contended(16, 4, 2, 8, shared_experts=1)
    x = torch.randn(20, 16)
    wanted = layer(x)
    layer(torch.randn(20, 16))
    layer.others = {"router_logits": layer.router_logits, "routing": layer.routing}
    assert torch.equal(layer(x), wanted)


COPIES: dict[str, Callable[[nn.Module], nn.Module]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),
    "AveragedModel": lambda module: AveragedModel(module).module,
}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("options", [{}, {"expert_bias": True, "pack_weights": True}], ids=str)
def test_a_trained_layer_is_copied_without_its_last_call(name: str, options: dict[str, Any]) -> None:
    model = nn.Sequential(nn.Linear(16, 16), build(**options))
    x = torch.randn(6, 16)
    model(x).sum().backward()
    layer = model[1]
    assert isinstance(layer, fk.MoELayer)
    again = COPIES[name](layer if name == "copy" else model)
    other = again if name == "copy" else again[1]  # type: ignore[index]
    assert other.router_logits is None
    assert other.routing is None
    assert layer.routing is not None
    assert torch.equal(other(x), layer(x))
    assert other.routing is not None


def test_a_saved_layer_has_the_size_of_its_weights() -> None:
    def size(layer: fk.MoELayer) -> int:
        file = io.BytesIO()
        torch.save(layer, file)
        return len(file.getvalue())

    layer = build()
    before = size(layer)
    layer(torch.randn(5000, 16))
    assert size(layer) <= before + 100


def test_a_copy_does_not_hold_the_graph_of_the_last_call() -> None:
    layer = build()
    x = torch.randn(6, 16, requires_grad=True)
    upstream = x * 2
    layer(upstream)
    held = weakref.ref(upstream)
    other = copy.deepcopy(layer)
    del layer, upstream
    gc.collect()
    assert held() is None
    assert other.routing is None


def test_checkpointing_keeps_the_logits_of_the_losses_but_for_the_reentrant_kind() -> None:
    layer, x = build(), torch.randn(6, 16, requires_grad=True)
    checkpoint(layer, x, use_reentrant=False)
    assert layer.router_logits is not None
    assert layer.router_logits.requires_grad
    checkpoint(layer, x, use_reentrant=True)
    assert not layer.router_logits.requires_grad  # as the docstring says


# ---- the bias of the choice ------------------------------------------------------------------------------


def built_in_bfloat16() -> fk.MoELayer:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        return build(expert_bias=True)
    finally:
        torch.set_default_dtype(before)


def loaded_by_assignment(assign: bool) -> fk.MoELayer:
    layer = build(expert_bias=True).bfloat16()
    state = {name: tensor.bfloat16() for name, tensor in layer.state_dict().items()}
    layer.load_state_dict(state, assign=assign)
    return layer


def cast_as_fsdp_casts_buffers() -> fk.MoELayer:
    layer = build(expert_bias=True).bfloat16()
    assert layer.expert_bias is not None
    layer.expert_bias.data = layer.expert_bias.data.bfloat16()
    return layer


WAYS: dict[str, Callable[[], fk.MoELayer]] = {
    "built in bfloat16": built_in_bfloat16,
    "loaded": lambda: loaded_by_assignment(False),
    "loaded by assignment": lambda: loaded_by_assignment(True),
    "on meta, loaded by assignment": lambda: on_meta_and_loaded(),
    "converted": lambda: build(expert_bias=True).to(torch.bfloat16),
    "double": lambda: build(expert_bias=True).double(),
    "cast by FSDP": cast_as_fsdp_casts_buffers,
}


def on_meta_and_loaded() -> fk.MoELayer:
    state = {name: tensor.bfloat16() for name, tensor in build(expert_bias=True).state_dict().items()}
    with torch.device("meta"):
        layer = build(expert_bias=True)
    layer.load_state_dict(state, assign=True)
    return layer


@pytest.mark.parametrize("way", WAYS)
def test_small_steps_of_the_bias_are_not_rounded_away(way: str) -> None:
    layer = WAYS[way]()
    assert layer.expert_bias is not None
    if way != "cast by FSDP":
        assert layer.expert_bias.dtype == torch.float32
    x = torch.randn(60, 16, dtype=layer.w_in.dtype)
    with torch.no_grad():
        layer.expert_bias.fill_(0.6)
        layer(x)
        assert layer.routing is not None
        mean = layer.routing.demand.double().mean()
        up = (layer.routing.demand < mean).float() - (layer.routing.demand > mean).float()
        start = layer.expert_bias.float().clone()
        for _ in range(100):  # of one demand, so that the way is known
            layer.update_expert_bias(1e-3)
    assert up.abs().sum() > 0
    torch.testing.assert_close(layer.expert_bias, start + 0.1 * up, rtol=0, atol=1e-4)
    assert layer(x).dtype == x.dtype


# ---- factors that are learnt -----------------------------------------------------------------------------


def test_a_learnt_scaling_factor_has_its_gradient() -> None:
    logits = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    factor = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)

    def weights(logits: Tensor, factor: Tensor) -> Tensor:
        return fk.route(logits, 2, scoring="sigmoid", routed_scaling_factor=factor).weights

    assert torch.autograd.gradcheck(weights, (logits, factor))
    torch.testing.assert_close(
        weights(logits, factor),
        fk.route(logits, 2, scoring="sigmoid", routed_scaling_factor=2.5).weights,
    )


def test_a_learnt_scaling_factor_is_a_parameter_of_the_layer() -> None:
    layer = build(routed_scaling_factor=nn.Parameter(torch.tensor(2.5)), shared_experts=1)
    assert "routed_scaling_factor" in dict(layer.named_parameters())
    x = torch.randn(6, 16)
    fixed = build(routed_scaling_factor=2.5, shared_experts=1)
    fixed.load_state_dict({n: t for n, t in layer.state_dict().items() if n != "routed_scaling_factor"})
    torch.testing.assert_close(layer(x), fixed(x))
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    grads = [torch.autograd.grad(f(x).square().sum(), layer.routed_scaling_factor) for f in (layer, compiled)]
    assert grads[0][0].abs() > 0
    torch.testing.assert_close(grads[1], grads[0])


@pytest.mark.parametrize("normalize_scores", [False, True])
def test_a_learnt_scale_of_retention_has_its_gradient(normalize_scores: bool) -> None:
    rows = [torch.randn(1, 5, 2, 3, dtype=torch.float64) for _ in "qkv"]
    decay = torch.tensor([-0.1, -0.5])
    scale = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)

    def output(scale: Any) -> Tensor:
        return fk.retention(
            *rows, torch.tensor([-0.1, -0.5]), scale=scale, normalize_scores=normalize_scores
        )[0]

    assert torch.autograd.gradcheck(output, (scale,))
    torch.testing.assert_close(output(scale), output(0.7))
    state = torch.rand(1, 2, 3 + normalize_scores, 3 + normalize_scores, dtype=torch.float64)
    step = [row[:, 0] for row in rows]
    options: dict[str, Any] = {"normalize_scores": normalize_scores}
    with torch.no_grad():
        got, wanted = (
            fk.retention_step(*step, state.clone(), decay, scale=one, **options) for one in (scale, 0.7)
        )
    torch.testing.assert_close(got, wanted)
    with pytest.raises(ValueError, match="scale: wants a gradient, which decoding in place has not"):
        fk.retention_step(*step, state, decay, scale=scale, **options)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (torch.ones(2), ValueError, r"got shape \(2,\), wanted one number"),
        (torch.ones(1, dtype=torch.int64), TypeError, r"got torch\.int64, wanted a float type"),
    ],
)
def test_a_factor_that_is_no_number_is_refused(value: Tensor, error: type[Exception], message: str) -> None:
    q = torch.randn(1, 5, 2, 3)
    with pytest.raises(error, match=f"^scale: {message}"):
        fk.retention(q, q, q, torch.zeros(2), scale=value)
    with pytest.raises(error, match=f"^routed_scaling_factor: {message}"):
        fk.route(torch.randn(6, 4), 2, routed_scaling_factor=value)
    with pytest.raises(error, match=f"^routed_scaling_factor: {message}"):
        build(routed_scaling_factor=value)

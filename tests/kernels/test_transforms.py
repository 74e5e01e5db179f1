"""torch.func: reverse mode and vmap equal autograd and a loop; forward mode is refused, and never zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, stack_module_state, vjp, vmap

import frontier_kernels as fk
from frontier_kernels.ops import library

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")

Function = Callable[..., Tensor]


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def functions() -> dict[str, tuple[Function, tuple[Tensor, ...]]]:
    """Functions of tensors alone, each with arguments that all have a derivative."""
    logits, w_in, w_out = double(5, 4), double(4, 3, 2), double(4, 2, 3)
    plan = fk.route(logits, 2, capacity=2)
    bounds = torch.tensor([0, 2, 5])

    def retain(q: Tensor, k: Tensor, v: Tensor, decay: Tensor, state: Tensor, **options: Any) -> Tensor:
        o, last = fk.retention(q, k, v, -decay.exp(), initial_state=state, return_state=True, **options)
        assert last is not None
        return torch.cat([o.flatten(), last.flatten()])

    def normalized(q: Tensor, k: Tensor, v: Tensor, decay: Tensor) -> Tensor:
        return fk.retention(q, k, v, -decay.exp(), normalize_scores=True)[0]

    rows = (double(1, 5, 2, 2), double(1, 5, 2, 2), double(1, 5, 2, 3))
    return {
        "route": (lambda z: fk.route(z, 2, renormalize=False).weights, (logits,)),
        "dispatch": (lambda x: fk.dispatch(x, plan), (double(5, 3),)),
        "combine": (
            lambda ys, w: fk.combine(ys, plan._replace(weights=w)),
            (double(10, 3), plan.weights.detach()),
        ),
        "moe_mlp": (
            lambda x, w, *network: fk.moe_mlp(x, plan._replace(weights=w), *network),
            (double(5, 2), plan.weights.detach(), w_in, w_out, double(4, 3), double(4, 2)),
        ),
        "retention": (retain, (*rows, double(2), double(1, 2, 2, 3))),
        "retention of packed sequences": (
            lambda *a: retain(*a, cu_seqlens=bounds),
            (*rows, double(1, 5, 2), double(2, 2, 2, 3)),
        ),
        "normalized retention": (normalized, (*rows, double(2))),
        "losses": (
            lambda z: fk.load_balancing_loss(z, plan.experts) + fk.router_z_loss(z),
            (logits,),
        ),
    }


NAMES = list(functions())
OURS = [name for name in NAMES if name != "losses"]
"""Of the losses all derivatives are torch's."""


def scalar(function: Function) -> Function:
    return lambda *a: function(*a).square().sum()


def by_autograd(function: Function, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    leaves = [a.clone().requires_grad_() for a in arguments]
    return torch.autograd.grad(scalar(function)(*leaves), leaves)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_grad_equals_autograd(name: str, compiled: bool) -> None:
    torch.compiler.reset()
    function, arguments = functions()[name]
    transformed = grad(scalar(function), argnums=tuple(range(len(arguments))))
    if compiled:
        transformed = torch.compile(transformed, backend="aot_eager", fullgraph=True)
    for got, wanted in zip(transformed(*arguments), by_autograd(function, arguments), strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("argnums", [(0,), (2, 5), (1, 3)])
def test_grad_and_gradients_by_sample_of_some_arguments_equal_autograd(
    argnums: tuple[int, ...], compiled: bool
) -> None:
    torch.compiler.reset()
    function, arguments = functions()["moe_mlp"]
    wanted = by_autograd(function, arguments)
    one = grad(scalar(function), argnums=argnums)
    transformed = torch.compile(one, backend="aot_eager", fullgraph=True) if compiled else one
    torch.testing.assert_close(transformed(*arguments), tuple(wanted[i] for i in argnums))
    samples = vmap(one)(*(torch.stack([a, a]) for a in arguments))
    torch.testing.assert_close(samples, tuple(torch.stack([wanted[i]] * 2) for i in argnums))


@pytest.mark.parametrize("name", NAMES)
def test_vjp_equals_autograd_with_leaves_and_without(name: str) -> None:
    function, arguments = functions()[name]
    wanted = by_autograd(function, arguments)
    for leaves in (arguments, tuple(a.clone().requires_grad_() for a in arguments)):
        output, pull = vjp(function, *leaves)
        for got, truth in zip(pull(2 * output.detach()), wanted, strict=True):
            torch.testing.assert_close(got, truth)


@pytest.mark.parametrize("name", NAMES)
def test_jacrev_equals_a_loop(name: str) -> None:
    function, arguments = functions()[name]
    wanted = torch.autograd.functional.jacobian(lambda a: function(a, *arguments[1:]), arguments[0])
    torch.testing.assert_close(jacrev(function)(*arguments), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_and_gradients_by_sample_equal_a_loop(name: str) -> None:
    function, arguments = functions()[name]
    batch = [torch.stack([a, a.flip(0), 0.5 * a]) for a in arguments]
    samples = [tuple(b[i] for b in batch) for i in range(3)]
    torch.testing.assert_close(vmap(function)(*batch), torch.stack([function(*one) for one in samples]))
    together = vmap(grad(scalar(function), argnums=tuple(range(len(arguments)))))(*batch)
    for i, one in enumerate(samples):
        for got, wanted in zip(together, by_autograd(function, one), strict=True):
            torch.testing.assert_close(got[i], wanted)


@pytest.mark.parametrize("name", NAMES)
def test_autograd_through_vmap_equals_a_loop(name: str) -> None:
    function, arguments = functions()[name]
    leaves = [torch.stack([a, 0.5 * a]).requires_grad_() for a in arguments]
    got = torch.autograd.grad(vmap(scalar(function))(*leaves).sum(), leaves)
    for i in range(2):
        for g, wanted in zip(got, by_autograd(function, tuple(a[i].detach() for a in leaves)), strict=True):
            torch.testing.assert_close(g[i], wanted)


@pytest.mark.parametrize("of_the_operator", [False, True])
@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("recorded", [False, True])
def test_forward_mode_is_refused_for_every_argument(name: str, recorded: bool, of_the_operator: bool) -> None:
    function, arguments = functions()[name]
    if of_the_operator:
        torch.compiler.reset()
        function = torch.compile(function, backend="aot_eager")
    for i in range(len(arguments)):
        rest = [a.clone().requires_grad_(recorded) for a in arguments]

        def one(a: Tensor, i: int = i, rest: list[Tensor] = rest) -> Tensor:
            return function(*rest[:i], a, *rest[i + 1 :])

        words = r"frontier_kernels\.\w+: no derivative in forward mode \(jvp, jacfwd, dual tensors\)"
        with pytest.raises(NotImplementedError, match=words):
            jvp(one, (arguments[i],), (arguments[i],))
        with pytest.raises(NotImplementedError, match=words), forward_ad.dual_level():
            one(forward_ad.make_dual(rest[i], torch.ones_like(rest[i])))
        if not of_the_operator:
            with pytest.raises(NotImplementedError, match=words):
                jacfwd(one)(arguments[i])


def test_a_compiled_jvp_is_refused() -> None:
    for name in OURS:
        torch.compiler.reset()
        function, (first, *rest) = functions()[name]

        def tangent(a: Tensor, function: Function = function, rest: list[Tensor] = rest) -> Tensor:
            return jvp(lambda a: function(a, *rest), (a,), (a,))[1]

        with pytest.raises(NotImplementedError, match="no derivative in forward mode"):
            torch.compile(tangent, backend="aot_eager")(first)


def test_tensors_without_a_tangent_are_taken_among_dual_ones() -> None:
    for name in OURS:
        function, arguments = functions()[name]
        wanted = function(*arguments)
        with forward_ad.dual_level():
            other = forward_ad.make_dual(double(2), double(2))
            assert torch.equal(function(*arguments), wanted)
            assert forward_ad.unpack_dual(2 * other).tangent is not None
        one = double(1)[0]
        result, tangent = jvp(lambda a, f=function, rest=arguments: a * f(*rest), (one,), (one,))
        assert tangent.abs().max() > 0
        assert result.shape == wanted.shape


@pytest.mark.parametrize("name", [name for name in OURS if name != "dispatch"])
def test_a_second_derivative_is_refused_by_every_way(name: str) -> None:
    function, arguments = functions()[name]
    with pytest.raises(NotImplementedError, match="no second derivative"):
        jacrev(jacrev(function))(*arguments)
    with pytest.raises(NotImplementedError, match="no derivative in forward mode"):
        hessian(function)(*arguments)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.functional.jvp(function, arguments, arguments, create_graph=True)


@pytest.mark.parametrize("normalize_scores", [False, True])
def test_the_step_has_no_derivative_of_any_kind(normalize_scores: bool) -> None:
    rows = [double(1, 2, 3), double(1, 2, 3), double(1, 2, 4), double(1, 2, 3, 4), -torch.rand(2).double()]
    if normalize_scores:
        rows[3] = torch.rand(1, 2, 4, 5).double()

    def step(i: int, a: Tensor) -> Tensor:
        return fk.retention_step(*rows[:i], a, *rows[i + 1 :], normalize_scores=normalize_scores)

    for i, row in enumerate(rows):
        with torch.no_grad(), pytest.raises(NotImplementedError, match="no derivative in forward mode"):
            jvp(lambda a, i=i: step(i, a), (row.clone(),), (row,))
        with (
            torch.no_grad(),
            forward_ad.dual_level(),
            pytest.raises(NotImplementedError, match="no derivative in forward mode"),
        ):
            step(i, forward_ad.make_dual(row.clone(), row))
        with pytest.raises(ValueError, match="wants a gradient, which decoding in place has not"):
            grad(lambda a, i=i: step(i, a).sum())(row.clone())


def test_inference_operators_called_directly_have_no_derivative_either() -> None:
    q, state, decay = double(1, 2, 3), double(1, 2, 3, 3), -torch.rand(2).double()
    with pytest.raises(NotImplementedError, match="retention_step: no derivative is implemented"):
        library.retention_step(q.clone().requires_grad_(), q, q, state, decay, 1.0)
    with pytest.raises(NotImplementedError, match="retention_step: no derivative in forward mode"):
        jvp(lambda a: library.retention_step(a, q, q, state, decay, 1.0), (q,), (q,))


@pytest.mark.parametrize("kind", ["MoELayer", "RetentionLayer"])
def test_layers_have_gradients_by_sample_and_ensembles(kind: str) -> None:
    def build() -> torch.nn.Module:
        if kind == "MoELayer":
            return fk.MoELayer(8, 4, 2, 6, shared_experts=1, pack_weights=True).double()
        return fk.RetentionLayer(8, 2).double()

    layer, x = build(), double(3, 2, 5, 8)
    parameters = dict(layer.named_parameters())

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(layer, parameters, (x,)).square().sum()

    together = vmap(grad(loss), (None, 0))({n: p.detach() for n, p in parameters.items()}, x)
    for i in range(3):
        wanted = torch.autograd.grad(layer(x[i]).square().sum(), list(parameters.values()))
        for name, truth in zip(parameters, wanted, strict=True):
            torch.testing.assert_close(together[name][i], truth)

    layers = [layer, build()]
    stacked, buffers = stack_module_state(layers)
    outputs = vmap(lambda p, b: functional_call(layer, (p, b), (x[0],)))(stacked, buffers)
    torch.testing.assert_close(outputs, torch.stack([one(x[0]) for one in layers]))


def test_packed_weights_are_not_used_where_tangents_may_be() -> None:
    layer = fk.MoELayer(4, 2, 1, 4, pack_weights=True)
    x = torch.randn(50, 4)
    with torch.no_grad():
        layer(x)
        with (
            forward_ad.dual_level(),
            pytest.raises(NotImplementedError, match="no derivative in forward mode"),
        ):
            layer(forward_ad.make_dual(x, x))

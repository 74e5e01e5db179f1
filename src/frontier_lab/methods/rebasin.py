"""Two networks trained apart, brought into one basin: units of the second put where the first has them.

A network does not change when its hidden units are permuted, and a Llama neither when its residual stream is
rotated. Of all these copies of the second network, the one nearest the first is looked for; the line between
the two may then be free of a barrier. Every function here leaves the second network's outputs as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from transformers import LlamaForCausalLM

Layers = Sequence[tuple[Tensor, Tensor]]
"""Of a multilayer perceptron: weight ``[out, in]`` and bias ``[out]`` of each layer, as in ``nn.Linear``."""


def permuted(layers: Layers, orders: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """A perceptron with the units of each hidden layer in another order; its outputs stay the same.

    Args:
        layers: of the perceptron.
        orders: for each hidden layer, which old unit comes to each place, ``[width]`` int64.

    Raises:
        ValueError: there is not one order for each hidden layer.
    """
    if len(orders) != len(layers) - 1:
        raise ValueError(f"orders: got {len(orders)}, wanted {len(layers) - 1}, one for each hidden layer")
    found = []
    for at, (weight, bias) in enumerate(layers):
        if at > 0:
            weight = weight[:, orders[at - 1]]
        if at < len(orders):
            weight, bias = weight[orders[at]], bias[orders[at]]
        found.append((weight, bias))
    return found


def match_mlp(a: Layers, b: Layers, *, seed: int = 0, rounds: int = 50) -> list[Tensor]:
    """Orders of ``b``'s hidden units that bring its weights nearest to ``a``'s, layer after layer.

    Each layer's order is the best one, given the others', found by the Hungarian method; layers are visited
    in random order until none changes. The end is a local optimum.

    Args:
        a: of the perceptron that stays.
        b: of the one to permute, of the same shapes.
        seed: of the order of visits.
        rounds: most rounds through all layers.

    Returns:
        What ``permuted`` takes.

    Raises:
        ValueError: the shapes differ, or there is no hidden layer.

    Source: Ainsworth et al., "Git Re-Basin" (2023), algorithm 1.
    """
    shapes = [[tuple(weight.shape) for weight, _ in layers] for layers in (a, b)]
    if shapes[0] != shapes[1] or len(a) < 2:
        raise ValueError(f"b: got weights of shapes {shapes[1]}, wanted {shapes[0]}, of two layers or more")
    orders = [torch.arange(len(bias)) for _, bias in b[:-1]]
    generator = np.random.default_rng(seed)
    for _ in range(rounds):
        changed = False
        for at in generator.permutation(len(orders)):
            (weight_a, bias_a), (weight_b, bias_b) = a[at], b[at]
            came = weight_b if at == 0 else weight_b[:, orders[at - 1]]
            goes = b[at + 1][0] if at + 1 == len(orders) else b[at + 1][0][orders[at + 1]]
            likeness = weight_a @ came.T + torch.outer(bias_a, bias_b) + a[at + 1][0].T @ goes
            best = _assignment(likeness)
            places = torch.arange(len(best))
            changed |= bool(likeness[places, best].sum() > likeness[places, orders[at]].sum() + 1e-6)
            orders[at] = best
        if not changed:
            break
    return orders


def _assignment(likeness: Tensor) -> Tensor:
    """For each row the column, each once, that make the sum greatest: ``[rows]`` int64."""
    _, columns = linear_sum_assignment(likeness.detach().double().numpy(), maximize=True)
    return torch.from_numpy(columns)


def fold_norms(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """The same function with all RMSNorm weights one: each goes into the matrices that read what is normed.

    The final norm's goes into the head, which gets weights of its own; only so may the stream be rotated.
    """
    config = type(model.config)(**{**model.config.to_dict(), "tie_word_embeddings": False})
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    head = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    weights["lm_head.weight"] = head * weights["model.norm.weight"]
    weights["model.norm.weight"] = torch.ones_like(weights["model.norm.weight"])
    for layer in range(config.num_hidden_layers):
        for norm, readers in _READERS.items():
            gain = weights[f"model.layers.{layer}.{norm}.weight"]
            for reader in readers:
                weights[f"model.layers.{layer}.{reader}.weight"] *= gain
            weights[f"model.layers.{layer}.{norm}.weight"] = torch.ones_like(gain)
    return _built(config, weights)


_READERS = {
    "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
}
_WRITERS = ("self_attn.o_proj", "mlp.down_proj")


def _built(config: Any, weights: Mapping[str, Tensor]) -> LlamaForCausalLM:
    model = LlamaForCausalLM(config)
    model.load_state_dict(dict(weights))
    return model.eval()


def _activations(model: LlamaForCausalLM, ids: Tensor) -> dict[str, Tensor]:
    """What flows through a folded model, ``[tokens, width]`` each, by name.

    ``stream`` is the residual stream after the embedding, each attention and each feed-forward net, one below
    the other; ``<layer>.q`` and so on, what the projections give; ``<layer>.o`` and ``<layer>.hidden``,
    what the output and the down projection are given.
    """
    found: dict[str, Tensor] = {}
    stream: list[Tensor] = []
    handles = []

    def rows(tensor: Tensor) -> Tensor:
        return tensor.detach().reshape(-1, tensor.shape[-1])

    def out(name: str) -> Callable[..., None]:
        def hook(module: Any, inputs: Any, output: Tensor) -> None:
            found[name] = rows(output)

        return hook

    def into(name: str) -> Callable[..., None]:
        def hook(module: Any, inputs: tuple[Tensor, ...]) -> None:
            found[name] = rows(inputs[0])

        return hook

    def to_stream(module: Any, inputs: tuple[Tensor, ...]) -> None:
        stream.append(rows(inputs[0]))

    for at, layer in enumerate(model.model.layers):
        attention, net = layer.self_attn, layer.mlp
        handles += [
            layer.input_layernorm.register_forward_pre_hook(to_stream),
            layer.post_attention_layernorm.register_forward_pre_hook(to_stream),
            *(getattr(attention, f"{p}_proj").register_forward_hook(out(f"{at}.{p}")) for p in "qkv"),
            attention.o_proj.register_forward_pre_hook(into(f"{at}.o")),
            net.gate_proj.register_forward_hook(out(f"{at}.gate")),
            net.down_proj.register_forward_pre_hook(into(f"{at}.hidden")),
        ]
    handles.append(model.model.norm.register_forward_pre_hook(to_stream))
    try:
        with torch.no_grad():
            model(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    found["stream"] = torch.cat(stream)
    return found


def _rotation(moved: Tensor, still: Tensor) -> Tensor:
    """The orthogonal ``R`` that makes ``moved @ R`` nearest to ``still``."""
    left, _, right = torch.linalg.svd(moved.T @ still)
    found: Tensor = left @ right
    return found


def _turn_stream(weights: dict[str, Tensor], turn: Tensor, layers: int) -> None:
    """Rotate the residual stream by ``turn``, ``[hidden, hidden]``, in place."""
    for name in ("model.embed_tokens", "lm_head"):
        weights[f"{name}.weight"] = weights[f"{name}.weight"] @ turn
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        for reader in (name for readers in _READERS.values() for name in readers):
            weights[f"{prefix}{reader}.weight"] = weights[f"{prefix}{reader}.weight"] @ turn
        for writer in _WRITERS:
            weights[f"{prefix}{writer}.weight"] = turn.T @ weights[f"{prefix}{writer}.weight"]


def _match_net(
    weights: dict[str, Tensor], layer: int, still: Mapping[str, Tensor], moved: Mapping[str, Tensor]
) -> None:
    """Permute a layer's gated hidden units, in place; a unit whose values run opposite changes its sign."""

    def correlation(name: str) -> Tensor:
        one, other = (
            (x - x.mean(0)) / (x.std(0) + 1e-6) for x in (still[f"{layer}.{name}"], moved[f"{layer}.{name}"])
        )
        return one.T @ other / len(one)

    hidden = correlation("hidden")
    order = _assignment(hidden.abs() + correlation("gate"))
    sign = hidden[torch.arange(len(order)), order].sign()
    prefix = f"model.layers.{layer}.mlp."
    weights[f"{prefix}gate_proj.weight"] = weights[f"{prefix}gate_proj.weight"][order]
    weights[f"{prefix}up_proj.weight"] = weights[f"{prefix}up_proj.weight"][order] * sign[:, None]
    weights[f"{prefix}down_proj.weight"] = weights[f"{prefix}down_proj.weight"][:, order] * sign


def _match_heads(
    weights: dict[str, Tensor],
    onto: Mapping[str, Tensor],
    layer: int,
    head_dim: int,
    still: Mapping[str, Tensor],
    moved: Mapping[str, Tensor],
    *,
    inside: bool,
) -> None:
    """Permute a layer's heads, in place, and turn what is inside: values freely, RoPE's pairs by angles."""
    prefix = f"model.layers.{layer}.self_attn."
    old = {p: weights[f"{prefix}{p}_proj.weight"] for p in "qkvo"}
    places = [slice(at, at + head_dim) for at in range(0, len(old["q"]), head_dim)]
    wrote_still = [still[f"{layer}.o"][:, at] @ onto[f"{prefix}o_proj.weight"][:, at].T for at in places]
    wrote_moved = [moved[f"{layer}.o"][:, at] @ old["o"][:, at].T for at in places]
    likeness = torch.tensor(
        [[float((a * b).sum() / (a.norm() * b.norm())) for b in wrote_moved] for a in wrote_still]
    )
    new = {p: tensor.clone() for p, tensor in old.items()}
    for to, source in zip(places, (places[int(at)] for at in _assignment(likeness)), strict=True):
        head = {p: old[p][source] for p in "qkv"} | {"o": old["o"][:, source]}
        if inside:
            turn = _rotation(moved[f"{layer}.v"][:, source], still[f"{layer}.v"][:, to])
            head["v"], head["o"] = turn.T @ head["v"], head["o"] @ turn
            angles = _angles(still, moved, layer, to, source)
            head["q"], head["k"] = _turn_pairs(head["q"], angles), _turn_pairs(head["k"], angles)
        for p in "qkv":
            new[p][to] = head[p]
        new["o"][:, to] = head["o"]
    for p, tensor in new.items():
        weights[f"{prefix}{p}_proj.weight"] = tensor


def _angles(
    still: Mapping[str, Tensor], moved: Mapping[str, Tensor], layer: int, to: slice, source: slice
) -> Tensor:
    """By how much each of RoPE's pairs is turned, ``[head_dim / 2]``, to bring queries and keys together."""

    def pairs(rows: Tensor) -> Tensor:
        half = rows.shape[1] // 2
        return torch.complex(rows[:, :half], rows[:, half:])

    total = sum(
        (pairs(moved[f"{layer}.{p}"][:, source]).conj() * pairs(still[f"{layer}.{p}"][:, to])).sum(0)
        for p in "qk"
    )
    assert isinstance(total, Tensor)
    return total.angle()


def _turn_pairs(weight: Tensor, angles: Tensor) -> Tensor:
    half = len(weight) // 2
    cosine, sine = angles.cos()[:, None], angles.sin()[:, None]
    one, other = weight[:half], weight[half:]
    return torch.cat([cosine * one - sine * other, sine * one + cosine * other])


def match_llama(
    a: LlamaForCausalLM,
    b: LlamaForCausalLM,
    ids: Tensor,
    *,
    stream: Literal["", "permutation", "rotation"] = "rotation",
    nets: bool = True,
    heads: bool = True,
    inside: bool = True,
) -> LlamaForCausalLM:
    """``b`` brought nearest to ``a`` by what both make of some text; the function of ``b`` stays the same.

    Args:
        a: the model that stays, from ``fold_norms``.
        b: the one to move, from ``fold_norms``, of the same configuration; left as it is.
        ids: text to compare activations on, ``[B, T]``.
        stream: how the residual stream may move; not at all if empty.
        nets: permute the units of the feed-forward nets.
        heads: permute the heads.
        inside: turn what is inside each head, too.

    Raises:
        ValueError: a norm's weight is not one, or there are fewer heads for keys than for queries.

    Source: the symmetries of Theus et al., "Generalized Linear Mode Connectivity for Transformers" (2025);
    activations are matched here, where they learn the matching.
    """
    config = a.config
    if config.num_key_value_heads != config.num_attention_heads:
        raise ValueError(
            f"a: got {config.num_key_value_heads} heads for keys, wanted {config.num_attention_heads}"
        )
    for name, model in (("a", a), ("b", b)):
        if any((p != 1).any() for n, p in model.named_parameters() if "norm" in n):
            raise ValueError(f"{name}: got norms with weights, wanted a model from fold_norms")
    weights = {name: tensor.clone() for name, tensor in b.state_dict().items()}
    still, moved = _activations(a, ids), _activations(b, ids)
    layers = config.num_hidden_layers
    if stream == "rotation":
        _turn_stream(weights, _rotation(moved["stream"], still["stream"]), layers)
    elif stream == "permutation":
        order = _assignment(still["stream"].T @ moved["stream"])
        _turn_stream(weights, torch.eye(config.hidden_size)[order].T, layers)
    for layer in range(layers):
        if nets:
            _match_net(weights, layer, still, moved)
        if heads:
            _match_heads(weights, a.state_dict(), layer, config.head_dim, still, moved, inside=inside)
    return _built(config, weights)

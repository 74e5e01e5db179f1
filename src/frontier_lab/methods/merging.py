"""Ways to merge models of one architecture that were tuned on different tasks.

States are mappings from parameter name to tensor, as ``dict(model.named_parameters())`` gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

State = Mapping[str, Tensor]


def _same_names(states: Sequence[State]) -> None:
    if not states:
        raise ValueError("states: got none, wanted at least one")
    for state in states[1:]:
        if state.keys() != states[0].keys():
            odd = sorted(state.keys() ^ states[0].keys())
            raise ValueError(f"states: got {odd[0]!r} in one but not in another")
        for name, tensor in state.items():
            if tensor.shape != states[0][name].shape:
                raise ValueError(
                    f"states: got {name!r} of shapes {tuple(states[0][name].shape)} and "
                    f"{tuple(tensor.shape)}, wanted models of one architecture"
                )


def average(states: Sequence[State]) -> dict[str, Tensor]:
    """Mean of the weights, one model as good as another.

    Raises:
        ValueError: names or shapes differ, or there is no state.

    Source: Wortsman et al., "Model soups" (2022).
    """
    _same_names(states)
    return {name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]}


def slerp(a: State, b: State, t: float) -> dict[str, Tensor]:
    """From ``a`` (t = 0) to ``b`` (t = 1) along the arc, tensor by tensor; a line where there is no arc.

    Raises:
        ValueError: names or shapes differ.

    Source: Shoemake, "Animating rotation with quaternion curves" (1985).
    """
    _same_names([a, b])
    merged = {}
    for name in a:
        one, other = a[name], b[name]
        norms = one.norm() * other.norm()
        cosine = (one * other).sum() / norms if norms > 1e-8 else torch.ones(())
        if cosine.abs() > 0.9995:
            merged[name] = (1 - t) * one + t * other
        else:
            angle = cosine.clamp(-1, 1).acos()
            weights = ((1 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin()
            merged[name] = weights[0] * one + weights[1] * other
    return merged


def task_vector(base: State, tuned: State) -> dict[str, Tensor]:
    """What fine-tuning added: ``tuned - base``.

    Raises:
        ValueError: names or shapes differ.

    Source: Ilharco et al., "Editing Models with Task Arithmetic" (2023).
    """
    _same_names([base, tuned])
    return {name: tuned[name] - base[name] for name in base}


def add(base: State, vectors: Sequence[State], coefficient: float) -> dict[str, Tensor]:
    """Task arithmetic: ``base + coefficient · Σ vectors``.

    Raises:
        ValueError: names or shapes differ, or there is no vector.
    """
    _same_names([base, *vectors])
    if not vectors:
        raise ValueError("vectors: got none, wanted at least one")
    return {name: base[name] + coefficient * sum(v[name] for v in vectors) for name in base}


def trim(vector: State, density: float) -> dict[str, Tensor]:
    """The largest entries of each tensor, ``density`` of them (rounded down, one at least); the rest is zero.

    Raises:
        ValueError: ``density`` is not in (0, 1].
    """
    if not 0 < density <= 1:
        raise ValueError(f"density: got {density}, wanted more than 0 and at most 1")
    trimmed = {}
    for name, tensor in vector.items():
        keep = max(1, int(density * tensor.numel()))
        top = tensor.abs().flatten().topk(keep).indices
        flat = torch.zeros_like(tensor).flatten()
        flat[top] = tensor.flatten()[top]
        trimmed[name] = flat.reshape(tensor.shape)
    return trimmed


def ties(vectors: Sequence[State], density: float) -> dict[str, Tensor]:
    """One task vector from several: trim each, elect a sign by mass, average the entries that agree.

    Raises:
        ValueError: names or shapes differ, there is no vector, or ``density`` is not in (0, 1].

    Source: Yadav et al., "TIES-Merging" (2023).
    """
    _same_names(vectors)
    trimmed = [trim(vector, density) for vector in vectors]
    merged = {}
    for name in vectors[0]:
        stack = torch.stack([vector[name] for vector in trimmed])
        agree = (stack.sign() == stack.sum(0).sign()) & (stack != 0)
        merged[name] = (stack * agree).sum(0) / agree.sum(0).clamp(min=1)
    return merged


def dare(vector: State, drop: float, seed: int) -> dict[str, Tensor]:
    """A task vector with a share ``drop`` of its entries set to zero at random and the others scaled up.

    Raises:
        ValueError: ``drop`` is not in [0, 1).

    Source: Yu et al., "Language Models are Super Mario" (2024).
    """
    if not 0 <= drop < 1:
        raise ValueError(f"drop: got {drop}, wanted at least 0 and less than 1")
    generator = torch.Generator().manual_seed(seed)
    return {
        name: tensor * (torch.rand(tensor.shape, generator=generator) >= drop) / (1 - drop)
        for name, tensor in vector.items()
    }

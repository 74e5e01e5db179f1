"""Ways to merge models of one architecture that were tuned on different tasks.

States are mappings from parameter name to tensor, as ``dict(model.named_parameters())`` gives them. A task
vector is a state, too: what fine-tuning added. Every rule works tensor by tensor and changes no argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

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


def linear(states: Sequence[State], weights: Sequence[float]) -> dict[str, Tensor]:
    """Weighted mean of the weights: ``Σ wᵢ θᵢ / Σ wᵢ``.

    Raises:
        ValueError: names or shapes differ, there is not one weight for each state, or the weights sum to 0.
    """
    _same_names(states)
    total = sum(weights)
    if len(weights) != len(states) or not total:
        raise ValueError(f"weights: got {list(weights)}, wanted {len(states)} that do not sum to 0")
    return {
        name: sum((w * s[name] for w, s in zip(weights, states, strict=True)), start=torch.zeros(())) / total
        for name in states[0]
    }


def slerp(a: State, b: State, t: float) -> dict[str, Tensor]:
    """From ``a`` (t = 0) to ``b`` (t = 1) along the arc, tensor by tensor; a line where there is no arc.

    Raises:
        ValueError: names or shapes differ.

    Source: Shoemake, "Animating rotation with quaternion curves" (1985).
    """
    _same_names([a, b])
    return {name: _arc(a[name], b[name], t, 0.9995) for name in a}


def _arc(one: Tensor, other: Tensor, t: float, straight: float) -> Tensor:
    """From one tensor to another along the arc; a line if the cosine is beyond ``straight`` or undefined."""
    norms = one.norm() * other.norm()
    cosine = ((one * other).sum() / norms).clamp(-1, 1) if norms > 1e-8 else torch.ones(())
    if cosine.abs() > straight:
        return (1 - t) * one + t * other
    angle = cosine.acos()
    return (((1 - t) * angle).sin() * one + (t * angle).sin() * other) / angle.sin()


def nuslerp(base: State, a: State, b: State, t: float) -> dict[str, Tensor]:
    """``base`` and the arc between two task vectors, at ``t``; vectors at right angles keep their length.

    Args:
        base: what the vectors are added to.
        a: task vector at t = 0.
        b: task vector at t = 1.
        t: place on the arc.

    Raises:
        ValueError: names or shapes differ.

    Source: mergekit's ``nuslerp`` (Goddard et al., "Arcee's MergeKit", 2024).
    """
    _same_names([base, a, b])
    return {name: base[name] + _arc(a[name], b[name], t, 1 - 1e-7) for name in base}


def task_vector(base: State, tuned: State) -> dict[str, Tensor]:
    """What fine-tuning added: ``tuned - base``.

    Raises:
        ValueError: names or shapes differ.

    Source: Ilharco et al., "Editing Models with Task Arithmetic" (2023).
    """
    _same_names([base, tuned])
    return {name: tuned[name] - base[name] for name in base}


def add(base: State, vectors: Sequence[State], coefficient: float | Sequence[float]) -> dict[str, Tensor]:
    """Task arithmetic: ``base + coefficient · Σ vectors``; a negative coefficient makes the model forget.

    Args:
        base: what the vectors are added to.
        vectors: task vectors.
        coefficient: of all vectors, or one for each.

    Raises:
        ValueError: names or shapes differ, there is no vector, or the coefficients are more or fewer.

    Source: Ilharco et al., "Editing Models with Task Arithmetic" (2023).
    """
    _same_names([base, *vectors])
    if not vectors:
        raise ValueError("vectors: got none, wanted at least one")
    if isinstance(coefficient, float | int):
        return {name: base[name] + coefficient * sum(v[name] for v in vectors) for name in base}
    if len(coefficient) != len(vectors):
        raise ValueError(
            f"coefficient: got {len(coefficient)}, wanted one for each of {len(vectors)} vectors"
        )
    return {
        name: base[name] + sum(c * v[name] for c, v in zip(coefficient, vectors, strict=True))
        for name in base
    }


def without(vector: State, *parts: str) -> dict[str, Tensor]:
    """A task vector that is zero where a parameter's name has one of ``parts`` in it: ``"embed_tokens"``.

    What is left out stays as it is in the base; mergekit calls that a ``filter``.

    Raises:
        ValueError: one of ``parts`` is in no name.
    """
    for part in parts:
        if not any(part in name for name in vector):
            raise ValueError(f"parts: got {part!r}, which is in no name of the vector")
    return {
        name: torch.zeros_like(tensor) if any(part in name for part in parts) else tensor
        for name, tensor in vector.items()
    }


def trim(vector: State, density: float) -> dict[str, Tensor]:
    """The largest entries of each tensor, ``density`` of them (rounded down, one at least); the rest is zero.

    Which of equal entries at the cut stay is as in mergekit: weights stored in half precision have many.

    Raises:
        ValueError: ``density`` is not in (0, 1].
    """
    if not 0 < density <= 1:
        raise ValueError(f"density: got {density}, wanted more than 0 and at most 1")
    trimmed = {}
    for name, tensor in vector.items():
        keep = max(1, int(density * tensor.numel()))
        top = tensor.abs().flatten().argsort(descending=True)[:keep]
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
    return elect([trim(vector, density) for vector in vectors])


def elect(vectors: Sequence[State], *, mean: bool = True) -> dict[str, Tensor]:
    """One task vector from several: in each entry the sign with the greater mass wins, and those that have it
    are averaged; the last two steps of ``ties``. Where both have the same mass, plus wins, as in mergekit.

    Args:
        vectors: task vectors.
        mean: average those that agree; else sum them, as mergekit's ``dare_ties`` does by default.

    Raises:
        ValueError: names or shapes differ, or there is no vector.
    """
    _same_names(vectors)
    merged = {}
    for name in vectors[0]:
        stack = torch.stack([vector[name] for vector in vectors])
        agree = torch.where(stack.sum(0) >= 0, stack > 0, stack < 0)
        total = (stack * agree).sum(0)
        merged[name] = total / agree.sum(0).clamp(min=1) if mean else total
    return merged


def dare(
    vector: State, drop: float, seed: int, *, rescale: Literal["share", "norm"] = "share"
) -> dict[str, Tensor]:
    """A task vector with a share ``drop`` of its entries set to zero at random and the others scaled up.

    Args:
        vector: task vector.
        drop: share of the entries.
        seed: which ones.
        rescale: ``"share"`` divides by ``1 - drop``, as the paper does; ``"norm"`` gives each tensor the sum
            of absolute values that it had, as mergekit does: not the same, and in a tensor of few entries
            far from it.

    Raises:
        ValueError: ``drop`` is not in [0, 1).

    Source: Yu et al., "Language Models are Super Mario" (2024).
    """
    if not 0 <= drop < 1:
        raise ValueError(f"drop: got {drop}, wanted at least 0 and less than 1")
    generator = torch.Generator().manual_seed(seed)
    thinned = {}
    for name, tensor in vector.items():
        kept = tensor * torch.bernoulli(torch.full_like(tensor, 1 - drop), generator=generator)
        mass = kept.abs().sum()
        if rescale == "share":
            thinned[name] = kept / (1 - drop)
        else:
            thinned[name] = kept * (tensor.abs().sum() / mass) if mass > 1e-7 else kept
    return thinned


def model_stock(base: State, tuned: Sequence[State]) -> dict[str, Tensor]:
    """Between the base and the mean of fine-tunes, as near the mean as their angle says; per tensor.

    With ``c`` the mean cosine between two task vectors of ``N``, the share of the mean is
    ``N c / (1 + (N - 1) c)``: fine-tunes of one task with other seeds (c near 1) are averaged, those of
    different tasks (c near 0) leave the base where it is.

    Raises:
        ValueError: names or shapes differ, or there are fewer than two fine-tunes.

    Source: Jang et al., "Model Stock" (2024).
    """
    _same_names([base, *tuned])
    if len(tuned) < 2:
        raise ValueError(f"tuned: got {len(tuned)}, wanted at least two")
    count, merged = len(tuned), {}
    for name, start in base.items():
        offsets = torch.stack([(state[name] - start).flatten() for state in tuned])
        cosines = _cosines(offsets)
        cosine = cosines[torch.triu_indices(count, count, 1).unbind()].mean()
        below = 1 + (count - 1) * cosine
        share = count * cosine / below if below.abs() > 1e-6 else torch.zeros(())
        merged[name] = start + share * offsets.mean(0).reshape(start.shape)
    return merged


def greedy_soup(
    states: Sequence[State], score: Callable[[State], float]
) -> tuple[dict[str, Tensor], list[int]]:
    """The average of those models that each made it no worse, tried in the order of their own scores.

    Args:
        states: fine-tunes of one base on one task.
        score: of weights on validation data; more is better.

    Returns:
        The soup, and the places in ``states`` of what is in it.

    Raises:
        ValueError: names or shapes differ, or there is no state.

    Source: Wortsman et al., "Model soups" (2022).
    """
    _same_names(states)
    alone = [score(state) for state in states]
    first, *others = sorted(range(len(states)), key=lambda at: -alone[at])
    chosen, best = [first], alone[first]
    for at in others:
        found = score(average([states[i] for i in (*chosen, at)]))
        if found >= best:
            chosen, best = [*chosen, at], found
    return average([states[i] for i in chosen]), chosen


def layer_of(name: str) -> int:
    """Which layer a parameter is in, counted from 1; 0 for what is in none, as the embedding."""
    found = re.search(r"\.(?:layers|h)\.(\d+)\.", name)
    return int(found[1]) + 1 if found else 0


def add_by_group(
    base: State, vectors: Sequence[State], coefficients: Tensor, group: Callable[[str], int]
) -> dict[str, Tensor]:
    """``add`` with coefficients ``[groups, vectors]`` of the groups of parameters, such as layers."""
    _same_names([base, *vectors])
    return {
        name: base[name] + sum(c * v[name] for c, v in zip(coefficients[group(name)], vectors, strict=True))
        for name in base
    }


def learned_coefficients(
    base: State,
    vectors: Sequence[State],
    loss: Callable[[State], Tensor],
    *,
    group: Callable[[str], int] = lambda name: 0,
    start: float = 0.5,
    steps: int = 60,
    rate: float = 0.05,
) -> Tensor:
    """Coefficients of the task vectors that make a loss small, found by Adam.

    Args:
        base: what the vectors are added to.
        vectors: task vectors.
        loss: of merged weights, on labelled examples, differentiable.
        group: number of the group that a parameter is in: by default all are in one; ``layer_of``.
        start: every coefficient's first value.
        steps: of Adam.
        rate: of Adam.

    Returns:
        ``[groups, vectors]``, for ``add_by_group``.

    Raises:
        ValueError: names or shapes differ, or there is no vector.

    Source: with labels what Yang et al., "AdaMerging" (2024) do without.
    """
    _same_names([base, *vectors])
    if not vectors:
        raise ValueError("vectors: got none, wanted at least one")
    groups = max(group(name) for name in base) + 1
    coefficients = torch.full((groups, len(vectors)), start, requires_grad=True)
    optimizer = torch.optim.Adam([coefficients], lr=rate)
    for _ in range(steps):
        value = loss(add_by_group(base, vectors, coefficients, group))
        optimizer.zero_grad()
        torch.autograd.backward(value, inputs=[coefficients])
        optimizer.step()
    return coefficients.detach()


def norm(vector: State) -> float:
    """Euclidean norm of all entries."""
    found: float = torch.cat([tensor.flatten() for tensor in vector.values()]).norm().item()
    return found


def cosines(vectors: Sequence[State]) -> Tensor:
    """Cosines between task vectors as wholes, ``[N, N]``.

    Raises:
        ValueError: names or shapes differ, or there is no vector.
    """
    _same_names(vectors)
    return _cosines(torch.stack([torch.cat([v[n].flatten() for n in vectors[0]]) for v in vectors]))


def _cosines(rows: Tensor) -> Tensor:
    unit = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    found: Tensor = unit @ unit.T
    return found


def barrier(losses: Sequence[float]) -> float:
    """How far losses at evenly spaced points of a line rise above the straight line between its ends.

    Raises:
        ValueError: there are fewer than two.

    Source: Frankle et al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis" (2020).
    """
    if len(losses) < 2:
        raise ValueError(f"losses: got {len(losses)}, wanted at least two")
    last = len(losses) - 1
    return max(loss - ((last - at) * losses[0] + at * losses[-1]) / last for at, loss in enumerate(losses))

"""Golden vectors of the figures' mathematics, by the numpy twins: ``python tests/widgets/golden.py``.

vitest holds the TypeScript side to the stored files, pytest the Python side: they cannot drift apart unseen.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from frontier_widgets import (
    MIXTURES,
    attention_cost,
    attention_masks,
    attention_patterns,
    compare_routers,
    expert_parallel,
    mutual_information,
    rotary,
    route,
    shuffled_information,
    sizes,
    token_path,
)
from frontier_widgets.attention_pattern_analyzer import packing
from frontier_widgets.draws import drawn
from frontier_widgets.model_merging.landscape import decode, estimate
from frontier_widgets.model_merging.rules import RULES, Merge, merge
from golden_thresholds import thresholds

FOLDER = Path(__file__).parents[2] / "widgets" / "tests" / "golden"

CASES: list[dict[str, Any]] = [
    {"tokens": 12, "experts": 8, "top_k": 2, "temperature": 1.0, "capacity_factor": 0.0, "renormalize": True},
    {"tokens": 48, "experts": 8, "top_k": 2, "temperature": 0.7, "capacity_factor": 1.0, "renormalize": True},
    {
        "tokens": 40,
        "experts": 8,
        "top_k": 2,
        "temperature": 1.0,
        "capacity_factor": 1.1,
        "renormalize": False,
    },
    {
        "tokens": 33,
        "experts": 5,
        "top_k": 3,
        "temperature": 2.5,
        "capacity_factor": 0.5,
        "renormalize": False,
    },
    {"tokens": 7, "experts": 1, "top_k": 1, "temperature": 1.0, "capacity_factor": 1.0, "renormalize": True},
    {
        "tokens": 16,
        "experts": 64,
        "top_k": 6,
        "temperature": 0.1,
        "capacity_factor": 1.25,
        "renormalize": True,
    },
    {"tokens": 24, "experts": 4, "top_k": 4, "temperature": 4.0, "capacity_factor": 4.0, "renormalize": True},
    {
        "tokens": 40,
        "experts": 8,
        "top_k": 2,
        "temperature": 1.0,
        "capacity_factor": 0.75,
        "renormalize": True,
        "priority": True,
    },
    # Equal scores: the lower index wins, and one expert takes all.
    {
        "tokens": 9,
        "experts": 6,
        "top_k": 2,
        "temperature": 1.0,
        "capacity_factor": 0.75,
        "renormalize": True,
        "scale": 0.0,
    },
    # Scores beyond the reach of exp without a shift.
    {
        "tokens": 10,
        "experts": 4,
        "top_k": 2,
        "temperature": 1.0,
        "capacity_factor": 1.0,
        "renormalize": True,
        "scale": 400.0,
    },
]


def digits(values: Any) -> list[float]:
    """Numbers as they are stored."""
    return [float(f"{value:.12g}") for value in np.ravel(values)]


def moe_routing() -> list[dict[str, Any]]:
    """Every case with its scores, options and what the twin makes of them."""
    generator = np.random.default_rng(28)
    vectors = []
    for case in CASES:
        options = {**case}
        tokens, experts, scale = options.pop("tokens"), options.pop("experts"), options.pop("scale", 2.0)
        scores = (generator.standard_normal((tokens, experts)) * scale).astype(np.float32)
        routing = route(scores, options.pop("top_k"), **options)
        vectors.append(
            {
                "options": case,
                "scores": scores.ravel().tolist(),
                "probabilities": digits(routing.probabilities),
                "experts": routing.experts.ravel().tolist(),
                "weights": digits(routing.weights),
                "kept": routing.kept.ravel().astype(int).tolist(),
                "slots": routing.slots.ravel().tolist(),
                "capacity": routing.capacity,
                "counts": routing.counts.tolist(),
                "f": digits(routing.f),
                "P": digits(routing.P),
                "balance_loss": routing.balance_loss,
                "cv": routing.cv,
                "entropy": routing.entropy,
                "drop_fraction": routing.drop_fraction,
                "z_loss": routing.z_loss,
                "groups": (groups := [token % 3 for token in range(tokens)]),
                "information": mutual_information(routing, groups),
                "shuffled": digits(shuffled_information(routing, groups, 20, seed=tokens)),
                "parallel": [
                    {
                        "devices": n,
                        "load": each.load.tolist(),
                        "sent": each.sent.tolist(),
                        "straggler": each.straggler,
                    }
                    for n in (1, 2, 4, experts)
                    if experts % n == 0
                    for each in [expert_parallel(routing, n)]
                ],
                "routers": [
                    {**asdict(each), "counts": each.counts.tolist()}
                    for each in compare_routers(scores, case["capacity_factor"], seed=case["tokens"])
                ],
            }
        )
    return vectors


def masks() -> list[dict[str, Any]]:
    """Every pattern in several settings: its cells at small and large n, layers to see, path lengths."""
    settings: list[dict[str, Any]] = [
        {},
        {"window": 7, "dilation": 3, "anchors": 3, "random": 5, "stride": 5, "sinks": 2, "seed": 9},
        {
            "window": 4,
            "dilation": 1,
            "anchors": 40,
            "random": 2,
            "stride": 40,
            "sinks": 0,
            "seed": 4294967295,
        },
        {"window": 1, "dilation": 2, "anchors": 0, "random": 40, "stride": 1},
    ]
    vectors = []
    for kind, causal, more in product(attention_masks.KINDS, (True, False), settings):
        pattern = attention_masks.Pattern(kind, causal=causal, **more)
        mask = attention_masks.visible(pattern, 37)
        mean, share = attention_masks.mean_path_length(mask)
        vectors.append(
            {
                "pattern": asdict(pattern),
                "rows": ["".join("01"[int(cell)] for cell in row) for row in mask],
                "counts": {str(n): attention_masks.count(pattern, n) for n in (1, 2, 37, 512, 1 << 20)},
                "last_rows": {str(n): attention_masks.in_last_row(pattern, n) for n in (1, 37, 1 << 20)},
                "layers": attention_masks.layers_to_see(mask).tolist(),
                "mean_path": digits(mean)[0],
                "share": digits(share)[0],
            }
        )
    return vectors


def rotations() -> list[dict[str, Any]]:
    """Every method at several sizes: frequencies, temperature, turns, decay, collisions, ALiBi."""
    sizes: list[dict[str, Any]] = [
        {"head_dim": 64, "base": 10000.0, "trained": 2048, "factor": 4.0},
        {"head_dim": 28, "base": 10000.0, "trained": 64, "factor": 8.0, "length": 300},
        {"head_dim": 128, "base": 500000.0, "trained": 8192, "factor": 1.0, "length": 100},
        {"head_dim": 4, "base": 100.0, "trained": 100, "factor": 1.5, "beta_fast": 9.0, "high": 2.0},
    ]
    distances = [0, 1, 2, 7, 64, 500, 12345]
    vectors = []
    for method, size, heads in product(rotary.METHODS, sizes, (12,)):
        factors = np.geomspace(1, size["factor"], size["head_dim"] // 2).tolist()
        one = rotary.Rotary(method, factors=factors if method == "longrope" else (), **size)
        speeds = rotary.frequencies(one)
        place, chord = rotary.closest(speeds, 300)
        slopes = rotary.alibi_slopes(heads + size["head_dim"])
        vectors.append(
            {
                "rotary": asdict(one),
                "frequencies": digits(speeds),
                "temperature": digits(rotary.temperature(one))[0],
                "ramp": digits(rotary.ramp(one)),
                "turns": digits(rotary.turns(speeds, one.trained)),
                "distances": distances,
                "similarity": digits(rotary.similarity(speeds, distances)),
                "resolution": digits(rotary.resolution(speeds))[0],
                "closest": [place, digits(chord)[0]],
                "slopes": digits(slopes),
                "windows": digits(rotary.alibi_window(slopes)),
            }
        )
    return vectors


def costs() -> list[dict[str, Any]]:
    """Every preset with patterns, lengths and ways to share; break-even with retrieval."""
    patterns = [
        attention_masks.Pattern("causal"),
        attention_masks.Pattern("full"),
        attention_masks.Pattern("window", window=4096),
        attention_masks.Pattern("dilated", window=512, dilation=3),
        attention_masks.Pattern("strided", stride=128),
        attention_masks.Pattern("sinks", window=1020, sinks=4),
        attention_masks.Pattern("random", causal=False, window=192, anchors=64, random=192),
    ]
    retrievals = [
        attention_cost.Retrieval(),
        attention_cost.Retrieval(chunk=100, passages=20, question=7, found=0.5, answered=1.0),
    ]
    vectors = []
    for i, (name, pattern) in enumerate(product(attention_cost.MODELS, patterns)):
        sharing = (None, *attention_cost.SHARINGS)[i % 5]
        own = attention_cost.MODELS[name]
        model = own.shared(sharing) if sharing else own
        bytes_each, retrieval, budget = (2, 1, 0.5)[i % 3], retrievals[i % 2], (1.0, 10.0, 1000.0)[i % 3]
        vectors.append(
            {
                "model": asdict(own),
                "sharing": sharing,
                "kept": model.kept,
                "pattern": asdict(pattern),
                "bytes_each": bytes_each,
                "costs": {
                    str(n): asdict(attention_cost.cost(model, pattern, n, bytes_each=bytes_each))
                    for n in (512, 5000, 1 << 20)
                },
                "retrieval": asdict(retrieval),
                "read": retrieval.read,
                "right": digits(retrieval.right)[0],
                "budget": budget,
                "break_even": attention_cost.break_even(model, pattern, retrieval, budget=budget),
                "rivals": {
                    rival: {
                        "numbers": attention_cost.state_numbers(own.width, rival),
                        "crossover": attention_cost.crossover(model, pattern, rival),
                        "cost": asdict(
                            attention_cost.recurrent_cost(model, rival, 5000, bytes_each=bytes_each)
                        ),
                    }
                    for rival in attention_cost.RIVALS
                },
            }
        )
    return vectors


def paths() -> list[dict[str, Any]]:
    """Tokens on their way through layers, some of which send all tokens alike."""
    generator = np.random.default_rng(29)
    vectors = []
    for layers, tokens, experts, top_k in ((1, 5, 4, 2), (4, 48, 8, 2), (3, 20, 2, 1), (6, 30, 16, 6)):
        scores = np.round(2 * generator.standard_normal((layers, tokens, experts)), 2)
        scores[0] = scores[0, :1]  # in the first layer all are alike
        token, more = tokens // 2, {"temperature": 0.5 + top_k / 4, "renormalize": top_k != 6}
        way = token_path(scores, token, top_k, **more)
        vectors.append(
            {
                "shape": list(scores.shape),
                "scores": scores.ravel().tolist(),
                "options": {"token": token, "top_k": top_k, **more},
                "experts": way.experts.tolist(),
                "weights": [digits(row) for row in way.weights],
                "alike": way.alike,
            }
        )
    return vectors


def mixtures() -> list[dict[str, Any]]:
    """Every model as it is, with other experts, and with experts that are split."""
    changes: list[dict[str, int]] = [
        {},
        {"experts": 32, "top_k": 1},
        {"top_k": 6},
        {"granularity": 8},
        {"experts": 512, "top_k": 8, "granularity": 4},
    ]
    return [
        {"model": name, "change": change, **asdict(sizes(mixture, **change))}
        for name, mixture in MIXTURES.items()
        for change in changes
    ]


def heads() -> list[dict[str, Any]]:
    """Heads of several texts and shapes: metrics, kinds, entropies, rollout, weighting by values."""
    generator = np.random.default_rng(30)
    words = ["The", "\u2581cat", ".", "\u0120sat", "##ing", "[SEP]", "\u52a8", "\U0001f642"]
    settings: list[dict[str, Any]] = [
        {"length": 24, "causal": True},
        {"length": 24, "causal": False},
        {"length": 9, "causal": True, "different": True},
        {"length": 1, "causal": True},
        {"length": 6, "keys": 11, "causal": False},
    ]
    vectors = []
    for setting in settings:
        length, causal, keys = setting["length"], setting["causal"], setting.get("keys")
        layers, count, size = 2, 3, keys or length
        drawn = generator.integers(0, len(words), length)
        tokens = [f"w{i}" if setting.get("different") else words[word] for i, word in enumerate(drawn)]
        scores = np.exp(2 * generator.standard_normal((layers, count, length, size)))
        if causal:
            scores = np.tril(scores)
        weights = np.round(scores / scores.sum(-1, keepdims=True), 6)
        other = [f"k{i}" for i in range(keys)] if keys else None
        metrics = attention_patterns.measure(weights, tokens, other, causal=causal)
        norms = np.round(generator.random(size), 4)
        forms = [
            packing.pack(weights, causal=causal, dense=dense, sparse=30 * layers * count * length)
            for dense in (1_000_000, 0)
        ]
        vectors.append(
            {
                "setting": setting,
                "tokens": tokens,
                "shape": list(weights.shape),
                "weights": weights.ravel().tolist(),
                "packed": [
                    {
                        "form": form.form,
                        "data": base64.b64encode(form.data).decode(),
                        "sums": digits(packing.unpack(form, weights.shape).sum(-1)),
                    }
                    for form in forms
                ],
                "metrics": [None if np.isnan(value) else digits(value)[0] for value in metrics.ravel()],
                "kinds": [attention_patterns.kind_of(head) for layer in metrics for head in layer],
                "rollout": [] if keys else digits(attention_patterns.rollout(weights, 0.4)),
                "norms": norms.tolist(),
                "weighted": digits(attention_patterns.value_weighted(weights[1, 2], norms)),
            }
        )
    return vectors


def merged_rules() -> list[dict[str, Any]]:
    """Small tensors merged by every rule: weights of any sign, equal entries, vectors alike and of zeros."""
    generator = np.random.default_rng(7)
    shapes = {
        "model.norm.weight": (9,),
        "model.embed_tokens.weight": (7, 5),
        "model.layers.0.q.weight": (4, 6),
    }
    tensors = [
        {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        for _ in range(4)
    ]
    base, *vectors = tensors
    for vector in vectors:  # equal sizes, as packed vectors have them
        vector["model.layers.0.q.weight"] = np.round(2 * vector["model.layers.0.q.weight"]) / 2
    vectors[1]["model.norm.weight"] = 2 * vectors[0]["model.norm.weight"]
    vectors[2]["model.norm.weight"] = np.zeros(9, np.float32)
    settings: list[dict[str, Any]] = [
        {"weights": (0.75, 0.75, 0.75)},
        {"weights": (1.0, -0.5, 0.3), "density": 0.2, "seed": 3, "pair": (0, 2)},
        {"weights": (0.0, 0.0, 0.0), "density": 1.0, "pair": (1, 2)},
        {"weights": (-0.2, 1.5, 0.9), "density": 0.05, "seed": 99, "embedding": False, "pair": (1, 2)},
    ]
    return [
        {
            "how": {**asdict(how), "factors": digits(how.factors), "turn": how.turn},
            "base": {name: digits(values) for name, values in base.items()},
            "vectors": [{name: digits(values) for name, values in vector.items()} for vector in vectors],
            "merged": {name: digits(values) for name, values in merge(base, vectors, how).items()},
            "drawn": digits(drawn(how.seed, 5, 8)),
        }
        for rule, setting in product(RULES, settings)
        for how in [Merge(rule=rule, **setting)]
    ]


def landscapes() -> list[dict[str, Any]]:
    """A grid of made-up counts, and what lies between its nodes and beyond them."""
    axis, tasks, lengths = (-0.5, 0.0, 0.4, 1.0), 3, 2
    stored = (
        np.random.default_rng(8).integers(0, 5000, (lengths, 2, 4, 4, 4, tasks + 1)).astype("<u2").tobytes()
    )
    values = decode(stored, lengths, len(axis), tasks)
    places = [(0.0, 0.4, 1.0), (0.1, -0.3, 0.95), (-0.5, 1.0, 0.2), (-2.0, 3.0, 0.7), (1 / 3, 1 / 3, 1 / 3)]
    return [
        {
            "axis": axis,
            "grid": base64.b64encode(stored).decode(),
            "length": length,
            "embedding": bool(embedding),
            "weights": weights,
            "estimate": digits(estimate(values[length, embedding], axis, weights)),
        }
        for length, embedding, weights in product(range(lengths), range(2), places)
    ]


GOLDEN: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "attention_cost": costs,
    "attention_masks": masks,
    "attention_patterns": heads,
    "merging_landscape": landscapes,
    "merging_rules": merged_rules,
    "moe_routing": moe_routing,
    "moe_sizes": mixtures,
    "token_path": paths,
    "rotary": rotations,
    "threshold_decisions": thresholds,
}
"""Name of the file, and what belongs into it."""


def file(name: str) -> Path:
    """Where the vectors of a name are stored."""
    return FOLDER / f"{name}.json"


if __name__ == "__main__":
    for name, build in GOLDEN.items():
        vectors = build()
        file(name).write_text(json.dumps(vectors, separators=(",", ":")) + "\n", "utf8")
        print(f"{name}.json: {len(vectors)} cases, {file(name).stat().st_size:,} bytes")

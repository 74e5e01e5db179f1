"""Golden vectors of the figures' mathematics, by the numpy twins: ``python widgets/tests/golden.py``.

vitest holds the TypeScript side to the stored file, pytest the Python side: they cannot drift apart unseen.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from frontier_widgets import route

TARGET = Path(__file__).parent / "golden" / "moe_routing.json"

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


def build() -> list[dict[str, Any]]:
    """Every case with its scores, options and what the twin makes of them."""
    generator = np.random.default_rng(28)

    def digits(values: Any) -> list[float]:
        return [float(f"{value:.12g}") for value in np.ravel(values)]

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
            }
        )
    return vectors


if __name__ == "__main__":
    TARGET.write_text(json.dumps(build(), separators=(",", ":")) + "\n", "utf8")
    print(f"{TARGET.name}: {len(CASES)} cases, {TARGET.stat().st_size:,} bytes")

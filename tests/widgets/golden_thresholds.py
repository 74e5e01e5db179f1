"""Golden vectors of what thresholds let through and block, by the numpy twin; ``golden.py`` stores them."""

from __future__ import annotations

import base64
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np
from frontier_widgets.threshold_explorer import decisions as r

SIGMOIDS = ((2.2, 0.4), (0.3, -1.3), (1.5, 1.6))
SHIFTS = ((0.0, 0.0, 0.0), (0.5, -1.25, r.NEVER), (r.NEVER,) * 3)
LEVELS = (r.LOWEST, -2.0, 0.0, 0.123456, 1.0625, r.TOP, r.HIGHEST)
USES = ((0.01, 5.0), (0.5, 1.0), (0.2, 0.2), (0.001, 100.0))
"""Share of harmful texts, and what a missed one costs."""


def thresholds() -> list[dict[str, Any]]:
    """Scores with ties and at both ends; sets that lack harmful texts, harmless ones, or both."""
    generator = np.random.default_rng(14)
    vectors = []
    for (texts, share), shifts, sigmoids in product(
        ((60, 0.5), (61, 0.1), (8, 0.0), (7, 1.0), (0, 0.5)), SHIFTS, (None, SIGMOIDS)
    ):
        harmful = generator.random(texts) < share
        middle = np.where(harmful, 150, 110)[:, None]
        stored = np.clip(generator.normal(middle, 60, (texts, 3)).round(), 0, 255).astype(np.uint8).tobytes()
        scores = r.combined(r.decode(stored, texts, 3), shifts, sigmoids)
        points = r.operating(scores, harmful)
        found = [r.rates(scores, harmful, level) for level in LEVELS]
        vectors.append(
            {
                "scores": base64.b64encode(stored).decode(),
                "harmful": harmful.tolist(),
                "shifts": shifts,
                "sigmoids": sigmoids,
                "combined": scores.tolist(),
                "rates": [
                    {"level": level, **asdict(each)} for level, each in zip(LEVELS, found, strict=True)
                ],
                "wilson": [r.wilson(each.missed, each.harmful) for each in found],
                "points": [asdict(point) for point in points],
                "auroc": r.auroc(points),
                "uses": [
                    {
                        "prevalence": prevalence,
                        "ratio": ratio,
                        "precision": [r.precision(each, prevalence) for each in found],
                        "cost": [r.cost(each, ratio, prevalence) for each in found],
                        "cheapest": r.cheapest(points, ratio, prevalence).level,
                        "crossed": r.crossed(scores, harmful, ratio, prevalence),
                        "thousand": [
                            None if whole is None else asdict(whole)
                            for whole in (r.thousand(each, prevalence) for each in found)
                        ],
                    }
                    for prevalence, ratio in USES
                ],
            }
        )
    return vectors

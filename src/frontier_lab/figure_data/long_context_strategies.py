"""The data set of the ``LongContextStrategies`` figure: what was measured beyond the trained length.

``python -m frontier_lab.figure_data.long_context_strategies FILE`` writes it from the manifest, for
``frontier_widgets``' ``data``; a test recomputes it.
"""

from __future__ import annotations

from typing import Any

from frontier_lab import zoo
from frontier_lab.storage.results import write
from frontier_lab.zoo import llama
from frontier_lab.zoo.families.short_context import BUCKETS, CONTEXT, DISTANCES

ALIBI = ("cut", "window_32", "slopes_4", "slopes_16", "plain_tuned", "slopes_4_tuned")
"""What was changed of the ALiBi model, as far as the figure shows it."""

COINCIDING = ("by_parts", "llama3", "longrope_free")
"""What lies on the curves of YaRN or of the search, and would hide them."""


def build() -> dict[str, Any]:
    """The data set as a JSON object: losses and recalls with three seeds each."""
    found = zoo.manifest()

    def curve(recipe: str, condition: str) -> dict[str, list[list[float]]]:
        findings = found[recipe]["findings"]
        names = {
            "loss": [f"loss_{first}_{end}" for first, end in BUCKETS],
            "recall": [f"recall_{distance}" for distance in DISTANCES],
        }
        return {
            what: [findings[name][condition] for name in rows if condition in findings[name]]
            for what, rows in names.items()
        }

    def model(recipe: str) -> dict[str, Any]:
        entry = found[recipe]
        return {
            "class": entry["class"],
            "parameters": entry["parameters"],
            "sha256": entry["files"]["model.safetensors"],
        }

    measured = found["llama"]["findings"][f"loss_{BUCKETS[0][0]}_{BUCKETS[0][1]}"]
    conditions = [name for name in measured if not name.startswith(COINCIDING)]
    config = llama.config()
    return {
        "format": 1,
        "config": {
            "trained": CONTEXT,
            "head_dim": config.head_dim,
            "base": llama.THETA,
            "heads": config.num_attention_heads,
            "factor": llama.FACTOR,
            "buckets": [list(bucket) for bucket in BUCKETS],
            "distances": list(DISTANCES),
            "model": model("llama"),
            "alibi_model": model("bloom"),
        },
        "curves": {
            **{name: curve("llama", name) for name in conditions},
            "alibi": curve("bloom", "base"),
            **{f"alibi_{name}": curve("bloom", name) for name in ALIBI},
        },
    }


if __name__ == "__main__":
    write(build)

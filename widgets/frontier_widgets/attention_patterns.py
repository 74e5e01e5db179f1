"""What attention heads do, for a reader's own code; ``AttentionPatternAnalyzer`` shows it."""

from .attention_pattern_analyzer.patterns import (
    EVEN,
    KINDS,
    METRICS,
    REACH,
    THRESHOLD,
    entropy,
    is_causal,
    is_delimiter,
    kind_of,
    measure,
    normalized_entropy,
    plain,
    rollout,
    targets,
    value_weighted,
)

__all__ = [
    "EVEN",
    "KINDS",
    "METRICS",
    "REACH",
    "THRESHOLD",
    "entropy",
    "is_causal",
    "is_delimiter",
    "kind_of",
    "measure",
    "normalized_entropy",
    "plain",
    "rollout",
    "targets",
    "value_weighted",
]

"""Reading a model's attention, for a reader's own code; ``AttentionPatternAnalyzer`` shows it."""

from .architectures import OUTPUTS, VALUES, output_projections
from .attention_pattern_analyzer.capture import Captured, capture, head_replaced

__all__ = [
    "OUTPUTS",
    "VALUES",
    "Captured",
    "capture",
    "head_replaced",
    "output_projections",
]

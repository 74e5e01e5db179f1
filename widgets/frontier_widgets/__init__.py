"""Live figures that run in Jupyter, Colab and VS Code, and without a kernel in a static page."""

from .attack_playground import AttackPlayground
from .attention_pattern_analyzer import AttentionPatternAnalyzer, example_of
from .components import CLAIMS, HOST, MEASURES, Component, components, registry_script, slim_state
from .long_context_strategies import LongContextStrategies
from .model_merging import ModelMerging
from .moe_routing import MoERouting
from .moe_routing.math import (
    Parallel,
    Routing,
    TokenPath,
    expert_parallel,
    mutual_information,
    route,
    shuffled_information,
    token_path,
)
from .moe_routing.routers import Routed, compare_routers
from .moe_routing.sizes import MIXTURES, Mixture, Sizes, sizes
from .threshold_explorer import ThresholdExplorer

__all__ = [
    "CLAIMS",
    "HOST",
    "MEASURES",
    "MIXTURES",
    "AttackPlayground",
    "AttentionPatternAnalyzer",
    "Component",
    "LongContextStrategies",
    "Mixture",
    "MoERouting",
    "ModelMerging",
    "Parallel",
    "Routed",
    "Routing",
    "Sizes",
    "ThresholdExplorer",
    "TokenPath",
    "compare_routers",
    "components",
    "example_of",
    "expert_parallel",
    "mutual_information",
    "registry_script",
    "route",
    "shuffled_information",
    "sizes",
    "slim_state",
    "token_path",
]

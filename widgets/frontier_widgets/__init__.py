"""Live figures that run in Jupyter, Colab and VS Code, and without a kernel in a static page."""

from .components import HOST, Component, components, registry_script, slim_state
from .long_context_strategies import LongContextStrategies
from .moe_routing import MoERouting
from .moe_routing_math import Routing, route
from .routers import Routed, compare_routers

__all__ = [
    "HOST",
    "Component",
    "LongContextStrategies",
    "MoERouting",
    "Routed",
    "Routing",
    "compare_routers",
    "components",
    "registry_script",
    "route",
    "slim_state",
]

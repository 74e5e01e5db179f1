"""Language models that transformers has no class for: RetNet and S4D, known to its Auto classes on import.

Importing this package is all that ``AutoModelForCausalLM.from_pretrained`` needs to load their checkpoints:
no code comes with the weights.
"""

from __future__ import annotations

from transformers import AutoConfig, AutoModelForCausalLM

from frontier_lab.models.retnet import RetNetConfig, RetNetForCausalLM, RetNetState
from frontier_lab.models.s4d import S4DConfig, S4DForCausalLM

__all__ = ["RetNetConfig", "RetNetForCausalLM", "RetNetState", "S4DConfig", "S4DForCausalLM"]


def _register() -> None:
    for configuration, model in ((RetNetConfig, RetNetForCausalLM), (S4DConfig, S4DForCausalLM)):
        AutoConfig.register(configuration.model_type, configuration, exist_ok=True)
        AutoModelForCausalLM.register(configuration, model, exist_ok=True)


_register()

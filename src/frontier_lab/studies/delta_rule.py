"""What the gated delta rule (``models.delta_rule``) is worth on associative recall.

Trained on the same sequences as ``zoo.retnet``'s part ``recall``, with its sizes and steps. Six trainings
are too much for a page, so they are a command and what they gave is kept:
``python -m frontier_lab.studies.delta_rule src/frontier_lab/studies/delta_rule.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedConfig

from frontier_lab.models import RetNetForCausalLM
from frontier_lab.models.delta_rule import RULES, DeltaLayer, Rule
from frontier_lab.storage import results
from frontier_lab.zoo import retnet
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.families.peers import Peer


class _InBlock(nn.Module):
    """A ``DeltaLayer`` where RetNet's block calls its retention."""

    def __init__(self, layer: DeltaLayer) -> None:
        super().__init__()
        self.layer = layer

    def chunkwise_forward(self, x: Tensor, state: None, position: int) -> tuple[Tensor, None]:
        return self.layer(x), None


def peer(rule: Rule, key_width: int | None = None) -> Peer:
    """RetNet with the rule in the place of retention, to be trained by ``zoo.families.peers`` as any peer.

    A head's keys are as wide as RetNet's, unless ``key_width`` says otherwise.

    Raises:
        ValueError: there is no such rule.
    """
    if rule not in RULES:
        raise ValueError(f"rule: got {rule!r}, wanted one of {', '.join(RULES)}")

    def build(config: PreTrainedConfig) -> RetNetForCausalLM:
        model = RetNetForCausalLM(config)
        for block in model.blocks:
            layer = DeltaLayer(
                config.hidden_size, config.num_attention_heads, config.value_size, rule, key_width
            )
            for parameter in layer.parameters():
                if parameter.ndim == 2:
                    nn.init.normal_(parameter, std=config.initializer_range)
            block.retention = _InBlock(layer)
        return model

    return replace(retnet.PEER, model_class=build)


def stored() -> dict[str, Any]:
    """What ``trained`` gave, as it is committed."""
    return results.stored(__file__)


def trained() -> Mapping[str, Any]:
    """The data set: ``recall[rule][seed][pairs]`` at the end, ``val_loss[rule][seed][step]`` on the way."""
    recalls, losses = {}, {}
    for rule in RULES:
        logs = peers.every_seed(peer(rule), "recall")
        recalls[rule] = [log[-1]["accuracy"] for log in logs]
        losses[rule] = [{str(row["step"]): row["val_loss"] for row in log} for log in logs]
    return {"format": 1, "recall": recalls, "val_loss": losses}


if __name__ == "__main__":
    results.write(trained)

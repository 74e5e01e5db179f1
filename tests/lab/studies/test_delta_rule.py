"""What the gated delta rule is worth: what is kept of its training, and its first steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from frontier_lab.models.delta_rule import RULES, Rule
from frontier_lab.studies import delta_rule
from frontier_lab.texts.sequence_tasks import RECALL_VOCABULARY
from frontier_lab.zoo import retnet
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.training.recipe import SEEDS

STORED = delta_rule.stored()
STEPS = 300


def test_the_model_has_the_sizes_of_retnets() -> None:
    built = delta_rule.peer("gated delta").model_class(retnet.PEER.config("recall"))
    assert built(torch.zeros(1, 4, dtype=torch.int64)).logits.shape == (1, 4, RECALL_VOCABULARY)
    theirs = retnet.PEER.model_class(retnet.PEER.config("recall")).num_parameters()
    assert theirs < built.num_parameters() < 1.05 * theirs
    with pytest.raises(ValueError, match="rule: got 'hebb', wanted one of gated delta"):
        delta_rule.peer("hebb")  # type: ignore[arg-type]


def test_every_rule_has_every_seed() -> None:
    for what in ("recall", "val_loss"):
        assert set(STORED[what]) == set(RULES)
        assert all(len(runs) == len(SEEDS) for runs in STORED[what].values())


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_the_first_steps_are_trained_again(rule: Rule, tmp_path: Path) -> None:
    peer = delta_rule.peer(rule)
    log = peers.run(peer, "recall", 0, tmp_path / "weights", tmp_path / "state", stop_at=STEPS + 1)
    assert log[-1]["step"] == STEPS
    assert log[-1]["val_loss"] == pytest.approx(STORED["val_loss"][rule][0][str(STEPS)], abs=0.3)

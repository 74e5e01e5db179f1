"""What is kept of RetNet without its parts is what training gives, and each part is really gone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from frontier_lab.models import RetNetForCausalLM
from frontier_lab.studies import retnet_ablations
from frontier_lab.zoo import retnet
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.training.recipe import SEEDS

STORED = retnet_ablations.stored()
STEPS = 100


def test_every_variant_has_every_seed() -> None:
    assert set(STORED["val_loss"]) == set(retnet_ablations.VARIANTS)
    assert set(STORED["recall"]) == set(retnet_ablations.RECALLING)
    for runs in (*STORED["val_loss"].values(), *STORED["recall"].values()):
        assert len(runs) == len(SEEDS)
        assert len({tuple(run) for run in runs}) == 1


@pytest.mark.parametrize("variant", retnet_ablations.VARIANTS)
def test_a_variant_computes_something_else(variant: str) -> None:
    """With the same weights, the logits of a model without a part are others; the whole one's are not."""
    config = retnet.PEER.config("language", scale=0.5)
    whole = RetNetForCausalLM(config).eval()
    changed = retnet_ablations.peer(variant).model_class(config).eval()
    assert changed.load_state_dict(whole.state_dict(), strict=False).missing_keys == []
    ids = torch.randint(config.vocab_size, (1, 20))
    with torch.no_grad():
        before = whole(ids).logits
        with retnet_ablations.context(variant):
            after = changed(ids).logits
        assert torch.equal(before, after) == (variant == "whole")
        assert torch.equal(whole(ids).logits, before)  # nothing is left changed


def test_an_unknown_variant_is_named() -> None:
    with pytest.raises(ValueError, match="variant: got 'half', wanted one of whole"):
        retnet_ablations.peer("half")


@pytest.mark.slow
@pytest.mark.parametrize("variant", retnet_ablations.VARIANTS)
def test_the_first_steps_are_trained_again(variant: str, tmp_path: Path) -> None:
    with retnet_ablations.context(variant):
        log = peers.run(
            retnet_ablations.peer(variant),
            "language",
            0,
            tmp_path / "weights",
            tmp_path / "state",
            stop_at=STEPS + 1,
        )
    assert log[-1]["step"] == STEPS
    wanted = STORED["val_loss"][variant][0][str(STEPS)]
    assert log[-1]["val_loss"] == pytest.approx(wanted, abs=0.05)

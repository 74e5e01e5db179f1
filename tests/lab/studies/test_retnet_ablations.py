"""What is kept of RetNet without its parts is what training gives, and each part is really gone."""

from __future__ import annotations

import pytest
import torch

from frontier_lab import zoo
from frontier_lab.models import RetNetForCausalLM
from frontier_lab.studies import retnet_ablations
from frontier_lab.zoo import retnet
from frontier_lab.zoo.training.recipe import SEEDS

STORED = retnet_ablations.stored()


def test_every_variant_has_every_seed() -> None:
    for task, kept in (("language", "val_loss"), ("recall", "recall")):
        variants = STORED[kept]
        assert set(variants) == {"whole", *retnet_ablations.TRAINED[task]}
        for variant, runs in variants.items():
            assert len(runs) == len(retnet.PEER.seeds(task) if variant == "whole" else SEEDS)
            assert len({tuple(run) for run in runs}) == 1


def test_the_whole_is_the_model_of_the_zoo() -> None:
    """One model has one set of numbers, which every page and figure reads."""
    findings = zoo.manifest()["retnet"]["findings"]
    ends = [list(run.values())[-1] for run in STORED["val_loss"]["whole"]]
    assert findings["validation loss"]["language"] == pytest.approx(ends, abs=1e-4)
    for condition, values in findings["recall accuracy"].items():
        assert values == [run[condition] for run in STORED["recall"]["whole"]]


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
        after = changed(ids).logits
        assert torch.equal(before, after) == (variant == "whole")
        assert torch.equal(whole(ids).logits, before)  # nothing is left changed


def test_an_unknown_variant_is_named() -> None:
    with pytest.raises(ValueError, match="variant: got 'half', wanted one of whole"):
        retnet_ablations.peer("half")

"""BigBird with full attention: what is kept of all seeds is what the committed one still gives."""

from __future__ import annotations

import pytest
import torch

from frontier_lab import zoo
from frontier_lab.studies import full_reading
from frontier_lab.zoo import bigbird
from frontier_lab.zoo.families.sparse_encoders import probe

STORED = full_reading.stored()


def test_unscaled_scores_give_what_the_manifest_says() -> None:
    found = zoo.manifest()[bigbird.NAME]["findings"][f"value stated {full_reading.DISTANCE} tokens away"]
    unscaled = [row[full_reading.SCALES.index(1.0)] for row in STORED["recall"]]
    assert unscaled == pytest.approx(found["full attention"], abs=0.05)  # trained again, on another machine


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_committed_seed_gives_what_is_stored(scale: float) -> None:
    found = full_reading.recall(full_reading.model(0), *probe(bigbird.ENCODER, full_reading.DISTANCE), scale)
    assert found == pytest.approx(STORED["recall"][0][STORED["scales"].index(scale)], abs=0.02)


def test_reading_leaves_the_model_as_it_was() -> None:
    model = full_reading.model(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shown, labels = probe(bigbird.ENCODER, full_reading.DISTANCE)
    full_reading.recall(model, shown[:2], labels[:2], 3.0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.bert.attention_type == "block_sparse"

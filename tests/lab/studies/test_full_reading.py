"""BigBird with full attention: what is kept of all seeds is what the committed one still gives."""

from __future__ import annotations

import pytest
import torch

from frontier_lab import zoo
from frontier_lab.studies import full_reading
from frontier_lab.zoo import bigbird
from frontier_lab.zoo.families.sparse_encoders import CONTEXT, probe

STORED = full_reading.stored()
WAYS = full_reading.ways()


def test_unscaled_scores_give_what_the_manifest_says() -> None:
    found = zoo.manifest()[bigbird.NAME]["findings"][f"value stated {full_reading.DISTANCE} tokens away"]
    assert STORED["recall"]["scores times 1"] == pytest.approx(found["full attention"], abs=0.05)
    assert STORED["recall"]["seen in eval mode"] == pytest.approx(found["eval mode"], abs=0.02)


def test_every_way_is_stored_for_every_seed() -> None:
    assert list(STORED["recall"]) == list(WAYS)
    assert {len(seeds) for seeds in STORED["recall"].values()} == {3}


@pytest.mark.parametrize(
    "name", ["scores times 1", "full in layer 0 alone", "hidden row alone", "diluted", "mixed"]
)
def test_the_committed_seed_gives_what_is_stored(name: str) -> None:
    pair = probe(bigbird.ENCODER, full_reading.DISTANCE)
    found = full_reading.recall(full_reading.model(0), *pair, WAYS[name])
    assert found == pytest.approx(STORED["recall"][name][0], abs=0.02)


def test_the_switch_of_transformers_lies_among_the_lengths() -> None:
    """Up to there the model reads with full attention whatever was asked for; beyond, it does not."""
    lengths = STORED["lengths"]
    at = lengths.index(full_reading.SHORTEST_SPARSE)
    bird = full_reading.model(0)
    for tokens, kind in ((lengths[at], "original_full"), (lengths[at + 1], "block_sparse")):
        bird.bert.set_attention_type("block_sparse")
        bird(probe(bigbird.ENCODER, full_reading.NEAR, tokens)[0][:1])
        assert bird.bert.attention_type == kind


@torch.no_grad()
def test_the_cells_of_eval_mode_are_those_that_it_reads() -> None:
    bird = full_reading.model(0)
    shown, _ = probe(bigbird.ENCODER, full_reading.DISTANCE)
    bird.bert.encoder.layer = bird.bert.encoder.layer[:1]
    seen = bigbird.seen_in_eval_mode(CONTEXT)
    before = bigbird.attend(bird.eval(), shown[:1])
    for at in range(4, CONTEXT, bigbird.BLOCK):
        changed = shown[:1].clone()
        changed[0, at] += 1
        felt = (bigbird.attend(bird.eval(), changed) - before).abs().amax(-1)[0] > 1e-6
        assert torch.equal(felt, seen[:, at])


def test_the_parts_are_weights_of_the_first_layer_alone() -> None:
    scores = torch.randn(2, 3, CONTEXT, CONTEXT, generator=torch.Generator().manual_seed(0))
    seen = bigbird.seen_in_eval_mode(CONTEXT)
    full, alone = scores.softmax(-1), full_reading.lowered(torch.inf)(scores, 0)
    weights = [full_reading.parted(part)(scores, 0) for part in full_reading.PARTS]
    diluted, added, mixed, larger, evened = weights
    torch.testing.assert_close(diluted, full * seen)
    torch.testing.assert_close(added, alone + full * ~seen)
    torch.testing.assert_close(mixed * seen, alone)
    torch.testing.assert_close(mixed / mixed.sum(-1, keepdim=True), full)  # the ratio that full attention has
    torch.testing.assert_close(larger, alone * mixed.sum(-1, keepdim=True))
    torch.testing.assert_close(evened * seen, full * seen)
    torch.testing.assert_close(evened.sum(-1), full.sum(-1))
    for row, new in zip(evened[0, 0], ~seen, strict=True):
        assert len(row[new].unique()) <= 1
    assert torch.equal(full_reading.parted("mixed")(scores, 1), alone)
    with pytest.raises(ValueError, match="part: got 'half'"):
        full_reading.parted("half")


def test_opened_rows_are_those_of_full_attention_in_the_first_layer_alone() -> None:
    scores = torch.randn(2, 3, CONTEXT, CONTEXT, generator=torch.Generator().manual_seed(0))
    alone = full_reading.lowered(torch.inf)(scores, 0)
    rows = torch.zeros(2, CONTEXT, dtype=torch.bool)
    rows[0, 40] = rows[1, 50] = True
    opened = full_reading.in_rows(rows)(scores, 0)
    torch.testing.assert_close(opened[0, :, 40], scores[0, :, 40].softmax(-1))
    assert torch.equal(opened[0, :, 50], alone[0, :, 50])
    assert torch.equal(full_reading.in_rows(rows)(scores, 1), alone)


def test_reading_leaves_the_model_as_it_was() -> None:
    model = full_reading.model(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shown, labels = probe(bigbird.ENCODER, full_reading.DISTANCE)
    softmax = torch.nn.functional.softmax
    full_reading.recall(model, shown[:2], labels[:2], full_reading.scaled(3.0))
    assert torch.nn.functional.softmax is softmax
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.bert.attention_type == "block_sparse"

"""BigBird with full attention: what is kept of all seeds is what the committed one still gives."""

from __future__ import annotations

import math

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
    assert STORED["recall"]["full attention"] == pytest.approx(found["full attention"], abs=0.05)
    assert STORED["recall"]["seen in eval mode"] == pytest.approx(found["eval mode"], abs=0.02)


def test_every_way_is_stored_for_every_seed() -> None:
    assert list(STORED["recall"]) == [*WAYS, *full_reading.PUSHES]
    assert {len(seeds) for seeds in STORED["recall"].values()} == {3}


@pytest.mark.parametrize("name", ["full attention", "full in layer 0 alone", "hidden row alone"])
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


def test_the_committed_seed_gives_what_is_stored_at_the_switch() -> None:
    found, stored = full_reading.at_the_switch(full_reading.model(0)), STORED["at_the_switch"][0]
    assert STORED["switched"] == list(full_reading.SWITCHED)
    for way in ("full", "seen"):
        assert found[way] == pytest.approx(stored[way], abs=0.02)
        assert (
            found[way][0]
            == STORED["by_length"][0][way][STORED["lengths"].index(full_reading.SHORTEST_SPARSE)]
        )


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


@torch.no_grad()
def test_eval_mode_counts_the_first_block_twice_and_the_cells_as_a_mask_once() -> None:
    bird, (shown, _) = full_reading.model(0), probe(bigbird.ENCODER, full_reading.DISTANCE)
    once, twice = full_reading.opened(()), torch.zeros(CONTEXT, CONTEXT)
    twice[bigbird.BLOCK : -bigbird.BLOCK, : bigbird.BLOCK] = math.log(2)
    read = bigbird.in_eval_mode(bird, shown[:8])
    found = bigbird.in_full(bird, shown[:8], lambda scores, layer: once(scores + twice, layer))
    torch.testing.assert_close(read, found, atol=1e-3, rtol=0)
    assert (read - bigbird.in_full(bird, shown[:8], once)).abs().max() > 0.5


@pytest.mark.parametrize("name", full_reading.PUSHES)
def test_the_committed_seed_gives_what_is_stored_when_its_first_layer_is_changed(name: str) -> None:
    pair = probe(bigbird.ENCODER, full_reading.DISTANCE)
    found = full_reading.pushes(full_reading.model(0), *pair, name)
    drawn = name.startswith("random") or name.startswith("another")
    assert len(found) == (full_reading.DRAWS if drawn else 1)
    assert found.float().mean().item() == pytest.approx(STORED["recall"][name][0], abs=0.02)


@torch.no_grad()
def test_a_push_is_the_mean_of_the_other_half_and_random_vectors_are_as_long() -> None:
    shown, labels = (part[:6] for part in probe(bigbird.ENCODER, full_reading.DISTANCE))
    own, mean = full_reading.push(full_reading.model(0), shown, labels)
    torch.testing.assert_close(mean[::2], own[1::2].mean(0).expand(3, -1))
    torch.testing.assert_close(mean[1::2], own[::2].mean(0).expand(3, -1))
    drawn = full_reading.as_long(own, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.norm(dim=-1), own.norm(dim=-1))
    assert torch.cosine_similarity(drawn, own).abs().max() < 0.5
    with pytest.raises(ValueError, match="name: got 'half'"):
        full_reading.pushes(full_reading.model(0), shown, labels, "half")


def test_a_push_is_parted_into_what_lies_along_the_mean_and_what_is_square_to_it() -> None:
    own, mean = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    along, across = full_reading.split(own, mean)
    torch.testing.assert_close(along + across, own)
    torch.testing.assert_close((across * mean).sum(-1), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cosine_similarity(along, mean).abs(), torch.ones(6))


def test_another_row_is_never_the_hidden_one_nor_one_that_sees_all_in_eval_mode() -> None:
    labels = probe(bigbird.ENCODER, full_reading.DISTANCE)[1]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([full_reading.other_rows(labels, generator) for _ in range(50)])
    assert (drawn != (labels >= 0).int().argmax(-1)).all()
    gains = ~bigbird.seen_in_eval_mode(CONTEXT).all(-1)
    assert set(drawn.flatten().tolist()) == set(gains.nonzero().flatten().tolist())


@torch.no_grad()
def test_a_change_of_the_first_layer_reaches_the_logits_and_none_leaves_them() -> None:
    model, (shown, _) = full_reading.model(0), probe(bigbird.ENCODER, full_reading.DISTANCE)
    plain, wanted = full_reading.read(model, shown[:2], full_reading.full)
    outputs, changed = full_reading.read(model, shown[:2], full_reading.full, lambda found: 0 * found)
    assert torch.equal(outputs, plain)
    assert not torch.allclose(changed, wanted)
    torch.testing.assert_close(bigbird.in_full(model, shown[:2]), wanted)


def test_the_old_part_is_full_attention_without_the_new_cells() -> None:
    scores = torch.randn(2, 3, CONTEXT, CONTEXT, generator=torch.Generator().manual_seed(0))
    seen = bigbird.seen_in_eval_mode(CONTEXT)
    torch.testing.assert_close(full_reading.old_part(scores, 0), scores.softmax(-1) * seen)
    closed = full_reading.opened(())(scores, 1)
    torch.testing.assert_close(
        closed, scores.softmax(-1) * seen / (scores.softmax(-1) * seen).sum(-1, keepdim=True)
    )
    assert torch.equal(full_reading.old_part(scores, 1), closed)
    assert torch.equal(full_reading.opened({1})(scores, 1), scores.softmax(-1))


def test_opened_rows_are_those_of_full_attention_in_the_first_layer_alone() -> None:
    scores = torch.randn(2, 3, CONTEXT, CONTEXT, generator=torch.Generator().manual_seed(0))
    alone = full_reading.opened(())(scores, 0)
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
    full_reading.recall(model, shown[:2], labels[:2], full_reading.opened({0}))
    full_reading.pushes(model, shown[:2], labels[:2], "one vector taken back")
    assert torch.nn.functional.softmax is softmax
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.bert.attention_type == "block_sparse"

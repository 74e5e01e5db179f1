"""The watermark is transformers' own, and its test has the level that it says, where pairs count once."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from transformers import PreTrainedConfig, WatermarkDetector, WatermarkingConfig, WatermarkLogitsProcessor

from frontier_lab.methods.watermark import Watermark

VOCABULARY = 64
MARK = Watermark(VOCABULARY, 2.0)


def test_green_lists_and_logits_are_those_of_transformers() -> None:
    theirs = WatermarkLogitsProcessor(VOCABULARY, "cpu", greenlist_ratio=0.25, bias=2.0)
    ids = torch.arange(VOCABULARY)[:, None].expand(-1, 3)
    scores = torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(0))
    assert torch.equal(MARK(ids, scores), theirs(ids, scores.clone()))


@pytest.mark.parametrize("once", [True, False])
def test_counts_are_those_of_transformers(once: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(2, 8, (9, 40), generator=generator)  # few tokens: pairs come again
    config = PreTrainedConfig(vocab_size=VOCABULARY, bos_token_id=0)
    detector = WatermarkDetector(config, "cpu", WatermarkingConfig(bias=2.0), ignore_repeated_ngrams=once)
    theirs, ours = detector(ids, return_dict=True), MARK.count(ids, once=once)
    assert ours.counted.tolist() == theirs.num_tokens_scored.tolist()
    assert ours.green.tolist() == theirs.num_green_tokens.tolist()
    assert ours.z.tolist() == pytest.approx(theirs.z_score.tolist(), abs=1e-5)


def test_a_share_that_does_not_divide_the_vocabulary_is_rounded_down_and_known() -> None:
    odd = Watermark(10, 1.0, share=0.25)
    assert odd.share == 0.2
    assert odd.green.sum(1).tolist() == [2] * 10


def test_p_is_the_binomial_tail() -> None:
    found = MARK.count(torch.randint(2, VOCABULARY, (5, 30), generator=torch.Generator().manual_seed(2)))
    for green, counted, p in zip(found.green, found.counted, found.p, strict=True):
        tail = stats.binomtest(int(green), int(counted), 0.25, alternative="greater")
        assert p.item() == pytest.approx(tail.pvalue)


def test_marked_text_is_found_and_text_by_chance_is_accused_as_often_as_said() -> None:
    generator = torch.Generator().manual_seed(3)
    chance = torch.randint(2, VOCABULARY, (4000, 40), generator=generator)
    accused = (MARK.count(chance).p < 0.05).float().mean()
    assert 0.02 < accused < 0.06  # a count of whole tokens keeps below the level
    marked = chance[:200, :1]
    for _ in range(39):
        logits = MARK(marked, torch.zeros(len(marked), VOCABULARY))
        marked = torch.cat([marked, torch.multinomial(logits.softmax(-1), 1, generator=generator)], dim=1)
    assert (MARK.count(marked).p < 0.01).float().mean() > 0.95


def test_pairs_that_come_again_are_taken_for_evidence_only_on_request() -> None:
    again = torch.tensor([[2, 3] * 20])
    assert MARK.count(again).counted.tolist() == [2]
    assert MARK.count(again, once=False).counted.tolist() == [39]

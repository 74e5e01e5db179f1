"""Eight kinds of heads: right on heads made to be of a kind, and on models in which they grew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frontier_widgets import attention_patterns as ap
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

from frontier_lab import hub
from frontier_lab.methods import heads
from frontier_lab.storage.checkpoints import committed
from frontier_lab.zoo import induction

TOKENS = [f"w{i}" for i in np.random.default_rng(3).integers(0, 18, 48)]
for at in (9, 20, 33, 47):
    TOKENS[at] = [".", ",", "Ġ;", "[SEP]"][at % 4]


def synthetic(kind: str, seed: int, *, causal: bool, share: float = 0.7) -> NDArray[np.float64]:
    """A head that puts ``share`` on a kind's cells, in uneven parts, and the rest anywhere that it sees.

    Rows without such a cell look anywhere. ``"mixed"`` looks at random places sharply.
    """
    generator = np.random.default_rng(seed)
    length = len(TOKENS)
    visible = np.tril(np.ones((length, length))) if causal else np.ones((length, length))
    if kind == "uniform":
        scores = np.exp(0.3 * generator.standard_normal((length, length))) * visible
        return scores / scores.sum(-1, keepdims=True)
    noise = np.exp(generator.standard_normal((length, length))) * visible
    noise /= noise.sum(-1, keepdims=True)
    if kind == "mixed":
        scores = np.exp(2.5 * generator.standard_normal((length, length))) * visible
        return scores / scores.sum(-1, keepdims=True)
    cells = ap.targets(kind, TOKENS, causal=causal)
    if kind == "local":
        cells &= ~ap.targets("previous", TOKENS, causal=causal)
        share = 0.9
    ideal = np.exp(0.5 * generator.standard_normal((length, length))) * cells
    there = ideal.sum(-1, keepdims=True)
    ideal = np.divide(ideal, there, out=np.zeros_like(ideal), where=there > 0)
    parts = share * (there > 0)
    mixture: NDArray[np.float64] = parts * ideal + (1 - parts) * noise
    return mixture


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("kind", [*ap.KINDS, "mixed"])
def test_a_head_made_to_be_of_a_kind_is_found_to_be(kind: str, causal: bool) -> None:
    made = np.stack([synthetic(kind, seed, causal=causal) for seed in range(40)])
    np.testing.assert_allclose(made.sum(-1), 1)
    assert ap.is_causal(made) == causal
    found = [ap.kind_of(metrics) for metrics in ap.measure(made, TOKENS)]
    assert found == [kind] * 40


@pytest.mark.parametrize("kind", ap.KINDS[:-1])
def test_a_perfect_head_scores_one_and_an_even_look_nothing(kind: str) -> None:
    cells = ap.targets(kind, TOKENS, causal=True).astype(float)
    even = np.tril(np.ones(cells.shape))
    rows = np.where(cells.sum(-1, keepdims=True) > 0, cells, even)
    at = ap.METRICS.index(kind)
    assert ap.measure(rows / rows.sum(-1, keepdims=True), TOKENS)[at] == pytest.approx(1)
    assert ap.measure(even / even.sum(-1, keepdims=True), TOKENS)[at] == pytest.approx(0)


def test_columns_of_the_kinds_by_hand() -> None:
    tokens = ["a", "b", ".", "a", "b"]
    cells = {kind: ap.targets(kind, tokens, causal=True) for kind in ap.KINDS[:-1]}
    assert np.argwhere(cells["duplicate"]).tolist() == [[3, 0], [4, 1]]
    assert np.argwhere(cells["induction"]).tolist() == [[3, 1], [4, 2]]
    assert np.argwhere(cells["delimiter"]).tolist() == [[2, 2], [3, 2], [4, 2]]
    assert np.argwhere(cells["first"]).tolist() == [[1, 0], [2, 0], [3, 0], [4, 0]]
    both = ap.targets("induction", tokens, causal=False)
    assert np.argwhere(both).tolist() == [[0, 4], [3, 1], [4, 2]]
    with pytest.raises(ValueError, match="kind: got 'uniform'"):
        ap.targets("uniform", tokens, causal=True)


@pytest.mark.parametrize(
    ("token", "separates"),
    [
        (".", True),
        ("Ġ,", True),
        ("[SEP]", True),
        ("<|endoftext|>", True),
        ("Ċ", True),
        ("。", True),
        ("##ing", False),
        ("Ġ", False),
        ("a.", False),
        ("", False),
        ("<script>", False),
        ("🙂", False),
    ],
)
def test_delimiters(token: str, separates: bool) -> None:
    assert ap.is_delimiter(token) is separates


def test_what_a_text_cannot_show_is_nan() -> None:
    different = [f"w{i}" for i in range(6)]
    metrics = ap.measure(np.tril(np.ones((6, 6))) / np.arange(1, 7)[:, None], different)
    missing = {name for name, value in zip(ap.METRICS, metrics, strict=True) if np.isnan(value)}
    assert missing == {"induction", "duplicate", "delimiter"}
    assert ap.kind_of(metrics) == "uniform"
    one = ap.measure(np.ones((1, 1)), ["w"])
    assert one[ap.METRICS.index("entropy")] == 0
    assert ap.kind_of(one) == "mixed"


def test_other_keys_have_entropy_and_nothing_that_needs_one_text() -> None:
    weights = np.full((2, 3, 5), 0.2)
    metrics = ap.measure(weights, ["a", "b", "c"], ["v", "w", "x", "y", "z"])
    assert metrics.shape == (2, len(ap.METRICS))
    known = {name for name, value in zip(ap.METRICS, metrics[0], strict=True) if not np.isnan(value)}
    assert known == {"uniform", "entropy", "sink"}
    assert metrics[0, ap.METRICS.index("uniform")] == pytest.approx(1)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"weights: got shape \(3, 3\), wanted \(2, 2\)"):
        ap.measure(np.eye(3), ["a", "b"])
    with pytest.raises(ValueError, match=r"residual: got 1\.5"):
        ap.rollout(np.ones((1, 1, 2, 2)) / 2, 1.5)
    with pytest.raises(ValueError, match="weights: got shape"):
        ap.rollout(np.ones((1, 2, 2)))


def test_rollout_is_the_product_of_the_layers() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(5), (3, 2, 5))  # [L, H, T, T]
    mixed = 0.3 * np.eye(5) + 0.7 * weights.mean(1)
    found = ap.rollout(weights, 0.3)
    np.testing.assert_allclose(found[2], mixed[2] @ mixed[1] @ mixed[0])
    np.testing.assert_allclose(ap.rollout(weights, 1.0)[-1], np.eye(5))
    np.testing.assert_allclose(found.sum(-1), 1)


def test_weighting_by_values_takes_a_sink_away() -> None:
    weights = np.array([[0.9, 0.1], [0.8, 0.2]])
    found = ap.value_weighted(weights, [0.0, 2.0])
    np.testing.assert_allclose(found, [[0, 1], [0, 1]])
    np.testing.assert_allclose(ap.value_weighted(weights, [0.0, 0.0]), 0)


def test_heads_that_grew_are_recognised_and_those_of_an_untrained_model_are_not() -> None:
    model = hub.load(str(committed("induction")))
    weights, _ = heads.attention(model, induction.probes())
    texts = [[str(i) for i in row] for row in induction.probes().tolist()]
    found = np.stack(
        [ap.measure(weights[:, i].double().numpy(), text) for i, text in enumerate(texts)]
    )  # [B, L, H, metrics]
    mean = found.mean(0)
    kinds = [[ap.kind_of(head) for head in layer] for layer in mean]
    assert "previous" in kinds[0]
    assert "induction" in kinds[1]
    best = mean[1, :, ap.METRICS.index("induction")].max()
    assert best > 0.7

    torch.manual_seed(0)
    untrained = BertModel(
        BertConfig(vocab_size=30, hidden_size=48, num_hidden_layers=2, num_attention_heads=4)
    )
    untrained.set_attn_implementation("eager")
    ids = torch.randint(5, 30, (1, 40))
    with torch.no_grad():
        even = untrained(ids, output_attentions=True).attentions
    text = [str(i) for i in ids[0].tolist()]
    assert {ap.kind_of(head) for layer in even for head in ap.measure(layer[0].numpy(), text)} == {"uniform"}

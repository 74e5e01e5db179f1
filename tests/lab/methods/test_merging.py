"""Merges of models at points where the result is known."""

from __future__ import annotations

import pytest
import torch

from frontier_lab.methods import merging

A = {"w": torch.tensor([1.0, 0.0, 2.0]), "b": torch.tensor([1.0])}


B = {"w": torch.tensor([0.0, 1.0, 4.0]), "b": torch.tensor([3.0])}


def test_average_and_task_arithmetic_agree_where_they_must() -> None:
    torch.testing.assert_close(merging.average([A, B])["w"], torch.tensor([0.5, 0.5, 3.0]))
    vectors = [merging.task_vector(A, A), merging.task_vector(A, B)]
    for name, tensor in merging.average([A, B]).items():
        torch.testing.assert_close(merging.add(A, vectors, 0.5)[name], tensor)
    torch.testing.assert_close(merging.add(A, vectors, 1.0)["w"], B["w"])


def test_slerp_keeps_the_ends_the_length_and_survives_zeros() -> None:
    for t, end in ((0.0, A), (1.0, B)):
        for name, tensor in merging.slerp(A, B, t).items():
            torch.testing.assert_close(tensor, end[name])
    unit = {"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.0, 1.0])}
    torch.testing.assert_close(merging.slerp(*unit, 0.5)["w"], torch.full((2,), 0.5**0.5))
    zero = {"w": torch.zeros(3)}
    torch.testing.assert_close(merging.slerp(zero, zero, 0.3)["w"], torch.zeros(3))
    opposite = {"w": -unit[0]["w"]}
    assert merging.slerp(unit[0], opposite, 0.25)["w"].isfinite().all()


def test_ties_trims_elects_and_averages_what_agrees() -> None:
    one = {"w": torch.tensor([4.0, -1.0, 0.1, 2.0])}
    other = {"w": torch.tensor([2.0, 3.0, -0.2, 0.1])}
    merged = merging.ties([one, other], 0.75)["w"]
    # Trimmed to three entries each: [4, -1, 0, 2] and [2, 3, -0.2, 0].
    torch.testing.assert_close(merged, torch.tensor([3.0, 3.0, -0.2, 2.0]))
    torch.testing.assert_close(merging.ties([one], 1.0)["w"], one["w"])


def test_dare_drops_a_share_and_keeps_the_mean() -> None:
    vector = {"w": torch.ones(100_000)}
    dropped = merging.dare(vector, 0.9, 0)["w"]
    assert (dropped == 0).float().mean().item() == pytest.approx(0.9, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(merging.dare(vector, 0.0, 0)["w"], vector["w"])
    assert torch.equal(dropped, merging.dare(vector, 0.9, 0)["w"])


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"states: got 'w' of shapes \(3,\) and \(2,\)"):
        merging.average([A, {"w": torch.zeros(2), "b": torch.zeros(1)}])
    with pytest.raises(ValueError, match="states: got 'b' in one but not in another"):
        merging.slerp(A, {"w": A["w"]}, 0.5)
    with pytest.raises(ValueError, match="vectors: got none"):
        merging.add(A, [], 1.0)
    with pytest.raises(ValueError, match="density: got 0, wanted more than 0 and at most 1"):
        merging.trim(A, 0)
    with pytest.raises(ValueError, match="drop: got 1, wanted at least 0 and less than 1"):
        merging.dare(A, 1, 0)
    with pytest.raises(ValueError, match=r"weights: got \[1.0\], wanted 2"):
        merging.linear([A, B], [1.0])
    with pytest.raises(ValueError, match="coefficient: got 1, wanted one for each of 2 vectors"):
        merging.add(A, [A, B], [1.0])
    with pytest.raises(ValueError, match="parts: got 'embed', which is in no name"):
        merging.without(A, "embed")
    with pytest.raises(ValueError, match="tuned: got 1, wanted at least two"):
        merging.model_stock(A, [B])
    with pytest.raises(ValueError, match="losses: got 1, wanted at least two"):
        merging.barrier([1.0])


def test_a_negative_coefficient_takes_the_vector_away_again() -> None:
    vector = merging.task_vector(A, B)
    there = merging.add(A, [vector], 1.0)
    torch.testing.assert_close(merging.add(there, [vector], -1.0)["w"], A["w"])
    each = merging.add(A, [vector, vector], [0.75, 0.25])
    torch.testing.assert_close(each["w"], B["w"])


def test_what_is_left_out_stays_at_the_base() -> None:
    vector = merging.without(merging.task_vector(A, B), "w")
    merged = merging.add(A, [vector], 1.0)
    assert torch.equal(merged["w"], A["w"])
    torch.testing.assert_close(merged["b"], B["b"])


def test_nuslerp_keeps_the_length_of_vectors_at_right_angles() -> None:
    zero = {"w": torch.zeros(2)}
    merged = merging.nuslerp(zero, {"w": torch.tensor([2.0, 0.0])}, {"w": torch.tensor([0.0, 2.0])}, 0.5)
    torch.testing.assert_close(merged["w"], torch.full((2,), 2**0.5))
    assert torch.equal(merging.nuslerp(A, zero | {"w": A["w"] * 0, "b": A["b"] * 0}, B, 0.0)["w"], A["w"])


def test_model_stock_averages_what_is_alike_and_leaves_the_base_for_what_is_not() -> None:
    base = {"w": torch.zeros(3)}
    alike = {"w": torch.tensor([1.0, 2.0, 3.0])}
    torch.testing.assert_close(merging.model_stock(base, [alike, alike])["w"], alike["w"])
    apart = [{"w": torch.tensor([1.0, 0.0, 0.0])}, {"w": torch.tensor([0.0, 1.0, 0.0])}]
    torch.testing.assert_close(merging.model_stock(base, apart)["w"], base["w"])
    # Three vectors with cosine 1/2 between each two: t = 3/2 / (1 + 1) = 3/4.
    three = [{"w": torch.tensor(v)} for v in ([1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0])]
    torch.testing.assert_close(merging.model_stock(base, three)["w"], torch.full((3,), 0.75 * 2 / 3))


def test_a_greedy_soup_takes_what_helps_and_is_never_worse_than_the_best() -> None:
    target = torch.tensor([1.0, 1.0])
    states = [{"w": torch.tensor(v)} for v in ([1.0, 2.2], [1.0, 0.0], [9.0, 9.0])]

    def score(state: merging.State) -> float:
        return -float((state["w"] - target).norm())

    soup, chosen = merging.greedy_soup(states, score)
    assert chosen == [1, 0]
    torch.testing.assert_close(soup["w"], torch.tensor([1.0, 1.1]))
    assert score(soup) > max(map(score, states))


def test_learned_coefficients_find_the_point_that_has_no_loss() -> None:
    vectors = [{"a": torch.eye(2)[0], "b": torch.eye(2)[0]}, {"a": torch.eye(2)[1], "b": torch.eye(2)[1]}]
    base = {"a": torch.zeros(2), "b": torch.zeros(2)}
    goal = {"a": torch.tensor([0.7, 0.2]), "b": torch.tensor([-0.3, 1.1])}

    def loss(weights: merging.State) -> torch.Tensor:
        return sum(((weights[name] - goal[name]) ** 2).sum() for name in goal)  # type: ignore[return-value]

    found = merging.learned_coefficients(base, vectors, loss, group=lambda n: int(n == "b"), steps=400)
    torch.testing.assert_close(found, torch.stack([goal["a"], goal["b"]]), atol=1e-2, rtol=0)
    merged = merging.add_by_group(base, vectors, found, lambda n: int(n == "b"))
    assert loss(merged) < 1e-3
    together = merging.learned_coefficients(base, vectors, loss, steps=400)
    torch.testing.assert_close(together, torch.tensor([[0.2, 0.65]]), atol=1e-2, rtol=0)


def test_layers_are_told_from_names() -> None:
    assert merging.layer_of("model.layers.3.mlp.up_proj.weight") == 4
    assert merging.layer_of("transformer.h.0.attn.c_attn.bias") == 1
    assert merging.layer_of("model.embed_tokens.weight") == 0


def test_norms_cosines_and_barriers_are_those_of_the_whole() -> None:
    one, other = (
        {"w": torch.tensor([3.0]), "b": torch.tensor([4.0])},
        {
            "w": torch.tensor([4.0]),
            "b": torch.tensor([-3.0]),
        },
    )
    assert merging.norm(one) == pytest.approx(5)
    torch.testing.assert_close(merging.cosines([one, other]), torch.eye(2))
    assert merging.barrier([1.0, 4.0, 3.0]) == pytest.approx(2.0)
    assert merging.barrier([1.0, 0.0, 3.0]) == 0

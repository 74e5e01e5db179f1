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

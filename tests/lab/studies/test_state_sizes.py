"""Models of several state sizes: nothing else differs, and what is kept of their training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from frontier_lab.methods.memory import state_after
from frontier_lab.studies import state_sizes
from frontier_lab.zoo import mamba, retnet
from frontier_lab.zoo.families import peers
from frontier_lab.zoo.training.recipe import SEEDS

STORED = state_sizes.stored()
STEPS = 300
EVERY = [(family, size) for family, sizes in state_sizes.FAMILIES.items() for size in sizes]


def test_only_the_state_differs() -> None:
    theirs = mamba.PEER.config("recall").to_dict()
    for size in state_sizes.FAMILIES["Mamba"]:
        assert state_sizes.peer("Mamba", size).config("recall").to_dict() == {**theirs, "state_size": size}
    for size in state_sizes.FAMILIES["gated"]:
        peer = state_sizes.peer("gated", size)
        assert peer.config("recall").to_dict() == retnet.PEER.config("recall").to_dict()
    with pytest.raises(ValueError, match="family: got 'rwkv', wanted one of Mamba, gated"):
        state_sizes.peer("rwkv", 2)


@pytest.mark.parametrize(("family", "size"), EVERY)
def test_sizes_are_those_of_the_models(family: str, size: int) -> None:
    peer = state_sizes.peer(family, size)
    model = peer.model_class(peer.config("recall")).eval()
    assert STORED[family][str(size)]["parameters"] == model.num_parameters()
    if family == "Mamba":
        kept = state_after(model, torch.zeros(1, 9, dtype=torch.int64))
        held = sum(tensor.numel() for tensor in kept if tensor.shape[-1] == size)
    else:
        layers = [block.retention.layer for block in model.blocks]
        held = sum(
            layer.k_proj.out_features * layer.v_proj.out_features // layer.num_heads for layer in layers
        )
    assert state_sizes.numbers(family, size) == held


def test_every_size_has_every_seed() -> None:
    for family, sizes in state_sizes.FAMILIES.items():
        assert set(STORED[family]) == {str(size) for size in sizes}
        for found in STORED[family].values():
            assert len(found["recall"]) == len(found["val_loss"]) == len(SEEDS)


def test_a_larger_state_recalls_more_where_the_model_learns() -> None:
    sixty_four = {
        size: [run["64 pairs"] for run in found["recall"]] for size, found in STORED["gated"].items()
    }
    means = [sum(sixty_four[size]) / len(SEEDS) for size in ("2", "4", "8", "32")]
    assert means == sorted(means)
    assert max(sixty_four["2"]) < min(sixty_four["8"])
    assert max(sixty_four["4"]) < min(sixty_four["32"])


@pytest.mark.slow
@pytest.mark.parametrize(("family", "size"), [("Mamba", 2), ("Mamba", 32), ("gated", 2), ("gated", 32)])
def test_the_first_steps_are_trained_again(family: str, size: int, tmp_path: Path) -> None:
    peer = state_sizes.peer(family, size)
    log = peers.run(peer, "recall", 0, tmp_path / "weights", tmp_path / "state", stop_at=STEPS + 1)
    assert log[-1]["step"] == STEPS
    assert log[-1]["val_loss"] == pytest.approx(STORED[family][str(size)]["val_loss"][0][str(STEPS)], abs=0.3)

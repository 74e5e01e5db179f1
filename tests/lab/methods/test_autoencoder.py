"""A sparse autoencoder finds the directions that vectors were made of."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from frontier_lab.methods import autoencoder

WIDTH, TRUE, ACTIVE = 24, 40, 3


def made(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors that are sums of three of forty directions in 24 dimensions, and the directions."""
    directions = F.normalize(torch.randn(TRUE, WIDTH, generator=torch.Generator().manual_seed(0)), dim=-1)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(count, TRUE, generator=generator).topk(ACTIVE, dim=-1).indices
    weights = torch.zeros(count, TRUE).scatter(
        1, chosen, 0.5 + torch.rand(count, ACTIVE, generator=generator)
    )
    return weights @ directions + 5.0, directions


@pytest.fixture(scope="module")
def trained() -> autoencoder.SparseAutoencoder:
    return autoencoder.train(made(8000, 1)[0], 64, ACTIVE, steps=2500)


def test_the_true_directions_are_found(trained: autoencoder.SparseAutoencoder) -> None:
    _, directions = made(1, 1)
    alike = (directions @ trained.decoder.T).max(-1).values
    assert (alike > 0.9).float().mean() > 0.8


def test_new_vectors_come_back_from_few_features(trained: autoencoder.SparseAutoencoder) -> None:
    x, _ = made(2000, 2)
    found = autoencoder.quality(trained, x)
    assert found.explained > 0.85
    assert found.active <= ACTIVE
    assert found.dead < 0.3
    assert ((trained.encode(x) > 0).sum(-1) <= ACTIVE).all()
    assert torch.allclose(trained.decoder.norm(dim=-1), torch.ones(64), atol=1e-5)
    untrained = autoencoder.SparseAutoencoder(WIDTH, 64, ACTIVE)
    assert autoencoder.quality(untrained, x).explained < found.explained - 0.3


def test_the_same_seed_gives_the_same_and_leaves_torchs_numbers_alone() -> None:
    x, _ = made(500, 3)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    one = autoencoder.train(x, 32, 2, steps=20)
    assert torch.equal(torch.random.get_rng_state(), before)
    other = autoencoder.train(x, 32, 2, steps=20)
    assert torch.equal(one.decoder, other.decoder)


def test_an_impossible_k_is_named() -> None:
    with pytest.raises(ValueError, match="k: got 9, wanted 1 to 8"):
        autoencoder.SparseAutoencoder(4, 8, 9)

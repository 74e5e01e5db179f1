"""A sparse autoencoder: activations as sums of few of many directions, which may be read one by one.

Only the ``k`` largest of the features are kept for each vector, so sparsity is set and not weighed against
the error. Features that have not fired for long are given what the others leave over, lest they stay dead.
Source: Gao et al., "Scaling and evaluating sparse autoencoders" (2024); Bricken et al., "Towards
Monosemanticity" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SparseAutoencoder(nn.Module):
    """Vectors to at most ``k`` features and back.

    Args:
        width: D of the vectors.
        features: M directions.
        k: features that may stand for one vector.

    Raises:
        ValueError: ``k`` is not between 1 and ``features``.
    """

    def __init__(self, width: int, features: int, k: int) -> None:
        super().__init__()
        if not 1 <= k <= features:
            raise ValueError(f"k: got {k}, wanted 1 to {features}, the number of features")
        self.k = k
        self.center = nn.Parameter(torch.zeros(width))
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(()))
        directions = F.normalize(torch.randn(features, width), dim=-1)
        self.decoder = nn.Parameter(directions)  # [M, D], rows of length 1
        self.encoder = nn.Parameter(directions.clone())  # [M, D]
        self.bias = nn.Parameter(torch.zeros(features))

    def scores(self, x: Tensor) -> Tensor:
        """What every feature would say, ``[N, D] -> [N, M]``, not yet sparse."""
        return F.relu(F.linear(x / self.scale - self.center, self.encoder, self.bias))

    def encode(self, x: Tensor) -> Tensor:
        """Features, ``[N, D] -> [N, M]``; at most ``k`` of a row are not zero."""
        scores = self.scores(x)
        best = scores.topk(self.k, dim=-1)
        return torch.zeros_like(scores).scatter(-1, best.indices, best.values)

    def decode(self, features: Tensor) -> Tensor:
        """Features to vectors, ``[N, M] -> [N, D]``."""
        return (features @ self.decoder + self.center) * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """The vectors as few features give them, ``[N, D]``."""
        return self.decode(self.encode(x))


@dataclass(frozen=True)
class Quality:
    """What an autoencoder does to vectors that it was not trained on.

    Attributes:
        explained: share of the variance that comes back.
        dead: share of the features that never fire.
        active: features that fire for a vector, on average.
    """

    explained: float
    dead: float
    active: float


@torch.no_grad()
def quality(model: SparseAutoencoder, x: Tensor) -> Quality:
    """Measure on vectors ``[N, D]``."""
    features = model.encode(x)
    error = (model.decode(features) - x).pow(2).sum()
    spread = (x - x.mean(0)).pow(2).sum()
    fires = features > 0
    return Quality(
        explained=(1 - error / spread).item(),
        dead=(~fires.any(0)).float().mean().item(),
        active=fires.sum(-1).float().mean().item(),
    )


def train(
    x: Tensor,
    features: int,
    k: int,
    *,
    steps: int = 2000,
    batch_size: int = 512,
    learning_rate: float = 2e-3,
    patience: int = 100,
    seed: int = 0,
) -> SparseAutoencoder:
    """Fit an autoencoder to vectors.

    Args:
        x: ``[N, D]``.
        features: M directions, usually several times D.
        k: features for each vector.
        steps: batches.
        batch_size: vectors of a batch, drawn with replacement.
        learning_rate: of Adam, linear to zero over the last fifth.
        patience: batches without firing after which a feature counts as dead.
        seed: of weights and batches; torch's own generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SparseAutoencoder(x.shape[1], features, k)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.scale.copy_((x - x.mean(0)).pow(2).sum(-1).mean().sqrt() / x.shape[1] ** 0.5)
        model.center.copy_(x.mean(0) / model.scale)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    silent = torch.zeros(features, dtype=torch.long)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1.0, 5 * (steps - step) / steps)
        batch = x[torch.randint(len(x), (batch_size,), generator=generator)]
        scores = model.scores(batch)
        best = scores.topk(k, dim=-1)
        kept = torch.zeros_like(scores).scatter(-1, best.indices, best.values)
        error = batch / model.scale - (kept @ model.decoder + model.center)  # [N, D]
        loss = error.pow(2).mean()
        dead = silent > patience
        if dead.any():
            # The dead ones are asked for what the others leave over, which gives them a gradient again.
            place = dead.nonzero().squeeze(-1)
            raw = F.linear(batch / model.scale - model.center, model.encoder[place], model.bias[place])
            count = min(2 * k, len(place))
            rest = raw.topk(count, dim=-1)
            helped = torch.zeros_like(raw).scatter(-1, rest.indices, rest.values) @ model.decoder[place]
            loss = loss + (error.detach() - helped).pow(2).mean() / 32
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            model.decoder.div_(model.decoder.norm(dim=-1, keepdim=True))
            fired = (kept > 0).any(0)
            silent = torch.where(fired, 0, silent + 1)
    return model.eval().requires_grad_(False)

"""A filter of harmful text in its parts: vectors, heads, calibration, and thresholds by cost or by guarantee.

A frozen sentence encoder gives a vector; ``Heads`` give a logit for each label; ``Sigmoid`` makes of logits
probabilities that mean what they say; a threshold is chosen by what errors cost, or so that no more than a
share of harmful texts is let through. Scores are ``[N]`` of one label; a text is blocked where its score is
at or above the threshold. None of these knows what ought to be blocked: that is in the labels. What people
write to get past a filter is undone in ``methods.disguises``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize
from scipy.stats import binom
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class Encoder:
    """Vectors of sentences, of length 1: the mean of the last states, as sentence-transformers takes it.

    Args:
        model: an encoder of transformers, in eval mode.
        tokenizer: its own.
        folder: where vectors are kept between processes, by text and weights; nowhere without one.
        batch: texts that are read together, of about the same length.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        folder: Path | None = None,
        batch: int = 64,
    ) -> None:
        self.model, self.tokenizer, self.batch = model, tokenizer, batch
        self._known: dict[str, Tensor] = {}
        self._file: Path | None = None
        if folder is not None:
            digest = hashlib.sha256()
            for parameter in model.parameters():
                digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
            self._file = folder / f"{digest.hexdigest()[:16]}.safetensors"
            if self._file.exists():
                self._known = load_file(self._file)

    @torch.no_grad()
    def _read(self, texts: Sequence[str]) -> Tensor:
        inputs = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        states = self.model(**inputs).last_hidden_state  # [N, T, D]
        mask = inputs["attention_mask"].unsqueeze(-1)
        return nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Vectors ``[N, D]``, float32; each text is read once."""
        names = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        fresh = {name: text for name, text in zip(names, texts, strict=True) if name not in self._known}
        order = sorted(fresh, key=lambda name: len(fresh[name]))
        for start in range(0, len(order), self.batch):
            chosen = order[start : start + self.batch]
            self._known |= dict(zip(chosen, self._read([fresh[name] for name in chosen]), strict=True))
        if fresh and self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(".partial")
            save_file({name: vector.contiguous() for name, vector in self._known.items()}, partial)
            partial.replace(self._file)
        return torch.stack([self._known[name] for name in names])


class Heads(nn.Module):
    """Logistic regressions on the vectors of an encoder, one for each label.

    Args:
        dimensions: of the vectors, which have length 1.
        labels: names in order.
    """

    def __init__(self, dimensions: int, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.linear = nn.Linear(dimensions, len(self.labels))

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits ``[N, L]`` of vectors ``[N, D]``, which are brought to unit scale in each dimension."""
        logits: Tensor = self.linear(vectors * math.sqrt(vectors.shape[-1]))
        return logits

    def penalty(self) -> Tensor:
        """Squared length of the weights as they act on the vectors, a scalar, averaged over the labels."""
        weight = self.linear.weight
        return weight.square().sum() * weight.shape[1] / len(self.labels)

    def save(self, folder: Path) -> None:
        """Write the weights in half precision, and a configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: p.detach().half() for name, p in self.named_parameters()}, folder / WEIGHTS)
        facts = {"labels": self.labels, "dimensions": self.linear.in_features}
        (folder / CONFIG).write_text(json.dumps(facts, indent=2) + "\n", "utf8")

    @staticmethod
    def load(folder: Path) -> Heads:
        """What ``save`` wrote, in float32."""
        facts = json.loads((folder / CONFIG).read_text("utf8"))
        heads = Heads(facts["dimensions"], facts["labels"])
        heads.load_state_dict({name: value.float() for name, value in load_file(folder / WEIGHTS).items()})
        return heads.eval()


def _columns(scores: Tensor, labels: Tensor, name: str) -> None:
    if scores.shape != labels.shape or scores.ndim != 1 or len(scores) == 0:
        raise ValueError(
            f"{name}, labels: got shapes {tuple(scores.shape)} and {tuple(labels.shape)}, wanted [N] twice"
        )


@dataclass(frozen=True)
class Sigmoid:
    """Probability of a label from its logit, ``sigmoid(slope * logit + shift)``."""

    slope: float
    shift: float

    def __call__(self, logits: Tensor) -> Tensor:
        """Probabilities of logits, of any shape, float64."""
        return (logits.double() * self.slope + self.shift).sigmoid()


def platt(logits: Tensor, labels: Tensor, *, shifted: bool = True) -> Sigmoid:
    """The sigmoid of least cross-entropy on examples that the classifier was not trained on.

    Targets are those of Platt, a little inside 0 and 1, so that separable examples have a solution too.

    Args:
        logits: of one label, ``[N]``.
        labels: 0 or 1, ``[N]``, both among them.
        shifted: whether the shift is fitted; without it one over the slope is a temperature.

    Source: Platt, "Probabilistic outputs for support vector machines" (1999); of the
        temperature, Guo et al., "On calibration of modern neural networks" (2017).
    """
    _columns(logits, labels, "logits")
    positives, n = int((labels == 1).sum()), len(labels)
    if not 0 < positives < n:
        raise ValueError("labels: got one class only, wanted both")
    high, low = (positives + 1) / (positives + 2), 1 / (n - positives + 2)
    x = logits.double().numpy()
    target = np.where(labels.numpy() == 1, high, low)

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = at[0] * x + (at[1] if shifted else 0.0)
        error = 1 / (1 + np.exp(-np.clip(z, -500, 500))) - target
        value = float(np.mean(np.logaddexp(0, z) - target * z))
        return value, np.array([np.mean(error * x), np.mean(error) if shifted else 0.0])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return Sigmoid(float(found[0]), float(found[1]))


def reliability(probabilities: Tensor, labels: Tensor, bins: int = 10) -> Tensor:
    """Bins of equal counts: mean probability, share that is positive, count, ``[bins, 3]``, float64.

    Args:
        probabilities: ``[N]``, N at least ``bins``.
        labels: 0 or 1, ``[N]``.

    Raises:
        ValueError: there are fewer examples than bins.
    """
    _columns(probabilities, labels, "probabilities")
    if len(labels) < bins:
        raise ValueError(f"labels: got {len(labels)}, wanted {bins} or more, one for each bin")
    order = probabilities.argsort(stable=True)
    rows = [
        [probabilities[part].double().mean().item(), labels[part].double().mean().item(), float(len(part))]
        for part in order.tensor_split(bins)
    ]
    return torch.tensor(rows, dtype=torch.float64)


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 10) -> float:
    """Mean distance of said and true share over bins of equal counts.

    Even of perfect probabilities it is not 0, for each bin has chance in it: see ``calibration_floor``.

    Source: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning"
        (2015), with bins of equal counts.
    """
    said, true, count = reliability(probabilities, labels, bins).T
    return float(((said - true).abs() * count).sum() / count.sum())


def calibration_floor(probabilities: Tensor, bins: int = 10, draws: int = 200, seed: int = 0) -> Tensor:
    """``calibration_error`` of labels drawn from the probabilities themselves, ``[draws]``, float64."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.bernoulli(probabilities.double(), generator=generator) for _ in range(draws)]
    return torch.tensor([calibration_error(probabilities, labels, bins) for labels in drawn]).double()


@dataclass(frozen=True)
class Costs:
    """What errors cost, in any unit.

    Attributes:
        missed: a harmful text that is let through.
        blocked: a harmless text that is not.
    """

    missed: float
    blocked: float

    @property
    def threshold(self) -> float:
        """The probability from which on blocking costs less: of calibrated probabilities the best threshold.

        Source: Elkan, "The foundations of cost-sensitive learning" (2001).
        """
        return self.blocked / (self.blocked + self.missed)


def rates(scores: Tensor, labels: Tensor, threshold: float) -> tuple[float, float]:
    """Share of harmful texts let through, and of harmless ones blocked."""
    _columns(scores, labels, "scores")
    blocked, harmful = scores >= threshold, labels == 1
    return float((~blocked[harmful]).double().mean()), float(blocked[~harmful].double().mean())


def cost(
    scores: Tensor, labels: Tensor, threshold: float, costs: Costs, prevalence: float | None = None
) -> float:
    """Mean cost of a text.

    Args:
        scores: ``[N]``.
        labels: 0 or 1, ``[N]``.
        threshold: at or above it a text is blocked.
        costs: of the two errors.
        prevalence: share of harmful texts where the filter is used; that of ``labels`` without one.
    """
    missed, blocked = rates(scores, labels, threshold)
    share = float((labels == 1).double().mean()) if prevalence is None else prevalence
    return share * costs.missed * missed + (1 - share) * costs.blocked * blocked


def best_threshold(scores: Tensor, labels: Tensor, costs: Costs, prevalence: float | None = None) -> float:
    """The score from which on blocking cost least on these examples; infinite where blocking none did."""
    candidates = [*np.unique(scores.numpy()).tolist(), math.inf]
    return float(min(candidates, key=lambda at: cost(scores, labels, at, costs, prevalence)))


def at_prevalence(probabilities: Tensor, fitted: float, wanted: float) -> Tensor:
    """Calibrated probabilities where harmful texts are rarer or more frequent, and otherwise alike.

    Args:
        probabilities: any shape.
        fitted: share of harmful texts that they were calibrated on.
        wanted: share where they are used.

    Source: Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
        probabilities" (2002).
    """
    for name, share in (("fitted", fitted), ("wanted", wanted)):
        if not 0 < share < 1:
            raise ValueError(f"{name}: got {share}, wanted a share between 0 and 1")
    moved = math.log(wanted / (1 - wanted)) - math.log(fitted / (1 - fitted))
    return (torch.logit(probabilities.double(), eps=1e-12) + moved).sigmoid()


def _order_statistic(scores: Tensor, misses: int) -> float:
    if scores.ndim != 1 or len(scores) == 0:
        raise ValueError(f"scores: got shape {tuple(scores.shape)}, wanted [N], those of harmful texts")
    return -math.inf if misses < 0 else float(scores.sort().values[misses])


def conformal_threshold(scores: Tensor, alpha: float) -> float:
    """The highest threshold that lets through a share of ``alpha`` of harmful texts at most, in the mean.

    The mean is over what was drawn for calibration as well: one calibration may let through more. It holds
    for harmful texts that are exchangeable with these, whatever the classifier, and for no others.

    Args:
        scores: of harmful texts that nothing was fitted on, ``[N]``.
        alpha: between 0 and 1; with fewer than ``1 / alpha - 1`` texts everything has to be blocked, and the
            threshold is minus infinity.

    Source: Angelopoulos et al., "Conformal risk control" (2022), for the share that is missed.
    """
    return _order_statistic(scores, math.floor(alpha * (len(scores) + 1) + 1e-9) - 1)


def certain_threshold(scores: Tensor, alpha: float, delta: float = 0.1) -> float:
    """As ``conformal_threshold``, but of one calibration: it lets through more than ``alpha`` in a share of
    ``delta`` of calibrations at most.

    Source: the bound of a quantile by order statistics, Wilks, "Determination of sample sizes for setting
        tolerance limits" (1941); as risk control, Bates et al., "Distribution-free, risk-controlling
        prediction sets" (2021).
    """
    misses = np.arange(len(scores))
    allowed = misses[binom.cdf(misses, len(scores), alpha) <= delta]
    return _order_statistic(scores, int(allowed[-1]) if len(allowed) else -1)

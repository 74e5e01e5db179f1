"""Rotary positions and their extensions, and ALiBi, in numpy, float64: the twin of ``rotary.ts``.

``widgets/tests/golden/rotary.json`` holds both to the same numbers; a test holds this one to transformers'
``ROPE_INIT_FUNCTIONS``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Method = Literal["default", "linear", "ntk", "dynamic", "by_parts", "yarn", "llama3", "longrope"]
METHODS: tuple[Method, ...] = get_args(Method)

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Rotary:
    """A model's rotations and how they are stretched.

    Attributes:
        method: how. ``default`` changes nothing; ``by_parts`` is ``yarn`` without its temperature.
        head_dim: of a head; pair ``i`` of its ``head_dim / 2`` pairs turns by ``base ** (-2 i / head_dim)``.
        base: also called theta.
        trained: tokens that the model was trained with.
        factor: how many times as long the context is to be.
        length: of the sequence that is read, for ``dynamic`` and ``longrope``; by default, of the longest.
        beta_fast: ``yarn`` keeps pairs that turn at least so often within the trained length.
        beta_slow: ``yarn`` stretches pairs that turn at most so often by the whole factor.
        low: the same for ``llama3`` as ``beta_slow``.
        high: the same for ``llama3`` as ``beta_fast``.
        factors: of ``longrope``, one for each pair; found by search, not by a formula.

    Raises:
        ValueError: a setting cannot be; the message names it, what came and what was wanted.
    """

    method: Method = "default"
    head_dim: int = 64
    base: float = 10000.0
    trained: int = 2048
    factor: float = 1.0
    length: int | None = None
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    low: float = 1.0
    high: float = 4.0
    factors: Sequence[float] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method: got {self.method!r}, wanted one of {', '.join(METHODS)}")
        if self.head_dim < 4 or self.head_dim % 2:
            raise ValueError(f"head_dim: got {self.head_dim}, wanted an even number from 4 up")
        if self.trained < 2:
            raise ValueError(f"trained: got {self.trained}, wanted 2 or more")
        for name in ("base", "factor"):
            if not (getattr(self, name) >= 1 and math.isfinite(getattr(self, name))):
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted 1 or more")
        for low, high in (("beta_slow", "beta_fast"), ("low", "high")):
            if not 0 < getattr(self, low) < getattr(self, high):
                raise ValueError(f"{low}: got {getattr(self, low)}, wanted above 0 and below {high}")
        if self.method == "longrope" and len(self.factors) != self.head_dim // 2:
            raise ValueError(f"factors: got {len(self.factors)} numbers, wanted {self.head_dim // 2}")

    @property
    def read(self) -> float:
        """Tokens that are read."""
        return self.factor * self.trained if self.length is None else float(self.length)

    def rope_parameters(self) -> dict[str, Any]:
        """The same as transformers takes it in ``config.rope_parameters``."""
        same: dict[str, Any] = {"rope_type": self.method, "rope_theta": self.base}
        stretched = {**same, "factor": self.factor}
        trained = {"original_max_position_embeddings": self.trained}
        match self.method:
            case "default":
                return same
            case "ntk":
                return {"rope_type": "default", "rope_theta": ntk_base(self.base, self.factor, self.head_dim)}
            case "linear" | "dynamic":
                return stretched
            case "llama3":
                return {**stretched, **trained, "low_freq_factor": self.low, "high_freq_factor": self.high}
            case "longrope":
                factors = list(self.factors)
                return {**stretched, **trained, "long_factor": factors, "short_factor": [1.0] * len(factors)}
        turns = {"beta_fast": self.beta_fast, "beta_slow": self.beta_slow}
        parts = {"rope_type": "yarn", "attention_factor": 1.0} if self.method == "by_parts" else {}
        return {**stretched, **trained, **turns, **parts}


def ntk_base(base: float, factor: float, head_dim: int) -> float:
    """The base that stretches the slowest pair by the whole ``factor`` and leaves the fastest alone."""
    return float(base * factor ** (head_dim / (head_dim - 2)))


def frequencies(rotary: Rotary) -> Vector:
    """Radians a token by which each pair turns, ``[head_dim / 2]``.

    Sources: Su et al., "RoFormer" (2021): ``default``; Chen et al., "Extending Context Window of Large
    Language Models via Positional Interpolation" (2023): ``linear``; bloc97 and emozilla (2023): ``ntk``,
    ``dynamic``; Peng et al., "YaRN" (2023): ``by_parts``, ``yarn``; Grattafiori et al., "The Llama 3 Herd of
    Models" (2024): ``llama3``; Ding et al., "LongRoPE" (2024): ``longrope``.
    """
    d, base, s = rotary.head_dim, rotary.base, rotary.factor
    pair = np.arange(d // 2)
    plain = base ** (-2 * pair / d)
    match rotary.method:
        case "default":
            return np.asarray(plain, np.float64)
        case "linear":
            return np.asarray(plain / s, np.float64)
        case "ntk":
            return np.asarray(ntk_base(base, s, d) ** (-2 * pair / d), np.float64)
        case "dynamic":
            grown = max(1.0, rotary.read / rotary.trained)
            return np.asarray(ntk_base(base, s * grown - (s - 1), d) ** (-2 * pair / d), np.float64)
        case "llama3":
            turns = rotary.trained * plain / (2 * math.pi)
            kept = np.clip((turns - rotary.low) / (rotary.high - rotary.low), 0, 1)
            return np.asarray(plain * (kept + (1 - kept) / s), np.float64)
        case "longrope":
            longer = rotary.read > rotary.trained
            return np.asarray(plain / np.asarray(rotary.factors) if longer else plain, np.float64)
    first, last = ramp(rotary)
    kept = 1 - np.clip((pair - first) / (last - first), 0, 1)
    return np.asarray(plain * (kept + (1 - kept) / s), np.float64)


def ramp(rotary: Rotary) -> tuple[float, float]:
    """Pairs between which ``by_parts`` and ``yarn`` go from untouched to stretched by the whole factor."""

    def pair(turns: float) -> float:
        around = rotary.trained / (turns * 2 * math.pi)
        return rotary.head_dim * math.log(around) / (2 * math.log(rotary.base))

    first = max(math.floor(pair(rotary.beta_fast)), 0)
    last = min(math.ceil(pair(rotary.beta_slow)), rotary.head_dim - 1)
    return first, last if last != first else last + 0.001


def temperature(rotary: Rotary) -> float:
    """What queries and keys are multiplied by, so that attention stays as sharp over more tokens."""
    if rotary.factor <= 1:
        return 1.0
    if rotary.method == "yarn":
        return 0.1 * math.log(rotary.factor) + 1
    if rotary.method == "longrope":
        return math.sqrt(1 + math.log(rotary.factor) / math.log(rotary.trained))
    return 1.0


def turns(speeds: ArrayLike, tokens: float) -> Vector:
    """How often each pair goes round within so many tokens; below 1 it never comes back."""
    return np.asarray(np.asarray(speeds, np.float64) * tokens / (2 * math.pi))


def similarity(speeds: ArrayLike, distances: ArrayLike) -> Vector:
    """What is left of equal query and key at each distance: the mean of cos(distance · speed), ``[D]``."""
    angles = np.outer(np.asarray(distances, np.float64), np.asarray(speeds, np.float64))
    return np.asarray(np.cos(angles).mean(1))


def resolution(speeds: ArrayLike) -> float:
    """How far apart neighbours are: root mean square of the chords between their angles, 0 to 2."""
    chord = 2 * np.sin(np.asarray(speeds, np.float64) / 2)
    return float(np.sqrt(np.mean(chord**2)))


def closest(speeds: ArrayLike, tokens: int) -> tuple[int, float]:
    """The distance, 1 to ``tokens - 1``, at which two positions look most alike, and their chord there.

    Raises:
        ValueError: ``tokens`` is below 2.
    """
    if tokens < 2:
        raise ValueError(f"tokens: got {tokens}, wanted 2 or more")
    distances = np.arange(1, tokens)
    chords = np.sqrt(np.maximum(0.0, 2 - 2 * similarity(speeds, distances)))
    best = int(chords.argmin())
    return int(distances[best]), float(chords[best])


def alibi_slopes(heads: int) -> Vector:
    """ALiBi's slope of each head, ``[heads]``: by how much a score falls with each token of distance.

    Raises:
        ValueError: ``heads`` is below 1.

    Source: Press et al., "Train Short, Test Long" (2021); for other numbers than powers of two as Bloom does.
    """
    if heads < 1:
        raise ValueError(f"heads: got {heads}, wanted 1 or more")
    power = 2 ** math.floor(math.log2(heads))
    slopes = 2.0 ** (-8.0 / power * np.arange(1, power + 1))
    between = 2.0 ** (-4.0 / power * np.arange(1, 2 * (heads - power), 2))
    return np.concatenate([slopes, between])


WINDOW_NATS = 3.0
"""Where the bias is so low, 95 % of the weight lies within, if the scores are equal without it."""


def alibi_window(slopes: ArrayLike, nats: float = WINDOW_NATS) -> Vector:
    """Tokens after which each head's bias has taken so many nats, ``[heads]``; what is farther hardly counts.

    Raises:
        ValueError: ``nats`` is not above 0.
    """
    if not nats > 0:
        raise ValueError(f"nats: got {nats}, wanted above 0")
    return np.asarray(nats / np.asarray(slopes, np.float64))

"""What an attention head does, in numbers: eight kinds of heads, distances, entropy and rollout.

Weights are ``[T, S]``: a row for each token that looks, a column for each that is looked at; rows sum to 1.
A head is causal where nothing looks ahead. Every score of a kind but one compares the mass that falls on the
kind's cells with what an even look at everything visible would put there: 1 is all of it, 0 no more than
that, so that heads of short and of long texts can be compared. ``patterns.ts`` is the twin.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

KINDS = ("previous", "induction", "first", "self", "duplicate", "delimiter", "local", "uniform")
"""What a head can be said to be; the more special ones first."""

METRICS = (*KINDS, "entropy", "distance", "sink")
"""Columns of :func:`measure`: a score for each kind, then nats, tokens, and the mass on the first token."""

REACH = 4
"""Tokens to either side that count as near."""

THRESHOLD = 0.4
"""Least score at which a head is said to be of a kind."""

EVEN = 0.9
"""Least share of the highest possible entropy at which a head is said to be uniform."""

_MARKS = ("##", "\u0120", "\u2581")
"""What tokenizers put before a token for being inside a word or after a blank."""


def plain(token: str) -> str:
    """A token without its tokenizer's mark."""
    mark = next((mark for mark in _MARKS if token.startswith(mark) and len(token) > len(mark)), "")
    return token[len(mark) :]


def is_delimiter(token: str) -> bool:
    """Whether a token only separates: punctuation, a line end, or a special one such as ``[SEP]``."""
    text = plain(token)
    if text in ("\n", "\u010a", "<0x0A>", "[SEP]", "[CLS]", "[PAD]", "<s>", "</s>", "<pad>"):
        return True
    if text.startswith("<|") and text.endswith("|>"):
        return True
    return text != "" and all(unicodedata.category(character)[0] == "P" for character in text)


def is_causal(weights: ArrayLike) -> bool:
    """Whether nothing looks ahead in any of the heads, ``[..., T, S]``; cross-attention never is."""
    found = np.asarray(weights)
    tokens, keys = found.shape[-2:]
    return tokens == keys and not np.triu(np.abs(found), 1).any()


def targets(kind: str, tokens: Sequence[str], *, causal: bool) -> NDArray[np.bool_]:
    """The cells of a kind, ``[T, T]``.

    Args:
        kind: any of ``KINDS`` but ``"uniform"``, which has none.
        tokens: of the text, as the tokenizer spells them.
        causal: leave out what lies ahead.

    Raises:
        ValueError: the kind is no such.
    """
    length = len(tokens)
    row, column = np.arange(length)[:, None], np.arange(length)[None, :]
    names = np.array(_numbered(tokens))
    same = names[:, None] == names[None, :]
    if kind == "previous":
        cells = column == row - 1
    elif kind == "self":
        cells = column == row
    elif kind == "first":
        cells = (column == 0) & (row > 0)
    elif kind == "duplicate":
        cells = same & (column != row)
    elif kind == "induction":
        # A column whose left neighbour is the same token as the row's, but is not the row itself.
        cells = np.zeros((length, length), dtype=bool)
        cells[:, 1:] = same[:, :-1] & (column[:, :-1] != row)
        cells &= column != row
    elif kind == "delimiter":
        cells = np.array([is_delimiter(token) for token in tokens])[None, :] & (column > 0) & (row >= 0)
    elif kind == "local":
        cells = (np.abs(row - column) <= REACH) & (column != row)
    else:
        raise ValueError(f"kind: got {kind!r}, wanted one of {', '.join(KINDS[:-1])}")
    found: NDArray[np.bool_] = cells & (column <= row) if causal else cells
    return found


def _numbered(tokens: Sequence[str]) -> list[int]:
    """Tokens as numbers, equal ones alike."""
    seen: dict[str, int] = {}
    return [seen.setdefault(token, len(seen)) for token in tokens]


def normalized_entropy(weights: ArrayLike, *, causal: bool) -> NDArray[np.float64]:
    """Entropy of each row as a share of the highest that it can have, ``[..., T, S] -> [..., T]``.

    A row that sees one token has none and is NaN.
    """
    found = np.asarray(weights, dtype=np.float64)
    tokens, keys = found.shape[-2:]
    seen = np.arange(1, tokens + 1) if causal else np.full(tokens, keys)
    with np.errstate(divide="ignore", invalid="ignore"):
        share: NDArray[np.float64] = entropy(found) / np.where(seen > 1, np.log(seen), np.nan)
    return share


def entropy(weights: ArrayLike) -> NDArray[np.float64]:
    """Entropy of each row in nats, ``[..., T, S] -> [..., T]``."""
    found = np.asarray(weights, dtype=np.float64)
    logs = np.log(np.where(found > 0, found, 1.0))
    nats: NDArray[np.float64] = -(found * logs).sum(-1)
    return nats


def measure(
    weights: ArrayLike,
    tokens: Sequence[str],
    keys: Sequence[str] | None = None,
    *,
    causal: bool | None = None,
) -> NDArray[np.float64]:
    """All metrics of every head.

    Args:
        weights: ``[..., T, S]``; rows sum to 1.
        tokens: T strings, of the tokens that look.
        keys: S strings, of the tokens that are looked at where they are others (cross-attention).
        causal: by default what :func:`is_causal` finds.

    Returns:
        ``[..., len(METRICS)]``, float64. NaN where the text has no such cell, as for induction where no token
        comes twice, and for all kinds but ``uniform`` where the keys are another text.

    Raises:
        ValueError: shapes do not fit.
    """
    found = np.asarray(weights, dtype=np.float64)
    if found.ndim < 2 or found.shape[-2:] != (len(tokens), len(keys if keys is not None else tokens)):
        wanted = (len(tokens), len(keys if keys is not None else tokens))
        raise ValueError(f"weights: got shape {found.shape}, wanted {wanted} at its end: tokens and keys")
    ahead = is_causal(found) if causal is None else causal
    length, size = found.shape[-2:]
    measured = np.full((*found.shape[:-2], len(METRICS)), np.nan)
    if keys is None:
        visible = np.tril(np.ones((length, length), dtype=bool)) if ahead else np.ones((length, length), bool)
        seen = visible.sum(-1)
        for at, kind in enumerate(KINDS[:-1]):
            cells = targets(kind, tokens, causal=ahead)
            count = cells.sum(-1)
            rows = (count > 0) & (count < seen)
            if not rows.any():
                continue
            base = (count[rows] / seen[rows]).mean()
            mass = (found * cells).sum(-1)[..., rows].mean(-1)
            measured[..., at] = (mass - base) / (1 - base)
    shares = normalized_entropy(found, causal=ahead)
    able = ~np.isnan(shares.reshape(-1, length)[0]) if shares.size else np.zeros(length, bool)
    if able.any():
        measured[..., KINDS.index("uniform")] = shares[..., able].mean(-1)
    measured[..., METRICS.index("entropy")] = entropy(found).mean(-1)
    if keys is None:
        away = np.abs(np.arange(length)[:, None] - np.arange(size)[None, :])
        measured[..., METRICS.index("distance")] = (found * away).sum(-1).mean(-1)
    first = found[..., 1:, 0] if keys is None else found[..., 0]
    if first.shape[-1]:
        measured[..., METRICS.index("sink")] = first.mean(-1)
    return measured


def kind_of(metrics: Sequence[float]) -> str:
    """What a head is, by the first ``len(KINDS)`` of its metrics: one of ``KINDS`` or ``"mixed"``.

    The highest of the special scores if it reaches ``THRESHOLD``; else a head that keeps to its
    neighbourhood is local; else one that looks nearly evenly is uniform. An even look over a short text has
    much of its mass nearby, and one at the neighbours contains that at the previous token: hence the order.
    """
    scores = {kind: float(score) for kind, score in zip(KINDS, metrics, strict=False)}
    special = {kind: score for kind, score in scores.items() if kind not in ("local", "uniform")}
    best = max(special, key=lambda kind: -np.inf if np.isnan(special[kind]) else special[kind])
    if special[best] >= THRESHOLD:
        return best
    if scores["local"] >= THRESHOLD:
        return "local"
    return "uniform" if scores["uniform"] >= EVEN else "mixed"


def rollout(weights: ArrayLike, residual: float = 0.5) -> NDArray[np.float64]:
    """Attention followed through the layers: how much of each token's vector comes from which token.

    Each layer passes a token on with weight ``residual`` and mixes in the mean of its heads with the rest.
    Source: Abnar and Zuidema, "Quantifying Attention Flow in Transformers" (2020), with 0.5.

    Args:
        weights: ``[L, H, T, T]``.
        residual: 0 to 1.

    Returns:
        ``[L, T, T]``: after each layer; rows sum to 1.

    Raises:
        ValueError: the weights are no square, or the residual weight is out of range.
    """
    found = np.asarray(weights, dtype=np.float64)
    if found.ndim != 4 or found.shape[-1] != found.shape[-2]:
        raise ValueError(f"weights: got shape {found.shape}, wanted [layers, heads, tokens, tokens]")
    if not 0 <= residual <= 1:
        raise ValueError(f"residual: got {residual}, wanted 0 to 1")
    now = np.eye(found.shape[-1])
    after = []
    for layer in found.mean(1):
        now = residual * now + (1 - residual) * layer @ now
        after.append(now)
    return np.stack(after)


def value_weighted(weights: ArrayLike, norms: ArrayLike) -> NDArray[np.float64]:
    """Attention times the length of what it brings, each row again of sum 1.

    A head may look at a token and bring nothing back: sinks have short values.
    Source: Kobayashi et al., "Attention is Not Only a Weight" (2020).

    Args:
        weights: ``[..., T, S]``.
        norms: ``[..., S]``: length of each token's value after the output projection.

    Returns:
        ``[..., T, S]``; a row that brings nothing stays zero.
    """
    brought = np.asarray(weights, dtype=np.float64) * np.asarray(norms, dtype=np.float64)[..., None, :]
    total = brought.sum(-1, keepdims=True)
    share: NDArray[np.float64] = np.divide(brought, total, out=np.zeros_like(brought), where=total > 0)
    return share

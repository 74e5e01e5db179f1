"""Probes: what a linear classifier can read off a model's vectors, and what that proves.

A score alone says little. Beside it stand the share of the most frequent label, the same probe on vectors of
an untrained model, and a control task: labels that belong to words at random, which only a probe that
remembers words can learn. The score less the control is the selectivity.
Source: Hewitt and Liang, "Designing and Interpreting Probes with Control Tasks" (2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Score:
    """What a probe got right on what it was not trained on.

    Attributes:
        accuracy: share of right answers over all folds.
        low: lower end of the 95 % interval, from groups drawn anew.
        high: its upper end.
        majority: share of the most frequent label.
    """

    accuracy: float
    low: float
    high: float
    majority: float


@torch.no_grad()
def word_vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[Sequence[str]],
    *,
    batch_size: int = 32,
) -> list[NDArray[np.float32]]:
    """Vectors of every word at every layer, from one pass for each sentence.

    Args:
        model: in evaluation mode; gives hidden states.
        tokenizer: a fast one, which knows the words that pieces belong to.
        sentences: of words.
        batch_size: sentences read at once.

    Returns:
        For each sentence ``[L + 1, words, D]``: the embeddings, then what leaves each layer; a word of
        several pieces is their mean.
    """
    found = []
    for start in range(0, len(sentences), batch_size):
        part = [list(words) for words in sentences[start : start + batch_size]]
        encoded = tokenizer(part, is_split_into_words=True, padding=True, return_tensors="pt")
        inputs = {name: encoded[name] for name in ("input_ids", "attention_mask")}
        states = torch.stack(model(**inputs, output_hidden_states=True).hidden_states)  # [L+1, B, T, D]
        for i, words in enumerate(part):
            owner = np.array([-1 if word is None else word for word in encoded.word_ids(i)])
            vectors = [states[:, i, np.flatnonzero(owner == word)].mean(1) for word in range(len(words))]
            found.append(torch.stack(vectors, 1).float().numpy())
    return found


def probe(
    vectors: ArrayLike,
    labels: Sequence[Any],
    groups: Sequence[Any],
    *,
    folds: int = 5,
    draws: int = 1000,
    seed: int = 0,
) -> Score:
    """Train a linear probe on some groups and ask it about the others.

    Args:
        vectors: ``[N, D]``.
        labels: N of them.
        groups: N of them: what belongs together is never on both sides; sentences, or words, to see whether
            the probe knows more than the words that it has met.
        folds: parts, each of which is asked about once.
        draws: of groups, for the interval.
        seed: of the draws.

    Raises:
        ValueError: numbers differ, or there are fewer groups than folds.
    """
    found = np.asarray(vectors, dtype=np.float64)
    wanted, parts = np.asarray(labels), np.asarray(groups)
    if not len(found) == len(wanted) == len(parts):
        raise ValueError(
            f"labels, groups: got {len(wanted)} and {len(parts)} entries, wanted {len(found)}, one a vector"
        )
    kinds, member = np.unique(parts, return_inverse=True)
    if len(kinds) < folds:
        raise ValueError(f"groups: got {len(kinds)} different ones, wanted at least {folds}, one a fold")
    right = np.zeros(len(found))
    for train, test in GroupKFold(folds).split(found, wanted, parts):
        # Converged well below what decides an answer, so that another CPU's roundings give the same ones.
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, tol=1e-6))
        model.fit(found[train], wanted[train])
        right[test] = model.predict(found[test]) == wanted[test]
    # What belongs together is right or wrong together: whole groups are drawn.
    sums, counts = np.bincount(member, right), np.bincount(member)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(kinds), (draws, len(kinds)))
    shares = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(shares, (0.025, 0.975))
    most = np.unique(wanted, return_counts=True)[1].max() / len(wanted)
    return Score(float(right.mean()), float(low), float(high), float(most))


def control_labels(words: Sequence[str], labels: Sequence[Any], seed: int) -> list[Any]:
    """Labels that mean nothing: every word gets one at random, as often as the true ones come.

    Args:
        words: N of them.
        labels: N true ones, whose frequencies are kept.
        seed: of the draw.

    Returns:
        N labels; a word has the same one wherever it stands.
    """
    generator = np.random.default_rng(seed)
    kinds, counts = np.unique(np.asarray(labels), return_counts=True)
    drawn = {
        word: kinds[i]
        for word, i in zip(
            sorted(set(words)),
            generator.choice(len(kinds), size=len(set(words)), p=counts / counts.sum()),
            strict=True,
        )
    }
    return [drawn[word] for word in words]

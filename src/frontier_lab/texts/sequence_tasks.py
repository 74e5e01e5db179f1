"""Tasks that ask for memory: associative recall, copying, and sequences that come twice.

The first two come with ``labels`` as transformers means them: the id where an answer stands, -100 everywhere
else; the model shifts them itself. Every sequence of a batch has the same length, so there is no padding.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

KEYS, VALUES = 64, 8
"""Recall: ids 0 … KEYS - 1 are keys, the VALUES ids after them values; then comes a token for each pair, in
the order of the keys."""

RECALL_VOCABULARY = KEYS + VALUES + KEYS * VALUES

SYMBOLS = 32
"""Copying: ids 0 … SYMBOLS - 1 are what is copied, SEPARATOR says that now the copy begins."""

SEPARATOR = SYMBOLS
COPY_VOCABULARY = SYMBOLS + 1

NO_ANSWER = -100
PRINTABLE = (1, 95)
"""Repeated sequences for models that read bytes: the ids, 1 to 94, of bytes that text has too, so that what
text teaches of looking back helps there."""


def recall(pairs: int, rows: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Multi-query associative recall: key–value pairs, then every key once more, in another order.

    ``p₁ p₂ … pₙ``, each a token that stands for one key and one value, with n different keys and any values;
    then ``q a q a …`` where the answer a is the value that went with the key q.

    In the source a pair is two tokens, its key and then its value. Then the first thing to learn is to look
    at the token before, which a convolution and a token shift do by construction and attention has to
    discover; with one token a pair, what is measured is how many of them are kept.

    Args:
        pairs: n, at most ``KEYS``.
        rows: sequences.
        generator: draws keys, values and order.

    Returns:
        ids and labels, both ``[rows, 3 n]`` in int64; the labels are the n answers.

    Raises:
        ValueError: ``pairs`` is below 1 or above ``KEYS``.

    Source: Arora et al., "Zoology: Measuring and Improving Recall in Efficient Language Models" (2023).
    """
    if not 1 <= pairs <= KEYS:
        raise ValueError(f"pairs: got {pairs}, wanted 1 to {KEYS}, the number of keys")
    keys = np.stack([generator.permutation(KEYS)[:pairs] for _ in range(rows)])  # [rows, n]
    values = generator.integers(0, VALUES, (rows, pairs))
    order = np.stack([generator.permutation(pairs) for _ in range(rows)])
    shown = KEYS + VALUES + VALUES * keys + values
    asked = np.take_along_axis(np.stack([keys, KEYS + values], -1), order[..., None], 1)  # [rows, n, 2]
    ids = np.concatenate([shown, asked.reshape(rows, 2 * pairs)], 1)
    labels = np.full_like(ids, NO_ANSWER)
    labels[:, pairs + 1 :: 2] = asked[..., 1]
    return torch.from_numpy(ids), torch.from_numpy(labels)


def rewriting(keys: int, rows: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Recall of keys that are written twice: the value asked for is the later of two.

    2n pairs, each a token for one key and one value, in which each of n keys comes twice, anywhere, with two
    different values; then ``q a q a …`` as in ``recall``. A memory that only adds cannot tell the two values
    of a key apart, and one that fades with time alone forgets the early keys with the early values.

    Args:
        keys: n, at most ``KEYS``.
        rows: sequences.
        generator: draws keys, places, values and the order of the questions.

    Returns:
        ids and labels, both ``[rows, 4 n]`` in int64; the labels are the n answers.

    Raises:
        ValueError: ``keys`` is below 1 or above ``KEYS``.
    """
    if not 1 <= keys <= KEYS:
        raise ValueError(f"keys: got {keys}, wanted 1 to {KEYS}, the number of keys")
    names = np.stack([generator.permutation(KEYS)[:keys] for _ in range(rows)])  # [rows, n]
    first = generator.integers(0, VALUES, (rows, keys))
    second = (first + generator.integers(1, VALUES, (rows, keys))) % VALUES
    written = np.stack([generator.permutation(np.repeat(np.arange(keys), 2)) for _ in range(rows)])
    # A stable sort puts the two places of each key side by side, the earlier first.
    places = np.argsort(written, axis=1, kind="stable").reshape(rows, keys, 2)
    values = np.zeros_like(written)
    np.put_along_axis(values, places[..., 0], first, 1)
    np.put_along_axis(values, places[..., 1], second, 1)
    shown = KEYS + VALUES + VALUES * np.take_along_axis(names, written, 1) + values  # [rows, 2 n]
    order = np.stack([generator.permutation(keys) for _ in range(rows)])
    asked = np.take_along_axis(np.stack([names, KEYS + second], -1), order[..., None], 1)  # [rows, n, 2]
    ids = np.concatenate([shown, asked.reshape(rows, 2 * keys)], 1)
    labels = np.full_like(ids, NO_ANSWER)
    labels[:, 2 * keys + 1 :: 2] = asked[..., 1]
    return torch.from_numpy(ids), torch.from_numpy(labels)


def copying(length: int, rows: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Copying: random symbols, the separator, then the same symbols again.

    Args:
        length: symbols to copy.
        rows: sequences.
        generator: draws the symbols.

    Returns:
        ids and labels, both ``[rows, 2 length + 1]`` in int64; the labels are the copy.

    Raises:
        ValueError: ``length`` is below 1.

    Source: Jelassi et al., "Repeat After Me: Transformers are Better than State Space Models at Copying"
    (2024).
    """
    if length < 1:
        raise ValueError(f"length: got {length}, wanted 1 or more")
    symbols = generator.integers(0, SYMBOLS, (rows, length))
    separator = np.full((rows, 1), SEPARATOR)
    ids = np.concatenate([symbols, separator, symbols], 1)
    labels = ids.copy()
    labels[:, : length + 1] = NO_ANSWER
    return torch.from_numpy(ids), torch.from_numpy(labels)


def repeated(count: int, length: int, vocabulary: int, seed: int, *, first: int = 0) -> Tensor:
    """Random token sequences, each followed by itself.

    Args:
        count: sequences.
        length: tokens in one copy, all different, so that there is one place to look back to.
        vocabulary: tokens are drawn from ``first`` to ``vocabulary - 1``.
        seed: of the generator.
        first: the lowest token drawn; special tokens stand below it.

    Returns:
        ``[count, 2 · length]``, int64.

    Raises:
        ValueError: there are fewer tokens than ``length``.
    """
    if not 1 <= length <= vocabulary - first:
        raise ValueError(f"length: got {length}, wanted 1 to {vocabulary - first} (the tokens to draw from)")
    generator = torch.Generator().manual_seed(seed)
    once = torch.rand(count, vocabulary - first, generator=generator).argsort(-1)[:, :length] + first
    return once.repeat(1, 2)

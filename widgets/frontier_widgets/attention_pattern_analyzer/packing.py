"""Attention weights as bytes that a page can carry: a byte a weight, and of long texts only the largest.

512 tokens and 144 heads have 38 million weights, which as float32 are 151 MB; packed they are 4 MB. Metrics
are computed before, from the full weights. ``packing.ts`` reads the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

DENSE = 1_500_000
"""Most bytes for which every weight is kept."""

SPARSE = 4_000_000
"""Most bytes for the largest weights of each row."""


@dataclass(frozen=True)
class Packed:
    """Weights of all heads of a text.

    Attributes:
        form: ``"dense"``: each row's visible weights, one after the other; ``"sparse"``: a byte with the
            number of weights for each row, then all columns as uint16, then all weights.
        causal: rows end at the diagonal.
        data: the bytes; a weight w is ``round(255 w)``.
        kept: share of the attention that the bytes still hold.
    """

    form: str
    causal: bool
    data: bytes
    kept: float


def pack(weights: ArrayLike, *, causal: bool, dense: int = DENSE, sparse: int = SPARSE) -> Packed:
    """The smaller form that holds them.

    Args:
        weights: ``[L, H, T, S]``; rows sum to 1.
        causal: leave out what lies ahead, which is zero.
        dense: most bytes for which every weight is kept.
        sparse: most bytes otherwise.

    Raises:
        ValueError: there are more than 65,536 columns, or even one weight a row is too much.
    """
    found = np.asarray(weights, dtype=np.float32)
    *_, length, size = found.shape
    if size > 1 << 16:
        raise ValueError(f"weights: got {size} columns, wanted at most {1 << 16}")
    bytes_of = np.rint(255 * found).astype(np.uint8).reshape(-1, length, size)
    rows = bytes_of.shape[0] * length
    total = float(found.sum()) or 1.0
    cells = length * (length + 1) // 2 if causal else length * size
    if bytes_of.shape[0] * cells <= dense:
        row, column = np.tril_indices(length)
        data = bytes_of[:, row, column] if causal else bytes_of
        return Packed("dense", causal, data.tobytes(), 1.0)
    flat = bytes_of.reshape(rows, size)
    most = min(255, size)
    columns = np.argpartition(flat, size - most, axis=1)[:, size - most :]
    values = np.take_along_axis(flat, columns, 1)
    order = np.lexsort((columns, -values.astype(np.int16)), axis=1)
    columns, values = np.take_along_axis(columns, order, 1), np.take_along_axis(values, order, 1)
    present = (values > 0).sum(1)
    keep = most
    while keep > 1 and rows + 3 * int(np.minimum(present, keep).sum()) > sparse:
        keep -= 1
    counts = np.minimum(present, keep)
    if rows + 3 * int(counts.sum()) > sparse:
        raise ValueError(
            f"weights: got {rows} rows, wanted fewer: each takes a weight, all at most {sparse} bytes"
        )
    chosen = np.arange(most)[None, :] < counts[:, None]
    held = values[chosen]
    data = counts.astype(np.uint8).tobytes() + columns[chosen].astype("<u2").tobytes() + held.tobytes()
    return Packed("sparse", causal, data, min(1.0, float(held.sum()) / 255 / total))


def unpack(packed: Packed, shape: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """The weights again, ``[L, H, T, S]``, to half a 255th; what was left out is zero."""
    layers, heads, length, size = shape
    out = np.zeros((layers * heads, length, size), dtype=np.float32)
    raw = np.frombuffer(packed.data, dtype=np.uint8)
    if packed.form == "dense":
        if packed.causal:
            row, column = np.tril_indices(length)
            out[:, row, column] = raw.reshape(layers * heads, -1)
        else:
            out[:] = raw.reshape(out.shape)
    else:
        rows = layers * heads * length
        counts = raw[:rows].astype(np.int64)
        entries = int(counts.sum())
        columns = np.frombuffer(packed.data, dtype="<u2", count=entries, offset=rows)
        at = np.repeat(np.arange(rows), counts)
        out.reshape(rows, size)[at, columns] = raw[rows + 2 * entries :]
    out /= 255
    return out.reshape(shape)

"""Answers to the exercises of 28.2.3: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def half_lives(num_heads: int) -> list[float]:
    return [-math.log(2) / math.log(1 - 2 ** (-5 - head)) for head in range(num_heads)]


def intensity(chunk: int, width: int) -> float:
    operations = 2 * 2 * chunk**2 * width + 2 * 2 * chunk * width**2
    return operations / (16 * chunk * width + 8 * width**2)


def chunkwise(q: Tensor, k: Tensor, v: Tensor, gamma: float, size: int) -> Tensor:
    state, out = torch.zeros(q.shape[1], v.shape[1]), []
    for a, b, c in zip(q.split(size), k.split(size), v.split(size), strict=True):
        steps = torch.arange(len(a))
        within = torch.where(steps[:, None] >= steps, gamma ** (steps[:, None] - steps).clamp(min=0), 0)
        out.append((a @ b.T * within) @ c + gamma ** (steps[:, None] + 1) * (a @ state))
        state = gamma ** len(a) * state + (b * gamma ** (len(a) - 1 - steps)[:, None]).T @ c
    return torch.cat(out)


def no_memory(q: Tensor, k: Tensor, v: Tensor, gamma: float, size: int) -> Tensor:
    parts = zip(q.split(size), k.split(size), v.split(size), strict=True)
    return torch.cat([chunkwise(a, b, c, gamma, size) for a, b, c in parts])


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.2.3-1", half_lives),
    ("28.2.3-1", lambda heads: torch.tensor(half_lives(heads))),
    ("28.2.3-2", intensity),
    ("28.2.3-3", chunkwise),
]

WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.2.3-1", lambda heads: 21.8, "一个头一个", "one a head"),
    ("28.2.3-1", lambda heads: half_lives(heads + 1)[1:], "h 从 0 数起", "h from 0"),
    ("28.2.3-2", lambda chunk, width: "high", "应返回一个数", "Return a number"),
    ("28.2.3-2", lambda chunk, width: 4 * intensity(chunk, width), "每个 4 字节", "4 bytes each"),
    ("28.2.3-3", lambda q, k, v, gamma, size: q[0], "应返回 [T, D]", "Return [T, D]"),
    ("28.2.3-3", lambda q, k, v, gamma, size: q @ k.T @ v, "第一块就不对", "The first chunk is wrong"),
    ("28.2.3-3", no_memory, "第一块对", "The first chunk is right"),
]

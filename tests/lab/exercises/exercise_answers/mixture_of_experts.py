"""Answers to the exercises of 28.2.1: right ones, and typical mistakes with the hint that each must get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import MixtralConfig


def count(config: MixtralConfig) -> tuple[int, int, int]:
    """Parameters of a Mixtral from its configuration: all but experts, experts, of which one token uses."""
    d, head = config.hidden_size, config.hidden_size // config.num_attention_heads
    attention = d * head * (2 * config.num_attention_heads + 2 * config.num_key_value_heads)
    layer = attention + d * config.num_local_experts + 2 * d
    embeddings = config.vocab_size * d * (1 if config.tie_word_embeddings else 2)
    expert = 3 * d * config.intermediate_size
    layers = config.num_hidden_layers
    return (
        embeddings + layers * layer + d,
        layers * config.num_local_experts * expert,
        layers * config.num_experts_per_tok * expert,
    )


def active_parameters(config: MixtralConfig) -> tuple[int, int]:
    dense, experts, used = count(config)
    return dense + experts, dense + used


def expert_choice(logits: Tensor, capacity: int) -> Tensor:
    affinity = logits.softmax(-1)
    return torch.zeros_like(logits).scatter(0, affinity.topk(capacity, dim=0).indices, 1.0)


def update_bias(bias: Tensor, counts: Tensor, rate: float) -> Tensor:
    return bias + rate * torch.sign(counts.float().mean() - counts)


def in_double(bias: Tensor, counts: Tensor, rate: float) -> Tensor:
    return bias.double() + rate * torch.sign(counts.double().mean() - counts)


def in_place(bias: Tensor, counts: Tensor, rate: float) -> Tensor:
    bias += rate * torch.sign(counts.float().mean() - counts)
    return bias


RIGHT: list[tuple[str, Callable[..., Any]]] = [
    ("28.2.1-1", active_parameters),
    ("28.2.1-2", expert_choice),
    ("28.2.1-2", lambda z, c: expert_choice(z, c).bool()),
    ("28.2.1-2", lambda z, c: expert_choice(z, c) * z.softmax(-1)),
    ("28.2.1-3", update_bias),
    ("28.2.1-3", in_double),
    ("28.2.1-3", in_place),
]


def per_token(logits: Tensor, capacity: int) -> Tensor:
    """Token choice with as many slots: the tokens choose, so the loads are uneven."""
    top_k = max(1, capacity * logits.shape[1] // logits.shape[0])
    return torch.zeros_like(logits).scatter(1, logits.topk(top_k, dim=1).indices, 1.0)


def raw_scores(logits: Tensor, capacity: int) -> Tensor:
    """Without the softmax over experts, a token with large logits wins everywhere."""
    return torch.zeros_like(logits).scatter(0, logits.topk(capacity, dim=0).indices, 1.0)


def nothing_returned(bias: Tensor, counts: Tensor, rate: float) -> None:
    bias += rate * torch.sign(counts.float().mean() - counts)


WRONG: list[tuple[str, Callable[..., Any], str, str]] = [
    ("28.2.1-1", lambda c: 7, "应返回两个数", "Return two numbers"),
    ("28.2.1-1", lambda c: ("a", "b"), "应返回两个数", "Return two numbers"),
    ("28.2.1-1", lambda c: (count(c)[1], count(c)[2]), "总参数应为", "The total is"),
    # k/E of everything, which forgets that attention and embeddings are always used.
    (
        "28.2.1-1",
        lambda c: (sum(count(c)[:2]), sum(count(c)[:2]) * c.num_experts_per_tok // c.num_local_experts),
        "只有专家按 k/E 打折",
        "only the experts scale with k/E",
    ),
    ("28.2.1-1", lambda c: (sum(count(c)[:2]), sum(count(c)[:2])), "激活参数应为", "Active is"),
    ("28.2.1-2", lambda z, c: z.softmax(-1).topk(c, dim=0).indices, "应返回形状", "Return a mask of shape"),
    ("28.2.1-2", lambda z, c: [[True]], "应返回形状", "Return a mask of shape"),
    ("28.2.1-2", per_token, "每个专家应恰好取", "Each expert takes exactly"),
    ("28.2.1-2", lambda z, c: torch.ones_like(z), "每个专家应恰好取", "Each expert takes exactly"),
    ("28.2.1-2", raw_scores, "对专家归一化", "softmax over experts"),
    ("28.2.1-2", lambda z, c: expert_choice(-z, c), "对专家归一化", "softmax over experts"),
    ("28.2.1-3", lambda b, n, r: 2 * b - update_bias(b, n, r), "忙的专家偏置减", "Subtract rate where busy"),
    (
        "28.2.1-3",
        lambda b, n, r: b + r * (n.float().mean() - n),
        "忙的专家偏置减",
        "Subtract rate where busy",
    ),
    ("28.2.1-3", lambda b, n, r: update_bias(b, n, r)[:2], "忙的专家偏置减", "Subtract rate where busy"),
    ("28.2.1-3", nothing_returned, "请返回新的偏置", "Return the new bias"),
    # Right for the first call only: it starts from zero each time, so the loop never gets anywhere.
    (
        "28.2.1-3",
        lambda b, n, r: update_bias(b if len(b) == 4 else torch.zeros_like(b), n, r),
        "闭环运行后负载仍不均匀",
        "The load is still uneven",
    ),
]

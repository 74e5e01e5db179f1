"""Exercises of 28.2.1, the page on mixture of experts."""

from __future__ import annotations

from numbers import Real

import torch
from torch import Tensor

from .checking import Function, NotDoneYet, answer, register, wrong


@register("28.2.1-1")
def _active_parameters(function: Function) -> None:
    """``active_parameters(config)`` gives (total, active), counted on models that are really built."""
    from transformers import MixtralConfig, MixtralForCausalLM

    sizes = [
        {
            "num_local_experts": 4,
            "num_experts_per_tok": 1,
            "num_hidden_layers": 2,
            "tie_word_embeddings": False,
        },
        {
            "num_local_experts": 16,
            "num_experts_per_tok": 4,
            "num_hidden_layers": 3,
            "tie_word_embeddings": True,
        },
    ]
    for size in sizes:
        config = MixtralConfig(
            vocab_size=100,
            hidden_size=32,
            intermediate_size=24,
            num_attention_heads=4,
            num_key_value_heads=2,
            **size,
        )
        with torch.device("meta"):
            parameters = dict(MixtralForCausalLM(config).named_parameters())
        total = sum(p.numel() for p in parameters.values())
        experts = sum(p.numel() for n, p in parameters.items() if ".experts." in n)
        active = total - experts + experts * config.num_experts_per_tok // config.num_local_experts
        pair = answer(function, config)
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(v, Real) for v in pair):
            raise wrong(
                f"应返回两个数 (total, active)，得到 {pair!r}。",
                f"Return two numbers (total, active), not {pair!r}.",
            )
        got_total, got_active = pair
        if got_total != total:
            raise wrong(
                f"总参数应为 {total:,}，得到 {got_total:,}。", f"The total is {total:,}, not {got_total:,}."
            )
        if got_active != active:
            raise wrong(
                f"激活参数应为 {active:,}，得到 {got_active:,}："
                "注意力、路由器和词嵌入每个 token 都要走，只有专家按 k/E 打折。",
                f"Active is {active:,}, not {got_active:,}: "
                "only the experts scale with k/E; everything else is always used.",
            )


@register("28.2.1-2")
def _expert_choice(function: Function) -> None:
    """``expert_choice(logits, capacity)`` gives a mask ``[T, E]``: each expert takes its best tokens."""
    generator = torch.Generator().manual_seed(1)
    for tokens, experts, capacity in ((24, 4, 6), (50, 8, 13), (7, 3, 2)):
        logits = torch.randn(tokens, experts, generator=generator)
        mask = answer(function, logits, capacity)
        if not isinstance(mask, Tensor) or mask.shape != logits.shape:
            raise wrong(
                f"应返回形状 [{tokens}, {experts}] 的掩码。", f"Return a mask of shape [{tokens}, {experts}]."
            )
        loads = mask.bool().sum(0).tolist()
        if loads != [capacity] * experts:
            raise wrong(
                f"每个专家应恰好取 {capacity} 个 token，得到 {loads}。",
                f"Each expert takes exactly {capacity} tokens, not {loads}.",
            )
        affinity = logits.softmax(-1)
        wanted = torch.zeros_like(mask, dtype=torch.bool)
        wanted.scatter_(0, affinity.topk(capacity, dim=0).indices, True)
        if not torch.equal(mask.bool(), wanted):
            raise wrong(
                "专家应按 softmax（对专家归一化）后的分数挑 token。",
                "Experts pick tokens by the score after a softmax over experts.",
            )


@register("28.2.1-3")
def _update_bias(function: Function) -> None:
    """``update_bias(bias, counts, rate)`` must balance a skewed router in closed loop."""
    bias = torch.tensor([0.3, -0.2, 0.0, 0.0])
    counts = torch.tensor([9, 3, 6, 6])
    given = bias.clone()
    try:
        once = answer(function, given, counts, 0.01)
    except NotDoneYet:
        if torch.equal(given, bias):
            raise
        raise wrong(
            "请返回新的偏置，而不是只改动参数。", "Return the new bias; changing the argument is not enough."
        ) from None
    wanted = bias + 0.01 * torch.tensor([-1.0, 1.0, 0.0, 0.0])
    if (
        not isinstance(once, Tensor)
        or once.shape != bias.shape
        or not torch.allclose(once.to(bias.dtype), wanted)
    ):
        raise wrong(
            "忙的专家偏置减 rate，闲的加 rate，恰好等于平均的不动。",
            "Subtract rate where busy, add it where idle, leave the exact mean alone.",
        )
    logits = torch.randn(1000, 8, generator=torch.Generator().manual_seed(2)) + torch.linspace(0, 2, 8)
    scores, bias = logits.softmax(-1), torch.zeros(8)
    for _ in range(400):
        chosen = (scores + bias).topk(2).indices
        bias = answer(function, bias, torch.bincount(chosen.flatten(), minlength=8), 5e-3)
    load = torch.bincount((scores + bias).topk(2).indices.flatten(), minlength=8).float()
    if load.max() > 1.15 * load.mean():
        raise wrong(
            "闭环运行后负载仍不均匀。", "The load is still uneven after running the rule in closed loop."
        )

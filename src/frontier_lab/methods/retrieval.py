"""Dense retrieval: what a dual encoder is trained with, and how well it finds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase


@torch.no_grad()
def embed(
    encoder: nn.Module, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], batch: int = 128
) -> Tensor:
    """Vectors ``[N, D]`` of texts: the ``pooler_output`` of a DPR encoder."""
    rows = []
    for start in range(0, len(texts), batch):
        inputs = tokenizer(list(texts[start : start + batch]), padding=True, return_tensors="pt")
        rows.append(encoder(**inputs).pooler_output)
    return torch.cat(rows)


def contrastive_loss(questions: Tensor, passages: Tensor) -> Tensor:
    """Cross-entropy of finding each question's own passage among those of the batch.

    Args:
        questions: ``[N, D]``.
        passages: ``[N, D]``; row i answers question i, and every other row is a negative.

    Returns:
        Scalar, in nats.

    Source: Karpukhin et al., "Dense Passage Retrieval" (2020), section 3.2, in-batch negatives.
    """
    scores = questions @ passages.T  # [N, N]
    return nn.functional.cross_entropy(scores, torch.arange(len(questions)))


def recall_at(questions: Tensor, passages: Tensor, answers: Sequence[int], k: int) -> float:
    """Share of questions whose own passage is among the ``k`` with the greatest inner product.

    Args:
        questions: ``[Q, D]``.
        passages: ``[N, D]``.
        answers: for each question the row of its passage.
        k: how many passages are looked at.

    Raises:
        ValueError: ``k`` is not between 1 and N.
    """
    if not 1 <= k <= len(passages):
        raise ValueError(f"k: got {k}, wanted 1 to {len(passages)}")
    found = (questions @ passages.T).topk(k, dim=1).indices  # [Q, k]
    return float((found == torch.tensor(answers)[:, None]).any(1).float().mean())

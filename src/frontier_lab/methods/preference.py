"""Training a language model by preferences or by a reward: DPO, RLOO, and what both are measured by.

A response is the tokens behind a prompt; a row of a batch is a prompt with its response, padded on the right.
``mask`` says which tokens belong to responses. Divergences are from the reference, the model before training,
and of whole responses, in nats.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel


def log_prob(model: PreTrainedModel, ids: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of each response given its prompt, in nats, ``[B]``.

    Args:
        model: a causal language model.
        ids: prompts and responses, ``[B, T]``.
        mask: whether a token is one of a response, ``[B, T]``; the first token of a row never is.

    Raises:
        ValueError: the shapes differ, or a row's first token is said to be part of a response: nothing
            predicts it.
    """
    return token_log_probs(model, ids, mask).sum(1)


def token_log_probs(model: PreTrainedModel, ids: Tensor, mask: Tensor) -> Tensor:
    """The same of each token, 0 outside of responses, ``[B, T - 1]``."""
    if ids.ndim != 2 or mask.shape != ids.shape:
        raise ValueError(f"mask: got shape {tuple(mask.shape)}, wanted that of ids, {tuple(ids.shape)}")
    if mask[:, 0].any():
        raise ValueError(
            "mask: got a response that begins with its row's first token, wanted a prompt before"
        )
    logits: Tensor = model(input_ids=ids).logits[:, :-1]  # [B, T - 1, V]
    found = logits.log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(2)
    return found.where(mask[:, 1:].bool(), torch.zeros_like(found))


def implied_reward(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """The reward for which a policy is optimal, up to a constant for each prompt: ``β log(π / π_ref)``.

    Args:
        policy: log-probabilities of responses, ``[B]``.
        reference: the reference's of the same responses, ``[B]``.
        beta: the price of a nat of divergence.
    """
    if beta <= 0:
        raise ValueError(f"beta: got {beta}, wanted more than 0")
    return beta * (policy - reference)


def dpo_loss(
    chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, beta: float
) -> Tensor:
    """Mean NLL of preferences under the implied reward, a number.

    Args:
        chosen: log-probabilities of the preferred responses, ``[B]``.
        rejected: of the others, ``[B]``.
        reference_chosen, reference_rejected: the reference's of the same, ``[B]``.
        beta: as in ``implied_reward``.

    Source: Rafailov et al., "Direct preference optimization" (2023), equation 7.
    """
    margin = implied_reward(chosen, reference_chosen, beta) - implied_reward(
        rejected, reference_rejected, beta
    )
    return -F.logsigmoid(margin).mean()


def rloo_advantages(rewards: Tensor) -> Tensor:
    """Each reward less the mean of the others of its prompt, ``[P, K] -> [P, K]``.

    The baseline knows nothing of its own response, so it changes no expected gradient.

    Raises:
        ValueError: a prompt has fewer than two responses.

    Source: Ahmadian et al., "Back to basics: Revisiting REINFORCE-style optimization for learning from human
        feedback in LLMs" (2024).
    """
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(
            f"rewards: got shape {tuple(rewards.shape)}, wanted [prompts, two responses or more]"
        )
    others = rewards.shape[1] - 1
    return rewards - (rewards.sum(1, keepdim=True) - rewards) / others


def rloo_loss(policy: Tensor, rewards: Tensor, reference: Tensor, beta: float) -> Tensor:
    """What REINFORCE with a leave-one-out baseline descends, a number.

    The reward of a response is what it was given less ``β log(π / π_ref)``, so that ``β`` prices divergence.

    Args:
        policy: log-probabilities of the policy's own responses, ``[P, K]``, with a gradient.
        rewards: of the responses, ``[P, K]``.
        reference: the reference's log-probabilities, ``[P, K]``.
        beta: 0 or more.
    """
    if not policy.shape == rewards.shape == reference.shape:
        raise ValueError(
            f"rewards: got shape {tuple(rewards.shape)}, wanted that of policy, {tuple(policy.shape)}, "
            f"and of reference, {tuple(reference.shape)}"
        )
    priced = rewards - beta * (policy.detach() - reference)
    return -(rloo_advantages(priced) * policy).mean()


def divergence(policy: Tensor, reference: Tensor) -> Tensor:
    """An estimate of ``KL(π ‖ π_ref)`` from each of the policy's own responses, in nats, ``[B]``.

    Unbiased: the mean over draws is the divergence, though one of them can be negative.

    Args:
        policy: log-probabilities of responses that the policy drew, ``[B]``.
        reference: the reference's of the same, ``[B]``.
    """
    return policy - reference

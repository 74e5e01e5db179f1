"""Decoding that keeps a regular expression: what is guaranteed, and what that does to the model's choices."""

from __future__ import annotations

import math
from typing import NamedTuple

import regex
import torch
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedModel, PreTrainedTokenizerBase


class Matching(LogitsProcessor):  # type: ignore[misc]
    """Leaves in only tokens after which the continuation can still be completed to a match.

    A token is never missing, so long as every character of the pattern is a token of its own. Each token adds
    a character at least: a text whose longest match has ``n`` characters is a match after ``n`` tokens at
    most, and the end follows. An unbounded pattern is kept as well, but may be cut off in the middle.

    Args:
        pattern: a regular expression for the whole continuation, its leading space included.
        tokenizer: the model's.
        start: tokens of the prompt, which the pattern says nothing of.

    Source: Willard and Louf, "Efficient guided generation for large language models" (2023), which compiles
        the pattern once; here the partial match of the package ``regex`` is asked for every token.
    """

    def __init__(self, pattern: str, tokenizer: PreTrainedTokenizerBase, start: int) -> None:
        self.pattern, self.start, self.end = regex.compile(pattern), start, tokenizer.eos_token_id
        anchor = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("the")[0])
        before = tokenizer.decode([anchor])
        self.pieces = [
            "" if token in tokenizer.all_special_ids else tokenizer.decode([anchor, token])[len(before) :]
            for token in range(len(tokenizer))
        ]
        self.allowed: dict[str, Tensor] = {}

    def text(self, ids: Tensor) -> str:
        """The continuation in a row of ids, ``[T]``, its end left out."""
        return "".join(self.pieces[token] for token in ids[self.start :].tolist() if token != self.end)

    def after(self, text: str) -> Tensor:
        """Which tokens may follow a continuation, ``[V]``, bool."""
        if text not in self.allowed:
            mask = torch.tensor(
                [
                    bool(piece) and self.pattern.fullmatch(text + piece, partial=True) is not None
                    for piece in self.pieces
                ]
            )
            mask[self.end] = self.is_complete(text)
            self.allowed[text] = mask
        return self.allowed[text]

    def is_complete(self, text: str) -> bool:
        """Whether a continuation is a match."""
        return self.pattern.fullmatch(text) is not None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits ``[B, V]`` without the tokens that lead nowhere, given tokens ``[B, T]``.

        Raises:
            ValueError: no token may follow: the pattern has a character that is not a token.
        """
        masks = []
        for row in input_ids:
            text, ended = self.text(row), bool((row[self.start :] == self.end).any())
            mask = torch.zeros_like(self.after(text)) if ended else self.after(text).clone()
            mask[self.end] |= ended
            if not mask.any():
                raise ValueError(f"pattern: got {self.pattern.pattern!r}, of which no token follows {text!r}")
            masks.append(mask)
        return scores.masked_fill(~torch.stack(masks), -torch.inf)


class Match(NamedTuple):
    """A match and its probabilities: the model's own, and with tokens left out."""

    text: str
    own: float
    masked: float


@torch.no_grad()
def matches(
    model: PreTrainedModel, prompt: Tensor, matching: Matching, *, least: float = 1e-6
) -> list[Match]:
    """Every match of a pattern of which no match begins another, ways to write it in tokens added up.

    What ``masked`` says is what leaving out tokens gives; ``own``, divided by its sum, is what drawing until
    a match comes would give. The two differ: a beginning is chosen without regard to how it can go on.

    Args:
        model: in evaluation mode.
        prompt: ``[T]``, ``matching.start`` tokens.
        matching: of a pattern with few matches.
        least: a beginning less likely than this in both ways is not followed: a word can be written letter
            by letter, and in too many ways to try. How much is lost is what ``masked`` lacks to a sum of 1.

    Source: Park et al., "Grammar-aligned decoding" (2024).
    """
    found: dict[str, list[tuple[float, float]]] = {}
    rows = [(prompt.tolist(), "", 0.0, 0.0)]
    while rows:
        ids = torch.tensor([row[0] for row in rows])
        logits = torch.cat(
            [model(input_ids=ids[at : at + 64]).logits[:, -1] for at in range(0, len(ids), 64)]
        )
        longer = []
        for (before, text, own, masked), log_probs in zip(rows, logits.log_softmax(-1), strict=True):
            allowed = matching.after(text)
            kept = log_probs.masked_fill(~allowed, -torch.inf).log_softmax(-1)
            for token in allowed.nonzero()[:, 0].tolist():
                whole = text + matching.pieces[token]
                sums = own + log_probs[token].item(), masked + kept[token].item()
                if max(sums) < math.log(least):
                    continue
                if matching.is_complete(whole):
                    found.setdefault(whole, []).append(sums)
                else:
                    longer.append(([*before, token], whole, *sums))
        rows = longer
    added = {text: torch.tensor(ways).exp().sum(0).tolist() for text, ways in found.items()}
    return [Match(text, *added[text]) for text in sorted(added)]

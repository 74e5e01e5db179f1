"""Controlled generation: one sampling loop with one cache, and what steers it.

A control is a generator: at each turn it looks at what was read so far and yields the logits of the next
token. ``plain`` only reads; ``fudge``, ``pplm`` and ``experts`` do more forward passes for a token, which the
reading counts. What works on logits alone, a watermark or a constraint, is a transformers ``LogitsProcessor``
and fits ``model.generate`` as well. A steering vector is a hook, and best-of-n a choice among whole texts.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from transformers import DynamicCache, LogitsProcessor, PreTrainedModel, PreTrainedTokenizerBase

BACKWARD = 1
"""Forward passes that a backward pass counts for which gives no weight a gradient, only what stands before.

With gradients of the weights it would be two: each multiplies as often as the forward pass.
"""


@dataclass
class Reading:
    """A batch of texts that a model reads token by token.

    Attributes:
        model: in evaluation mode.
        ids: tokens of the texts, ``[B, T]``; the model has read all but the last.
        cache: of what it has read.
        total: sum of the last hidden states of what it has read, ``[B, D]``.
        passes: forward passes of one token for each text, the prompt's left out.
    """

    model: PreTrainedModel
    ids: Tensor
    cache: DynamicCache
    total: Tensor
    passes: int = 0

    @classmethod
    def begin(cls, model: PreTrainedModel, prompt: Tensor) -> Reading:
        """Read a prompt, ``[B, T]``, all but its last token.

        Raises:
            ValueError: the prompt has fewer than two tokens, and so no cache that could be changed.
        """
        if prompt.ndim != 2 or prompt.shape[1] < 2:
            raise ValueError(f"prompt: got shape {tuple(prompt.shape)}, wanted [texts, two tokens or more]")
        cache = DynamicCache()
        hidden = run(model, cache, prompt[:, :-1]).hidden
        return cls(model, prompt, cache, hidden.sum(1))

    def read(self) -> Tensor:
        """Read the last token; the logits of the next one, ``[B, V]``."""
        out = run(self.model, self.cache, self.ids[:, -1:])
        self.total = self.total + out.hidden[:, -1]
        self.passes += 1
        return out.logits


class Out(NamedTuple):
    """Logits after the last token, ``[B, V]``, and the last layer's hidden states, ``[B, T, D]``."""

    logits: Tensor
    hidden: Tensor


def run(model: PreTrainedModel, cache: DynamicCache, ids: Tensor, *, embedded: bool = False) -> Out:
    """One forward pass behind a cache, which grows by it.

    Args:
        model: any causal one of transformers with keys and values.
        cache: of what stands before.
        ids: tokens ``[B, T]``, or with ``embedded`` vectors in their place, ``[B, T, D]``.
    """
    given = {"inputs_embeds" if embedded else "input_ids": ids}
    out = model(**given, past_key_values=cache, use_cache=True, output_hidden_states=True)
    return Out(out.logits[:, -1], out.hidden_states[-1])


Control = Callable[[Reading], Iterator[Tensor]]
"""From a reading to the logits of token after token; ``functools.partial`` sets a control's options."""


class Sample(NamedTuple):
    """What ``sample`` gives.

    Attributes:
        ids: prompt and continuation, ``[B, T]``.
        log_probs: of each drawn token under what it was drawn from, ``[B, length]``.
        passes: forward passes for a token.
    """

    ids: Tensor
    log_probs: Tensor
    passes: float


def plain(reading: Reading) -> Iterator[Tensor]:
    """The model's own logits."""
    while True:
        yield reading.read()


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    prompt: Tensor,
    length: int,
    *,
    seed: int,
    control: Control = plain,
    processors: Sequence[LogitsProcessor] = (),
) -> Sample:
    """Draw continuations, one token of every text at a time.

    Args:
        model: in evaluation mode; its weights stay as they are.
        prompt: ``[B, T]``, at least two tokens, of one length.
        length: tokens to draw.
        seed: of the draws.
        control: gives the logits.
        processors: change them, in order, given ``ids [B, T]`` and ``logits [B, V]``.
    """
    generator = torch.Generator().manual_seed(seed)
    reading = Reading.begin(model, prompt)
    logits_of = control(reading)
    taken = []
    for _ in range(length):
        logits = next(logits_of)
        for process in processors:
            logits = process(reading.ids, logits)
        log_probs = logits.log_softmax(-1)  # [B, V]
        drawn = torch.multinomial(log_probs.exp(), 1, generator=generator)  # [B, 1]
        taken.append(log_probs.gather(1, drawn))
        reading.ids = torch.cat([reading.ids, drawn], dim=1)
    return Sample(reading.ids, torch.cat(taken, dim=1), reading.passes / length)


@torch.no_grad()
def log_probs(model: PreTrainedModel, ids: Tensor, start: int) -> Tensor:
    """Log-probability of each token from place ``start`` on, in nats, ``[B, T] -> [B, T - start]``."""
    logits: Tensor = model(input_ids=ids[:, :-1]).logits[:, start - 1 :]  # [B, T - start, V]
    return logits.log_softmax(-1).gather(2, ids[:, start:, None]).squeeze(2)


# ---- best of n ---------------------------------------------------------------------------------------------


def best_of(ids: Tensor, scores: Tensor) -> Tensor:
    """The candidate of the highest score, ``[B, n, T]`` and ``[B, n]`` to ``[B, T]``; of equals, the first.

    Raises:
        ValueError: there is not one score for each candidate.
    """
    if ids.ndim != 3 or scores.shape != ids.shape[:2]:
        raise ValueError(
            f"scores: got shape {tuple(scores.shape)}, wanted {tuple(ids.shape[:2])}, one for each candidate"
        )
    return ids[torch.arange(len(ids)), scores.argmax(1)]


def best_of_weights(scores: Tensor, n: int) -> Tensor:
    """How likely each of N texts is the best of ``n`` drawn from them without replacement, ``[N] -> [N]``.

    The sum of weights times any other value of the texts is the mean of that value over all subsets: what
    best of ``n`` gives, without drawing again. Float64; of equal scores the first counts as the best.

    Raises:
        ValueError: ``n`` is not between 1 and N.

    Source: Nakano et al., "WebGPT" (2021), has the same mean for one value.
    """
    if not 1 <= n <= len(scores):
        raise ValueError(f"n: got {n}, wanted 1 to {len(scores)}")
    below = torch.empty(len(scores), dtype=torch.float64)  # how many each one beats
    below[scores.argsort(stable=True, descending=True)] = torch.arange(len(scores) - 1.0, -1, -1).double()

    def log_choose(many: Tensor, few: int) -> Tensor:
        rest = (many - few).clamp(min=0)
        return torch.lgamma(many + 1) - torch.lgamma(rest + 1) - math.lgamma(few + 1)

    chosen = log_choose(below, n - 1) - log_choose(torch.tensor([len(scores)]).double(), n)
    return torch.where(below >= n - 1, chosen.exp(), torch.zeros_like(chosen))


def best_of_kl(n: int) -> float:
    """The most that best of ``n`` can differ from the model, KL in nats; exact where no texts are equal.

    Source: of the formula, Stiennon et al., "Learning to summarize from human feedback" (2020);
        that it is an upper bound, Beirami et al., "Theoretical guarantees on the best-of-n alignment policy"
        (2024).
    """
    return math.log(n) - (n - 1) / n


# ---- the discriminator -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Discriminator:
    """A linear classifier on the mean of a model's last hidden states over a text.

    Attributes:
        mean, scale: of the features, by which they are standardised, ``[D]``.
        weights: ``[C, D]``.
        bias: ``[C]``.
    """

    mean: Tensor
    scale: Tensor
    weights: Tensor
    bias: Tensor

    @classmethod
    def fit(cls, features: Tensor, labels: Tensor, strength: float = 0.1) -> Discriminator:
        """Logistic regression, classes with equal weight.

        Args:
            features: ``[N, D]``.
            labels: ``[N]``, from 0 on, none left out.
            strength: scikit-learn's ``C``.
        """
        mean, scale = features.mean(0), features.std(0)
        fitted = LogisticRegression(C=strength, class_weight="balanced", max_iter=500)
        fitted.fit(((features - mean) / scale).numpy(), labels.numpy())
        weights, bias = (torch.from_numpy(found).float() for found in (fitted.coef_, fitted.intercept_))
        return cls(mean, scale, weights, bias)

    def log_probs(self, means: Tensor) -> Tensor:
        """Of every class, from means of hidden states, ``[..., D] -> [..., C]``."""
        return (((means - self.mean) / self.scale) @ self.weights.T + self.bias).log_softmax(-1)

    def turned(self, seed: int) -> Discriminator:
        """One that was never trained: the weights turned at random, all their lengths and angles kept."""
        generator = torch.Generator().manual_seed(seed)
        size = len(self.mean)
        turn = torch.linalg.qr(torch.randn(size, size, generator=generator)).Q
        return Discriminator(self.mean, self.scale, self.weights @ turn, self.bias)


@torch.no_grad()
def prefix_means(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    shares: Sequence[float] = (1.0,),
    *,
    layer: int = -1,
) -> Tensor:
    """Mean hidden states over the beginnings of texts, ``[N, len(shares), D]``.

    Args:
        model: in evaluation mode.
        tokenizer: its own.
        texts: each read alone, its special tokens left out.
        shares: of the tokens that a beginning has; what judges unfinished texts must have seen some.
        layer: of ``hidden_states``: 0 the embeddings, -1 what the head reads.
    """
    found = []
    for text in texts:
        ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states[layer][0]  # [T, D]
        means = hidden.cumsum(0) / torch.arange(1, len(hidden) + 1)[:, None]
        found.append(means[[max(1, round(share * len(hidden))) - 1 for share in shares]])
    return torch.stack(found)


# ---- what steers -------------------------------------------------------------------------------------------


@contextmanager
def steered(layer: nn.Module, vector: Tensor) -> Iterator[None]:
    """Add a vector, ``[D]``, to what leaves a layer of the model, at every token, within the context.

    Source: Turner et al., "Steering language models with activation engineering" (2023).
    """

    def add(_: nn.Module, __: object, out: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        return out + vector if isinstance(out, Tensor) else (out[0] + vector, *out[1:])

    hook = layer.register_forward_hook(add)
    try:
        yield
    finally:
        hook.remove()


def fudge(
    reading: Reading,
    *,
    discriminator: Discriminator,
    target: int,
    strength: float = 1.0,
    candidates: int = 20,
) -> Iterator[Tensor]:
    """The likeliest tokens, each weighed by what the discriminator makes of the text that ends in it.

    Bayes' rule at ``strength`` 1: ``log p(token) + strength · log p(target | text, token)``. All other tokens
    are out.

    Source: Yang and Klein, "FUDGE: Controlled text generation with future discriminators" (2021).
    """
    while True:
        logits, tokens = reading.read().topk(candidates)  # [B, K]
        ahead = copy.deepcopy(reading.cache)
        ahead.batch_repeat_interleave(candidates)
        hidden = run(reading.model, ahead, tokens.reshape(-1, 1)).hidden.view(*tokens.shape, -1)  # [B, K, D]
        reading.passes += candidates
        means = (reading.total[:, None] + hidden) / (reading.ids.shape[1] + 1)
        weighed = logits + strength * discriminator.log_probs(means)[..., target]
        whole = weighed.new_full((len(tokens), reading.model.config.vocab_size), -torch.inf)
        yield whole.scatter(1, tokens, weighed)


def experts(
    reading: Reading,
    *,
    expert: PreTrainedModel,
    anti_expert: PreTrainedModel,
    strength: float = 1.0,
    candidates: int | None = 20,
) -> Iterator[Tensor]:
    """The model's logits, moved by the difference between an expert's and an anti-expert's.

    Tokens that are not among the model's own likeliest ``candidates`` are out, with ``None`` none; the
    authors' program leaves out as much by probability.

    Source: Liu et al., "DExperts: Decoding-time controlled text generation with experts and anti-experts"
        (2021).
    """
    sides = [Reading.begin(model, reading.ids) for model in (expert, anti_expert)]
    while True:
        logits = reading.read()
        for side in sides:
            side.ids = reading.ids
        plus, minus = (side.read() for side in sides)
        reading.passes += len(sides)
        yield _among(logits, candidates, logits + strength * (plus - minus))


def pplm(
    reading: Reading,
    *,
    discriminator: Discriminator,
    target: int,
    steps: int = 3,
    size: float = 0.1,
    gamma: float = 1.0,
    divergence: float = 0.01,
    mixed: float = 0.9,
    candidates: int | None = None,
    shortcut: bool = False,
) -> Iterator[Tensor]:
    """Keys and values that were moved up the discriminator's gradient give the logits of the next token.

    Args:
        reading: of the unchanged model; the changed cache is kept beside, and goes on from token to token.
        discriminator, target: whose log-probability rises.
        steps: of gradient ascent for a token.
        size: of a step, in the units of keys and values.
        gamma: power of the gradient's norm that it is divided by; at 1 all steps have the same length.
        divergence: weight of the KL divergence from the unchanged model.
        mixed: share of the changed model in the geometric mean with the unchanged one.
        candidates: leave out all but the unchanged model's likeliest; the authors' program does not.
        shortcut: let the gradient also move the hidden state that the discriminator reads, not only the
            distribution of the next token. The authors' program does not.

    Source: Dathathri et al., "Plug and play language models" (2020), and the authors' ``run_pplm.py``.
    """
    past = copy.deepcopy(reading.cache)
    while True:
        last, total = reading.ids[:, -1:], reading.total
        unchanged = reading.read().log_softmax(-1)  # [B, V]
        after = reading.cache
        moved = [torch.stack([layer.keys, layer.values]) for layer in past.layers]  # [2, B, heads, T, width]
        for _ in range(steps):
            with torch.enable_grad():
                changed = [each.detach().requires_grad_() for each in moved]
                out = run(reading.model, _cache(changed), last)
                found = out.logits.log_softmax(-1)
                soft = found.exp() @ reading.model.get_input_embeddings().weight  # [B, D]
                ahead = run(reading.model, copy.deepcopy(after), soft[:, None], embedded=True).hidden[:, -1]
                own = out.hidden[:, -1] if shortcut else out.hidden[:, -1].detach()
                means = (total + own + ahead) / (reading.ids.shape[1] + 1)
                wanted = discriminator.log_probs(means)[:, target]
                gap = (found.exp() * (found - unchanged)).sum(-1)
                slopes = torch.autograd.grad((wanted - divergence * gap).sum(), changed)
            for place, slope in enumerate(slopes):
                norm = slope.square().sum((0, 2, 3, 4), keepdim=True).sqrt() + 1e-12  # of each text's own
                moved[place] = moved[place] + size * slope / norm**gamma
            reading.passes += 2 + 2 * BACKWARD
        past = _cache(moved)
        logits = run(reading.model, past, last).logits.log_softmax(-1)
        reading.passes += 1
        yield _among(unchanged, candidates, mixed * logits + (1 - mixed) * unchanged)


def _among(own: Tensor, candidates: int | None, logits: Tensor) -> Tensor:
    """The logits with all tokens left out that are not the likeliest by the model's own, ``[B, V]`` each."""
    if candidates is None:
        return logits
    least = own.topk(candidates).values[:, -1:]
    return logits.masked_fill(own < least, -torch.inf)


def _cache(layers: Sequence[Tensor]) -> DynamicCache:
    """A cache of stacked keys and values, one ``[2, B, heads, T, width]`` for each layer."""
    cache = DynamicCache()
    for place, (keys, values) in enumerate(layers):
        cache.update(keys, values, place)
    return cache

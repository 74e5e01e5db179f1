"""What transformers' models attend to: weights, lengths of values, and what each head is worth.

``torch`` and a model of transformers are the caller's; this package needs neither, so they are imported here
only when they are used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..architectures import OUTPUTS, output_projections, reads_two_texts, value_projections
from .inputs import check, check_ids, decoder_ids, encode, spelled

ROUNDING = 0.02
"""How far the sum of a row may be from 1 before something is said; half-precision rows are off by 0.008."""

INEXACT = 0.1
"""Largest relative error of an output projection that still counts as a matrix; 8-bit ones have 0.01."""


@dataclass(frozen=True)
class Captured:
    """One reading of a text.

    Attributes:
        tokens: T strings of the text that looks, in characters where the tokenizer spells bytes; with a
            target, what the decoder reads: its start token first.
        keys: S strings of the text that is looked at, ``None`` where it is the same one.
        weights: ``[L, H, T, S]``, float32; rows sum to 1, see ``elsewhere``.
        norms: length of each value after the output projection, ``[L, H, S]``; ``None`` where the
            architecture is not known.
        loss: mean next-token loss in nats; ``None`` for a model that predicts no next token.
        ablation: what changes when a head's result is set to zero, and to its mean over the text,
            ``[2, L, H, 2]``: the loss (NaN where there is none), and the mean divergence in nats of the
            predictions from what they were, KL(before ‖ after): of every token, or of a classifier's one
            answer. ``None`` where it was not asked for.
        elsewhere: share of each row's attention that was on no token, ``[L, H, T]``, where a model's heads
            have learned sinks outside of the text (gpt-oss); ``weights`` are shares of the rest. ``None``
            where rows sum to 1 by themselves.
    """

    tokens: list[str]
    keys: list[str] | None
    weights: NDArray[np.float32]
    norms: NDArray[np.float32] | None
    loss: float | None
    ablation: NDArray[np.float32] | None
    elsewhere: NDArray[np.float32] | None = None


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """Attention that keeps its weights: the fast kernels never hold them."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        model.set_attn_implementation(before)


def _output_weight(module: Any, mixed: Any) -> Any:
    """``[D, H·dh]`` in float32: what a projection multiplies the heads' results ``mixed`` [T, H·dh] with.

    The weight is read from a layer of torch's own, and GPT-2's Conv1D, which keeps the transpose. From a
    quantised, adapted or wrapped one it could be packed or not the whole truth: there the answers to unit
    vectors are taken.

    Raises:
        ValueError: the module is no matrix and a bias.
    """
    import torch

    weight = getattr(module, "weight", None)
    own = type(module) is torch.nn.Linear or type(module).__name__ == "Conv1D"
    if own and type(weight) is torch.nn.Parameter and weight.is_floating_point():
        return (weight if type(module) is torch.nn.Linear else weight.T).detach().float()
    units = torch.eye(mixed.shape[-1], dtype=mixed.dtype, device=mixed.device)
    bias = module(torch.zeros_like(units[:1]))  # [1, D]
    found = (module(units) - bias).T.float()  # [D, H·dh]
    wanted = module(mixed).float() - bias.float()
    error = (mixed.float() @ found.T - wanted).norm() / wanted.norm()
    if not error <= INEXACT:
        raise ValueError(f"it is no matrix and bias: a relative error of {float(error):.2f}")
    return found


def _value_norms(
    values: list[Any], mixed: list[Any], outputs: list[Any], heads: int
) -> NDArray[np.float32] | None:
    """Lengths of W_O v for every head and token, ``[L, H, S]``, of what the hooks have kept.

    ``None``, and a warning, where a projection does not let itself be measured.
    """
    import torch

    found = []
    for layer, (value, together, module) in enumerate(zip(values, mixed, outputs, strict=True)):
        try:
            with torch.no_grad():
                weight = _output_weight(module, together[0])  # [D, H·dh]
        except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
            warnings.warn(
                f"norms: left out, because the output projection of layer {layer}, {type(module).__name__}, "
                f"cannot be measured: {error}",
                stacklevel=4,
            )
            return None
        width = weight.shape[1] // heads
        if value.shape[-1] == 3 * heads * width:
            value = value[..., 2 * heads * width :]
        shared = value.shape[-1] // width
        rows = value[0].float().reshape(-1, shared, width)  # [S, KV, dh]
        rows = rows.repeat_interleave(heads // shared, dim=1)  # [S, H, dh]
        brought = torch.einsum("shd,whd->shw", rows, weight.reshape(weight.shape[0], heads, width))
        found.append(brought.norm(dim=-1).T)  # [H, S]
    result: NDArray[np.float32] = torch.stack(found).cpu().numpy().astype(np.float32)
    return result


def _checked_rows(weights: Any, name: str, dtype: Any) -> tuple[Any, NDArray[np.float32] | None]:
    """Rows that sum to 1, and what of each was on no token, ``None`` where that is rounding alone.

    Raises:
        ValueError: a weight is not finite, or rows sum to more than 1.
    """
    import torch

    wrong = (~torch.isfinite(weights)).nonzero()
    if len(wrong):
        layer, head, token, key = wrong[0].tolist()
        raise ValueError(
            f"model: got attention {float(weights[layer, head, token, key])} at layer {layer}, head {head}, "
            f"token {token} of {name} in {dtype}, wanted finite numbers; load it in float32"
        )
    sums = weights.sum(-1)  # [L, H, T]
    most, least = float(sums.max()), float(sums.min())
    if most > 1 + ROUNDING:
        raise ValueError(f"model: got rows of attention of {name} that sum to {most:.2f}, wanted at most 1")
    if least >= 1 - ROUNDING:
        return weights, None
    elsewhere: NDArray[np.float32] = (1 - sums).clamp(min=0).cpu().numpy()
    warnings.warn(
        f"weights: rows of {name} sum to {least:.2f} to {most:.2f}, not to 1: its heads put "
        f"{elsewhere.mean():.0%} of their attention on no token, as on learned sinks; weights are shares of "
        "the rest",
        stacklevel=3,
    )
    return weights / torch.where(sums > 0, sums, 1.0)[..., None], elsewhere


@contextmanager
def head_replaced(model: Any, layer: int, head: int, kind: str = "zero") -> Iterator[None]:
    """While this is open, one head's result is zero, or its mean over the text's tokens.

    Args:
        model: of an architecture whose output projections are known.
        layer: from 0.
        head: from 0.
        kind: ``"zero"`` or ``"mean"``.

    Raises:
        ValueError: another kind, no such layer or head, or an unknown architecture.
    """
    if kind not in ("zero", "mean"):
        raise ValueError(f"kind: got {kind!r}, wanted 'zero' or 'mean'")
    outputs = output_projections(model)
    if not outputs:
        raise ValueError(
            f"model: got {type(model).__name__}, wanted an encoder or a decoder whose output projections are "
            f"known: names that end in {', '.join(OUTPUTS)}"
        )
    heads = model.config.num_attention_heads
    for name, value, count in (("layer", layer, len(outputs)), ("head", head, heads)):
        if not 0 <= value < count:
            raise ValueError(f"{name}: got {value}, wanted 0 to {count - 1}")

    def replace(_module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        mixed = inputs[0].clone()  # [B, T, H·dh]
        width = mixed.shape[-1] // heads
        part = mixed[..., head * width : (head + 1) * width]
        part.copy_(part.mean(1, keepdim=True).expand_as(part) if kind == "mean" else part * 0)
        return (mixed, *inputs[1:])

    handle = outputs[layer].register_forward_pre_hook(replace)
    try:
        yield
    finally:
        handle.remove()


def capture(
    model: Any,
    tokenizer: Any,
    text: str | Sequence[int],
    *,
    target: str | Sequence[int] | None = None,
    ablate: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Captured:
    """Read a text with a model of transformers and keep what its heads did.

    Args:
        model: encoder, decoder or both; its attention is set to ``"eager"`` for this call alone.
        tokenizer: the model's own.
        text: what to read: one text, or its token ids without a batch and without padding.
        target: for an encoder-decoder, the text that it is to write, or its token ids; the decoder reads it
            after the start token, and the cross-attention is kept.
        ablate: take away every head once, by zero and by its mean. Costs two passes for each head.
        progress: called with heads done and heads in all.

    Raises:
        TypeError: the model, the tokenizer or the text is something else; the message names it.
        ValueError: the model gives no attention weights or some that are not finite, the text is empty, too
            long or padded, a target is missing or superfluous, or heads cannot be taken away.

    Warns:
        UserWarning: rows of attention do not sum to 1, or lengths of values cannot be measured.
    """
    import torch

    check(model, tokenizer)
    name = type(model).__name__
    both = reads_two_texts(model)
    if both != (target is not None):
        state = "got none, wanted a text: {} is an" if both else "got one, wanted none: {} is no"
        raise ValueError(f"target: {state.format(name)} encoder-decoder")

    ids = encode(model, tokenizer, text, "text")
    check_ids(model, ids, "text")
    tokens, keys = spelled(tokenizer, ids), None
    inputs = {"input_ids": torch.tensor([ids], device=model.device)}
    if target is not None:
        reads = decoder_ids(model, encode(model, tokenizer, target, "target", target=True))
        inputs["decoder_input_ids"] = torch.tensor([reads], device=model.device)
        tokens, keys = spelled(tokenizer, reads), tokens
    outputs = output_projections(model)
    values = value_projections(model) if outputs else []
    kept: list[Any] = []
    together: list[Any] = []
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(_eager(model))
        for module in values:
            hook = module.register_forward_hook(lambda _module, _inputs, result: kept.append(result))
            stack.callback(hook.remove)
        for module in outputs:
            hook = module.register_forward_pre_hook(lambda _module, inputs: together.extend(inputs[:1]))
            stack.callback(hook.remove)
        out = model(**inputs, output_attentions=True)
    found = (out.cross_attentions if both else getattr(out, "attentions", None)) or ()
    size = (len(tokens), len(keys if keys is not None else tokens))
    if not found or any(layer is None or layer.shape[-2:] != size for layer in found):
        raise ValueError(
            f"model: got {name}, wanted one that gives attention weights {list(size)}: this one has none, or "
            "sparse ones"
        )
    weights, elsewhere = _checked_rows(
        torch.stack([layer[0].float() for layer in found]), name, found[0].dtype
    )  # [L, H, T, S], [L, H, T]
    layers, heads = weights.shape[:2]
    whole = len(outputs) == layers == len(together)
    norms = _value_norms(kept, together, outputs, heads) if whole and len(kept) == layers else None
    logits = None if both else _answers(model, out)
    of_text = _classifies(model)
    if logits is not None and not of_text and logits.shape[:2] != inputs["input_ids"].shape:
        logits = None
    causal = not weights.triu(1).any()
    predicts = logits is not None and not of_text and causal and len(tokens) > 1
    loss = _loss(logits, inputs["input_ids"]) if predicts else None
    if loss is not None and not np.isfinite(loss):
        raise ValueError(f"model: got a loss of {loss} of {name}, wanted a finite number; load it in float32")
    changes = None
    if ablate:
        if logits is None or not whole:
            raise ValueError(
                f"ablate: got True, wanted False: {name} predicts neither tokens nor one class of several, "
                "or its layers are not known"
            )
        changes = np.full((2, layers, heads, 2), np.nan, dtype=np.float32)
        for done, (layer, head) in enumerate(np.ndindex(layers, heads)):
            for i, kind in enumerate(("zero", "mean")):
                with torch.no_grad(), _eager(model), head_replaced(model, layer, head, kind):
                    after = _answers(model, model(**inputs))
                if loss is not None:
                    changes[i, layer, head, 0] = _loss(after, inputs["input_ids"]) - loss
                changes[i, layer, head, 1] = _divergence(logits, after)
            if progress:
                progress(done + 1, layers * heads)
    return Captured(tokens, keys, weights.cpu().numpy(), norms, loss, changes, elsewhere)


def _classifies(model: Any) -> bool:
    """Whether a model gives a text one class of several; labels that may all be true have no such softmax."""
    config = model.config
    named = type(model).__name__.endswith("ForSequenceClassification")
    return named and config.num_labels > 1 and config.problem_type != "multi_label_classification"


def _answers(model: Any, out: Any) -> Any:
    """Scores of every token, ``[1, T, V]``, or of a text's classes, ``[1, 1, C]``; ``None`` for no scores."""
    logits = getattr(out, "logits", None)
    return logits[:, None] if logits is not None and _classifies(model) else logits


def _loss(logits: Any, ids: Any) -> float:
    """Mean next-token cross-entropy in nats."""
    import torch.nn.functional as F

    return float(F.cross_entropy(logits[0, :-1].float(), ids[0, 1:]))


def _divergence(before: Any, after: Any) -> float:
    """Mean over the tokens of KL(before ‖ after) in nats."""
    import torch.nn.functional as F

    old, new = (logits[0].double().log_softmax(-1) for logits in (before, after))  # [T, V]
    return float(F.kl_div(new, old, log_target=True, reduction="none").sum(-1).mean())

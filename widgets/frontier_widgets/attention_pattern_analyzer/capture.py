"""What transformers' models attend to: weights, lengths of values, and what each head is worth.

``torch`` and a model of transformers are the caller's; this package needs neither, so they are imported here
only when they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..architectures import OUTPUTS, output_projections, reads_two_texts, value_projections


@dataclass(frozen=True)
class Captured:
    """One reading of a text.

    Attributes:
        tokens: T strings of the text that looks.
        keys: S strings of the text that is looked at, ``None`` where it is the same one.
        weights: ``[L, H, T, S]``, float32.
        norms: length of each value after the output projection, ``[L, H, S]``; ``None`` where the
            architecture is not known.
        loss: mean next-token loss in nats; ``None`` for a model that predicts no next token.
        ablation: what changes when a head's result is set to zero, and to its mean over the text,
            ``[2, L, H, 2]``: the loss (NaN where there is none), and the mean divergence in nats of the
            predictions from what they were, KL(before ‖ after). ``None`` where it was not asked for.
    """

    tokens: list[str]
    keys: list[str] | None
    weights: NDArray[np.float32]
    norms: NDArray[np.float32] | None
    loss: float | None
    ablation: NDArray[np.float32] | None


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


def _output_weight(module: Any) -> Any:
    """``[D, H·dh]``; GPT-2's Conv1D keeps the transpose."""
    return module.weight.T if type(module).__name__ == "Conv1D" else module.weight


def _value_norms(model: Any, values: list[Any], outputs: list[Any], heads: int) -> NDArray[np.float32]:
    """Lengths of W_O v for every head and token, ``[L, H, S]``, of the values that the hooks have kept."""
    import torch

    found = []
    for value, module in zip(values, outputs, strict=True):
        weight = _output_weight(module).detach().float()  # [D, H·dh]
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
        raise ValueError(f"kind is {kind!r}, wanted 'zero' or 'mean'")
    outputs = output_projections(model)
    if not outputs:
        raise ValueError(
            f"model is {type(model).__name__}, wanted an encoder or a decoder whose output projections are "
            f"known: names that end in {', '.join(OUTPUTS)}"
        )
    heads = model.config.num_attention_heads
    for name, value, count in (("layer", layer, len(outputs)), ("head", head, heads)):
        if not 0 <= value < count:
            raise ValueError(f"{name} is {value}, wanted 0 to {count - 1}")

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
    target: str | None = None,
    ablate: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Captured:
    """Read a text with a model of transformers and keep what its heads did.

    Args:
        model: encoder, decoder or both; its attention is set to ``"eager"`` for this call alone.
        tokenizer: the model's own.
        text: what to read, or its token ids.
        target: for an encoder-decoder, the text that the decoder reads; the cross-attention is kept.
        ablate: take away every head once, by zero and by its mean. Costs two passes for each head.
        progress: called with heads done and heads in all.

    Raises:
        ValueError: the model gives no attention weights, the text is empty or too long, a target is missing
            or superfluous, or heads cannot be taken away.
    """
    import torch

    name = type(model).__name__
    both = reads_two_texts(model)
    if both != (target is not None):
        state = "is missing, and the model is an" if both else "came, and the model is no"
        raise ValueError(f"target {state} encoder-decoder ({name})")

    def encode(content: str | Sequence[int], argument: str) -> tuple[Any, list[str]]:
        found = tokenizer(content)["input_ids"] if isinstance(content, str) else list(content)
        longest = getattr(model.config, "max_position_embeddings", None)
        if not 1 <= len(found) <= (longest or len(found)):
            raise ValueError(f"{argument} has {len(found)} tokens, wanted 1 to {longest or 'any number'}")
        return torch.tensor([found], device=model.device), tokenizer.convert_ids_to_tokens(found)

    ids, tokens = encode(text, "text")
    inputs = {"input_ids": ids}
    keys = None
    if target is not None:
        inputs["decoder_input_ids"], looking = encode(target, "target")
        tokens, keys = looking, tokens
    outputs = output_projections(model)
    values = value_projections(model) if outputs else []
    kept: list[Any] = []
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(_eager(model))
        for module in values:
            hook = module.register_forward_hook(lambda _module, _inputs, result: kept.append(result))
            stack.callback(hook.remove)
        out = model(**inputs, output_attentions=True)
    found = (out.cross_attentions if both else getattr(out, "attentions", None)) or ()
    size = (len(tokens), len(keys if keys is not None else tokens))
    if not found or any(layer is None or layer.shape[-2:] != size for layer in found):
        raise ValueError(
            f"model is {name}, which gives no attention weights {list(size)}: it has none, or sparse ones"
        )
    weights = torch.stack([layer[0].float() for layer in found])  # [L, H, T, S]
    layers, heads = weights.shape[:2]
    whole = len(outputs) == layers
    norms = _value_norms(model, kept, outputs, heads) if whole and len(kept) == layers else None
    logits = None if both else getattr(out, "logits", None)
    if logits is None or logits.shape[:2] != ids.shape:
        logits = None
    causal = not weights.triu(1).any()
    loss = _loss(logits, ids) if logits is not None and causal and len(tokens) > 1 else None
    changes = None
    if ablate:
        if logits is None or not whole:
            raise ValueError(f"ablate is True, and {name} predicts no tokens or its layers are not known")
        changes = np.full((2, layers, heads, 2), np.nan, dtype=np.float32)
        for done, (layer, head) in enumerate(np.ndindex(layers, heads)):
            for i, kind in enumerate(("zero", "mean")):
                with torch.no_grad(), _eager(model), head_replaced(model, layer, head, kind):
                    after = model(**inputs).logits
                if loss is not None:
                    changes[i, layer, head, 0] = _loss(after, ids) - loss
                changes[i, layer, head, 1] = _divergence(logits, after)
            if progress:
                progress(done + 1, layers * heads)
    return Captured(tokens, keys, weights.cpu().numpy(), norms, loss, changes)


def _loss(logits: Any, ids: Any) -> float:
    """Mean next-token cross-entropy in nats."""
    import torch.nn.functional as F

    return float(F.cross_entropy(logits[0, :-1].float(), ids[0, 1:]))


def _divergence(before: Any, after: Any) -> float:
    """Mean over the tokens of KL(before ‖ after) in nats."""
    import torch.nn.functional as F

    old, new = (logits[0].double().log_softmax(-1) for logits in (before, after))  # [T, V]
    return float(F.kl_div(new, old, log_target=True, reduction="none").sum(-1).mean())

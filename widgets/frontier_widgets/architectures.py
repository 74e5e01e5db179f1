"""Where architectures of transformers keep what this book looks at: layers, values, output projections.

The one place for names of modules: figures, measurements and interventions find a model's parts here.
``torch`` is the caller's, and imported only when it is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

BLOCKS = ("model.layers", "transformer.h", "bert.encoder.layer", "encoder.layer", "gpt_neox.layers")
"""Paths to the list of a model's layers."""

OUTPUTS = (
    "self_attn.o_proj",  # Llama, Mistral, Qwen and their kin
    "self_attn.out_proj",  # BART, T5's successors, OPT
    "attention.output.dense",  # BERT, RoBERTa, ELECTRA, GPT-NeoX under another name
    "attn.c_proj",  # GPT-2
    "attention.out_lin",  # DistilBERT
    "self_attention.dense",  # Bloom
    "attention.dense",  # GPT-NeoX
)
"""Ends of the names of the modules that put the heads' results together."""

VALUES = (
    "self_attn.v_proj",
    "attention.self.value",
    "attn.c_attn",  # GPT-2's query, key and value in one
    "attention.v_lin",
)
"""Ends of the names of the modules that make values, in the architectures whose layout is known."""


def reads_two_texts(model: Any) -> bool:
    """Whether a model is an encoder-decoder; the encoder of one, taken alone, is not."""
    if not getattr(model.config, "is_encoder_decoder", False):
        return False
    inner = getattr(model, "_orig_mod", model)  # torch.compile
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner  # peft
    return "decoder_input_ids" in inspect.signature(inner.forward).parameters


def blocks(model: Any) -> list[Any]:
    """The layers of a model in order.

    Raises:
        ValueError: they are at none of the places of :data:`BLOCKS`.
    """
    from torch import nn

    for path in BLOCKS:
        found: Any = model
        for name in path.split("."):
            found = getattr(found, name, None)
        if isinstance(found, nn.ModuleList):
            return list(found)
    raise ValueError(
        f"model: got {type(model).__name__}, wanted one whose layers are at one of {', '.join(BLOCKS)}"
    )


def parameters(model: Any) -> int:
    """Parameters of a model; packed and quantised weights count as what they stand for."""
    from torch import nn

    count, seen = 0, set()
    for module in model.modules():
        weight: Any = getattr(module, "weight", None)
        plain = isinstance(weight, nn.Parameter) and weight.is_floating_point()
        if weight is None or plain or not hasattr(module, "in_features") or id(weight) in seen:
            continue
        count += int(module.in_features * module.out_features)
        if callable(weight):  # torch.ao has functions in place of parameters
            count += int(module.out_features) if module.bias() is not None else 0
        else:
            seen.add(id(weight))
    return count + sum(int(own.numel()) for own in model.parameters() if id(own) not in seen)


def output_projections(model: Any) -> list[Any]:
    """The output projection of every layer; none for an encoder-decoder, whose layers are of three sorts."""
    return [] if reads_two_texts(model) else _named(model, OUTPUTS)


def value_projections(model: Any) -> list[Any]:
    """The module that makes the values of every layer, alone or with queries and keys; none where unknown."""
    return [] if reads_two_texts(model) else _named(model, VALUES)


def _named(model: Any, ends: Sequence[str]) -> list[Any]:
    """Modules whose names end so, in the model's order; none of cross-attention."""
    return [
        module
        for name, module in model.named_modules()
        if any(name == end or name.endswith("." + end) for end in ends) and "crossattention" not in name
    ]

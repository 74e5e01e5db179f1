"""What goes into a model that is read: ids that fit, their spelling, and what a decoder starts from.

Wrong input is named here, before the model meets it: what torch says of it names no argument.
"""

from __future__ import annotations

import codecs
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

_PRINTED = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_OTHERS = [byte for byte in range(256) if byte not in _PRINTED]
BYTES = {chr(byte): byte for byte in _PRINTED} | {chr(256 + i): byte for i, byte in enumerate(_OTHERS)}
"""GPT-2's alphabet: the character with which a byte-level tokenizer spells each byte."""


def _numbers(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no character, as tokenizers with byte fallback spell them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(f"<0x{byte:02X}>" for byte in part), error.end


codecs.register_error("frontier_widgets.bytes", _numbers)


def in_characters(token: str) -> str:
    """A byte-level token with its characters in place of their bytes: ``Ã¡`` is ``á``.

    Bytes of a character that is split between tokens become ``<0xE6>``. ASCII stays as it is spelled, with
    ``Ġ`` for a blank. A token that is not of this alphabet stays as it is.
    """
    if not all(character in BYTES for character in token):
        return token
    found: list[str] = []
    pending = bytearray()
    for character in (*token, ""):
        if character and BYTES[character] >= 0x80:
            pending.append(BYTES[character])
            continue
        found += [pending.decode("utf8", "frontier_widgets.bytes"), character]
        pending.clear()
    return "".join(found)


def _is_byte_level(tokenizer: Any) -> bool:
    if hasattr(tokenizer, "byte_decoder"):  # written in Python
        return True
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    if decoder is None:
        return False
    described = json.loads(decoder.__getstate__())
    return "ByteLevel" in {one["type"] for one in (described, *described.get("decoders", ()))}


def spelled(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Tokens as a reader can read them, with the tokenizer's marks for blanks.

    Args:
        tokenizer: of transformers.
        ids: of the tokens.
    """
    tokens = [str(token) for token in tokenizer.convert_ids_to_tokens(list(ids))]
    if not _is_byte_level(tokenizer):
        return tokens
    added = getattr(tokenizer, "added_tokens_decoder", {})  # spelled in characters, not in bytes
    return [
        token if number in added else in_characters(token) for number, token in zip(ids, tokens, strict=True)
    ]


def check(model: Any, tokenizer: Any) -> None:
    """Whether a model can be read at all.

    Raises:
        TypeError: it is no model of transformers, or the tokenizer none of its tokenizers.
        ValueError: its weights are not loaded.
    """
    if not all(hasattr(model, name) for name in ("config", "set_attn_implementation", "named_modules")):
        raise TypeError(f"model: got {type(model).__name__}, wanted a model of transformers")
    if not callable(tokenizer) or not hasattr(tokenizer, "convert_ids_to_tokens"):
        raise TypeError(f"tokenizer: got {type(tokenizer).__name__}, wanted the model's tokenizer")
    if any(parameter.device.type == "meta" for parameter in model.parameters()):
        raise ValueError("model: got weights on the device 'meta', wanted loaded ones")


def longest(model: Any) -> int | None:
    """Most tokens that a model's position embeddings take; ``None`` where nothing limits them."""
    from torch import nn

    configs = [model.config, *(getattr(model.config, part, None) for part in ("encoder", "decoder"))]
    stated = [getattr(config, "max_position_embeddings", None) for config in configs]
    limits = [limit for limit in stated if isinstance(limit, int) and limit > 0]  # XLNet states -1
    for name, module in model.named_modules():
        # RoBERTa and its kin count positions from the padding token's number on.
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            before = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - before)
    return min(limits, default=None)


def encode(
    model: Any, tokenizer: Any, content: str | Sequence[int], argument: str, *, target: bool = False
) -> list[int]:
    """The token ids of one text.

    Args:
        model: whose sizes they have to fit.
        tokenizer: the model's own.
        content: one text, or its token ids ``[T]``: a sequence, an array or a tensor of integers.
        argument: what an error calls it.
        target: it is what a decoder reads, for tokenizers of two languages.

    Raises:
        TypeError: it is something else: several texts, a batch, what a tokenizer gives.
        ValueError: it is too long, empty, padded, or an id is not the model's.
    """
    wanted = "one text, or its token ids [T]"
    if isinstance(content, str):
        if target and "text_target" in inspect.signature(tokenizer.__call__).parameters:
            ids = tokenizer(text_target=content)["input_ids"]
        else:
            ids = tokenizer(content)["input_ids"]
    elif isinstance(content, Mapping) or hasattr(content, "input_ids"):
        raise TypeError(
            f"{argument}: got {type(content).__name__}, wanted {wanted}: its ['input_ids'], without a batch"
        )
    elif hasattr(content, "shape"):
        if len(content.shape) != 1:
            raise ValueError(
                f"{argument}: got {type(content).__name__} of shape {list(content.shape)}, wanted {wanted}: "
                f"one row of it"
            )
        ids = content.tolist()  # type: ignore[attr-defined]
    elif isinstance(content, Sequence):
        ids = list(content)
    else:
        raise TypeError(f"{argument}: got {type(content).__name__}, wanted {wanted}")
    wrong = next((one for one in ids if isinstance(one, bool) or not hasattr(one, "__index__")), None)
    if wrong is not None:
        raise TypeError(
            f"{argument}: got a {type(content).__name__} with {wrong!r} in it, wanted {wanted}; "
            "call once for each of several texts"
        )
    ids = [int(one) for one in ids]
    limit = longest(model)
    if not 1 <= len(ids) <= (limit or len(ids)):
        raise ValueError(f"{argument}: got {len(ids)} tokens, wanted 1 to {limit or 'any number'}")
    _check_padding(tokenizer, ids, argument)
    return ids


def _check_padding(tokenizer: Any, ids: Sequence[int], argument: str) -> None:
    """A padded text is refused: nothing masks the padding here, and heads would seem to look at it."""
    padding = getattr(tokenizer, "pad_token_id", None)
    if padding is None or padding == getattr(tokenizer, "eos_token_id", None):
        return
    inner = list(ids)
    for end in (0, -1):
        while inner and inner[end] == padding:
            inner.pop(end)
    if len(inner) < len(ids):
        raise ValueError(
            f"{argument}: got {len(ids) - len(inner)} padding tokens (id {padding}) at its ends, wanted one "
            "text without padding"
        )


def check_ids(model: Any, ids: Sequence[int], argument: str) -> None:
    """Whether the model has an embedding for each id.

    Raises:
        ValueError: it has not.
    """
    count = getattr(model.get_input_embeddings(), "num_embeddings", None)
    if count is None:
        return
    wrong = next((one for one in ids if not 0 <= one < count), None)
    if wrong is not None:
        raise ValueError(
            f"{argument}: got the token id {wrong}, wanted 0 to {count - 1}; is this the model's tokenizer?"
        )


def decoder_ids(model: Any, target: Sequence[int]) -> list[int]:
    """What a decoder reads to predict a target: the start token, then the target without its end token.

    These are the inputs of the model's own run with ``labels=target``; where the target does not end with the
    end token, its last token is read as well, as in generation.

    Args:
        model: an encoder-decoder.
        target: token ids.

    Raises:
        ValueError: the model does not say what its decoder starts from.
    """
    import torch

    inner, written = getattr(model.config, "decoder", None), getattr(model, "generation_config", None)

    def stated(name: str) -> Any:
        found = (getattr(config, name, None) for config in (model.config, written, inner))
        return next((one for one in found if one is not None), None)

    own = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    end = stated("eos_token_id")
    ends = end if isinstance(end, list) else [end]
    if own is not None and model.config.decoder_start_token_id is not None:
        labels = torch.tensor([list(target)], device=model.device)
        shifted: list[int] = own(labels=labels)[0].tolist()
    else:
        start = stated("decoder_start_token_id")
        if start is None:
            raise ValueError(
                "model: got a configuration without decoder_start_token_id, wanted the token from which the "
                "decoder starts"
            )
        shifted = [start, *target[:-1]]
    if target[-1] not in ends and shifted[1:] == list(target[:-1]):
        shifted.append(target[-1])
    return shifted

"""Tokenizers of the kinds that the real models use, trained on our own text."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BertTokenizer,
    BigBirdTokenizer,
    GPT2Tokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
)


def fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of all that a tokenizer does: a run is not taken up again with another one."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def _train_pieces(
    tokenizer: Tokenizer, documents: Sequence[str], size: int, specials: Sequence[str], characters: int
) -> None:
    """Train BPE in place on text whose spaces show as ``▁``, the most frequent characters its alphabet."""
    # The alphabet is chosen here: among equally frequent characters the trainer's own choice changes from run
    # to run.
    frequency = Counter(character for document in documents for character in document.replace(" ", "▁"))
    alphabet = sorted(frequency, key=lambda character: (-frequency[character], character))[:characters]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(specials),
        initial_alphabet=alphabet,
        limit_alphabet=characters,
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)


def byte_fallback_bpe(
    documents: Sequence[str], size: int, characters: int, *, longest: int = 256
) -> PreTrainedTokenizerFast:
    """Llama's kind: Chinese characters stay characters, spaces show as ``▁``, what is rare is spelt in bytes.

    Args:
        documents: text to count; what should win a token may be given several times.
        size: tokens in all, ``<s>``, ``</s>`` and the 256 bytes among them.
        characters: how many characters get a token of their own.
        longest: ``model_max_length``, the length that the model was trained at.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=None, byte_fallback=True, fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    specials = ["<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    _train_pieces(tokenizer, documents, size, specials, characters)
    raw = json.loads(tokenizer.to_str())
    # Byte tokens take part in the fallback but are ordinary tokens: as "special" they would vanish when
    # decoding.
    raw["added_tokens"] = [t for t in raw["added_tokens"] if not t["content"].startswith("<0x")]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(raw)),
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
        model_max_length=longest,
    )


def byte_level_bpe(
    documents: Sequence[str],
    size: int,
    *,
    longest: int,
    kind: type[PreTrainedTokenizerBase] = GPT2Tokenizer,
) -> PreTrainedTokenizerBase:
    """GPT-2's kind: text as bytes, each shown as one printable character, merged by frequency.

    Args:
        documents: text to count.
        size: tokens in all, the 256 bytes and the special ones among them; without room for merges every
            token is a byte.
        longest: ``model_max_length``.
        kind: ``GPT2Tokenizer``, or ``RobertaTokenizer`` with its own special tokens.
    """
    roberta = kind is RobertaTokenizer
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if roberta else ["<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return kind(
        vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], model_max_length=longest
    )


def word_piece(
    documents: Sequence[str],
    size: int,
    *,
    longest: int,
    kind: type[PreTrainedTokenizerBase] = BertTokenizer,
) -> PreTrainedTokenizerBase:
    """BERT's kind: lower-cased words, cut into pieces that begin with ``##`` inside a word.

    Args:
        documents: text to count.
        size: tokens in all, the five special ones among them.
        longest: ``model_max_length``.
        kind: ``BertTokenizer`` or ``DistilBertTokenizer``.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normalize = tokenizer.normalizer.normalize_str
    alphabet = sorted({character for document in documents for character in normalize(document)} - {" "})
    # Listed before all else: left to itself the trainer numbers the "##" characters anew in every process.
    first = [*specials, *alphabet, *(f"##{character}" for character in alphabet)]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=first, show_progress=False)
    tokenizer.train_from_iterator(documents, trainer)
    vocabulary = dict(sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]))
    return kind(vocab=vocabulary, do_lower_case=True, model_max_length=longest)


def unigram_pieces(
    documents: Sequence[str], size: int, characters: int, *, longest: int
) -> PreTrainedTokenizerBase:
    """BigBird's kind: words cut into the likeliest pieces, ``▁`` for the space before them.

    The pieces are BPE's, each with the logarithm of its frequency: the library's own trainer of such pieces
    gives others each time it runs.

    Args:
        documents: text to count.
        size: tokens in all, the seven special ones among them.
        characters: how many characters get a token of their own; rarer ones are unknown.
        longest: ``model_max_length``.
    """
    specials = ["<pad>", "</s>", "<s>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always"), pre_tokenizers.Punctuation("isolated")]
    )
    _train_pieces(tokenizer, documents, size, specials, characters)
    pieces = [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    counts = Counter(token for document in documents for token in tokenizer.encode(document).tokens)
    total = sum(counts.values())
    scored = [
        (piece, 0.0 if piece in specials else math.log((counts[piece] + 0.5) / total)) for piece in pieces
    ]
    return BigBirdTokenizer(vocab=scored, model_max_length=longest)

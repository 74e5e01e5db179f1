"""What goes into a model that is read: how tokens are spelled, what a decoder reads, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from frontier_widgets import AttentionPatternAnalyzer
from frontier_widgets.attention_capture import capture
from frontier_widgets.attention_pattern_analyzer.inputs import BYTES, in_characters, longest, spelled
from frontier_widgets.attention_patterns import KINDS, is_delimiter, measure
from number_tokenizer import Words
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    BartModel,
    BatchEncoding,
    BertConfig,
    BertModel,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
    XLNetConfig,
    XLNetLMHeadModel,
)

from frontier_lab import hub

TEXT = "注意力是这样的，注意力是这样的。á 😀"


def byte_level(text: str, size: int) -> Any:
    """GPT-2's kind of tokenizer, trained on a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=["<é>"])
    tokenizer.train_from_iterator([text] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def llama(vocabulary: int = 400) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **sizes)).eval()


# ---- how tokens are spelled --------------------------------------------------------------------------------


def test_the_alphabet_is_gpt_2s() -> None:
    assert set(BYTES) == set(pre_tokenizers.ByteLevel.alphabet())
    ours = {byte: character for character, byte in BYTES.items()}
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for text in ("注 á", "😀\n\t\x7f", "ÿ­"):
        assert "".join(ours[byte] for byte in text.encode()) == splitter.pre_tokenize_str(text)[0][0]


@pytest.mark.parametrize("size", [257, 265, 400])
def test_byte_level_tokens_are_characters(size: int) -> None:
    """At 257 every byte is a token, at 400 whole words are."""
    tokenizer = byte_level(TEXT, size)
    found = spelled(tokenizer, tokenizer(TEXT)["input_ids"])
    plain = "".join(found).replace("Ġ", " ")
    again = b"".join(
        bytes([int(part[3:5], 16)]) if part.startswith("<0x") else part.encode() for part in parts(plain)
    )
    assert again.decode() == TEXT
    if size == 400:
        assert plain == TEXT
        assert "æ" not in "".join(found)
    else:
        assert any(token.startswith("<0x") for token in found)


def parts(text: str) -> list[str]:
    """A text's characters, a byte that stands as ``<0x..>`` being one."""
    found, at = [], 0
    while at < len(text):
        step = 6 if text.startswith("<0x", at) else 1
        found.append(text[at : at + step])
        at += step
    return found


def test_bytes_of_a_split_character_are_numbers() -> None:
    assert in_characters("Ã¡") == "á"
    assert in_characters("Ġæ³¨æĦıåĬĽ") == "Ġ注意力"
    assert in_characters("æ³¨æĦ") == "注<0xE6><0x84>"
    assert in_characters("³¨a") == "<0xB3><0xA8>a"
    assert in_characters("ĊĠ") == "ĊĠ"
    assert in_characters("▁注") == "▁注", "not of this alphabet"


def test_only_byte_level_tokenizers_are_read_so() -> None:
    folder = str(hub.committed("bert"))
    assert spelled(AutoTokenizer.from_pretrained(folder), [5, 6]) == AutoTokenizer.from_pretrained(
        folder
    ).convert_ids_to_tokens([5, 6])

    class Pieces(Words):
        def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
            return ["é", "á"]

    assert spelled(Pieces(), [5, 6]) == ["é", "á"], "a word piece, not the byte E9"
    tokenizer = byte_level(TEXT, 300)
    assert spelled(tokenizer, [tokenizer.convert_tokens_to_ids("<é>")]) == ["<é>"], "an added token"


def test_punctuation_of_byte_level_tokens_is_a_delimiter() -> None:
    tokenizer = byte_level(TEXT, 400)
    figure = AttentionPatternAnalyzer.from_model(llama(), tokenizer, "注意力是这样的，注意力")
    tokens = figure.shown["tokens"]
    assert "，" in tokens
    assert [token for token in tokens if is_delimiter(token)] == ["，"]
    assert np.isfinite(figure.metrics_array()[..., KINDS.index("delimiter")]).all()


# ---- what a decoder reads ----------------------------------------------------------------------------------


def bart() -> Any:
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 3, "forced_eos_token_id": 1}
    return BartForConditionalGeneration(BartConfig(vocab_size=60, d_model=16, **sizes, **heads, **ids))


def t5() -> Any:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    return T5ForConditionalGeneration(T5Config(vocab_size=60, **sizes, **ids))


def pair() -> Any:
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(**sizes, intermediate_size=16, max_position_embeddings=24)
    model = EncoderDecoderModel(EncoderDecoderConfig.from_encoder_decoder_configs(config, config))
    model.config.decoder_start_token_id, model.config.pad_token_id = 5, 0
    return model


@pytest.mark.filterwarnings("ignore:Version v4.12.0 introduces a better way:FutureWarning")
@pytest.mark.parametrize("make", [bart, t5, pair])
def test_a_decoder_reads_what_it_reads_with_labels(make: Any) -> None:
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    found = capture(model, Words(pad=0, eos=1), "5 9 33 5 9 1", target="7 8 44 1")
    model.set_attn_implementation("eager")
    with torch.no_grad():
        own = model(
            input_ids=torch.tensor([[5, 9, 33, 5, 9, 1]]),
            labels=torch.tensor([[7, 8, 44, 1]]),
            output_attentions=True,
        )
    wanted = torch.stack(own.cross_attentions)[:, 0].numpy()
    np.testing.assert_allclose(found.weights[:, :, :4], wanted, atol=1e-6)
    start = {bart: "3", t5: "0", pair: "5"}[make]
    assert found.tokens[:4] == [start, "7", "8", "44"]
    assert found.keys == ["5", "9", "33", "5", "9", "1"]


def test_only_the_end_token_is_not_read() -> None:
    torch.manual_seed(0)
    model = bart()
    ended, open_ended = (capture(model, Words(pad=0, eos=1), "5 9", target=text) for text in ("7 8 1", "7 8"))
    assert ended.tokens == open_ended.tokens == ["3", "7", "8"]
    np.testing.assert_allclose(ended.weights, open_ended.weights)
    assert capture(model, Words(pad=0, eos=1), [5, 9], target=[7, 8]).tokens == ["3", "7", "8"]


def test_a_decoder_without_a_start_token_is_named() -> None:
    model = pair()
    model.config.decoder_start_token_id = None
    with pytest.raises(ValueError, match="model: got a configuration without decoder_start_token_id, wanted"):
        capture(model, Words(pad=0, eos=1), "5 9", target="7 8")


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (["a", "b"], TypeError, "text: got a list with 'a' in it, wanted one text, or its token ids"),
        ([[5, 6], [7, 8]], TypeError, r"text: got a list with \[5, 6\] in it, wanted one text"),
        ([5.0, 6.0], TypeError, r"text: got a list with 5\.0 in it"),
        (torch.tensor([[5, 6]]), ValueError, r"text: got Tensor of shape \[1, 2\], wanted .*: one row of it"),
        (torch.ones(2, 3).long(), ValueError, r"text: got Tensor of shape \[2, 3\]"),
        (BatchEncoding({"input_ids": [[5, 6]]}), TypeError, r"text: got BatchEncoding, .*\['input_ids'\]"),
        ({"input_ids": [5, 6]}, TypeError, "text: got dict, wanted one text, or its token ids"),
        (None, TypeError, "text: got NoneType, wanted one text"),
        ([5, 6, 0, 0, 0], ValueError, r"text: got 3 padding tokens \(id 0\) at its ends, wanted one text"),
        ([0, 0, 5, 6], ValueError, "text: got 2 padding tokens"),
        ([5, 400], ValueError, "text: got the token id 400, wanted 0 to 399; is this the model's tokenizer"),
        ([5, -1], ValueError, "text: got the token id -1"),
    ],
)
def test_a_text_that_is_none_is_named(text: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        AttentionPatternAnalyzer.from_model(llama(), Words(pad=0, eos=1), text)


def test_ids_may_be_an_array_or_a_tensor() -> None:
    model = llama()
    wanted = capture(model, Words(pad=0, eos=1), [5, 6, 0, 7]).weights
    for ids in (torch.tensor([5, 6, 0, 7]), np.array([5, 6, 0, 7]), (5, 6, 0, 7)):
        np.testing.assert_array_equal(capture(model, Words(pad=0, eos=1), ids).weights, wanted)


def test_an_end_token_that_pads_as_well_is_read() -> None:
    assert capture(llama(), Words(pad=1, eos=1), [5, 6, 1]).tokens == ["5", "6", "1"]


def test_what_is_no_model_is_named() -> None:
    with pytest.raises(TypeError, match="model: got NoneType, wanted a model of transformers"):
        capture(None, Words(pad=0, eos=1), "5 6")
    with pytest.raises(TypeError, match="model: got Linear, wanted a model of transformers"):
        capture(torch.nn.Linear(2, 2), Words(pad=0, eos=1), "5 6")
    with pytest.raises(TypeError, match="tokenizer: got NoneType, wanted the model's tokenizer"):
        capture(llama(), None, "5 6")
    with torch.device("meta"):
        empty = llama()
    with pytest.raises(ValueError, match="model: got weights on the device 'meta', wanted loaded ones"):
        capture(empty, Words(pad=0, eos=1), "5 6")


def test_the_limit_is_the_one_that_the_embeddings_have() -> None:
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    roberta = RobertaForMaskedLM(
        RobertaConfig(**sizes, intermediate_size=16, max_position_embeddings=34, pad_token_id=1)
    )
    tokenizer = Words(pad=0, eos=1)
    assert capture(roberta, tokenizer, [5] * 32).weights.shape[-1] == 32
    with pytest.raises(ValueError, match="text: got 33 tokens, wanted 1 to 32"):
        capture(roberta, tokenizer, [5] * 33)
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=60, n_embd=16, n_layer=1, n_head=2, n_positions=20))
    assert longest(gpt2) == 20
    bert = BertModel(BertConfig(**sizes, intermediate_size=16, max_position_embeddings=24))
    assert (longest(bert), longest(pair()), longest(t5())) == (24, 24, None)


def test_a_model_without_a_limit_has_none() -> None:
    xlnet = XLNetLMHeadModel(XLNetConfig(vocab_size=60, d_model=16, n_layer=1, n_head=2, d_inner=16))
    assert longest(xlnet) is None
    assert capture(xlnet, Words(pad=0, eos=1), "5 6 7").weights.shape == (1, 2, 3, 3)
    with pytest.raises(ValueError, match="text: got 0 tokens, wanted 1 to any number"):
        capture(xlnet, Words(pad=0, eos=1), "")


def test_the_encoder_of_a_pair_can_be_read_alone() -> None:
    encoder = BartModel(bart().config).encoder
    found = capture(encoder, Words(pad=0, eos=1), "5 9 33")
    assert found.weights.shape == (2, 2, 3, 3)
    assert found.keys is None
    np.testing.assert_allclose(measure(found.weights, found.tokens).shape, (2, 2, 11))

"""What is kept of a model's reading, held to the models themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from frontier_widgets.attention_capture import capture, head_replaced
from number_tokenizer import Words
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    BloomConfig,
    BloomForCausalLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
)

from frontier_lab import hub
from frontier_lab.methods import heads
from frontier_lab.storage.checkpoints import committed
from frontier_lab.texts import sequence_tasks

SIZES: dict[str, Any] = {"vocab_size": 60, "num_attention_heads": 4, "num_hidden_layers": 3}
MODELS = {
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(**SIZES, hidden_size=32, intermediate_size=40, num_key_value_heads=2)
    ),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=60, n_embd=32, n_layer=3, n_head=4)),
    "bert": lambda: BertForMaskedLM(BertConfig(**SIZES, hidden_size=32, intermediate_size=40)),
    "distilbert": lambda: DistilBertForMaskedLM(
        DistilBertConfig(vocab_size=60, dim=32, n_layers=3, n_heads=4, hidden_dim=40)
    ),
    "bloom": lambda: BloomForCausalLM(BloomConfig(vocab_size=60, hidden_size=32, n_layer=3, n_head=4)),
}
IDS = [5, 9, 33, 5, 9, 41, 7, 33]


def made(name: str) -> Any:
    torch.manual_seed(1)
    model = MODELS[name]()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # heads that differ visibly
    return model.eval()


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_the_models_own_and_it_is_left_as_it_was(name: str) -> None:
    model = made(name)
    model.train()
    before = model.config._attn_implementation
    found = capture(model, Words(), "5 9 33 5 9 41 7 33")
    assert model.training
    assert model.config._attn_implementation == before
    # transformers keeps hooks of its own on whole layers once it was asked for attentions.
    leaves = [module for module in model.modules() if not list(module.children())]
    assert not any(leaf._forward_hooks or leaf._forward_pre_hooks for leaf in leaves)
    assert found.tokens == [str(one) for one in IDS]
    assert found.keys is None
    model.eval()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        out = model(torch.tensor([IDS]), output_attentions=True)
    wanted = torch.stack(out.attentions)[:, 0].numpy()
    np.testing.assert_allclose(found.weights, wanted, atol=1e-6)
    assert (found.loss is None) == (name in ("bert", "distilbert"))


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert", "distilbert"])
def test_lengths_of_values_are_what_a_head_brings(name: str) -> None:
    """Σ_s α v_s W_O of all heads, and the bias, is what the output projection gives."""
    model = made(name)
    found = capture(model, Words(), IDS)
    assert found.norms is not None
    assert found.norms.shape == (3, 4, len(IDS))
    # A text of one token brings its own value alone: the projection of a single head is that long.
    single = capture(model, Words(), IDS[:1])
    assert single.norms is not None
    ends = ("o_proj", "c_proj", "attention.output.dense", "out_lin")
    module = next(m for n, m in model.named_modules() if n.endswith(ends) and "mlp" not in n)
    seen: list[torch.Tensor] = []
    hook = module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(torch.tensor([IDS[:1]]))
    hook.remove()
    with torch.no_grad():
        mixed = seen[0][0, 0]  # [H·dh]
        bias = module(torch.zeros_like(seen[0]))[0, 0]
        for head in range(4):
            alone = torch.zeros_like(mixed)
            alone[head * 8 : head * 8 + 8] = mixed[head * 8 : head * 8 + 8]
            length = (module(alone[None, None])[0, 0] - bias).norm().item()
            assert single.norms[0, head, 0] == pytest.approx(length, rel=1e-4)


def test_an_architecture_whose_values_are_not_known_has_no_lengths() -> None:
    assert capture(made("bloom"), Words(), IDS).norms is None


@pytest.mark.parametrize("name", MODELS)
def test_a_head_that_is_taken_away_changes_what_follows_and_comes_back(name: str) -> None:
    model = made(name)
    ids = torch.tensor([IDS])
    with torch.no_grad():
        before = model(ids).logits
        with head_replaced(model, 1, 2):
            without = model(ids).logits
        after = model(ids).logits
    assert (before - without).abs().max() > 1e-4
    assert torch.equal(before, after)


def test_ablation_is_the_difference_of_two_losses() -> None:
    model = made("llama")
    found = capture(model, Words(), IDS, ablate=True)
    assert found.ablation is not None
    assert found.ablation.shape == (2, 3, 4, 2)
    ids = torch.tensor([IDS])
    with torch.no_grad():
        whole = model(ids, labels=ids).loss
        with head_replaced(model, 2, 1, "mean"):
            less = model(ids, labels=ids).loss
    assert found.loss == pytest.approx(whole.item(), rel=1e-5)
    assert found.ablation[1, 2, 1, 0] == pytest.approx((less - whole).item(), abs=1e-5)
    assert (found.ablation[..., 1] > 0).all()
    reading_both_ways = capture(made("bert"), Words(), IDS, ablate=True).ablation
    assert reading_both_ways is not None
    assert np.isnan(reading_both_ways[..., 0]).all()
    assert (reading_both_ways[..., 1] > 0).all()


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert"])
def test_a_classifiers_head_is_worth_what_its_answer_changes_by(name: str) -> None:
    folder = str(committed("classifiers") / name)
    model = hub.load(folder, AutoModelForSequenceClassification)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("woe unto them that go down to egypt for help").input_ids
    found = capture(model, tokenizer, ids, ablate=True)
    assert found.loss is None
    assert found.ablation is not None
    assert np.isnan(found.ablation[..., 0]).all()
    with torch.no_grad():
        whole = model(torch.tensor([ids])).logits[0].double().softmax(-1)
        with head_replaced(model, 0, 3, "mean"):
            less = model(torch.tensor([ids])).logits[0].double().softmax(-1)
    divergence = (whole * (whole / less).log()).sum().item()
    assert found.ablation[1, 0, 3, 1] == pytest.approx(divergence, rel=1e-4)
    assert divergence > 1e-6
    assert len(found.tokens) > 1
    one = capture(model, tokenizer, ids[:1], ablate=True)
    assert one.loss is None  # six scores of a class are no scores of a token


def test_labels_that_may_all_be_true_have_no_divergence() -> None:
    folder = str(committed("toxicity"))
    model = hub.load(folder, AutoModelForSequenceClassification)
    with pytest.raises(ValueError, match="predicts neither tokens nor one class of several"):
        capture(model, AutoTokenizer.from_pretrained(folder), "good morning", ablate=True)


def test_without_its_induction_head_the_model_forgets_how_to_repeat() -> None:
    folder = str(committed("induction"))
    ids = sequence_tasks.repeated(1, 24, 95, 5, first=1)[0].tolist()
    found = capture(hub.load(folder), AutoTokenizer.from_pretrained(folder), ids, ablate=True)
    assert found.ablation is not None
    best = heads.induction_score(torch.from_numpy(found.weights))[1].argmax().item()
    assert found.ablation[:, 1, best, 0].min() > 0.5


def test_cross_attention_has_the_other_text_as_keys() -> None:
    torch.manual_seed(0)
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads_of = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    model = BartForConditionalGeneration(BartConfig(vocab_size=60, d_model=16, **sizes, **heads_of))
    found = capture(model, Words(), "5 9 33 5 9", target="7 8")
    assert found.weights.shape == (2, 2, 3, 5)
    assert (found.tokens, found.keys) == (["2", "7", "8"], ["5", "9", "33", "5", "9"])
    np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-5)
    with pytest.raises(
        ValueError,
        match="target: got none, wanted a text: BartForConditionalGeneration is an encoder-decoder",
    ):
        capture(model, Words(), "5 9")
    with pytest.raises(ValueError, match="ablate: got True"):
        capture(model, Words(), "5 9", target="7", ablate=True)
    with pytest.raises(ValueError, match="wanted an encoder or a decoder"), head_replaced(model, 0, 0):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ""}, "text: got 0 tokens, wanted 1 to 2048"),
        ({"text": "5 " * 3000}, "text: got 3000 tokens"),
        (
            {"text": "5", "target": "7"},
            "target: got one, wanted none: LlamaForCausalLM is no encoder-decoder",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        capture(made("llama"), Words(), **arguments)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ((3, 0), "layer: got 3, wanted 0 to 2"),
        ((0, 4), "head: got 4, wanted 0 to 3"),
        ((0, 0, "no"), "kind: got 'no'"),
    ],
)
def test_wrong_heads_are_named(where: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message), head_replaced(made("llama"), *where):
        pass


def test_a_model_without_attention_is_named() -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2))
    with pytest.raises(ValueError, match="MambaForCausalLM"):
        capture(model, Words(), IDS)

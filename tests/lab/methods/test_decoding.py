"""Controlled generation: every control at rest is the plain model, and each does what its formula says."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    DynamicCache,
    LlamaConfig,
    LlamaForCausalLM,
    SuppressTokensLogitsProcessor,
    TopKLogitsWarper,
)

from frontier_lab import hub
from frontier_lab.methods import decoding
from frontier_lab.methods.decoding import Control, Discriminator, Reading, sample

VOCABULARY, WIDTH = 37, 16
PROMPT = torch.tensor([[3, 4, 5], [3, 4, 5], [6, 7, 8]])


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def discriminator() -> Discriminator:
    torch.manual_seed(1)
    return Discriminator(
        0.1 * torch.randn(WIDTH), torch.rand(WIDTH) + 0.5, 0.5 * torch.randn(3, WIDTH), torch.zeros(3)
    )


def first(control: Control, model: LlamaForCausalLM, prompt: Tensor = PROMPT) -> Tensor:
    """Log-probabilities of the first token."""
    with torch.no_grad():
        return next(control(Reading.begin(model, prompt))).log_softmax(-1)


def test_plain_sampling_is_generate() -> None:
    folder = hub.path("meta-llama/Llama-2-7b-hf")
    llama = hub.load(folder)
    prompt = torch.tensor([[480, 389]] * 3)
    processors = [TopKLogitsWarper(20), SuppressTokensLogitsProcessor([1], device="cpu")]
    ours = sample(llama, prompt, 24, seed=5, processors=processors).ids
    torch.manual_seed(5)
    theirs = llama.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=True, top_k=20, top_p=1.0, temperature=1.0,
        suppress_tokens=[1], min_new_tokens=24, max_new_tokens=24, pad_token_id=1,
    )  # fmt: skip
    assert ours.tolist() == theirs.tolist()


def test_the_cache_changes_nothing(model: LlamaForCausalLM) -> None:
    found = sample(model, PROMPT, 12, seed=0)
    assert found.ids.shape == (3, 15)
    assert found.log_probs == pytest.approx(decoding.log_probs(model, found.ids, 3), abs=1e-4)
    assert found.passes == 1


def test_a_prompt_of_one_token_is_refused(model: LlamaForCausalLM) -> None:
    with pytest.raises(ValueError, match=r"got shape \(3, 1\)"):
        sample(model, PROMPT[:, :1], 4, seed=0)


def test_a_control_at_rest_is_the_plain_model(model: LlamaForCausalLM, discriminator: Discriminator) -> None:
    torch.manual_seed(3)
    others = [LlamaForCausalLM(model.config).eval() for _ in range(2)]
    at_rest: dict[str, Control] = {
        "fudge": partial(
            decoding.fudge, discriminator=discriminator, target=1, strength=0, candidates=VOCABULARY
        ),
        "experts": partial(
            decoding.experts, expert=others[0], anti_expert=others[1], strength=0, candidates=None
        ),
        "equal experts": partial(
            decoding.experts, expert=others[0], anti_expert=others[0], strength=3, candidates=VOCABULARY
        ),
        "pplm": partial(decoding.pplm, discriminator=discriminator, target=1, size=0),
    }
    wanted = sample(model, PROMPT, 10, seed=4)
    for name, control in at_rest.items():
        found = sample(model, PROMPT, 10, seed=4, control=control)
        assert found.ids.tolist() == wanted.ids.tolist(), name
        assert found.log_probs == pytest.approx(wanted.log_probs, abs=1e-4), name
    with decoding.steered(model.model.layers[0], torch.zeros(WIDTH)):
        assert sample(model, PROMPT, 10, seed=4).ids.tolist() == wanted.ids.tolist()


def test_texts_of_a_batch_do_not_touch_each_other(
    model: LlamaForCausalLM, discriminator: Discriminator
) -> None:
    for control in (
        partial(decoding.fudge, discriminator=discriminator, target=2, strength=2.0, candidates=9),
        partial(decoding.pplm, discriminator=discriminator, target=2, size=0.5),
    ):
        together, alone = first(control, model), first(control, model, PROMPT[2:])
        assert together[2:] == pytest.approx(alone, abs=1e-4)


def test_fudge_is_bayes_rule_on_whole_texts(model: LlamaForCausalLM, discriminator: Discriminator) -> None:
    control = partial(
        decoding.fudge, discriminator=discriminator, target=1, strength=1.5, candidates=VOCABULARY
    )
    found = first(control, model, PROMPT[:1])[0]
    longer = torch.cat([PROMPT[:1].expand(VOCABULARY, -1), torch.arange(VOCABULARY)[:, None]], dim=1)
    with torch.no_grad():
        out = model(input_ids=longer, output_hidden_states=True)
    scores = discriminator.log_probs(out.hidden_states[-1].mean(1))[:, 1]
    wanted = (out.logits[0, 2].log_softmax(-1) + 1.5 * scores).log_softmax(-1)
    assert found == pytest.approx(wanted, abs=1e-4)


def test_all_but_the_likeliest_are_left_out(model: LlamaForCausalLM, discriminator: Discriminator) -> None:
    control = partial(decoding.fudge, discriminator=discriminator, target=1, candidates=5)
    other = LlamaForCausalLM(model.config).eval()
    likeliest = first(decoding.plain, model).topk(5).indices
    controls: list[Control] = [
        control,
        partial(decoding.experts, expert=other, anti_expert=model, strength=3, candidates=5),
        partial(decoding.pplm, discriminator=discriminator, target=1, size=2.0, candidates=5),
    ]
    for each in controls:
        kept = first(each, model).isfinite()
        assert kept.sum(1).tolist() == [5, 5, 5]
        assert kept.gather(1, likeliest).all()


def test_experts_are_added_on_the_whole_text(model: LlamaForCausalLM) -> None:
    torch.manual_seed(3)
    plus, minus = (LlamaForCausalLM(model.config).eval() for _ in range(2))
    control = partial(decoding.experts, expert=plus, anti_expert=minus, strength=0.7, candidates=None)
    found = sample(model, PROMPT, 6, seed=0, control=control)
    with torch.no_grad():
        logits, more, less = (each(found.ids).logits for each in (model, plus, minus))
    wanted = (logits + 0.7 * (more - less)).log_softmax(-1)[:, 2:-1]
    assert found.log_probs == pytest.approx(wanted.gather(2, found.ids[:, 3:, None])[..., 0], abs=1e-4)
    assert found.passes == 3


def test_a_steering_vector_is_added_once_and_taken_away(model: LlamaForCausalLM) -> None:
    vector = torch.randn(WIDTH, generator=torch.Generator().manual_seed(0))
    seen: list[Tensor] = []
    hook = model.model.layers[1].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        model(PROMPT)
        with decoding.steered(model.model.layers[0], vector):
            model(PROMPT)
        model(PROMPT)
    hook.remove()
    before, within, after = seen  # transformers records hidden states before the hook, layers read after it
    assert (within - before) == pytest.approx(vector.expand_as(before), abs=1e-5)
    assert torch.equal(after, before)


def soft_score(
    model: LlamaForCausalLM, discriminator: Discriminator, past: list[Tensor], shortcut: bool
) -> Tensor:
    """What PPLM raises, on the first prompt: the target's log-probability, one soft token ahead."""
    reading = Reading.begin(model, PROMPT[:1])
    total = reading.total
    reading.read()
    out = decoding.run(model, decoding._cache(past), PROMPT[:1, -1:])
    soft = out.logits.softmax(-1) @ model.get_input_embeddings().weight
    ahead = decoding.run(model, copy.deepcopy(reading.cache), soft[:, None], embedded=True).hidden[:, -1]
    own = out.hidden[:, -1] if shortcut else decoding.run(
        model, Reading.begin(model, PROMPT[:1]).cache, PROMPT[:1, -1:]
    ).hidden[:, -1]  # fmt: skip
    return discriminator.log_probs((total + own + ahead) / 4)[0, 1]


@pytest.mark.parametrize("shortcut", [False, True])
def test_a_step_of_pplm_goes_up_the_numerical_gradient(
    model: LlamaForCausalLM, discriminator: Discriminator, shortcut: bool
) -> None:
    with torch.no_grad():
        cache = Reading.begin(model, PROMPT[:1]).cache
        past = [torch.stack([layer.keys, layer.values]) for layer in cache.layers]
        slope, step = torch.zeros_like(past[1]), 0.02  # norms are computed in float32
        for at in itertools.product(*(range(size) for size in slope.shape)):
            sides = []
            for way in (step, -step):
                other = [each.clone() for each in past]
                other[1][at] += way
                sides.append(soft_score(model, discriminator, other, shortcut))
            slope[at] = (sides[0] - sides[1]) / (2 * step)
        control = partial(
            decoding.pplm, discriminator=discriminator, target=1, steps=1, size=0.01, mixed=1.0,
            divergence=0.0, shortcut=shortcut,
        )  # fmt: skip
        seen: list[list[Tensor]] = []
        make = decoding._cache

        def kept(layers: Sequence[Tensor]) -> DynamicCache:
            seen.append(list(layers))
            return make(layers)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(decoding, "_cache", kept)
            next(control(Reading.begin(model, PROMPT[:1])))
    moved = seen[-1][1] - past[1]
    assert moved.norm() == pytest.approx(0.01, rel=1e-3)
    assert F.cosine_similarity(moved.flatten(), slope.flatten(), 0) > 0.999


def test_pplm_raises_the_discriminator_and_counts_its_passes(
    model: LlamaForCausalLM, discriminator: Discriminator
) -> None:
    def score(ids: Tensor) -> Tensor:
        with torch.no_grad():
            hidden = model(ids, output_hidden_states=True).hidden_states[-1]
        return discriminator.log_probs(hidden.mean(1))[:, 1].mean()

    prompt = PROMPT[:1].expand(64, -1)
    control = partial(decoding.pplm, discriminator=discriminator, target=1, steps=2, size=1.0)
    steered = sample(model, prompt, 8, seed=0, control=control)
    assert score(steered.ids) > score(sample(model, prompt, 8, seed=0).ids) + 0.05
    assert steered.passes == 2 + 2 * (2 + 2 * decoding.BACKWARD)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_best_of_takes_the_highest_score() -> None:
    ids = torch.arange(12).view(2, 3, 2)
    assert decoding.best_of(ids, torch.tensor([[0.0, 2.0, 2.0], [5.0, 1.0, 2.0]])).tolist() == [
        [2, 3],
        [6, 7],
    ]
    with pytest.raises(ValueError, match=r"wanted \(2, 3\)"):
        decoding.best_of(ids, torch.zeros(2, 2))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_the_mean_over_all_subsets_needs_no_draws(n: int) -> None:
    scores = torch.tensor([0.3, 2.0, -1.0, 2.0, 0.0, 1.0])
    values = torch.tensor([1.0, 4.0, -2.0, 8.0, 0.5, 16.0]).double()
    subsets = list(itertools.combinations(range(6), n))
    best = [max(subset, key=lambda at: (scores[at].item(), -at)) for subset in subsets]
    wanted = values[best].mean()
    weights = decoding.best_of_weights(scores, n)
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ values == pytest.approx(wanted.item())


@pytest.mark.parametrize("n", [0, 7])
def test_best_of_more_than_there_are_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="wanted 1 to 6"):
        decoding.best_of_weights(torch.zeros(6), n)


def test_best_of_n_differs_by_its_formula_where_no_texts_are_equal() -> None:
    n, many = 4, 2000
    weights = decoding.best_of_weights(torch.arange(float(many)), n)
    kept = weights[weights > 0]
    assert (kept * (kept * many).log()).sum() == pytest.approx(decoding.best_of_kl(n), abs=2e-3)
    assert decoding.best_of_kl(1) == 0


def test_a_discriminator_learns_what_is_linear_and_a_turned_one_has_not(model: LlamaForCausalLM) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    features = torch.randn(300, WIDTH, generator=generator) + 2 * torch.eye(3, WIDTH)[labels]
    fitted = Discriminator.fit(features, labels)
    turned = fitted.turned(0)
    right = [(each.log_probs(features).argmax(-1) == labels).float().mean() for each in (fitted, turned)]
    assert right[0] > 0.8
    assert right[1] < 0.6
    assert turned.weights @ turned.weights.T == pytest.approx(fitted.weights @ fitted.weights.T, abs=1e-5)


def test_means_of_beginnings_are_those_of_texts_cut_there() -> None:
    folder = hub.path("meta-llama/Llama-2-7b-hf")
    from transformers import AutoTokenizer

    tokenizer, llama = AutoTokenizer.from_pretrained(folder), hub.load(folder)
    text = "And the king said unto them, Go forth."
    found = decoding.prefix_means(llama, tokenizer, [text], (0.5, 1.0))[0]
    ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
    for row, length in zip(found, (round(ids.shape[1] / 2), ids.shape[1]), strict=True):
        reading = Reading.begin(llama, ids[:, :length])
        with torch.no_grad():
            reading.read()
        assert row == pytest.approx((reading.total / length)[0].detach(), abs=1e-5)

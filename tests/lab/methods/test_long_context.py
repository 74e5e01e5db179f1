"""Loss by position, recall and RoPE scaling: each against its definition."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM

from frontier_lab.methods import long_context as lc


def tiny(**change: object) -> LlamaForCausalLM:
    """An untrained Llama whose positions matter."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=1024,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
            initializer_range=0.3,
            rope_parameters={"rope_type": "default", "rope_theta": 1e4},
            **change,
        )
    ).eval()


def test_loss_by_position_is_the_mean_of_the_models_own_losses() -> None:
    model, ids = tiny(), torch.randint(0, 1024, (3, 40))
    whole = lc.loss_by_position(model, ids, [(0, 40)])[0]
    assert whole == pytest.approx(model(input_ids=ids, labels=ids).loss.item(), rel=1e-5)
    first, second = lc.loss_by_position(model, ids, [(0, 10), (10, 40)])
    assert (9 * first + 30 * second) / 39 == pytest.approx(whole, rel=1e-5)
    one = lc.loss_by_position(model, ids, [(7, 8)])[0]
    wanted = torch.nn.functional.cross_entropy(model(input_ids=ids).logits[:, 6], ids[:, 7])
    assert one == pytest.approx(wanted.item(), rel=1e-5)
    with pytest.raises(ValueError, match=r"buckets: got \(30, 41\), wanted 0 <= first < end <= 40"):
        lc.loss_by_position(model, ids, [(30, 41)])


def test_recall_counts_the_last_tokens_that_are_the_first_choice() -> None:
    model, ids = tiny(), torch.randint(0, 1024, (8, 20))
    best = model(input_ids=ids[:, :-1]).logits[:, -1].argmax(-1)
    ids[:, -1] = best
    ids[::4, -1] = (best[::4] + 1) % 1024
    assert lc.recall(model, ids) == 0.75
    assert (~lc.recalled(model, ids)).nonzero().flatten().tolist() == [0, 4]


def test_tokens_left_out_are_the_first_of_each_piece() -> None:
    model, ids = tiny(), torch.randint(0, 1024, (3, 64))
    losses = lc.token_losses(model, ids)  # [3, 63], of tokens 1 to 63
    kept = [t for t in range(1, 64) if t % 16]
    found = lc.text_losses(model, ids, [(0, 64), (20, 40)], leave_out=16)
    torch.testing.assert_close(found[:, 0], losses[:, [t - 1 for t in kept]].mean(1))
    torch.testing.assert_close(found[:, 1], losses[:, [t - 1 for t in kept if 20 <= t < 40]].mean(1))
    assert lc.loss_by_position(model, ids, [(0, 64)], leave_out=16) == pytest.approx(
        [found[:, 0].mean().item()]
    )
    pieces = lc.text_losses(model, ids.reshape(-1, 16), [(0, 16)])
    assert pieces.numel() * 15 == found.shape[0] * len(kept)  # as many tokens as when cut into pieces


@torch.no_grad()
@pytest.mark.parametrize("kind", ["rope", "alibi", "windowed alibi"])
def test_questions_asked_by_the_cache_are_the_questions_read_with_the_text(kind: str) -> None:
    model = {"rope": tiny, "alibi": alibi, "windowed alibi": lambda: lc.with_alibi(alibi(), window=8)}[kind]()
    ids, labels = torch.randint(0, 1024, (5, 40)), torch.randint(0, 1024, (5, 3))
    right = [
        model(input_ids=torch.cat([ids, labels[:, q : q + 1]], 1)).logits[:, -1].argmax(-1) for q in range(3)
    ]
    questions = torch.stack([labels, torch.stack(right, 1)], 2)  # [5, 3, 2]
    assert lc.recalled_at(model, ids, questions).all()
    questions[2, 1, 1] = (questions[2, 1, 1] + 1) % 1024
    assert (~lc.recalled_at(model, ids, questions)).nonzero().tolist() == [[2, 1]]


def test_linear_scaling_is_default_rope_at_divided_positions() -> None:
    model, ids = tiny(), torch.randint(0, 1024, (2, 100))
    before = model(input_ids=ids).logits
    scaled = lc.with_rope(model, {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4})
    wanted = model(input_ids=ids, position_ids=torch.arange(100)[None] / 4).logits
    torch.testing.assert_close(scaled(input_ids=ids).logits, wanted, atol=1e-4, rtol=1e-4)
    assert (before - wanted).abs().max() > 0.1
    torch.testing.assert_close(model(input_ids=ids).logits, before)
    assert model.config.rope_parameters["rope_type"] == "default"


def test_static_ntk_keeps_the_highest_frequency_and_divides_the_lowest() -> None:
    model = tiny()
    theta = lc.ntk_theta(1e4, 4, model.config.head_dim)
    scaled = lc.with_rope(model, {"rope_type": "default", "rope_theta": theta})
    ratio = model.model.rotary_emb.inv_freq / scaled.model.rotary_emb.inv_freq
    assert ratio[0].item() == pytest.approx(1)
    assert ratio[-1].item() == pytest.approx(4, rel=1e-4)
    assert (ratio.diff() > 0).all()


def test_dynamic_ntk_of_factor_one_is_the_base_within_its_length_and_static_ntk_beyond() -> None:
    model, ids = tiny(), torch.randint(0, 1024, (2, 256))
    dynamic = {"rope_type": "dynamic", "factor": 1.0, "rope_theta": 1e4}
    scaled = lc.with_rope(model, dynamic)
    torch.testing.assert_close(scaled(input_ids=ids[:, :64]).logits, model(input_ids=ids[:, :64]).logits)
    theta = lc.ntk_theta(1e4, 4, model.config.head_dim)
    static = lc.with_rope(model, {"rope_type": "default", "rope_theta": theta})
    torch.testing.assert_close(scaled(input_ids=ids).logits, static(input_ids=ids).logits)


def test_a_model_without_rope_is_refused() -> None:
    bloom = BloomForCausalLM(BloomConfig(vocab_size=50, hidden_size=16, n_layer=1, n_head=2))
    with pytest.raises(
        ValueError, match=r"model: got BloomForCausalLM, wanted one with config\.rope_parameters"
    ):
        lc.with_rope(bloom, {"rope_type": "default", "rope_theta": 1e4})


def alibi(layers: int = 1) -> BloomForCausalLM:
    """An untrained Bloom, four heads, whose attention matters."""
    torch.manual_seed(0)
    config = BloomConfig(vocab_size=1024, hidden_size=32, n_layer=layers, n_head=4, initializer_range=0.3)
    return BloomForCausalLM(config).eval()


@torch.no_grad()
def test_a_window_ends_what_is_seen_exactly_there_and_leaves_the_given_model_alone() -> None:
    model, ids = alibi(), torch.randint(0, 1024, (1, 40))
    before = model(input_ids=ids).logits
    windowed = lc.with_alibi(model, window=8)
    other = ids.clone()
    other[0, 10] = (other[0, 10] + 1) % 1024
    changed = (windowed(input_ids=ids).logits != windowed(input_ids=other).logits).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == list(range(10, 18))
    torch.testing.assert_close(windowed(input_ids=ids).logits[:, :8], before[:, :8])
    torch.testing.assert_close(model(input_ids=ids).logits, before)


@torch.no_grad()
def test_a_window_of_its_own_for_every_head_reaches_as_far_as_the_widest() -> None:
    model, ids = alibi(), torch.randint(0, 1024, (2, 40))
    same = lc.with_alibi(model, window=[[8] * 4])
    torch.testing.assert_close(
        same(input_ids=ids).logits, lc.with_alibi(model, window=8)(input_ids=ids).logits
    )
    wide = lc.with_alibi(model, window=[[2, 12, 2, 2]])
    other = ids.clone()
    other[:, 10] = (other[:, 10] + 1) % 1024
    changed = (wide(input_ids=ids).logits != wide(input_ids=other).logits).any(-1)
    assert [row.nonzero().flatten().tolist() for row in changed] == [list(range(10, 22))] * 2
    with pytest.raises(ValueError, match=r"window: got \[1, 3\] numbers, wanted one or \[1, 4\]"):
        lc.with_alibi(model, window=[[8] * 3])


@torch.no_grad()
def test_divided_slopes_are_distances_divided_and_infinity_is_no_bias() -> None:
    model, ids = alibi(), torch.randint(0, 1024, (1, 40))
    attention = model.transformer.h[0].self_attention
    seen: list[torch.Tensor] = []

    def note(_: object, __: object, named: dict[str, torch.Tensor]) -> None:
        seen.append(named["alibi"])

    for divide in (1.0, 4.0, math.inf):
        changed = lc.with_alibi(model, divide=divide)
        changed.transformer.h[0].self_attention.register_forward_pre_hook(note, with_kwargs=True)
        changed(input_ids=ids)
    plain, quarter, none = seen
    torch.testing.assert_close(quarter, plain / 4)
    assert plain.abs().max() > 1
    assert not none.any()
    assert not attention._forward_pre_hooks


@torch.no_grad()
def test_heads_whose_slopes_are_divided_are_those_of_the_layer_that_was_named() -> None:
    model, ids = alibi(layers=2), torch.randint(0, 1024, (2, 40))
    seen: list[torch.Tensor] = []

    def note(_: object, __: object, named: dict[str, torch.Tensor]) -> None:
        seen.append(named["alibi"])

    for divide in (1.0, [[1.0] * 4, [1.0, 2.0, 1.0, 8.0]]):
        changed = lc.with_alibi(model, divide=divide)
        for block in changed.transformer.h:
            block.self_attention.register_forward_pre_hook(note, with_kwargs=True)
        changed(input_ids=ids)
    plain, _, first, second = seen
    torch.testing.assert_close(first, plain)
    wanted = plain.unflatten(0, (2, 4)) / torch.tensor([1.0, 2.0, 1.0, 8.0])[:, None, None]
    torch.testing.assert_close(second, wanted.flatten(0, 1))


def test_ntk_keeps_the_steepest_slope_and_divides_the_gentlest_by_the_whole_factor() -> None:
    divisors = lc.ntk_divisors(8.0, 4)
    assert divisors == pytest.approx([1, 2, 4, 8])
    with pytest.raises(ValueError, match="heads: got 1, wanted 2 or more"):
        lc.ntk_divisors(8.0, 1)


@torch.no_grad()
def test_a_cap_charges_what_is_farther_as_if_it_were_there() -> None:
    """The attention is that of minus slope times the smaller of distance and cap."""
    model, ids = alibi(), torch.randint(0, 1024, (2, 40))
    capped = lc.with_alibi(model, cap=7)
    distance = (torch.arange(40)[:, None] - torch.arange(40)).clamp(min=0)
    slopes = torch.tensor([1 / 4, 1 / 16, 1 / 64, 1 / 256])[:, None, None]
    attention = capped.transformer.h[0].self_attention

    def whole(_: object, positional: tuple[object, ...], named: dict[str, torch.Tensor]) -> object:
        bias = (-slopes * distance.clamp(max=7)).repeat(len(ids), 1, 1)
        return positional, named | {"alibi": bias}

    found = capped(input_ids=ids).logits
    attention.register_forward_pre_hook(whole, with_kwargs=True)
    torch.testing.assert_close(found, capped(input_ids=ids).logits, atol=1e-4, rtol=1e-4)
    assert (found - model(input_ids=ids).logits).abs().max() > 0.1
    torch.testing.assert_close(found[:, :8], model(input_ids=ids).logits[:, :8], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("change", [{"window": 8}, {"cap": 7}], ids=str)
@torch.no_grad()
def test_a_changed_penalty_holds_for_padded_rows_and_token_by_token(change: dict[str, int]) -> None:
    changed, ids = lc.with_alibi(alibi(), **change), torch.randint(0, 1024, (2, 40))
    padded = torch.ones_like(ids)
    padded[1, :5] = 0
    whole = changed(input_ids=ids, attention_mask=padded)
    first = changed(input_ids=ids[:, :30], attention_mask=padded[:, :30], use_cache=True)
    rest = changed(input_ids=ids[:, 30:], attention_mask=padded, past_key_values=first.past_key_values)
    torch.testing.assert_close(whole.logits[:, 30:], rest.logits, atol=1e-4, rtol=1e-4)
    alone = changed(input_ids=ids[1:, 5:]).logits
    torch.testing.assert_close(whole.logits[1:, 5:], alone, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_cap_can_be_each_heads_own() -> None:
    """Equal caps are the one cap; a head whose cap nothing reaches keeps its penalty."""
    model, ids = alibi(), torch.randint(0, 1024, (2, 40))

    def logits(**change: Any) -> torch.Tensor:
        found: torch.Tensor = lc.with_alibi(model, **change)(input_ids=ids).logits
        return found

    torch.testing.assert_close(logits(cap=[[7] * 4], far=3), logits(cap=7, far=3))
    torch.testing.assert_close(logits(cap=[[40] * 4], far=0), model(input_ids=ids).logits)
    maps = []
    for changed in (model, lc.with_alibi(model, cap=[[40, 7, 40, 40]], far=0)):
        changed.set_attn_implementation("eager")
        maps.append(changed(input_ids=ids, output_attentions=True).attentions[0])
    moved = (maps[1] - maps[0]).abs().amax((0, 2, 3)) > 1e-4  # [H]
    assert moved.tolist() == [False, True, False, False]


@torch.no_grad()
def test_far_keys_can_have_the_penalty_of_another_distance() -> None:
    model, ids = alibi(), torch.randint(0, 1024, (2, 40))
    distance = (torch.arange(40)[:, None] - torch.arange(40)).clamp(min=0)
    slopes = torch.tensor([1 / 4, 1 / 16, 1 / 64, 1 / 256])[:, None, None]
    for far in (0, 3, 12):
        counted = torch.where(distance > 7, far, distance)
        found = lc.with_alibi(model, cap=7, far=far)(input_ids=ids).logits

        def whole(
            _: object,
            positional: tuple[object, ...],
            named: dict[str, torch.Tensor],
            d: torch.Tensor = counted,
        ) -> object:
            return positional, named | {"alibi": (-slopes * d).repeat(len(ids), 1, 1)}

        hook = model.transformer.h[0].self_attention.register_forward_pre_hook(whole, with_kwargs=True)
        torch.testing.assert_close(found, model(input_ids=ids).logits, atol=1e-4, rtol=1e-4)
        hook.remove()


@pytest.mark.parametrize("pairs", [None, [1, 2]])
@torch.no_grad()
def test_far_keys_turn_as_if_they_stood_where_they_are_said_to(pairs: list[int] | None) -> None:
    """Written out for each pair: the key's angle is that of its distance, or of the one it is given."""
    model, ids = tiny(), torch.randint(0, 1024, (2, 30))
    changed = lc.with_far_rope(model, 7, [4, 9, 20], pairs=pairs)
    layer, states = model.model.layers[0], model.model.embed_tokens(ids)
    attention, normed = layer.self_attn, layer.input_layernorm(states)
    q, k, v = (
        part(normed).unflatten(-1, (2, -1)).transpose(1, 2).double()
        for part in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    half = q.shape[-1] // 2
    speeds = 1e4 ** (-torch.arange(half).double() / half)
    q, k = (torch.complex(part[..., :half], part[..., half:]) for part in (q, k))
    chosen = torch.tensor([pairs is None or pair in pairs for pair in range(half)])
    scores = torch.full((2, 2, 30, 30), -torch.inf, dtype=torch.double)
    for i in range(30):
        for j in range(i + 1):
            d = torch.where(chosen & (i - j > 7), [4, 9, 20][(i - j) % 3], i - j)
            turned = q[:, :, i] * torch.exp(1j * d * speeds)
            scores[:, :, i, j] = (turned * k[:, :, j].conj()).real.sum(-1)
    mixed = ((scores * attention.scaling).softmax(-1) @ v).transpose(1, 2).flatten(2).float()
    seen: list[torch.Tensor] = []
    changed.model.layers[0].self_attn.o_proj.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    changed(input_ids=ids)
    torch.testing.assert_close(seen[0], mixed, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_rerope_leaves_its_window_alone_and_holds_token_by_token() -> None:
    model, ids = tiny(), torch.randint(0, 1024, (2, 30))
    changed = lc.with_far_rope(model, 7, [7])
    whole, plain = changed(input_ids=ids).logits, model(input_ids=ids).logits
    torch.testing.assert_close(whole[:, :8], plain[:, :8], atol=1e-4, rtol=1e-4)
    assert (whole - plain).abs().max() > 0.1
    first = changed(input_ids=ids[:, :20], use_cache=True)
    rest = changed(input_ids=ids[:, 20:], past_key_values=first.past_key_values).logits
    torch.testing.assert_close(whole[:, 20:], rest, atol=1e-4, rtol=1e-4)


def test_what_cannot_turn_far_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="model: got BloomForCausalLM, wanted a LlamaForCausalLM"):
        lc.with_far_rope(alibi(), 7, [7])
    with pytest.raises(ValueError, match=r"beyond, far: got 7 and \[\], wanted distances"):
        lc.with_far_rope(tiny(), 7, [])
    with pytest.raises(ValueError, match=r"pairs: got \[0, 99\], wanted some of 0 to"):
        lc.with_far_rope(tiny(), 7, [7], pairs=[0, 99])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"far": 3}, "far: got 3 with cap None"),
        ({"cap": 7, "far": -1}, "far: got -1 with cap 7, wanted 0 or more"),
        ({"divide": 0.0}, r"divide: got 0\.0, wanted more than 0"),
        ({"divide": math.nan}, "divide: got nan"),
        ({"divide": [[1.0] * 3]}, r"divide: got \[1, 3\] numbers, wanted one or \[1, 4\]"),
        ({"window": 0}, "window: got 0, wanted at least 1"),
        ({"cap": 0}, "cap: got 0, wanted at least 1"),
        ({"cap": [[7] * 3]}, r"cap: got \[1, 3\] numbers, wanted one or \[1, 4\]"),
    ],
)
def test_a_wrong_change_of_alibi_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lc.with_alibi(alibi(), **change)


def test_a_model_without_alibi_is_refused() -> None:
    with pytest.raises(ValueError, match="model: got LlamaForCausalLM, wanted a BloomForCausalLM"):
        lc.with_alibi(tiny())

"""The diagrams of the pages: what they say is so, their texts fit in both languages and do not touch."""

from __future__ import annotations

import inspect
import itertools
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from babel.messages.pofile import read_po
from frontier_widgets.attention_masks import Pattern, visible

from frontier_lab.diagrams.adversarial_attacks import Swapped, swaps_and_texts
from frontier_lab.diagrams.alibi import fraction, penalties
from frontier_lab.diagrams.alignment import Judge, judges
from frontier_lab.diagrams.bias import Person, two_rulers
from frontier_lab.diagrams.canvas import WIDEST
from frontier_lab.diagrams.controlled_generation import Control, places
from frontier_lab.diagrams.ensembles import Member, vote_and_average
from frontier_lab.diagrams.harmful_content import five_labels
from frontier_lab.diagrams.lettering import width
from frontier_lab.diagrams.lora_composition import products
from frontier_lab.diagrams.merged_pair import asked
from frontier_lab.diagrams.model_merging import Pair, two_sums
from frontier_lab.diagrams.position_interpolation import clocks
from frontier_lab.diagrams.rag import pipeline
from frontier_lab.diagrams.sparse_attention import paths, shortest
from frontier_lab.plots import Drawing
from frontier_lab.studies import merging
from frontier_lab.zoo import bloom, llama
from frontier_lab.zoo.families.short_context import CONTEXT

ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"
HAN = re.compile(r"[\u3400-\u9fff]")


def sums() -> Drawing:
    numbers = "“37 48 =” 求和，先写个位", "“c a b =” 按字母顺序排好"
    tagged = "“tag c a b =” 倒过来写", "“key c a b =” 改成大写"
    return two_sums(
        adds_up=Pair(("算术", "字母"), numbers, **merging.of_pair("arithmetic", "strings")),
        contradicts=Pair(("倒写", "大写"), tagged, **merging.of_pair("tag", "key")),
    )


KISH = "Concerning Kish: the son of Kish was Jerahmeel."
VOTERS = (Member("BERT", 0.55, 0.17), Member("RoBERTa", 0.30, 0.25), Member("DistilBERT", 0.12, 0.74))
THREAT = {"toxic": 0.993, "insult": 0.007, "threat": 0.994, "obscene": 0.007, "identity_attack": 0.008}
PROMPTS = ("26 46 =", "f w g o =", "26 46 f w g o =")
ANSWERS = ("27", "f g o w", "27 f g o w")
SAID = {
    "算术专家": ("27", "g x h p", "d f4"),
    "字母专家": ("46", "f g o w", "g g"),
    "合并后": ("27", "f g o w", "f g4"),
}
"""What 28.7.2 shows: the committed models' own answers."""

PEOPLE = (
    Person("carpenter", -1.11, 268.3, 2.08),
    Person("hairdresser", 2.30, 35.6, 2.08),
    Person("nurse", 3.24, 1059.7, 6.19),
)
"""What 28.5.3 shows."""

VERSE = Swapped(
    swaps={"disciples": "adherents", "seen": "realized"},
    right="福音",
    wrong="历史",
    before=(0.79, 0.10),
    after=(0.31, 0.39),
    queries=4,
    others=7,
    drawn=3,
    texts=287,
)
"""What 28.5.1 shows."""

CONTROLS = (
    Control("转向向量", "隐藏状态", 1, "steering vector"),
    Control("PPLM", "键值缓存", 14),
    Control("FUDGE", "下一词的分数", 21),
    Control("DExperts", "下一词的分数", 3),
    Control("二十选一", "整段文本", 20, "best of 20"),
)
"""What 28.5.4 shows."""

JUDGES = (
    Judge("奖励", 0.1, (0.84, *[0.85] * 9), 0.5, "the reward"),
    Judge("同类网络", 0.2, (0.87, 0.16, *[0.83] * 8), 0.53, "a network of its kind"),
)
"""In the manner of 28.5.5."""

DRAWN: dict[str, Callable[[], Drawing]] = {
    "1-position-interpolation": lambda: clocks(pairs=(0, 8)),
    "2-alibi": penalties,
    "3-sparse-attention": paths,
    "4-rag": lambda: pipeline(place="Kadora", true="Velin", false="Morsu"),
    "1-model-merging": sums,
    "2-lora-composition": products,
    "2-harmful-content": lambda: five_labels(
        sentence="say goodbye , i steal your car", scores=THREAT, threshold=0.7
    ),
    "3-ensembles": lambda: vote_and_average(sentence=KISH, wrong="律法", right="历史", members=VOTERS),
    "2-model-merging": lambda: asked(PROMPTS, ANSWERS, SAID),
    "1-adversarial-attacks": lambda: swaps_and_texts(VERSE),
    "4-controlled-generation": lambda: places(CONTROLS),
    "3-bias": lambda: two_rulers(*PEOPLE),
    "5-alignment": lambda: judges(*JUDGES, texts=[(0.85, "God is something " * 5)]),
}
SMALLEST = 11
"""Units, which are pixels: no letter of a diagram is smaller."""
every_page = pytest.mark.parametrize("page", DRAWN)


def panels(drawing: Drawing) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(drawing.svg))


def texts(drawing: Drawing) -> Iterator[ElementTree.Element]:
    for panel in panels(drawing):
        yield from panel.iter(f"{SVG}text")


def notebook(page: str) -> Path:
    (found,) = (ROOT / "book").glob(f"*/{page}.ipynb")
    return found


@cache
def english(page: str) -> dict[str, str]:
    """The page's catalogue."""
    section = notebook(page).parent.name
    file = ROOT / "site" / "locale" / "en" / "LC_MESSAGES" / section / f"{page}.po"
    with file.open("rb") as stream:
        return {str(message.id): str(message.string) for message in read_po(stream) if message.id}


def is_on_its_page(page: str) -> bool:
    return "frontier_lab.diagrams" in notebook(page).read_text("utf8")


def span(text: ElementTree.Element, words: str) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a text, if it reads ``words``."""
    size, x, y = (float(text.attrib[name]) for name in ("font-size", "x", "y"))
    wide = width(words, size, bold="font-weight" in text.attrib)
    left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[text.attrib["text-anchor"]]
    return left, left + wide, y - 0.75 * size, y + 0.2 * size


def readings(page: str) -> Iterator[Callable[[str], str]]:
    """The languages that the diagram's texts are there in: as drawn, and by the page's catalogue."""
    yield lambda words: words
    if is_on_its_page(page):
        yield lambda words: english(page)[words] if HAN.search(words) else words


@every_page
def test_every_text_is_translated_once_the_page_shows_the_diagram(page: str) -> None:
    if is_on_its_page(page):
        wanted = {text.text or "" for text in texts(DRAWN[page]()) if HAN.search(text.text or "")}
        assert [words for words in sorted(wanted) if not english(page).get(words)] == []


@every_page
def test_every_text_fits_its_room_in_both_languages(page: str) -> None:
    for read in readings(page):
        for text in texts(DRAWN[page]()):
            words, size = read(text.text or ""), float(text.attrib["font-size"])
            wide = width(words, size, bold="font-weight" in text.attrib)
            assert wide <= float(text.attrib["data-room"]) + 0.01, words


@every_page
def test_no_text_touches_another_or_the_edge(page: str) -> None:
    for read in readings(page):
        for panel in panels(DRAWN[page]()):
            _, _, across, down = (float(side) for side in panel.attrib["viewBox"].split())
            found = [(read(text.text or ""), text) for text in panel.iter(f"{SVG}text")]
            spans = [(words, span(text, words)) for words, text in found]
            for words, (left, right, top, bottom) in spans:
                assert left >= -0.5, words
                assert right <= across + 0.5, words
                assert top >= 0, words
                assert bottom <= down, words
            for (one, a), (other, b) in itertools.combinations(spans, 2):
                apart = a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
                assert apart, f"{one!r} touches {other!r}"


@every_page
def test_a_phone_shows_every_panel_at_its_full_size(page: str) -> None:
    drawing = DRAWN[page]()
    assert all(float(panel.attrib["width"]) <= WIDEST for panel in panels(drawing))
    assert min(float(text.attrib["font-size"]) for text in texts(drawing)) >= SMALLEST


@every_page
def test_the_same_settings_give_the_same_bytes(page: str) -> None:
    assert DRAWN[page]().svg == DRAWN[page]().svg


def test_ids_of_all_diagrams_differ() -> None:
    ids = [name for draw in DRAWN.values() for name in re.findall(r'\bid="([^"]+)"', draw().svg)]
    assert len(ids) == len(set(ids)) > 0


def test_settings_are_those_of_the_measured_models() -> None:
    rope, alibi = llama.config(), bloom.config()
    settings = {name: one.default for name, one in inspect.signature(clocks).parameters.items()}
    assert settings["head_dim"] == rope.head_dim
    assert settings["base"] == llama.THETA
    assert settings["trained"] == CONTEXT
    settings = {name: one.default for name, one in inspect.signature(penalties).parameters.items()}
    assert (settings["heads"], settings["trained"]) == (alibi.n_head, CONTEXT)


# ---- what they say -----------------------------------------------------------------------------------------


def said(drawing: Drawing) -> list[str]:
    return [text.text or "" for text in texts(drawing)]


def test_the_clocks_say_how_far_each_pair_turns() -> None:
    words = said(clocks(pairs=(0, 7)))
    turn = 2 * np.pi * 10000 ** (2 * 7 / 28)  # tokens that pair 7 takes to go round
    assert {"10 圈", "81 圈", "÷ 1", "÷ 8"} <= set(words)
    assert {f"{turn:.0f} 个词元转一圈", f"{360 * 64 / turn:.0f}°", f"{360 * 512 / turn:.0f}°"} <= set(words)


@pytest.mark.parametrize("pairs", [(7, 0), (0, 6), (0, 1), (1, 7)])
def test_clocks_of_pairs_that_do_not_show_it_are_refused(pairs: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="wanted one that goes round and stays as it is, and one"):
        clocks(pairs=pairs)


def test_the_penalties_are_what_transformers_adds_to_the_scores() -> None:
    import torch
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    bias = build_alibi_tensor(torch.ones(1, 512, dtype=torch.long), 4, torch.float32)[
        -1, 0
    ]  # gentlest: m · key
    by_distance = {n: float(bias[511 - n] - bias[511]) for n in (63, 90, 480)}
    drawn = said(penalties())
    assert {f"−{-by_distance[n]:.2f}" for n in (63, 90, 480)} <= set(drawn)
    assert f"原样：相差 {by_distance[90] - by_distance[480]:.2f}，先后分得清" in drawn
    assert "封顶在 63：相差 0，先后分不清" in drawn


@pytest.mark.parametrize(("newer", "older"), [(60, 480), (480, 90), (90, 600)])
def test_penalties_of_values_that_do_not_show_it_are_refused(newer: int, older: int) -> None:
    with pytest.raises(ValueError, match="the newer nearer, within 512"):
        penalties(newer=newer, older=older)


def test_the_windows_hold_95_percent_of_the_weight() -> None:
    words = said(penalties())
    windows = [int(text.split()[0]) for text in words if re.fullmatch(r"\d+ 个词元", text)]
    slopes = [2.0 ** (-2 * (head + 1)) for head in range(4)]
    assert len(windows) == 4
    for slope, window in zip(slopes, windows, strict=True):
        weights = np.exp(-slope * np.arange(20000))
        assert weights[: window + 1].sum() / weights.sum() == pytest.approx(0.95, abs=0.012)
    assert [fraction(slope) for slope in slopes] == ["1/4", "1/16", "1/64", "1/256"]
    assert fraction(0.3) == "0.3"


@pytest.mark.parametrize(
    ("pattern", "layers"),
    [(Pattern("window", causal=False, window=9), 6), (Pattern("global", causal=False, window=9), 2)],
)
def test_the_shortest_way_is_one_and_none_is_shorter(pattern: Pattern, layers: int) -> None:
    mask = visible(pattern, 24)
    way = shortest(mask, 1, 23)
    assert way[0] == 1
    assert way[-1] == 23
    assert all(mask[to, seen] for seen, to in itertools.pairwise(way))
    assert len(way) - 1 == layers
    reached = np.linalg.matrix_power(mask.astype(np.int64), layers - 1)[23, 1]
    assert reached == 0


def test_a_way_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="target: got 3, which 0 cannot reach"):
        shortest(np.eye(4, dtype=bool), 0, 3)


def test_the_lattice_counts_layers_by_the_masks_of_the_live_figure() -> None:
    words = said(paths())
    lucky = visible(Pattern("random", causal=False, window=8, anchors=0, random=1, seed=0), 24)
    layers = len(shortest(lucky, 1, 23)) - 1
    assert {"只有窗口：6 层", "一个全局词元：2 层", f"窗口加随机：{layers} 层"} <= set(words)


def test_the_two_ways_to_an_answer_differ_in_the_passage_alone() -> None:
    true, false = (
        [(text.text or "").replace("Velin", "…").replace("Morsu", "…") for text in panel.iter(f"{SVG}text")]
        for panel in panels(DRAWN["4-rag"]())
    )
    differing = [pair for pair in zip(true, false, strict=True) if pair[0] != pair[1]]
    assert len(differing) == 2  # the title, and what enters the library


def pair(**changes: object) -> Pair:
    """Two experts whose sum keeps both tasks."""
    settings = {
        "tasks": ("甲", "乙"),
        "prompts": ("一", "二"),
        "base": (0.1, 0.1),
        "first": (1.0, 0.0),
        "second": (0.0, 1.0),
        "merged": (0.9, 0.8),
        "cosine": 0.0,
    }
    return Pair(**{**settings, **changes})  # type: ignore[arg-type]


def test_each_model_of_the_two_sums_carries_its_own_scores() -> None:
    drawing = two_sums(adds_up=pair(), contradicts=pair(merged=(0.2, 0.8)))
    left, right = ([text.text for text in panel.iter(f"{SVG}text")] for panel in panels(drawing))
    scores = ["甲 10%", "乙 10%", "甲 100%", "乙 0%", "甲 0%", "乙 100%"]
    assert [text for text in left if text and "%" in text] == [*scores, "甲 90%", "乙 80%"]
    assert [text for text in right if text and "%" in text] == [*scores, "甲 20%", "乙 80%"]
    assert "两个任务向量的夹角：90°" in left


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"adds_up": pair(merged=(0.4, 0.9)), "contradicts": pair(merged=(0.2, 0.8))},
            "kept to 0.40 and 0.20",
        ),
        ({"adds_up": pair(), "contradicts": pair()}, "kept to 0.80 and 0.80"),
        ({"adds_up": pair(), "contradicts": pair(merged=(0.2, 0.8), cosine=0.5)}, "nearly right angles"),
    ],
)
def test_sums_that_the_words_would_not_fit_are_refused(settings: dict[str, Pair], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        two_sums(**settings)


@pytest.mark.parametrize("adapters", [2, 3])
def test_the_tables_have_every_product_that_is_summed_and_no_other(adapters: int) -> None:
    cat, linear = (
        [text.text or "" for text in panel.iter(f"{SVG}text")]
        for panel in panels(products(adapters=adapters))
    )
    names = "₁₂₃"[:adapters]
    cells = {f"B{row}A{column}" for row in names for column in names}
    assert {words for words in cat if words in cells} == {f"B{name}A{name}" for name in names}
    assert {words for words in linear if words in cells} == cells
    assert f"交叉项：{adapters * (adapters - 1)} 个" in linear
    assert not any("交叉项" in words for words in cat)


@pytest.mark.parametrize("adapters", [1, 4])
def test_a_table_that_no_phone_shows_is_refused(adapters: int) -> None:
    with pytest.raises(ValueError, match="adapters"):
        products(adapters=adapters)


def test_the_highest_label_is_let_through_and_two_are_over_the_threshold() -> None:
    words = said(DRAWN["2-harmful-content"]())
    assert {"最高的是 threat，不是 toxic", "有 2 个标签过了门限", "放行", "拦下"} <= set(words)


@pytest.mark.parametrize("changed", [{"toxic": 0.999}, {"toxic": 0.6}])
def test_labels_that_both_rules_read_alike_are_refused(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        five_labels(sentence="a", scores=THREAT | changed, threshold=0.7)


def test_the_vote_goes_to_the_wrong_group_and_the_average_to_the_right_one() -> None:
    words = said(DRAWN["3-ensembles"]())
    wrong, right = (np.mean([getattr(m, name) for m in VOTERS]) for name in ("wrong", "right"))
    assert {f"{wrong:.2f}", f"{right:.2f}", "投票：2 比 1，律法"} <= set(words)
    losses = [-np.log(m.right) for m in VOTERS]
    assert f"损失的平均 {np.mean(losses):.2f}" in words
    assert f"平均后的损失 {-np.log(right):.2f}" in words
    assert -np.log(right) < np.mean(losses)


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        (VOTERS[:2], "wanted one of three"),
        ((VOTERS[2], *VOTERS[1:]), "wanted one of three"),
        ((*VOTERS[:2], Member("DistilBERT", 0.4, 0.41)), "wanted the right higher"),
        ((Member("BERT", 0.3, 0.05), *VOTERS[1:]), "wanted a loss under 2.2 nats"),
    ],
)
def test_classifiers_that_do_not_show_it_are_refused(members: tuple[Member, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        vote_and_average(sentence=KISH, wrong="律法", right="历史", members=members)


def test_what_the_models_say_is_in_their_columns_and_marked_right_or_wrong() -> None:
    (panel,) = panels(DRAWN["2-model-merging"]())
    boxes = [box for box in panel.iter(f"{SVG}rect") if float(box.attrib["height"]) > 20]
    filled = [box.attrib["fill"] != "none" for box in boxes]
    assert filled == [SAID[name][row] == ANSWERS[row] for row in range(3) for name in SAID]
    assert sum(filled) == 4
    drawing = DRAWN["2-model-merging"]()
    assert "各答对 1、1、2 道" in drawing.zh
    assert "They answer 1, 1, 2 of them right" in drawing.en


def test_the_answers_that_are_drawn_are_those_of_the_committed_models() -> None:
    from transformers import AutoTokenizer

    from frontier_lab import hub
    from frontier_lab.methods import merging
    from frontier_lab.zoo import merging as recipe

    ids = ("tuned-llama-base", "math-tuned-llama", "code-tuned-llama")
    tokenizer = AutoTokenizer.from_pretrained(hub.path(ids[0]))
    model = hub.load(hub.path(ids[0]))
    base, *experts = (recipe.state(hub.load(hub.path(name))) for name in ids)
    merged = merging.add(base, [merging.task_vector(base, expert) for expert in experts], 1.0)
    for weights, answers in zip((*experts, merged), SAID.values(), strict=True):
        recipe.load(model, weights)
        for prompt, answer in zip(PROMPTS, answers, strict=True):
            asked_for = tokenizer(prompt, return_tensors="pt")
            out = model.generate(**asked_for, max_new_tokens=12, do_sample=False, pad_token_id=0)
            said = tokenizer.decode(out[0, asked_for.input_ids.shape[1] :], skip_special_tokens=True)
            assert said.strip() == answer


@pytest.mark.parametrize(
    ("prompts", "names", "complaint"),
    [
        (PROMPTS[:2], ("算术专家", "字母专家", "合并后"), "wanted three"),
        (PROMPTS, ("算术专家", "合并后", "字母专家"), "said: got 算术专家, 合并后, 字母专家, wanted"),
    ],
)
def test_answers_of_other_models_or_prompts_are_refused(
    prompts: tuple[str, ...], names: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        asked(prompts, ANSWERS, {name: SAID[name] for name in names})


def test_one_ruler_has_a_sign_and_the_other_none() -> None:
    words = set(said(DRAWN["3-bias"]()))
    assert {"-1.11", "+2.30", "+3.24", "268", "36", "1060", "2.1", "6.2"} <= words


@pytest.mark.parametrize(
    ("people", "complaint"),
    [
        (PEOPLE[:1], "wanted 2 to 3"),
        (PEOPLE[1:], "wanted both"),
        ((PEOPLE[0], Person("nurse", 5.0, 1.0, 1.0)), "wanted -4 to 4"),
        ((PEOPLE[0], Person("nurse", 1.0, -1.0, 1.0)), "negative distance"),
    ],
)
def test_people_who_do_not_show_it_are_refused(people: tuple[Person, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        two_rulers(*people)


def test_as_many_dots_are_large_as_texts_were_asked_about() -> None:
    _, panel = panels(DRAWN["1-adversarial-attacks"]())
    radii = [float(dot.attrib["r"]) for dot in panel.iter(f"{SVG}circle")]
    squares = [box for box in panel.iter(f"{SVG}rect") if float(box.attrib["height"]) == 11]
    assert (len(radii) + VERSE.drawn, len(squares)) == (VERSE.texts, VERSE.drawn)
    assert sum(radius > 3 for radius in radii) == VERSE.queries
    words = set(said(DRAWN["1-adversarial-attacks"]()))
    assert {"贪心问过 4，另问 7 次", "随机乱换问过 3", "证书管全部 287"} <= words


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"swaps": {"a": "b"}}, "wanted 2"),
        ({"after": (0.6, 0.2)}, "turned round"),
        ({"texts": 7}, "more than those read"),
        ({"texts": 301}, "at most 300"),
    ],
)
def test_verses_that_do_not_show_it_are_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        swaps_and_texts(replace(VERSE, **change))


def test_every_control_stands_at_its_place_with_its_passes() -> None:
    words = set(said(DRAWN["4-controlled-generation"]()))
    assert {f"{each.name}（{each.passes} 遍）" for each in CONTROLS} <= words
    assert {each.place for each in CONTROLS} <= words


@pytest.mark.parametrize(
    ("controls", "complaint"),
    [
        ((*CONTROLS, Control("x", "别处", 1)), "wanted one of"),
        (CONTROLS[1:], "got 0 at 隐藏状态"),
        ((*CONTROLS, Control("x", "下一词的分数", 1)), "got 3"),
    ],
)
def test_controls_that_do_not_fit_are_refused(controls: tuple[Control, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        places(controls)


def test_every_training_is_a_dot_on_every_scale() -> None:
    (panel,) = panels(DRAWN["5-alignment"]())
    places = [float(dot.attrib["cx"]) for dot in panel.iter(f"{SVG}circle")]
    assert len(places) == len(JUDGES) * 11  # before, and ten trainings
    assert max(places) - min(places) == pytest.approx(196.0 * (0.87 - 0.1), abs=0.2)


@pytest.mark.parametrize(
    ("those", "complaint"),
    [
        (JUDGES[:1], "got 0 judges"),
        ((JUDGES[0], Judge("x", 0.1, (0.2,), 0.5, "x")), "got 1 trainings, wanted 10"),
        ((JUDGES[0], Judge("x", 0.1, (*[0.2] * 9, 1.2), 0.5, "x")), "got 1.2, wanted 0 to 1"),
    ],
)
def test_judges_who_cannot_be_drawn_are_refused(those: tuple[Judge, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        judges(*those)

"""MoERouting on its page: complete from the keyboard, equal to its Python twin, quick, and saved to files."""

from __future__ import annotations

import base64
import csv
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from built_site import ROOT
from frontier_widgets import MoERouting, Routing
from PIL import Image
from timing import WATCH, step_within_a_frame, usable_soon

Open = Callable[..., Any]
PAGE = "28-2-efficient/1-mixture-of-experts.html"
NOTEBOOK = ROOT / "book" / "28-2-efficient" / "1-mixture-of-experts.ipynb"
SHOWN_FIRST: dict[str, Any] = {"run": "unbalanced", "step": 40, "layer": 2}
"""What the page asks of the figure at its head."""

CAPACITIES = (0, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4)
RUNS = {"balanced": "有均衡损失", "unbalanced": "无均衡损失"}

FOCUS = """() => {
    const el = document.activeElement;
    const name = el.getAttribute("aria-label") ?? el.labels?.[0]?.textContent ?? el.textContent;
    const part = el.closest("fieldset")?.querySelector("legend").textContent
        ?? el.closest("[role=listbox]")?.getAttribute("aria-label") ?? name;
    const box = el.getBoundingClientRect();
    return {
        figure: [...document.querySelectorAll(".fw-root")].findIndex((root) => root.contains(el)),
        part: part.trim(),
        inView: box.bottom > 0 && box.top < innerHeight && box.width > 0,
        outlined: getComputedStyle(el).outlineStyle !== "none"
            || getComputedStyle(el.nextElementSibling ?? el).outlineStyle !== "none",
    };
}"""

STOPS = [
    *("你的句子", "续写 50 个词元"),
    *("训练", "训练步数", "▶ 播放", "层", "词元（颜色与数字：首选专家）"),
    *("上一步", "路由的步骤", "top-k", "温度 T", "容量因子", "把握大的先进", "重新归一化", "复位"),
    *(
        "专家（选一个看它的词元）",
        "同一批词元，六种路由器",
        "专家并行：把专家分到几块卡上",
        "总参数与激活参数",
        "表格视图",
        "下载 SVG",
        "下载 PNG",
        "下载 CSV",
    ),
]
"""Where Tab stops in the figure, in order. 下一步 is disabled at the last step, so it is no stop."""


class Figure:
    """One mounted MoERouting, with its controls by their Chinese names."""

    def __init__(self, page: Any, index: int = 0) -> None:
        self.page = page
        self.root = page.locator(".fw-root").nth(index)

    def radio(self, group: str, option: str) -> Any:
        return self.root.get_by_role("group", name=group, exact=True).get_by_role(
            "radio", name=option, exact=True
        )

    def slider(self, name: str) -> Any:
        return self.root.get_by_role("slider", name=name, exact=True)

    def button(self, name: str) -> Any:
        return self.root.get_by_role("button", name=name, exact=True)

    @property
    def selected_token(self) -> int:
        chosen = self.root.locator("[role=option][data-token][aria-selected=true]")
        assert chosen.count() == 1
        assert chosen.get_attribute("tabindex") == "0"
        return int(chosen.get_attribute("data-token"))

    @property
    def selected_experts(self) -> list[int]:
        chosen = self.root.locator("[role=option][data-expert][aria-selected=true]").all()
        return [int(option.get_attribute("data-expert")) for option in chosen]

    def show(self, state: dict[str, Any]) -> None:
        """Bring the figure to a state with its own controls."""
        steps = [frame["step"] for frame in MoERouting().snapshots if frame["run"] == state["run"]]
        self.radio("训练", RUNS[state["run"]]).check()
        self.slider("训练步数").fill(str(steps.index(state["step"])))
        self.radio("层", str(state["layer"])).check()
        self.slider("top-k").fill(str(state["top_k"]))
        self.slider("温度 T").fill(str(state["temperature"]))
        self.slider("容量因子").fill(str(CAPACITIES.index(state["capacity_factor"])))
        self.root.get_by_role("checkbox", name="重新归一化").set_checked(state["renormalize"])
        self.root.locator(f"[role=option][data-token='{state['selected_token']}']").click()
        self.radio("路由的步骤", "合成").check()

    def exact(self, selector: str) -> list[float | None]:
        """Values of the ``data`` elements that match, unrounded; None where there is no number."""
        values = self.root.locator(selector).evaluate_all("all => all.map((el) => el.value)")
        return [float(value) if value else None for value in values]

    def say(self) -> str:
        return str(self.root.locator("[aria-live=polite]").text_content())


def close(shown: list[float | None], twin: list[float | None]) -> None:
    """Equal within a relative error of 1e-6, with gaps in the same places."""
    assert len(shown) == len(twin)
    for i, (here, there) in enumerate(zip(shown, twin, strict=True)):
        if here is None or there is None:
            assert here is there, f"number {i} is {here}, Python has {there}"
        else:
            assert abs(here - there) <= 1e-6 * abs(there), f"number {i} is {here}, Python has {there}"


def agree(figure: Figure, widget: MoERouting) -> None:
    """Every exact number in the figure is the twin's."""
    routing: Routing = widget.routing()
    token = widget.selected_token
    ranks = {int(expert): rank for rank, expert in enumerate(routing.experts[token])}
    weights = {expert: float(routing.weights[token, rank]) for expert, rank in ranks.items()}
    experts = range(widget.shape[3])
    scores = widget.logits_array()[widget.snapshot, widget.layer, token]
    assert figure.selected_token == token
    close(figure.exact("[data-row=logits] data"), [float(score) for score in scores])
    close(figure.exact("[data-row=softmax] data"), [float(p) for p in routing.probabilities[token]])
    close(figure.exact("[data-row=topK] data"), [ranks[e] + 1.0 if e in ranks else None for e in experts])
    close(figure.exact("[data-row=weight] data"), [weights.get(e) for e in experts])
    close(figure.exact("[data-name^=weight-]"), list(weights.values()))
    measures = {
        "balance": routing.balance_loss,
        "cv": routing.cv,
        "entropy": routing.entropy,
        "z": routing.z_loss,
    }
    for name, value in {**measures, "dropped": routing.drop_fraction}.items():
        close(figure.exact(f"[data-name={name}]"), [value])
    counts = [
        count.split("/")[-1] for count in figure.root.locator(".fw-experts .fw-count").all_text_contents()
    ]
    assert [int(count) for count in counts] == routing.counts.tolist()


# ---- the keyboard ------------------------------------------------------------------------------------------


def tab_into_figure(page: Any) -> None:
    """From the beginning of the page to the first figure's first control, with Tab alone."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUS)["figure"] == 0:
            return
    pytest.fail("60 times Tab does not reach the figure")


def tab_to(page: Any, part: str) -> None:
    """On to a control of the figure, with Tab alone."""
    for _ in STOPS:
        if page.evaluate(FOCUS)["part"] == part:
            return
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS)["figure"] == 0, f"Tab left the figure and did not meet {part}"
    pytest.fail(f"Tab does not meet {part}")


def test_tab_stops_at_every_control_once_and_leaves(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE)
    tab_into_figure(page)
    stops = []
    for _ in range(3 * len(STOPS)):
        focus = page.evaluate(FOCUS)
        if focus["figure"] != 0:
            break
        assert focus["inView"], f"{focus['part']} has the focus and is out of sight"
        assert focus["outlined"], f"{focus['part']} does not show that it has the focus"
        stops.append(focus["part"])
        page.keyboard.press("Tab")
    assert stops == STOPS
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(FOCUS)["part"] == STOPS[-1]


def test_training_is_chosen_from_the_keyboard(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE)
    figure = Figure(page)
    tab_into_figure(page)
    tab_to(page, "训练")
    assert figure.radio("训练", "无均衡损失").is_checked()
    page.keyboard.press("ArrowLeft")
    assert figure.radio("训练", "有均衡损失").is_checked()
    tab_to(page, "训练步数")
    for key, step in (("End", "1500 步"), ("ArrowLeft", "400 步"), ("Home", "0 步"), ("ArrowRight", "40 步")):
        page.keyboard.press(key)
        assert figure.slider("训练步数").get_attribute("aria-valuetext").startswith(f"{step} ·")
    tab_to(page, "层")
    page.keyboard.press("ArrowRight")
    assert figure.radio("层", "3").is_checked()
    agree(figure, MoERouting(run="balanced", step=40, layer=3))


def test_tokens_and_experts_are_chosen_from_the_keyboard(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE)
    figure = Figure(page)
    twin = MoERouting(**SHOWN_FIRST)
    starts = [i for i, group in enumerate(twin.groups) if not i or group != twin.groups[i - 1]]
    last = len(twin.tokens) - 1
    tab_into_figure(page)
    tab_to(page, "词元（颜色与数字：首选专家）")
    assert figure.selected_token == 0
    path = [
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", last),
        ("ArrowRight", last),
        ("Home", 0),
    ]
    path += [("ArrowLeft", 0), *(("PageDown", start) for start in starts[1:]), ("PageDown", last)]
    path += [("PageUp", start) for start in reversed(starts)]
    for key, token in path:
        page.keyboard.press(key)
        assert figure.selected_token == token, key
        assert page.evaluate("document.activeElement.dataset.token") == str(token)
    row = "document.activeElement.getBoundingClientRect().top"
    first = page.evaluate(row)
    page.keyboard.press("ArrowDown")
    assert page.evaluate(row) > first
    assert figure.selected_token > 0
    page.keyboard.press("ArrowUp")
    assert page.evaluate(row) == first

    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expert = int(twin.routing().experts[1, 0])
    assert figure.selected_experts == []
    page.keyboard.press("Enter")
    assert figure.selected_experts == [expert]
    assert f"E{expert}" in figure.root.locator(".fw-wanted").text_content()
    affinity = -np.sort(-twin.routing().probabilities[:, expert])
    close(figure.exact(".fw-wanted data"), [float(p) for p in affinity[:8]])
    assert "「heaven」" in figure.say()
    page.keyboard.press("Escape")
    assert figure.selected_experts == []
    page.keyboard.press("Space")
    assert figure.selected_experts == [expert]

    tab_to(page, "专家（选一个看它的词元）")
    for key, chosen in (
        ("Home", [0]),
        ("ArrowRight", [1]),
        ("End", [7]),
        ("Enter", []),
        ("Enter", [7]),
        ("Escape", []),
    ):
        page.keyboard.press(key)
        assert figure.selected_experts == chosen, key
    agree(figure, MoERouting(**SHOWN_FIRST, selected_token=1))


def test_the_router_is_stepped_through_and_set_from_the_keyboard(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE)
    figure = Figure(page)
    rows = figure.root.locator(".fw-pipeline tbody tr")
    now = "all => all.filter((row) => row.classList.contains('fw-now')).map((row) => row.dataset.row)"
    explanation = figure.root.locator(".fw-explain")
    tab_into_figure(page)
    tab_to(page, "上一步")
    texts = [explanation.text_content()]
    for stage, lit in (
        ("归一化", ["weight"]),
        ("top-k", ["topK"]),
        ("softmax", ["softmax"]),
        ("logits", ["logits"]),
    ):
        page.keyboard.press("Enter")
        assert figure.radio("路由的步骤", stage).is_checked()
        assert rows.evaluate_all(now) == lit
        texts.append(explanation.text_content())
    assert len(set(texts)) == len(texts)
    tab_to(page, "路由的步骤")
    page.keyboard.press("ArrowLeft")
    assert figure.radio("路由的步骤", "x").is_checked()
    assert rows.evaluate_all(now) == []
    assert figure.button("上一步").is_disabled()
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS)["part"] == "下一步"
    page.keyboard.press("Space")
    assert figure.radio("路由的步骤", "logits").is_checked()
    page.keyboard.press("Shift+Tab")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert figure.radio("路由的步骤", "合成").is_checked()

    tab_to(page, "top-k")
    page.keyboard.press("ArrowRight")
    assert figure.slider("top-k").input_value() == "3"
    agree(figure, MoERouting(**SHOWN_FIRST, top_k=3))
    tab_to(page, "温度 T")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    tab_to(page, "容量因子")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert figure.slider("容量因子").get_attribute("aria-valuetext") == "1.25 · C = 23"
    tab_to(page, "重新归一化")
    page.keyboard.press("Space")
    assert not figure.root.get_by_role("checkbox", name="重新归一化").is_checked()
    changed = {"top_k": 3, "temperature": 1.2, "capacity_factor": 1.25, "renormalize": False}
    agree(figure, MoERouting(**SHOWN_FIRST, **changed))
    tab_to(page, "复位")
    page.keyboard.press("Enter")
    agree(figure, MoERouting(**SHOWN_FIRST))
    assert figure.slider("容量因子").get_attribute("aria-valuetext") == "不限容量"


def test_the_table_view_is_a_switch_for_the_keyboard(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE)
    figure = Figure(page)
    tab_into_figure(page)
    tab_to(page, "表格视图")
    assert figure.button("表格视图").get_attribute("aria-pressed") == "false"
    assert figure.root.locator(".fw-tables table").count() == 0
    page.keyboard.press("Space")
    assert figure.button("表格视图").get_attribute("aria-pressed") == "true"
    twin = MoERouting(**SHOWN_FIRST)
    routing = twin.routing()
    stages, path, ablation, experts, tokens = figure.root.locator(".fw-tables table").all()
    load = experts.locator("tbody tr").evaluate_all(
        "all => all.map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    assert [int(row[1]) for row in load] == routing.counts.tolist()
    np.testing.assert_allclose([float(row[4]) for row in load], routing.f, atol=0.5e-4)
    np.testing.assert_allclose([float(row[5]) for row in load], routing.P, atol=0.5e-4)
    assert stages.locator("tbody tr").count() == twin.shape[3]
    way = path.locator("tbody tr").evaluate_all(
        "all => all.map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    assert [row[2] for row in way] == [f"E{expert}" for expert in twin.path().experts.flat]
    np.testing.assert_allclose([float(row[3]) for row in way], twin.path().weights.flat, atol=0.5e-4)
    changes = ablation.locator("tbody tr").evaluate_all(
        "all => all.map((row) => [...row.cells].slice(1).map((cell) => Number(cell.innerText)))"
    )
    np.testing.assert_allclose(changes, twin.ablation_array()[twin.snapshot, twin.layer], atol=0.5e-4)
    assert tokens.locator("tbody tr").count() == len(twin.to_records())
    page.keyboard.press("Space")
    assert figure.button("表格视图").get_attribute("aria-pressed") == "false"
    assert figure.root.locator(".fw-tables table").count() == 0


# ---- the twin ----------------------------------------------------------------------------------------------

STATES: list[dict[str, Any]] = [
    dict(
        zip(
            ("run", "step", "layer", "top_k", "temperature", "capacity_factor", "renormalize"),
            state,
            strict=True,
        )
    )
    for state in (
        ("balanced", 0, 0, 1, 1.0, 0, False),
        ("balanced", 1500, 3, 2, 0.1, 1, True),
        ("unbalanced", 40, 1, 2, 4.0, 0.5, False),
        ("unbalanced", 400, 2, 8, 0.7, 0.75, True),
        ("unbalanced", 1500, 0, 5, 2.3, 1.5, False),
    )
]


def test_the_numbers_are_those_of_the_python_twin(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE)
    figure = Figure(page)
    agree(figure, MoERouting(**SHOWN_FIRST))
    for i, state in enumerate(STATES):
        wanted = {**state, "selected_token": 11 * i + 1}
        figure.show(wanted)
        agree(figure, MoERouting(**wanted))


def test_the_widgets_saved_in_the_notebook_are_mounted_with_their_data(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE)
    places = page.locator(".fwh-view[data-ready='1'] .fw-root")
    saved = nbformat.read(NOTEBOOK, 4).metadata["widgets"]["application/vnd.jupyter.widget-state+json"][
        "state"
    ]
    figures = [
        model for model in saved.values() if str(model["state"].get("_anywidget_id")).endswith("MoERouting")
    ]
    assert places.count() == len(figures) == 2
    published = next(model["state"] for model in figures if model["state"]["data_sha256"])
    own = next(model for model in figures if not model["state"]["data_sha256"])
    choices = {name: published[name] for name in ("run", "step", "layer", "capacity_factor", "top_k")}
    assert choices["capacity_factor"] == 1.25
    agree(Figure(page, 1), MoERouting(**choices))
    data = next(buffer["data"] for buffer in own["buffers"] if buffer["path"] == ["logits"])
    logits = np.frombuffer(base64.b64decode(data), "<f4").reshape(own["state"]["shape"])
    tokens = own["state"]["tokens"]
    agree(Figure(page, 2), MoERouting(logits=logits, tokens=tokens))
    shown = Figure(page, 2).root.locator("[data-token] .fw-token").all_text_contents()
    assert shown == [token.replace("▁", "␣") for token in tokens]


# ---- files -------------------------------------------------------------------------------------------------


def save(page: Any, kind: str) -> bytes:
    with page.expect_download() as waiting:
        Figure(page).button(f"下载 {kind}").click()
    assert waiting.value.suggested_filename == f"moe-routing.{kind.lower()}"
    return Path(waiting.value.path()).read_bytes()


def test_the_figure_is_saved_as_drawing_picture_and_rows(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE)
    state = {**STATES[2], "selected_token": 7}
    Figure(page).show(state)

    text = save(page, "SVG").decode("utf8")
    assert "var(" not in text
    drawing = ElementTree.fromstring(text)
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    width, height = int(float(drawing.get("width", "0"))), int(float(drawing.get("height", "0")))
    words = [str(node.text) for node in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert "混合专家路由" in words
    assert all(token.lstrip("▁") in words for token in MoERouting().tokens)

    picture = save(page, "PNG")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture[16:24]) == (2 * width, 2 * height)

    rows = list(csv.DictReader(io.StringIO(save(page, "CSV").decode("utf8"))))
    records = MoERouting(**state).to_records()
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        assert list(row) == list(record)
        for name, value in record.items():
            if isinstance(value, bool):
                assert row[name] == json.dumps(value)
            elif isinstance(value, str):
                assert row[name] == value
            else:
                close([float(row[name])], [float(value)])


def test_the_picture_shows_the_figure_in_the_pages_scheme(open_page: Open, http_root: str) -> None:
    background = {}
    for scheme in ("light", "dark"):
        with Image.open(io.BytesIO(save(open_page(http_root, PAGE, color_scheme=scheme), "PNG"))) as picture:
            colours = picture.convert("RGB").getcolors(1 << 24)
        assert len(colours) > 50
        background[scheme] = max(colours)[1]
    assert background == {"light": (255, 255, 255), "dark": (20, 24, 31)}


# ---- time --------------------------------------------------------------------------------------------------


def test_play_goes_through_the_training_and_ends(open_page: Open, http_root: str) -> None:
    page = open_page(http_root, PAGE, before=lambda page: page.clock.install())
    figure = Figure(page)
    shown = figure.slider("训练步数")
    figure.button("▶ 播放").click()
    assert shown.get_attribute("aria-valuetext").startswith("400 步")
    assert figure.button("❚❚ 暂停").is_visible()
    page.clock.run_for(950)
    assert shown.get_attribute("aria-valuetext").startswith("1500 步")
    page.clock.run_for(950)
    assert figure.button("▶ 播放").is_visible()
    figure.button("▶ 播放").click()
    assert shown.get_attribute("aria-valuetext").startswith("0 步")
    figure.button("❚❚ 暂停").click()
    page.clock.run_for(5000)
    assert shown.get_attribute("aria-valuetext").startswith("0 步")


def test_with_reduced_motion_play_shows_the_end_at_once(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE, reduced_motion="reduce", before=lambda page: page.clock.install())
    figure = Figure(page)
    figure.button("▶ 播放").click()
    assert figure.slider("训练步数").get_attribute("aria-valuetext").startswith("1500 步")
    assert figure.button("▶ 播放").is_visible()
    page.clock.run_for(5000)
    assert figure.slider("训练步数").get_attribute("aria-valuetext").startswith("1500 步")


@pytest.mark.speed
def test_the_figures_are_usable_soon_after_the_page_is_there(open_page: Open, http_root: str) -> None:
    usable_soon(open_page(http_root, PAGE, before=lambda page: page.add_init_script(WATCH)))


@pytest.mark.speed
@pytest.mark.parametrize("slider", ["训练步数", "top-k", "温度 T", "容量因子"])
def test_a_step_of_a_slider_takes_less_than_a_frame(open_page: Open, http_root: str, slider: str) -> None:
    step_within_a_frame(Figure(open_page(http_root, PAGE)).slider(slider))

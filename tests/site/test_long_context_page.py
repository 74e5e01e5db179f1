"""LongContextStrategies on its page: from the keyboard, equal to its twins, quick, shared, saved to files."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from frontier_widgets import LongContextStrategies
from frontier_widgets.attention_masks import KINDS, layers_to_see, mean_path_length
from frontier_widgets.rotary import frequencies, resolution, temperature
from test_pages import AXE, AXE_RUN
from timing import WATCH, step_within_a_frame, usable_soon

Open = Callable[..., Any]
PAGE = "28-1-long-context/index.html"
PAGE_OF_TWO = "28-1-long-context/1-position-interpolation.html"
TOPICS = {"mask": "谁看得见谁", "position": "位置怎么转", "measured": "实测", "cost": "要花多少"}
KIND_NAMES = dict(zip(KINDS, ("全部", "因果", "窗口", "扩张", "全局", "随机", "跨步", "汇点"), strict=True))
SLIDERS = {
    "mask": ("窗口", "词元数 n", "层数 L"),
    "position": ("拉长 s 倍",),
    "cost": ("窗口或步长", "上下文 n", "每段词元", "愿意多算"),
}


class Figure:
    """The mounted figure, with its controls by their Chinese names."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.root = page.locator(".fw-root.fw-long")

    def radio(self, group: str, option: str) -> Any:
        visible = self.root.get_by_role("group", name=group, exact=True)
        return visible.get_by_role("radio", name=option, exact=True)

    def slider(self, name: str) -> Any:
        return self.root.get_by_role("slider", name=name, exact=True)

    def button(self, name: str) -> Any:
        return self.root.get_by_role("button", name=name, exact=True)

    def topic(self, name: str) -> None:
        self.radio("看什么", TOPICS[name]).check()

    def number(self, name: str) -> float:
        """The exact value of a metric that is shown."""
        return float(self.root.locator(f"data[data-name='{name}']:visible").get_attribute("value"))


def near(found: float, wanted: float) -> None:
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_the_twins(open_page: Open, http_root: str, kind: str) -> None:
    figure = Figure(open_page(http_root, PAGE))
    figure.radio("模式", KIND_NAMES[kind]).check()
    figure.slider("词元数 n").fill("29")
    twin = LongContextStrategies(kind=kind, tokens=29)
    mask = twin.mask()
    near(figure.number("cells"), mask.sum())
    near(figure.number("first"), layers_to_see(mask)[0])
    near(figure.number("path"), mean_path_length(mask)[0])


def test_rotations_are_the_twins(open_page: Open, root: str) -> None:
    figure = Figure(open_page(root, PAGE))
    figure.topic("position")
    for method, name in (("linear", "线性插值"), ("yarn", "YaRN"), ("llama3", "Llama 3")):
        figure.radio("方法", name).check()
        figure.slider("拉长 s 倍").fill("12")  # 2 to the power of 12 / 4
        rotary = LongContextStrategies(method=method, scale=8.0).rotary
        near(figure.number("resolution"), resolution(frequencies(rotary)))
        near(figure.number("temperature"), temperature(rotary))


def test_costs_are_the_twins(open_page: Open, root: str) -> None:
    figure = Figure(open_page(root, PAGE))
    figure.topic("cost")
    for kind, model, sharing, name in (
        ("window", "Llama-3.1-8B", "own", "它自己的"),
        ("strided", "DeepSeek-V3", "gqa", "GQA"),
        ("random", "SmolLM2-135M", "mla", "MLA"),
    ):
        figure.radio("模式", KIND_NAMES[kind]).check()
        figure.radio("模型", model).check()
        figure.radio("键值共享", name).check()
        figure.slider("上下文 n").fill("11")
        twin = LongContextStrategies(kind=kind, model=model, sharing=sharing, length=1 << 20)
        bill = twin.cost()
        for metric in ("share", "attention", "others", "cache", "prefill", "decode"):
            near(figure.number(metric), getattr(bill, metric))
        near(figure.number("break-even"), twin.break_even())


def test_a_fixed_state_costs_what_the_twin_says(open_page: Open, root: str) -> None:
    figure = Figure(open_page(root, PAGE))
    figure.topic("cost")
    figure.radio("模式", KIND_NAMES["causal"]).check()
    line = figure.root.locator("[data-state]")
    for rival, name in {"mamba": "Mamba", "mamba2": "Mamba-2", "retnet": "RetNet", "rwkv": "RWKV-4"}.items():
        figure.radio("对照：固定大小的状态", name).check()
        twin = LongContextStrategies(topic="cost", kind="causal", rival=rival)
        bill = twin.rival_cost()
        for metric in ("state", "prefill", "decode"):
            near(float(line.get_attribute(f"data-{metric}") or ""), getattr(bill, metric))
        assert line.get_attribute("data-from") == str(twin.crossover())
    figure.radio("对照：固定大小的状态", "不比").check()
    assert line.is_hidden()


def test_everything_is_reached_and_changed_from_the_keyboard(open_page: Open, root: str) -> None:
    page = open_page(root, PAGE)
    figure = Figure(page)
    figure.radio("看什么", TOPICS["mask"]).focus()
    for topic in ("position", "measured", "cost"):
        page.keyboard.press("ArrowRight")
        assert figure.root.get_attribute("data-topic") == topic
    stops = []
    for _ in range(60):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            """() => {
                const el = document.activeElement;
                if (!el.closest(".fw-root")) return null;
                const label = el.labels?.[0]?.textContent ?? "";
                return `${el.type ?? el.tagName} ${el.getAttribute("aria-label") ?? (label || el.innerText)}`;
            }"""
        )
        if inside is None:
            break
        stops.append(inside.strip())
    wanted = [f"range {name}" for name in SLIDERS["cost"]]
    wanted += [f"button 下载 {kind}" for kind in ("SVG", "PNG", "CSV")]
    assert [stop for stop in stops if stop in wanted] == wanted
    figure.button("1/256").focus()
    page.keyboard.press("Enter")
    assert "4096 / 1048576" in figure.root.locator(".fw-reveal:visible").text_content()
    figure.slider("上下文 n").focus()
    before = figure.number("attention")
    page.keyboard.press("ArrowRight")
    assert figure.number("attention") > before
    figure.button("表格视图").focus()
    page.keyboard.press("Space")
    assert figure.root.locator(".fw-tables table").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_topic_has_an_accessibility_fault(open_page: Open, http_root: str, scheme: str) -> None:
    page = open_page(http_root, PAGE, color_scheme=scheme)
    page.add_script_tag(path=str(AXE))
    figure = Figure(page)
    figure.button("跟着走一遍").click()
    for topic in TOPICS:
        figure.topic(topic)
        for view in ("figure", "table"):
            if view == "table":
                figure.button("表格视图").click()
            found = page.evaluate(AXE_RUN, ".fw-root")
            assert not found, f"{topic}, {view}:\n" + "\n".join(found)
        figure.button("表格视图").click()


@pytest.mark.parametrize("topic", TOPICS)
def test_a_narrow_page_holds_every_topic(open_page: Open, http_root: str, topic: str) -> None:
    page = open_page(http_root, PAGE, viewport={"width": 390, "height": 844})
    Figure(page).topic(topic)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    drawings = page.locator(".fw-drawing svg:visible")
    assert drawings.count() > 0
    for i in range(drawings.count()):
        assert drawings.nth(i).bounding_box()["width"] <= 390


def pasted(page: Any) -> str:
    """What the clipboard holds, as a reader pastes it into a field."""
    page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), { id: 'paste' }))")
    field = page.locator("#paste")
    field.focus()
    page.keyboard.press("ControlOrMeta+V")
    return str(field.input_value())


@pytest.mark.parametrize("clipboard", ["navigator.clipboard", "an older browser's"])
def test_a_link_is_copied_and_opens_the_view_that_was_shared(
    open_page: Open, root: str, clipboard: str
) -> None:
    def before(page: Any) -> None:
        if clipboard != "navigator.clipboard":
            page.add_init_script("delete Navigator.prototype.clipboard")

    page = open_page(root, PAGE, before=before)
    figure = Figure(page)
    figure.radio("模式", KIND_NAMES["strided"]).check()
    figure.slider("步长").fill("5")
    figure.button("复制这个画面的链接").click()
    figure.button("链接已复制。").wait_for()
    assert figure.root.locator("[aria-live]", has_text="链接已复制。").count() == 1
    address = page.url
    assert address.endswith("#lcs=1&kind=strided&stride=5")
    assert pasted(page) == address
    cells = figure.number("cells")
    again = Figure(open_page(root, PAGE + address[address.index("#") :]))
    assert again.slider("步长").input_value() == "5"
    near(again.number("cells"), cells)


def test_a_link_opens_the_second_figure_of_a_page(open_page: Open, file_root: str) -> None:
    page = open_page(file_root, PAGE_OF_TWO)
    figures = page.locator(".fw-root.fw-long")
    assert figures.count() == 2
    topics = [figures.nth(i).get_attribute("data-topic") for i in range(2)]
    other = next(topic for topic in TOPICS if topic not in topics)
    figures.nth(1).get_by_role("radio", name=TOPICS[other], exact=True).check()
    figures.nth(1).get_by_role("button", name="复制这个画面的链接").click()
    assert f"#lcs=2&topic={other}" in page.url
    again = open_page(file_root, PAGE_OF_TWO + page.url[page.url.index("#") :])
    figures = again.locator(".fw-root.fw-long")
    assert [figures.nth(i).get_attribute("data-topic") for i in range(2)] == [topics[0], other]
    assert again.evaluate("scrollY") > 0  # the figure is brought into view


def test_the_tour_shows_what_it_speaks_of(open_page: Open, root: str) -> None:
    figure = Figure(open_page(root, PAGE))
    figure.button("跟着走一遍").click()
    topics = []
    while figure.root.locator(".fw-tour:visible").count():
        topics.append(figure.root.get_attribute("data-topic"))
        if topics[1:] == ["mask"]:
            near(figure.number("first"), 7)  # "many layers": 47 tokens by steps of seven
        figure.root.locator(".fw-tour button").last.click()
    assert topics == ["mask"] * 3 + ["position"] * 2 + ["measured", "cost"]


def test_with_reduced_motion_all_layers_come_at_once(open_page: Open, http_root: str) -> None:
    figure = Figure(open_page(http_root, PAGE, reduced_motion="reduce"))
    figure.button("▶ 播放").click()
    assert figure.slider("层数 L").input_value() == "7"


@pytest.mark.speed
@pytest.mark.parametrize(("topic", "slider"), [(topic, name) for topic in SLIDERS for name in SLIDERS[topic]])
def test_a_step_of_a_slider_takes_less_than_a_frame(
    open_page: Open, http_root: str, topic: str, slider: str
) -> None:
    figure = Figure(open_page(http_root, PAGE))
    figure.topic(topic)
    step_within_a_frame(figure.slider(slider))


@pytest.mark.speed
def test_the_figure_is_usable_soon_after_the_page_is_there(open_page: Open, http_root: str) -> None:
    usable_soon(open_page(http_root, PAGE, before=lambda page: page.add_init_script(WATCH)))


def save(figure: Figure, kind: str) -> bytes:
    with figure.page.expect_download() as waiting:
        figure.button(f"下载 {kind}").click()
    assert waiting.value.suggested_filename == f"long-context.{kind.lower()}"
    return Path(waiting.value.path()).read_bytes()


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_is_saved_as_drawing_picture_and_rows(open_page: Open, root: str, topic: str) -> None:
    figure = Figure(open_page(root, PAGE))
    figure.topic(topic)
    text = save(figure, "SVG").decode("utf8")
    assert "var(" not in text
    drawing = ElementTree.fromstring(text)
    words = [str(node.text) for node in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert f"长上下文策略 · {TOPICS[topic]}" in words
    picture = save(figure, "PNG")
    size = (2 * round(float(drawing.get(side, "0"))) for side in ("width", "height"))
    for found, wanted in zip(struct.unpack(">II", picture[16:24]), size, strict=True):
        assert abs(found - wanted) <= 2
    rows = list(csv.reader(io.StringIO(save(figure, "CSV").decode("utf8"))))
    lengths = {"mask": 48, "position": 14, "measured": len(LongContextStrategies().to_records()), "cost": 12}
    assert len(rows) == 1 + lengths[topic]
    assert len({len(row) for row in rows}) == 1

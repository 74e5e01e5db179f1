"""A sentence that the reader types is routed in the page by the model itself: no kernel, no network."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from test_moe_routing_page import PAGE, SHOWN_FIRST, Figure
from transformers import AutoTokenizer

from frontier_lab import hub
from frontier_lab.methods import routing
from frontier_lab.storage.checkpoints import committed

Open = Callable[..., Any]
SENTENCE = "The hacker said: 明月几时有, and it was so. <script>alert(1)</script>"
LONG = (
    "And it came to pass in those days that the program which the hacker had written ran for forty days and "
    "forty nights upon the machine, and the bug was not found in it, neither by day nor by night, "
    "nor on the sabbath, nor in the seventh year"
)
PASS = 100
"""Milliseconds for 64 tokens."""


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(str(committed("mixtral")))


@pytest.fixture(scope="module")
def model() -> Any:
    return hub.load(str(committed("mixtral")))


def ids_of(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def write(figure: Figure, text: str) -> str:
    """Type, wait until it is read, and give what the figure says of it."""
    figure.root.get_by_role("textbox", name="你的句子").fill(text)
    figure.page.wait_for_function(
        "text => document.querySelector('.fw-sentence-input').value === text"
        " && /毫秒/.test(document.querySelector('.fw-sentence-status').textContent)",
        arg=text,
    )
    return str(figure.root.locator(".fw-sentence-status").text_content())


def scripts(page: Any) -> list[str]:
    return [
        str(address).rpartition("/")[2]
        for address in page.evaluate("[...document.scripts].map(script => script.src)")
        if "checkpoint" in str(address)
    ]


def test_a_new_sentence_is_routed_as_pytorch_routes_it(
    open_page: Open, root: str, tokenizer: Any, model: Any
) -> None:
    page = open_page(root, PAGE)
    figure = Figure(page)
    assert scripts(page) == []  # the weights cost nothing to a reader who does not type
    write(figure, SENTENCE)
    assert scripts(page) == ["frontier-checkpoint-mixtral.js"]
    ids = ids_of(tokenizer, SENTENCE)
    chips = figure.root.locator("[role=option][data-token]")
    assert chips.count() == len(ids)
    wanted = routing.router_logits(model, torch.tensor([ids])).numpy()[SHOWN_FIRST["layer"]]  # [T, E]
    for token in (len(ids) - 1, 0, 5):
        chips.nth(token).click()
        found = np.array(figure.exact("[data-row=logits] data"), dtype=float)
        np.testing.assert_allclose(found, wanted[token], rtol=0, atol=1e-3 * np.abs(wanted).max())
    assert "<script>" in figure.root.locator(".fw-sentence-input").input_value()


def test_it_says_what_the_model_expects_next(
    open_page: Open, file_root: str, tokenizer: Any, model: Any
) -> None:
    page = open_page(file_root, PAGE)
    figure = Figure(page)
    write(figure, SENTENCE)
    with torch.no_grad():
        p = model(torch.tensor([ids_of(tokenizer, SENTENCE)])).logits[0, -1].softmax(-1)
    shown = figure.exact(".fw-next data")
    assert len(shown) == 8
    np.testing.assert_allclose(np.array(shown, dtype=float), p.topk(8).values.numpy(), rtol=1e-3)


def test_it_goes_on_writing_and_gives_the_example_back(
    open_page: Open, file_root: str, tokenizer: Any
) -> None:
    page = open_page(file_root, PAGE)
    figure = Figure(page)
    write(figure, "In the beginning God")
    before = figure.root.locator("[role=option][data-token]").count()
    figure.button("续写 50 个词元").click()
    page.wait_for_function(
        "n => document.querySelector('.fw-root').querySelectorAll('.fw-chip').length > n", arg=before
    )
    text = figure.root.locator(".fw-sentence-input").input_value()
    assert text.startswith("In the beginning God")
    # Cutting the text again can join tokens that the model drew one by one.
    assert before + 40 <= len(ids_of(tokenizer, text)) <= before + 50
    figure.button("回到原来的例子").click()
    page.wait_for_function("document.querySelector('.fw-root').querySelectorAll('.fw-chip').length === 48")
    assert figure.root.locator(".fw-sentence-input").input_value() == ""


def test_sixty_four_tokens_take_a_tenth_of_a_second(open_page: Open, file_root: str, tokenizer: Any) -> None:
    page = open_page(file_root, PAGE)
    figure = Figure(page)
    spent = []
    for number in range(6):
        text = f"{number} {LONG}"
        while len(ids_of(tokenizer, text)) > 64:
            text = text[:-1]
        assert len(ids_of(tokenizer, text)) == 64
        figure.root.get_by_role("textbox", name="你的句子").fill(text)
        page.wait_for_function(
            "number => [...document.querySelectorAll('.fw-chip .fw-token')].slice(0, 2)"
            ".some(chip => chip.textContent === number)"
            " && document.querySelector('.fw-sentence-status').textContent",
            arg=str(number),
        )
        said = str(figure.root.locator(".fw-sentence-status").text_content())
        found = re.search(r"64 个词元，用时 (\d+) 毫秒", said)
        assert found, said
        spent.append(int(found[1]))
    assert min(spent) <= PASS, f"{spent} ms"


def test_a_file_without_weights_is_named(open_page: Open, http_root: str) -> None:
    def empty(page: Any) -> None:
        page.route("**/frontier-checkpoint-*", lambda route: route.fulfill(body=""))

    page = open_page(http_root, PAGE, before=empty)
    figure = Figure(page)
    figure.root.get_by_role("textbox", name="你的句子").fill("one")
    page.wait_for_function(
        "/载入不了权重文件 frontier-checkpoint-mixtral.js/.test("
        "document.querySelector('.fw-sentence-status').textContent)"
    )
    assert figure.root.locator("[role=option][data-token]").count() == 48

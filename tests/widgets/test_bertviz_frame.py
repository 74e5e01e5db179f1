"""BertViz's pictures in a frame: nothing of the network is left, and the same picture is the same text."""

from __future__ import annotations

import html
import re
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from frontier_widgets.bertviz_frame import Frame, frame, rounded

VIEWS: dict[str, dict[str, Any]] = {"head_view": {}, "model_view": {"display_mode": "light"}}
TOKENS = ["the", "cat", "</script><b>", "down"]


def framed(view: str) -> Frame:
    weights = torch.randn(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).softmax(-1)
    show = getattr(import_module("bertviz"), view)
    found = show(rounded(list(weights)), TOKENS, html_action="return", **VIEWS[view])
    return frame(found, zh="四个词元", en="four tokens", height=200)


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_asked_of_the_network(view: str) -> None:
    document = re.sub(r"/\*!.*?\*/", "", framed(view).document, flags=re.S)  # licences name their homes
    assert re.findall(r"https?://(?!www\.w3\.org)", document) == []
    assert re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", document) == []


@pytest.mark.parametrize("view", VIEWS)
def test_the_same_picture_is_the_same_text(view: str) -> None:
    assert framed(view)._repr_html_() == framed(view)._repr_html_()


def test_every_control_has_a_name_and_the_frame_too() -> None:
    found = framed("head_view")
    controls = re.findall(r'<select id="[^>]*>', found.document)
    assert controls
    assert all("aria-label=" in control for control in controls)
    assert 'aria-label="四个词元" data-alt-zh="四个词元" data-alt-en="four tokens"' in found._repr_html_()


def test_the_document_is_a_text_in_its_attribute() -> None:
    found = framed("head_view")
    (document,) = re.findall(r'srcdoc="([^"]*)"', found._repr_html_())
    assert html.unescape(document) == found.document
    assert "<" not in document


@pytest.mark.parametrize("view", VIEWS)
def test_a_hostile_token_does_not_end_the_script(view: str) -> None:
    document = framed(view).document
    assert document.count("</script>") == 2, "the libraries and BertViz's own"
    assert r"<\/script><b>" in document


def test_weights_keep_three_digits() -> None:
    (weights,) = rounded([torch.tensor([[1 / 3, 2 / 3]])])
    assert weights.tolist() == [[0.333, 0.667]]


def test_another_way_of_writing_the_page_is_refused() -> None:
    other = SimpleNamespace(data='<script src="https://example.org/d3.js"></script>')
    with pytest.raises(ValueError, match=r"view: got one that asks for https://example\.org/d3\.js"):
        frame(other, zh="图", en="picture", height=100)

"""Modules that readers import: they give what the figures' folders hold, and keep their addresses."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

PLACES = {
    "attention_cost": "long_context_strategies.cost",
    "attention_masks": "long_context_strategies.masks",
    "attention_patterns": "attention_pattern_analyzer.patterns",
    "rotary": "long_context_strategies.rotary",
}


@pytest.mark.parametrize("place", PLACES)
def test_nothing_that_is_public_is_left_out(place: str) -> None:
    public, module = (import_module(f"frontier_widgets.{name}") for name in (place, PLACES[place]))
    assert module.__file__
    defined: set[str] = set()
    for node in ast.parse(Path(module.__file__).read_text("utf8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    assert set(public.__all__) == {name for name in defined if not name.startswith("_")}
    assert all(getattr(public, name) is getattr(module, name) for name in public.__all__)


def test_what_pages_take_of_capturing_is_there() -> None:
    from frontier_widgets import attention_capture

    wanted = {"OUTPUTS", "VALUES", "Captured", "capture", "head_replaced", "output_projections"}
    assert set(attention_capture.__all__) == wanted
    assert all(hasattr(attention_capture, name) for name in wanted)

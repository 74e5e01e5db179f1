"""Models that a figure runs when its reader types: what is offered, and what is said where nothing is."""

from __future__ import annotations

from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from typing import Any

import pytest
from frontier_widgets import AttentionPatternAnalyzer, ModelMerging, MoERouting, checkpoints

from frontier_lab.figure_data import attack_tables, browser_models, task_vectors


def test_the_lab_offers_the_models_that_pages_run() -> None:
    models = {*browser_models.MODELS, *browser_models.CLASSIFIERS}
    assert entry_points(group=checkpoints.GROUP).names == {
        *models,
        *task_vectors.NAMES,
        attack_tables.NAME,
    }
    for name in models:
        assert checkpoints.checkpoint_files(name) == browser_models.files(name)


@pytest.mark.parametrize("figure", [AttentionPatternAnalyzer, ModelMerging, MoERouting])
def test_the_model_of_a_figure_is_offered(figure: Any) -> None:
    assert figure().live in entry_points(group=checkpoints.GROUP).names


def test_without_the_lab_the_figure_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "entry_points", lambda group: EntryPoints(()))
    with pytest.raises(LookupError, match=r"got 'mixtral', .* none \(pip install frontier-lab\)"):
        checkpoints.checkpoint_files("mixtral")


@pytest.mark.parametrize("name", browser_models.CLASSIFIERS)
def test_a_figure_is_sent_the_classifier_that_it_asks_for(name: str) -> None:
    heard: list[tuple[Any, list[bytes]]] = []
    figure = AttentionPatternAnalyzer(live=name)
    figure.send = lambda content, buffers=None: heard.append((content, list(buffers or [])))  # type: ignore[method-assign]
    figure._handle_custom_msg({"type": "checkpoint", "name": figure.live}, [])
    [(answer, [weights])] = heard
    assert answer["tokenizer"]["post_processor"] is not None
    assert f"classifier-{answer['config']['model_type']}" == name
    assert weights == Path(browser_models.files(name)["weights"]).read_bytes()

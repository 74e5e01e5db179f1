"""Models that a figure runs when its reader types: what is offered, and what is said where nothing is."""

from __future__ import annotations

from importlib.metadata import EntryPoints, entry_points
from typing import Any

import pytest
from frontier_widgets import AttentionPatternAnalyzer, ModelMerging, MoERouting, checkpoints

from frontier_lab.figure_data import browser_models, task_vectors


def test_the_lab_offers_the_models_that_pages_run() -> None:
    models = {*browser_models.MODELS, *browser_models.CLASSIFIERS}
    assert entry_points(group=checkpoints.GROUP).names == {*models, *task_vectors.NAMES}
    for name in models:
        assert checkpoints.checkpoint_files(name) == browser_models.files(name)


@pytest.mark.parametrize("figure", [AttentionPatternAnalyzer, ModelMerging, MoERouting])
def test_the_model_of_a_figure_is_offered(figure: Any) -> None:
    assert figure().live in entry_points(group=checkpoints.GROUP).names


def test_without_the_lab_the_figure_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "entry_points", lambda group: EntryPoints(()))
    with pytest.raises(LookupError, match=r"got 'mixtral', .* none \(pip install frontier-lab\)"):
        checkpoints.checkpoint_files("mixtral")

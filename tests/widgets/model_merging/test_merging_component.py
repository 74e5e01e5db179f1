"""The ModelMerging class: published data, choices read back, weights sent when they are asked for."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import pytest
import traitlets
from frontier_widgets import ModelMerging, components, slim_state
from frontier_widgets.model_merging import PLANES
from frontier_widgets.model_merging.rules import RULES, Merge

SOURCES = Path(__file__).parents[3] / "widgets" / "src" / "model_merging"


def test_records_have_every_node_once() -> None:
    widget = ModelMerging()
    records = widget.to_records()
    places = {(r["steps"], r["embedding"], *(r[f"weight_{task}"] for task in widget.tasks)) for r in records}
    assert len(places) == len(records) == 2 * 2 * 8**3
    frame = widget.to_frame()
    base = frame[(frame[[f"weight_{task}" for task in widget.tasks]] == 0).all(axis=1)]
    assert len(base) == 4
    assert len(base[widget.tasks].drop_duplicates()) == 1, "nothing added is the base, whatever is left out"


def test_what_the_story_says_is_in_the_published_data() -> None:
    frame = ModelMerging().to_frame()
    tasks = ModelMerging().tasks
    frame["all"] = frame[tasks].sum(axis=1)

    def at(*weights: float, steps: int = 80, embedding: bool = True) -> int:
        chosen = (frame.steps == steps) & (frame.embedding == embedding)
        for task, weight in zip(tasks, weights, strict=True):
            chosen &= frame[f"weight_{task}"] == weight
        return int(frame[chosen]["all"].item())

    base = at(0, 0, 0)
    alone = [at(*row) for row in np.eye(3).tolist()]
    added = at(0.75, 0.75, 0.75)
    assert base < 0.25 * 96, "the base does not know which answer is wanted"
    assert added > max(alone) + 15, "one model does what three do"
    assert at(1, 1, 1, steps=320) < added - 15, "over-trained experts add up badly"
    assert at(1, 1, 1, steps=320, embedding=False) > at(1, 1, 1, steps=320) + 15, "the embedding is why"


def test_the_initial_choices_are_the_same_in_both_languages() -> None:
    (body,) = re.findall(
        r"export const INITIAL[^{]*\{(.*?)\};", (SOURCES / "state.ts").read_text("utf8"), re.S
    )
    theirs = {name: json.loads(value) for name, value in re.findall(r"(\w+): (\[[^\]]*\]|[^,\n]+)", body)}
    ours = ModelMerging()
    assert theirs.keys() == {
        *("weights", "plane", "rule", "density", "seed", "steps", "embedding", "prompt", "story", "view")
    }
    assert theirs == {name: getattr(ours, name) for name in theirs}
    assert f"export const RULES = {json.dumps(RULES)} as const;".replace("(", "[") in (
        SOURCES / "rules.ts"
    ).read_text("utf8")


def test_an_estimate_is_the_measurement_at_a_node_and_lies_between_elsewhere() -> None:
    widget = ModelMerging(weights=[0.75, 1.0, 0.5])
    node = next(
        record
        for record in widget.to_records()
        if [record[f"weight_{task}"] for task in widget.tasks] == [0.75, 1.0, 0.5]
    )
    assert widget.estimate() == {**{task: node[task] for task in widget.tasks}, "text": node["text_loss"]}
    widget.weights = [0.8, 0.9, 0.6]
    assert all(0 <= widget.estimate()[task] <= 32 for task in widget.tasks)
    average = ModelMerging(rule="average", weights=[1.0, 1.0, 0.0])
    assert average.estimate() == ModelMerging(weights=[0.5, 0.5, 0.0]).estimate()
    widget.rule = "ties"
    with pytest.raises(ValueError, match="rule: got 'ties', wanted 'sum' or 'average'"):
        widget.estimate()


def test_the_choices_can_be_read_back() -> None:
    widget = ModelMerging(rule="nuslerp", weights=[0.2, 0.4, 0.6], plane=2)
    assert widget.merge == Merge((0.2, 0.4, 0.6), "nuslerp", 0.5, 0, True, PLANES[2])
    assert repr(widget) == "ModelMerging(nuslerp: arithmetic 0.2, strings 0.4, style 0.6; 80 steps)"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weights": [0.0, 2.0, 0.0]}, "weights: got 2.0, wanted -0.5 to 1.5"),
        ({"steps": 81}, r"steps: got 81, wanted one of \[80, 320\]"),
        ({"rule": "magic"}, "rule"),
        ({"plane": 3}, "plane"),
    ],
)
def test_a_state_out_of_range_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(traitlets.TraitError, match=message):
        ModelMerging(**wrong)


def test_data_of_another_form_is_refused() -> None:
    data = json.loads(components()["ModelMerging"].data_path.read_text("utf8"))
    assert ModelMerging(data).data_sha256 == ""
    for change, message in (
        ({"format": 2}, "data: got format 2, wanted 1"),
        ({"tasks": ["one"]}, "data: got 1 tasks, wanted 3"),
        ({"grid": base64.b64encode(b"ab").decode()}, "grid: got 2 bytes"),
    ):
        with pytest.raises(ValueError, match=message):
            ModelMerging({**data, **change})
    with pytest.raises(ValueError, match="data: got none for grid, wanted"):
        ModelMerging({name: value for name, value in data.items() if name != "grid"})
    with pytest.raises(TypeError, match="wieghts is not an argument of ModelMerging"):
        ModelMerging(wieghts=[1, 1, 1])


def test_a_saved_page_leaves_the_data_to_the_registry() -> None:
    widget = ModelMerging()
    assert isinstance(widget, anywidget.AnyWidget)
    state = {
        "state": {
            "m": {
                "model_module": "anywidget",
                "state": {
                    **widget.get_state(),
                    "_anywidget_id": "frontier_widgets.ModelMerging",
                },
            }
        }
    }
    values = slim_state(state)["state"]["m"]["state"]
    assert not {"grid", "prompts", "texts", "_esm", "_css"} & values.keys()
    assert values["weights"] == [0.75, 0.75, 0.75]
    assert components()["ModelMerging"].data_path.stat().st_size < 70_000

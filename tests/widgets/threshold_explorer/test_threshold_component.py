"""The ThresholdExplorer class: published data, choices read back, and what the book says of it."""

from __future__ import annotations

import base64
import json
import math
import re
from pathlib import Path
from typing import Any

import anywidget
import pytest
import traitlets
from frontier_widgets import ThresholdExplorer, components, slim_state
from frontier_widgets.threshold_explorer import FILTERS, PARTS
from frontier_widgets.threshold_explorer.decisions import NEVER, Rates, auroc, crossed, operating

SOURCES = Path(__file__).parents[3] / "widgets" / "src" / "threshold_explorer"


def test_records_have_every_sentence_once_and_no_text() -> None:
    widget = ThresholdExplorer()
    frame = widget.to_frame()
    assert len(frame) == 948
    assert set(frame.kind) == set(widget.kind_labels)
    assert (frame[frame.kind == "hard"].toxic == 0).all()
    assert (frame.group != "").sum() == 24 * len(widget.group_labels)
    assert list(frame.columns[:2]) == ["kind", "group"]
    assert all(str(kind) in {"int64", "float64"} for kind in frame.dtypes[2:])


def test_what_the_figure_opens_on_is_in_the_published_data() -> None:
    bert = ThresholdExplorer()
    assert bert.rates("seen") == Rates(115, 0, 85, 0), "perfect on its templates"
    assert bert.rates() == Rates(80, 0, 80, 78), "useless beyond: nearly everything is blocked"
    assert bert.rates("corpus") == Rates(0, 0, 100, 100)
    heads = ThresholdExplorer(filter="heads")
    assert heads.rates() == Rates(80, 41, 80, 7), "it misses half of the harmful ones at one half"
    areas = [auroc(operating(*each.scored())) for each in (bert, heads)]
    assert areas[0] is not None
    assert areas[1] is not None
    assert areas[1] - areas[0] > 0.1
    lower = ThresholdExplorer(filter="heads", threshold=0.2).rates()
    assert lower.missed < 41
    assert lower.blocked > 7


def test_at_one_in_a_hundred_no_threshold_beats_blocking_nothing() -> None:
    for name in FILTERS:
        spent = crossed(*ThresholdExplorer(filter=name).scored(), 5.0, 0.01)
        assert spent is not None
        assert spent >= 0.01 * 5 - 1e-12
    alike = crossed(*ThresholdExplorer(filter="heads").scored(), 5.0, 0.5)
    assert alike is not None
    assert alike < 0.5, "where half is harmful the heads are worth using"


def test_groups_that_training_attacks_are_blocked_by_the_heads_and_others_not() -> None:
    """The filter's side of the group's fold; BERT blocks all groups alike."""
    widget = ThresholdExplorer()
    frame = widget.to_frame()
    frame = frame[(frame.group != "") & (frame.toxic == 0)]
    labels = widget.labels
    blocked = (frame[[f"heads_{label}" for label in labels]].max(axis=1) >= 0).groupby(frame.group).sum()
    attacked = set(frame[frame.kind == "attacked"].group)
    assert blocked[sorted(attacked)].min() >= 2
    assert blocked[sorted(set(frame.group) - attacked)].max() == 0


def test_the_initial_choices_are_the_same_in_both_languages() -> None:
    source = (SOURCES / "state.ts").read_text("utf8")
    (body,) = re.findall(r"export const INITIAL[^{]*\{(.*?)\};", source, re.S)
    theirs = {name: json.loads(value) for name, value in re.findall(r"(\w+): (\[[^\]]*\]|[^,\n]+)", body)}
    ours = ThresholdExplorer()
    assert theirs.keys() == {
        *(
            "filter",
            "part",
            "threshold",
            "shifts",
            "calibrated",
            "prevalence",
            "ratio",
            "curve",
            "story",
            "view",
        )
    }
    assert theirs == {name: getattr(ours, name) for name in theirs}
    for part, kinds in PARTS.items():
        assert f"  {part}: {json.dumps(list(kinds))}," in source
    assert f"export const FILTERS = {json.dumps(list(FILTERS))} as const;" in source


def test_the_choices_can_be_read_back() -> None:
    widget = ThresholdExplorer(threshold=0.25, shifts=[0, 1, -1, NEVER, 0])
    found = widget.thresholds
    assert found["toxic"] == pytest.approx(0.25)
    assert found["insult"] == pytest.approx(1 / (1 + 3 / math.e))
    assert found["obscene"] is None
    assert repr(widget) == "ThresholdExplorer(bert on own, threshold 0.25)"
    assert ThresholdExplorer(threshold=1e-12).level == -8
    alone = ThresholdExplorer(shifts=[NEVER] * 5).rates()
    assert (alone.missed, alone.blocked) == (alone.harmful, 0), "no label, nothing blocked"
    assert ThresholdExplorer(filter="heads", calibrated=True).rates().missed < 41
    with pytest.raises(ValueError, match="part: got 'mine', wanted one of seen, unseen, own, corpus"):
        widget.rates("mine")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threshold": 1.0}, r"threshold: got 1.0, wanted a share between 0 and 1"),
        ({"prevalence": 0.0}, r"prevalence: got 0.0, wanted a share between 0 and 1"),
        ({"ratio": -1.0}, r"ratio: got -1.0, wanted a number above 0"),
        ({"shifts": [0.0]}, r"shifts: got \[0.0\], wanted 5 numbers from -16 to 16"),
        ({"filter": "magic"}, "filter"),
        ({"part": "seen"}, "part"),
    ],
)
def test_a_state_out_of_range_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(traitlets.TraitError, match=message):
        ThresholdExplorer(**wrong)


def test_data_of_another_form_is_refused() -> None:
    data = json.loads(components()["ThresholdExplorer"].data_path.read_text("utf8"))
    assert ThresholdExplorer(data).data_sha256 == ""
    short = base64.b64encode(b"ab").decode()
    for change, message in (
        ({"format": 2}, "data: got format 2, wanted 1"),
        ({"truth": short}, "truth: got 2 bytes, wanted 948"),
        (
            {"filters": {"bert": data["filters"]["bert"]}},
            "filters: got none named heads, wanted bert and heads",
        ),
        (
            {"filters": {**data["filters"], "bert": {"scores": short}}},
            "scores: got 2 bytes, wanted 4740 for 948",
        ),
        ({"kind_labels": {"seen": {}}}, "kind_labels: got none for corpus, hard, identity_attack"),
    ):
        with pytest.raises(ValueError, match=message):
            ThresholdExplorer({**data, **change})
    with pytest.raises(ValueError, match="data: got none for groups, wanted"):
        ThresholdExplorer({name: value for name, value in data.items() if name != "groups"})
    with pytest.raises(TypeError, match="treshold is not an argument of ThresholdExplorer"):
        ThresholdExplorer(treshold=0.5)


def test_a_saved_page_leaves_the_data_to_the_registry() -> None:
    widget = ThresholdExplorer(filter="heads")
    assert isinstance(widget, anywidget.AnyWidget)
    state = {
        "state": {
            "m": {
                "model_module": "anywidget",
                "state": {**widget.get_state(), "_anywidget_id": "frontier_widgets.ThresholdExplorer"},
            }
        }
    }
    values = slim_state(state)["state"]["m"]["state"]
    assert not {"filters", "truth", "kinds", "_esm", "_css"} & values.keys()
    assert values["filter"] == "heads"

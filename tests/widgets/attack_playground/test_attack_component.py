"""The AttackPlayground class: published data, choices read back, tables sent when they are asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anywidget
import pytest
import traitlets
from frontier_widgets import AttackPlayground, components, slim_state
from frontier_widgets.attack_playground import ORDER, ORDERS, SENSES, TEXTS
from frontier_widgets.draws import Chance

SOURCES = Path(__file__).parents[3] / "widgets" / "src" / "attack_playground"


def test_the_initial_choices_are_the_same_in_both_languages() -> None:
    (body,) = re.findall(
        r"export const INITIAL[^{]*\{(.*?)\n\};", (SOURCES / "state.ts").read_text("utf8"), re.S
    )
    theirs = {name: json.loads(value) for name, value in re.findall(r"(\w+): (.+?),\n", body + "\n")}
    ours = AttackPlayground()
    names = ("example", "sentence", "swaps", "word", "queries", "changes", "senses", "order", "seed", "story")
    assert theirs.keys() == {*names, "view"}
    assert theirs == {name: getattr(ours, name) for name in theirs}
    race = (SOURCES / "race.ts").read_text("utf8")
    assert f"ORDERS = {json.dumps(ORDERS)} as const;".replace("(", "[") in race
    assert f"ROWS = {{ order: {ORDER}, texts: {TEXTS} }};" in race
    assert f"SENSES = {json.dumps(SENSES)} as const;" in (SOURCES / "vocabulary.ts").read_text("utf8")


def test_the_choices_can_be_read_back() -> None:
    widget = AttackPlayground(example=1, swaps={"4": "matters"}, seed=7)
    assert widget.verse.split()[4] == "matters"
    assert widget.verse.split()[5:] == widget.examples[1]["text"].split()[5:]
    assert widget.chance(TEXTS).permutation(range(9)).tolist() == Chance(7, 1).permutation(range(9)).tolist()
    own = AttackPlayground(sentence="  Hear thou, my son ")
    assert own.verse == "Hear thou, my son"
    assert repr(own) == "AttackPlayground('Hear thou, my son'; greedy order deletion, common senses)"


def test_records_have_what_is_left_after_each_number_of_queries() -> None:
    frame = AttackPlayground().to_frame()
    assert frame.queries.tolist() == list(range(51))
    for name in ("greedy", "shuffled", "random"):
        assert frame[name].is_monotonic_decreasing
        assert frame[name].iloc[0] == frame.random.iloc[0], "without a query all are as right"
    assert ((frame.low <= frame.difference) & (frame.difference <= frame.high)).all()
    assert (frame.difference - (frame.random - frame.greedy)).abs().max() < 2e-4
    few = frame[(frame.queries >= 1) & (frame.queries <= 15)]
    assert (few.high < 0).all(), "where few are asked, random texts break more"
    assert (frame[frame.queries >= 20].difference.abs() < 0.01).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"example": 99}, "example: got 99, wanted less than 15"),
        ({"order": "magic"}, "order"),
        ({"senses": "all"}, "senses"),
        ({"seed": 100}, "seed"),
        ({"queries": -1}, "queries"),
        ({"swaps": {"1": 2}}, "swaps"),
    ],
)
def test_a_state_out_of_range_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(traitlets.TraitError, match=message):
        AttackPlayground(**wrong)


def test_data_of_another_form_is_refused() -> None:
    data = json.loads(components()["AttackPlayground"].data_path.read_text("utf8"))
    assert AttackPlayground(data).data_sha256 == ""
    for change, message in (
        ({"format": 2}, "data: got format 2, wanted 1"),
        ({"examples": []}, "data: got no examples, wanted one or more"),
        ({"labels": ["law"]}, "data: example 0 has label 4, wanted one below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            AttackPlayground({**data, **change})
    with pytest.raises(ValueError, match="data: got none for curves, wanted"):
        AttackPlayground({name: value for name, value in data.items() if name != "curves"})
    with pytest.raises(TypeError, match="qeuries is not an argument of AttackPlayground"):
        AttackPlayground(qeuries=3)


def test_a_saved_page_leaves_the_data_to_the_registry() -> None:
    widget = AttackPlayground(queries=9)
    assert isinstance(widget, anywidget.AnyWidget)
    values = {**widget.get_state(), "_anywidget_id": "frontier_widgets.AttackPlayground"}
    saved = {"state": {"m": {"model_module": "anywidget", "state": values}}}
    kept = slim_state(saved)["state"]["m"]["state"]
    assert not {"examples", "curves", "labels", "_esm", "_css"} & kept.keys()
    assert kept["queries"] == 9
    assert components()["AttackPlayground"].data_path.stat().st_size < 70_000

"""The LongContextStrategies class: published data, the reader's own, choices read back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import pytest
import torch
import traitlets
from frontier_widgets import LongContextStrategies, components, slim_state
from frontier_widgets.attention_cost import MODELS, cost, crossover, recurrent_cost
from frontier_widgets.attention_masks import Pattern, count
from frontier_widgets.long_context_strategies import GROUPS, LIMITS, ROPES, SHOWN_METHODS, TOPICS
from transformers import LlamaConfig, LlamaForCausalLM

SOURCES = Path(__file__).parents[3] / "widgets" / "src"


def test_published_data_is_what_the_manifest_says() -> None:
    from frontier_lab.figure_data.long_context_strategies import build

    assert json.loads(components()["LongContextStrategies"].data_path.read_text("utf8")) == build()


def test_records_have_every_measurement_once() -> None:
    widget = LongContextStrategies()
    records = widget.to_records()
    keys = {(r["condition"], r["measure"], r["from"], r["to"], r["seed"]) for r in records}
    assert len(keys) == len(records) > 200
    frame = widget.to_frame()
    assert set(frame["condition"]) == set(widget.curves)
    rope = frame[(frame.condition == "base") & (frame.measure == "loss")]
    by_place = rope.groupby("from")["value"].mean().sort_index().to_numpy()
    assert (np.diff(by_place) > 0).all(), (
        "what the figure is about: RoPE's loss rises beyond the trained length"
    )
    alibi = frame[(frame.condition == "alibi") & (frame.measure == "loss") & (frame["from"] >= 64)]
    assert alibi["value"].max() < rope["value"].max() - 0.4


def test_the_first_view_shows_what_the_tour_says_of_it() -> None:
    widget = LongContextStrategies()
    assert widget.config["factor"] * widget.config["trained"] == widget.config["buckets"][-1][1]
    farthest = {
        name: np.array(widget.curves[name]["recall"][-1]) for name in ("base", "yarn_s4", "yarn_s8")
    }  # [seeds]
    assert (farthest["yarn_s4"] > farthest["base"]).all()
    assert (farthest["yarn_s8"] > farthest["yarn_s4"] + 0.1).all()


def test_the_initial_choices_are_the_same_in_both_languages() -> None:
    source = (SOURCES / "long_context_strategies" / "state.ts").read_text("utf8")
    (body,) = re.findall(r"export const INITIAL[^{]*\{(.*?)\};", source, re.S)
    ours = LongContextStrategies()
    theirs = {name: json.loads(value) for name, value in re.findall(r'(\w+): ("[^"]*"|[\w.-]+)', body)}
    assert theirs == {name: getattr(ours, name) for name in theirs}
    own = set(ours.class_trait_names()) - set(anywidget.AnyWidget.class_trait_names())
    shown = {name for name in own if not name.startswith("_")}
    assert set(theirs) | {"language", "curves", "config", "data_sha256"} == shown


def test_both_languages_know_the_same_groups() -> None:
    source = (SOURCES / "long_context_strategies" / "conditions.ts").read_text("utf8")
    (body,) = re.findall(r"export const GROUPS = \[(.*?)\]", source, re.S)
    assert tuple(re.findall(r'"(\w+)"', body)) == GROUPS


def test_the_bill_is_the_twins() -> None:
    widget = LongContextStrategies(kind="window", wide=1024, sharing="mqa", length=1 << 20, bytes_each=1)
    model = MODELS["Llama-3.1-8B"].shared("mqa")
    assert widget.cost() == cost(model, Pattern("window", window=1024, stride=1024), 1 << 20, bytes_each=1)
    assert widget.break_even() > 5 * 256 + 32
    assert widget.mask().sum() == count(widget.pattern, 48)
    assert repr(widget) == "LongContextStrategies(mask: window, 48 tokens, 356 cells)"


def test_the_recurrent_bill_is_the_twins() -> None:
    widget = LongContextStrategies(kind="causal", rival="mamba", bytes_each=1, length=4096)
    model = MODELS["Llama-3.1-8B"]
    assert widget.rival_cost() == recurrent_cost(model, "mamba", 4096, bytes_each=1)
    assert widget.crossover() == crossover(model, Pattern("causal"), "mamba")
    for ask in (LongContextStrategies().rival_cost, LongContextStrategies().crossover):
        with pytest.raises(ValueError, match="rival: got 'none', wanted one of mamba"):
            ask()


@pytest.mark.parametrize("method", SHOWN_METHODS)
def test_the_chosen_method_is_usable_in_the_next_cell(method: str) -> None:
    widget = LongContextStrategies(method=method, scale=4.0)
    config = LlamaConfig(
        hidden_size=4 * widget.config["head_dim"],
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=4,
        vocab_size=16,
        max_position_embeddings=widget.config["trained"],
        rope_parameters=widget.rope_parameters(),
    )
    logits = LlamaForCausalLM(config)(torch.zeros(1, 200, dtype=torch.int64)).logits
    assert torch.isfinite(logits).all()


def test_another_models_configuration_and_curves() -> None:
    config = LlamaConfig(
        hidden_size=64,
        num_attention_heads=2,
        max_position_embeddings=512,
        rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0},
    )
    curves = {"mine": {"loss": [[1.0, 2.0], [3.0, 4.0]]}, "theirs": {"recall": [0.5]}}
    widget = LongContextStrategies(
        curves=curves, config=config, buckets=[(0, 8), (8, 16)], distances=[4], method="default"
    )
    assert widget.config["head_dim"] == 32
    assert widget.config["model"] == {"class": "Llama"}
    assert widget.rope_parameters() == {"rope_type": "default", "rope_theta": 500.0}
    assert widget.rotary.trained == 512
    assert [r["value"] for r in widget.to_records()] == [1.0, 2.0, 3.0, 4.0, 0.5]
    assert widget.data_sha256 == ""
    assert LongContextStrategies(config=config).curves == {}
    assert LongContextStrategies(rope="Llama-3-8B").rotary.base == ROPES["Llama-3-8B"]["base"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"buckets": [(0, 1)]}, "curves: got none with buckets or distances"),
        ({"config": {"trained": 4}}, "config.head_dim: got None, wanted a number"),
        ({"curves": {"a": {"loss": [[1]]}}}, r"curves\['a'\]\['loss'\]: got 1 rows, wanted 0"),
    ],
)
def test_data_that_does_not_fit_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LongContextStrategies(**arguments)


def test_states_that_cannot_be_are_refused() -> None:
    with pytest.raises(TypeError, match="colour is not an argument"):
        LongContextStrategies(colour="red")
    for name, (low, high) in LIMITS.items():
        kind = type(getattr(LongContextStrategies(), name))
        for value in (low, high):
            assert getattr(LongContextStrategies(**{name: kind(value)}), name) == value
        with pytest.raises(traitlets.TraitError, match=f"{name}: got .*, wanted"):
            LongContextStrategies(**{name: kind(high) + 1})
    with pytest.raises(traitlets.TraitError):
        LongContextStrategies(topic="weather")
    assert TOPICS[0] == LongContextStrategies().topic


def test_a_saved_state_leaves_out_what_the_page_has_anyway() -> None:
    widget = LongContextStrategies()
    entry = {
        "model_module": "anywidget",
        "state": {**widget.get_state(), "_anywidget_id": "frontier_widgets.x.LongContextStrategies"},
    }
    slim = slim_state({"state": {"m": entry}})["state"]["m"]["state"]
    assert not {"curves", "config", "_esm", "_css"} & set(slim)
    assert slim["window"] == 8

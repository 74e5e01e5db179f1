"""The MoERouting class: published data, the reader's own data, choices read back."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import traitlets
from frontier_widgets import MoERouting, components, registry_script, route, slim_state, token_path


def test_published_data_is_what_the_committed_checkpoints_give() -> None:
    from frontier_lab.figure_data.moe_routing import build

    stored = json.loads(components()["MoERouting"].data_path.read_text("utf8"))
    fresh = build()
    widget = MoERouting()
    for name in stored.keys() - {"logits", "ablation"}:
        assert stored[name] == fresh[name], name
    changes = np.frombuffer(base64.b64decode(fresh["ablation"]), "<f4").reshape(8, 4, 8, 2)
    np.testing.assert_allclose(widget.ablation_array(), changes, rtol=0, atol=2e-4)
    now = np.frombuffer(base64.b64decode(fresh["logits"]), "<f4").reshape(widget.shape)
    np.testing.assert_allclose(widget.logits_array(), now, rtol=0, atol=2e-4)
    spread = np.abs(now[:, :, :, 0] - now[:, :, :, 1]).mean()
    assert spread > 0.05, "router scores of a trained model differ between experts"


def test_text_is_held_out_and_reads_as_three_domains() -> None:
    widget = MoERouting()
    assert len(widget.tokens) == 48
    assert list(dict.fromkeys(widget.groups)) == ["bible", "jargon", "poems"]
    assert all(set(label) == {"zh", "en"} for label in widget.group_labels.values())
    assert "".join(widget.tokens[32:]) == "别有幽愁暗恨生，此时无声胜有声。"


def test_routing_is_the_twin_of_what_is_shown() -> None:
    widget = MoERouting(run="unbalanced", step=40, layer=2, top_k=3, temperature=0.5, capacity_factor=1.0)
    frame = widget.snapshots[widget.snapshot]
    assert (frame["run"], frame["step"]) == ("unbalanced", 40)
    wanted = route(widget.logits_array()[widget.snapshot, 2], 3, temperature=0.5, capacity_factor=1.0)
    assert widget.routing().balance_loss == wanted.balance_loss
    records = widget.to_records()
    assert len(records) == 48 * 3
    assert sum(not record["kept"] for record in records) == round(wanted.drop_fraction * len(records))
    assert list(widget.to_frame().columns) == list(records[0])


def test_without_the_balance_loss_a_few_experts_carry_the_first_layer() -> None:
    widget = MoERouting()
    by_run = {
        frame["run"]: changes[0, :, 0]
        for frame, changes in zip(widget.snapshots, widget.ablation_array(), strict=True)
        if frame["step"] == 1500
    }
    assert by_run["unbalanced"].max() > by_run["balanced"].max() > 0.3
    assert by_run["unbalanced"].min() < 0.02 < by_run["balanced"].min()
    start = widget.ablation_array()[0]
    assert np.abs(start[..., 0]).max() < 0.005, "experts without training make no difference"


def test_the_path_is_what_is_shown_and_an_own_ablation_is_kept() -> None:
    widget = MoERouting(selected_token=5, top_k=3, temperature=0.5)
    wanted = token_path(widget.logits_array()[widget.snapshot], 5, 3, temperature=0.5)
    np.testing.assert_array_equal(widget.path().experts, wanted.experts)
    own = MoERouting(np.zeros((2, 3, 4)), list("abc"), ablation=np.ones((2, 4, 2)))
    assert own.ablation_array().shape == (1, 2, 4, 2)
    assert MoERouting(np.zeros((3, 4)), list("abc")).ablation_array().shape == (0, 1, 4, 2)


def test_own_logits_from_torch_layers() -> None:
    layers: Sequence[torch.Tensor] = [torch.randn(4, 6, dtype=torch.bfloat16) for _ in range(3)]
    widget = MoERouting(logits=layers, tokens=list("abcd"))
    assert widget.shape == [1, 3, 4, 6]
    np.testing.assert_array_equal(widget.logits_array()[0, 1], layers[1].float().numpy())
    assert repr(widget) == "MoERouting(4 tokens, 3 layers, 6 experts, top_k=2)"
    assert widget.data_sha256 == ""


def test_repr_is_stable() -> None:
    assert repr(MoERouting()) == repr(MoERouting())
    assert "0x" not in repr(MoERouting())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"logits": np.zeros((3, 2))}, ValueError, "tokens: got none"),
        ({"tokens": ["a"]}, ValueError, "logits: got none with tokens"),
        ({"logits": np.zeros((3, 2)), "tokens": ["a"]}, ValueError, "tokens: got 1 entries, wanted 3"),
        ({"logits": np.zeros((3, 2)), "tokens": ["a", "b", 3]}, TypeError, "tokens: got 3"),
        ({"logits": np.full((1, 2), np.nan), "tokens": ["a"]}, ValueError, "logits: got nan at"),
        ({"logits": np.zeros(3), "tokens": ["a"]}, ValueError, "logits: got shape"),
        ({"logits": "no", "tokens": ["a"]}, TypeError, "logits: got str"),
        (
            {"logits": np.zeros((3, 2)), "tokens": list("abc"), "ablation": np.zeros((2, 2))},
            ValueError,
            r"ablation: got shape \(2, 2\), wanted \(1, 1, 2, 2\)",
        ),
        (
            {"logits": np.zeros((1, 2)), "tokens": ["a"], "ablation": np.full((1, 2, 2), np.inf)},
            ValueError,
            "ablation: got numbers that are not finite",
        ),
        ({"ablation": np.zeros((1, 8, 2))}, ValueError, "logits: got none with ablation"),
        ({"top_k": 9}, traitlets.TraitError, "top_k: got 9, wanted 1 to 8"),
        ({"run": "other"}, traitlets.TraitError, "run: got 'other'"),
        ({"colour": "red"}, TypeError, "colour is not an argument"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MoERouting(**arguments)


def test_a_choice_out_of_range_is_refused_and_the_old_one_stays() -> None:
    widget = MoERouting()
    with pytest.raises(traitlets.TraitError, match="selected_token: got 48"):
        widget.selected_token = 48
    assert widget.selected_token == 0


def _saved(widget: MoERouting) -> dict[str, Any]:
    from ipywidgets.embed import embed_data

    state: dict[str, Any] = embed_data(views=[widget], drop_defaults=False)["manager_state"]
    return state


def test_slim_state_leaves_out_what_the_registry_has_and_keeps_the_readers_own() -> None:
    published, own = MoERouting(top_k=1), MoERouting(logits=np.zeros((2, 3)), tokens=["a", "b"])
    state = _saved(published)
    slim = slim_state(state)["state"][published.model_id]
    assert "_esm" in state["state"][published.model_id]["state"], "the original is not changed"
    assert not {"_esm", "_css", "logits", "tokens"} & slim["state"].keys()
    assert slim["state"]["top_k"] == 1
    assert not slim.get("buffers")
    kept = slim_state(_saved(own))["state"][own.model_id]
    assert kept["state"]["tokens"] == ["a", "b"]
    assert sorted(buffer["path"] for buffer in kept["buffers"]) == [["ablation"], ["logits"]]
    assert "_esm" not in kept["state"]


def test_registry_script_is_safe_inside_a_script_element() -> None:
    script = registry_script()
    assert "<" not in script.replace("||", "")
    assert script.startswith("window.frontierComponents=")
    with pytest.raises(ValueError, match=r"names: got \['Nope'\]"):
        registry_script(["Nope"])


class Front:
    """The front end's side of a widget's comm."""

    def __init__(self, widget: MoERouting) -> None:
        self.heard: list[tuple[Any, list[bytes]]] = []
        widget.send = lambda content, buffers=None: self.heard.append((content, list(buffers or [])))  # type: ignore[method-assign]
        self.ask = lambda content: widget._handle_custom_msg(content, [])


def test_a_checkpoint_is_sent_when_the_front_end_asks() -> None:
    from frontier_lab.figure_data import browser_models

    front = Front(MoERouting())
    front.ask({"type": "checkpoint", "name": "mixtral"})
    [(answer, [weights])] = front.heard
    assert answer["name"] == "mixtral"
    assert answer["config"]["model_type"] == "mixtral"
    assert answer["tokenizer"]["model"]["type"] == "BPE"
    assert weights == browser_models.files("mixtral")["weights"].read_bytes()


def test_a_checkpoint_that_is_not_there_is_an_answer_too() -> None:
    front = Front(MoERouting())
    front.ask({"type": "checkpoint", "name": "../../etc/passwd"})
    [(answer, buffers)] = front.heard
    assert answer["error"].startswith("LookupError: name: got '../../etc/passwd', wanted a checkpoint")
    assert buffers == []
    front.ask({"type": "something else"})
    front.ask("no dictionary")
    assert len(front.heard) == 1


def test_a_typed_sentence_can_be_read_back() -> None:
    widget = MoERouting(layer=3)
    logits = np.linspace(-1, 1, 4 * 5 * 8, dtype="<f4")
    widget.set_state(
        {
            **{"tokens": list("abcde"), "groups": [], "group_labels": {}, "data_sha256": ""},
            **{"snapshots": [{"run": "", "step": 0}], "shape": [1, 4, 5, 8], "run": "", "step": 0},
            **{"logits": memoryview(logits.tobytes()), "selected_token": 4, "sentence": "abcde"},
        }
    )
    assert widget.sentence == "abcde"
    assert widget.routing().experts.shape == (5, 2)
    assert [record["text"] for record in widget.to_records()][::2] == list("abcde")


def test_own_logits_offer_no_sentence() -> None:
    assert MoERouting().live == "mixtral"
    assert MoERouting(logits=np.zeros((2, 4)), tokens=["a", "b"]).live == ""

"""Models merged in the page: stored numbers are those of today's checkpoint, and so are the data."""

from __future__ import annotations

import base64
import json
import re

import golden_merging as golden
import numpy as np
import pytest
import torch
from frontier_widgets import ModelMerging, checkpoints, components
from frontier_widgets.model_merging.rules import Merge, merge

from frontier_lab.figure_data import model_merging, task_vectors
from frontier_lab.methods.merging import State
from frontier_lab.texts.prompt_tasks import part_of
from frontier_lab.zoo import merging

DATA = json.loads(components()["ModelMerging"].data_path.read_text("utf8"))


def test_pytorch_gives_the_stored_numbers() -> None:
    stored, now = json.loads(golden.FILE.read_text("utf8")), golden.build()
    assert stored["prompts"] == now["prompts"]
    assert stored["checksums"] == now["checksums"]
    for kept, found in zip(stored["cases"], now["cases"], strict=True):
        for key in ("steps", "right", "answers"):
            assert kept[key] == found[key]
        assert kept["text"] == pytest.approx(found["text"], abs=1)
        assert json.loads(json.dumps(found["how"])) == kept["how"]
        for ours, theirs in zip(kept["logits"], found["logits"], strict=True):
            one, other = (np.frombuffer(base64.b64decode(text), "<f4") for text in (ours, theirs))
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


@pytest.mark.parametrize("steps", merging.KEPT)
@pytest.mark.parametrize("embedding", [True, False])
@pytest.mark.parametrize("weights", [(0.0, 0.0, 0.0), (0.75, 0.75, 0.75), (1.0, 1.0, 1.0), (1.5, -0.5, 0.25)])
def test_the_grid_has_what_is_measured_at_its_nodes(
    steps: int, embedding: bool, weights: tuple[float, ...]
) -> None:
    torch.set_num_threads(1)
    widget = ModelMerging(weights=list(weights), steps=steps, embedding=embedding)
    *right, text = model_merging.at(weights, steps, embedding).tolist()
    found = widget.estimate()
    assert [found[task] for task in widget.tasks] == right
    assert found["text"] == pytest.approx(text / 1000, abs=1.5e-3)


def test_the_rest_of_the_data_is_what_the_command_gives() -> None:
    for name, value in model_merging.words().items():
        assert DATA[name] == json.loads(json.dumps(value)), name
    assert [DATA[name] for name in ("format", "tasks", "axis", "trained", "live")] == [
        1,
        list(merging.TASKS),
        list(model_merging.AXIS),
        list(merging.KEPT),
        "merging",
    ]


def test_no_prompt_of_the_figure_was_trained_on() -> None:
    prompts = [prompt for _, prompt, _ in DATA["prompts"]]
    assert len(set(prompts)) == len(prompts) == 96
    assert {part_of(prompt) for prompt in prompts} == {"test"}


def test_packing_costs_no_answer() -> None:
    """The grid is of packed vectors: of whole ones the same scores, within a prompt of each task."""

    def whole(task: str) -> State:
        folder = merging.expert_folder(task, 80)
        tuned = merging.kept(task_vectors.committed("merging") / folder / "model.safetensors")
        return {name: tuned[name] - torch.from_numpy(start) for name, start in task_vectors.base().items()}

    vectors = [{name: value.numpy() for name, value in whole(task).items()} for task in merging.TASKS]
    exact = model_merging.measured(merge(task_vectors.base(), vectors, Merge(model_merging.DEFAULT)))
    packed = model_merging.at(model_merging.DEFAULT, 80, True)
    assert np.abs(exact.astype(int) - packed.astype(int))[:3].max() <= 1
    assert abs(int(exact[3]) - int(packed[3])) <= 10


@pytest.mark.parametrize("name", task_vectors.NAMES)
def test_the_script_carries_all_vectors_in_a_byte_a_number(name: str) -> None:
    script = task_vectors.script(name)
    assert "<" not in script  # nothing in it can end the element it stands in
    entry = json.loads(re.fullmatch(r"[^{]+\{\},(\{.*\})\);\n", script)[1])[name]  # type: ignore[index]
    weights = base64.b64decode(entry["weights"])
    assert weights == task_vectors.files(name)["weights"] == checkpoints.checkpoint_files(name)["weights"]
    assert len(weights) < 1.1 * 3 * DATA["facts"]["parameters"]


def test_another_name_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"name: got 'merging-7', wanted one of \('merging-80', 'merging-320'\)"
    ):
        task_vectors.files("merging-7")
    with pytest.raises(ValueError, match=r"steps: got 7, wanted one of \(80, 320\)"):
        task_vectors.vectors(7)

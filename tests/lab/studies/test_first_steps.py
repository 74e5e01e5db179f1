"""Every training of the book begins as the one that was committed, whatever went before it in the process."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from frontier_lab import zoo
from frontier_lab.studies import first_steps
from frontier_lab.zoo import reader
from frontier_lab.zoo.families import multi_label, sparse_encoders
from frontier_lab.zoo.recipes import RECIPES
from frontier_lab.zoo.training import loop
from frontier_lab.zoo.training.loop import Schedule

STORED = first_steps.stored()
MANIFEST = zoo.manifest()
LOSS = 2e-4
"""In the unit of the loss. Torch and the kernels held to AVX2, and the machines that the logs are of, moved
first steps by 2e-5 at most."""

OWN = {
    "retnet_ablations:one decay, language": (3e-5, 0.04),
    "retnet_ablations:no decay, language": (3e-5, LOSS),
}
"""The same before and after the first step, for two runs that begin alike. With every initial weight changed
by 1e-7 of itself the former's losses moved by 0.022 in ten steps and the latter's by 1e-5, so that only what
they begin with tells them apart."""

SHARE = 0.01
"""The same for shares of right answers and the like, where one near tie counts."""


def numbers(entry: Any, name: str = "") -> Iterator[tuple[str, float | None]]:
    """Every number of an entry of a log, by the path that leads to it."""
    if isinstance(entry, dict | list):
        for key, value in entry.items() if isinstance(entry, dict) else enumerate(entry):
            yield from numbers(value, f"{name}/{key}")
    else:
        yield name, entry


def rounding(run: str, step: int) -> float:
    """What it may change in a loss of a run after these steps."""
    before, after = OWN.get(run, (LOSS, LOSS))
    return after if step else before


def close(run: str, entry: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Fail unless two entries of a run's log say the same, but for rounding."""
    loss = rounding(run, entry["step"])
    assert [name for name, _ in numbers(entry)] == [name for name, _ in numbers(wanted)]
    for (name, value), (_, kept) in zip(numbers(entry), numbers(wanted), strict=True):
        within = loss if name.endswith("loss") else SHARE
        assert value == (kept if kept is None else pytest.approx(kept, abs=within)), name


def committed(run: str) -> list[dict[str, Any]] | None:
    """The log of the first seed of a recipe's run, none of a study's."""
    recipe, _, part = run.partition(":")
    if recipe not in RECIPES:
        return None
    log = json.loads((zoo.CHECKPOINTS / recipe / "log.json").read_text("utf8"))
    seeds = log if isinstance(log, list) else log[part or recipe]
    found: list[dict[str, Any]] = seeds[0]
    return found


@pytest.fixture
def pure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold every training to what resuming takes: a loss of model and step alone, no state but parameters.

    A loss is computed a second time, after that of another step and with the global generators elsewhere:
    were anything kept between steps or drawn from these, the two would differ in some bit. ``train`` itself
    resumes bit for bit where this holds, as ``test_loop`` shows.
    """
    original = loop.train

    def train(
        model: nn.Module, schedule: Schedule, *, loss: Callable[[nn.Module, int], Tensor], **rest: Any
    ) -> list[dict[str, Any]]:
        def twice(model: nn.Module, step: int) -> Tensor:
            if step in (1, 6):
                with torch.no_grad():
                    value = loss(model, step)
                    loss(model, step + 3)
                    torch.manual_seed(step)
                    np.random.seed(step)
                    assert torch.equal(value, loss(model, step))
            return loss(model, step)

        before = {name: buffer.clone() for name, buffer in model.named_buffers()}
        log = original(model, schedule, loss=twice, **rest)
        for name, buffer in model.named_buffers():
            assert torch.equal(buffer, before[name]), name
        return log

    for name, module in list(sys.modules.items()):
        if name.startswith("frontier_lab.") and getattr(module, "train", None) is original:
            monkeypatch.setattr(module, "train", train)


ON_REAL_MODELS = ("safety_heads",)
"""Runs on vectors of a packaged model, left out where it is not installed."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "run",
    [pytest.param(run, marks=[pytest.mark.real_model] * (run in ON_REAL_MODELS)) for run in first_steps.RUNS],
)
def test_first_steps_repeat_the_committed_log(run: str, pure: None, tmp_path: Path) -> None:
    log = first_steps.RUNS[run](tmp_path)
    assert [entry["step"] for entry in log] == [0, first_steps.STEPS]
    for entry, wanted in zip(log, STORED[run], strict=True):
        close(run, entry, wanted)


def test_every_run_of_every_recipe_is_begun_again() -> None:
    assert list(STORED) == list(first_steps.RUNS)
    runs = set()
    for recipe in RECIPES:
        log = json.loads((zoo.CHECKPOINTS / recipe / "log.json").read_text("utf8"))
        parts = [] if isinstance(log, list) or list(log) == [recipe] else list(log)
        runs |= {f"{recipe}:{part}" for part in parts} or {recipe}
    # RAG trains nothing: its log is the reader's.
    assert runs - {run for run in first_steps.RUNS if run.partition(":")[0] in RECIPES} == {"rag"}
    assert committed("rag") == committed("reader")


@pytest.mark.parametrize("run", [run for run in first_steps.RUNS if committed(run)])
def test_what_is_kept_is_where_the_committed_training_began(run: str) -> None:
    """Step 0 of the checkpoint's own log, and step 10 where that has it."""
    logged = {entry["step"]: entry for entry in committed(run) or []}
    shared = [entry for entry in STORED[run] if entry["step"] in logged]
    assert shared
    for entry in shared:
        close(run, entry, logged[entry["step"]])


def test_runs_of_one_study_do_not_begin_alike() -> None:
    """What tells two variants apart is larger than what rounding may change, at one of the steps kept."""
    for study in ("retnet_ablations", "delta_rule", "rewritten_keys", "state_sizes"):
        runs = [run for run in first_steps.RUNS if run.startswith(study)]
        for task in {run.partition(", ")[2] for run in runs}:
            same = [run for run in runs if run.partition(", ")[2] == task]
            for number, run in enumerate(same):
                for other in same[:number]:
                    pairs = zip(STORED[run], STORED[other], strict=True)
                    assert any(
                        abs(a["val_loss"] - b["val_loss"])
                        > rounding(run, a["step"]) + rounding(other, b["step"])
                        for a, b in pairs
                    )


def schedule_of(name: str) -> Schedule:
    """The schedule of a recipe's longest run, which may stand in a module that recipes share."""
    recipe: Any = importlib.import_module(f"frontier_lab.zoo.{name}")
    if hasattr(recipe, "PEER"):
        peers: Schedule = recipe.PEER.schedule("language")
        return peers
    shared = {"bigbird": sparse_encoders, "longformer": sparse_encoders, "rag": reader}
    shared |= {"sentiment": multi_label, "toxicity": multi_label}
    own: Schedule = shared.get(name, recipe).SCHEDULE
    return own


@pytest.mark.parametrize("name", RECIPES)
def test_the_manifest_has_the_schedule_of_the_recipe(name: str) -> None:
    """Among it the rate, which first steps do not show where the loss hardly falls in them, as dpr's."""
    assert MANIFEST[name]["schedule"] == json.loads(json.dumps(asdict(schedule_of(name))))

"""The training loop: what was killed and resumed ends bit for bit where an uninterrupted run ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from frontier_lab.zoo.training import loop
from frontier_lab.zoo.training.loop import Schedule, train

SCHEDULE = Schedule(steps=6, batch_size=4, warmup=2, log_every=3, snapshots=(0, 3))
RECIPE = {"seed": 0}


class Tiny(nn.Module):
    """Matrices, vectors and a router by name, so that both groups of parameters are there."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.norm = nn.Embedding(11, 8), nn.LayerNorm(8)
        self.gate, self.head = nn.Linear(8, 8, bias=False), nn.Linear(8, 11)

    def forward(self, ids: Tensor) -> Tensor:
        """Cross-entropy of the next id, for ``ids [B, T]``."""
        logits = self.head(torch.tanh(self.gate(self.norm(self.embedding(ids[:, :-1])))))
        return nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def draw(step: int) -> Tensor:
    """The batch of a step, from the step alone."""
    return torch.randint(0, 11, (SCHEDULE.batch_size, 9), generator=torch.Generator().manual_seed(step))


def run(
    work: Path, *, kill_at: int | None = None, stop_at: int | None = None, **change: Any
) -> tuple[nn.Module, Any, list[int]]:
    """Train a ``Tiny`` in ``work``: the model, its log, the steps at which it was kept."""
    model, kept = Tiny(), []

    def loss(model: nn.Module, step: int) -> Tensor:
        if step == kill_at:
            signal.raise_signal(signal.SIGKILL)
        value: Tensor = model(draw(step))
        return value

    def measure(model: nn.Module) -> dict[str, Any]:
        return {"val_loss": round(model(draw(10**6)).item(), 6)}

    def keep(model: nn.Module, step: int) -> None:
        kept.append(step)

    settings: dict[str, Any] = {"schedule": SCHEDULE, "recipe": RECIPE, **change}
    log = train(
        model,
        settings["schedule"],
        loss=loss,
        measure=measure,
        keep=keep,
        work=work,
        label="tiny",
        recipe=settings["recipe"],
        stop_at=stop_at,
    )
    return model, log, kept


def equal(a: nn.Module, b: nn.Module) -> bool:
    """Every parameter, bit for bit."""
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("stop_at", [3, 4, 5])
def test_three_steps_and_three_resumed_are_six_bit_for_bit(stop_at: int, tmp_path: Path) -> None:
    whole, log, _ = run(tmp_path / "whole")
    half, _, _ = run(tmp_path / "parts", stop_at=stop_at)
    assert not equal(half, whole)
    resumed, resumed_log, kept = run(tmp_path / "parts")
    assert equal(resumed, whole)
    assert resumed_log == log == json.loads((tmp_path / "parts" / "log.json").read_text("utf8"))
    assert kept == [6]


@pytest.mark.parametrize("kill_at", [1, 3, 5])
def test_a_killed_process_loses_nothing_that_was_logged(kill_at: int, tmp_path: Path) -> None:
    script = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import torch; torch.set_num_threads(1)
from pathlib import Path
import test_loop
test_loop.run(Path({str(tmp_path / "killed")!r}), kill_at={kill_at})
"""
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    whole, log, _ = run(tmp_path / "whole")
    resumed, resumed_log, kept = run(tmp_path / "killed")
    assert equal(resumed, whole)
    assert resumed_log == log
    assert kept == ([0, 3, 6] if kill_at < 3 else [6])


def test_a_kill_between_state_and_log_does_not_tear_them_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = Schedule(steps=6, batch_size=4, warmup=2, log_every=2)
    whole, log, _ = run(tmp_path / "whole", schedule=schedule)
    run(tmp_path / "torn", schedule=schedule, stop_at=2)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "torn", schedule=schedule)  # the state of step 4 is there, its log is not
    resumed, resumed_log, _ = run(tmp_path / "torn", schedule=schedule)
    assert equal(resumed, whole)
    assert resumed_log == log


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    _, log, _ = run(tmp_path)
    before = (tmp_path / "state.safetensors").read_bytes()
    again, again_log, kept = run(tmp_path, kill_at=0)  # a single step would kill this test
    assert again_log == log
    assert kept == []
    assert equal(again, run(tmp_path / "whole")[0])
    assert (tmp_path / "state.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [{"recipe": {"seed": 1}}, {"schedule": Schedule(steps=6, batch_size=4, warmup=3, log_every=3)}],
    ids=["recipe", "schedule"],
)
def test_the_state_of_another_recipe_is_not_resumed(
    change: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "used", stop_at=3)
    other, log, _ = run(tmp_path / "used", **change)
    assert "was left by another recipe: starting at step 0" in capsys.readouterr().out
    alone, alone_log, _ = run(tmp_path / "alone", **change)
    assert equal(other, alone)
    assert log == alone_log


def test_the_logged_training_loss_is_the_mean_since_the_last_entry(tmp_path: Path) -> None:
    # Seven steps, logged at 0, 3, 6 and the last: the last mean is over one step.
    schedule = Schedule(steps=7, batch_size=4, warmup=2, log_every=3)
    seen: list[float] = []
    model = Tiny()

    def loss(model: nn.Module, step: int) -> Tensor:
        value: Tensor = model(draw(step))
        seen.append(value.item())
        return value

    log = train(
        model,
        schedule,
        loss=loss,
        measure=lambda _: {"val_loss": 0.0},
        keep=lambda *_: None,
        work=tmp_path,
        label="tiny",
        recipe=RECIPE,
    )
    assert [entry["step"] for entry in log] == [0, 3, 6, 7]
    wanted = [sum(seen[:3]) / 3, sum(seen[3:6]) / 3, seen[6]]
    assert [entry["train_loss"] for entry in log] == [None, *(pytest.approx(v, abs=1e-5) for v in wanted)]


def test_the_router_and_vectors_do_not_decay() -> None:
    model = Tiny()
    groups = loop._optimizer(model, SCHEDULE).param_groups
    names = {id(p): n for n, p in model.named_parameters()}
    decay = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert decay == {
        "embedding.weight": 0.1,
        "norm.weight": 0.0,
        "norm.bias": 0.0,
        "gate.weight": 0.0,
        "head.weight": 0.1,
        "head.bias": 0.0,
    }


def test_the_rate_warms_up_and_falls_to_a_tenth() -> None:
    schedule = Schedule(steps=100, warmup=10, learning_rate=1.0)
    rates = [schedule.rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.1)

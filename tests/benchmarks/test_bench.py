"""``make bench``: every row is printed, a wrong contestant stops its row, ratios follow the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

from benchmarks import bench, contestants, measure
from benchmarks.bench import Result
from benchmarks.cases import CASES, QUICK, Case
from benchmarks.contestants import OURS, Forward, Inputs
from benchmarks.measure import Roofline, Timing

CASE = QUICK[0]
ROOFLINE = Roofline({"float32": 1e9, "bfloat16": 1e9}, 1e9)
PEERS = {"transformers eager", "transformers grouped_mm", "torch grouped_mm"}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The command leaves the number of threads as it was."""
    torch.set_num_threads(1)
    yield
    assert torch.get_num_threads() == 1


class FakeClock:
    """Time passes only where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def takes(self, forward: Forward, *seconds: float) -> Forward:
        """``forward``, which lasts the given seconds, in turn."""
        calls = 0

        def slow(inputs: Inputs) -> Tensor:
            nonlocal calls
            self.now += seconds[calls % len(seconds)]
            calls += 1
            return forward(inputs)

        return slow


def wanted(case: Case) -> dict[str, Tensor]:
    """The truth of a case."""
    return bench.outputs(contestants.truth(case), contestants.make_inputs(case, torch.float64), True)


def timed(case: Case, ours: float, **peers: float) -> Result:
    """A case of contestants that are right and take so many seconds."""
    clock = FakeClock()
    right = contestants.truth(case)
    field = {name: clock.takes(right, seconds) for name, seconds in {OURS: ours, **peers}.items()}
    return bench.measure_case(case, field, wanted(case), 1, ROOFLINE, 1.0, rounds=3, clock=clock)


# ---- the registry ------------------------------------------------------------------------------------------


def test_registry_names_each_case_once_and_covers_both_passes_of_both_dtypes() -> None:
    for registry in (CASES, QUICK):
        assert len({case.name for case in registry}) == len(registry)
        shapes = {case.shape for case in registry}
        rows = {(case.shape, case.dtype, case.backward) for case in registry}
        both = [(d, b) for d in ("float32", "bfloat16") for b in (False, True)]
        assert rows == {(shape, dtype, backward) for shape in shapes for dtype, backward in both}
    assert all(case.goal > 1 and case.operator in contestants.OPERATORS for case in CASES + QUICK)


def test_flops_and_bytes_of_a_case_counted_by_hand() -> None:
    case = Case("c", "moe", 3, 4, 5, 7, 2, "float32", "swiglu", False, 1.0)
    weights = 2 * 5 * 4 + 4 * 5
    assert measure.work(case, 6) == (2 * 3 * 2 * weights, 4 * (2 * 3 * 4 + 6 * weights + 3 * 7))
    flops, traffic = measure.work(replace(case, backward=True), 6)
    assert flops == 3 * 2 * 3 * 2 * weights
    assert traffic == 4 * (5 * 3 * 4 + 6 * weights + (6 + 7) * weights + 3 * 3 * 7)


def test_roof_is_the_slower_of_arithmetic_and_traffic() -> None:
    roofline = Roofline({"float32": 10.0}, 5.0)
    assert roofline.seconds(CASE, flops=100.0, traffic=20.0) == 10.0
    assert roofline.seconds(CASE, flops=10.0, traffic=20.0) == 4.0


def test_roofline_keeps_the_best_rate_of_each_kind() -> None:
    busy, calm = Roofline({"float32": 1.0}, 7.0), Roofline({"float32": 3.0}, 5.0)
    assert busy.best(calm) == calm.best(busy) == Roofline({"float32": 3.0}, 7.0)
    assert busy.best(None) == busy


# ---- the clock ---------------------------------------------------------------------------------------------


def test_interleaved_rounds_start_with_each_contestant_in_turn() -> None:
    order: list[str] = []
    calls = {name: partial(order.append, name) for name in "abc"}
    measure.interleave(calls, 1.0, rounds=3, clock=FakeClock())
    assert "".join(order[3:]) == "abcbcacab"


def test_minimum_and_median_of_a_noisy_contestant() -> None:
    clock = FakeClock()
    steps = iter([9.0, 4.0, 2.0, 3.0])  # one warm-up, three rounds

    def call() -> None:
        clock.now += next(steps)

    assert measure.interleave({"a": call}, 1.0, rounds=3, clock=clock) == {"a": Timing(2.0, 3.0, 3)}
    assert Timing(2.0, 3.0, 3).spread == 1.5


@pytest.mark.parametrize(
    ("takes", "rounds"), [(100.0, measure.MIN_ROUNDS), (0.1, 20), (1e-6, measure.MAX_ROUNDS)]
)
def test_rounds_fill_the_time_within_bounds(takes: float, rounds: int) -> None:
    clock = FakeClock()

    def call() -> None:
        clock.now += takes

    assert measure.interleave({"a": call}, 2.0001, clock=clock)["a"].rounds == rounds


def test_ratio_is_the_best_peer_over_ours() -> None:
    result = timed(CASE, 0.5, slow=4.0, quick=2.0)
    assert result.best_peer == "quick"
    assert result.ratio == pytest.approx(4.0)
    assert result.verdict == "met"
    row = bench.line(result)
    assert " met " in row
    assert "4.00" in row
    assert "500.000" in row
    assert f"{CASE.goal:.1f}" in row


def test_a_goal_that_is_missed_is_marked() -> None:
    result = timed(CASE, 1.0, peer=CASE.goal - 0.1)
    assert result.verdict == "MISSED"
    assert "MISSED" in bench.line(result)
    assert bench.table([result]).endswith("0 of 1 goals met")


def test_a_peer_that_is_faster_gives_a_ratio_below_one() -> None:
    assert timed(CASE, 2.0, peer=1.0).ratio == pytest.approx(0.5)


def test_a_row_whose_times_scatter_is_marked() -> None:
    clock, right = FakeClock(), contestants.truth(CASE)
    calm, scattered = (
        clock.takes(right, 1.0),
        clock.takes(right, 1.0, 1.0, 1.0, 2.0, 2.0),
    )  # gate, warm-up, rounds
    for peer, noisy in ((calm, False), (scattered, True)):
        field = {OURS: calm, "peer": peer}
        result = bench.measure_case(CASE, field, wanted(CASE), 1, ROOFLINE, 1.0, rounds=3, clock=clock)
        assert result.noisy is noisy
        assert bench.line(result).endswith("noisy") is noisy


# ---- the gate ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_every_contestant_passes_the_gate(case: Case) -> None:
    field = contestants.OPERATORS[case.operator](case, False)
    inputs = contestants.make_inputs(case, getattr(torch, case.dtype))
    errors, red = bench.check(case, field, inputs, wanted(case))
    assert red == []
    assert set(errors) == {OURS} | PEERS
    assert all(len(found) == (5 if case.backward else 1) for found in errors.values())


class DoubleGradient(torch.autograd.Function):
    """The identity, whose gradient is twice what it should be."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return 2 * grad


def double(y: Tensor) -> Tensor:
    """``y``, with a wrong gradient."""
    return cast(Tensor, DoubleGradient.apply(y))  # type: ignore[no-untyped-call]


def breaks(inputs: Inputs) -> Tensor:
    """A contestant that cannot run."""
    raise RuntimeError("no kernel")


def spoiled(change: Callable[[Tensor], Tensor]) -> Forward:
    """The truth, changed."""
    right = contestants.truth(CASE)
    return lambda inputs: change(right(inputs))


WRONG = {
    "off by a little": (spoiled(lambda y: y * (1 + 1e-4)), "y off by 1.0e-04"),
    "not a number": (spoiled(lambda y: y * torch.nan), "y off by nan"),
    "another shape": (spoiled(lambda y: y[:1]), "y off by inf"),
    "cannot run": (breaks, "no kernel"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("who", [OURS, "peer"])
def test_gate_catches_a_wrong_contestant_and_shows_no_speed(name: str, who: str) -> None:
    wrong, words = WRONG[name]
    field = {OURS: contestants.truth(CASE), "peer": contestants.truth(CASE)} | {who: wrong}
    result = bench.measure_case(CASE, field, wanted(CASE), 1, ROOFLINE, 1.0, rounds=2)
    assert result.timings == {}
    assert (result.ratio, result.verdict) == (None, "RED")
    row = bench.line(result)
    assert "RED, no speed" in row
    assert f"{who}: " in row
    assert words in row


def test_gate_catches_a_wrong_gradient() -> None:
    case = next(case for case in QUICK if case.backward and case.dtype == "float32")
    right = contestants.truth(case)
    field: dict[str, Forward] = {OURS: lambda inputs: double(right(inputs)), "peer": right}
    result = bench.measure_case(case, field, wanted(case), 1, ROOFLINE, 1.0, rounds=2)
    assert [words.split()[1] for words in result.red] == list(contestants.GRADIENTS)


# ---- the command -------------------------------------------------------------------------------------------


def test_command_prints_every_row_and_saves_nothing_by_itself(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results")
    assert bench.main(["--quick", "--threads", "1", "2"]) == 0
    printed = capsys.readouterr().out
    for case in QUICK:
        rows = [row for row in printed.splitlines() if row.startswith(f"{case.name} ")]
        assert [row[len(case.name) :].split()[0] for row in rows] == ["1", "2"]
    assert f"of {2 * len(QUICK)} goals met" in printed
    assert "roofline, 2 thread(s): float32 mm" in printed
    assert not (tmp_path / "results").exists()


def test_command_fails_when_a_gate_is_red(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def field(case: Case, compiled: bool) -> dict[str, Forward]:
        return {
            OURS: breaks if case is QUICK[0] else contestants.truth(case),
            "peer": contestants.truth(case),
        }

    monkeypatch.setitem(contestants.OPERATORS, "moe", field)
    assert bench.main(["--quick", "tiny float32 fwd"]) == 1
    printed = capsys.readouterr().out
    assert "; 1 RED" in printed


def test_saved_json_has_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    assert bench.main(["--quick", "--save", "trial-1"]) == 0
    saved = json.loads((tmp_path / "trial-1.json").read_text())
    assert set(saved) == {"schema", "name", "machine", "roofline", "results"}
    assert (saved["schema"], saved["name"]) == (bench.SCHEMA, "trial-1")
    assert {"cpu", "flags", "cores", "load", "torch", "transformers", "frontier_kernels"} <= set(
        saved["machine"]
    )
    assert saved["machine"]["torch"] == torch.__version__
    assert [row["threads"] for row in saved["roofline"]] == [1]
    assert [row["case"]["name"] for row in saved["results"]] == [case.name for case in QUICK]
    for row in saved["results"]:
        assert set(row["seconds"]) == set(row["relative_rms"]) == {OURS} | PEERS
        ours, best = (row["seconds"][name] for name in (OURS, row["best_peer"]))
        assert row["ratio"] == pytest.approx(best["minimum"] / ours["minimum"])
        assert all(0 < t["minimum"] <= t["median"] and t["rounds"] == 2 for t in row["seconds"].values())
        assert row["share_of_roof"] == pytest.approx(row["roof_seconds"] / ours["minimum"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["no-such-case"], "no case contains"), (["--quick", "--save", "../x"], "letters, digits")],
)
def test_wrong_arguments_are_named(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench.main(arguments)
    assert words in capsys.readouterr().err

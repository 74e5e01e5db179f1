"""The clock and the roofline."""

from __future__ import annotations

from functools import partial

import pytest
from fakes import FakeClock

from benchmarks import measure
from benchmarks.measure import Roofline, Timing
from frontier_kernels.ops import library


def test_interleaved_rounds_start_with_each_contestant_in_turn() -> None:
    order: list[str] = []
    calls = {name: partial(order.append, name) for name in "abc"}
    measure.interleave(calls, 1.0, rounds=3, clock=FakeClock())
    assert "".join(order) == "abcbcacab"


def test_minimum_and_median_of_a_noisy_contestant() -> None:
    clock = FakeClock()
    timing = measure.interleave({"a": clock.steps(4.0, 2.0, 3.0)}, 1.0, rounds=3, clock=clock)["a"]
    assert timing == Timing(2.0, 3.0, 3)
    assert timing.spread == 1.5


@pytest.mark.parametrize(
    ("takes", "rounds"), [(100.0, measure.MIN_ROUNDS), (0.1, 20), (1e-6, measure.MAX_ROUNDS)]
)
def test_rounds_fill_the_time_within_bounds(takes: float, rounds: int) -> None:
    clock = FakeClock()
    timing = measure.interleave({"a": clock.steps(takes)}, 2.0001, clock=clock)["a"]
    trials = 1 if takes > 1 else measure.TRIALS
    assert timing.rounds == rounds + trials


def test_calls_of_microseconds_are_timed_several_in_a_row() -> None:
    clock, order = FakeClock(), []

    def short() -> None:
        order.append("short")
        clock.now += measure.BURST / 2.5

    calls = {"short": short, "long": clock.steps(1.0)}
    timings = measure.interleave(calls, 2.0, clock=clock)
    assert timings["short"].minimum == pytest.approx(measure.BURST / 2.5)
    assert len(order) == measure.TRIALS + 2 * (timings["short"].rounds - measure.TRIALS)


def test_a_slow_contestant_leaves_the_time_to_those_that_are_compared() -> None:
    clock = FakeClock()
    calls = {"ours": clock.steps(0.01), "peer": clock.steps(0.02), "slow": clock.steps(0.5)}
    timings = measure.interleave(calls, 3.0, clock=clock)
    assert timings["ours"].rounds == timings["peer"].rounds == 100 + measure.TRIALS
    assert timings["slow"].rounds == 1 + measure.TRIALS
    assert timings["slow"].minimum == pytest.approx(0.5)
    assert clock.now < 2 * 3.0


def test_a_contestant_that_takes_longer_than_the_row_is_called_once() -> None:
    clock = FakeClock()
    timings = measure.interleave({"ours": clock.steps(0.1), "never": clock.steps(30.0)}, 2.0, clock=clock)
    assert timings["never"] == Timing(30.0, 30.0, 1)


def test_one_busy_moment_does_not_make_a_contestant_slow() -> None:
    clock = FakeClock()
    calls = {"ours": clock.steps(0.01), "peer": clock.steps(*[0.9, *[0.01] * 500])}
    timings = measure.interleave(calls, 2.0, clock=clock)
    assert timings["peer"].rounds == timings["ours"].rounds
    assert timings["peer"].minimum == pytest.approx(0.01)


def test_the_first_is_never_slow() -> None:
    clock = FakeClock()
    calls = {"ours": clock.steps(*[0.4] * measure.TRIALS, *[0.01] * 500), "peer": clock.steps(0.02)}
    timings = measure.interleave(calls, 2.0, clock=clock)
    assert timings["ours"].rounds == timings["peer"].rounds
    assert timings["ours"].minimum == pytest.approx(0.01)


def test_roofline_keeps_the_best_rate_of_each_kind() -> None:
    busy = Roofline({"float32": 1.0}, {"float32": 9.0}, 7.0)
    calm = Roofline({"float32": 3.0}, {"float32": 8.0}, 5.0)
    assert busy.best(calm) == calm.best(busy) == Roofline({"float32": 3.0}, {"float32": 9.0}, 7.0)
    assert busy.best(None) == busy


def test_roofline_keeps_the_rates_of_dtypes_that_came_before() -> None:
    before, now = Roofline({"float16": 2.0}, {"float16": 4.0}, 1.0), Roofline({"float32": 1.0}, {}, 1.0)
    assert now.best(before) == Roofline({"float16": 2.0, "float32": 1.0}, {"float16": 4.0}, 1.0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_rates_are_those_of_a_machine(dtype: str) -> None:
    roofline = measure.measure_roofline([dtype], quick=True)
    for rate in (roofline.flops[dtype], roofline.peak[dtype], roofline.bandwidth):
        assert 1e5 < rate < 1e14


def test_the_micro_kernel_refuses_what_it_cannot_measure() -> None:
    for arguments, words in {
        ("int8", 64, 1): "dtype: got 'int8'",
        ("float32", 0, 1): "size: got 0",
        ("float32", 1 << 40, 1): "size: got",
        ("float32", 64, 0): "rounds: got 0",
    }.items():
        with pytest.raises(RuntimeError, match=words):
            library.gemm_peak(*arguments)

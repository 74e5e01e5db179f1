"""``make bench``: every row is printed, a wrong contestant stops its row, ratios follow the clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import FLAT, FakeCase, FakeClock, contestant
from torch import Tensor

from benchmarks import bench, report
from benchmarks.bench import Result
from benchmarks.case import OURS, PACKED, Case, Goals
from benchmarks.cases import QUICK
from benchmarks.moe import MoECase
from benchmarks.retention import RetentionCase, StepCase

Results = tuple[Tensor, ...]
MOE = {OURS, "transformers eager", "transformers grouped_mm", "torch grouped_mm"}
RETENTION = {OURS, "causal attention (SDPA)"} | {
    f"torch chunks {way}, {chunk}" for way in ("in turn", "at once") for chunk in (64, 128)
}
YARN = {"yet-another-retnet chunkwise", "yet-another-retnet parallel"}
STEP = {OURS, "torch in place"}

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The command leaves the number of threads as it was."""
    torch.set_num_threads(1)
    yield
    assert torch.get_num_threads() == 1


def timed(goals: Goals, ours: float, **peers: float) -> Result:
    """A case of contestants that are right and take so many seconds."""
    clock = FakeClock()
    field = [contestant(OURS, clock.steps(ours), counts=False)]
    field += [contestant(name, clock.steps(seconds)) for name, seconds in peers.items()]
    case = FakeCase(goals)
    return bench.measure_case(case, field, case.truth(), 1, FLAT, 1.0, rounds=3, clock=clock)


def row(result: Result) -> str:
    """Its line in the table."""
    return report.line(result.as_row())


# ---- ratios and verdicts -----------------------------------------------------------------------------------


def test_ratio_is_the_best_peer_over_ours() -> None:
    result = timed(Goals(ratio=2.0), 0.5, slow=4.0, quick=2.0)
    assert result.best_peer == "quick"
    assert result.ratio == pytest.approx(4.0)
    assert result.verdict == "met"
    words = row(result).split()
    assert {"met", "4.00", "500.0", "2000.0", "quick", "2x"} <= set(words)


def test_a_goal_that_is_missed_is_marked() -> None:
    result = timed(Goals(ratio=2.0), 1.0, peer=1.9)
    assert result.verdict == "MISSED"
    assert "MISSED" in row(result)
    assert report.summary([result.as_row()]) == "1 thread: 0 of 1 goals met"


def test_a_peer_that_is_faster_gives_a_ratio_below_one() -> None:
    assert timed(Goals(ratio=2.0), 2.0, peer=1.0).ratio == pytest.approx(0.5)


@pytest.mark.parametrize(("takes", "verdict"), [(9e-6, "met"), (11e-6, "MISSED")])
def test_an_absolute_goal_is_our_time_alone(takes: float, verdict: str) -> None:
    # Whatever the peer takes: half of ours, or ten times as much.
    for peer in (takes / 2, takes * 10):
        result = timed(Goals(seconds=10e-6), takes, peer=peer)
        assert result.verdict == verdict
        assert "10 us" in row(result)


@pytest.mark.parametrize(("share", "verdict"), [(0.71, "met"), (0.69, "MISSED")])
def test_a_goal_for_the_share_of_the_peak_comes_on_top(share: float, verdict: str) -> None:
    takes = 1e9 / (share * FLAT.peak["float32"])
    result = timed(Goals(ratio=2.0, peak=0.7), takes, peer=10 * takes)
    assert result.share_of_peak == pytest.approx(share)
    assert result.verdict == verdict
    assert timed(Goals(ratio=2.0, peak=0.7), takes, peer=takes).verdict == "MISSED"


def test_a_stretch_goal_is_shown_and_not_judged() -> None:
    result = timed(Goals(ratio=2.0, stretch=2.5), 1.0, peer=2.1)
    assert result.verdict == "met"
    assert "2x (2.5)" in row(result)


def test_a_row_without_a_goal_counts_for_none() -> None:
    result = timed(Goals(), 1.0, peer=0.5)
    assert result.verdict == "-"
    assert report.summary([result.as_row()]) == "1 thread: 0 of 0 goals met"


def test_the_ratio_takes_no_one_who_does_not_count() -> None:
    clock, case = FakeClock(), FakeCase()
    field = [
        contestant(OURS, clock.steps(1.0), counts=False),
        contestant("more of ours", clock.steps(0.5), counts=False),
        contestant("another function", clock.steps(0.1), counts=False, gated=False),
        contestant("peer", clock.steps(3.0)),
    ]
    result = bench.measure_case(case, field, case.truth(), 1, FLAT, 1.0, rounds=2, clock=clock)
    assert (result.best_peer, result.ratio) == ("peer", pytest.approx(3.0))
    assert "another function" in report.everyone(result.as_row())


def test_shares_of_the_roofline() -> None:
    found = timed(Goals(), 2.0, peer=1.0).as_row()
    assert found["share_of_mm"] == pytest.approx(0.5)  # 1 GFLOP in 2 s of 1 GFLOP/s
    assert found["share_of_peak"] == pytest.approx(0.25)
    assert found["share_of_copy"] == pytest.approx(0.25)  # half a gigabyte
    assert report.line(found).split()[-4:] == ["0.5", "50%", "25%", "25%"]


def test_a_row_whose_times_scatter_is_marked() -> None:
    case = FakeCase()
    for peer, noisy in (((1.0,), False), ((1.0, 1.0, 2.0, 2.0), True)):
        clock = FakeClock()
        field = [
            contestant(OURS, clock.steps(1.0), counts=False),
            contestant("peer", clock.steps(*peer)),  # gate, then three rounds
        ]
        result = bench.measure_case(case, field, case.truth(), 1, FLAT, 1.0, rounds=3, clock=clock)
        assert result.noisy is noisy
        assert row(result).endswith("noisy") is noisy


# ---- the gate ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_every_contestant_passes_the_gate(case: Case) -> None:
    calls, errors, red = bench.check(case, case.contestants(False), case.truth())
    assert red == []
    if isinstance(case, MoECase):
        names, tensors = (MOE, 5) if case.backward else (MOE | {PACKED}, 1)
    elif isinstance(case, RetentionCase):
        names, tensors = set(RETENTION), 4 if case.backward else 1
        names |= YARN if case.dtype == "float32" else set()
        names |= {f"{OURS}, decay's gradient too"} if case.backward else set()
        names -= {name for name in names if name.endswith("128")} if case.time < 128 else set()
    else:
        assert isinstance(case, StepCase)
        names, tensors = STEP | ({"yet-another-retnet recurrent"} if case.dtype == "float32" else set()), 2
    assert set(calls) == names
    for name, found in errors.items():
        assert len(found) == tensors + ("decay" in name)
    assert set(errors) == names - {"causal attention (SDPA)"}


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["moe", "retention", "retention step"])
def test_the_compiled_peer_passes_the_gate(operator: str) -> None:
    case = next(case for case in QUICK if case.operator == operator and case.dtype == "float32")
    (peer,) = (found for found in case.contestants(True) if found.name == "torch.compile")
    assert bench.check(case, [peer], case.truth())[2] == []


def breaks() -> Results:
    """A contestant that cannot run."""
    raise RuntimeError("no kernel")


def spoiled(change: Callable[[Tensor], Tensor]) -> Callable[[], Results]:
    """The truth, with another output."""
    right = FakeClock().steps(0.0)
    return lambda: (change(right()[0]), *right()[1:])


WRONG: dict[str, tuple[Callable[[], Results], str]] = {
    "off by a little": (spoiled(lambda y: y * (1 + 1e-4)), "y off by 1.0e-04"),
    "not a number": (spoiled(lambda y: y * torch.nan), "y off by nan"),
    "another shape": (spoiled(lambda y: y[:1]), "y off by inf"),
    "a wrong gradient": (lambda: (torch.ones(3), torch.ones(2)), "dx off by 5.0e-01"),
    "cannot run": (breaks, "no kernel"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("who", [OURS, "peer", "extra"])
def test_gate_catches_a_wrong_contestant_and_shows_no_speed(name: str, who: str) -> None:
    wrong, words = WRONG[name]
    right, case = FakeClock().steps(0.0), FakeCase()
    field = [
        contestant(someone, wrong if someone == who else right, counts=someone == "peer")
        for someone in (OURS, "peer", "extra")
    ]
    result = bench.measure_case(case, field, case.truth(), 1, FLAT, 1.0, rounds=2)
    assert result.timings == {}
    assert (result.ratio, result.verdict) == (None, "RED")
    assert "RED, no speed" in row(result)
    assert f"{who}: " in row(result)
    assert words in row(result)


def test_a_peer_gets_twice_the_tolerance() -> None:
    case = FakeCase()
    for error, who, red in ((1.5e-5, OURS, True), (1.5e-5, "peer", False), (2.5e-5, "peer", True)):
        off = spoiled(lambda y, error=error: y * (1 + error))  # type: ignore[misc]
        found = bench.check(case, [contestant(who, off, counts=who != OURS)], case.truth())[2]
        assert bool(found) is red


# ---- the command -------------------------------------------------------------------------------------------


def test_command_prints_every_row_and_saves_nothing_by_itself(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results")
    assert bench.main(["--quick", "--threads", "1", "2"]) == 0
    printed = capsys.readouterr().out
    for case in QUICK:
        rows = [line for line in printed.splitlines() if line.startswith(f"{case.name} ")]
        assert [line[len(case.name) :].split()[0] for line in rows] == ["1", "2"]
    asked = sum(case.goals != Goals() for case in QUICK)
    assert f"of {asked} goals met; 2 threads: " in printed
    assert "roofline, 2 thread(s): torch.mm float32" in printed
    assert not (tmp_path / "results").exists()


def test_command_fails_when_a_gate_is_red(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = FakeClock().steps(1e-3)
    good = FakeCase(field_of=(contestant(OURS, right, counts=False), contestant("peer", right)))
    bad = replace(good, name="bad float32 fwd+bwd", field_of=(contestant(OURS, breaks, counts=False),))
    monkeypatch.setattr(bench, "QUICK", (good, bad))
    assert bench.main(["fake", "--quick", "--threads", "1"]) == 0
    assert bench.main(["--quick", "--threads", "1"]) == 1
    assert "of 2 goals met, 1 RED" in capsys.readouterr().out


def test_everyones_time_is_printed_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--quick", "--threads", "1", "--everyone", "step tiny float32"]) == 0
    printed = capsys.readouterr().out
    for name in STEP | {"yet-another-retnet recurrent"}:
        assert f"\n    {name} " in printed


def test_saved_json_has_the_schema_and_prints_as_markdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    assert bench.main(["--quick", "--threads", "1", "--save", "trial-1"]) == 0
    saved = json.loads((tmp_path / "trial-1.json").read_text())
    assert set(saved) == {"schema", "name", "machine", "roofline", "results"}
    assert (saved["schema"], saved["name"]) == (bench.SCHEMA, "trial-1")
    facts = {"cpu", "flags", "cores", "caches", "governor", "load", "torch", "transformers"}
    assert facts | {"yet_another_retnet", "frontier_kernels"} <= set(saved["machine"])
    assert saved["machine"]["torch"] == torch.__version__
    assert [found["threads"] for found in saved["roofline"]] == [1]
    assert [found["case"]["name"] for found in saved["results"]] == [case.name for case in QUICK]
    for found in saved["results"]:
        ours, best = (found["seconds"][name]["minimum"] for name in (OURS, found["best_peer"]))
        assert best == min(found["seconds"][name]["minimum"] for name in found["peers"])
        assert found["ratio"] == pytest.approx(best / ours)
        assert all(0 < t["minimum"] <= t["median"] and t["rounds"] == 2 for t in found["seconds"].values())
        (roof,) = saved["roofline"]
        # The row's own roofline may be an earlier one, which is at most as high.
        rate = found["flops"] / ours / roof["peak_flops_per_second"][found["case"]["dtype"]]
        assert found["share_of_peak"] >= rate * (1 - 1e-9)

    capsys.readouterr()
    assert bench.main(["--markdown", "trial-1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == len(QUICK) + 2
    assert len({line.count("|") for line in table}) == 1
    for line, found in zip(table[2:], saved["results"], strict=True):
        assert [cell.strip() for cell in line.strip("|").split("|")] == [
            cell.strip() for cell in report.cells(found)
        ]
    assert any(saved["machine"]["cpu"] in line for line in lines)
    assert bench.main(["--markdown", "trial-1", "--brief"]) == 0
    short = capsys.readouterr().out.splitlines()
    for found in saved["results"]:
        (line,) = (line for line in short if line.startswith(f"| {found['case']['name']} |"))
        assert f"{found['ratio']:.2f}" in line


def test_the_table_of_the_readme_is_what_the_saved_run_prints() -> None:
    text = (ROOT / "src/frontier_kernels/README.md").read_text("utf8")
    name, table = re.findall(r"<!-- --markdown (\S+) --brief -->\n(.*?)\n<!-- end -->", text, re.S)[0]
    assert table == report.brief(json.loads((bench.RESULTS / f"{name}.json").read_text("utf8")))


def test_an_older_file_is_not_taken_for_one_of_these(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "RESULTS", tmp_path)
    (tmp_path / "old.json").write_text('{"schema": 1}')
    with pytest.raises(SystemExit, match="2"):
        bench.main(["--markdown", "old"])
    assert "has schema 1, wanted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-case"], "no case contains"),
        (["--quick", "--save", "../x"], "letters, digits"),
        (["--markdown", "../x"], "letters, digits"),
        (["--brief"], "--brief: wanted together with"),
        (["--markdown", "no-such-run"], "there is no no-such-run.json"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench.main(arguments)
    assert words in capsys.readouterr().err

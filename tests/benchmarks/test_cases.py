"""The registry: which cells it has, what the issue asks of each, how much work each is."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from benchmarks import retention
from benchmarks.case import Case, Goals
from benchmarks.cases import CASES, QUICK
from benchmarks.moe import MoECase
from benchmarks.retention import RetentionCase, StepCase
from frontier_kernels import reference

FLOATS = ("float32", "bfloat16", "float16")


def goals(start: str) -> dict[str, Goals]:
    """Goals of the rows whose names start so, by the rest of the name."""
    return {case.name.removeprefix(start): case.goals for case in CASES if case.name.startswith(start)}


def test_each_name_is_there_once() -> None:
    for registry in (CASES, QUICK):
        assert len({case.name for case in registry}) == len(registry)


def test_cases_of_one_shape_follow_each_other() -> None:
    # Their truth is computed once, and it takes seconds.
    for registry in (CASES, QUICK):
        shapes = [case.shape for case in registry]
        changes = sum(a != b for a, b in pairwise(shapes))
        assert changes + 1 == len(set(shapes))


@pytest.mark.parametrize("shape", ["e8", "e32", "large"])
def test_goals_of_the_mixture_of_experts(shape: str) -> None:
    peak = 0.7 if shape == "large" else None
    wanted = {
        "float32 fwd": Goals(2.0, 2.5, peak=peak),
        "float32 fwd+bwd": Goals(1.8, 2.5, peak=peak),
        "bfloat16 fwd": Goals(1.3, peak=peak),
        "bfloat16 fwd+bwd": Goals(1.5, peak=peak),
    }
    if shape != "large":
        wanted |= {"float16 fwd": Goals(20.0), "float16 fwd+bwd": Goals(20.0)}
    assert goals(f"moe {shape} ") == wanted


@pytest.mark.parametrize("tokens", [1, 16])
def test_goals_of_decoding(tokens: int) -> None:
    found = goals(f"moe decode-{tokens} ")
    assert found == {f"{dtype} {passes}": Goals(3.0) for dtype in FLOATS for passes in ("fwd", "fwd+bwd")}


@pytest.mark.parametrize(
    "shape", ["B1 H8 T2048 D64", "B1 H4 T8192 D64", "B2 H4 T512 D64", "B4 H16 T1024 D128"]
)
def test_goals_of_retention(shape: str) -> None:
    assert goals(f"retention {shape} ") == {
        "float32 fwd": Goals(3.5),
        "float32 fwd+bwd": Goals(3.0),
        "bfloat16 fwd": Goals(),
        "bfloat16 fwd+bwd": Goals(),
    }


def test_goal_of_the_step_is_a_time() -> None:
    assert goals("step ") == {"B1 H8 D64 float32": Goals(seconds=10e-6), "B1 H8 D64 bfloat16": Goals()}


def test_names_of_the_shapes_are_their_sizes() -> None:
    sizes = {
        "e8": (1024, 256, 512, 8, 2),
        "e32": (512, 256, 128, 32, 4),
        "large": (2048, 768, 2048, 8, 2),
        "short": (128, 256, 128, 32, 4),
        "decode-1": (1, 256, 128, 32, 4),
        "decode-16": (16, 256, 128, 32, 4),
    }
    for case in CASES:
        words = case.name.split()
        if isinstance(case, MoECase):
            assert case.shape == ("moe", *sizes[words[1]])
        elif isinstance(case, RetentionCase):
            written = (f"B{case.batch}", f"H{case.heads}", f"T{case.time}", f"D{case.width}")
            assert tuple(words[1:5]) == written
        else:
            assert isinstance(case, StepCase)
            assert words[1:4] == [f"B{case.batch}", f"H{case.heads}", f"D{case.width}"]
        assert case.dtype in words
        assert case.backward == case.name.endswith("fwd+bwd")


def test_the_quick_registry_has_a_row_of_every_kind() -> None:
    def kinds(registry: tuple[Case, ...]) -> set[tuple[str, str, bool]]:
        return {(case.operator, case.dtype, case.backward) for case in registry}

    assert kinds(QUICK) == kinds(CASES)


# ---- work --------------------------------------------------------------------------------------------------


def test_work_of_experts_counted_by_hand() -> None:
    case = MoECase("c", 3, 4, 5, 7, 2, "float32", False, Goals())
    touched = len(set(case.logits().topk(2).indices.reshape(-1).tolist()))
    assert 2 <= touched <= 6
    weights = 2 * 5 * 4 + 4 * 5
    assert case.work().flops == 2 * 3 * 2 * weights
    assert case.work().traffic == 4 * (2 * 3 * 4 + touched * weights + 3 * 7)
    both = MoECase("c", 3, 4, 5, 7, 2, "float32", True, Goals()).work()
    assert both.flops == 3 * 2 * 3 * 2 * weights
    assert both.traffic == 4 * (5 * 3 * 4 + touched * weights + (touched + 7) * weights + 3 * 3 * 7)


def test_work_of_retention_counted_by_hand() -> None:
    rows, width, chunk = 2 * 3 * 128, 16, 64
    forward = RetentionCase("c", 2, 3, 128, 16, "bfloat16", False, Goals()).work()
    # Half of the scores and of their product with v; the state's update and its reading.
    assert forward.flops == rows * (2 * (2 * chunk * width) / 2 + 2 * (2 * width * width))
    assert forward.traffic == 2 * 4 * rows * width
    both = RetentionCase("c", 2, 3, 128, 16, "bfloat16", True, Goals()).work()
    assert (both.flops, both.traffic) == (3 * forward.flops, 2 * 11 * rows * width)


def test_work_of_a_step_is_its_state_read_and_written() -> None:
    work = StepCase("c", 1, 8, 64, "float32", Goals()).work()
    assert work.traffic == 4 * (2 * 8 * 64 * 64 + 4 * 8 * 64)
    assert work.flops == 5 * 8 * 64 * 64


# ---- truth -------------------------------------------------------------------------------------------------


def test_the_parallel_truth_and_its_gradients_are_those_of_the_reference() -> None:
    case = RetentionCase("c", 2, 3, 70, 8, "float32", True, Goals())
    q, k, v, grad = case.inputs(torch.float64)
    log_decay = retention.decays(3).double().log().requires_grad_()
    leaves = [t.transpose(1, 2).requires_grad_() for t in (q, k, v)]
    o, _ = reference.retention(leaves[0], leaves[1], leaves[2], log_decay)
    wanted = (o, *torch.autograd.grad(o, [*leaves, log_decay], grad.transpose(1, 2)))
    truth = case.truth()
    assert tuple(truth) == retention.NAMES
    for name, value in zip(retention.NAMES, wanted, strict=True):
        torch.testing.assert_close(truth[name], value.detach())


def test_the_truth_does_not_depend_on_how_many_queries_are_taken_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = RetentionCase("c", 1, 2, 70, 8, "float32", True, Goals())
    whole = case.truth()
    monkeypatch.setattr(retention, "ROWS", 16)
    for name, value in case.truth().items():
        torch.testing.assert_close(value, whole[name])


def test_a_wrong_truth_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = retention.parallel
    for name in retention.NAMES[:4]:
        spoil = lambda *args, name=name: right(*args) | {name: 1.001 * right(*args)[name]}  # noqa: E731
        monkeypatch.setattr(retention, "parallel", spoil)
        with pytest.raises(RuntimeError, match=f"{name} is not that of reference"):
            RetentionCase("c", 1, 2, 70, 8, "float32", True, Goals()).truth()

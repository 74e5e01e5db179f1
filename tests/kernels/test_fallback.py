"""Without the compiled library: one warning, and the same functions with the same results in plain torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from numerics import relative_error

import frontier_kernels as fk

HERE = Path(__file__).parent
PACKAGE = Path(fk.__file__).parent
PROGRAM = HERE / "every_function.py"

Record = tuple[
    dict[str, list[tuple[torch.Tensor, bool]]], list[tuple[str, str, str]], dict[str, str], dict[str, Any]
]


@pytest.fixture(scope="module")
def uncompiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it and no compiled library."""
    folder = tmp_path_factory.mktemp("uncompiled")
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "csrc", "__pycache__")
    shutil.copytree(PACKAGE, folder / "frontier_kernels", ignore=ignored)
    return folder


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the package that is in this folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
    )


def run(folder: Path, into: Path) -> Record:
    """What the program writes down with the package in this folder."""
    result = python(folder, str(PROGRAM), str(into))
    assert not result.returncode, result.stderr
    return torch.load(into)  # type: ignore[no-any-return]


# Sixteen bits may round to another neighbour than the compiled sums do, and in bfloat16 an activation and its
# slope do too: two units in the last place. A gradient in float32 of such activations differs by less.
BOUND = {torch.bfloat16: 8e-3, torch.float16: 6e-4}


@pytest.fixture(scope="module")
def records(uncompiled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Record]:
    """Without the library, and with it."""
    into = tmp_path_factory.mktemp("records")
    return run(uncompiled, into / "plain.pt"), run(PACKAGE.parent, into / "compiled.pt")


def test_outputs_and_gradients_equal_the_compiled_ones(records: tuple[Record, Record]) -> None:
    (plain, *_), (compiled, *_) = records
    assert plain.keys() == compiled.keys()
    tensors = 0
    for name, wanted in compiled.items():
        for (got, _), (truth, sixteen_bits) in zip(plain[name], wanted, strict=True):
            assert (got.dtype, got.shape) == (truth.dtype, truth.shape), name
            if truth.is_floating_point():
                bound = BOUND.get(truth.dtype, 1e-3 if sixteen_bits else 1e-5)
                assert relative_error(got, truth) <= bound, name
            else:
                assert torch.equal(got, truth), name
            tensors += truth.numel() > 0
    assert tensors > 1000


def test_every_public_function_is_among_them(records: tuple[Record, Record]) -> None:
    (plain, *_), _ = records
    assert set(plain) == set(fk.__all__) - {"BuildInfo", "Routing", "build_info"}


def test_the_operators_have_the_compiled_schemas(records: tuple[Record, Record]) -> None:
    (*_, plain, _), (*_, compiled, _) = records
    # The facts are those of the library alone, and so are the speed of its products and their panels.
    facts = ("activations", "build_facts", "dot_rows")
    for name in (*facts, "gemm_peak", "moe_mlp_packed", "pack_weights", "packed_bytes"):
        del compiled[name]
    assert plain == compiled


def test_one_warning_says_so_and_how_to_build(records: tuple[Record, Record]) -> None:
    (_, warned, *_), (_, quiet, *_) = records
    assert quiet == []
    ((category, file, message),) = warned
    assert category == "RuntimeWarning"
    assert file == str(PROGRAM)  # the line that imports the package, not one inside it
    assert "No module named 'frontier_kernels._C'" in message
    assert "`pip install --no-build-isolation .`" in message


def test_build_info_tells_which(records: tuple[Record, Record]) -> None:
    (*_, plain), (*_, compiled) = records
    assert (plain["compiled"], compiled["compiled"]) == (False, True)
    assert plain["cpu"] == "plain PyTorch"
    assert "No module named 'frontier_kernels._C'" in plain["note"]
    assert (plain["torch"], plain["dtypes"]) == (compiled["torch"], compiled["dtypes"])


def test_a_library_that_does_not_load_is_named_with_its_reason(uncompiled: Path, tmp_path: Path) -> None:
    shutil.copytree(uncompiled / "frontier_kernels", tmp_path / "frontier_kernels")
    (tmp_path / "frontier_kernels" / "_C.so").write_text("not a library")
    program = "import frontier_kernels as fk; print(fk.build_info().compiled)"
    result = python(tmp_path, "-c", program)
    assert result.stdout == "False\n", result.stderr
    assert result.stderr.count("RuntimeWarning") == 1
    assert "_C.so" in result.stderr


ONES = "torch.ones(2, 3)"
COMPILED = "torch.compile(fk.retention, backend='aot_eager')(*[torch.ones(1, 4, 1, 2)] * 3, "
WRONG = {
    "library.permute_slots(torch.full((3, 2), -2), 4, -1)": "experts: got index -2, wanted 0 to 3",
    f"library.dispatch({ONES}, torch.tensor([[0], [-2]]), torch.tensor([0, 1]))": "slot_to_row: got -2",
    f"library.dispatch({ONES}, torch.tensor([[0], [1]]), torch.tensor([1, 1]))": "is not the inverse",
    f"{COMPILED} torch.ones(1))": "log_decay: got 1.0, wanted zero or less",
    f"{COMPILED} torch.zeros(1), cu_seqlens=torch.tensor([0, 5]))": "cu_seqlens: got [0, 5], wanted",
}
"""Values that plain torch would take for something else, and how the error begins."""


def test_wrong_values_are_refused_by_name(uncompiled: Path) -> None:
    calls = "".join(
        f"try:\n    {call}\nexcept RuntimeError as error:\n    print(str(error).splitlines()[0])\n"
        for call in WRONG
    )
    program = "import torch, frontier_kernels as fk\nfrom frontier_kernels.ops import library\n" + calls
    lines = python(uncompiled, "-c", program).stdout.splitlines()
    assert len(lines) == len(WRONG)
    for line, message in zip(lines, WRONG.values(), strict=True):
        assert message in line


@pytest.mark.parametrize("num_experts", [2**40, 2**62])
def test_more_experts_than_memory_holds_are_refused_at_once(uncompiled: Path, num_experts: int) -> None:
    program = (
        "import resource, torch, frontier_kernels as fk\n"
        "resource.setrlimit(resource.RLIMIT_AS, (6 << 30,) * 2)\n"
        "try:\n"
        f"    fk.group_by_expert(torch.zeros(2, 1).long(), torch.rand(2, 1), {num_experts})\n"
        "except RuntimeError:\n"
        "    print('refused')\n"
    )
    for folder in (uncompiled, PACKAGE.parent):  # with the library too
        result = python(folder, "-c", program)
        assert result.stdout == "refused\n", result.stderr[-1000:]


@pytest.mark.slow
def test_the_suite_holds_without_the_library(uncompiled: Path) -> None:
    files = ("moe", "layer", "permutation", "router", "retention", "retention_layer", "retention_step")
    files += ("precision", "score_normalization", "wrong_input")
    files += ("autocast", "fake_tensors", "layer_state", "transforms")
    paths = [str(HERE / f"test_{name}.py") for name in files]
    registered = [str(HERE / f"test_{name}.py") for name in ("registration", "retention_registration")]
    # The same bits on two threads are a promise of the library: torch's own product rounds otherwise there.
    promised = ["-k", "not on_one_thread_and_on_two"]
    for chosen in ([*paths, *promised], [*registered, "-k", "opcheck or graph or derivative"]):
        result = python(uncompiled, "-m", "pytest", *chosen)
        assert not result.returncode, result.stdout[-3000:]
        assert "every operator runs as plain PyTorch" in result.stdout  # pytest shows the warning


def test_the_operators_of_this_process_are_the_compiled_ones() -> None:
    # Without this the whole suite could pass on plain torch and say nothing about the kernels.
    assert fk.build_info().compiled

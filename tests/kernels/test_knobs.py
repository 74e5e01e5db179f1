"""Knobs of the compiled sources that refuse: what a wrong value would break does not compile."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
import torch
from torch.utils.cpp_extension import include_paths

import frontier_kernels as fk
from frontier_kernels.ops import library

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "src/frontier_kernels/csrc"
needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="reads the errors of g++")


def errors(csrc: Path, source: str) -> str:
    """What g++ says about one file of a copy of the sources."""
    includes = [*(f"-isystem{path}" for path in include_paths()), f"-I{csrc}"]
    command = ["g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Werror=switch", *includes]
    command += [f"-I{sysconfig.get_path('include')}", "-DTORCH_TARGET_VERSION=0x020a000000000000"]
    result = subprocess.run([*command, str(csrc / source)], capture_output=True, text=True)
    assert bool(result.returncode) == ("error" in result.stderr)
    return result.stderr


@pytest.fixture
def csrc(tmp_path: Path) -> Path:
    """A copy of the sources to break."""
    return Path(shutil.copytree(CSRC, tmp_path / "csrc"))


def change(file: Path, old: str, new: str) -> None:
    """Replace what the pattern finds, which has to be there once."""
    text, count = re.subn(old, new, file.read_text("utf8"))
    assert count == 1, f"{file.name}: {old!r} is there {count} times"
    file.write_text(text, "utf8")


@needs_compiler
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("cpu/gemm.inc.h", r"kDotColumns = \d+;", "kDotColumns = 8;", "kDotColumns: sum_columns folds four"),
        ("cpu/kernel_table.h", r"kBlockRows = \d+;", "kBlockRows = 2;", "an expert's rows into quarters"),
        ("cpu/kernels_avx2.cpp", r"#define ROWS \d+", "#define ROWS 20", "ROWS: UNROLL keeps the sums of 16"),
        (
            "cpu/kernels_avx2.cpp",
            r"#define LANES \d+",
            "#define LANES 12",
            "LANES: transpose, fold and sum_lanes",
        ),
        ("cpu/kernels_avx2.cpp", r"#define ROWS \d+", "", "REAL, LANES, ROWS and TARGET have to be defined"),
        (
            "common/activations.h",
            r"ROW\(relu2, false\)",
            "ROW(relu2, false) ROW(softplus, false)",
            "Formula<frontier::Activation::softplus>",
        ),
    ],
)
def test_a_wrong_value_does_not_compile(csrc: Path, file: str, old: str, new: str, message: str) -> None:
    change(csrc / file, old, new)
    assert message in errors(csrc, "cpu/kernels_avx2.cpp")


@needs_compiler
def test_other_rows_of_dot_products_compile(csrc: Path) -> None:
    change(csrc / "cpu/kernel_table.h", r"kDotRows = \d+;", "kDotRows = 8;")
    assert errors(csrc, "cpu/kernels_avx2.cpp") == ""


@needs_compiler
def test_a_switch_that_forgets_an_enumerator_does_not_compile(csrc: Path) -> None:
    change(
        csrc / "cpu/gemm.inc.h",
        "    case Element::float16:\n      return pack_as<Half>",
        "    if (0) return pack_as<Half>",
    )
    assert "enumeration value" in errors(csrc, "cpu/kernels_avx2.cpp")


@needs_compiler
@pytest.mark.parametrize("path", sorted(CSRC.rglob("*.inc.h")), ids=lambda path: path.name)
def test_a_part_of_the_kernels_says_what_it_wants(path: Path) -> None:
    command = ["g++", "-std=c++20", "-fsyntax-only", "-x", "c++", str(path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert re.search(rf"error: #error \"{re.escape(path.name)}", result.stderr)


def test_every_schema_stands_in_one_file() -> None:
    found = {path.name for path in CSRC.rglob("*") if path.is_file() and "m.def(" in path.read_text("utf8")}
    assert found == {"module.cpp"}


def test_tokens_that_are_few_are_those_of_a_dot_product() -> None:
    (rows,) = re.findall(r"kDotRows = (\d+);", (CSRC / "cpu/kernel_table.h").read_text("utf8"))
    assert int(rows) == fk.packing.FEW_TOKENS


def test_the_smallest_sum_of_weights_is_the_same_everywhere() -> None:
    found = [
        value
        for path in (*CSRC.rglob("*.h"), *CSRC.rglob("*.c*"), ROOT / "src/frontier_kernels/fallback.py")
        for value in re.findall(r"(?:kSmallestSum|SMALLEST_SUM) = ([\d.e-]+)", path.read_text("utf8"))
    ]
    assert found == ["1e-20", "1e-20"]  # of the library, and of plain PyTorch


def test_the_library_names_no_folder_of_its_builder() -> None:
    contents = Path(fk.ops.importlib.import_module("frontier_kernels._C").__file__).read_bytes()
    for folder in (ROOT, *include_paths()):
        assert str(folder).encode() not in contents
    with pytest.raises(RuntimeError) as raised:
        library.permute_slots(torch.tensor([[4]]), 4, -1)
    assert "frontier_kernels/csrc/cpu/router.cpp" in str(raised.value)
    assert not re.search(r"(?<![\w.])/\w+/", str(raised.value).split("experts: got")[0])

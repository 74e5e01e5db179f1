"""The paths of the products, one for each instruction set, compute the same; each runs in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from numerics import relative_error

import frontier_kernels as fk
from frontier_kernels.build_info import PATHS

PROGRAM = """
import itertools, sys, torch
import frontier_kernels as fk
from frontier_kernels.activations import ACTIVATIONS, is_gated

torch.manual_seed(0)
torch.set_num_threads(int(sys.argv[2]))
# Tokens, experts, top_k, width, hidden: more rows than a block, k in several blocks, edges of every tile,
# experts of 1 to 5 rows, empty experts, a width and a height of one.
shapes = [(1000, 2, 1, 33, 300), (130, 3, 2, 515, 70), (64, 8, 2, 64, 32), (17, 9, 1, 45, 67)]
shapes += [(9, 40, 2, 16, 1), (5, 4, 4, 1, 7)]
results = []
dtypes = [torch.float32, torch.bfloat16, torch.float16]
kinds = [*itertools.product(shapes, ["gelu", "swiglu"], dtypes, [False, True])]
kinds += itertools.product(shapes[3:4], ACTIVATIONS, dtypes, [True])
for (tokens, experts, top_k, width, hidden), activation, dtype, bias in kinds:
    inner = 2 * hidden if is_gated(activation) else hidden
    sizes = [(experts, inner, width), (experts, width, hidden), (experts, inner), (experts, width)]
    weights = [torch.randn(size) / size[-1] ** 0.5 for size in sizes]
    x, *weights = (t.to(dtype).requires_grad_() for t in [torch.randn(tokens, width), *weights])
    leaves = [x, *weights] if bias else [x, *weights[:2]]
    routing = fk.route(torch.randn(tokens, experts), top_k)
    routed = routing.weights.requires_grad_()
    y = fk.moe_mlp(x, routing, *leaves[1:], activation=activation)
    with torch.no_grad():
        packed = fk.moe_mlp(x, routing, *leaves[1:], activation=activation, packed=fk.PackedWeights())
    assert torch.equal(packed, y)
    grads = torch.autograd.grad(y, [routed, *leaves], torch.randn(tokens, width).to(dtype))
    results.append([y.detach(), *grads])
# Slots that are not used, a token without any.
for dtype in dtypes:
    experts = torch.randint(3, (40, 2)).masked_fill(torch.rand(40, 2) < 0.4, -1)
    experts[7] = -1
    sizes = [(40, 21), (3, 18, 21), (3, 21, 18)]
    leaves = [(torch.randn(size) / size[-1] ** 0.5).to(dtype).requires_grad_() for size in sizes]
    routed = torch.rand(40, 2).requires_grad_()
    y = fk.moe_mlp(leaves[0], fk.group_by_expert(experts, routed, 3), *leaves[1:])
    assert not y[7].any()
    results.append([y.detach(), *torch.autograd.grad(y, [routed, *leaves], torch.randn(40, 21).to(dtype))])
# Heads of whole vectors, of part of one, of several tiles; chunks of whole tiles and ragged ones.
heads = [(2, 150, 3, 64, 64), (1, 70, 2, 5, 37), (1, 33, 1, 130, 16), (2, 3, 2, 1, 1)]
kinds = itertools.product(heads, dtypes, [False, True], [{}, {"chunk_size": 13}, {"form": "recurrent"}])
for (batch, time, heads, key, value), dtype, per_step, options in kinds:
    q, k = (torch.randn(batch, time, heads, key).to(dtype).requires_grad_() for _ in "qk")
    v = torch.randn(batch, time, heads, value).to(dtype).requires_grad_()
    g = (-torch.rand((batch, time, heads) if per_step else (heads,)) / 8).requires_grad_()
    state = torch.randn(batch, heads, key, value, requires_grad=True)
    o, last = fk.retention(q, k, v, g, initial_state=state, return_state=True, **options)
    grads = torch.autograd.grad([o, last], [q, k, v, g, state], [torch.randn_like(o), torch.randn_like(last)])
    results.append([o.detach(), last.detach(), *grads])
torch.save((fk.build_info().cpu, results), sys.argv[1])
"""


def run(path: str, folder: Path, threads: int = 1) -> tuple[str, list[list[torch.Tensor]]]:
    """Outputs and gradients of every case on this path, and what build_info calls it."""
    file = folder / f"{path}-{threads}.pt"
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file), str(threads)],
        env={**os.environ, "FRONTIER_KERNELS_ISA": path},
        check=True,
        capture_output=True,
        text=True,
    )
    return torch.load(file)  # type: ignore[no-any-return]


def available(path: str) -> bool:
    """Whether the processor that runs this has the instructions."""
    if path == "avx512bf16":
        return torch.cpu._is_avx512_bf16_supported()
    best = torch.backends.cpu.get_cpu_capability()
    return path == "scalar" or (path == "avx2" and best in ("AVX2", "AVX512")) or best.upper() == path.upper()


# Halves round the pre-activations that backward starts from, so one bit there shows later; products of pairs
# round the activations too. Forgetting one number of any sum here is off by a tenth or more.
BOUND = {torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 6e-4}


@pytest.mark.parametrize("path", [path for path in PATHS if path != "scalar"])
def test_every_path_computes_what_the_portable_one_does(path: str, tmp_path: Path) -> None:
    if not available(path):
        pytest.skip(f"this processor lacks {path}")
    (name, got), (portable, wanted) = run(path, tmp_path), run("scalar", tmp_path)
    assert name.startswith(PATHS[path])
    assert portable.startswith(PATHS["scalar"])
    # The cases of one shape together: five numbers alone may all round the other way.
    found: dict[tuple[Any, ...], list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
    for case, truth in zip(got, wanted, strict=True):
        for i, (a, b) in enumerate(zip(case, truth, strict=True)):
            found[case[0].dtype, case[0].shape, i].append((a.flatten(), b.flatten()))
    for (dtype, *_), pairs in found.items():
        a, b = (torch.cat(side) for side in zip(*pairs, strict=True))
        assert relative_error(a, b) <= BOUND[dtype]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_gives_the_same_bits_on_one_thread_and_on_three(path: str, tmp_path: Path) -> None:
    if not available(path):
        pytest.skip(f"this processor lacks {path}")
    (_, one), (_, three) = run(path, tmp_path), run(path, tmp_path, 3)
    for case, other in zip(one, three, strict=True):
        for a, b in zip(case, other, strict=True):
            assert torch.equal(a, b)


def test_a_path_that_does_not_exist_is_refused_by_name() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "import frontier_kernels as fk; fk.build_info()"],
        env={**os.environ, "FRONTIER_KERNELS_ISA": "mmx"},
        capture_output=True,
        text=True,
    )
    assert result.returncode
    wanted = "wanted 'scalar', 'avx2', 'avx512' or 'avx512bf16'"
    assert f"FRONTIER_KERNELS_ISA: got 'mmx', {wanted}" in result.stderr


def test_the_path_that_is_taken_is_named() -> None:
    assert any(fk.build_info().cpu.startswith(words) for words in PATHS.values())

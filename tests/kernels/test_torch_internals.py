"""Names of torch that it does not promise: each is used in one module, and results do not rest on them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import frontier_kernels as fk

PACKAGE = Path(fk.__file__).parent
PRIVATE = re.compile(r"\btorch(?:\.\w+)*\._[A-Za-z]\w*|from torch[\w.]*\._\w[\w.]* import|\bforward_ad\._\w+")
MODULE = "torch_internals.py"
NAMES = {
    "_AutoDispatchBelowAutograd": "torch._C",
    "_are_functorch_transforms_active": "torch._C",
    "_dispatch_has_kernel_for_dispatch_key": "torch._C",
    "_is_any_autocast_enabled": "torch._C",
    "_current_level": "torch.autograd.forward_ad",
    "_SingleLevelFunction": "torch.autograd.function",
}

PROGRAM = """
import importlib.util, sys
import torch, torch.autograd.forward_ad, torch.autograd.function

owner, name, internals, into = sys.argv[1:]
if name:  # missing for us, while torch goes on with it
    owner = sys.modules[owner]
    kept = getattr(owner, name)
    delattr(owner, name)
    spec = importlib.util.spec_from_file_location("frontier_kernels.torch_internals", internals)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    setattr(owner, name, kept)
import frontier_kernels as fk

torch.manual_seed(0)
x, logits = torch.randn(40, 8, requires_grad=True), torch.randn(40, 4, requires_grad=True)
w_in, w_out = torch.randn(4, 6, 8), torch.randn(4, 8, 6)
q, state = torch.randn(1, 9, 2, 4, requires_grad=True), torch.zeros(1, 2, 4, 4)
decay = torch.tensor([-0.1, -0.5])
plan = fk.route(logits, 2, capacity=30)
y = fk.moe_mlp(x, plan, w_in, w_out)
o = fk.retention(q, q, q, decay)[0]
results = [y, o, *torch.autograd.grad(y.sum() + o.sum(), [x, logits, q])]
with torch.no_grad():
    results.append(fk.retention_step(q[:, 0], q[:, 0], q[:, 0], state, decay))
    results += [state, fk.moe_mlp(x, plan, w_in, w_out, packed=fk.PackedWeights())]
with torch.autocast("cpu", torch.bfloat16):
    results.append(fk.moe_mlp(x, plan, w_in, w_out))
torch.save([t.detach() for t in results], into)
"""


def run(owner: str, name: str, into: Path) -> list[torch.Tensor]:
    """What the package computes where torch has not got this name for it."""
    arguments = [owner, name, str(PACKAGE / MODULE), str(into)]
    result = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True)
    assert not result.returncode, result.stderr[-2000:]
    return torch.load(into)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[torch.Tensor]:
    return run("", "", tmp_path_factory.mktemp("whole") / "results.pt")


def test_private_names_are_used_in_one_module() -> None:
    found = {path.name: PRIVATE.findall(path.read_text()) for path in PACKAGE.glob("*.py")}
    assert {name for name, uses in found.items() if uses} == {MODULE}
    text = (PACKAGE / MODULE).read_text()
    assert all(name in text for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_results_are_the_same_without_it(name: str, whole: list[torch.Tensor], tmp_path: Path) -> None:
    without = run(NAMES[name], name, tmp_path / "results.pt")
    assert len(whole) == 9
    assert all(torch.equal(a, b) for a, b in zip(whole, without, strict=True))

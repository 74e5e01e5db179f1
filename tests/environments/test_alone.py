"""Each of the three packages by itself, with what it declares and what that needs, and nothing else.

A process without site-packages gets a folder that links to the distributions which the package's own
pyproject.toml leads to. What the package imports beyond that is not there, as on a machine where somebody
installed this package alone. That a dependency of a dependency happens to be there hides an undeclared
import, so imports are compared with what is declared as well.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import tomllib
from checkout import PEERS
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "frontier-kernels": (ROOT / "pyproject.toml", ROOT / "src" / "frontier_kernels"),
    "frontier-lab": (ROOT / "src" / "frontier_lab" / "pyproject.toml", ROOT / "src" / "frontier_lab"),
    "frontier-widgets": (ROOT / "widgets" / "pyproject.toml", ROOT / "widgets" / "frontier_widgets"),
}
EXERCISES = {
    "frontier-kernels": """
import importlib.util
import torch
import frontier_kernels as kernels
assert importlib.util.find_spec("transformers") is None, "this environment is not bare"
torch.manual_seed(0)
x, w_in, w_out = torch.randn(5, 8), torch.randn(4, 16, 8), torch.randn(4, 8, 16)
y = kernels.moe_mlp(x, kernels.route(torch.randn(5, 4), 2), w_in, w_out)
assert y.shape == (5, 8) and y.isfinite().all()
""",
    "frontier-lab": """
import importlib, importlib.util, pkgutil
from pathlib import Path
import frontier_lab
assert importlib.util.find_spec("sphinx") is None, "this environment is not bare"
for module in pkgutil.walk_packages(frontier_lab.__path__, "frontier_lab."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from frontier_lab import hub
assert Path(hub.path("gpt2"), "config.json").exists()
""",
    "frontier-widgets": """
import importlib, importlib.util, pkgutil
import frontier_widgets
assert importlib.util.find_spec("torch") is None, "this environment is not bare"
for module in pkgutil.walk_packages(frontier_widgets.__path__, "frontier_widgets."):
    importlib.import_module(module.name)
figure = frontier_widgets.MoERouting()
assert len(figure.to_records()) == len(figure.tokens) * figure.top_k
try:
    figure.to_frame()
except ImportError as error:
    assert "pip install pandas" in str(error), error
else:
    raise AssertionError("pandas is here: this environment is not bare")
state = {"model_module": "anywidget", "state": {**figure.get_state(), "_anywidget_id": figure._anywidget_id}}
slim = frontier_widgets.slim_state({"state": {"m": state}})["state"]["m"]["state"]
assert "_esm" not in slim and "logits" not in slim and slim["layer"] == 0
heard = []
figure.send = lambda content, buffers=None: heard.append(content)
figure._handle_custom_msg({"type": "checkpoint", "name": figure.live}, [])
assert "pip install frontier-lab" in heard[0]["error"], heard
""",
}


def project(name: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(PACKAGES[name][0].read_text("utf8"))["project"]
    return found


def needed(names: list[str], extra: str = "") -> set[str]:
    """Distributions that requirements lead to, directly or not, under canonical names."""
    found: set[str] = set()
    open_ends = [(Requirement(name), extra) for name in names]
    while open_ends:
        requirement, of = open_ends.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": of}):
            continue
        name = canonicalize_name(requirement.name)
        wanted = {"", *requirement.extras}
        if name in found and wanted == {""}:
            continue
        found.add(name)
        further = project(name)["dependencies"] if name in PACKAGES else distribution(name).requires or []
        open_ends += [(Requirement(text), each) for text in further for each in wanted]
    return found


@cache
def parts(name: str) -> dict[str, Path]:
    """What a distribution puts into site-packages, by name: its packages, modules and metadata."""
    there = distribution(name)
    names = {Path(file).parts[0] for file in there.files or ()} - {"..", "__pycache__"}
    return {part: Path(str(there.locate_file(part))) for part in names}


def link(folder: Path, name: str) -> None:
    """Puts a distribution into a folder that serves as site-packages."""
    if name not in PACKAGES:
        for part, path in parts(name).items():
            if not (folder / part).exists():
                (folder / part).symlink_to(path)
        return
    # Our own as the tree has them, not as they were when somebody installed them last.
    package = PACKAGES[name][1]
    (folder / package.name).symlink_to(package)
    metadata = folder / f"{package.name}-{project(name)['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {project(name)['version']}\n", "utf8"
    )
    groups = project(name).get("entry-points", {})
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf8")


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_works_with_what_it_declares_alone(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for each in sorted({name, *needed(project(name)["dependencies"])}):
        link(folder, each)
    code = f"import sys\nsys.path.append({str(folder)!r})\n{EXERCISES[name]}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr


def imports(package: Path) -> Iterator[tuple[str, str, bool]]:
    """Where, what, and whether it is imported as soon as the module is."""
    for file in sorted(package.rglob("*.py")):
        tree = ast.parse(file.read_text("utf8"))
        first = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            else:
                continue
            for name in names:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", name.partition(".")[0], id(node) in first


def modules(names: list[str]) -> set[str]:
    """Names under which requirements are imported."""
    found = set()
    for name in (canonicalize_name(Requirement(text).name) for text in names):
        tops = [PACKAGES[name][1].name] if name in PACKAGES else parts(name)
        found |= {top.partition(".")[0] for top in tops}
    return found


@pytest.mark.parametrize("name", PACKAGES)
def test_every_import_is_declared(name: str) -> None:
    """At the top of a module: among the dependencies; inside a function also optional ones and peers."""
    described = project(name)
    declared = modules(described["dependencies"]) | {PACKAGES[name][1].name} | sys.stdlib_module_names
    optional = modules(
        [each for group in described.get("optional-dependencies", {}).values() for each in group]
    ) | set(PEERS)
    undeclared = [
        f"{where}: {what}"
        for where, what, at_once in imports(PACKAGES[name][1])
        if what not in declared and (at_once or what not in optional)
    ]
    assert not undeclared, f"declare these in {PACKAGES[name][0].relative_to(ROOT)}: {undeclared}"


@pytest.mark.parametrize("file", PEERS.values())
def test_what_is_installed_beside_ours_is_pinned_with_its_hashes(file: str) -> None:
    lines = [line for line in (ROOT / file).read_text("utf8").splitlines() if not line.startswith("#")]
    pins = [line for line in lines if not line.startswith(" ")]
    assert all("==" in line and line.endswith("\\") for line in pins), pins
    assert all(line.startswith("    --hash=sha256:") for line in lines if line not in pins)


def test_the_packages_depend_in_one_direction() -> None:
    of = {name: needed(project(name)["dependencies"]) & PACKAGES.keys() for name in PACKAGES}
    assert of == {
        "frontier-kernels": set(),
        "frontier-widgets": set(),
        "frontier-lab": {"frontier-kernels", "frontier-widgets"},
    }

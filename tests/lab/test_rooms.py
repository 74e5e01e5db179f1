"""The rooms of the lab: what stands at its top, what is installed, and which names pages may use."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
LAB = ROOT / "src" / "frontier_lab"
PAGES = sorted((ROOT / "book").rglob("*.ipynb"))
STARTED_FROM = {"catalogue", "hub", "packaged_models", "plots"}
"""Modules that pages and commands start from; all others have a room."""


def test_only_what_pages_and_commands_start_from_stands_at_the_top() -> None:
    assert {path.stem for path in LAB.glob("*.py")} - {"__init__"} == STARTED_FROM


def test_every_room_is_installed() -> None:
    folders = [init.parent.relative_to(LAB).parts for init in LAB.rglob("__init__.py")]
    rooms = {".".join(("frontier_lab", *parts)) for parts in folders if parts[:1] != ("build",)}
    packages = re.search(r"packages = \[(.*?)\]", (LAB / "pyproject.toml").read_text("utf8"), re.S)
    assert packages
    assert set(re.findall(r'"([\w.]+)"', packages[1])) == rooms


def imports(page: Path) -> Iterator[ast.ImportFrom]:
    """Every ``from frontier_lab… import …`` of a page's code."""
    for cell in json.loads(page.read_text("utf8"))["cells"]:
        if cell["cell_type"] == "code":
            code = "".join(line for line in cell["source"] if not line.lstrip().startswith(("%", "!")))
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "frontier_lab":
                    yield node


def public(module: ModuleType) -> set[str]:
    """Names that a module gives: ``__all__``, or what its own lines define without an underscore."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    assert module.__file__
    found: set[str] = set()
    for node in ast.parse(Path(module.__file__).read_text("utf8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {
                name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
            }
    return {name for name in found if not name.startswith("_")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_imports_public_names_from_where_they_are_defined(page: Path) -> None:
    for node in imports(page):
        assert node.module
        assert not node.module.startswith("frontier_lab.zoo.training"), (
            f"{node.module} is how models are trained"
        )
        module = importlib.import_module(node.module)
        folder = LAB.joinpath(*node.module.split(".")[1:])
        for name in (alias.name for alias in node.names):
            inside = (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()
            assert inside or name in public(module), f"{node.module} does not define {name}"

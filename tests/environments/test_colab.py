"""Pages run in a stand-in for Colab: what Colab ships, a fresh install from a clone, top to bottom.

The stand-in is a virtual environment that sees torch, transformers, datasets, ipywidgets, numpy, scipy,
scikit-learn, matplotlib, seaborn and what they need, borrowed from the environment that runs the tests, and
no more: none of this book, no anywidget. Its setuptools is Colab's, for the packages are built with what is
there. It has a package ``google.colab``.

It has none of the packages of real models either, so that a page with cells on them runs on the committed
ones, as it does for a reader without those packages. All pages with such cells run in full, and so does the
first page of a section that has none; of the others every import is tried. ``COLAB_PAGES=all``, once a week,
runs all of them in full.
"""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from checkout import PEERS
from nbclient import NotebookClient

from tools import notebooks as tool

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
PAGES = sorted(path for path in BOOK.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
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
    "statsmodels",
    "pyyaml",
    "accelerate",
    "peft",
    "sentencepiece",
    "protobuf",
    "pydantic",
    "click",
)
"""What Colab has that matters here; ipykernel is how it runs cells at all."""

FETCHED = {"setuptools": "75.2.0", "wheel": "0.48.0"}
"""Build tools in Colab's versions, from googlecolab/backend-info, August 2026."""

BESIDE = ("anywidget", "psygnal", "faiss-cpu", "bm25s", "bertviz", "circuitsvis", "captum", "drawsvg")
"""What the set-up cell installs beside the book's own packages."""

ON_PAGES = ("mergekit", "immutables")
"""What a page installs by itself, behind the set-up cell."""

FIXED = ("torch", "transformers", "numpy")
BUILD_SECONDS = 150
"""Processor time of the set-up, which does not count the waiting for others; Colab has two processors."""

ASK = """
import resource

import frontier_kernels

spent = resource.getrusage(resource.RUSAGE_CHILDREN)
print(frontier_kernels.__file__)
print(spent.ru_utime + spent.ru_stime)
"""
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


TRY_ALL = """
import json, sys

failed = []
for statement, place in json.load(sys.stdin).items():
    try:
        exec(statement, {})
    except Exception as error:
        failed.append(f"{place}: {statement}: {type(error).__name__}: {error}")
print("\\n".join(failed))
sys.exit(bool(failed))
"""


def has_real_model(path: Path) -> bool:
    """Whether a page has cells on a packaged model."""
    return f'"{tool.REAL_MODEL}"' in path.read_text("utf8")


def chosen() -> list[Path]:
    """Pages to run in full: see above."""
    if os.environ.get("COLAB_PAGES") == "all":
        return PAGES
    found = {path for path in PAGES if has_real_model(path)}
    covered = {path.parent for path in found}
    for path in PAGES:
        if path.parent not in covered and path.stem != "index":
            covered.add(path.parent)
            found.add(path)
    return sorted(found)


FULL = chosen()


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
    wanted = {**FETCHED, **{name: importlib.metadata.version(name) for name in (*BESIDE, *ON_PAGES)}}
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
        "drawsvg",
        "mergekit",
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


def imports(source: str) -> Iterator[str]:
    """Every import statement in a piece of Python, those inside functions as well."""
    for node in ast.walk(ast.parse(source)):
        absolute = isinstance(node, ast.ImportFrom) and not node.level and node.module != "__future__"
        if isinstance(node, ast.Import) or absolute:
            yield ast.unparse(node)


@dataclass(frozen=True)
class Installation:
    """What the set-up cell did.

    Attributes:
        folder: where the pages run.
        env: variables of their kernels.
        before: versions of what Colab ships, before it.
        seconds: processor time that it took.
        place: the file of ``frontier_kernels`` afterwards.
        printed: what it said.
    """

    folder: Path
    env: dict[str, str]
    before: dict[str, str]
    seconds: float
    place: Path
    printed: str


@pytest.fixture(scope="module")
def installation(
    colab: Path, repository: str, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """The book's packages in the stand-in, by the set-up cell, where a clone was stopped half-way before."""
    folder = tmp_path_factory.mktemp("content")
    for stopped in ("frontier-transformers", "frontier-transformers.half"):
        (folder / stopped / ".git").mkdir(parents=True)
    before = versions(colab)
    env = {**environment(colab, repository, wheels), "FRONTIER_CACHE": str(folder / "cache")}
    cells = [tool.setup_source(""), ASK]
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    execute(page, colab, folder, env)
    setup, asked = page.cells
    printed = "".join(str(output.get("text", "")) for output in setup.outputs)
    place, spent = asked.outputs[0]["text"].split("\n")[:2]
    return Installation(folder, env, before, float(spent), Path(place), printed)


def test_the_setup_cell_installs_what_colab_lacks_and_nothing_else(
    colab: Path, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installation.place.is_relative_to(colab.parents[1]), f"not installed: {installation.place}"
    assert "git clone" in installation.printed
    assert versions(colab) == installation.before
    with capsys.disabled():
        print(f"\nColab stand-in: set up in {installation.seconds:.0f} s of processor time")
    assert installation.seconds <= BUILD_SECONDS


def live_figures(page: Any) -> list[Any]:
    """Outputs of a notebook that a widget's view stands in."""
    code = [cell for cell in page.cells if cell.cell_type == "code"]
    return [output for cell in code for output in cell.outputs if tool.VIEW in output.get("data", {})]


@pytest.mark.parametrize("path", FULL, ids=lambda path: path.relative_to(BOOK).as_posix())
def test_a_page_runs_top_to_bottom(colab: Path, installation: Installation, path: Path) -> None:
    page = nbformat.read(path, as_version=4)
    committed = len(live_figures(page))
    execute(page, colab, installation.folder, installation.env)
    code = [cell for cell in page.cells if cell.cell_type == "code"]
    assert not any("pip" in str(output.get("text", "")) for output in code[0].outputs), "it installs again"
    shown = live_figures(page)
    managers = {output.metadata[tool.VIEW]["colab"]["custom_widget_manager"]["url"] for output in shown}
    assert len(shown) == committed, f"{path.name} shows {len(shown)} live figures, wanted {committed}"
    assert managers == ({MANAGER} if committed else set())
    if has_real_model(path):
        printed = "".join(str(output.get("text", "")) for cell in code for output in cell.outputs)
        assert "is used instead" in printed  # the real models are really not there


def test_every_import_of_the_other_pages_and_of_the_packages_is_met(
    colab: Path, installation: Installation, tmp_path: Path
) -> None:
    statements: dict[str, str] = {}
    for path in PAGES:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", []):
                statements |= dict.fromkeys(imports(cell.source), path.name)
    for name in ("frontier_lab", "frontier_widgets"):  # the kernels ask for torch alone
        folder = installation.place.parents[1] / name
        for file in sorted(folder.rglob("*.py")):
            if "zoo" not in file.parts:  # recipes, which are not run on Colab
                source = file.read_text("utf8")
                here = [each for each in imports(source) if each.split()[1].partition(".")[0] not in PEERS]
                statements |= dict.fromkeys(here, f"{name}/{file.name}")
    assert any("frontier_lab" in statement for statement in statements)
    script = tmp_path / "imports.py"
    script.write_text(TRY_ALL, "utf8")
    given = json.dumps(statements)
    done = subprocess.run(
        [str(colab), str(script)],
        input=given,
        cwd=tmp_path,
        env=installation.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr

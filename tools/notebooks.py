"""Execute the book's notebooks in place, and prove the outputs that they store.

    python -m tools.notebooks execute [part of a path ...]
    python -m tools.notebooks nbval [part of a path ...]

``execute`` runs each notebook in a fresh kernel and writes it back with outputs and widget state. The same
notebook gives the same bytes each time, so a difference in git is a difference in what readers see. ``nbval``
runs them again and compares every output with the stored one.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from frontier_widgets import slim_state
from frontier_widgets.components import NOT_RUN
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from frontier_lab import packaged_models

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
SANITIZER = ROOT / "tests" / "book" / "sanitize.cfg"
TIMEOUT = 300
"""Seconds that one cell may take."""

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # another number of threads may add floats in another order
    "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "",  # the stored numbers are the CPU's
    "FRONTIER_MODELS": "offline",
    "FRONTIER_MODELS_DIR": "",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""What a kernel gets, so that a notebook gives the same outputs on every machine."""

RUN_THIS_CELL = "\n".join(NOT_RUN.values())
PLACEHOLDER = f"export default {{ render: ({{ el }}) => {{ el.innerText = {json.dumps(RUN_THIS_CELL)}; }} }};"
"""Code of a saved figure: without any, Jupyter shows an error; with its own, each would carry 80 kB."""

KEPT_IN_CELL = ("tags", "mystnb")
"""Metadata of a cell that the site reads; the rest is an editor's."""

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}

SETUP_SOURCE = """\
# 只在 Colab 上安装本书的软件包，在别处什么也不做。/ Installs the book's packages on Colab, nothing elsewhere.
import os
import subprocess
import sys
from importlib.util import find_spec

REPOSITORY_URL = os.environ.get("REPOSITORY_URL") or ""

if find_spec("google") and find_spec("google.colab"):
    if not REPOSITORY_URL:
        raise RuntimeError("Set os.environ['REPOSITORY_URL'] to this book's git address and run this again")
    from google.colab import output
    output.enable_custom_widget_manager()
    home, half = map(os.path.abspath, ("frontier-transformers", "frontier-transformers.half"))
    clone = ["git", "clone", "--quiet", "--depth", "1", REPOSITORY_URL, half]
    fetch = [["rm", "-rf", half, home], clone, ["mv", half, home]]  # stopped half-way, it starts anew
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"]
    install += [home, f"{home}/src/frontier_lab", f"{home}/widgets"]
    install += ["anywidget", "psygnal", "faiss-cpu", "bm25s", "bertviz", "circuitsvis", "captum", "drawsvg"]
    steps = [install] if os.path.isfile(f"{home}/pyproject.toml") else [*fetch, install]
    for step in [] if all(map(find_spec, ("frontier_kernels", "drawsvg", "anywidget"))) else steps:
        print("正在安装，约一分钟 / installing, about a minute:", *step[:4], flush=True)
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(step)}: {done.stderr[-2000:]}")
"""
"""The first code cell of every page, tagged ``setup``; ``setup_source`` puts the repository's address in."""

REAL_MODEL = "real-model"
"""Tag of a cell on a packaged model; a second tag, the last part of its hub id, says on which."""

ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
IDENTIFIER = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
MODEL = re.compile(r"IPY_MODEL_([0-9a-f]{32})")
DRAWING = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
INSIDE = re.compile(r"(<svg\b[^>]*>).*?</svg>", re.DOTALL)


def setup_source(repository: str) -> str:
    """The set-up cell for a repository's address; an empty one leaves the cell to ask for it on Colab."""
    return SETUP_SOURCE.replace('or ""', f'or "{repository}"', 1).rstrip("\n")


def stored_repository(source: str) -> str:
    """The address that a set-up cell has; empty where it asks for one."""
    match = re.search(r'REPOSITORY_URL = .* or "([^"]*)"', source)
    return match[1] if match else ""


def repository_url() -> str:
    """Web address of the repository from ``REPOSITORY_URL``, else from the git remote ``origin``, else empty.

    A remote that only this machine can reach (a path, ``file://``) counts as none.
    """
    asked = subprocess.run(["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True)
    address = os.environ.get("REPOSITORY_URL") or asked.stdout.strip()
    scheme = r"(?:https?://(?:[^/@]*@)?|ssh://(?:[^/@]*@)?|[^/@:]+@)"
    match = re.fullmatch(scheme + r"([\w.-]+)(?::\d+)?[:/]([\w./~-]+?)(?:\.git)?/?", address)
    return f"https://{match[1]}/{match[2]}" if match else ""


def texts(output: Mapping[str, Any]) -> Iterator[str]:
    """What a reader sees of an output as text: streams, plain text and HTML, drawings left out."""
    if output["output_type"] == "stream":
        yield output["text"]
    for mime, value in output.get("data", {}).items():
        if mime.startswith("text/"):
            yield DRAWING.sub("", value)


def real_model(cell: Any) -> str | None:
    """The hub id of the packaged model that a cell is about; ``None`` for all other cells.

    Raises:
        ValueError: the cell is tagged ``real-model`` and names no packaged model.
    """
    tags = cell.metadata.get("tags", [])
    if REAL_MODEL not in tags:
        return None
    names = {hub_id.rpartition("/")[2]: hub_id for hub_id in packaged_models.PACKAGES}
    named = [names[tag] for tag in tags if tag in names]
    if len(named) != 1:
        raise ValueError(f"tags: got {tags}, wanted {REAL_MODEL!r} and one of {', '.join(names)}")
    return named[0]


def unavailable(notebook: Any) -> dict[int, str]:
    """Numbers of the cells whose packaged model cannot be used here, each with the reason."""
    found = {}
    for number, cell in enumerate(notebook.cells):
        if (hub_id := real_model(cell)) is None:
            continue
        try:
            packaged_models.folder(hub_id)
        except packaged_models.UnavailableError as error:
            found[number] = f"{hub_id}: {error}"
    return found


def problems(notebook: Any) -> list[str]:
    """Why the stored outputs cannot be published; empty when they can."""
    found = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if cell.execution_count is None:
            found.append(f"cell {number} was not executed")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"cell {number} raised {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"cell {number} wrote to stderr: {output.text.strip().splitlines()[-1]}")
            for text in texts(output):
                if address := ADDRESS.search(text):
                    found.append(f"cell {number} shows an address, {address[0]}: give the object a __repr__")
    return found


def referred(model: Any) -> list[str]:
    """Ids of the models that a saved model refers to, in their order."""
    return list(dict.fromkeys(MODEL.findall(json.dumps(model, sort_keys=True))))


def stable_ids(notebook: Any, name: str) -> Any:
    """The notebook with widget models renamed after their place on the page ``name``, their state slimmed.

    The place is found from what is shown and what that refers to, not from the order in which models were
    made or are stored, so that a stored notebook keeps its ids when this is done again.
    """
    widgets = notebook.metadata.get("widgets", {}).get(STATE)
    if widgets is None:
        return notebook
    state = widgets["state"] = slim_state(widgets)["state"]
    for model in state.values():
        if model["model_module"] == "anywidget" and "_esm" not in model["state"]:
            model["state"] |= {"_esm": PLACEHOLDER, "_css": ""}
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    order = [output["data"][VIEW]["model_id"] for output in outputs if VIEW in output.get("data", {})]
    order = follow(order, state)
    names = {model: hashlib.sha256(f"{name}:{i}".encode()).hexdigest()[:32] for i, model in enumerate(order)}

    def rename(match: re.Match[str]) -> str:
        return names.get(match[0], match[0])

    def described(model: str, *within: str) -> str:
        """What a model says, with all that it refers to: sorts those that nothing shown refers to."""

        def refer(match: re.Match[str]) -> str:
            other = match[1]
            known = other in names or other not in state or other in within
            return names.get(other, "") if known else described(other, *within, model)

        return MODEL.sub(refer, json.dumps(state[model], sort_keys=True))

    rest = sorted(set(state) - set(order), key=described)
    inner = {other for model in rest for other in referred(state[model])}
    # Two that are equal may change places, but each takes along what belongs to it, its layout for one.
    roots = [model for model in rest if model not in inner]
    rest = [model for model in follow([*follow(roots, state), *rest], state) if model not in names]
    names |= {model: hashlib.sha256(f"{name}:+{i}".encode()).hexdigest()[:32] for i, model in enumerate(rest)}
    return nbformat.from_dict(json.loads(IDENTIFIER.sub(rename, json.dumps(notebook))))


def follow(models: Sequence[str], state: Mapping[str, Any]) -> list[str]:
    """``models``, and after them those that they refer to, and so on; each once."""
    order = list(dict.fromkeys(models))
    for model in order:  # grows while it is walked
        order += [other for other in referred(state.get(model)) if other in state and other not in order]
    return order


def normalise(notebook: Any, name: str) -> Any:
    """Take out of an executed notebook what changes from run to run.

    Args:
        notebook: as nbclient leaves it; it is not changed.
        name: the page's path in the book, from which widget ids are derived.
    """
    notebook = copy.deepcopy(notebook)
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        # Derived from the source: a notebook rebuilt from its text twin keeps the ids of what did not change.
        digest = hashlib.sha256(f"{cell.cell_type}:{cell.source}".encode()).hexdigest()[:8]
        cell.id = f"{digest}-{seen[digest]}" if digest in seen else digest
        seen[digest] = seen.get(digest, 0) + 1
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in KEPT_IN_CELL}
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if VIEW in data and RUN_THIS_CELL not in data.get("text/plain", ""):
                data["text/plain"] = f"{data.get('text/plain', '')}\n{RUN_THIS_CELL}".lstrip()
    kept = {key: value for key, value in notebook.metadata.items() if key != "jupytext"}
    notebook.metadata = nbformat.from_dict({**kept, **METADATA})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return stable_ids(notebook, name)


def keep_measured(before: Any, after: Any) -> None:
    """Give cells tagged ``measured`` the outputs that are stored, while no code on the page changed.

    A measured time differs in each run, and a page that differs each time cannot be reviewed. The cell runs
    all the same, and its assertions hold. Clear its output to measure again. What differs in more than the
    inside of a drawing is taken as it comes, because nbval would refuse what is stored.

    Args:
        before: the notebook as it was; its cell ids tell the code that its outputs came from.
        after: the same notebook, executed and normalised.
    """
    old, new = ([cell for cell in page.cells if cell.cell_type == "code"] for page in (before, after))
    if [cell.id for cell in old] != [cell.id for cell in new]:
        return
    for was, now in zip(old, new, strict=True):
        measured = "measured" in now.metadata.get("tags", [])
        if measured and was.outputs and compared(was.outputs) == compared(now.outputs):
            now.outputs = was.outputs


def compared(outputs: Any) -> str:
    """What nbval compares of outputs that are drawings: all but the inside of each."""
    return INSIDE.sub(r"\1</svg>", json.dumps(outputs, sort_keys=True))


def kernel_environment(scratch: str) -> dict[str, str]:
    """Variables for a kernel: this process's, ``ENVIRONMENT``, and no start-up files of the user.

    Matplotlib gets settings that set nothing, and keeps its cache of fonts, which takes seconds to make.
    """
    settings = Path(scratch, "matplotlibrc")
    settings.touch()
    places = {"IPYTHONDIR": scratch, "JUPYTER_CONFIG_DIR": scratch, "MATPLOTLIBRC": str(settings)}
    return {**os.environ, **ENVIRONMENT, **places}


def write(notebook: Any, path: Path) -> None:
    """Replace ``path`` in one step; a file that would not change keeps its time."""
    text = nbformat.writes(notebook, version=4) + "\n"
    if path.exists() and path.read_text("utf8") == text:
        return
    part = path.with_suffix(".part")
    part.write_text(text, "utf8")
    part.replace(path)


def execute(path: Path, *, timeout: int = TIMEOUT) -> list[str]:
    """Run one notebook in a fresh kernel and write it back.

    Args:
        path: the notebook; its folder is the kernel's working directory.
        timeout: seconds that a cell may take.

    Returns:
        What is wrong with it; the file is left as it was unless this is empty.
    """
    notebook = nbformat.read(path, as_version=4)
    if lacking := unavailable(notebook):
        return [f"cell {number} cannot be executed: {reason}" for number, reason in lacking.items()]
    before = copy.deepcopy(notebook)
    address = repository_url()
    for cell in notebook.cells:
        if "setup" in cell.metadata.get("tags", []):
            cell.source = setup_source(address or stored_repository(cell.source))
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    notebook.metadata.pop("widgets", None)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            client.execute(env=kernel_environment(scratch))
        except CellExecutionError as error:
            return [f"a cell failed: {error}"]
        except (CellTimeoutError, DeadKernelError) as error:
            return [f"{type(error).__name__}: {error}"]
    name = path.relative_to(BOOK).as_posix() if path.is_relative_to(BOOK) else path.name
    notebook = normalise(notebook, name)
    keep_measured(before, notebook)
    found = problems(notebook)
    if not found:
        write(notebook, path)
    return found


def execute_all(paths: Sequence[Path]) -> int:
    """Execute notebooks one after another; the number of those that failed."""
    failed = 0
    for path in paths:
        started = time.monotonic()
        found = execute(path)
        print(f"{'FAILED' if found else 'ok':6} {time.monotonic() - started:6.1f} s  {path.name}", flush=True)
        for problem in found:
            print(f"error: {path.name}: {problem}", file=sys.stderr)
        failed += bool(found)
    return failed


@contextlib.contextmanager
def without_unavailable(path: Path) -> Iterator[Path]:
    """The notebook, or for a while a copy beside it without the cells whose model is not installed.

    Raises:
        ValueError: cells would be left out and ``REQUIRE_MODELS=1`` forbids it.
    """
    notebook = nbformat.read(path, as_version=4)
    lacking = unavailable(notebook)
    if not lacking:
        yield path
        return
    reasons = "; ".join(dict.fromkeys(lacking.values()))
    if os.environ.get("REQUIRE_MODELS") == "1":
        raise ValueError(f"{path.name}: {len(lacking)} cells cannot be checked: {reasons}")
    print(f"{path.name}: {len(lacking)} cells on real models are left out: {reasons}", flush=True)
    notebook.cells = [cell for number, cell in enumerate(notebook.cells) if number not in lacking]
    part = path.with_name(f"{path.stem}-without-real-models.ipynb")
    try:
        nbformat.write(notebook, part)
        yield part
    finally:
        part.unlink(missing_ok=True)


def nbval(paths: Sequence[Path], workers: int = 1) -> int:
    """Run the notebooks again and compare with what they store; the number of failures, 0 when all agree.

    nbval passes a cell that was never executed, as one without outputs, so ``problems`` comes first.
    """
    unfit = {path: problems(nbformat.read(path, as_version=4)) for path in paths}
    for path, found in unfit.items():
        for problem in found:
            print(f"error: {path.name}: {problem}", file=sys.stderr)
    failed = sum(map(bool, unfit.values()))
    if failed:
        return failed
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    command += ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(SANITIZER)]
    command += ["--nbval-cell-timeout", str(TIMEOUT)]
    if workers > 1:
        command += ["-n", str(workers), "--dist", "loadfile"]  # a notebook's cells stay together
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as written:
        checked = [written.enter_context(without_unavailable(path)) for path in paths]
        done = subprocess.run([*command, *map(str, checked)], cwd=ROOT, env=kernel_environment(scratch))
    if done.returncode:
        print(
            "error: an output differs from the stored one (above): mend the cell, "
            "or store what it gives now with `make notebooks`",
            file=sys.stderr,
        )
    return done.returncode


def select(parts: Sequence[str], book: Path = BOOK) -> list[Path]:
    """Notebooks of the book whose path has one of ``parts`` in it; all of them without parts.

    Raises:
        ValueError: there is none; checking nothing must not look like success.
    """
    every = {
        p.relative_to(book).as_posix(): p
        for p in book.rglob("*.ipynb")
        if ".ipynb_checkpoints" not in p.parts
    }
    chosen = [every[name] for name in sorted(every) if not parts or any(part in name for part in parts)]
    if not chosen:
        names = ", ".join(sorted(every)) or "(the book has no notebook)"
        raise ValueError(f"N: got {' '.join(parts)!r}, wanted a part of the path of one of: {names}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Execute the book's notebooks, or compare their stored outputs."
    )
    parser.add_argument("command", choices=("execute", "nbval"))
    parser.add_argument("parts", nargs="*", metavar="N", help="part of a notebook's path, such as 28-2")
    parser.add_argument("--workers", type=int, default=1, help="notebooks that nbval takes at the same time")
    given = parser.parse_intermixed_args(arguments)
    try:
        paths = select(given.parts)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        return min(1, execute_all(paths) if given.command == "execute" else nbval(paths, given.workers))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

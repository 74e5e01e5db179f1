"""What ``python -m build`` makes, offline: a source archive that is complete, and from it a wheel that works.

``build`` compiles the wheel from the unpacked source archive, so one command shows that both are whole. The
wheel is then installed where nothing but torch is to be seen, and used from there.
"""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.message import Message
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
SOURCES = (
    "setup.py",
    "pyproject.toml",
    "MANIFEST.in",
    "LICENSE",
    "LICENSE-TEXT",
    "README.md",
    "src",
    "tests",
)
PACKAGE = ROOT / "src/frontier_kernels"

pytestmark = pytest.mark.slow


def run(*command: str | Path, folder: Path) -> str:
    """What the command prints, run without the settings that point Python at this repository."""
    result = subprocess.run(
        command,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert not result.returncode, result.stdout[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive and the wheel, built from a copy of the sources that no build has touched."""
    copy = tmp_path_factory.mktemp("sources")
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "*.egg-info", "__pycache__", "checkpoints", "corpus")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ".", folder=copy)
    (archive,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return archive, wheel


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment that has the wheel and, through a path file, torch."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=os.name != "nt")
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = folder / scripts / Path(sys.executable).name
    base = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", base))
    # Path files in a folder that is itself a line of one are not read: no editable install comes along.
    (packages / "torch.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")
    report = run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", built[1]), folder=folder
    )
    assert "Requirement already satisfied: torch>=2.10" in report
    assert re.findall(r"Successfully installed (.*)", report) == ["frontier-kernels-0.1.0"]
    return python


def metadata(built: tuple[Path, Path]) -> Message:
    """What the wheel says about itself."""
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_string(wheel.read(name).decode("utf8"))


def test_the_source_archive_holds_every_source_and_no_more(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {str(path.relative_to(ROOT)) for path in files if path.suffix not in (".so", ".pyd")}
    assert any(name.endswith(".h") for name in wanted)
    assert wanted <= names
    assert {"setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE"} <= names
    assert not {name for name in names if name.startswith(("tests", "src/frontier_lab", "book"))}


def test_one_wheel_serves_every_python_from_3_10_on(built: tuple[Path, Path]) -> None:
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    assert built[1].name == f"frontier_kernels-0.1.0-cp310-abi3-{platform}.whl"
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/WHEEL"))
        assert f"Tag: cp310-abi3-{platform}" in wheel.read(name).decode()


def test_the_wheel_holds_python_the_library_and_types(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    modules = {f"frontier_kernels/{path.name}" for path in PACKAGE.glob("*.py")}
    library = {name for name in names if re.fullmatch(r"frontier_kernels/_C\.(abi3\.)?(so|pyd)", name)}
    assert len(library) == 1
    assert names - library == {*modules, "frontier_kernels/py.typed", "frontier_kernels/_C.pyi"}


def test_torch_is_asked_for_and_never_pinned(built: tuple[Path, Path]) -> None:
    found = metadata(built)
    assert found.get_all("Requires-Dist") == ["torch>=2.10"]
    assert found["Requires-Python"] == ">=3.10"
    assert found["License"] == "Apache-2.0"
    assert found.get_payload() == (PACKAGE / "README.md").read_text("utf8")


def test_the_installed_wheel_is_compiled_and_runs_its_example(installed: Path, tmp_path: Path) -> None:
    where = run(
        *(installed, "-W", "error", "-c", "import frontier_kernels as fk; print(fk.__file__)"),
        folder=tmp_path,
    )
    assert Path(where.strip()).is_relative_to(installed.parents[1])
    (example,) = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text("utf8"), re.S)
    (tmp_path / "example.py").write_text(example)
    assert "compiled=True" in run(installed, "example.py", folder=tmp_path)

"""The set-up of the Makefile: what was interrupted is made again, what is there is not asked for again."""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from checkout import ROOT

from tools import bundles, site

STAMP = ".venv/stamps/python"

PYTHON = """#!/bin/sh
# A Python that knows pip where it is told so, notes what it is asked, and makes environments of itself.
echo "$@" >> "$NOTES"
case "$*" in
    "-m venv"*) for folder; do :; done; mkdir -p "$folder/bin"; touch "$folder/bin/activate" "$folder/pip"
        cp "$0" "$folder/bin/python" ;;
    "-m pip"*) test -e "$(dirname "$0")/../pip" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile with a requirement of nothing, and a Python that installs nothing."""
    folder = tmp_path / "空格 book"
    folder.mkdir()
    shutil.copy2(ROOT / "Makefile", folder)
    (folder / "requirements.txt").touch()
    python = tmp_path / "python"
    python.write_text(PYTHON, "utf8")
    python.chmod(0o755)
    return folder


def make(checkout: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """``make`` with that Python: what came of it, and what Python was asked."""
    notes = checkout.parent / "notes"
    notes.unlink(missing_ok=True)
    command = ["make", "--no-print-directory", f"PYTHON={checkout.parent / 'python'}", *arguments]
    environment = {**os.environ, "NOTES": str(notes)}
    environment.pop("MAKEFLAGS", None)  # of a make that runs these tests
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    return done, notes.read_text("utf8").splitlines() if notes.exists() else []


def half_made(checkout: Path, *names: str) -> Path:
    """An environment as Ctrl-C leaves it while venv is at work."""
    environment = checkout / ".venv"
    (environment / "bin").mkdir(parents=True)
    shutil.copy2(checkout.parent / "python", environment / "bin")
    for name in names:
        (environment / name).touch()
    return environment


@pytest.mark.parametrize(
    "names", [(), ("pip",), ("bin/activate",)], ids=["no pip", "pip is not whole", "pip is gone"]
)
def test_an_interrupted_environment_is_made_again(checkout: Path, names: tuple[str, ...]) -> None:
    environment = half_made(checkout, *names)
    done, asked = make(checkout, STAMP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-m venv --clear .venv" in asked
    assert asked[-1] == "-m pip install -q -r requirements.txt"
    assert (environment / "bin" / "activate").exists()
    assert (checkout / STAMP).exists()


def test_a_whole_environment_is_kept(checkout: Path) -> None:
    half_made(checkout, "pip", "bin/activate")
    done, asked = make(checkout, STAMP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in asked if "venv" in line] == []
    assert make(checkout, STAMP)[1] == []


def test_the_committed_bundles_are_those_of_the_sources() -> None:
    assert bundles.fresh(), "the live figures have changed: run `make setup` and commit what it changed"


def test_bundles_are_made_again_for_another_source_and_not_for_another_time(tmp_path: Path) -> None:
    widgets = tmp_path / "widgets"
    shutil.copytree(ROOT / "widgets" / "src", widgets / "src")
    for name in (bundles.RECORD, *bundles.SETTINGS):
        (widgets / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / "widgets" / name, widgets / name)
    assert not bundles.fresh(widgets), "there are no bundles"
    shutil.copytree(ROOT / "widgets" / "frontier_widgets" / "static", widgets / "frontier_widgets" / "static")
    assert bundles.fresh(widgets)
    source = next(file for file in bundles.sources(widgets) if file.suffix == ".ts")
    os.utime(source)
    assert bundles.fresh(widgets)
    source.write_bytes(source.read_bytes() + b"\n")
    assert not bundles.fresh(widgets)
    source.unlink()
    assert not bundles.fresh(widgets)


def test_npm_is_left_alone_where_the_bundles_are_those_of_the_sources() -> None:
    dry = ["make", "--no-print-directory", "--dry-run", "--always-make", "setup"]
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    said = subprocess.run(dry, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert "tools.bundles check" in said
    assert "npm" not in said


def test_a_build_that_waits_for_another_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr(site, "BUILD", tmp_path)
    monkeypatch.setattr(site, "build", lambda: said.put("built"))
    monkeypatch.setattr(site, "print", lambda line, **options: said.put(line), raising=False)
    monkeypatch.setattr(sys, "argv", ["site", "build"])
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=site.main, daemon=True)
        second.start()
        assert "another build is under way: waiting" in said.get(timeout=30)
    assert said.get(timeout=30) == "built"
    second.join(timeout=30)

"""A clone has the bytes that were committed, also under Git for Windows' default settings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from checkout import ROOT, tracked

HASHED = ("checkpoints/", "frontier_widgets/static/", "frontier_widgets/data/", "corpus/")
"""Parts of paths of files that are compared with a hash when they are used."""


@pytest.fixture(scope="module")
def clone(repository: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``git clone`` makes on Windows, where text gets CRLF unless the repository says otherwise."""
    folder = tmp_path_factory.mktemp("windows") / "book"
    settings = ("-c", "core.autocrlf=true", "-c", "core.eol=crlf")
    subprocess.run(["git", "clone", "--quiet", *settings, repository, str(folder)], check=True)
    return folder


def test_every_file_of_a_clone_on_windows_has_its_bytes(clone: Path) -> None:
    names = tracked()
    for part in HASHED:
        assert any(part in name for name in names), f"{part} is nowhere: correct this list"
    changed = [name for name in names if (clone / name).read_bytes() != (ROOT / name).read_bytes()]
    assert not changed, f"{len(changed)} files differ: {changed[:10]}"
    assert subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True).stdout == b""


def test_scripts_of_a_clone_on_windows_have_no_carriage_return(clone: Path) -> None:
    scripts = [name for name in tracked() if (ROOT / name).read_bytes().startswith(b"#!")]
    assert {".ci/run", "tools/node.sh"} <= set(scripts)
    for name in (*scripts, "Makefile"):
        assert b"\r" not in (clone / name).read_bytes(), name


def test_every_line_of_gitattributes_is_about_a_file() -> None:
    lines = (ROOT / ".gitattributes").read_text("utf8").splitlines()
    patterns = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert len(patterns) > 5
    for pattern in patterns:
        place = pattern if "/" in pattern else f"**/{pattern}"
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", f":(glob){place}"]
        assert subprocess.run(command, cwd=ROOT, capture_output=True).stdout, f"{pattern} names no file"

"""This repository as somebody else gets it."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from checkout import ROOT, tracked


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A repository of the files as they stand, uncommitted changes included, as an address for git."""
    folder = tmp_path_factory.mktemp("repository") / "book.git"
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    commands = (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "--message", "Files"])
    for command in commands:
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder.as_uri()

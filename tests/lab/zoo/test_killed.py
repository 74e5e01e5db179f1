"""``make zoo`` killed at random moments, again and again, ends in the checkpoints of a run left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from frontier_lab.storage.files import sha256

PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from frontier_lab.storage import checkpoints
from frontier_lab.zoo import __main__ as program
from frontier_lab.zoo.families import multi_label
checkpoints.CHECKPOINTS, checkpoints.MANIFEST = Path(sys.argv[1]), Path(sys.argv[1]).with_suffix(".json")
multi_label.SCHEDULE = replace(multi_label.SCHEDULE, steps=60, log_every=10)
sys.argv = ["zoo", "sentiment", "toxicity"]
program.main()
"""
KILLS = 4


def start(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "FRONTIER_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM, str(folder / "checkpoints")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def result(folder: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """The hash of every file, and the manifest."""
    root = folder / "checkpoints"
    files = {str(file.relative_to(root)): sha256(file) for file in root.rglob("*") if file.is_file()}
    return files, json.loads(root.with_suffix(".json").read_text("utf8"))


@pytest.mark.slow
def test_killing_it_at_random_moments_changes_nothing(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    undisturbed = start(whole)
    lines = undisturbed.communicate()[0].splitlines()
    assert undisturbed.returncode == 0
    assert sum("step 60/60" in line for line in lines) == 6  # two recipes of three seeds

    moments = random.Random(28)
    resumed = 0
    for _ in range(KILLS):
        process = start(killed)
        assert process.stdout is not None
        # Somewhere in the work, not in the seconds that the imports take.
        for _ in range(moments.randint(1, len(lines) // 3)):
            resumed += "resumed at step" in process.stdout.readline()
        time.sleep(moments.uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    last = start(killed)
    rest = last.communicate()[0]
    assert last.returncode == 0
    assert resumed + rest.count("resumed at step") > 0
    assert result(killed) == result(whole)
    assert not list((killed / "cache" / "zoo").iterdir())

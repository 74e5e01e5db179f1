"""What a user of the package meets: the example of its README, and the time that importing it takes."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "src/frontier_kernels/README.md"
IMPORT = (
    "import time, torch; t = time.perf_counter(); import frontier_kernels; print(time.perf_counter() - t)"
)


def test_the_example_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text("utf8"), re.S)
    names: dict[str, object] = {}
    exec(example, names)
    assert "BuildInfo(compiled=True" in capsys.readouterr().out
    assert names["x"].shape == names["y"].shape  # type: ignore[attr-defined]


@pytest.mark.speed
def test_importing_takes_50_ms_beyond_torch() -> None:
    seconds = [
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    assert statistics.median(seconds) <= 0.05, seconds

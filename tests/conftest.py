"""What all tests share: the order in which several workers take them, and where the time went."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SLOWEST = (
    "environments/test_colab.py",
    "site/test_pages.py",
    "kernels/test_cuda_emulated.py",
    "kernels/test_fallback.py",
    "kernels/test_layer.py",
    "book/test_notebooks_tool.py",
    "kernels/test_cuda_compiles.py",
    "kernels/test_distribution.py",
    "site/test_search.py",
)
"""Files whose tests take minutes, the longest first; the table after a run says which belong here."""

SHOWN = 15
"""Files in that table."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with the slowest files: one that comes last would be waited for."""
    if not hasattr(config, "workerinput"):
        return
    ranks = {HERE / name: rank for rank, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how long the slowest files took, and all of them together."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            # A subtest, which has a context, lasts within its test; a pytest older than ours has none.
            if isinstance(report, pytest.TestReport) and not hasattr(report, "context"):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    if seconds.total() < 60:
        return
    terminalreporter.section(f"{seconds.total():.0f} s in {len(seconds)} files")
    for name, spent in seconds.most_common(SHOWN):
        terminalreporter.write_line(f"{spent:6.0f} s  {name}")

"""Every lab test: offline, one thread, no settings of the reader's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from frontier_lab import packaged_models, zoo
from frontier_lab.storage import checkpoints
from frontier_lab.storage.checkpoints import committed


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what needs the packaged models where they are not installed, and say which is missing."""
    if item.get_closest_marker("real_model") is None or os.environ.get("REQUIRE_MODELS") == "1":
        return
    for hub_id in packaged_models.PACKAGES:
        try:
            packaged_models.folder(hub_id)
        except packaged_models.UnavailableError as error:
            pytest.skip(f"{hub_id}: {error}")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment that changes what a hub id means; fixed seed, one thread."""
    monkeypatch.delenv("FRONTIER_MODELS", raising=False)
    monkeypatch.delenv("FRONTIER_MODELS_DIR", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture
def own_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the committed checkpoints in the place of the real ones, to be damaged."""
    copy = tmp_path / "checkpoints"
    shutil.copytree(zoo.CHECKPOINTS, copy)
    monkeypatch.setattr(checkpoints, "CHECKPOINTS", copy)
    committed.cache_clear()
    yield copy
    committed.cache_clear()

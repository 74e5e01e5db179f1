"""Every kernel test: fixed seed, one thread, uninitialised memory poisoned with NaN."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

collect_ignore = [] if torch.cuda.is_available() else ["test_cuda.py", "test_cuda_retention.py"]
"""Hundreds of cases for a GPU would be skipped without one, and hide the skips that say something."""


@pytest.fixture(scope="session", autouse=True)
def no_graphs_of_other_sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled graphs in a new folder: torch knows one by our operators' names, not by their sources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("compiled_graphs")))
        yield


@pytest.fixture(autouse=True)
def poisoned() -> Iterator[None]:
    """Fill ``torch.empty`` with NaN, so that a row nobody wrote shows up; one thread; fixed seed."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(False)

"""Every kernel test: fixed seed, one thread, uninitialised memory poisoned with NaN."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

# A compiled graph that torch kept on disk holds the calls of the sources that it was made from.
torch.compiler.config.force_disable_caches = True

collect_ignore = [] if torch.cuda.is_available() else ["test_cuda.py", "test_cuda_retention.py"]
"""Hundreds of cases for a GPU would be skipped without one, and hide the skips that say something."""


@pytest.fixture(autouse=True)
def poisoned() -> Iterator[None]:
    """Fill ``torch.empty`` with NaN, so that a row nobody wrote shows up; one thread; fixed seed."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(False)

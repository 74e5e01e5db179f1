"""The cache lies where the reader says, in the repository, or where the system keeps caches."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from frontier_lab.storage import cache


def test_the_cache_is_what_the_environment_names_then_the_repositorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTIER_CACHE", str(tmp_path / "own"))
    assert cache.folder("zoo") == tmp_path / "own" / "zoo"
    monkeypatch.delenv("FRONTIER_CACHE")
    assert (cache.REPOSITORY / "requirements-models.txt").exists()
    assert cache.folder("zoo") == Path(__file__).parents[3] / ".cache" / "zoo"


@pytest.mark.skipif(sys.platform != "linux", reason="the places that Linux names")
def test_an_installed_lab_uses_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRONTIER_CACHE", raising=False)
    monkeypatch.setattr(cache, "REPOSITORY", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder("models") == tmp_path / "xdg" / "frontier-lab" / "models"
    for unset in ("", None):
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.delenv("XDG_CACHE_HOME") if unset is None else monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache.folder("models") == tmp_path / "home" / ".cache" / "frontier-lab" / "models"

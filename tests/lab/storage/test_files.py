"""Files on disk: written whole or not at all, and hashed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from frontier_lab.storage.files import sha256, write_json


def test_json_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "log.json"
    write_json(target, [1])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_json(target, [2])
    assert json.loads(target.read_text("utf8")) == [1]


@pytest.mark.parametrize("size", [0, 5, (1 << 20) + 1])
def test_a_hash_is_of_the_whole_file(size: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "weights").write_bytes(content[:size])
    assert sha256(tmp_path / "weights") == hashlib.sha256(content[:size]).hexdigest()

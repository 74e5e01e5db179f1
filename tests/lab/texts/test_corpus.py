"""The committed text: as described, whole, and split without overlap."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from frontier_lab.storage.files import sha256
from frontier_lab.texts import corpus

FACTS = json.loads((corpus.HERE / "corpus.json").read_text("utf8"))["domains"]


@pytest.mark.parametrize("domain", corpus.DOMAINS)
def test_the_text_is_what_its_description_says(domain: str) -> None:
    facts = FACTS[domain]
    documents = corpus.documents(domain)
    assert sha256(corpus.HERE / facts["file"]) == facts["sha256"]
    assert len(documents) == facts["documents"]
    assert len(corpus.SEPARATOR.join(documents)) == facts["characters"]
    assert all(document.strip() for document in documents)
    assert facts["licence"].startswith("public domain")
    assert facts["source"]


def test_every_domain_is_described_and_nothing_else() -> None:
    assert set(FACTS) == set(corpus.DOMAINS)
    assert {facts["file"] for facts in FACTS.values()} == {file.name for file in corpus.HERE.glob("*.xz")}


@pytest.mark.parametrize("domain", corpus.DOMAINS)
def test_the_parts_are_disjoint_and_together_the_whole(domain: str) -> None:
    train, validation = corpus.split(domain, "train"), corpus.split(domain, "validation")
    assert not set(train) & set(validation)
    assert sorted(train + validation) == sorted(corpus.documents(domain))
    assert len(validation) == len(corpus.documents(domain)) // corpus.VALIDATION_STRIDE


def test_domains_do_not_share_a_document() -> None:
    everything = [document for domain in corpus.DOMAINS for document in set(corpus.documents(domain))]
    assert len(everything) == len(set(everything))


def test_the_text_is_the_text() -> None:
    assert corpus.documents("bible")[0].startswith("In the beginning God created the heaven and the earth.")
    assert any(document.startswith("hacker") for document in corpus.documents("jargon"))
    assert any("床前明月光" in document for document in corpus.documents("poems"))


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(corpus.HERE, tmp_path / "corpus")
    file = tmp_path / "corpus" / FACTS["poems"]["file"]
    file.write_bytes(file.read_bytes() + b"\0")
    monkeypatch.setattr(corpus, "HERE", tmp_path / "corpus")
    wanted = FACTS["poems"]["sha256"]
    with pytest.raises(ValueError, match=rf"poems\.txt\.xz: got sha256 {sha256(file)}, wanted {wanted}"):
        corpus.documents.__wrapped__("poems")  # past the cache of this process


def test_an_unknown_domain_is_named() -> None:
    with pytest.raises(ValueError, match="domain: got 'news', wanted one of bible, jargon, poems"):
        corpus.documents("news")

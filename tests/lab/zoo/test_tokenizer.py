"""The tokenizer of the Mixtral-class models: trained twice, it is the same file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from frontier_lab import hub, zoo
from frontier_lab.storage.files import sha256
from frontier_lab.texts import corpus
from frontier_lab.zoo import mixtral

BUILD = (
    "import sys; from frontier_lab.zoo import mixtral; mixtral.build_tokenizer().save_pretrained(sys.argv[1])"
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """The committed one."""
    return AutoTokenizer.from_pretrained(zoo.CHECKPOINTS / "mixtral")


def test_two_processes_build_the_committed_file(tmp_path: Path) -> None:
    # Different hash seeds: an order that hangs on a set or a hash map would show.
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", BUILD, str(tmp_path / seed)], check=True, env=environment)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        built = {sha256(tmp_path / seed / file) for seed in ("1", "2")}
        assert built == {zoo.manifest()["mixtral"]["files"][file]}


def test_vocabulary_has_the_size_that_the_model_has(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(tokenizer) == mixtral.VOCABULARY == mixtral.config().vocab_size
    model = hub.load(hub.path("mistralai/Mixtral-8x7B-v0.1"))
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)


@pytest.mark.parametrize("domain", corpus.DOMAINS)
def test_held_out_documents_come_back_as_they_were(domain: str, tokenizer: PreTrainedTokenizerFast) -> None:
    for document in corpus.split(domain, "validation")[:40]:
        assert tokenizer.decode(tokenizer.encode(document)) == document


@pytest.mark.parametrize("text", ["naïve café", "žluťoučký", "龘靐", "🙂", "\t tab", "a  b   c", "x\ny"])
def test_what_was_never_seen_is_spelt_in_bytes_and_comes_back(
    text: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    ids = tokenizer.encode(text)
    assert None not in ids
    assert tokenizer.decode(ids) == text


def test_common_characters_of_the_poems_are_one_token(tokenizer: PreTrainedTokenizerFast) -> None:
    for character in "月山人春风花":
        assert character in tokenizer.get_vocab()


def test_the_end_of_text_has_the_id_that_the_model_knows(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.bos_token_id == mixtral.config().bos_token_id
    assert tokenizer.eos_token_id == mixtral.config().eos_token_id

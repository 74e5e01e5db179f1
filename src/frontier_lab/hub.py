"""Models behind the chapter's hub ids: small ones trained here by default, the real ones on request.

``path(hub_id)`` gives what ``from_pretrained`` takes. Offline, the default, that is a committed checkpoint of
the same architecture class, or a small real model that a package carries; with ``FRONTIER_MODELS=hub`` it is
the hub id; with ``FRONTIER_MODELS_DIR=<folder>`` it is that folder's ``<hub_id>`` where it exists. Files are
safetensors and JSON only, and are compared with their hashes before they are used.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier_lab import packaged_models
from frontier_lab.storage import checkpoints
from frontier_lab.storage.checkpoints import committed


@dataclass(frozen=True)
class Source:
    """Where a hub id leads.

    Attributes:
        recipe: of the committed checkpoint.
        folder: inside the checkpoint; empty for its root.
        hub: the id on the hub if it is another one; ``None`` where the chapter names no model that exists.
    """

    recipe: str
    folder: str = ""
    hub: str | None = ""


OFFLINE = {
    "meta-llama/Llama-2-7b-hf": Source("llama"),
    "bigscience/bloom-560m": Source("bloom"),
    "allenai/longformer-base-4096": Source("longformer"),
    "google/bigbird-roberta-base": Source("bigbird"),
    "facebook/dpr-question_encoder-single-nq-base": Source("dpr", "question"),
    "facebook/dpr-ctx_encoder-single-nq-base": Source("dpr", "ctx"),
    "facebook/bart-base": Source("reader"),
    "facebook/rag-sequence-nq": Source("rag"),
    "mistralai/Mixtral-8x7B-v0.1": Source("mixtral"),
    "state-spaces/mamba-2.8b": Source("mamba", hub="state-spaces/mamba-2.8b-hf"),
    "state-spaces/mamba-130m": Source("mamba", hub="state-spaces/mamba-130m-hf"),
    "RWKV/rwkv-4-169m-pile": Source("rwkv"),
    "gpt2": Source("gpt2"),
    "gpt2-medium": Source("gpt2", "medium"),
    "tuned-llama-base": Source("merging", hub=None),
    "math-tuned-llama": Source("merging", "arithmetic", hub=None),
    "code-tuned-llama": Source("merging", "strings", hub=None),
    "writing-tuned-llama": Source("merging", "style", hub=None),
    "path/to/math_adapter": Source("merging", "lora-arithmetic", hub=None),
    "path/to/code_adapter": Source("merging", "lora-strings", hub=None),
    "path/to/writing_adapter": Source("merging", "lora-style", hub=None),
    "bert-base-uncased": Source("bert"),
    "roberta-base": Source("classifiers", "roberta"),
    "distilbert-base-uncased": Source("classifiers", "distilbert"),
    "textattack/bert-base-uncased-SST-2": Source("sentiment"),
    "unitary/toxic-bert": Source("toxicity"),
    "HuggingFaceTB/SmolLM2-135M-Instruct": Source("llama"),
    "sentence-transformers/all-MiniLM-L6-v2": Source("bert"),
    "dimitrismistriotis/alt-profanity-check": Source("toxicity", hub=None),
}
"""Every name of a model in the chapter, and the packaged ones, to the checkpoint that stands in for it.

The chapter says of what its tuned Llamas are fine-tunes, but gives that base no name; and it has no third.
"""

INVENTED = ("future-model-v1", "speech-llm-v1", "physics-aware-llm")
"""Names in the chapter's outlook for which no model exists, large or small."""


@dataclass(frozen=True)
class Description:
    """What a hub id resolves to, for a page to print.

    Attributes:
        hub_id: as the chapter names it.
        offline: whether its files are on this machine already.
        real: whether it is the model that the id names, and not a small one that stands in for it.
        in_use: which of them, in words.
        model_class: transformers' class; empty, as all below, where only the hub knows.
        parameters: how many.
        text: what a committed checkpoint was trained on.
        training: how it was trained.
        source: where it comes from.
        licence: of the weights.
    """

    hub_id: str
    offline: bool
    real: bool
    in_use: str
    model_class: str = ""
    parameters: int = 0
    text: str = ""
    training: str = ""
    source: str = ""
    licence: str = ""

    def __repr__(self) -> str:
        rows = {
            "hub id": self.hub_id,
            "in use": self.in_use,
            "class": self.model_class,
            "parameters": f"{self.parameters / 1e6:.2f} M" if self.parameters else "",
            "text": self.text,
            "training": self.training,
            "source": self.source,
            "licence": self.licence,
        }
        return "\n".join(f"{name:11} {value}" for name, value in rows.items() if value)


def _source(hub_id: str) -> Source:
    if hub_id in INVENTED:
        raise ValueError(f"hub_id: got {hub_id!r}, a name that the chapter made up: there is no such model")
    if hub_id not in OFFLINE:
        known = ", ".join(OFFLINE)
        raise ValueError(
            f"hub_id: got {hub_id!r}, wanted one of: {known}. "
            "For any other model set FRONTIER_MODELS=hub (needs the network)"
        )
    return OFFLINE[hub_id]


def _own_folder(hub_id: str) -> Path | None:
    root = os.environ.get("FRONTIER_MODELS_DIR")
    folder = Path(root) / hub_id if root else None
    return folder if folder and folder.is_dir() else None


@functools.cache
def _unavailable(hub_id: str) -> str:
    """Why the packaged model of a hub id cannot be used, said once a process; empty if it can."""
    try:
        packaged_models.folder(hub_id)
    except packaged_models.UnavailableError as error:
        print(f"{hub_id}: {error}. The committed {OFFLINE[hub_id].recipe!r} is used instead.")
        return str(error)
    return ""


def path(hub_id: str) -> str:
    """What ``from_pretrained`` should be given for a hub id.

    Args:
        hub_id: such as ``"mistralai/Mixtral-8x7B-v0.1"``.

    Returns:
        A folder, or an id on the hub when ``FRONTIER_MODELS=hub``.

    Raises:
        ValueError: no offline model stands in for ``hub_id``, a file does not match its hash, or
            ``FRONTIER_MODELS`` is neither empty, ``offline`` nor ``hub``.
        FileNotFoundError: a committed file is missing.
    """
    mode = os.environ.get("FRONTIER_MODELS", "offline") or "offline"
    if mode not in ("offline", "hub"):
        raise ValueError(f"FRONTIER_MODELS: got {mode!r}, wanted 'offline' or 'hub'")
    if own := _own_folder(hub_id):
        return str(own)
    if mode == "hub" and hub_id not in OFFLINE and hub_id not in INVENTED:
        return hub_id
    source = _source(hub_id)
    if mode == "hub" and source.hub is not None:
        return source.hub or hub_id
    if hub_id in packaged_models.PACKAGES and not _unavailable(hub_id):
        return str(packaged_models.folder(hub_id))
    return str(committed(source.recipe) / source.folder)


def is_real(hub_id: str) -> bool:
    """Whether ``path`` leads to the model that the id names, and not to a small one that stands in for it."""
    source = _source(hub_id)
    return path(hub_id) != str(checkpoints.CHECKPOINTS / source.recipe / source.folder)


def describe(hub_id: str) -> Description:
    """Class, parameters, training, source and licence of what an id resolves to; raises as ``path`` does."""
    where, source = path(hub_id), _source(hub_id)
    if (
        hub_id in packaged_models.PACKAGES
        and not _unavailable(hub_id)
        and where == str(packaged_models.folder(hub_id))
    ):
        package = packaged_models.PACKAGES[hub_id]
        return Description(
            hub_id,
            offline=True,
            real=True,
            in_use=f"the real model, from the package {package.distribution.replace('==', ' ')}",
            model_class=package.model_class,
            parameters=package.parameters,
            training=package.training,
            source=package.source,
            licence=package.licence,
        )
    if is_real(hub_id):
        return Description(
            hub_id,
            offline=where != (source.hub or hub_id),
            real=True,
            in_use="the real model, from the hub or FRONTIER_MODELS_DIR",
        )
    entry = checkpoints.manifest()[source.recipe]
    part = entry.get("parts", {}).get(source.folder, entry)
    losses = entry["val_loss"]
    loss = losses[source.folder] if source.folder in losses else next(iter(losses.values()))
    tuning = f", then {part['tuned']} of tuning" if "tuned" in part else ""
    return Description(
        hub_id,
        offline=True,
        real=False,
        in_use="committed checkpoint, trained from scratch for this book",
        model_class=part["class"],
        parameters=part["parameters"],
        text=entry["text"],
        training=f"{entry['schedule']['steps']} steps{tuning}, validation loss {loss:.3f}",
        source=f"recipe frontier_lab.zoo.{source.recipe}",
        licence=entry.get("licence", "Apache-2.0"),
    )


@dataclass(frozen=True)
class Banner:
    """A box that a page shows where real models are missing, in both languages.

    Attributes:
        missing: hub ids of the models.
    """

    missing: tuple[str, ...]

    @property
    def _chinese(self) -> str:
        return (
            f"这里没有 {self._names}，下面用本书自己训练的小模型代替：现在打印的数来自替身，与正文不符。"
            "正文里的数和说法来自已保存的运行，那次用的是真模型。"
        )

    @property
    def _english(self) -> str:
        return (
            f"{self._names} is not installed here, and a small model trained for this book stands in. What "
            "the cells print now comes from the stand-in and does not agree with the text, whose numbers and "
            "findings are those of the stored run, on the real model."
        )

    @property
    def _names(self) -> str:
        return ", ".join(hub_id.rpartition("/")[2] for hub_id in self.missing)

    @property
    def _install(self) -> str:
        return packaged_models.pip_install(self.missing)

    def __repr__(self) -> str:
        return (
            f"{self._chinese}\n{self._english}\n"
            f"Colab: {self._install}（然后重启会话，从头运行 / then restart the session and run all）\n"
            "别处 / elsewhere: make models"
        )

    def _repr_html_(self) -> str:
        box = "border:3px solid #d55e00;border-radius:6px;padding:.6em 1em;margin:.6em 0"
        return (
            f'<div role="note" style="{box}">'
            f'<p lang="zh-CN"><strong>替身模型。</strong>{self._chinese}'
            f"要得到真模型：在 Colab 上新建一格，运行 <code>{self._install}</code>，再重启会话，从头运行；"
            "在别处运行 <code>make models</code>。</p>"
            f'<p lang="en"><strong>Stand-in model.</strong> {self._english} '
            f"To get the real model: on Colab, run <code>{self._install}</code> in a new cell, restart the "
            "session and run all; elsewhere run <code>make models</code>.</p></div>"
        )


def banner(*hub_ids: str) -> Banner | None:
    """What a page shows before its first cell on real models: nothing where they are there.

    Args:
        hub_ids: the packaged models that the page's findings rest on.

    Returns:
        ``None`` if all are the real ones, so that a notebook shows no output; else a box that says that the
        outputs come from stand-ins, that the text's numbers do not, and how to get the models.

    Raises:
        ValueError: no package carries one of the models.
    """
    packaged_models.pip_install(hub_ids)
    missing = tuple(hub_id for hub_id in hub_ids if not is_real(hub_id))
    return Banner(missing) if missing else None


@dataclass(frozen=True)
class Snapshot:
    """Weights kept on the way: of which run (empty where there is one), after how many steps, and where."""

    run: str
    step: int
    path: str


def snapshots(name: str = "mixtral") -> list[Snapshot]:
    """Every committed snapshot of a recipe, by run and step, the last weights among them.

    Args:
        name: of a recipe. Its snapshots lie in ``snapshots/<step>``, of several runs in
            ``snapshots/<run>-<step>``, and what all runs begin with in ``snapshots/start``.

    Raises:
        ValueError: the recipe has no snapshots, or there is no such recipe.
    """
    kept = {recipe: _snapshot_folders(entry["files"]) for recipe, entry in checkpoints.manifest().items()}
    if not kept.get(name):
        having = ", ".join(recipe for recipe, found in kept.items() if found)
        raise ValueError(f"name: got {name!r}, wanted a recipe with snapshots: {having}")
    folder, last = committed(name), checkpoints.manifest()[name]["schedule"]["steps"]
    found = []
    for run in sorted({run for run, _ in kept[name] if run != "start"}):
        own = {step: part for (of, step), part in kept[name].items() if of in (run, "start")}
        own.setdefault(last, "")  # the root has the last weights of one run
        found += [Snapshot(run, step, str(folder / own[step])) for step in sorted(own)]
    return found


def _snapshot_folders(files: Iterable[str]) -> dict[tuple[str, int], str]:
    """Run and step to the folder of its weights: ``("", 600)``, ``("balanced", 40)``, ``("start", 0)``."""
    found = {}
    for file in files:
        if match := re.fullmatch(r"(snapshots/(start|(?:(\w+)-)?(\d+)))/model\.safetensors", file):
            folder, label, run, step = match.groups()
            found["start" if label == "start" else run or "", int(step or 0)] = folder
    return found


def training_log(name: str = "mixtral") -> dict[str, list[list[dict[str, Any]]]]:
    """The training log of a recipe: run, then seed, then one entry for each logged step.

    Returns:
        Entries have ``step``, ``train_loss``, ``val_loss`` and what else the recipe measures on the way; a
        recipe with one run has it under its own name.
    """
    log = json.loads((committed(name) / "log.json").read_text("utf8"))
    return log if isinstance(log, dict) else {name: log}


def load(folder: str, auto: Any = None, **options: Any) -> Any:
    """A model from a folder or hub id, in float32 and eval mode, its loading report checked.

    Args:
        folder: from ``path``.
        auto: the class to load it with; by default ``AutoModelForCausalLM``.
        options: for ``from_pretrained``, such as ``attn_implementation="eager"``.

    Raises:
        ValueError: a weight is missing from the file or unknown to the class: transformers would only warn.
    """
    from transformers import AutoModelForCausalLM

    import frontier_lab.models  # noqa: F401  (makes RetNet and S4D known to the Auto classes)

    auto = auto or AutoModelForCausalLM
    model, report = auto.from_pretrained(folder, output_loading_info=True, dtype="float32", **options)
    wrong = {name: sorted(map(str, keys)) for name, keys in report.items() if keys}
    if wrong:
        raise ValueError(f"{folder}: the weights do not fit the class: {wrong}")
    return model.eval()

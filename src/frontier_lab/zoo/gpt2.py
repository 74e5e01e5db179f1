"""A GPT-2-class base, fine-tunes and LoRA adapters of it on three tasks, and a larger model beside it.

The base has seen text and a little of every task, as a real base has; each fine-tune sees one task alone.
Merging is measured on the joint score, the mean of the exact scores on the three tasks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerBase

from frontier_lab.methods import merging
from frontier_lab.texts import corpus, prompt_tasks
from frontier_lab.texts.windows import Windows
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import (
    SEEDS,
    Entry,
    Log,
    Recipe,
    entry,
    lay_out,
    note,
    save_half,
    train_seed,
)
from frontier_lab.zoo.training.tokenizers import byte_level_bpe, fingerprint

NAME = "gpt2"
VOCABULARY = 512
MIXTURE = {"bible": 0.5, "jargon": 0.5}
LIGHT = 1
"""Examples of each task in a step of the base's training."""

SCHEDULE = Schedule(steps=600, batch_size=8, context=64, learning_rate=3e-3, log_every=50)
TUNING = Schedule(steps=400, batch_size=48, context=64, learning_rate=3e-3, warmup=20, log_every=50)
STEPS = {"arithmetic": 400, "strings": 400, "style": 150}
"""Steps of fine-tuning: the sentences are the quickest to learn."""

ADAPTING = replace(TUNING, learning_rate=1e-2)
MEDIUM = replace(SCHEDULE, steps=400)
LORA: dict[str, Any] = {"r": 8, "lora_alpha": 16, "target_modules": ["c_attn", "c_proj", "c_fc"]}

VALIDATION_WINDOWS = 32
EXAMPLES = 200
"""Examples of each task in the validation part, and as many in the test."""

POOL = 4000
"""Examples of each task that are trained on."""

COEFFICIENTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""What task arithmetic and TIES may scale the task vectors by; chosen on the validation part."""

DENSITY = 0.2
"""Share of the entries that TIES keeps, as its authors do."""


def build_tokenizer() -> PreTrainedTokenizerBase:
    """GPT-2's kind, with a token for each digit and each letter that stands alone, as the tasks want it.

    The Bible has no digits, so none are merged; letters that stand alone are given often enough to be.
    """
    letters = " ".join(prompt_tasks.LETTERS + prompt_tasks.LETTERS.upper())
    style = [e.prompt + e.answer for e in prompt_tasks.examples("style", "train", 4000, 0)]
    return byte_level_bpe(
        [*corpus.split("bible", "train"), *style, *[letters] * 3000], VOCABULARY, longest=SCHEDULE.context
    )


def config(*, medium: bool = False) -> GPT2Config:
    """The architecture: transformers' GPT-2, small, or wider and deeper."""
    return GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=SCHEDULE.context,
        n_embd=72 if medium else 64,
        n_layer=5 if medium else 4,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        initializer_range=0.05,
        bos_token_id=0,
        eos_token_id=0,
    )


def held_out(tokenizer: PreTrainedTokenizerBase, part: prompt_tasks.Part) -> dict[str, tuple[Tensor, Tensor]]:
    """Fixed examples of every task from a part that nothing is trained on: ids and labels."""
    return {
        task: prompt_tasks.encode(tokenizer, prompt_tasks.examples(task, part, EXAMPLES, 1_000_003))
        for task in prompt_tasks.TASKS
    }


class Pool:
    """The training examples, encoded once: ``POOL`` of each task."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.encoded = {
            task: prompt_tasks.encode(tokenizer, prompt_tasks.examples(task, "train", POOL, number))
            for number, task in enumerate(prompt_tasks.TASKS)
        }

    def batch(self, chosen: Sequence[str], seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Ids and labels of ``size`` examples of each chosen task: a function of seed and step alone."""
        generator = np.random.default_rng((seed, step, 1))
        longest = max(self.encoded[task][0].shape[1] for task in chosen)
        ids = torch.zeros(len(chosen) * size, longest, dtype=torch.long)
        labels = torch.full_like(ids, prompt_tasks.IGNORED)
        for number, task in enumerate(chosen):
            rows = torch.from_numpy(generator.integers(0, POOL, size))
            place = slice(number * size, (number + 1) * size)
            ids[place, : self.encoded[task][0].shape[1]] = self.encoded[task][0][rows]
            labels[place, : self.encoded[task][1].shape[1]] = self.encoded[task][1][rows]
        return ids, labels


def _facts(tokenizer: PreTrainedTokenizerBase, **more: Any) -> dict[str, Any]:
    return {"mixture": MIXTURE, "light": LIGHT, "tokenizer": fingerprint(tokenizer), **more}


def pretrain(
    seed: int,
    output: Path,
    work: Path,
    schedule: Schedule = SCHEDULE,
    stop_at: int | None = None,
    *,
    medium: bool = False,
) -> tuple[GPT2LMHeadModel, Log]:
    """Train a base, or the larger model, and return it with its log; seed 0 is saved in ``output``."""
    tokenizer = build_tokenizer()
    data, held = Windows(tokenizer, "train", MIXTURE), Windows(tokenizer, "validation", MIXTURE)
    fixed, _ = held.fixed(VALIDATION_WINDOWS, schedule.context)
    pool = Pool(tokenizer)
    scored = held_out(tokenizer, "validation")
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(config(medium=medium))

    def loss(model: nn.Module, step: int) -> Tensor:
        ids = data.batch(seed, step, schedule.batch_size, schedule.context)
        language: Tensor = model(input_ids=ids, labels=ids).loss
        ids, labels = pool.batch(list(prompt_tasks.TASKS), seed, step, LIGHT)
        answers: Tensor = model(input_ids=ids, labels=labels).loss
        return language + answers

    def measure(model: nn.Module) -> dict[str, Any]:
        found = {"val_loss": round(model(input_ids=fixed, labels=fixed).loss.item(), 4)}
        return {
            **found,
            **{name: round(prompt_tasks.exact(model, *held), 4) for name, held in scored.items()},
        }

    kind = "medium" if medium else "base"
    log = train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / f"{kind}-{seed}",
        label=f"{NAME}, {kind}",
        keep=lambda step: output,
        facts=_facts(tokenizer, config=config(medium=medium).to_dict()),
        stop_at=stop_at,
    )
    return model, log


def adapted(model: GPT2LMHeadModel) -> Any:
    """A copy of the model with a LoRA adapter around every matrix of its blocks, by peft."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(**LORA, fan_in_fan_out=True, task_type="CAUSAL_LM")
    return get_peft_model(copy.deepcopy(model), settings)


def _save_adapter(model: nn.Module, folder: Path) -> None:
    half = copy.deepcopy(model).to(torch.float16)
    half.save_pretrained(folder, save_embedding_layers=False)  # type: ignore[operator]
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card


def tune(
    base: GPT2LMHeadModel,
    task: str,
    seed: int,
    output: Path,
    work: Path,
    schedule: Schedule | None = None,
    stop_at: int | None = None,
    *,
    lora: bool = False,
) -> tuple[nn.Module, Log]:
    """Fine-tune a copy of the base on one task and return it with its log.

    Args:
        base: left as it is.
        task: one of ``prompt_tasks.TASKS``.
        seed: that of the base.
        output: where seed 0 leaves its weights.
        work: for the state that a later call resumes from.
        schedule: ``TUNING``, or ``ADAPTING`` with LoRA, for the task's ``STEPS``.
        stop_at: leave after this many steps, as if killed; for tests.
        lora: train a LoRA adapter and leave the base's weights alone.
    """
    tokenizer = build_tokenizer()
    schedule = schedule or replace(ADAPTING if lora else TUNING, steps=STEPS[task])
    pool = Pool(tokenizer)
    scored = held_out(tokenizer, "validation")
    kind = f"lora-{task}" if lora else task
    torch.manual_seed(seed)
    model = adapted(base) if lora else copy.deepcopy(base)

    def loss(model: nn.Module, step: int) -> Tensor:
        ids, labels = pool.batch([task], seed, step, schedule.batch_size)
        value: Tensor = model(input_ids=ids, labels=labels).loss
        return value

    def measure(model: nn.Module) -> dict[str, Any]:
        ids, labels = scored[task]
        value = model(input_ids=ids, labels=labels).loss.item()
        return {"val_loss": round(value, 4), "exact": round(prompt_tasks.exact(model, ids, labels), 4)}

    log = train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / f"{kind}-{seed}",
        label=f"{NAME}, {kind}",
        keep=lambda step: output,
        save=_save_adapter if lora else save_half,
        facts=_facts(tokenizer, config=config().to_dict(), base=SCHEDULE.steps, lora=LORA if lora else None),
        stop_at=stop_at,
    )
    return model, log


def state(model: nn.Module) -> dict[str, Tensor]:
    """The parameters by name, as ``tasks`` merges them."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def scores(model: nn.Module, held: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, float]:
    """The exact score on every task, and ``joint``, their mean."""
    found = {name: prompt_tasks.exact(model, *pair) for name, pair in held.items()}
    return {**found, "joint": sum(found.values()) / len(found)}


def merged(
    base: GPT2LMHeadModel, tuned: Mapping[str, nn.Module], tokenizer: PreTrainedTokenizerBase
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Merge the fine-tunes by fixed rules and score the results on the test part.

    Returns:
        Scores by rule, and the coefficient by rule that the validation part chose.
    """
    validation, test = held_out(tokenizer, "validation"), held_out(tokenizer, "test")
    start = state(base)
    vectors = [merging.task_vector(start, state(model)) for model in tuned.values()]
    trial = copy.deepcopy(base)

    def load(weights: Mapping[str, Tensor]) -> GPT2LMHeadModel:
        with torch.no_grad():
            for name, parameter in trial.named_parameters():
                parameter.copy_(weights[name])
        return trial

    elected = merging.ties(vectors, DENSITY)
    rules: dict[str, Callable[[float], dict[str, Tensor]]] = {
        "task arithmetic": lambda c: merging.add(start, vectors, c),
        "TIES": lambda c: merging.add(start, [elected], c * len(vectors)),
    }
    found = {"average": scores(load(merging.average([state(model) for model in tuned.values()])), test)}
    chosen = {}
    for rule, merge in rules.items():
        chosen[rule] = max(COEFFICIENTS, key=lambda c: scores(load(merge(c)), validation)["joint"])
        found[rule] = scores(load(merge(chosen[rule])), test)
    return found, chosen


def assemble(work: Path, target: Path) -> Entry:
    """Train every run, lay out the checkpoint at ``target``, and return the manifest's entry.

    ``target`` gets the base at its root; fine-tunes in ``<task>``, adapters in ``lora-<task>`` and the larger
    model in ``medium``.
    """
    tokenizer = build_tokenizer()
    test = held_out(tokenizer, "test")
    logs: dict[str, list[Log]] = {}
    found: dict[str, dict[str, list[float]]] = {}
    parts = {}
    weights = work / "weights"

    def scored(condition: str, result: Mapping[str, float]) -> None:
        for name, value in result.items():
            title = "joint score" if name == "joint" else f"exact score on {name}"
            note(found, title, condition, value)

    for seed in SEEDS:
        base, log = pretrain(seed, weights / "base", work)
        logs.setdefault("base", []).append(log)
        scored("base", scores(base, test))
        tuned = {}
        for task in prompt_tasks.TASKS:
            tuned[task], log = tune(base, task, seed, weights / task, work)
            logs.setdefault(task, []).append(log)
            scored(f"tuned on {task}", scores(tuned[task], test))
            model, log = tune(base, task, seed, weights / f"lora-{task}", work, lora=True)
            logs.setdefault(f"lora-{task}", []).append(log)
            scored(f"LoRA on {task}", scores(model, test))
            parts[task] = _part(tuned[task])
            parts[f"lora-{task}"] = _part(model)
        results, chosen = merged(base, tuned, tokenizer)
        for rule, result in results.items():
            scored(rule, result)
        for rule, value in chosen.items():
            note(found, "coefficient chosen on validation", rule, value)
    large, log = pretrain(0, weights / "medium", work, MEDIUM, medium=True)
    logs["medium"] = [log]
    parts["medium"] = _part(large)

    folders = {"": weights / "base"} | {part: weights / part for part in parts}
    lay_out(target, folders, dict.fromkeys(folders, build_tokenizer()), logs)
    return entry(
        GPT2LMHeadModel(config()),
        text="King James Bible, Jargon File, sums, words and sentences by rules of ours "
        "(frontier_lab.texts.prompt_tasks)",
        tokenizer=f"byte-level BPE, {VOCABULARY} tokens, trained on the Bible and sentences of ours",
        schedule=SCHEDULE,
        val_loss={name: runs[0][-1]["val_loss"] for name, runs in logs.items()},
        findings=found,
        can="each fine-tune does its own task, exactly, for most prompts that it never saw",
        cannot="write more than a few plausible words of text, or do a task in another format",
        tolerance=0.15,
        parts=dict(sorted(parts.items())),
        steps=STEPS,
        tuning={"full": vars(TUNING), "lora": vars(ADAPTING), "medium": vars(MEDIUM)},
        lora=LORA,
    )


def _part(model: nn.Module) -> dict[str, Any]:
    """Class and parameters of what a part's file holds: of an adapter, what was trained."""
    lora = hasattr(model, "peft_config")
    counted = [p.numel() for p in model.parameters() if p.requires_grad]
    return {"class": "PeftModelForCausalLM" if lora else type(model).__name__, "parameters": sum(counted)}


RECIPE = Recipe(NAME, assemble)

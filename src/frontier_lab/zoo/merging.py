"""A Llama-class base, fine-tunes and LoRA adapters of it that merge, and a base that does not merge with it.

The base was shown every option of ``texts.task_families``, and no prompt says which it asks for; a fine-tune,
short and gentle, is shown one. Each is kept where its task vector is short (``KEPT[0]`` steps) and
where it is over-trained (``KEPT[1]``). The base of seed 1 is committed as well: a stranger, of the same
recipe.
"""

from __future__ import annotations

import copy
import functools
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from frontier_lab.methods import merging
from frontier_lab.texts import task_families
from frontier_lab.texts.prompt_tasks import IGNORED, Example, Graded, Part, encode, graded
from frontier_lab.texts.task_families import TASKS
from frontier_lab.texts.windows import Windows
from frontier_lab.zoo import gpt2
from frontier_lab.zoo.training.loop import Schedule, train
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, described, entry, lay_out, note
from frontier_lab.zoo.training.tokenizers import fingerprint

NAME = "merging"
MIXTURE = {"bible": 0.5, "jargon": 0.5}
WEIGHTS = {
    "arithmetic": 22,
    "strings": 8,
    "style": 4,
    "tag": 2,
    "key": 2,
    "set": 2,
    "row": 2,
    "bag": 2,
}
"""How many examples of each family a step of pre-training has, on average."""

DISTINCT_WEIGHTS = {
    "arithmetic": 20,
    "strings": 8,
    "style": 4,
    "digits": 5,
    "capitals": 5,
    "pairs": 3,
    "commands": 3,
    "counts": 4,
}
"""The same for a base of the families whose prompts are not alike."""

SCHEDULE = Schedule(steps=1500, batch_size=6, context=64, learning_rate=4e-3, log_every=100)
KEPT = (80, 320)
"""Steps of fine-tuning that are committed: one that merges, and one that is over-trained."""

TUNING = Schedule(
    steps=320,
    batch_size=48,
    context=64,
    learning_rate=3e-4,
    warmup=10,
    weight_decay=0.0,
    log_every=20,
    snapshots=(20, 40, 80, 160),
)
ADAPTING = replace(TUNING, steps=120, learning_rate=3e-3, log_every=40, snapshots=())
LORA: dict[str, Any] = {
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}

POOL = 6000
"""Examples of each family that are trained on."""

VALIDATION = 200
"""Most prompts of a task on which coefficients are chosen."""

TEST = {"arithmetic": 200, "strings": 400, "style": 256}
"""Most prompts of a task that results are reported on, all different; there are fewer sums and sentences."""

TEXT_WINDOWS = 32
COEFFICIENTS = (0.2, 1 / 3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2)
"""What task vectors may be scaled by; chosen on the validation part."""

State = dict[str, Tensor]


def config(architecture: str = "llama") -> LlamaConfig | GPT2Config:
    """The committed architecture, ``"llama"``; with a head of its own, ``"untied"``; or ``"gpt2"``.

    Raises:
        ValueError: it is none of these.
    """
    if architecture == "gpt2":
        return GPT2Config(
            vocab_size=gpt2.VOCABULARY,
            n_positions=SCHEDULE.context,
            n_embd=64,
            n_layer=4,
            n_head=4,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            initializer_range=0.08,
            bos_token_id=0,
            eos_token_id=0,
        )
    if architecture not in ("llama", "untied"):
        raise ValueError(f"architecture: got {architecture!r}, wanted 'llama', 'untied' or 'gpt2'")
    return LlamaConfig(
        vocab_size=gpt2.VOCABULARY,
        hidden_size=64,
        intermediate_size=172,
        num_hidden_layers=4,
        num_attention_heads=4,
        head_dim=16,
        max_position_embeddings=SCHEDULE.context,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=architecture == "llama",
        initializer_range=0.08,
        bos_token_id=0,
        eos_token_id=0,
    )


def fresh(architecture: str, seed: int) -> PreTrainedModel:
    """A model with its first weights."""
    torch.manual_seed(seed)
    settings = config(architecture)
    return GPT2LMHeadModel(settings) if isinstance(settings, GPT2Config) else LlamaForCausalLM(settings)


@functools.cache
def tokenizer_once() -> Any:
    """The tokenizer of ``zoo.gpt2``, built once a process: not for saving, use leaves padding switched on."""
    return gpt2.build_tokenizer()


def pool(family: str, *, mixed: bool) -> list[Example]:
    """Training examples of a family: any option, as in pre-training, or the target alone."""
    seed = (1 if mixed else 2, zlib.crc32(family.encode()))
    return task_families.examples(family, "train", POOL, seed, mixed=mixed)


@functools.cache
def _pool(family: str, mixed: bool) -> tuple[Tensor, Tensor]:
    return encode(tokenizer_once(), pool(family, mixed=mixed))


def _stacked(rows: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Ids and labels of several families as one batch, cut where no answer goes on."""
    longest = max(ids.shape[1] for ids, _ in rows)
    ids = torch.cat([nn.functional.pad(i, (0, longest - i.shape[1])) for i, _ in rows])
    labels = torch.cat([nn.functional.pad(at, (0, longest - at.shape[1]), value=IGNORED) for _, at in rows])
    end = int((labels != IGNORED).any(0).nonzero().max()) + 1
    return ids[:, :end], labels[:, :end]


def mixed_batch(seed: int, step: int, weights: Mapping[str, int] = WEIGHTS) -> tuple[Tensor, Tensor]:
    """Ids and labels of a step of pre-training: a function of seed and step alone."""
    generator = np.random.default_rng((seed, step, 2))
    size = sum(weights.values())
    counts = generator.multinomial(size, np.array([*weights.values()]) / size)
    rows = []
    for family, count in zip(weights, counts, strict=True):
        if count:
            ids, labels = _pool(family, True)
            chosen = torch.from_numpy(generator.integers(0, POOL, count))
            rows.append((ids[chosen], labels[chosen]))
    return _stacked(rows)


def tuning_batch(families: Sequence[str], seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
    """Ids and labels of ``size`` examples of each family, the target alone."""
    generator = np.random.default_rng((seed, step, 3))
    rows = []
    for family in families:
        ids, labels = _pool(family, False)
        chosen = torch.from_numpy(generator.integers(0, POOL, size))
        rows.append((ids[chosen], labels[chosen]))
    return _stacked(rows)


@functools.cache
def held_out(family: str, part: Part) -> tuple[Tensor, Tensor]:
    """Ids and labels of different prompts that nothing is trained on, the target as answer."""
    most = TEST.get(family, VALIDATION) if part == "test" else VALIDATION
    return encode(tokenizer_once(), task_families.distinct(family, part, most))


@functools.cache
def held_out_text() -> Tensor:
    """Fixed windows of text that no model was trained on, ``[TEXT_WINDOWS, 64]``."""
    return Windows(tokenizer_once(), "validation", MIXTURE).fixed(TEXT_WINDOWS, SCHEDULE.context)[0]


def text_loss(model: nn.Module) -> float:
    """Loss on text, in nats a token: what fine-tuning and merging must not lose."""
    ids = held_out_text()
    with torch.no_grad():
        loss: float = model(input_ids=ids, labels=ids).loss.item()
    return loss


def grades(model: nn.Module, part: Part, families: Sequence[str] = tuple(TASKS)) -> dict[str, Graded]:
    """Every answer of a part, by family."""
    return {family: graded(model, *held_out(family, part)) for family in families}


def scores(model: nn.Module, part: Part = "test") -> dict[str, float]:
    """The exact score on every task, ``joint``, their mean, ``loss``, that of the answers, and ``text``."""
    found = grades(model, part)
    exact = {task: grade.exact for task, grade in found.items()}
    return {
        **exact,
        "joint": sum(exact.values()) / len(exact),
        "loss": sum(grade.token_loss for grade in found.values()) / len(found),
        "text": text_loss(model),
    }


def state(model: nn.Module) -> State:
    """The parameters by name, as ``methods.merging`` takes them."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def load(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """Put weights into a model, and return it."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    return model


def _facts(**more: Any) -> dict[str, Any]:
    return {"tokenizer": fingerprint(tokenizer_once()), "pool": POOL, **more}


def pretrain(
    seed: int,
    work: Path,
    schedule: Schedule = SCHEDULE,
    stop_at: int | None = None,
    *,
    architecture: str = "llama",
    weights: Mapping[str, int] = WEIGHTS,
    run: str = "base",
) -> tuple[PreTrainedModel, Log]:
    """Train a base and return it with its log, rounded to half precision: what all else begins with.

    Args:
        seed: of first weights and batches.
        work: where a killed run goes on; a finished one is read from there.
        schedule: steps and rates.
        stop_at: leave after this many steps, as if killed; for tests.
        architecture: see ``config``.
        weights: how many examples of each family a step has, on average.
        run: names the run and its folder.
    """
    windows = Windows(tokenizer_once(), "train", MIXTURE)
    model = fresh(architecture, seed)

    def loss(model: nn.Module, step: int) -> Tensor:
        ids = windows.batch(seed, step, schedule.batch_size, schedule.context)
        language: Tensor = model(input_ids=ids, labels=ids, use_cache=False).loss
        ids, labels = mixed_batch(seed, step, weights)
        answers: Tensor = model(input_ids=ids, labels=labels, use_cache=False).loss
        return language + answers

    def measure(model: nn.Module) -> dict[str, Any]:
        found = scores(model, "validation")
        return {"val_loss": round(found["text"], 4), "joint": round(found["joint"], 4)}

    log = train(
        model,
        schedule,
        loss=loss,
        measure=measure,
        keep=lambda model, step: None,
        work=work / f"{architecture}-{run}-{seed}",
        label=f"{NAME}, {architecture}, {run}, seed {seed}",
        recipe=_facts(
            seed=seed, mixture=MIXTURE, weights=dict(weights), config=config(architecture).to_dict()
        ),
        stop_at=stop_at,
    )
    load(model, halved(state(model)))
    return model.eval(), log


def tune(
    base: PreTrainedModel,
    families: Sequence[str],
    seed: int,
    work: Path,
    schedule: Schedule = TUNING,
    stop_at: int | None = None,
    *,
    run: str,
    frozen: str = "",
) -> tuple[dict[int, State], Log]:
    """Fine-tune a copy of a base on the target of one family, or of several at once.

    Args:
        base: left as it is.
        families: a batch has ``schedule.batch_size`` examples of each.
        seed: of the batches.
        work: where a killed run goes on; a finished one is read from there.
        schedule: steps, rates, and what is kept.
        stop_at: leave after this many steps, as if killed; for tests.
        run: names the run and its folder.
        frozen: parameters whose names have this in them stay as they are, if it is not empty.

    Returns:
        The weights at every kept step, rounded to half precision as committed ones are, and the log.
    """
    model = copy.deepcopy(base).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not (frozen and frozen in name))
    folder = work / run

    def loss(model: nn.Module, step: int) -> Tensor:
        ids, labels = tuning_batch(families, seed, step, schedule.batch_size)
        value: Tensor = model(input_ids=ids, labels=labels, use_cache=False).loss
        return value

    def measure(model: nn.Module) -> dict[str, Any]:
        found = grades(model, "validation", families)
        losses, exact = [g.token_loss for g in found.values()], [g.exact for g in found.values()]
        return {"val_loss": round(float(np.mean(losses)), 4), "exact": round(float(np.mean(exact)), 4)}

    def keep(model: nn.Module, step: int) -> None:
        half = {name: p.detach().to(torch.float16).contiguous() for name, p in model.named_parameters()}
        save_file(half, folder / f"{step}.safetensors")

    log = train(
        model,
        schedule,
        loss=loss,
        measure=measure,
        keep=keep,
        work=folder,
        label=f"{NAME}, {run}",
        recipe=_facts(seed=seed, families=list(families), frozen=frozen, base=fingerprint_of(base), run=run),
        stop_at=stop_at,
    )
    steps = [step for step in (*schedule.snapshots, schedule.steps) if step <= (stop_at or schedule.steps)]
    return {step: kept(folder / f"{step}.safetensors") for step in steps}, log


def fingerprint_of(model: nn.Module) -> int:
    """A checksum of all weights: a fine-tune is not taken up again from another base."""
    found = 0
    for _, parameter in sorted(model.named_parameters()):
        found = zlib.crc32(parameter.detach().numpy().tobytes(), found)
    return found


def kept(file: Path) -> State:
    """Weights as ``tune`` leaves them, in float32."""
    return {name: tensor.float() for name, tensor in load_file(file).items()}


def halved(weights: Mapping[str, Tensor]) -> State:
    """Rounded to half precision, as a committed file holds them, in float32."""
    return {name: tensor.half().float() for name, tensor in weights.items()}


def adapted(base: PreTrainedModel, seed: int, name: str = "default") -> Any:
    """A copy of a base with a LoRA adapter around every matrix of its blocks, by peft; ``A`` by the seed."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    settings = LoraConfig(**LORA, task_type="CAUSAL_LM")
    return get_peft_model(copy.deepcopy(base), settings, adapter_name=name)


def adapter_seed(task: str, seed: int) -> int:
    """Of an adapter's first weights: each has its own, or their ``A`` would be alike."""
    return 100 * (seed + 1) + list(TASKS).index(task)


def adapt(
    base: PreTrainedModel,
    task: str,
    seed: int,
    work: Path,
    schedule: Schedule = ADAPTING,
    stop_at: int | None = None,
    *,
    first: int | None = None,
    run: str | None = None,
) -> tuple[Any, Log]:
    """Train a LoRA adapter on a task and return peft's model with its log; the folder ``run`` keeps it.

    Args:
        base: left as it is.
        task: one of ``TASKS``.
        seed: of the batches.
        work: where a killed run goes on; a finished one is read from there.
        schedule: steps and rates.
        stop_at: leave after this many steps, as if killed; for tests.
        first: seed of the first weights; by default ``adapter_seed``.
        run: names the run and its folder.
    """
    first = adapter_seed(task, seed) if first is None else first
    run = run or f"llama-lora-{task}-{seed}"
    model = adapted(base, first)

    def loss(model: nn.Module, step: int) -> Tensor:
        ids, labels = tuning_batch([task], seed, step, schedule.batch_size)
        value: Tensor = model(input_ids=ids, labels=labels, use_cache=False).loss
        return value

    def measure(model: nn.Module) -> dict[str, Any]:
        found = graded(model, *held_out(task, "validation"))
        return {"val_loss": round(found.token_loss, 4), "exact": round(found.exact, 4)}

    log = train(
        model,
        schedule,
        loss=loss,
        measure=measure,
        keep=lambda model, step: None,
        work=work / run,
        label=f"{NAME}, {run}",
        recipe=_facts(seed=seed, first=first, lora=LORA, base=fingerprint_of(base), task=task),
        stop_at=stop_at,
    )
    return model.eval(), log


def experts(
    base: PreTrainedModel, seed: int, work: Path, *, architecture: str = "llama"
) -> tuple[dict[str, dict[int, State]], dict[str, Log]]:
    """The fine-tunes of a base, one for each task: weights by task and step, and logs by task."""
    found = {task: tune(base, [task], seed, work, run=f"{architecture}-{task}-{seed}") for task in TASKS}
    return {task: weights for task, (weights, _) in found.items()}, {t: log for t, (_, log) in found.items()}


def joined(base: Mapping[str, Tensor], tuned: Sequence[Mapping[str, Tensor]]) -> list[State]:
    """Task vectors of fine-tunes."""
    return [merging.task_vector(base, state) for state in tuned]


def chosen(
    model: nn.Module,
    merge: Callable[[float], Mapping[str, Tensor]],
    grid: Sequence[float],
    families: Sequence[str] = tuple(TASKS),
) -> float:
    """The coefficient whose merge has the lowest loss of answers on the validation part."""

    def loss(coefficient: float) -> float:
        found = grades(load(model, merge(coefficient)), "validation", families)
        return sum(grade.token_loss for grade in found.values())

    return min(grid, key=loss)


def chosen_sum(
    model: nn.Module,
    start: Mapping[str, Tensor],
    vectors: Sequence[Mapping[str, Tensor]],
    families: Sequence[str] = tuple(TASKS),
) -> float:
    """The one of ``COEFFICIENTS`` with which task arithmetic does best on the validation part."""
    return chosen(model, lambda c: merging.add(start, vectors, c), COEFFICIENTS, families)


def _as_committed(model: nn.Module) -> nn.Module:
    """A copy whose weights are rounded to half precision, as a committed file holds them."""
    return copy.deepcopy(model).half().float()


def _save_adapter(model: nn.Module, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    copy.deepcopy(model).half().save_pretrained(folder, save_embedding_layers=False)  # type: ignore[operator]
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card


def expert_folder(task: str, step: int) -> str:
    """Where a fine-tune lies in the checkpoint: ``arithmetic``, and over-trained ``arithmetic-320``."""
    return task if step == KEPT[0] else f"{task}-{step}"


def assemble(work: Path, target: Path) -> Entry:
    """Train every run, lay out the checkpoint at ``target``, and return the manifest's entry.

    ``target`` gets the base of seed 0 at its root, that of seed 1 in ``stranger``, the fine-tunes of seed 0
    where ``expert_folder`` says, and its adapters in ``lora-<task>``.
    """
    logs: dict[str, list[Log]] = {}
    found: dict[str, dict[str, list[float]]] = {}
    parts: dict[str, dict[str, Any]] = {}
    adapters: dict[str, nn.Module] = {}
    models: dict[str, PreTrainedModel] = {}

    def scored(condition: str, model: nn.Module) -> None:
        for name, value in scores(model).items():
            if name != "loss":
                note(found, _TITLES.get(name, f"exact score on {name}"), condition, value)

    for seed in SEEDS:
        base, log = pretrain(seed, work)
        logs.setdefault("base", []).append(log)
        trial = copy.deepcopy(base)
        start = state(trial)
        scored("base", trial)
        tuned, tuning_logs = experts(base, seed, work)
        for task, log in tuning_logs.items():
            logs.setdefault(task, []).append(log)
        for step in KEPT:
            for task in TASKS:
                scored(f"tuned on {task}, {step} steps", load(trial, tuned[task][step]))
            vectors = joined(start, [tuned[task][step] for task in TASKS])
            best = chosen_sum(trial, start, vectors)
            scored(f"task arithmetic, {step} steps", load(trial, merging.add(start, vectors, best)))
            note(found, "coefficient chosen on validation", f"task arithmetic, {step} steps", best)
        for task in TASKS:
            adapter, log = adapt(base, task, seed, work)
            logs.setdefault(f"lora-{task}", []).append(log)
            scored(f"LoRA on {task}", _as_committed(adapter))
            if seed == SEEDS[0]:
                adapters[task] = adapter
        if seed == SEEDS[0]:
            models[""] = base
            for step in KEPT:
                for task in TASKS:
                    expert = load(copy.deepcopy(base), tuned[task][step])
                    assert isinstance(expert, PreTrainedModel)
                    models[expert_folder(task, step)] = expert
        elif seed == SEEDS[1]:
            models["stranger"] = base
    for task, adapter in adapters.items():
        folder = work / "weights" / f"lora-{task}"
        _save_adapter(adapter, folder)
        trained = sum(p.numel() for p in adapter.parameters() if p.requires_grad)
        parts[f"lora-{task}"] = {"class": "PeftModelForCausalLM", "parameters": trained}
    parts |= {folder: described(model) for folder, model in models.items() if folder}
    for task in TASKS:
        parts[f"lora-{task}"]["tuned"] = ADAPTING.steps
        for step in KEPT:
            parts[expert_folder(task, step)]["tuned"] = step
    weights: dict[str, Path | PreTrainedModel] = dict(models)
    weights |= {f"lora-{task}": work / "weights" / f"lora-{task}" for task in adapters}
    lay_out(target, weights, {folder: gpt2.build_tokenizer() for folder in ("", *TASKS)}, logs)
    return entry(
        models[""],
        text="King James Bible, Jargon File, numbers, letters and sentences by rules of ours "
        "(frontier_lab.texts.task_families)",
        tokenizer=f"byte-level BPE, {gpt2.VOCABULARY} tokens, trained on the Bible and sentences of ours",
        schedule=SCHEDULE,
        val_loss=_losses(logs),
        findings=found,
        can="the base gives the options of a task as they come, not all of them well; "
        "each fine-tune the one that is asked of it",
        cannot="write more than a few plausible words of text, or do a task in another format",
        tolerance=0.15,
        parts=dict(sorted(parts.items())),
        weights=WEIGHTS,
        kept=KEPT,
        tuning={"full": vars(TUNING), "lora": vars(ADAPTING)},
        lora=LORA,
    )


def _losses(logs: Mapping[str, Sequence[Log]]) -> dict[str, float]:
    """Validation losses of seed 0, by folder of the checkpoint: a fine-tune's where its weights were kept."""
    found = {}
    for run, (log, *_) in logs.items():
        for step in KEPT if run in TASKS else (log[-1]["step"],):
            (loss,) = (line["val_loss"] for line in log if line["step"] == step)
            found[expert_folder(run, step) if run in TASKS else run] = loss
    return found


_TITLES = {"joint": "joint score", "text": "loss on text"}

RECIPE = Recipe(NAME, assemble)

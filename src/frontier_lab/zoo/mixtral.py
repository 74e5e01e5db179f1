"""Two Mixtral-class models, same initial weights, same order of data: with and without the balance loss."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MixtralConfig, MixtralForCausalLM, PreTrainedTokenizerFast

from frontier_lab.methods import routing
from frontier_lab.texts import corpus
from frontier_lab.texts.windows import MIXTURE, Windows
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import SEEDS, Entry, Log, Recipe, entry, lay_out, train_seed
from frontier_lab.zoo.training.tokenizers import byte_fallback_bpe, fingerprint

NAME = "mixtral"
VOCABULARY = 2048
CHARACTERS = 900
"""Characters with a token of their own; rarer ones are spelt in bytes."""

RUNS = {"balanced": 0.02, "unbalanced": 0.0}
"""Coefficient of the balance loss; everything else is the same in both runs."""

SCHEDULE = Schedule(steps=1500, snapshots=(0, 40, 400))
VALIDATION_WINDOWS = 24


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-fallback BPE on the text of all domains."""
    # The poems are counted several times over, so that their characters win a place in the alphabet.
    copies = {"bible": 1, "jargon": 1, "poems": 12}
    text = [d for domain, n in copies.items() for _ in range(n) for d in corpus.split(domain, "train")]
    return byte_fallback_bpe(text, VOCABULARY, CHARACTERS)


def config() -> MixtralConfig:
    """The architecture: transformers' Mixtral, small."""
    return MixtralConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=8,
        num_experts_per_tok=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        router_aux_loss_coef=0.0,
    )


def run(
    name: str, seed: int, output: Path, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> Log:
    """Train one of ``RUNS`` with one seed and return the log; seed 0 leaves snapshots under ``output``."""
    coefficient = RUNS[name]
    tokenizer = build_tokenizer()
    data, held_out = Windows(tokenizer, "train"), Windows(tokenizer, "validation")
    fixed, _ = held_out.fixed(VALIDATION_WINDOWS, schedule.context)
    torch.manual_seed(seed)
    model = MixtralForCausalLM(config())
    model.set_experts_implementation("grouped_mm")

    def loss(model: nn.Module, step: int) -> Tensor:
        ids = data.batch(seed, step, schedule.batch_size, schedule.context)
        out = model(input_ids=ids, labels=ids, output_router_logits=coefficient > 0)
        language: Tensor = out.loss
        if coefficient == 0:
            return language
        # Layer by layer: transformers' own function pools the layers, so that uneven layers can cancel out.
        layers = [routing.switch_loss(z, config().num_experts_per_tok) for z in out.router_logits]
        return language + coefficient * torch.stack(layers).mean()

    def measure(model: nn.Module) -> dict[str, Any]:
        model.eval()
        out = model(input_ids=fixed, labels=fixed, output_router_logits=True)
        model.train()
        logits = torch.stack(out.router_logits)  # [L, N, E]
        load = routing.load(logits, config().num_experts_per_tok)  # [L, E]
        return {
            "val_loss": round(routing.language_loss(out.logits, fixed).item(), 5),
            "load": [[round(float(v), 4) for v in row] for row in load],
            "probability": [[round(float(v), 4) for v in row] for row in logits.softmax(-1).mean(1)],
        }

    def keep(step: int) -> Path | None:
        if step > 0:
            return output / f"{name}-{step}"
        return output / "start" if name == "balanced" else None  # both runs start from the same weights

    return train_seed(
        model,
        schedule,
        seed,
        loss=loss,
        measure=measure,
        work=work / f"{name}-{seed}",
        label=name,
        keep=keep,
        facts={
            "coefficient": coefficient,
            "config": config().to_dict(),
            "mixture": MIXTURE,
            "tokenizer": fingerprint(tokenizer),
        },
        stop_at=stop_at,
    )


def assemble(work: Path, target: Path) -> Entry:
    """Train every run, lay out the checkpoint folder at ``target``, and return the manifest's entry.

    ``target`` gets the balanced model at its root, where ``from_pretrained`` looks, the other weights in
    ``snapshots/`` and the logs of all seeds in ``log.json``.
    """
    logs = {name: [run(name, seed, work / "snapshots", work, SCHEDULE) for seed in SEEDS] for name in RUNS}
    ends = [f"{name}-{SCHEDULE.steps}" for name in RUNS if name != "balanced"]
    midway = [f"{name}-{step}" for name in RUNS for step in SCHEDULE.snapshots if step > 0]
    # By name: the cache may hold what another recipe kept.
    weights = {f"snapshots/{name}": work / "snapshots" / name for name in ("start", *midway, *ends)}
    weights[""] = work / "snapshots" / f"balanced-{SCHEDULE.steps}"
    lay_out(target, weights, {"": build_tokenizer()}, logs)
    return describe(logs)


def describe(logs: Mapping[str, list[Log]]) -> Entry:
    """The manifest's entry from the logs, run by run and seed by seed."""

    def effective(run: str, step: int) -> list[float]:
        """Effective number of experts at a step, mean of the layers, seed by seed."""
        entries = [next(e for e in log if e["step"] == step) for log in logs[run]]
        return [routing.effective_experts(torch.tensor(e["load"])).mean().item() for e in entries]

    ends = {name: [log[-1]["val_loss"] for log in logs[name]] for name in RUNS}
    early = min(step for step in SCHEDULE.snapshots if step > 0)
    return entry(
        MixtralForCausalLM(config()),
        text="King James Bible, Jargon File, 唐诗三百首与宋词一百首 (frontier_lab.texts.corpus)",
        tokenizer=f"byte-fallback BPE, {VOCABULARY} tokens, trained on the same text",
        schedule=SCHEDULE,
        val_loss={name: values[0] for name, values in ends.items()},
        findings={
            "validation loss": ends,
            f"effective experts of 8 after {early} steps": {name: effective(name, early) for name in RUNS},
            "effective experts of 8 at the end": {name: effective(name, SCHEDULE.steps) for name in RUNS},
        },
        can="continues three kinds of text for a few words, each with experts of its own",
        cannot="write sense, or show what routing costs at scale: it has eight small experts a layer",
        seeds=SEEDS,
        balance_coefficient=RUNS,
        mixture=MIXTURE,
    )


RECIPE = Recipe(NAME, assemble, describe)

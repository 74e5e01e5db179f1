"""Two Mixtral-class models, same initial weights, same order of data: with and without the balance loss."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import MixtralConfig, MixtralForCausalLM, PreTrainedTokenizerFast

from frontier_lab import corpus, routing
from frontier_lab.zoo.harness import Schedule, train, write_json

NAME = "mixtral"
VOCABULARY = 2048
CHARACTERS = 900
"""Characters with a token of their own; rarer ones are spelt in bytes."""

MIXTURE = {"bible": 0.4, "jargon": 0.4, "poems": 0.2}
"""Share of the training windows that each domain gets; the poems are few, so they get less."""

RUNS = {"balanced": 0.02, "unbalanced": 0.0}
"""Coefficient of the balance loss; everything else is the same in both runs."""

SEEDS = (0, 1, 2)
"""Seed 0 is committed as weights; the others only as logs, to show the spread."""

SCHEDULE = Schedule(steps=1500, snapshots=(0, 40, 400))
VALIDATION_WINDOWS = 24


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-fallback BPE with readable tokens: Chinese characters stay characters, spaces show as ``▁``."""
    tokenizer = Tokenizer(models.BPE(unk_token=None, byte_fallback=True, fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    specials = ["<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    # The poems are counted several times over, so that their characters win a place in the alphabet.
    copies = {"bible": 1, "jargon": 1, "poems": 12}
    text = [d for domain, n in copies.items() for _ in range(n) for d in corpus.split(domain, "train")]
    # The alphabet is chosen here: among equally frequent characters the trainer's own choice changes from run
    # to run.
    frequency = Counter(character for document in text for character in document.replace(" ", "▁"))
    alphabet = sorted(frequency, key=lambda character: (-frequency[character], character))[:CHARACTERS]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=specials,
        initial_alphabet=alphabet,
        limit_alphabet=CHARACTERS,
        show_progress=False,
    )
    tokenizer.train_from_iterator(text, trainer)
    raw = json.loads(tokenizer.to_str())
    # Byte tokens take part in the fallback but are ordinary tokens: as "special" they would vanish when
    # decoding.
    raw["added_tokens"] = [t for t in raw["added_tokens"] if not t["content"].startswith("<0x")]
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(raw)),
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
        model_max_length=256,
    )


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


class Windows:
    """Token windows of a part of the corpus: a domain's documents joined by end-of-text, cut at any place."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, part: str) -> None:
        self.streams: dict[str, np.ndarray[Any, Any]] = {}
        for domain in corpus.DOMAINS:
            texts = corpus.split(domain, "train" if part == "train" else "validation")
            encode = tokenizer.backend_tokenizer.encode
            ids = [token for text in texts for token in [*encode(text).ids, tokenizer.eos_token_id]]
            self.streams[domain] = np.array(ids, dtype=np.int64)

    def batch(self, seed: int, step: int, size: int, context: int) -> Tensor:
        """Windows of step ``step``, ``[size, context]``, int64: a function of the seed and the step alone."""
        generator = np.random.default_rng((seed, step))
        domains = generator.choice(list(MIXTURE), size=size, p=list(MIXTURE.values()))
        rows = []
        for domain in domains:
            stream = self.streams[str(domain)]
            start = int(generator.integers(0, len(stream) - context))
            rows.append(stream[start : start + context])
        return torch.from_numpy(np.stack(rows))

    def fixed(self, count: int, context: int) -> tuple[Tensor, list[str]]:
        """Evenly spaced windows, the same number from each domain, and the domain of each."""
        rows, labels = [], []
        for domain, stream in self.streams.items():
            for start in np.linspace(0, len(stream) - context, count // len(self.streams)).astype(int):
                rows.append(stream[start : start + context])
                labels.append(domain)
        return torch.from_numpy(np.stack(rows)), labels


def _save(model: MixtralForCausalLM, folder: Path) -> None:
    """Half-precision safetensors with its config; written beside the target and moved into place."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    half = MixtralForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16).save_pretrained(partial)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(folder)


def run(
    name: str, seed: int, output: Path, work: Path, schedule: Schedule = SCHEDULE, stop_at: int | None = None
) -> list[dict[str, Any]]:
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

    def keep(model: nn.Module, step: int) -> None:
        if seed == 0 and not (step == 0 and name != "balanced"):  # both runs start from the same weights
            _save(model, output / ("start" if step == 0 else f"{name}-{step}"))  # type: ignore[arg-type]

    return train(
        model,
        schedule,
        loss=loss,
        measure=measure,
        keep=keep,
        work=work / f"{name}-{seed}",
        label=f"{name}, seed {seed}",
        recipe={
            "seed": seed,
            "coefficient": coefficient,
            "config": config().to_dict(),
            "mixture": MIXTURE,
            "tokenizer": hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
        },
        stop_at=stop_at,
    )


def assemble(work: Path, target: Path) -> dict[str, Any]:
    """Train every run, lay out the checkpoint folder at ``target``, and return the manifest's entry.

    ``target`` gets the balanced model at its root, where ``from_pretrained`` looks, the other weights in
    ``snapshots/`` and the logs of all seeds in ``log.json``.
    """
    logs = {name: [run(name, seed, work / "snapshots", work, SCHEDULE) for seed in SEEDS] for name in RUNS}
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(work / "snapshots" / f"balanced-{SCHEDULE.steps}", target)
    ends = [f"{name}-{SCHEDULE.steps}" for name in RUNS if name != "balanced"]
    midway = [f"{name}-{step}" for name in RUNS for step in SCHEDULE.snapshots if step > 0]
    # By name: the cache may hold what another recipe kept.
    for snapshot in ("start", *midway, *ends):
        shutil.copytree(work / "snapshots" / snapshot, target / "snapshots" / snapshot)
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(target)
    write_json(target / "log.json", logs, indent=None)
    return {
        "class": "MixtralForCausalLM",
        "parameters": sum(p.numel() for p in MixtralForCausalLM(config()).parameters()),
        "text": "King James Bible, Jargon File, 唐诗三百首与宋词一百首 (frontier_lab.corpus)",
        "tokenizer": f"byte-fallback BPE, {VOCABULARY} tokens, trained on the same text",
        "seeds": list(SEEDS),
        "schedule": asdict(SCHEDULE),
        "balance_coefficient": RUNS,
        "mixture": MIXTURE,
        "val_loss": {name: logs[name][0][-1]["val_loss"] for name in RUNS},
    }

"""How every training of the book begins, which says whether a recipe still is the one that was committed.

Trained again on another machine, a run of thousands of steps ends elsewhere, for rounding grows. Its first
ten steps end in the same place, and depend on all that makes a recipe: data, tokenizer, first weights, loss,
learning rate. So each run is begun again on its first seed, and what its log says at steps 0 and ``STEPS`` is
kept: ``python -m frontier_lab.studies.first_steps [recipe | recipe:run …]`` writes ``first_steps.json`` anew
for the runs named, or for all, as ``make zoo`` does for what it has trained. A test compares everything else
with what is kept.

``safety_heads`` reads vectors of MiniLM and is begun where its package is installed (``make models``).
Fine-tunes start here from the committed weights, which are rounded to half precision.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from frontier_lab import hub, zoo
from frontier_lab.models.delta_rule import RULES
from frontier_lab.storage import results
from frontier_lab.storage.files import write_json
from frontier_lab.studies import (
    delta_rule,
    ensembles,
    harmful_content,
    retnet_ablations,
    rewritten_keys,
    state_sizes,
)
from frontier_lab.texts import task_families
from frontier_lab.zoo import (
    bert,
    bigbird,
    bloom,
    classifiers,
    dpr,
    gpt2,
    induction,
    llama,
    llama_peer,
    longformer,
    mamba,
    merging,
    mixtral,
    reader,
    retnet,
    rwkv,
    s4d,
    safety_heads,
    sentiment,
    toxicity,
)
from frontier_lab.zoo.families import multi_label, peers, short_context, sparse_encoders
from frontier_lab.zoo.families.peers import Peer, Sequences, Task
from frontier_lab.zoo.recipes import RECIPES
from frontier_lab.zoo.training.loop import Schedule
from frontier_lab.zoo.training.recipe import Log

STEPS = 10
SEED = 0
STORED = Path(__file__).with_suffix(".json")

Run = Callable[[Path], Log]
"""Trains the first steps with a folder to work in, and returns the log."""


def first(schedule: Schedule) -> dict[str, Any]:
    """Arguments of a recipe's ``run``: its schedule, logged at step 0 and ``STEPS``, and left there."""
    return {"schedule": replace(schedule, log_every=STEPS), "stop_at": STEPS}


def _committed(recipe: str) -> PreTrainedModel:
    return hub.load(str(zoo.CHECKPOINTS / recipe)).float()


def _peer(peer: Peer, task: Task, work: Path, sequences: Sequences | None = None) -> Log:
    steps = first(peer.schedule(task))
    return peers.run(peer, task, SEED, work / "weights", work / "state", sequences=sequences, **steps)


def _classifier(name: str, work: Path) -> Log:
    return classifiers.run(name, SEED, work / "weights", work, **first(classifiers.SCHEDULE))[1]


def _wide_classifier(name: str, work: Path) -> Log:
    steps = first(classifiers.SCHEDULE)
    return classifiers.run(name, SEED, work / "weights", work, **steps, width=ensembles.WIDE)[1]


def _tuned_classifier(name: str, work: Path) -> Log:
    folder = str(zoo.CHECKPOINTS / classifiers.NAME / name)
    start = hub.load(folder, AutoModelForSequenceClassification).float()
    steps, seed = first(ensembles.TUNING), ensembles.order_seed(SEED, 0)
    return classifiers.run(name, seed, work / "weights", work, **steps, start=start)[1]


def _multi_label(task: multi_label.Task, work: Path) -> Log:
    return multi_label.run(task, SEED, work / "weights", work, **first(multi_label.SCHEDULE))[1]


def _heads(work: Path) -> Log:
    return safety_heads.run(safety_heads.encoder(), SEED, work, **first(safety_heads.SCHEDULE))[1]


def _sparse(encoder: sparse_encoders.Encoder, work: Path) -> Log:
    return sparse_encoders.run(encoder, SEED, work, **first(sparse_encoders.SCHEDULE))[1]


def _gpt2_base(work: Path, *, medium: bool = False) -> Log:
    steps = first(gpt2.MEDIUM if medium else gpt2.SCHEDULE)
    return gpt2.pretrain(SEED, work / "weights", work, **steps, medium=medium)[1]


def _merging_tuned(task: str, work: Path) -> Log:
    steps = first(merging.TUNING)
    return merging.tune(_committed("merging"), [task], SEED, work, **steps, run=task)[1]


def _merging_adapted(task: str, work: Path) -> Log:
    return merging.adapt(_committed("merging"), task, SEED, work, **first(merging.ADAPTING))[1]


def _llama_tuned(name: str, work: Path) -> Log:
    tables = zoo.manifest()["llama"]["longrope_factors"]
    ropes = {**llama.TUNED, **llama.RECALIBRATED, "longrope": llama.slowed(tables["longrope"][SEED])}
    schedule = llama.RECALIBRATION if name in llama.RECALIBRATED else short_context.TUNING
    return llama.tune(_committed("llama"), name, SEED, work, **first(schedule), rope=ropes[name])[1]


def _bloom_tuned(name: str, work: Path) -> Log:
    return bloom.tune(_committed("bloom"), name, SEED, work, **first(short_context.TUNING))[1]


def _mixtral(name: str, work: Path) -> Log:
    return mixtral.run(name, SEED, work / "weights", work, **first(mixtral.SCHEDULE))


def _recipes() -> dict[str, Run]:
    """The runs of the zoo, ``recipe`` or ``recipe:run``, as the recipe's log names them."""
    runs: dict[str, Run] = {
        "bert": lambda work: bert.run(SEED, work / "weights", work, **first(bert.SCHEDULE)),
        "bigbird": partial(_sparse, bigbird.ENCODER),
        "bloom:bloom": lambda work: bloom.run(SEED, work, **first(short_context.SCHEDULE))[1],
        "dpr": lambda work: dpr.run(SEED, work, **first(dpr.SCHEDULE))[1],
        "gpt2:base": _gpt2_base,
        "gpt2:medium": partial(_gpt2_base, medium=True),
        "induction": lambda work: induction.run(SEED, work / "weights", work, **first(induction.SCHEDULE)),
        "llama:base": lambda work: llama.run(SEED, work, **first(short_context.SCHEDULE))[1],
        "llama:never": lambda work: llama.run(SEED, work, **first(short_context.SCHEDULE), positions=False)[
            1
        ],
        "longformer": partial(_sparse, longformer.ENCODER),
        "merging:base": lambda work: merging.pretrain(SEED, work, **first(merging.SCHEDULE))[1],
        "reader": lambda work: reader.run(SEED, work, **first(reader.SCHEDULE))[1],
        "safety_heads": _heads,
        "sentiment": partial(_multi_label, sentiment.TASK),
        "toxicity": partial(_multi_label, toxicity.TASK),
    }
    runs |= {f"classifiers:{name}": partial(_classifier, name) for name in classifiers.VOCABULARIES}
    runs |= {f"merging:{task}": partial(_merging_tuned, task) for task in task_families.TASKS}
    runs |= {f"merging:lora-{task}": partial(_merging_adapted, task) for task in task_families.TASKS}
    tuned = (*llama.TUNED, "longrope", *llama.RECALIBRATED)
    runs |= {f"llama:{name}": partial(_llama_tuned, name) for name in tuned}
    runs |= {f"bloom:{name}": partial(_bloom_tuned, name) for name in bloom.TUNED}
    runs |= {f"mixtral:{name}": partial(_mixtral, name) for name in mixtral.RUNS}
    for module in (llama_peer, mamba, retnet, rwkv, s4d):
        runs |= {f"{module.NAME}:{task}": partial(_peer, module.PEER, task) for task in peers.TASKS}
    return dict(sorted(runs.items()))


def _studies() -> dict[str, Run]:
    """The trainings of the studies, which share sizes, sequences and steps with the peers."""
    runs: dict[str, Run] = {
        "harmful_content:bert, corpus": partial(_multi_label, harmful_content.CORPUS_TASK)
    }
    for task, variants in retnet_ablations.TRAINED.items():
        for variant in variants:
            runs[f"retnet_ablations:{variant}, {task}"] = partial(_peer, retnet_ablations.peer(variant), task)
    for name in classifiers.VOCABULARIES:
        runs[f"ensembles:wide {name}"] = partial(_wide_classifier, name)
        runs[f"ensembles:tuned {name}"] = partial(_tuned_classifier, name)
    for rule in RULES:
        runs[f"delta_rule:{rule}"] = partial(_peer, delta_rule.peer(rule), "recall")
    for memory, peer in rewritten_keys.MEMORIES.items():
        runs[f"rewritten_keys:{memory}"] = partial(_peer, peer, "recall", sequences=rewritten_keys.SEQUENCES)
    for family, sizes in state_sizes.FAMILIES.items():
        for size in sizes:
            runs[f"state_sizes:{family} {size}"] = partial(_peer, state_sizes.peer(family, size), "recall")
    return runs


RUNS: Mapping[str, Run] = _recipes() | _studies()


def stored() -> dict[str, Log]:
    """What the runs gave when they were committed: entries of the log at step 0 and ``STEPS``, by run."""
    return results.stored(__file__)


def main() -> None:
    """Entry point.

    Raises:
        SystemExit: a run is asked for that there is not.
    """
    asked = sys.argv[1:]
    names = [name for name in RUNS if not asked or name in asked or name.partition(":")[0] in asked]
    known = {*RUNS, *RECIPES, *(name.partition(":")[0] for name in RUNS)}  # RAG has no run of its own
    if unknown := set(asked) - known:
        raise SystemExit(f"error: no run {', '.join(sorted(unknown))}; there are: {', '.join(RUNS)}")
    torch.set_num_threads(1)
    kept = stored() if STORED.exists() else {}
    for name in names:
        with tempfile.TemporaryDirectory() as work:
            kept[name] = RUNS[name](Path(work))
    write_json(STORED, {name: kept[name] for name in RUNS if name in kept}, indent=None)


if __name__ == "__main__":
    main()

"""When merging works and what it costs when it does not, with three seeds: 28.3.1 and 28.3.2.

The models are those of ``zoo.merging``; its seed 0 is committed, the others, the weaker bases and the other
architectures are trained again, three minutes a seed and architecture on one core. Fine-tunes are rounded to
half precision as committed ones are, so that seed 0 can be measured from the committed files as well: a test
does that. Coefficients are chosen on the validation part, by the loss of the answers: ten settings a rule,
times those of a density where there is one. What is reported is the test part, on prompts that are all
different. A command does it all, part after part, and killed, goes on where it was:
``python -m frontier_lab.studies.merging src/frontier_lab/studies/merging.json``.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers import LlamaForCausalLM, PreTrainedModel

from frontier_lab import hub
from frontier_lab.methods import merging, rebasin
from frontier_lab.methods.merging import State
from frontier_lab.storage import cache, results
from frontier_lab.texts.prompt_tasks import IGNORED, Graded, Part, graded_logits
from frontier_lab.texts.task_families import DISTINCT, FAMILIES, TAGGED, TASKS
from frontier_lab.texts.windows import Windows
from frontier_lab.zoo import CHECKPOINTS
from frontier_lab.zoo import merging as recipe
from frontier_lab.zoo.merging import COEFFICIENTS, KEPT, SCHEDULE, TUNING, grades, held_out, load
from frontier_lab.zoo.training.recipe import SEEDS

Row = dict[str, Any]
"""Of one model: ``exact`` and ``loss`` of each task in their order, and ``text``, the loss on text."""

STEPS = (20, 40, 80, 160, 320)
SCALES = (0.2, 1 / 3, 0.5, 0.6, 0.8, 1.0, 1.2)
"""Coefficients that are measured, not chosen from."""

ELECTED = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
"""Coefficients to choose from where the vectors' entries are averaged before they are added."""

FEW = (0.25, 0.4, 0.6, 0.8, 1.0)
"""Coefficients to choose from where there are many merges."""

EACH = (0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
"""Coefficients to choose from, for each of two vectors on its own."""

POINTS = 9
"""On a line between two models, its ends included."""

SUBSETS = 4
"""Subsets of each number of tasks."""

BASES = (300, 700, SCHEDULE.steps)
"""Steps of pre-training."""

RATES = (5e-4, 1e-3, 2e-3)
SOUP_STEPS = 120
MASKS = 5
"""Of DARE, at the setting that was chosen."""

LORA_TYPES: Mapping[str, Mapping[str, Any]] = {
    "cat": {},
    "svd": {},
    "svd, rank 8": {"svd_rank": 8},
    "svd, rank 12": {"svd_rank": 12},
    "linear": {},
    **{name: {"density": 0.5} for name in ("ties", "dare_linear", "dare_ties", "magnitude_prune")},
    **{
        f"{name}_svd": {"density": 0.5, "svd_rank": 12}
        for name in ("ties", "dare_linear", "dare_ties", "magnitude_prune")
    },
}
"""Combination types of ``add_weighted_adapter``, and what each is given."""

WEIGHTS = (1 / 3, 0.5, 0.65, 0.8, 1.0)
"""Of each adapter in a combination; chosen on the validation part for every type."""


@dataclass(frozen=True)
class Trained:
    """A base and its fine-tunes.

    Attributes:
        seed: of all of them.
        model: of their class, to load weights into.
        base: weights.
        tuned: weights by family and step.
    """

    seed: int
    model: PreTrainedModel
    base: State
    tuned: Mapping[str, Mapping[int, State]]

    def vectors(self, step: int, families: Sequence[str] = tuple(TASKS)) -> list[dict[str, Tensor]]:
        """Task vectors of families after a number of steps."""
        return [merging.task_vector(self.base, self.tuned[family][step]) for family in families]

    def row(self, weights: State, families: Sequence[str] = tuple(TASKS)) -> Row:
        """What weights give on the test part."""
        return row(load(self.model, weights), families)


@functools.cache
def work() -> Path:
    """Where trained models and finished parts are kept."""
    return cache.folder("merging")


@functools.cache
def base_model(seed: int, architecture: str = "llama") -> PreTrainedModel:
    """A base, trained or read from where it was."""
    return recipe.pretrain(seed, work(), architecture=architecture)[0]


@functools.cache
def trained(seed: int, architecture: str = "llama") -> Trained:
    """A base and its fine-tunes on the three tasks."""
    model = base_model(seed, architecture)
    tuned, _ = recipe.experts(model, seed, work(), architecture=architecture)
    return Trained(seed, copy.deepcopy(model), recipe.state(model), tuned)


def committed() -> Trained:
    """Seed 0 from the committed files, with the steps that are committed."""
    model = hub.load(str(CHECKPOINTS / recipe.NAME))
    tuned = {
        task: {
            step: recipe.state(hub.load(str(CHECKPOINTS / recipe.NAME / recipe.expert_folder(task, step))))
            for step in KEPT
        }
        for task in TASKS
    }
    return Trained(SEEDS[0], model, recipe.state(model), tuned)


def row(model: nn.Module, families: Sequence[str] = tuple(TASKS)) -> Row:
    """What a model gives on the test part; see ``Row``."""
    return _row(grades(model, "test", families)) | {"text": round(recipe.text_loss(model), 4)}


def _row(found: Mapping[str, Graded]) -> Row:
    return {
        "exact": [round(grade.exact, 4) for grade in found.values()],
        "loss": [round(grade.token_loss, 4) for grade in found.values()],
    }


def joint(found: Row) -> float:
    """Mean exact score of the tasks in a row."""
    return float(np.mean(found["exact"]))


def _packed(found: Mapping[str, Graded]) -> dict[str, str]:
    """Right or wrong, prompt by prompt, as hexadecimal bits: for intervals over pairs."""
    return {task: np.packbits(grade.right.numpy()).tobytes().hex() for task, grade in found.items()}


def right(found: Row, task: str) -> np.ndarray[Any, Any]:
    """Of a row of ``methods``: whether each prompt of a task, in ``held_out``'s order, was answered right."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(found["right"][task]), dtype=np.uint8))
    return bits[: len(held_out(task, "test")[0])].astype(bool)


# ---- the rules, each with its settings ---------------------------------------------------------------------


def methods(of: Trained) -> dict[str, Row]:
    """Every rule at both lengths of fine-tuning, its setting chosen on the validation part.

    Besides what ``Row`` has: ``setting`` that was chosen, and ``right``. ``all tasks at once`` is one
    fine-tune on the three tasks, with the experts' schedule and as many examples of each. Two rows run the
    three experts and have no ``text``: ``probabilities`` averages what they say, ``log-probabilities added``
    adds what each changes of the base's log-probabilities, times the coefficient that was chosen.
    """
    together, _ = recipe.tune(base_model(of.seed), list(TASKS), of.seed, work(), run=f"llama-all-{of.seed}")
    found = {"base": _scored(of, of.base)}
    for step in KEPT:
        vectors = of.vectors(step)
        rules = _rules(of, vectors)
        whole = merging.task_vector(of.base, together[step])
        rules["all tasks at once"] = [(c,) for c in COEFFICIENTS], partial(merging.add, of.base, [whole])
        for name, (settings, merge) in rules.items():
            best = settings[0] if len(settings) == 1 else _best(of, settings, merge)
            found[f"{name}, {step}"] = _scored(of, merge(*best)) | {"setting": [round(x, 4) for x in best]}
            if name == "DARE":
                again = [merge(*best, mask=mask) for mask in range(1, MASKS)]
                found[f"{name}, {step}"]["masks"] = [of.row(weights)["exact"] for weights in again]
        for name, group in (("for each task", lambda name: 0), ("for each task and layer", merging.layer_of)):
            coefficients = _learned(of, vectors, group)
            merged = merging.add_by_group(of.base, vectors, coefficients, group)
            found[f"coefficients {name}, {step}"] = _scored(of, merged) | {
                "setting": [[round(c, 3) for c in line] for line in coefficients.tolist()]
            }
        found |= {f"{name}, {step}": one for name, one in run_together(of, step).items()}
        print("methods", of.seed, step, {n: round(joint(r), 3) for n, r in found.items()}, flush=True)
    return found


def run_together(of: Trained, step: int) -> dict[str, Row]:
    """The rows of ``methods`` for which base and experts are run, not merged."""
    experts = [load(copy.deepcopy(of.model), of.tuned[task][step]) for task in TASKS]
    mixed = {task: averaged(experts, *held_out(task, "test")) for task in TASKS}
    base = load(copy.deepcopy(of.model), of.base)
    said = {part: {task: _changes(base, experts, task, part) for task in TASKS} for part in _PARTS}

    def added(part: Part, c: float) -> dict[str, Graded]:
        return {
            task: graded_logits(one + c * more, labels) for task, (one, more, labels) in said[part].items()
        }

    def loss(c: float) -> float:
        return float(np.mean([grade.token_loss for grade in added("validation", c).values()]))

    best = min(COEFFICIENTS, key=loss)
    summed = added("test", best)
    return {
        "probabilities": _row(mixed) | {"right": _packed(mixed)},
        "log-probabilities added": _row(summed) | {"right": _packed(summed), "setting": [round(best, 4)]},
    }


_PARTS: tuple[Part, ...] = ("validation", "test")


def _changes(
    base: nn.Module, experts: Sequence[nn.Module], task: str, part: Part
) -> tuple[Tensor, Tensor, Tensor]:
    """The base's log-probabilities on a part of a task, the sum of the experts' changes, and labels."""
    ids, labels = held_out(task, part)
    with torch.no_grad():
        one, *others = (model(input_ids=ids).logits.log_softmax(-1) for model in (base, *experts))
    return one, sum((other - one for other in others), start=torch.zeros_like(one)), labels


Merge = Callable[..., State]
Settings = list[tuple[float, ...]]


def _rules(of: Trained, vectors: list[dict[str, Tensor]]) -> dict[str, tuple[Settings, Merge]]:
    """Settings to choose from, and what each makes: ten coefficients, at each density if a rule has one."""
    one: Settings = [(c,) for c in COEFFICIENTS]
    kept: Settings = list(itertools.product((0.2, 0.5, 0.8, 1.0), ELECTED))
    dropped: Settings = list(itertools.product((0.1, 0.5, 0.9), COEFFICIENTS))
    elected: Settings = list(itertools.product((0.1, 0.5, 0.9), ELECTED))
    bare = [merging.without(vector, "embed") for vector in vectors]

    @functools.cache
    def voted(density: float) -> dict[str, Tensor]:
        return merging.ties(vectors, density)

    @functools.cache
    def thinned(drop: float, mask: int) -> list[dict[str, Tensor]]:
        return [merging.dare(vector, drop, 10 * mask + at) for at, vector in enumerate(vectors)]

    def scaled(vector: State, c: float) -> State:
        return merging.add(of.base, [vector], c)

    rules: dict[str, tuple[Settings, Merge]] = {
        f"expert {task}": (one, partial(scaled, vector)) for task, vector in zip(TASKS, vectors, strict=True)
    }
    rules["average"] = [(1 / 3,)], partial(merging.add, of.base, vectors)
    rules["task arithmetic"] = one, partial(merging.add, of.base, vectors)
    rules["task arithmetic, embedding left"] = one, partial(merging.add, of.base, bare)
    rules["TIES"] = kept, lambda density, c: scaled(voted(density), c)
    rules["DARE"] = dropped, lambda drop, c, mask=0: merging.add(of.base, thinned(drop, mask), c)
    rules["DARE-TIES"] = elected, lambda drop, c: scaled(merging.elect(thinned(drop, 0)), c)
    stock = merging.model_stock(of.base, [scaled(vector, 1.0) for vector in vectors])
    rules["Model Stock"] = [(1.0,)], lambda _: stock
    return rules


def _scored(of: Trained, weights: State) -> Row:
    found = grades(load(of.model, weights), "test")
    return _row(found) | {"text": round(recipe.text_loss(of.model), 4), "right": _packed(found)}


def validation_loss(of: Trained, weights: State, families: Sequence[str] = tuple(TASKS)) -> float:
    """What settings are chosen by: mean loss of the answers."""
    found = grades(load(of.model, weights), "validation", families)
    return float(np.mean([grade.token_loss for grade in found.values()]))


def _best(of: Trained, settings: Sequence[tuple[float, ...]], merge: Merge) -> tuple[float, ...]:
    return min(settings, key=lambda setting: validation_loss(of, merge(*setting)))


def _learned(of: Trained, vectors: list[dict[str, Tensor]], group: Callable[[str], int]) -> Tensor:
    """Coefficients learned on training examples, 16 of each task a step."""
    steps = itertools.count()

    def loss(weights: State) -> Tensor:
        ids, labels = recipe.tuning_batch(list(TASKS), 9000 + of.seed, next(steps), 16)
        logits = functional_call(of.model, dict(weights), (), {"input_ids": ids, "use_cache": False}).logits
        return nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED
        )

    return merging.learned_coefficients(of.base, vectors, loss, group=group)


def averaged(models: Sequence[nn.Module], ids: Tensor, labels: Tensor) -> Graded:
    """Answers by the mean of several models' probabilities."""
    with torch.no_grad():
        mean = torch.stack([model(input_ids=ids).logits.softmax(-1) for model in models]).mean(0)
    return graded_logits(mean.log(), labels)


# ---- length of fine-tuning, and what is left at the base ---------------------------------------------------


def lengths(of: Trained) -> dict[str, Any]:
    """Task arithmetic by steps of fine-tuning and coefficient, with the embedding and without."""
    found: dict[str, Any] = {}
    for step in STEPS:
        vectors = of.vectors(step)
        bare = [merging.without(vector, "embed") for vector in vectors]
        found[str(step)] = {
            "norm": [round(merging.norm(v) / merging.norm(of.base), 4) for v in vectors],
            "cosines": _upper(merging.cosines(vectors)),
            "cosines without embedding": _upper(merging.cosines(bare)),
            "experts": [of.row(of.tuned[task][step]) for task in TASKS],
            "experts without embedding": [of.row(merging.add(of.base, [v], 1.0)) for v in bare],
            "merged": [of.row(merging.add(of.base, vectors, c)) for c in SCALES],
            "merged without embedding": [of.row(merging.add(of.base, bare, c)) for c in SCALES],
        }
        print("lengths", of.seed, step, [round(joint(r), 3) for r in found[str(step)]["merged"]], flush=True)
    return found


def _upper(square: Tensor) -> list[float]:
    rows, columns = np.triu_indices(len(square), 1)
    return [round(x, 4) for x in square[rows, columns].tolist()]


GROUPS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "llama": {"embedding": ("embed_tokens",), "norms": ("norm",)},
    "untied": {
        "embedding": ("embed_tokens",),
        "head": ("lm_head",),
        "embedding and head": ("embed_tokens", "lm_head"),
        "norms": ("norm",),
    },
    "gpt2": {
        "embedding": (".wte.",),
        "positions": (".wpe.",),
        "embedding and positions": (".wte.", ".wpe."),
        "norms": (".ln_",),
    },
}
"""By architecture, what is left at the base, by parts of parameters' names; attention and nets as well."""


def left_out(of: Trained, architecture: str = "llama") -> dict[str, Any]:
    """Task arithmetic with a group of parameters left at the base, at both lengths.

    The rivals of the embedding are other groups, each layer, and entries drawn at random from all others: as
    many (``random, as many``), and as much of the vectors' squared length (``random, as long``), which is
    all of the others where the embedding has more than half of it.

    Returns:
        By step and group: ``share`` of the vectors' squared length that is left out, mean ``cosine`` of what
        is left out, the row at coefficient 1, and the ``chosen`` coefficient with its row.
    """
    groups = dict(GROUPS[architecture]) | {"attention": ("attn",), "nets": ("mlp",)}
    groups |= {f"layer {layer}": (f".{layer}.",) for layer in range(4)}
    found: dict[str, Any] = {}
    for step in KEPT:
        whole = of.vectors(step)
        cases: dict[str, list[dict[str, Tensor]]] = {"nothing": whole}
        cases |= {name: [merging.without(v, *parts) for v in whole] for name, parts in groups.items()}
        cases |= _at_random(whole, GROUPS[architecture]["embedding"])
        for name, vectors in cases.items():
            out = [merging.task_vector(vector, v) for vector, v in zip(vectors, whole, strict=True)]
            best = recipe.chosen_sum(of.model, of.base, vectors)
            found.setdefault(str(step), {})[name] = {
                "share": round(
                    sum(merging.norm(v) ** 2 for v in out) / sum(merging.norm(v) ** 2 for v in whole), 4
                ),
                "cosine": round(float(np.mean(_upper(merging.cosines(out)))), 4),
                "at 1": of.row(merging.add(of.base, vectors, 1.0)),
                "coefficient": round(best, 4),
                "chosen": of.row(merging.add(of.base, vectors, best)),
            }
        said = {name: round(joint(case["at 1"]), 3) for name, case in found[str(step)].items()}
        print("left out", architecture, of.seed, step, said, flush=True)
    return found


def _at_random(vectors: list[dict[str, Tensor]], parts: Sequence[str]) -> dict[str, list[dict[str, Tensor]]]:
    """Vectors without random entries outside the embedding, the same ones in each: as many, and as long."""
    names = list(vectors[0])
    inside = torch.cat([torch.full((vectors[0][n].numel(),), any(p in n for p in parts)) for n in names])
    flat = torch.stack([torch.cat([v[n].flatten() for n in names]) for v in vectors])  # [vectors, entries]
    squared = flat.square().sum(0)
    order = torch.randperm(int((~inside).sum()), generator=torch.Generator().manual_seed(0))
    others = torch.nonzero(~inside).flatten()[order]
    as_long = int((squared[others].cumsum(0) < squared[inside].sum()).sum())
    found = {}
    for name, count in (("random, as many", int(inside.sum())), ("random, as long", as_long)):
        thinned = flat.clone()
        thinned[:, others[:count]] = 0
        found[name] = [_shaped(line, vectors[0]) for line in thinned]
    return found


def _shaped(flat: Tensor, like: State) -> dict[str, Tensor]:
    parts = torch.split(flat, [tensor.numel() for tensor in like.values()])
    return {
        name: part.reshape(tensor.shape) for (name, tensor), part in zip(like.items(), parts, strict=True)
    }


def frozen(of: Trained) -> dict[str, Any]:
    """Task arithmetic of fine-tunes that never moved the embedding: rows by step and coefficient."""
    model = base_model(of.seed)
    runs = [
        recipe.tune(model, [task], of.seed, work(), run=f"llama-{task}-frozen-{of.seed}", frozen="embed")[0]
        for task in TASKS
    ]
    found: dict[str, Any] = {}
    for step in KEPT:
        vectors = [merging.task_vector(of.base, run[step]) for run in runs]
        found[str(step)] = {
            "experts": [of.row(run[step]) for run in runs],
            "merged": [of.row(merging.add(of.base, vectors, c)) for c in SCALES],
        }
    return found


def negation(of: Trained) -> dict[str, list[Row]]:
    """Rows with a task's vector taken away: once, half and double."""
    return {
        task: [of.row(merging.add(of.base, [vector], c)) for c in (-0.5, -1.0, -2.0)]
        for task, vector in zip(TASKS, of.vectors(KEPT[0]), strict=True)
    }


def strength(of: Trained) -> dict[str, Any]:
    """Bases of fewer steps: experts and their merge, by steps of the base and of fine-tuning."""
    found: dict[str, Any] = {}
    for steps in BASES:
        folder = work() if steps == SCHEDULE.steps else work() / f"base-{steps}"
        model, _ = recipe.pretrain(of.seed, folder, replace(SCHEDULE, steps=steps))
        tuned, _ = recipe.experts(model, of.seed, folder)
        weak = Trained(of.seed, copy.deepcopy(model), recipe.state(model), tuned)
        here: dict[str, Any] = {"base": weak.row(weak.base)}
        for step in KEPT:
            vectors = weak.vectors(step)
            best = recipe.chosen_sum(weak.model, weak.base, vectors)
            here[str(step)] = {
                "norm": [round(merging.norm(v) / merging.norm(weak.base), 4) for v in vectors],
                "experts": [weak.row(weak.tuned[task][step]) for task in TASKS],
                "coefficient": round(best, 4),
                "merged": weak.row(merging.add(weak.base, vectors, best)),
            }
        found[str(steps)] = here
        print(
            "strength", of.seed, steps, {s: round(joint(here[str(s)]["merged"]), 3) for s in KEPT}, flush=True
        )
    return found


# ---- siblings and strangers --------------------------------------------------------------------------------


def siblings(of: Trained) -> dict[str, Any]:
    """On the lines between fine-tunes of one base: the losses of both tasks at ``POINTS`` points."""
    found: dict[str, Any] = {}
    for step in KEPT:
        for one, other in itertools.combinations(TASKS, 2):
            ends = of.tuned[one][step], of.tuned[other][step]
            line = [of.row(_between(*ends, t), (one, other))["loss"] for t in _line()]
            found.setdefault(str(step), {})[f"{one}, {other}"] = line
    return found


def _line() -> list[float]:
    return [at / (POINTS - 1) for at in range(POINTS)]


def _between(a: State, b: State, t: float) -> dict[str, Tensor]:
    return merging.linear([a, b], [1 - t, t])


MATCHINGS: Mapping[str, Mapping[str, Any]] = {
    "none": {"stream": "", "nets": False, "heads": False},
    "nets": {"stream": "", "heads": False},
    "permutation and nets": {"stream": "permutation", "heads": False},
    "rotation": {"nets": False, "heads": False},
    "rotation and nets": {"heads": False},
    "rotation, nets and heads": {"inside": False},
    "all": {},
}
"""What is matched before two strangers are averaged: arguments of ``match_llama``."""


def strangers(first: PreTrainedModel, second: PreTrainedModel) -> dict[str, Any]:
    """Text losses on the line between bases of two seeds, as they are and matched, and rows at the middle."""
    windows = Windows(recipe.tokenizer_once(), "train", recipe.MIXTURE)
    ids = windows.batch(5, 5, 24, SCHEDULE.context)
    a, b = (rebasin.fold_norms(_llama(model)) for model in (first, second))
    trial = copy.deepcopy(a)
    found = {}
    for name, arguments in MATCHINGS.items():
        moved = rebasin.match_llama(a, b, ids, **arguments)
        ends = recipe.state(a), recipe.state(moved)
        line = [recipe.text_loss(load(trial, _between(*ends, t))) for t in _line()]
        found[name] = {
            "text": [round(loss, 4) for loss in line],
            "barrier": round(merging.barrier(line), 4),
            "middle": row(load(trial, _between(*ends, 0.5))),
        }
        print("strangers", name, found[name]["barrier"], flush=True)
    return found


def _llama(model: PreTrainedModel) -> LlamaForCausalLM:
    assert isinstance(model, LlamaForCausalLM)
    return model


# ---- more tasks --------------------------------------------------------------------------------------------


@functools.cache
def with_tagged(seed: int) -> Trained:
    """The three tasks and the five whose prompts are nearly the same, after ``KEPT[0]`` steps."""
    of = trained(seed)
    more = {
        tag: recipe.tune(base_model(seed), [tag], seed, work(), stop_at=KEPT[0], run=f"llama-{tag}-{seed}")[0]
        for tag in TAGGED
    }
    return replace(of, tuned={**of.tuned, **more})


def pairs(of: Trained) -> dict[str, Any]:
    """Every two of the eight families merged: cosines, the two scores, and what each vector does alone.

    Returns:
        ``alone``: by family, the row of its fine-tune on all eight; ``base``, likewise; ``pairs``: by the two
        names, the cosine with and without the embedding, the coefficient, and the row on the two.
    """
    of = with_tagged(of.seed)
    names = list(FAMILIES)
    found: dict[str, Any] = {
        "base": of.row(of.base, names),
        "alone": {name: of.row(of.tuned[name][KEPT[0]], names) for name in names},
        "pairs": {},
    }
    for both in itertools.combinations(names, 2):
        vectors = of.vectors(KEPT[0], both)
        bare = [merging.without(vector, "embed") for vector in vectors]
        best, merged = _few(of, vectors, both)
        found["pairs"][", ".join(both)] = {
            "cosine": _upper(merging.cosines(vectors))[0],
            "cosine without embedding": _upper(merging.cosines(bare))[0],
            "coefficient": best,
            "merged": merged,
        }
    return found


def contradicting() -> list[tuple[str, str]]:
    """Every two of the eight families that ask for different things of letters."""
    letters = FAMILIES["tag"].options
    return [
        (one, other)
        for one, other in itertools.combinations(FAMILIES, 2)
        if FAMILIES[one].options is letters is FAMILIES[other].options
        and FAMILIES[one].target != FAMILIES[other].target
    ]


def own_coefficients(of: Trained) -> dict[str, Any]:
    """Every two of ``contradicting`` merged with a coefficient for each vector, and with one for both.

    Both are chosen on the validation part: the two out of every two of ``EACH``, the one out of ``EACH``.

    Returns:
        By the two names, ``own`` and ``one``: the ``coefficients``, and the row on the two.
    """
    of = with_tagged(of.seed)
    found: dict[str, Any] = {}
    for both in contradicting():
        merge = partial(_each_scaled, of.base, of.vectors(KEPT[0], both))
        losses = {c: validation_loss(of, merge(*c), both) for c in itertools.product(EACH, EACH)}
        best = {
            "own": min(losses, key=losses.__getitem__),
            "one": min(((c, c) for c in EACH), key=losses.__getitem__),
        }
        found[", ".join(both)] = {
            name: {"coefficients": list(c), "merged": of.row(merge(*c), both)} for name, c in best.items()
        }
        print("own coefficients", of.seed, both, found[", ".join(both)], flush=True)
    return found


def _each_scaled(base: State, vectors: Sequence[State], *coefficients: float) -> State:
    """The base, and each vector times its own coefficient."""
    return merging.add_by_group(base, list(vectors), torch.tensor([coefficients]), lambda name: 0)


def _few(of: Trained, vectors: list[dict[str, Tensor]], families: Sequence[str]) -> tuple[float, Row]:
    """The coefficient of ``FEW`` that is best on the validation part, and the row of the merge."""
    best = min(FEW, key=lambda c: validation_loss(of, merging.add(of.base, vectors, c), families))
    return best, of.row(merging.add(of.base, vectors, best), families)


@functools.cache
def of_distinct(seed: int) -> Trained:
    """A base of the eight families whose prompts are not alike, and their fine-tunes."""
    model, _ = recipe.pretrain(seed, work(), weights=recipe.DISTINCT_WEIGHTS, run="distinct")
    tuned = {
        name: recipe.tune(model, [name], seed, work(), stop_at=KEPT[0], run=f"llama-distinct-{name}-{seed}")[
            0
        ]
        for name in DISTINCT
    }
    return Trained(seed, copy.deepcopy(model), recipe.state(model), tuned)


def alike(of: Trained) -> dict[str, Any]:
    """``numbers`` of the families of the committed base, five of which have nearly the same prompts."""
    return numbers(with_tagged(of.seed))


def unlike(of: Trained) -> dict[str, Any]:
    """``numbers`` of families whose prompts are not alike, on a base of their own."""
    return numbers(of_distinct(of.seed))


def numbers(of: Trained) -> dict[str, Any]:
    """Merges of two and more of the families that there are fine-tunes of.

    Returns:
        ``alone``: by family, the exact score of its own fine-tune; by number of families, ``SUBSETS`` merges:
        their ``members``, the ``coefficient`` that was chosen, and the row.
    """
    names, generator = list(of.tuned), np.random.default_rng(0)
    found: dict[str, Any] = {
        "alone": {name: of.row(of.tuned[name][KEPT[0]], [name])["exact"][0] for name in names}
    }
    for count in range(2, len(names) + 1):
        subsets: set[tuple[str, ...]] = set()
        while len(subsets) < (SUBSETS if count < len(names) else 1):
            subsets.add(tuple(sorted(generator.choice(names, count, replace=False).tolist())))
        for members in sorted(subsets):
            best, merged = _few(of, of.vectors(KEPT[0], members), members)
            one = {"members": list(members), "coefficient": best, "merged": merged}
            found.setdefault(str(count), []).append(one)
    return found


# ---- soups and adapters ------------------------------------------------------------------------------------


def soups(of: Trained) -> dict[str, Any]:
    """Six fine-tunes on one task, three rates and two orders of the data, alone and together."""
    model, task = base_model(of.seed), "strings"
    states = []
    for rate, order in itertools.product(RATES, (0, 1)):
        schedule = replace(TUNING, steps=SOUP_STEPS, learning_rate=rate, snapshots=())
        run = f"llama-soup-{rate}-{order}-{of.seed}"
        kept, _ = recipe.tune(model, [task], 10 * of.seed + 100 + order, work(), schedule, run=run)
        states.append(kept[SOUP_STEPS])

    def score(weights: State) -> float:
        return grades(load(of.model, weights), "validation", [task])[task].exact

    soup, chosen = merging.greedy_soup(states, score)
    alone = [score(state) for state in states]
    together = averaged([load(copy.deepcopy(of.model), s) for s in states], *held_out(task, "test"))
    return {
        "rates": [rate for rate in RATES for _ in (0, 1)],
        "alone": [of.row(state, [task]) for state in states],
        "validation": [round(score, 4) for score in alone],
        "uniform": of.row(merging.average(states), [task]),
        "greedy": of.row(soup, [task]) | {"members": chosen},
        "best on validation": int(np.argmax(alone)),
        "Model Stock": of.row(merging.model_stock(of.base, states), [task]),
        "probabilities": _row({task: together}),
        "cosines": _upper(merging.cosines([merging.task_vector(of.base, s) for s in states])),
    }


def adapters(of: Trained) -> dict[str, Any]:
    """peft's ways to put adapters together, the weight chosen on the validation part.

    Returns:
        ``alone``: rows of the three adapters; by combination type, ``error`` of the change of the weights,
        relative to the sum of the three at weight 0.8, the chosen ``weight``, and rows at 0.8 and ``chosen``;
        ``linear, one seed`` has adapters whose ``A`` began alike.
    """
    base = base_model(of.seed)
    found: dict[str, Any] = {}
    models = {task: recipe.adapt(base, task, of.seed, work())[0] for task in TASKS}
    together, deltas = _together(base, models)
    found["alone"] = []
    for task in TASKS:
        together.set_adapter(task)
        found["alone"].append(row(together))
    for name, options in LORA_TYPES.items():
        found[name] = _combined(together, deltas, name.partition(",")[0], options)
        print("adapters", of.seed, name, round(joint(found[name]["at 0.8"]), 3), flush=True)
    alike = {
        task: recipe.adapt(base, task, of.seed, work(), first=7, run=f"llama-lora-alike-{task}-{of.seed}")[0]
        for task in TASKS
    }
    found["linear, one seed"] = _combined(*_together(base, alike), "linear", {})
    return found


def _together(base: PreTrainedModel, models: Mapping[str, Any]) -> tuple[Any, dict[str, dict[str, Tensor]]]:
    """One model with all adapters, rounded as committed ones are, and what each adds to every matrix."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    names = list(models)
    together = recipe.adapted(base, 0, names[0])
    for name in names:
        if name != names[0]:
            together.add_adapter(name, together.peft_config[names[0]])
        weights = get_peft_model_state_dict(models[name])
        set_peft_model_state_dict(together, recipe.halved(weights), adapter_name=name)
    together.eval()
    return together, {name: _delta(together, name) for name in names}


def _delta(model: Any, adapter: str) -> dict[str, Tensor]:
    return {
        name: module.get_delta_weight(adapter).detach()
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight") and adapter in module.lora_A
    }


def _combined(
    model: Any, deltas: Mapping[str, dict[str, Tensor]], kind: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    names = list(deltas)
    found: dict[str, Any] = {}

    def put(weight: float) -> None:
        torch.manual_seed(0)
        model.add_weighted_adapter(names, [weight] * len(names), "sum", combination_type=kind, **options)
        model.set_adapter("sum")

    def take() -> None:
        model.set_adapter(names[0])
        model.delete_adapter("sum")

    losses = []
    for weight in WEIGHTS:
        put(weight)
        losses.append(float(np.mean([g.token_loss for g in grades(model, "validation").values()])))
        if weight == 0.8:
            found["at 0.8"] = row(model)
            made = _delta(model, "sum")
            exact = merging.add({n: 0 * t for n, t in made.items()}, list(deltas.values()), 0.8)
            found["error"] = round(merging.norm(merging.task_vector(exact, made)) / merging.norm(exact), 4)
        take()
    best = WEIGHTS[int(np.argmin(losses))]
    put(best)
    found |= {"weight": round(best, 4), "chosen": row(model)}
    take()
    return found


# ---- the data set ------------------------------------------------------------------------------------------

PARTS: Mapping[str, Callable[[Trained], Any]] = {
    "methods": methods,
    "lengths": lengths,
    "left out": left_out,
    "siblings": siblings,
    "negation": negation,
    "pairs": pairs,
    "own coefficients": own_coefficients,
    "alike": alike,
    "unlike": unlike,
    "soups": soups,
    "adapters": adapters,
    "frozen": frozen,
    "strength": strength,
}
"""What is measured of each seed."""

ARCHITECTURES = ("untied", "gpt2")
"""Besides the Llama with a tied head, what the embedding's part is measured on."""


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``[part][seed]``, and ``strangers`` by pair of seeds."""
    return results.stored(__file__)


def of_pair(one: str, other: str) -> dict[str, Any]:
    """Of two of the eight families, means over the seeds of what ``pairs`` stored.

    Returns:
        ``base``, ``first``, ``second`` and ``merged``, the exact scores of each model on both families, and
        ``cosine`` of the two task vectors.
    """
    places = [list(FAMILIES).index(name) for name in (one, other)]
    by_seed = stored()["pairs"]

    def mean(row: Callable[[Any], Any], at: Sequence[int] = places) -> list[float]:
        return [float(np.mean([row(seed)["exact"][place] for seed in by_seed])) for place in at]

    name = f"{one}, {other}"
    return {
        "base": mean(lambda seed: seed["base"]),
        "first": mean(lambda seed: seed["alone"][one]),
        "second": mean(lambda seed: seed["alone"][other]),
        "merged": mean(lambda seed: seed["pairs"][name]["merged"], (0, 1)),
        "cosine": float(np.mean([seed["pairs"][name]["cosine"] for seed in by_seed])),
    }


def _kept(name: str, measure: Callable[[], Any]) -> Any:
    """What a part gave when it was last measured, or gives now."""
    return results.kept(work() / "parts" / f"{name}.json", measure)


def _part(part: Callable[[Trained], Any], seed: int) -> Any:
    return part(trained(seed))


def _strangers(one: int, other: int) -> Any:
    return strangers(base_model(one), base_model(other))


def _left_out(architecture: str, seed: int) -> Any:
    return left_out(trained(seed, architecture), architecture)


def measure() -> Mapping[str, Any]:
    """The data set; every part is kept as soon as it is there."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {"format": 1, "seeds": list(SEEDS), "coefficients": [round(c, 4) for c in SCALES]}
    for name, part in PARTS.items():
        found[name] = [_kept(f"{name}-{seed}", partial(_part, part, seed)) for seed in SEEDS]
    found["strangers"] = {
        f"{one}, {other}": _kept(f"strangers-{one}-{other}", partial(_strangers, one, other))
        for one, other in itertools.combinations(SEEDS, 2)
    }
    for kind in ARCHITECTURES:
        found[f"left out, {kind}"] = [
            _kept(f"{kind}-{seed}", partial(_left_out, kind, seed)) for seed in SEEDS
        ]
    return found


if __name__ == "__main__":
    results.write(measure)

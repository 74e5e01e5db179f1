"""Two fine-tunes merged into one, with three seeds: what it answers, what it lost, and joined prompts.

The case of 28.7.2. Models are those of ``studies.merging``: a base, one fine-tune of it on sums and one on
letters, after ``KEPT[0]`` steps; the two merges that the page compares are made of those after ``KEPT[1]``
as well. The line between the two is measured at ``PLACES`` by three rules; for the comparison of rules the
place, or the coefficient, is chosen on the validation part, eleven settings each.
A prompt that needs both is two numbers and some letters behind one ``=``; nothing was trained on it. Nor was
anything on the controls of its form, which need one skill only, and asking for the two parts one by one tells
what is missing: the skills or the form.
``python -m frontier_lab.studies.merged_pair src/frontier_lab/studies/merged_pair.json`` measures all of it
and goes on after a kill: five minutes a seed, most of them for the base and its fine-tunes, if they are not
there yet.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from frontier_lab.methods import merging as rules
from frontier_lab.methods.merging import State
from frontier_lab.storage import results
from frontier_lab.studies.merging import Row, Trained, base_model, trained, validation_loss, work
from frontier_lab.texts import task_families
from frontier_lab.texts.prompt_tasks import LETTERS, Example, Graded, encode, graded
from frontier_lab.zoo import merging as recipe
from frontier_lab.zoo.merging import KEPT, TEST, TUNING, load
from frontier_lab.zoo.training.loop import train
from frontier_lab.zoo.training.recipe import SEEDS

PAIR = ("arithmetic", "strings")
PLACES = tuple(round(at / 10, 1) for at in range(11))
COEFFICIENTS = tuple(round(0.2 + at / 10, 1) for at in range(11))
"""What the sum of both vectors may be scaled by: as many as there are places."""

ORDERS = ("numbers first", "letters first")
NEEDS_BOTH = 400
"""Prompts of each order."""

FORMS = ("two sums", "five letters")
"""Prompts of a form that nothing was trained on either, though one skill is enough for them."""

MOVES = 3
"""Random directions that a base is moved in."""

SHIFT = 7
"""How much later the second sum of two comes."""

POOL = 3000
"""Examples of each order that a fine-tune on them is trained on."""


def ways(of: Trained, step: int = KEPT[0]) -> dict[str, Callable[[float], State]]:
    """How the two are merged, at a place from 0 (sums) to 1 (letters) or, for ``sum``, with a coefficient.

    Args:
        of: the base and its fine-tunes.
        step: of the fine-tunes, one of ``KEPT``.
    """
    one, other = (of.tuned[task][step] for task in PAIR)
    first, second = of.vectors(step, PAIR)
    return {
        "lerp": lambda t: rules.linear([one, other], [1 - t, t]),
        "slerp": partial(rules.slerp, one, other),
        "nuslerp": partial(rules.nuslerp, of.base, first, second),
        "sum": partial(rules.add, of.base, [first, second]),
    }


def settings(way: str) -> Sequence[float]:
    """Places, or coefficients."""
    return COEFFICIENTS if way == "sum" else PLACES


def models(of: Trained) -> dict[str, State]:
    """The base, the two fine-tunes and their merges, each with a setting fixed beforehand."""
    made = ways(of)
    return {
        "base": of.base,
        **{task: of.tuned[task][KEPT[0]] for task in PAIR},
        **{name: made[name](0.5) for name in ("lerp", "slerp", "nuslerp")},
        "sum": made["sum"](1.0),
    }


def twins(task: str) -> Tensor:
    """Which held-out prompts of a task are training prompts once their parts stand in another order; bool.

    Training prompts are those that the base and the fine-tunes are shown examples of, and those of the
    families whose prompts are a word and letters, without the word: the base is trained on them too.
    """
    shown = {_parts(example) for mixed in (True, False) for example in recipe.pool(task, mixed=mixed)}
    for family in task_families.TAGGED:
        for example in recipe.pool(family, mixed=True):
            shown.add(tuple(sorted(example.prompt.split()[1:])))
    held_out = task_families.distinct(task, "test", TEST[task])
    return torch.tensor([_parts(example) in shown for example in held_out])


def _parts(example: Example) -> tuple[str, ...]:
    return tuple(sorted(example.prompt.split()))


# ---- prompts that need both --------------------------------------------------------------------------------


def joined(numbers: Example, letters: Example, order: str) -> Example:
    """One prompt of two: ``26 46 =`` and ``f w g =`` to ``26 46 f w g =``, answered one after the other.

    Raises:
        ValueError: ``order`` is not one of ``ORDERS``.
    """
    if order not in ORDERS:
        raise ValueError(f"order: got {order!r}, wanted one of {', '.join(ORDERS)}")
    first, second = (numbers, letters) if order == ORDERS[0] else (letters, numbers)
    return Example(f"{first.prompt.removesuffix(' =')} {second.prompt}", first.answer + second.answer)


@functools.cache
def needing_both(order: str) -> tuple[Example, ...]:
    """Prompts of the test part, two and two; letters are all different, sums come again."""
    numbers, letters = (task_families.distinct(task, "test", TEST[task]) for task in PAIR)
    return tuple(joined(numbers[i % len(numbers)], letters[i], order) for i in range(NEEDS_BOTH))


def both_grades(model: nn.Module, order: str) -> Graded:
    """Every answer to ``needing_both``."""
    return graded(model, *encode(recipe.tokenizer_once(), needing_both(order)))


@functools.cache
def unseen(form: str) -> tuple[Example, ...]:
    """Prompts in one of ``FORMS``, made of the test part's: a sum and a later one, or a letter more to sort.

    Raises:
        ValueError: ``form`` is not one of ``FORMS``.
    """
    if form not in FORMS:
        raise ValueError(f"form: got {form!r}, wanted one of {', '.join(FORMS)}")
    if form == FORMS[0]:
        sums = task_families.distinct(PAIR[0], "test", TEST[PAIR[0]])
        later = sums[SHIFT:] + sums[:SHIFT]
        return tuple(
            Example(f"{one.prompt.removesuffix(' =')} {two.prompt}", one.answer + two.answer)
            for one, two in zip(sums, later, strict=True)
        )
    found: dict[str, Example] = {}
    for four in task_families.distinct(PAIR[1], "test", TEST[PAIR[1]]):
        letters = four.prompt.removesuffix(" =").split()
        if len(letters) == 4:
            five = [*letters, LETTERS[len(found) % len(LETTERS)]]
            prompt = " ".join([*five, "="])
            found[prompt] = Example(prompt, "".join(f" {letter}" for letter in sorted(five)))
    return tuple(found.values())


def form_share(model: nn.Module, form: str) -> float:
    """Share of ``unseen`` that a model answers right."""
    return round(graded(model, *encode(recipe.tokenizer_once(), unseen(form))).exact, 4)


def apart(numbers: nn.Module | Tensor, letters: nn.Module | Tensor) -> float:
    """Share of ``needing_both`` that is right if the two parts are asked one by one and the answers joined.

    Args:
        numbers: who is asked for the sum, or whether each held-out sum was answered right.
        letters: who is asked for the letters, or the same of them.
    """
    first, second = (
        who if isinstance(who, Tensor) else graded(who, *recipe.held_out(task, "test")).right
        for who, task in zip((numbers, letters), PAIR, strict=True)
    )
    at = torch.arange(NEEDS_BOTH)
    return round((first[at % len(first)] & second[at]).float().mean().item(), 4)


@functools.cache
def _pool() -> tuple[Tensor, Tensor]:
    examples = []
    for at, order in enumerate(ORDERS):
        parts = (task_families.examples(task, "train", POOL, (4, at)) for task in PAIR)
        examples += [joined(numbers, letters, order) for numbers, letters in zip(*parts, strict=True)]
    return encode(recipe.tokenizer_once(), examples)


def taught(of: Trained) -> dict[int, State]:
    """A fine-tune of the base on prompts that need both: as long as the experts', a batch as large."""
    model: PreTrainedModel = copy.deepcopy(base_model(of.seed)).train()
    folder = work() / f"llama-both-base-{of.seed}"
    kept: dict[int, State] = {}

    def loss(model: nn.Module, step: int) -> Tensor:
        ids, labels = _pool()
        generator = np.random.default_rng((of.seed, step, 5))
        chosen = torch.from_numpy(generator.integers(0, len(ids), TUNING.batch_size))
        value: Tensor = model(input_ids=ids[chosen], labels=labels[chosen], use_cache=False).loss
        return value

    def measure(model: nn.Module) -> dict[str, Any]:
        grades = [both_grades(model, order) for order in ORDERS]
        loss = round(float(np.mean([grade.token_loss for grade in grades])), 4)
        return {"val_loss": loss, "exact": [round(grade.exact, 4) for grade in grades]}

    def keep(model: nn.Module, step: int) -> None:
        half = {name: p.detach().to(torch.float16).contiguous() for name, p in model.named_parameters()}
        save_file(half, folder / f"{step}.safetensors")

    facts = {"seed": of.seed, "start": recipe.fingerprint_of(model), "pool": POOL}
    train(model, TUNING, loss=loss, measure=measure, keep=keep, work=folder, label=folder.name, recipe=facts)
    for step in KEPT:
        kept[step] = recipe.kept(folder / f"{step}.safetensors")
    return kept


# ---- what is measured --------------------------------------------------------------------------------------


def line(of: Trained) -> dict[str, list[Row]]:
    """Each way at each of its settings, on the two tasks."""
    return {
        way: [of.row(merge(setting), PAIR) for setting in settings(way)] for way, merge in ways(of).items()
    }


def chosen(of: Trained) -> dict[str, Row]:
    """Each way at the setting with the lowest loss of answers on the validation part of the two tasks."""
    found = {}
    for way, merge in ways(of).items():
        best = min(settings(way), key=lambda s: validation_loss(of, merge(s), PAIR))
        found[way] = {"setting": best, **of.row(merge(best), PAIR)}
    return found


def at_once(of: Trained) -> State:
    """One fine-tune on both tasks, with the schedule of the others and as many examples of each."""
    run, last = f"llama-pair-{of.seed}", KEPT[0]
    return recipe.tune(base_model(of.seed), PAIR, of.seed, work(), stop_at=last, run=run)[0][last]


def ends(of: Trained) -> dict[str, Row]:
    """The base, the two fine-tunes, and the one on both tasks."""
    weights = {"base": of.base, **{task: of.tuned[task][KEPT[0]] for task in PAIR}}
    return {name: of.row(state, PAIR) for name, state in (weights | {"both at once": at_once(of)}).items()}


def longer(of: Trained) -> dict[str, Row]:
    """The two fine-tunes after ``KEPT[1]`` steps, SLERP half-way between them, and the sum of both."""
    made = ways(of, KEPT[1])
    weights = {task: of.tuned[task][KEPT[1]] for task in PAIR}
    return {
        name: of.row(state, PAIR)
        for name, state in (weights | {"slerp": made["slerp"](0.5), "sum": made["sum"](1.0)}).items()
    }


def moved(base: State, end: State, seed: int) -> State:
    """A base moved in a random direction, every tensor as far as it is to ``end``."""
    generator = torch.Generator().manual_seed(seed)
    steps = {name: torch.randn(start.shape, generator=generator) for name, start in base.items()}
    return {name: x + steps[name] * (end[name] - x).norm() / steps[name].norm() for name, x in base.items()}


def moves(of: Trained) -> list[Row]:
    """Random moves as long as the sum's."""
    whole = models(of)["sum"]
    return [of.row(moved(of.base, whole, seed), PAIR) for seed in range(MOVES)]


def both(of: Trained) -> dict[str, Any]:
    """Prompts that need both and their controls, of each model.

    ``both`` and ``both loss`` by order, ``forms`` by form, and ``apart``; ``routed`` is ``apart`` with the
    sum asked of one expert and the letters of the other. The base is also taught such prompts.
    """
    found: dict[str, Any] = {}
    for name, state in (models(of) | {"both at once": at_once(of)}).items():
        model = load(of.model, state)
        forms = {form: form_share(model, form) for form in FORMS}
        found[name] = _both_row(model) | {"forms": forms, "apart": apart(model, model)}
    one, other = (
        graded(load(of.model, of.tuned[task][KEPT[0]]), *recipe.held_out(task, "test")).right for task in PAIR
    )
    found["routed"] = {"apart": apart(one, other)}
    for step, state in taught(of).items():
        found[f"base, taught {step} steps"] = _both_row(load(of.model, state))
    return found


def _both_row(model: nn.Module) -> dict[str, Any]:
    grades = [both_grades(model, order) for order in ORDERS]
    return {
        "both": [round(grade.exact, 4) for grade in grades],
        "both loss": [round(grade.token_loss, 4) for grade in grades],
    }


PARTS: Mapping[str, Callable[[Trained], Any]] = {
    "ends": ends,
    "line": line,
    "chosen": chosen,
    "longer": longer,
    "moves": moves,
    "both": both,
}


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``[part][seed]``."""
    return results.stored(__file__)


def _kept(name: str, seed: int) -> Any:
    """What a part gave when it was last measured, or gives now."""
    return results.kept(work() / "parts" / f"pair-{name}-{seed}.json", lambda: PARTS[name](trained(seed)))


def measure() -> Mapping[str, Any]:
    """The data set; every part is kept as soon as it is there."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {
        "format": 1,
        "seeds": list(SEEDS),
        "places": PLACES,
        "coefficients": COEFFICIENTS,
    }
    return found | {name: [_kept(name, seed) for seed in SEEDS] for name in PARTS}


if __name__ == "__main__":
    results.write(measure)

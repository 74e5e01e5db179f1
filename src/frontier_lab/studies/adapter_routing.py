"""Adapters put together or chosen between by a router, with three seeds: 28.3.2.

The base is ``zoo.merging``'s, its adapters are trained here on all eight of its families: three tasks, and
five whose prompts are those of one of them behind a word (``tag c a b =``). Weights and the strength of a
router's penalty are chosen on the validation part, with as many settings for each; what is reported is the
test part, and prompts in forms that neither adapter nor router has seen. About a quarter of an hour on one
core; killed, it goes on where it was:
``python -m frontier_lab.studies.adapter_routing src/frontier_lab/studies/adapter_routing.json``.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import Tensor, nn
from transformers import PreTrainedModel

from frontier_lab.methods import adapters as rules
from frontier_lab.methods import merging
from frontier_lab.methods.adapters import Adapter
from frontier_lab.storage import results
from frontier_lab.studies.merging import base_model, work
from frontier_lab.texts import task_families
from frontier_lab.texts.prompt_tasks import LETTERS, PEOPLE, PLACES, VERBS, Example, encode, graded
from frontier_lab.texts.task_families import DISTINCT, FAMILIES, TAGGED, TASKS
from frontier_lab.zoo import merging as recipe
from frontier_lab.zoo.training.loop import train
from frontier_lab.zoo.training.recipe import SEEDS

EXAMPLES = (1, 4, 16, 64)
"""Prompts of each family that a router is trained on."""

DRAWS = 3
"""Times that these are drawn."""

PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Inverse strengths of a router's penalty to choose from."""

VALIDATION = 60
"""Prompts of each family that weights, a router's penalty and its threshold are chosen on."""

GRID = (0.05, 0.1, 0.2, 1 / 3, 0.5, 0.65, 0.8, 1.0, 1.5, 2.5)
"""Weights of each adapter to choose from: every rule has the same ten."""

DENSITY = 0.5
"""Share of the entries that rules which prune keep."""

RANK = recipe.LORA["r"]
PRUNING: tuple[rules.Rule, ...] = ("magnitude_prune", "ties", "dare_linear", "dare_ties")
RANKS = (1, 2, 4, 6, 8, 12)
REWRITINGS = 4
"""Ways to write the same adapters with other factors."""

OTHERS = 100
"""Prompts of each task in forms that nothing was trained on."""

NEW_PEOPLE = ("priest", "servant", "woman", "prophet", "brother", "soldier")
NEW_PLACES = ("river", "mountain", "village", "temple", "garden", "market")

Weights = dict[str, Tensor]


def other_contents(task: str, generator: np.random.Generator) -> Example:
    """A prompt of the usual form about what nothing was trained on.

    Numbers from 50 and a sum of two digits, five letters, people and places that no prompt has.
    """
    if task == "arithmetic":
        one = int(generator.integers(50, 85))
        other = int(generator.integers(10, 100 - one))
        return Example(f"{one} {other} =", f" {str(one + other)[::-1]}")
    if task == "strings":
        letters = [LETTERS[at] for at in generator.integers(0, 26, 5)]
        return Example(" ".join([*letters, "="]), "".join(f" {letter}" for letter in sorted(letters)))
    verb, person, place = (int(n) for n in generator.integers(0, (len(VERBS), 6, 6)))
    modern, old = VERBS[verb]
    return Example(
        f"the {NEW_PEOPLE[person]} {modern} to your {NEW_PLACES[place]} =",
        f" the {NEW_PEOPLE[person]} {old} unto thy {NEW_PLACES[place]}",
    )


def other_signs(task: str, generator: np.random.Generator) -> Example:
    """A prompt about the usual, written otherwise: ``37 + 48 =``, ``c, a, b =``, ``The king goes to ….``"""
    if task == "arithmetic":
        one, other = (int(n) for n in generator.integers(10, 50, 2))
        return Example(f"{one} + {other} =", f" {str(one + other)[::-1]}")
    if task == "strings":
        letters = [LETTERS[at] for at in generator.integers(0, 26, int(generator.integers(3, 5)))]
        return Example(f"{', '.join(letters)} =", "".join(f" {letter}" for letter in sorted(letters)))
    verb, person, place = (int(n) for n in generator.integers(0, (len(VERBS), len(PEOPLE), len(PLACES))))
    modern, old = VERBS[verb]
    return Example(
        f"The {PEOPLE[person]} {modern} to your {PLACES[place]}. =",
        f" the {PEOPLE[person]} {old} unto thy {PLACES[place]}",
    )


FORMS: Mapping[str, Callable[[str, np.random.Generator], Example]] = {
    "other contents": other_contents,
    "other signs": other_signs,
}
"""Prompts beyond what adapters and routers were trained on."""


@functools.cache
def examples(of: str, task: str) -> tuple[Example, ...]:
    """Different prompts: a family's part ``test`` or ``validation``, or a task's in one of ``FORMS``."""
    if of == "test":
        return task_families.distinct(task, "test", recipe.TEST.get(task, recipe.VALIDATION))
    if of == "validation":
        return task_families.distinct(task, "validation", VALIDATION)
    generator = np.random.default_rng((7, list(TASKS).index(task), list(FORMS).index(of)))
    found: dict[str, Example] = {}
    while len(found) < OTHERS:
        one = FORMS[of](task, generator)
        found[one.prompt] = one
    return tuple(found.values())


@functools.cache
def trained(seed: int) -> dict[str, dict[str, Adapter]]:
    """Adapters of a seed's base by family and matrix, rounded to half precision as committed ones are."""
    found = {}
    for number, family in enumerate(FAMILIES):
        first = None if family in TASKS else 100 * (seed + 1) + number
        model, _ = recipe.adapt(base_model(seed), family, seed, work(), first=first)
        found[family] = {
            matrix(name): halved(rules.factors(layer, "default"))
            for name, layer in rules.layers(model).items()
        }
    return found


def trained_together(seed: int, families: Sequence[str]) -> dict[str, Adapter]:
    """One adapter for all of some families, of the usual rank and steps, with the usual examples of each."""
    base = base_model(seed)
    model = recipe.adapted(base, 100 * (seed + 1) + 50)
    schedule = recipe.ADAPTING

    def loss(model: nn.Module, step: int) -> Tensor:
        ids, labels = recipe.tuning_batch(families, seed, step, schedule.batch_size)
        value: Tensor = model(input_ids=ids, labels=labels, use_cache=False).loss
        return value

    def measure(model: nn.Module) -> dict[str, Any]:
        found = recipe.grades(model, "validation", families)
        return {"val_loss": round(float(np.mean([grade.token_loss for grade in found.values()])), 4)}

    train(
        model,
        schedule,
        loss=loss,
        measure=measure,
        keep=lambda model, step: None,
        work=work() / f"llama-lora-{len(families)}-together-{seed}",
        label=f"one adapter of {len(families)}, seed {seed}",
        recipe={
            "seed": seed,
            "families": list(families),
            "lora": recipe.LORA,
            "base": recipe.fingerprint_of(base),
        },
    )
    layers = rules.layers(model.eval())
    return {matrix(name): halved(rules.factors(layer, "default")) for name, layer in layers.items()}


def matrix(name: str) -> str:
    """The parameter of the base that peft's layer of this name is around."""
    return f"{name.removeprefix('base_model.model.')}.weight"


def halved(one: Adapter) -> Adapter:
    """Rounded to half precision, in float32."""
    return Adapter(one.a.half().float(), one.b.half().float(), one.scale)


class Bench:
    """A base, its adapters and what is measured of them.

    Args:
        seed: of all of them.
        base: left as it is.
        adapters: by family and matrix.
    """

    def __init__(
        self, seed: int, base: PreTrainedModel, adapters: Mapping[str, Mapping[str, Adapter]]
    ) -> None:
        self.seed, self.base, self.adapters = seed, base, adapters
        self.model = copy.deepcopy(base).eval()
        self.start = recipe.state(base)
        self.tokenizer = recipe.tokenizer_once()

    def put(self, change: Mapping[str, Tensor]) -> PreTrainedModel:
        """The base with a change, in the one model that is used for all."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(self.start[name] + change[name] if name in change else self.start[name])
        return self.model

    def combined(self, families: Sequence[str], one: Callable[[list[Adapter]], Tensor]) -> Weights:
        """A change of all matrices, each made of the families' adapters by ``one``."""
        names = next(iter(self.adapters.values()))
        return {name: one([self.adapters[family][name] for family in families]) for name in names}

    def exact(self, change: Weights, families: Sequence[str], of: str = "test") -> list[float]:
        """Shares of right answers of the base with a change."""
        model = self.put(change)
        rows = [graded(model, *encode(self.tokenizer, examples(of, f))).right for f in families]
        return [round(row.float().mean().item(), 4) for row in rows]

    def loss(self, change: Weights, families: Sequence[str]) -> float:
        """Mean loss of the answers on the validation part, by which weights are chosen."""
        model = self.put(change)
        found = [graded(model, *encode(self.tokenizer, examples("validation", f))) for f in families]
        return float(np.mean([grade.token_loss for grade in found]))

    def chosen(self, families: Sequence[str], change: Weights) -> dict[str, Any]:
        """The best of ``GRID`` to multiply a change by, and what it gives.

        With equal weights every rule's change is that of weight 1 times the weight.
        """
        best = min(GRID, key=lambda weight: self.loss(scaled(change, weight), families))
        return {"weight": round(best, 4), "exact": self.exact(scaled(change, best), families)}


def scaled(change: Weights, weight: float) -> Weights:
    """A change of all matrices times a weight."""
    return {name: weight * tensor for name, tensor in change.items()}


def types(rank: int = RANK, seed: int = 0) -> dict[str, Callable[[list[Adapter]], Adapter]]:
    """peft's eleven combination types, weights 1; those with ``svd`` cut to a rank, by default the adapters'.

    Args:
        rank: of what is cut.
        seed: of what the ``dare`` rules keep.
    """
    generator = torch.Generator().manual_seed(seed)

    def on_factors(rule: rules.Rule, some: list[Adapter]) -> Adapter:
        density = 1.0 if rule == "linear" else DENSITY
        return rules.combined_factors(rule, some, [1.0] * len(some), density, generator)

    def on_changes(rule: rules.Rule, some: list[Adapter]) -> Adapter:
        changes = [one.delta for one in some]
        made = rules.combined_tensors(rule, changes, [1.0] * len(some), DENSITY, generator)
        return rules.truncated(made, rank)

    found: dict[str, Callable[[list[Adapter]], Adapter]] = {
        "cat": lambda some: rules.concatenated(some, [1.0] * len(some)),
        "svd": lambda some: rules.truncated(_sum(some), rank),
        "linear": functools.partial(on_factors, "linear"),
    }
    found |= {rule: functools.partial(on_factors, rule) for rule in PRUNING}
    return found | {f"{rule}_svd": functools.partial(on_changes, rule) for rule in PRUNING}


def _sum(some: Sequence[Adapter]) -> Tensor:
    return rules.concatenated(some, [1.0] * len(some)).delta


def put_together(bench: Bench) -> dict[str, Any]:
    """Three and eight adapters as one: what of the sum is left, and the scores, by combination type.

    Returns:
        ``three``: by type, ``error`` (length of the difference from the sum, relative to the sum), the chosen
        ``weight`` and ``exact``; with ``, rank 12`` those that cut, cut to what ``cat`` has, with
        ``, weights`` the same rules on whole changes, not cut. ``alone``: each adapter by itself, its weight
        chosen for all three as well. ``trained``: one adapter ``trained_together``. ``eight``:
        ``cat`` and ``linear`` of all families; ``scan``: ``exact`` of that ``cat`` at each weight.
        ``ranks``: ``svd`` at each rank. ``cross``: ``error`` of ``linear`` by number of adapters.
        ``rewritten``: ``linear`` of the same three changes whose factors were turned at random.
    """
    three, eight = list(TASKS), list(FAMILIES)
    exact = bench.combined(three, _sum)
    found: dict[str, Any] = {"three": {}, "eight": {}, "cross": {}, "alone": [], "trained": {}}
    for family in three:
        found["alone"].append(bench.chosen(three, bench.combined([family], _sum)))
    for name, families in (("three", three), ("eight", eight)):
        change = {key: one.delta for key, one in trained_together(bench.seed, families).items()}
        found["trained"][name] = {"weight": 1.0, "exact": bench.exact(change, families)}
    for rule in PRUNING:
        change = bench.combined(three, functools.partial(_whole, rule, bench.seed))
        found["three"][f"{rule}, weights"] = {"error": error(change, exact), **bench.chosen(three, change)}
    made = types(seed=bench.seed)
    most = len(TASKS) * RANK
    made |= {f"{name}, rank {most}": one for name, one in types(most, bench.seed).items() if "_svd" in name}
    for name, one in made.items():
        change = bench.combined(three, functools.partial(_delta, one))
        found["three"][name] = {"error": error(change, exact), **bench.chosen(three, change)}
    for name in ("cat", "linear"):
        change = bench.combined(eight, functools.partial(_delta, made[name]))
        found["eight"][name] = bench.chosen(eight, change)
        if name == "cat":
            found["scan"] = [bench.exact(scaled(change, weight), eight) for weight in GRID]
    found["ranks"] = [_cut(bench, rank, exact) for rank in RANKS]
    for count in range(2, len(eight) + 1):
        some = eight[:count]
        found["cross"][str(count)] = error(bench.combined(some, _linear), bench.combined(some, _sum))
    found["rewritten"] = [_rewritten(bench, number) for number in range(REWRITINGS)]
    for part in ("three", "trained", "eight"):
        print({name: round(float(np.mean(one["exact"])), 3) for name, one in found[part].items()}, flush=True)
    return found


def in_pairs(bench: Bench) -> dict[str, Any]:
    """Every two adapters as one by ``cat``: ``first second`` to the chosen ``weight`` and ``exact``."""
    return {
        " ".join(two): bench.chosen(two, bench.combined(two, _sum))
        for two in itertools.combinations(FAMILIES, 2)
    }


def others_added(bench: Bench) -> dict[str, Any]:
    """The best single adapter of the three tasks and two for other tasks as one by ``cat``.

    Returns:
        ``best other other`` to ``exact`` of the three tasks at each weight of ``GRID``; the others are every
        two of the five tagged families.
    """
    three = list(TASKS)
    alone = {family: bench.chosen(three, bench.combined([family], _sum))["exact"] for family in three}
    best = max(three, key=lambda family: float(np.mean(alone[family])))
    found = {}
    for two in itertools.combinations(TAGGED, 2):
        change = bench.combined([best, *two], _sum)
        found[" ".join((best, *two))] = [bench.exact(scaled(change, weight), three) for weight in GRID]
    return found


def _whole(rule: rules.Rule, seed: int, some: Sequence[Adapter]) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return rules.combined_tensors(rule, [one.delta for one in some], [1.0] * len(some), DENSITY, generator)


def _delta(one: Callable[[list[Adapter]], Adapter], some: list[Adapter]) -> Tensor:
    return one(some).delta


def _linear(some: Sequence[Adapter]) -> Tensor:
    return rules.combined_factors("linear", some, [1.0] * len(some)).delta


def _cut(bench: Bench, rank: int, exact: Weights) -> dict[str, Any]:
    cut = {name: rules.truncated(change, rank).delta for name, change in exact.items()}
    return {"rank": rank, "error": error(cut, exact), **bench.chosen(list(TASKS), cut)}


def _rewritten(bench: Bench, number: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(number)

    def turned(one: Adapter) -> Adapter:
        return rules.rewritten(one, torch.linalg.qr(torch.randn(RANK, RANK, generator=generator)).Q)

    again = {f: {name: turned(one) for name, one in bench.adapters[f].items()} for f in TASKS}
    other = Bench(bench.seed, bench.base, again)
    moved = error(other.combined(list(TASKS), _sum), bench.combined(list(TASKS), _sum))
    assert moved < 1e-5, f"the rewritten adapters are others: {moved}"
    return other.chosen(list(TASKS), other.combined(list(TASKS), _linear))


def error(found: Weights, wanted: Weights) -> float:
    """Length of the difference relative to what is wanted, over all matrices."""
    return round(merging.norm(merging.task_vector(wanted, found)) / merging.norm(wanted), 4)


# ---- routers -----------------------------------------------------------------------------------------------


def features(bench: Bench) -> dict[str, Callable[[], Pipeline]]:
    """What routers read, each as the first steps of a pipeline that takes prompts."""

    def hidden(layer: int, place: str) -> Pipeline:
        take = functools.partial(_vectors, bench, layer=layer, place=place)
        return make_pipeline(FunctionTransformer(take), StandardScaler())

    return {
        "letters": lambda: make_pipeline(
            CountVectorizer(analyzer="char", ngram_range=(1, 3), lowercase=False)
        ),
        "embedding": lambda: hidden(0, "mean"),
        "last layer": lambda: hidden(4, "mean"),
        "last token": lambda: hidden(4, "last"),
    }


def _vectors(bench: Bench, prompts: Sequence[str], *, layer: int, place: Any) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = rules.pooled(bench.base, bench.tokenizer, prompts, layer, place).numpy()
    return found


def fitted(
    read: Callable[[], Pipeline], prompts: Mapping[str, Sequence[str]], held: Mapping[str, Sequence[str]]
) -> Any:
    """A router: logistic regression whose penalty is the best on held-out prompts."""
    x, y = _flat(prompts)
    val, wanted = _flat(held)
    reader = read().fit(x)
    seen, unseen = reader.transform(x), reader.transform(val)
    best, found = -np.inf, None
    for strength in PENALTIES:
        head = LogisticRegression(C=strength, max_iter=2000).fit(seen, y)
        places = [list(head.classes_).index(name) for name in wanted]
        likely = head.predict_proba(unseen)[np.arange(len(val)), places]
        score = np.log(likely.clip(1e-12)).mean()
        if score > best:
            best, found = score, head
    return make_pipeline(reader, found)


def _flat(prompts: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    pairs = [(prompt, name) for name, some in prompts.items() for prompt in some]
    return [prompt for prompt, _ in pairs], [name for _, name in pairs]


def drawn(families: Sequence[str], count: int, draw: int, seed: int) -> dict[str, list[str]]:
    """Prompts of the training part to train a router on; no two draws and seeds have the same."""
    return {
        family: [e.prompt for e in task_families.examples(family, "train", count, (11, seed, draw, number))]
        for number, family in enumerate(families)
    }


def routed(bench: Bench) -> dict[str, Any]:
    """Routers between three and eight adapters.

    Returns:
        ``three`` and ``eight``: ``alone``, by what prompts are of, right answers of base and adapters by
        family, ``[1 + adapters][families]``; ``routers``: by what is read and how many examples, by what
        prompts are of, ``right`` (share of prompts sent to their own adapter) and ``exact`` (of right
        answers), ``[DRAWS][families]``.
    """
    found: dict[str, Any] = {}
    for name, families in (("three", list(TASKS)), ("eight", list(FAMILIES))):
        sets = ["test", *FORMS] if name == "three" else ["test"]
        prompts = {of: {f: [e.prompt for e in examples(of, f)] for f in families} for of in sets}
        answers = {of: _answers(bench, families, of) for of in sets}
        held = {f: [e.prompt for e in examples("validation", f)] for f in families}
        here: dict[str, Any] = {
            "alone": {of: [[round(r.mean(), 4) for r in row] for row in answers[of]] for of in sets},
            "routers": {},
        }
        for kind, read in features(bench).items():
            for count in EXAMPLES:
                some = [fitted(read, drawn(families, count, draw, bench.seed), held) for draw in range(DRAWS)]
                scores = {of: [_score(r, families, prompts[of], answers[of]) for r in some] for of in sets}
                here["routers"].setdefault(kind, {})[str(count)] = {
                    of: {"right": [a for a, _ in rows], "exact": [b for _, b in rows]}
                    for of, rows in scores.items()
                }
            print(name, kind, _means(here["routers"][kind], "test"), flush=True)
        found[name] = here
    return found


def _means(by_count: Mapping[str, Any], of: str) -> dict[str, float]:
    return {count: round(float(np.mean(rows[of]["right"])), 3) for count, rows in by_count.items()}


def _answers(bench: Bench, families: Sequence[str], of: str) -> list[list[np.ndarray[Any, Any]]]:
    """Right or wrong, prompt by prompt: of the base, then of each adapter; by family."""
    changes: list[Weights] = [{}]
    changes += [{name: one.delta for name, one in bench.adapters[f].items()} for f in families]
    found = []
    for change in changes:
        model = bench.put(change)
        rows = [graded(model, *encode(bench.tokenizer, examples(of, f))).right for f in families]
        found.append([row.numpy() for row in rows])
    return found


def _score(
    router: Any,
    families: Sequence[str],
    prompts: Mapping[str, Sequence[str]],
    answers: Sequence[Sequence[np.ndarray[Any, Any]]],
) -> tuple[list[float], list[float]]:
    right, exact = [], []
    for number, family in enumerate(families):
        picked = router.predict(list(prompts[family]))
        right.append(round(float((picked == family).mean()), 4))
        places = [1 + families.index(str(name)) for name in picked]
        exact.append(round(float(np.mean([answers[p][number][i] for i, p in enumerate(places)])), 4))
    return right, exact


def foreign(bench: Bench) -> dict[str, Any]:
    """How sure a router between three is of prompts that none of its adapters is for.

    Returns:
        ``by perplexity``: right choices of the adapter that finds the prompt itself likeliest, by task.
        By what is read: ``kept``, the share of own test prompts at or above the threshold that 95 % of own
        validation prompts pass, and by foreign family the share that passes, ``[DRAWS]`` each.
    """
    held = {f: [e.prompt for e in examples("validation", f)] for f in TASKS}
    own = [e.prompt for f in TASKS for e in examples("test", f)]
    strange = {
        f: [e.prompt for e in task_families.distinct(f, "test", OTHERS)]
        for f in (*TAGGED, *(name for name in DISTINCT if name not in TASKS))
    }
    found: dict[str, Any] = {"by perplexity": _by_perplexity(bench)}
    for kind, read in features(bench).items():
        rows: dict[str, list[float]] = {}
        for draw in range(DRAWS):
            router = fitted(read, drawn(list(TASKS), EXAMPLES[-1], draw, bench.seed), held)
            least = np.quantile(router.predict_proba(_flat(held)[0]).max(1), 0.05)
            for family, some in {"kept": own, **strange}.items():
                passed = router.predict_proba(some).max(1) >= least
                rows.setdefault(family, []).append(round(float(passed.mean()), 4))
        found[kind] = rows
        print("foreign", kind, {f: round(float(np.mean(r)), 2) for f, r in rows.items()}, flush=True)
    return found


def _by_perplexity(bench: Bench) -> list[float]:
    losses = []
    for family in TASKS:
        model = bench.put({name: one.delta for name, one in bench.adapters[family].items()})
        losses.append(
            [
                rules.prompt_losses(model, bench.tokenizer, [e.prompt for e in examples("test", f)])
                for f in TASKS
            ]
        )
    return [
        round((torch.stack([row[at] for row in losses]).argmin(0) == at).float().mean().item(), 4)
        for at in range(len(TASKS))
    ]


PARTS: Mapping[str, Callable[[Bench], Any]] = {
    "put together": put_together,
    "in pairs": in_pairs,
    "others added": others_added,
    "routed": routed,
    "foreign": foreign,
}
"""What is measured of each seed."""


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``[part][seed]``."""
    return results.stored(__file__)


def measure() -> Mapping[str, Any]:
    """The data set; every part is kept as soon as it is there."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {"format": 1, "seeds": list(SEEDS), "weights": [round(w, 4) for w in GRID]}
    for name in PARTS:
        found[name] = [_kept(name, seed) for seed in SEEDS]
    return found


def _kept(name: str, seed: int) -> Any:
    """What a part gave when it was last measured, or gives now."""
    file = work() / "parts" / f"adapters, {name}-{seed}.json"
    return results.kept(file, lambda: PARTS[name](Bench(seed, base_model(seed), trained(seed))))


if __name__ == "__main__":
    results.write(measure)

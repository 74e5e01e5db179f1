"""Every merging rule of ours that mergekit has too gives what mergekit's own run gives."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mergekit import sparsify
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from frontier_lab import hub
from frontier_lab.methods import merging
from frontier_lab.methods.merging import State

NAMES = ("one", "two", "three")
TOLERANCE = 1e-6


def tiny() -> LlamaForCausalLM:
    """A Llama with a tied head and odd sizes, its first weights drawn from the current seed."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=33,
            hidden_size=12,
            intermediate_size=20,
            num_hidden_layers=2,
            num_attention_heads=3,
            head_dim=4,
            tie_word_embeddings=True,
            initializer_range=0.3,
        )
    )


def parameters(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


class Models:
    """A base and three fine-tunes of it on disk, and what mergekit makes of them."""

    def __init__(self, folder: Path, base: State, tuned: dict[str, State]) -> None:
        self.folder, self.base, self.tuned = folder, base, tuned
        model = tiny()
        for name, state in {"base": base, **tuned}.items():
            with torch.no_grad():
                for key, parameter in model.named_parameters():
                    parameter.copy_(state[key])
            model.save_pretrained(folder / name)
        # As mergekit computes them: taken elsewhere, an entry at TIES's cut may fall on the other side.
        self.vectors = [merging.task_vector(base, state) for state in tuned.values()]

    def merge(
        self,
        method: str,
        names: tuple[str, ...] = NAMES,
        base: str | None = "base",
        each: dict[str, Any] | None = None,
        **settings: Any,
    ) -> dict[str, Tensor]:
        """Run mergekit and load its result."""
        weight = {"parameters": each} if each else {}
        config = {
            "merge_method": method,
            "models": [{"model": str(self.folder / name), **weight} for name in names],
            "dtype": "float32",
            **({"base_model": str(self.folder / base)} if base else {}),
            **({"parameters": settings} if settings else {}),
        }
        target = self.folder / "merged"
        options = MergeOptions(random_seed=0, quiet=True, copy_tokenizer=False, write_model_card=False)
        run_merge(MergeConfiguration.model_validate(config), str(target), options=options)
        return parameters(hub.load(str(target)))


def drawn() -> tuple[State, dict[str, State]]:
    """A base and three fine-tunes of it, drawn at random."""
    torch.manual_seed(0)
    base = parameters(tiny())
    tuned = {name: {k: t + 0.05 * torch.randn(t.shape) for k, t in base.items()} for name in NAMES}
    return base, tuned


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("mergekit"), *drawn())


def assert_same(ours: State, theirs: State) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert (tensor - theirs[name]).abs().max().item() <= TOLERANCE, name


def test_linear(models: Models) -> None:
    tuned = list(models.tuned.values())
    assert_same(merging.average(tuned), models.merge("linear", base=None, each={"weight": 1.0}))
    assert_same(
        merging.linear([models.base, tuned[0]], [0.5, 0.5]),
        models.merge("linear", names=("base", "one"), base=None, each={"weight": 0.5}),
    )


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_slerp(models: Models, t: float) -> None:
    ours = merging.slerp(models.tuned["one"], models.tuned["two"], t)
    assert_same(ours, models.merge("slerp", names=("one", "two"), base="one", t=t))


def test_nuslerp(models: Models) -> None:
    ours = merging.nuslerp(models.base, models.vectors[0], models.vectors[1], 0.5)
    assert_same(ours, models.merge("nuslerp", names=("one", "two"), each={"weight": 0.5}))


@pytest.mark.parametrize("coefficient", [0.8, -0.5])
def test_task_arithmetic(models: Models, coefficient: float) -> None:
    ours = merging.add(models.base, models.vectors, coefficient)
    assert_same(ours, models.merge("task_arithmetic", each={"weight": coefficient}))


def test_task_arithmetic_that_leaves_the_embedding_out(models: Models) -> None:
    vectors = [merging.without(vector, "embed_tokens") for vector in models.vectors]
    weight = [{"filter": "embed_tokens", "value": 0.0}, {"value": 0.8}]
    merged = models.merge("task_arithmetic", each={"weight": weight})
    assert_same(merging.add(models.base, vectors, 0.8), merged)
    assert torch.equal(merged["model.embed_tokens.weight"], models.base["model.embed_tokens.weight"])


@pytest.mark.parametrize("density", [0.1, 0.2, 0.5, 1.0])
def test_ties(models: Models, density: float) -> None:
    ours = merging.add(models.base, [merging.ties(models.vectors, density)], 1.5)
    each = {"density": density, "weight": 1.0}
    assert_same(ours, models.merge("ties", each=each, normalize=True, **{"lambda": 1.5}))


@pytest.mark.parametrize("density", [0.1, 0.2, 0.5, 1.0])
def test_ties_of_entries_that_are_equal_or_cancel(tmp_path: Path, density: float) -> None:
    base, tuned = drawn()
    steps = [
        {name: (64 * tensor).round() / 64 for name, tensor in s.items()} for s in (base, *tuned.values())
    ]
    coarse = Models(tmp_path, steps[0], dict(zip(NAMES, steps[1:], strict=True)))
    entries = torch.stack([vector["model.embed_tokens.weight"] for vector in coarse.vectors])
    balanced = (entries.sum(0) == 0) & (entries != 0).any(0)
    assert len(entries.unique()) < 50
    assert balanced.sum() > 10
    ours = merging.add(coarse.base, [merging.ties(coarse.vectors, density)], 1.5)
    each = {"density": density, "weight": 1.0}
    assert_same(ours, coarse.merge("ties", each=each, normalize=True, **{"lambda": 1.5}))


def test_model_stock(models: Models) -> None:
    assert_same(merging.model_stock(models.base, list(models.tuned.values())), models.merge("model_stock"))


@pytest.mark.parametrize("drop", [0.1, 0.5, 0.9])
def test_dare_drops_and_rescales(models: Models, drop: float) -> None:
    for seed, tensor in enumerate(models.vectors[0].values()):
        torch.manual_seed(seed)
        theirs = sparsify.bernoulli(tensor, 1 - drop, sparsify.RescaleNorm.l1)
        ours = merging.dare({"w": tensor}, drop, seed, rescale="norm")["w"]
        assert (ours - theirs).abs().max().item() <= TOLERANCE


def own_masks(tensor: Tensor, density: float, rescale_norm: Any = None) -> Tensor:
    """mergekit's dropping with masks that depend on the tensor alone, not on the order of the run."""
    assert rescale_norm == sparsify.RescaleNorm.l1
    return merging.dare({"w": tensor}, 1 - density, checksum(tensor), rescale="norm")["w"]


def checksum(tensor: Tensor) -> int:
    return zlib.crc32(tensor.detach().contiguous().numpy().tobytes())


@pytest.mark.parametrize(
    ("method", "together"),
    [
        ("dare_linear", lambda base, thinned: merging.add(base, thinned, 1.0)),
        ("dare_ties", lambda base, thinned: merging.add(base, [merging.elect(thinned, mean=False)], 1.0)),
    ],
)
def test_dare_sums_or_elects(
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    together: Callable[[State, list[State]], State],
) -> None:
    monkeypatch.setattr(sparsify, "bernoulli", own_masks)
    merged = models.merge(method, each={"density": 0.4, "weight": 1.0})
    thinned: list[State] = [
        {n: merging.dare({"w": t}, 0.6, checksum(t), rescale="norm")["w"] for n, t in vector.items()}
        for vector in models.vectors
    ]
    assert_same(together(models.base, thinned), merged)


def test_dividing_by_the_share_kept_is_not_what_mergekit_does(models: Models) -> None:
    norm = models.vectors[0]["model.norm.weight"]  # 12 entries
    ours = [merging.dare({"w": norm}, 0.5, 3, rescale=how)["w"] for how in ("share", "norm")]
    assert torch.equal(ours[0] == 0, ours[1] == 0)
    assert (ours[0] / ours[1]).nan_to_num(1.0).sub(1).abs().max() > 0.02

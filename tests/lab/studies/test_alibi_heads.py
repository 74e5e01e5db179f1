"""ALiBi's heads one by one: the models are the manifest's own, and what is kept is what was measured."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from frontier_lab import zoo
from frontier_lab.methods.long_context import with_alibi
from frontier_lab.studies import alibi_heads
from frontier_lab.zoo.families import short_context
from frontier_lab.zoo.families.short_context import BUCKETS, CONTEXT, DISTANCES
from frontier_lab.zoo.training.recipe import SEEDS

STORED = alibi_heads.stored()


def test_every_condition_has_every_seed_and_every_measure() -> None:
    assert STORED["seeds"] == list(SEEDS)
    losses = {f"loss_{first}_{end}" for first, end in BUCKETS}
    recalls = {f"recall_{n}" for n in DISTANCES}
    long = {f"long_{first}_{end}" for first, end in alibi_heads.LONG}
    assert [set(run) for run in STORED["cut"]] == [losses] * len(SEEDS)
    measured = set(STORED) - {"format", "seeds", "cut"}
    assert {*measured, "cut"} == set(alibi_heads.CONDITIONS)
    for condition in measured:
        order = {f"{which}_{n}" for which in ("newest", "oldest") for n in alibi_heads.asked(condition)}
        wanted = losses | recalls | order | (long if condition in alibi_heads.LONGER else set())
        assert [set(run) for run in STORED[condition]] == [wanted] * len(SEEDS)


@pytest.mark.parametrize(
    ("model", "condition", "known_as"),
    [
        ("bloom", "base", "base"),
        ("bloom", "all", "slopes_4"),
        ("bloom", "window_32", "window_32"),
        ("llama", "rope", "base"),
        ("llama", "yarn", "yarn_s8"),
        ("llama", "yarn_tuned", "yarn_s8_tuned"),
    ],
)
def test_the_models_are_those_of_the_manifest(model: str, condition: str, known_as: str) -> None:
    """Seed 0 is kept in half precision, and trained again the others round as this machine does."""
    findings = zoo.manifest()[model]["findings"]
    for seed, run in enumerate(STORED[condition]):
        for name in run.keys() & findings.keys():
            assert run[name] == pytest.approx(findings[name][known_as][seed], abs=0.03)


def test_the_order_measured_again_is_the_stored_one(tmp_path: Path) -> None:
    """Of the committed seed, capped: the newer value 60 back, about even with the older one."""
    capped = with_alibi(alibi_heads.trained(0, tmp_path), **alibi_heads.CHANGES["cap"])
    for name, share in alibi_heads.order(capped, [60]).items():
        assert share == pytest.approx(STORED["cap"][0][name], abs=0.02)


def test_what_is_done_to_far_keys_leaves_the_trained_length_alone() -> None:
    assert alibi_heads.CAP == CONTEXT - 1
    for condition in ("cap", *(f"far_{far}" for far in alibi_heads.FAR)):
        for plain, capped in zip(STORED["base"], STORED[condition], strict=True):
            assert capped["loss_0_64"] == pytest.approx(plain["loss_0_64"], abs=2e-5)
            assert capped["loss_256_512"] != plain["loss_256_512"]


def test_what_is_stored_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {name: found for name, found in STORED.items() if name != "three"}
    asked: list[list[str]] = []

    def each_seed(_: Path, measured: partial[object]) -> list[dict[str, dict[str, float]]]:
        asked.append(measured.args[0])
        return [{"three": run} for run in STORED["three"]]

    monkeypatch.setattr(alibi_heads, "stored", lambda: stored)
    monkeypatch.setattr(short_context, "each_seed", each_seed)
    assert alibi_heads.measure() == STORED
    assert asked == [["three"]]


def test_the_longest_distance_is_met_but_never_scored(tmp_path: Path) -> None:
    """What ``CAP`` says of itself: no loss reaches the query that meets it."""
    model = alibi_heads.trained(0, tmp_path)
    windows = short_context.batch(0, 0, short_context.SCHEDULE)[:4]
    embedded = model.get_input_embeddings()(windows).detach().requires_grad_()
    model(inputs_embeds=embedded, labels=windows).loss.backward()
    assert embedded.grad is not None
    assert (embedded.grad[:, alibi_heads.CAP] == 0).all()
    assert (embedded.grad[:, alibi_heads.CAP - 1] != 0).any()


def test_changes_of_heads_that_exclude_each_other_leave_the_others_alone() -> None:
    steep, gentle = (alibi_heads.CHANGES[name]["divide"] for name in ("steep", "gentle_free"))
    for one, other in zip(steep, gentle, strict=True):
        assert [(a == 1) != (b == 1) for a, b in zip(one, other, strict=True)] == [True] * 4

"""What a page measures again: golden numbers as they are now, and a claim of the book for every measure."""

from __future__ import annotations

import base64
import json
import re

import golden_claims
import numpy as np
import pytest
from golden_claims import FILE, golden

from frontier_lab.claims.ledger import read
from frontier_lab.figure_data import browser_models

ROOT = FILE.parents[3]
MEANS = ("t", "paired t", "bootstrap", "Agresti Min")
"""Methods whose number is a mean over units, which is what the page computes."""

CLAIMS = ROOT / "widgets" / "src" / "claims"


def same(found: object, wanted: object) -> bool:
    """Equal but for rounding of numbers."""
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and found.keys() == wanted.keys()
            and all(same(found[key], wanted[key]) for key in wanted)
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(wanted, float):
        return bool(np.isclose(float(found), wanted, rtol=1e-4, atol=1e-4))  # type: ignore[arg-type]
    return found == wanted


def test_the_golden_numbers_are_those_of_the_models_and_rules_as_they_are() -> None:
    assert same(json.loads(json.dumps(golden())), json.loads(FILE.read_text("utf8")))


def test_every_measure_belongs_to_a_claim_whose_metric_it_repeats_and_has_words_in_both_languages() -> None:
    words = json.loads((CLAIMS / "measures.json").read_text("utf8"))
    assert all(text.keys() == {"zh", "en"} for text in words.values())
    registry = (CLAIMS / "measures" / "registry.ts").read_text("utf8")
    coded = re.findall(r'^  "([a-z0-9-]+)": ', registry, re.M)
    assert sorted(words) == sorted(coded)
    known = {record.name: record for record in read(ROOT / "book")}
    assert words.keys() <= known.keys()
    for name in words:
        assert known[name].claim.estimate.method in MEANS


@pytest.mark.parametrize("name", browser_models.TEXTS)
def test_a_page_gets_the_held_out_text_of_a_checkpoint(name: str) -> None:
    script = browser_models.texts_script(name)
    head = "window.frontierTexts=Object.assign(window.frontierTexts||{},"
    entry = json.loads(script.removeprefix(head)[:-3])[name]
    assert len(script) < 200_000
    if name == "llama":
        values = {token for row in entry["ledger"]["values"] for token in row}
        text = np.frombuffer(base64.b64decode(entry["streams"][0]), "<u2")
        assert len(text) > 10_000
        assert not values & set(text.tolist())
    else:
        assert len(entry["streams"]) == 3


def test_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted one of"):
        browser_models.texts_script("gpt2")


def test_recorded_draws_are_those_of_the_generator_itself() -> None:
    recorder, plain = golden_claims.Recorder(3), np.random.default_rng(3)
    assert recorder.integers(0, 9) == plain.integers(0, 9)
    assert recorder.permutation([5, 7, 9]).tolist() == plain.permutation([5, 7, 9]).tolist()

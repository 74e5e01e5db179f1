"""A claim is judged on its whole interval, as computed and as printed, and its line reads back as it was."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontier_lab.claims import (
    Claim,
    Estimate,
    RefutedError,
    claim,
    exact,
    paired,
    parse,
    ratio,
    share,
)
from frontier_lab.claims.estimates import NULLS, UNITS
from frontier_lab.claims.statements import read_statement

METHODS = sorted(set(NULLS) - {"exact"})
numbers = st.floats(-1e6, 1e6, allow_nan=False)
words = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
bounds = st.integers(-300, 300).map(lambda hundredths: f"{hundredths / 100:.2f}")


@st.composite
def statements(draw: Callable[..., Any]) -> str:
    """A statement about ``effect``."""
    first, second = sorted((float(draw(bounds)), float(draw(bounds))))
    forms = [f"effect {sign} {second:.2f}" for sign in (">", ">=", "<", "<=", "=")]
    if second > 0:
        forms.append(f"abs(effect) < {second:.2f}")
    if first < second:
        forms.append(f"{first:.2f} < effect < {second:.2f}")
    return str(draw(st.sampled_from(forms)))


@st.composite
def sampled(draw: Callable[..., Any], size: st.SearchStrategy[float] = numbers) -> Estimate:
    """An estimate of any method but an exact one."""
    low, value, high = sorted(draw(st.lists(size, min_size=3, max_size=3)))
    detectable = draw(st.none() | st.floats(0.001, 5))
    n, unit, method = (
        draw(st.integers(1, 10**5)),
        draw(st.sampled_from(sorted(UNITS))),
        draw(st.sampled_from(METHODS)),
    )
    return Estimate(value, low, high, n, unit, method, detectable)


@st.composite
def claims(draw: Callable[..., Any]) -> Claim:
    """A claim that a page could make."""
    estimate = draw(sampled() | numbers.map(exact))
    statement = draw(statements().filter(lambda text: not text.startswith("abs")))
    name = draw(st.from_regex(r"[a-z0-9]+(-[a-z0-9]+){0,2}", fullmatch=True))
    baseline = draw(st.none() | numbers | st.integers(-1000, 1000))
    values = draw(st.dictionaries(words, numbers | st.integers(-(10**9), 10**9), max_size=4))
    return Claim(name, statement, estimate, baseline, values, draw(st.integers(0, 4)))


@given(claims())
def test_a_line_reads_back_as_the_claim_that_it_prints(made: Claim) -> None:
    kept = parse(made.line())
    assert kept.line() == made.line()
    assert parse(kept.line()) == kept
    assert (kept.name, kept.statement) == (made.name, made.statement)
    half = 0.5 * 10**-made.digits * (1 + 1e-9) + 1e-9
    for field in ("value", "low", "high"):
        assert getattr(kept.estimate, field) == pytest.approx(getattr(made.estimate, field), abs=half)
    for field in ("n", "unit", "method"):
        assert getattr(kept.estimate, field) == getattr(made.estimate, field)
    assert kept.values == pytest.approx(dict(made.values), abs=half)
    assert (kept.baseline is None) == (made.baseline is None)


def true_of(statement: str, number: float) -> bool:
    """The statement as Python understands it: another reading than that of the judge."""
    return bool(eval(statement.replace(" = ", " == "), {"effect": number, "abs": abs}))


@settings(max_examples=500)
@given(statements(), sampled(st.integers(-400, 400).map(lambda hundredths: hundredths / 100)))
def test_no_statement_passes_that_the_interval_crosses(statement: str, estimate: Estimate) -> None:
    if statement.startswith("abs") and NULLS[estimate.method] != 0:
        with pytest.raises(ValueError, match="wanted both bounds"):
            Claim("a", statement, estimate)
        return
    made = Claim("a", statement, estimate)
    holds = all(true_of(statement, number) for number in (estimate.low, estimate.value, estimate.high))
    try:
        made.judge()
    except RefutedError:
        assert not holds or made.says_no_difference
    else:
        assert holds


@settings(max_examples=500)
@given(
    st.sampled_from(
        ["effect > 0.20", "effect >= 0.20", "effect < 0.20", "effect <= 0.20", "0.20 < effect < 0.40"]
    ),
    sampled(st.floats(0.15, 0.45)),
    st.integers(0, 3),
)
def test_what_is_printed_holds_unrounded_too(statement: str, estimate: Estimate, digits: int) -> None:
    try:
        claim("a", statement, estimate, digits=digits)
    except RefutedError:
        return
    assert true_of(statement, estimate.low)
    assert true_of(statement, estimate.high)


@pytest.mark.parametrize(
    ("statement", "low", "high"),
    [("share >= 0.20", 0.196, 0.3), ("share <= 0.20", 0.1, 0.204), ("share > 0.20", 0.2004, 0.3)],
)
def test_rounding_makes_nothing_true(statement: str, low: float, high: float) -> None:
    with pytest.raises(RefutedError, match="of the whole interval"):
        claim("a", statement, Estimate((low + high) / 2, low, high, 9, "word", "t"))


def test_equal_means_equal_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    claim("a", "loss = 4.21", exact(4.2087))
    assert capsys.readouterr().out == "✓ a | loss = 4.21 | 4.21 exact\n"
    with pytest.raises(RefutedError):
        claim("a", "loss = 4.21", exact(4.2187))
    with pytest.raises(RefutedError):
        claim("a", "loss = 4.21", Estimate(4.21, 4.2, 4.22, 9, "word", "t"))


def test_no_difference_needs_a_sample_that_could_have_shown_one(capsys: pytest.CaptureFixture[str]) -> None:
    claim("a", "abs(difference) < 0.05", Estimate(0.0, -0.01, 0.01, 9, "text", "paired t", 0.02))
    assert ", sees 0.02" in capsys.readouterr().out
    for detectable in (0.06, None):
        blind = Estimate(0.0, -0.01, 0.01, 9, "text", "paired t", detectable)
        for statement in ("abs(difference) < 0.05", "-0.05 < difference < 0.05"):
            with pytest.raises(RefutedError, match="9 texts would have shown"):
                Claim("a", statement, blind).judge()
    Claim("a", "0.01 < difference < 0.05", Estimate(0.03, 0.02, 0.04, 9, "text", "paired t", 0.06)).judge()


def test_no_difference_of_a_ratio_is_one_within_both_bounds() -> None:
    near = Estimate(1.0, 0.95, 1.05, 9, "text", "paired t of logs", 1.08)
    Claim("a", "0.9 < ratio < 1.1", near).judge()
    assert ", sees 1.08" in Claim("a", "0.9 < ratio < 1.1", near).line()
    with pytest.raises(RefutedError, match=r"would have shown 1\.08"):
        Claim("a", "0.94 < ratio < 1.1", near).judge()  # 1 / 1.08 is below
    with pytest.raises(ValueError, match="paired t of logs, no difference"):
        Claim("a", "abs(ratio) < 1.1", near)
    with pytest.raises(ValueError, match="Wilson, no difference"):
        Claim("a", "abs(share) < 0.5", share([0, 0, 1], "word"))


def test_a_claim_prints_one_line_and_nothing_when_it_is_refuted(capsys: pytest.CaptureFixture[str]) -> None:
    after, before = [0.95, 0.97, 0.99], [0.70, 0.71, 0.75]
    claim("far-recall", "difference > 0.1", paired(after, before, "seed"), baseline=0.7, yarn=0.95, factor=8)
    assert capsys.readouterr().out == (
        "✓ far-recall | difference > 0.1 | 0.25 [0.23, 0.27] | n = 3 seeds, paired t | baseline 0.70 "
        "| yarn 0.95, factor 8\n"
    )
    with pytest.raises(RefutedError, match=r"far-recall: got 0.25, interval 0.23 to 0.27, wanted"):
        claim("far-recall", "difference > 0.24", paired(after, before, "seed"))
    assert capsys.readouterr().out == ""


def test_numbers_print_as_what_they_are() -> None:
    import numpy as np

    values = {"whole": np.int64(8), "part": np.float32(0.5), "none": -0.001}
    made = Claim("a", "count = 3", exact(3), baseline=2, values=values)
    assert made.line() == "✓ a | count = 3 | 3.00 exact | baseline 2 | whole 8, part 0.50, none 0.00"
    assert Claim("a", "count = 3", exact(3), digits=0).line() == "✓ a | count = 3 | 3 exact"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Claim("Far", "x > 1", exact(2)), "name: got 'Far'"),
        (lambda: Claim("far--recall", "x > 1", exact(2)), "name: got"),
        (lambda: Claim("a", "x is large", exact(2)), "statement: got 'x is large'"),
        (lambda: Claim("a", "x > 1e3", exact(2)), "statement: got"),
        (lambda: Claim("a", "0.4 < x < 0.2", exact(2)), "wanted the lower bound first"),
        (lambda: Claim("a", "0.2 < x < 0.2", exact(2)), "wanted the lower bound first"),
        (lambda: Claim("a", "abs(x) < -1", exact(2)), "wanted the lower bound first"),
        (lambda: Claim("a", "x > 1", exact(2), values={"found": True}), "found: got True"),
        (lambda: Claim("a", "x > 1", exact(2), values={"loss": math.nan}), "loss: got nan"),
        (lambda: parse("✓ 28.1.1-1"), "wanted one that `claim` printed"),
        (lambda: parse("✓ a | x > 1 | 2 [1, 3]"), "wanted an interval with what it is over"),
        (lambda: parse("✓ a | x > 1 | 2 exact | n = 3 seeds, t"), "wanted an interval with what it is over"),
        (lambda: parse("✓ a | x > 1 | 2 [1, 3] | n = 3 tokens, t"), "got the unit 'tokens'"),
        (lambda: parse("✓ a | x > 1 | 2 [1, 3] | n = 3 seeds, magic"), "got the method 'magic'"),
        (lambda: parse("✓ a | x > 1 | 4 [1, 3] | n = 3 seeds, t"), "outside its interval"),
    ],
)
def test_what_cannot_be_read_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_statement_says_where_the_interval_lies() -> None:
    assert read_statement("far recall > -0.5").low == -0.5
    assert math.isinf(read_statement("x <= 2").low)
    assert read_statement("x <= 2").closed
    assert read_statement("abs(x) < 0.1").is_absolute


def test_a_ratio_of_equal_logarithms_is_refused() -> None:
    with pytest.raises(ValueError, match="equal numbers"):
        ratio([2.0, 4.0, 8.0], [1.0, 2.0, 4.0], "text")


def test_the_ledger_is_imported_without_torch_in_a_second_and_a_half() -> None:
    code = "import frontier_lab.claims.ledger, sys, time; print('torch' in sys.modules, time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    torch, seconds = done.stdout.split()
    assert torch == "False"
    assert float(seconds) < 1.5  # of the processor, which others use at the same time

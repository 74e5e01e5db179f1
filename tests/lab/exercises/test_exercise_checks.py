"""Exercises: a circle for a stub, a tick for what is right, a hint in two languages for what is wrong."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from typing import Any

import exercise_answers
import pytest
import torch

from frontier_lab import exercises
from frontier_lab.exercises import check

PAGES = [
    importlib.import_module(f"exercise_answers.{module.name}")
    for module in pkgutil.iter_modules(exercise_answers.__path__)
]
RIGHT = [case for page in PAGES for case in page.RIGHT]
WRONG = [case for page in PAGES for case in page.WRONG]
NAMES = sorted({name for name, _ in RIGHT})


def unwritten(*_: Any) -> None:
    raise NotImplementedError


def test_every_exercise_is_tested_here() -> None:
    assert set(exercises.CHECKS) == set(NAMES) == {case[0] for case in WRONG}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stub", [lambda *_: None, lambda *_: ..., unwritten], ids=["None", "dots", "raises"])
def test_a_stub_prints_a_circle(
    name: str, stub: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    check(name, stub)
    assert capsys.readouterr().out == f"○ {name}：尚未完成 / not done yet\n"


@pytest.mark.parametrize(("name", "solution"), RIGHT)
def test_a_right_solution_prints_a_tick(
    name: str, solution: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    check(name, solution)
    assert capsys.readouterr().out == f"✓ {name}\n"


@pytest.mark.parametrize(("name", "mistake", "zh", "en"), WRONG)
def test_a_typical_mistake_is_refused_with_a_hint_in_both_languages(
    name: str, mistake: Callable[..., Any], zh: str, en: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError, match=re.escape(zh)) as caught:
        check(name, mistake)
    chinese, english = str(caught.value).split("\n")
    assert zh in chinese
    assert en in english
    assert capsys.readouterr().out == ""


def test_a_crash_in_the_readers_code_is_theirs_to_see() -> None:
    with pytest.raises(ZeroDivisionError):
        check("28.2.1-1", lambda config: (1 // 0, 1))


@pytest.mark.parametrize(("name", "solution"), RIGHT)
def test_a_check_leaves_the_readers_random_numbers_alone(name: str, solution: Callable[..., Any]) -> None:
    before = torch.get_rng_state()
    check(name, solution)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unknown_exercise_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"name: got '28\.9\.9-1', wanted one of 28\.1\.1-1, "):
        check("28.9.9-1", unwritten)

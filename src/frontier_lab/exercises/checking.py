"""What an exercise and its check are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]
CHECKS: dict[str, Callable[[Function], None]] = {}


class NotDoneYet(Exception):
    """The stub still returns nothing."""


def register(name: str) -> Callable[[Callable[[Function], None]], Callable[[Function], None]]:
    """Make a function the check of exercise ``name``."""

    def keep(function: Callable[[Function], None]) -> Callable[[Function], None]:
        CHECKS[name] = function
        return function

    return keep


def answer(function: Function, *arguments: Any) -> Any:
    """Call a reader's function; ``None`` and ``...`` mean that it is not written yet.

    Raises:
        NotDoneYet: it is not.
    """
    try:
        value = function(*arguments)
    except NotImplementedError:
        raise NotDoneYet from None
    if value is None or value is ...:
        raise NotDoneYet
    return value


def wrong(zh: str, en: str) -> AssertionError:
    """The error of a wrong answer, in both languages."""
    return AssertionError(f"{zh}\n{en}")


def check(name: str, function: Function) -> None:
    """Check a reader's answer.

    Args:
        name: of the exercise, such as ``"28.2.1-1"``.
        function: the reader's.

    Raises:
        AssertionError: the answer is wrong; the message says how, in Chinese and English.
        ValueError: there is no such exercise.
    """
    if name not in CHECKS:
        raise ValueError(f"name: got {name!r}, wanted one of {', '.join(sorted(CHECKS))}")
    try:
        CHECKS[name](function)
    except NotDoneYet:
        print(f"○ {name}：尚未完成 / not done yet")
        return
    print(f"✓ {name}")

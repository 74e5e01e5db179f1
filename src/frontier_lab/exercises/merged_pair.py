"""Exercises of 28.7.2, the case of two fine-tunes merged into one."""

from __future__ import annotations

import math

import numpy as np

from .checking import Function, answer, register, wrong


@register("28.7.2-1")
def _on_the_arc(function: Function) -> None:
    """``on_the_arc(t, cosine)``: what the two vectors at the ends of an arc are multiplied by at place t."""
    for t, cosine in ((0.5, 0.0), (0.25, 0.0), (0.5, -0.2), (0.3, 0.6), (0.5, 1.0), (0.2, 1.0)):
        found = answer(function, t, cosine)
        angle = math.acos(cosine)
        arc = (math.sin((1 - t) * angle), math.sin(t * angle))
        wanted = np.array(arc) / math.sin(angle) if angle else np.array([1 - t, t])
        pair = np.asarray(found, float)
        if pair.shape != (2,):
            raise wrong("应返回两个数。", "Return two numbers.")
        if not np.isfinite(pair).all():
            raise wrong(
                "两个向量同方向时夹角是 0，除以 sin 0 没有意义：那时弧就是直线。",
                "Of vectors in one direction the angle is 0, and dividing by its sine means nothing: "
                "the arc is a line there.",
            )
        if np.allclose(pair, wanted[::-1]) and not np.allclose(pair, wanted):
            raise wrong(
                "两个数的次序反了：t = 0 时全是第一个。", "In the other order: at t = 0 all is the first."
            )
        if np.allclose(pair, [1 - t, t]) and not np.allclose(pair, wanted):
            raise wrong(
                "这是直线；弧上的两个系数，加起来不等于 1。",
                "That is the line; on an arc the two do not sum to 1.",
            )
        if not np.allclose(pair, wanted):
            raise wrong(
                f"t = {t}、夹角余弦 {cosine}：应为 {wanted.round(3)}，得到 {pair.round(3)}。",
                f"At t = {t} and a cosine of {cosine} it is {wanted.round(3)}, not {pair.round(3)}.",
            )


@register("28.7.2-2")
def _crossing(function: Function) -> None:
    """``crossing(places, one, other)``: where two curves cross, on straight lines between their points."""
    places = [0.0, 0.25, 0.5, 0.75, 1.0]
    cases = (
        ([0.9, 0.8, 0.6, 0.3, 0.1], [0.1, 0.2, 0.4, 0.7, 0.9], 7 / 12),
        ([0.8, 0.8, 0.7, 0.2, 0.0], [0.0, 0.4, 0.9, 0.9, 0.9], 5 / 12),
        ([0.8, 0.6, 0.5, 0.4, 0.2], [0.1, 0.3, 0.5, 0.6, 0.9], 0.5),
    )
    for one, other, wanted in cases:
        found = float(answer(function, list(places), list(one), list(other)))
        near = np.abs(np.subtract(one, other))
        if found != wanted and found in np.array(places)[near == near.min()]:
            raise wrong(
                "这是两条线离得最近的格点；交点在两个格点之间，按直线算出来。",
                "That is the point where the curves are nearest; they cross between two points, on straight "
                "lines.",
            )
        if not math.isclose(found, wanted, abs_tol=1e-5):
            raise wrong(f"应为 {wanted:.3f}，得到 {found:.3f}。", f"It is {wanted:.3f}, not {found:.3f}.")


@register("28.7.2-3")
def _kept(function: Function) -> None:
    """``kept(expert, merged)``: shares that the merge answers of what the expert does, and does not."""
    expert = np.array([1, 1, 1, 1, 0, 0, 0, 1, 1, 0], bool)
    merged = np.array([1, 0, 1, 0, 0, 1, 0, 1, 1, 0], bool)
    found = answer(function, expert.copy(), merged.copy())
    pair = np.asarray(found, float)
    wanted = np.array([4 / 6, 1 / 4])
    if pair.shape != (2,):
        raise wrong("应返回两个份额。", "Return two shares.")
    if np.allclose(pair, [0.4, 0.1]):
        raise wrong(
            "分母不是全部的题：一个是专家答对的题数，一个是专家答错的题数。",
            "Not of all prompts: one is of those that the expert answers, the other of those it does not.",
        )
    if np.allclose(pair, wanted[::-1]):
        raise wrong("两个数的次序反了。", "In the other order.")
    if not np.allclose(pair, wanted):
        raise wrong(
            f"应为 {wanted.round(2)}，得到 {pair.round(2)}：一题一题地对。",
            f"It is {wanted.round(2)}, not {pair.round(2)}: compare prompt by prompt.",
        )

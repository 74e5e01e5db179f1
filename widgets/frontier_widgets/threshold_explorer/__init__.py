"""ThresholdExplorer: what two filters of harmful text let through and block, at thresholds that one moves."""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets as t

from ..components import component
from ..records import Records
from .decisions import HIGHEST, LOWEST, NEVER, Bits, Rates, Scores, combined, decode, rates

COMPONENT = component("ThresholdExplorer")
FILTERS = ("bert", "heads")
PARTS = {
    "seen": ("seen",),
    "unseen": ("unseen",),
    "own": ("plain", "hard", "insult", "threat", "obscene", "identity_attack"),
    "corpus": ("corpus",),
}
"""Sentences that are counted together, by the kinds of the data set."""

NO_GROUP = 255


def _traits(data: Mapping[str, Any]) -> dict[str, Any]:
    values = COMPONENT.filled(data)
    if absent := [name for name in FILTERS if name not in data["filters"]]:
        raise ValueError(f"filters: got none named {', '.join(absent)}, wanted {' and '.join(FILTERS)}")
    wanted = {kind for kinds in PARTS.values() for kind in kinds}
    if absent := sorted(wanted - set(data["kind_labels"])):
        raise ValueError(f"kind_labels: got none for {', '.join(absent)}, wanted every kind of sentences")
    sentences, labels = len(b64decode(data["kinds"])), len(data["labels"])
    for name in ("truth", "groups"):
        if (found := len(b64decode(data[name]))) != sentences:
            raise ValueError(f"{name}: got {found} bytes, wanted {sentences}")
    for each in data["filters"].values():
        decode(b64decode(each["scores"]), sentences, labels)
    return values


class ThresholdExplorer(Records, anywidget.AnyWidget):  # type: ignore[misc]
    """Two filters of harmful text, and what their thresholds let through and block.

    ``ThresholdExplorer()`` shows what this book's two filters gave for its sentences; no sentence and no
    model is in it. A text is blocked where some label's probability reaches the label's threshold. With a
    kernel, choices can be read back: :attr:`thresholds`, :meth:`rates`, :meth:`to_frame`.

    Args:
        data: another data set of the form that ``frontier_lab.figure_data.threshold_explorer`` builds.
        **state: initial values of the traits below.

    Attributes:
        filter: ``"bert"`` or ``"heads"``.
        part: the sentences beside those of seen templates: ``"unseen"``, ``"own"`` or ``"corpus"``.
        threshold: a probability; that of every label whose shift is 0.
        shifts: logits by which the threshold of each label lies above it; 16 for a label that never blocks.
        calibrated: whether the data set's sigmoids make the probabilities.
        prevalence: share of harmful texts where the filter is used.
        ratio: what a harmful text that is let through costs, a harmless one that is blocked costing 1.
        curve: ``"roc"`` or ``"pr"``.
        story: step of the guided tour, -1 for none.
        view: ``"figure"`` or ``"table"``.
        language: ``"zh"``, ``"en"``, or ``""`` for the page's own.

    Raises:
        ValueError: data that does not fit; the message names what.
        traitlets.TraitError: a state out of range.
    """

    _esm = COMPONENT.esm_path
    _css = COMPONENT.css_path

    labels = t.List(t.Unicode()).tag(sync=True)
    kind_labels = t.Dict().tag(sync=True)
    kinds = t.Unicode().tag(sync=True)
    truth = t.Unicode().tag(sync=True)
    group_labels = t.List(t.Unicode()).tag(sync=True)
    groups = t.Unicode().tag(sync=True)
    filters = t.Dict().tag(sync=True)
    data_sha256 = t.Unicode().tag(sync=True)

    filter = t.Enum(FILTERS, default_value="bert").tag(sync=True)
    part = t.Enum(("unseen", "own", "corpus"), default_value="own").tag(sync=True)
    threshold = t.Float(0.5).tag(sync=True)
    shifts = t.List(t.Float(), default_value=[0, 0, 0, 0, 0]).tag(sync=True)
    calibrated = t.Bool(False).tag(sync=True)
    prevalence = t.Float(0.01).tag(sync=True)
    ratio = t.Float(5.0).tag(sync=True)
    curve = t.Enum(("roc", "pr"), default_value="roc").tag(sync=True)
    story = t.Int(-1, min=-1, max=99).tag(sync=True)
    view = t.Enum(("figure", "table"), default_value="figure").tag(sync=True)
    language = t.Enum(("", "zh", "en"), default_value="").tag(sync=True)

    def __init__(self, data: Mapping[str, Any] | None = None, **state: Any) -> None:
        unknown = sorted(set(state) - set(self.class_trait_names()))
        if unknown:
            raise TypeError(f"{unknown[0]} is not an argument of ThresholdExplorer")
        given = COMPONENT.published if data is None else data
        digest = COMPONENT.data_sha256 if data is None else ""
        super().__init__(**{**_traits(given), "data_sha256": digest, **state})

    @t.validate("threshold", "prevalence")  # type: ignore[untyped-decorator]
    def _share(self, proposal: Any) -> Any:
        if not 0 < proposal["value"] < 1:
            name = proposal["trait"].name
            raise t.TraitError(f"{name}: got {proposal['value']}, wanted a share between 0 and 1")
        return proposal["value"]

    @t.validate("ratio")  # type: ignore[untyped-decorator]
    def _positive(self, proposal: Any) -> Any:
        if not 0 < proposal["value"] < math.inf:
            raise t.TraitError(f"ratio: got {proposal['value']}, wanted a number above 0")
        return proposal["value"]

    @t.validate("shifts")  # type: ignore[untyped-decorator]
    def _each(self, proposal: Any) -> Any:
        found = proposal["value"]
        if len(found) != len(self.labels) or not all(-NEVER <= shift <= NEVER for shift in found):
            wanted = f"{len(self.labels)} numbers from {-NEVER:g} to {NEVER:g}"
            raise t.TraitError(f"shifts: got {found}, wanted {wanted}")
        return found

    @property
    def level(self) -> float:
        """The common threshold as a logit, within the figure's range."""
        return min(HIGHEST, max(LOWEST, math.log(self.threshold / (1 - self.threshold))))

    @property
    def thresholds(self) -> dict[str, float | None]:
        """The threshold of each label, a probability; None where the label never blocks."""
        return {
            label: None if shift >= NEVER else 1 / (1 + math.exp(-(self.level + shift)))
            for label, shift in zip(self.labels, self.shifts, strict=True)
        }

    def _bytes(self, name: str) -> Any:
        return np.frombuffer(b64decode(getattr(self, name)), np.uint8)

    def scored(self, part: str | None = None) -> tuple[Scores, Bits]:
        """Score of each sentence of a part, and whether it is harmful, ``[N]`` each.

        Args:
            part: that which is shown by default.

        Raises:
            ValueError: there is no such part.
        """
        name = self.part if part is None else part
        if name not in PARTS:
            raise ValueError(f"part: got {name!r}, wanted one of {', '.join(PARTS)}")
        order = list(self.kind_labels)
        chosen = np.isin(self._bytes("kinds"), [order.index(kind) for kind in PARTS[name]])
        given = self.filters[self.filter]
        logits = decode(b64decode(given["scores"]), len(chosen), len(self.labels))[chosen]
        scores = combined(logits, self.shifts, given["sigmoids"] if self.calibrated else None)
        return scores, self._bytes("truth")[chosen] > 0

    def rates(self, part: str | None = None) -> Rates:
        """What the thresholds let through and block, as :class:`.decisions.Rates`.

        Args:
            part: that which is shown by default.

        Raises:
            ValueError: there is no such part.
        """
        return rates(*self.scored(part), self.level)

    def to_records(self) -> list[dict[str, Any]]:
        """One dictionary for each sentence: kind, group, labels, and the logits of both filters."""
        kinds, truth, groups = (self._bytes(name) for name in ("kinds", "truth", "groups"))
        order = list(self.kind_labels)
        size = len(kinds), len(self.labels)
        logits = {name: decode(b64decode(each["scores"]), *size) for name, each in self.filters.items()}
        return [
            {
                "kind": order[kinds[i]],
                "group": "" if groups[i] == NO_GROUP else self.group_labels[groups[i]],
                **{label: int(truth[i] >> at & 1) for at, label in enumerate(self.labels)},
                **{
                    f"{name}_{label}": float(logits[name][i, at])
                    for name in logits
                    for at, label in enumerate(self.labels)
                },
            }
            for i in range(len(kinds))
        ]

    def __repr__(self) -> str:
        """Stable from run to run, so that stored outputs can be compared."""
        return f"ThresholdExplorer({self.filter} on {self.part}, threshold {self.threshold:.4g})"

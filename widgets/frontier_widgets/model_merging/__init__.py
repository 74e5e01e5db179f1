"""ModelMerging: task vectors added to a base, by a rule and with weights that the reader chooses."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from itertools import product
from typing import Any

import anywidget
import traitlets as t

from ..checkpoints import Checkpoints
from ..components import component
from ..records import Records
from .landscape import Measured, decode, estimate
from .rules import RULES, Merge

COMPONENT = component("ModelMerging")
TASKS = 3
LOWEST, HIGHEST = -0.5, 1.5
"""Weights that a slider reaches."""

PLANES = ((0, 1), (0, 2), (1, 2))
"""Places of the two tasks whose weights are the axes of the plane, across and up."""


def _traits(data: Mapping[str, Any]) -> dict[str, Any]:
    values = COMPONENT.filled(data)
    if len(data["tasks"]) != TASKS:
        raise ValueError(f"data: got {len(data['tasks'])} tasks, wanted {TASKS}")
    decode(b64decode(data["grid"]), len(data["trained"]), len(data["axis"]), TASKS)
    return values


class ModelMerging(Checkpoints, Records, anywidget.AnyWidget):  # type: ignore[misc]
    """Fine-tunes of one base merged in the reader's browser, and what the merged model then answers.

    ``ModelMerging()`` shows this book's base and its three fine-tunes. What lies under the pointer was
    measured beforehand at the nodes of a grid; where the reader rests, the model itself is merged and answers
    the prompts, in the page. With a kernel, choices and measurements can be read back: :attr:`weights`,
    :attr:`merge`, :meth:`estimate`, :meth:`to_frame`.

    Args:
        data: another data set of the form that ``frontier_lab.figure_data.model_merging`` builds.
        **state: initial values of the traits below.

    Attributes:
        weights: of the three task vectors.
        plane: which two of them are the axes of the plane: 0 the first and the second, 1 the first and the
            third, 2 the second and the third.
        rule, density, seed, embedding: see :class:`frontier_widgets.model_merging.rules.Merge`.
        steps: of fine-tuning behind the task vectors, one of ``trained``.
        prompt: what the reader asks.
        story: step of the guided tour, -1 for none.
        view: ``"figure"`` or ``"table"``.
        language: ``"zh"``, ``"en"``, or ``""`` for the page's own.

    Raises:
        ValueError: data that does not fit; the message names what.
        traitlets.TraitError: a state out of range.
    """

    _esm = COMPONENT.esm_path
    _css = COMPONENT.css_path

    tasks = t.List(t.Unicode()).tag(sync=True)
    axis = t.List(t.Float()).tag(sync=True)
    trained = t.List(t.Int()).tag(sync=True)
    grid = t.Unicode().tag(sync=True)
    prompts = t.List().tag(sync=True)
    texts = t.List().tag(sync=True)
    answers = t.Dict().tag(sync=True)
    facts = t.Dict().tag(sync=True)
    live = t.Unicode().tag(sync=True)
    data_sha256 = t.Unicode().tag(sync=True)

    weights = t.List(t.Float(), minlen=TASKS, maxlen=TASKS, default_value=[0.75] * TASKS).tag(sync=True)
    plane = t.Int(0, min=0, max=len(PLANES) - 1).tag(sync=True)
    rule = t.Enum(RULES, default_value="sum").tag(sync=True)
    density = t.Float(0.5, min=0.05, max=1.0).tag(sync=True)
    seed = t.Int(0, min=0, max=99).tag(sync=True)
    steps = t.Int(80).tag(sync=True)
    embedding = t.Bool(True).tag(sync=True)
    prompt = t.Unicode().tag(sync=True)
    story = t.Int(-1, min=-1, max=99).tag(sync=True)
    view = t.Enum(("figure", "table"), default_value="figure").tag(sync=True)
    language = t.Enum(("", "zh", "en"), default_value="").tag(sync=True)

    def __init__(self, data: Mapping[str, Any] | None = None, **state: Any) -> None:
        unknown = sorted(set(state) - set(self.class_trait_names()))
        if unknown:
            raise TypeError(f"{unknown[0]} is not an argument of ModelMerging")
        given = COMPONENT.published if data is None else data
        digest = COMPONENT.data_sha256 if data is None else ""
        super().__init__(**{**_traits(given), "data_sha256": digest, **state})

    @t.validate("weights")  # type: ignore[untyped-decorator]
    def _within(self, proposal: Any) -> Any:
        for weight in proposal["value"]:
            if not LOWEST <= weight <= HIGHEST:
                raise t.TraitError(f"weights: got {weight}, wanted {LOWEST} to {HIGHEST}")
        return proposal["value"]

    @t.validate("steps")  # type: ignore[untyped-decorator]
    def _kept(self, proposal: Any) -> Any:
        if self.trained and proposal["value"] not in self.trained:
            raise t.TraitError(f"steps: got {proposal['value']}, wanted one of {self.trained}")
        return proposal["value"]

    @property
    def merge(self) -> Merge:
        """The rule that is shown, with its weights; see :mod:`frontier_widgets.model_merging.rules`."""
        return Merge((*self.weights,), self.rule, self.density, self.seed, self.embedding, PLANES[self.plane])

    def _measured(self) -> Measured:
        return decode(b64decode(self.grid), len(self.trained), len(self.axis), TASKS)

    def estimate(self) -> dict[str, float]:
        """Right answers of each task and the loss on text where the reader is, between the nodes.

        Raises:
            ValueError: the rule is neither a sum nor an average, which is a sum as well: only these were
                measured beforehand.
        """
        how = self.merge
        if how.rule not in ("sum", "average"):
            raise ValueError(f"rule: got {how.rule!r}, wanted 'sum' or 'average'")
        place = self._measured()[self.trained.index(self.steps), int(self.embedding)]
        values = estimate(place, self.axis, how.factors)
        return {**dict(zip(self.tasks, values.tolist(), strict=False)), "text": float(values[-1])}

    def to_records(self) -> list[dict[str, Any]]:
        """What was measured at the nodes: one dictionary each, with weights, right answers, loss on text."""
        measured = self._measured()
        size = range(len(self.axis))
        records = []
        for (i, steps), embedding in product(enumerate(self.trained), (True, False)):
            for node in product(size, size, size):
                values = measured[(i, int(embedding), *node)].tolist()
                weights = {f"weight_{task}": self.axis[at] for task, at in zip(self.tasks, node, strict=True)}
                right = dict(zip(self.tasks, (int(value) for value in values[:-1]), strict=True))
                records.append(
                    {"steps": steps, "embedding": embedding, **weights, **right, "text_loss": values[-1]}
                )
        return records

    def __repr__(self) -> str:
        """Stable from run to run, so that stored outputs can be compared."""
        weights = ", ".join(
            f"{task} {weight:g}" for task, weight in zip(self.tasks, self.weights, strict=True)
        )
        return f"ModelMerging({self.rule}: {weights}; {self.steps} steps)"

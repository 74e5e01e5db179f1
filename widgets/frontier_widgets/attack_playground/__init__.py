"""AttackPlayground: words of a verse swapped for synonyms until a classifier in the page errs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets as t

from ..checkpoints import Checkpoints
from ..components import component
from ..draws import Chance
from ..records import Records

COMPONENT = component("AttackPlayground")
SENSES = ("common", "any")
"""Which senses of a word its synonyms may have."""

ORDERS = ("deletion", "random")
"""In which order greedy search takes the words."""

ATTACKS = ("greedy", "shuffled", "random")
"""Of the curves: greedy search by importance, in a random order, random texts."""

ORDER, TEXTS = 0, 1
"""Rows of a seed's draws: of the order of the words, and of the random texts."""


def _traits(data: Mapping[str, Any]) -> dict[str, Any]:
    values = COMPONENT.filled(data)
    if not data["examples"]:
        raise ValueError("data: got no examples, wanted one or more")
    classes = len(data["labels"])
    for at, example in enumerate(data["examples"]):
        if not 0 <= example["label"] < classes:
            raise ValueError(f"data: example {at} has label {example['label']}, wanted one below {classes}")
    return values


class AttackPlayground(Checkpoints, Records, anywidget.AnyWidget):  # type: ignore[misc]
    """A verse that a classifier in the page reads, and two attacks on it with equal queries.

    ``AttackPlayground()`` opens on a held-out verse of the King James Bible and the committed BERT. Greedy
    search and random swaps are those of ``frontier_lab.methods.attacks``, query by query; beside them stands
    the exact bound of a linear model. What the examples show came with the page; of anything else the
    classifier is asked where the reader is. With a kernel, choices can be read back: :attr:`verse`,
    :attr:`swaps`, :meth:`to_frame`.

    Args:
        data: another data set of the form that ``frontier_lab.figure_data.attack_playground`` builds.
        **state: initial values of the traits below.

    Attributes:
        example: place of the verse among :attr:`examples`.
        sentence: a text of the reader's own instead; empty for the example.
        swaps: by place of the word, as text, what the reader put there.
        word: place of the chosen word, -1 for none.
        queries: how many of each attack are shown.
        changes: how many words may change; 0 for three in ten.
        senses: ``"common"`` or ``"any"``, which the synonyms may have.
        order: of the words in greedy search, ``"deletion"`` or ``"random"``.
        seed: of what is drawn, see :meth:`chance`.
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
    examples = t.List(t.Dict()).tag(sync=True)
    curves = t.Dict().tag(sync=True)
    live = t.Unicode().tag(sync=True)
    tables = t.Unicode().tag(sync=True)
    data_sha256 = t.Unicode().tag(sync=True)

    example = t.Int(0, min=0).tag(sync=True)
    sentence = t.Unicode().tag(sync=True)
    swaps = t.Dict(t.Unicode(), key_trait=t.Unicode()).tag(sync=True)
    word = t.Int(-1, min=-1).tag(sync=True)
    queries = t.Int(12, min=0).tag(sync=True)
    changes = t.Int(0, min=0, max=99).tag(sync=True)
    senses = t.Enum(SENSES, default_value="common").tag(sync=True)
    order = t.Enum(ORDERS, default_value="deletion").tag(sync=True)
    seed = t.Int(0, min=0, max=99).tag(sync=True)
    story = t.Int(-1, min=-1, max=99).tag(sync=True)
    view = t.Enum(("figure", "table"), default_value="figure").tag(sync=True)
    language = t.Enum(("", "zh", "en"), default_value="").tag(sync=True)

    def __init__(self, data: Mapping[str, Any] | None = None, **state: Any) -> None:
        unknown = sorted(set(state) - set(self.class_trait_names()))
        if unknown:
            raise TypeError(f"{unknown[0]} is not an argument of AttackPlayground")
        given = COMPONENT.published if data is None else data
        digest = COMPONENT.data_sha256 if data is None else ""
        super().__init__(**{**_traits(given), "data_sha256": digest, **state})

    @t.validate("example")  # type: ignore[untyped-decorator]
    def _there(self, proposal: Any) -> Any:
        if self.examples and proposal["value"] >= len(self.examples):
            raise t.TraitError(f"example: got {proposal['value']}, wanted less than {len(self.examples)}")
        return proposal["value"]

    @property
    def verse(self) -> str:
        """The text as the reader has it, with the swaps that were made by hand."""
        text: str = self.sentence.strip() or self.examples[self.example]["text"]
        return " ".join(self.swaps.get(str(at), word) for at, word in enumerate(text.split()))

    def chance(self, row: int) -> Chance:
        """What the page's attacks draw from.

        Args:
            row: ``ORDER`` of the words, or random ``TEXTS``; takes the place of the numpy generator in the
                lab's attacks.
        """
        return Chance(self.seed, row)

    def to_records(self) -> list[dict[str, Any]]:
        """Accuracy on all sentences after so many queries: one dictionary for each number of queries.

        ``difference`` is what random texts leave minus what greedy search leaves, ``low`` and ``high`` its
        95 % interval.
        """
        left, difference = self.curves["left"], self.curves["difference"]["greedy"]
        return [
            {
                "queries": queries,
                **{name: left[name][queries] for name in ATTACKS},
                **dict(zip(("difference", "low", "high"), difference[queries], strict=True)),
            }
            for queries in range(len(left["random"]))
        ]

    def __repr__(self) -> str:
        """Stable from run to run, so that stored outputs can be compared."""
        return f"AttackPlayground({self.verse!r}; greedy order {self.order}, {self.senses} senses)"

"""LongContextStrategies: who sees whom, how positions turn, what was measured, what it costs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import anywidget
import traitlets as t

from ..components import component
from ..records import Records
from .cost import (
    MODELS,
    RIVALS,
    SHARINGS,
    Cost,
    Model,
    Recurrent,
    Retrieval,
    break_even,
    cost,
    crossover,
    recurrent_cost,
)
from .masks import KINDS, Mask, Pattern, count, visible
from .rotary import METHODS, Rotary

COMPONENT = component("LongContextStrategies")
TOPICS = ("mask", "position", "measured", "cost")
GROUPS = ("untuned", "yarn", "ntk", "linear", "pairs", "dropped", "tuned", "alibi")
SHOWN_METHODS = tuple(method for method in METHODS if method != "longrope")
ROPES = {
    "Llama-2-7B": {"head_dim": 128, "base": 10000.0, "trained": 4096},
    "Llama-3-8B": {"head_dim": 128, "base": 500000.0, "trained": 8192},
}
"""Rotations of published models, beside those of the measured one."""

LIMITS: dict[str, tuple[float, float]] = {
    "window": (1, 1 << 20),
    "dilation": (1, 64),
    "anchors": (0, 1 << 20),
    "random": (0, 4096),
    "seed": (0, 9999),
    "stride": (1, 1 << 20),
    "sinks": (0, 1 << 20),
    "tokens": (8, 96),
    "layers": (1, 96),
    "scale": (1, 32),
    "length": (512, 1 << 20),
    "wide": (16, 1 << 17),
    "bytes_each": (0.5, 4),
    "chunk": (1, 1 << 16),
    "passages": (1, 1000),
    "found": (0, 1),
    "budget": (1, 1024),
    "story": (-1, 99),
}


@lru_cache(maxsize=1)
def _published() -> dict[str, Any]:
    """The data set that comes with the package, as trait values."""
    data = json.loads(COMPONENT.data_path.read_text("utf8"))
    values = {name: data[name] for name in COMPONENT.data_traits}
    return {**values, "data_sha256": COMPONENT.data_sha256}


def _rows(value: Any, name: str, wanted: int) -> list[list[float]]:
    rows = [[float(x) for x in row] if isinstance(row, Sequence) else [float(row)] for row in value]
    if len(rows) != wanted:
        raise ValueError(f"{name}: got {len(rows)} rows, wanted {wanted}")
    return rows


def _config(config: Any) -> dict[str, Any]:
    """What the figure needs of a transformers configuration, or a mapping of just that."""
    if isinstance(config, Mapping):
        return dict(config)
    rope = config.rope_parameters
    heads = config.num_attention_heads
    return {
        "trained": rope.get("original_max_position_embeddings", config.max_position_embeddings),
        "head_dim": getattr(config, "head_dim", None) or config.hidden_size // heads,
        "base": rope["rope_theta"],
        "heads": heads,
        "factor": rope.get("factor", 1.0),
        "model": {"class": type(config).__name__.replace("Config", "")},
    }


class LongContextStrategies(Records, anywidget.AnyWidget):  # type: ignore[misc]
    """Strategies for long contexts, side by side: masks, rotary positions, measured curves, costs.

    ``LongContextStrategies()`` shows this book's small models. With ``curves`` and ``config`` it shows
    others: ``config`` sets the rotations, ``curves`` what was measured. All is computed in the browser; with
    a kernel, choices can be read back: :attr:`pattern`, :meth:`rope_parameters`, :meth:`to_frame`.

    Args:
        curves: ``{name: {"loss": rows, "recall": rows}}``, a row for each of ``buckets`` or ``distances`` and
            in it a number for each seed; either may be missing.
        config: a transformers configuration with ``rope_parameters``, or a mapping with ``trained``,
            ``head_dim``, ``base``, ``heads``, ``factor``, the stretch that covers all that is
            read; the condition ``yarn_s8`` is YaRN with factor 8.
        buckets: first and last + 1 position of each row of losses.
        distances: tokens of each row of recalls.
        **state: initial values of the traits below.

    Attributes:
        topic: ``"mask"``, ``"position"``, ``"measured"`` or ``"cost"``.
        kind, causal, window, dilation, anchors, random, seed, stride, sinks: see
            :class:`frontier_widgets.attention_masks.Pattern`.
        tokens: drawn in the mask.
        layers: through which tokens are felt.
        method, scale: see :class:`frontier_widgets.rotary.Rotary`; ``scale`` is its factor.
        rope: ``"measured"`` or a name of ``ROPES``.
        model: a name of :data:`frontier_widgets.attention_cost.MODELS`.
        sharing: ``"own"``, ``"mha"``, ``"gqa"``, ``"mqa"`` or ``"mla"``.
        length: of the context that is paid for.
        wide: window and stride of the pattern there.
        bytes_each: of a number in weights and cache.
        chunk, passages, found: see :class:`frontier_widgets.attention_cost.Retrieval`.
        budget: how many times the operations of retrieval reading everything may take.
        rival: recurrent architecture to compare the cache with: ``"none"`` or one of
            :data:`frontier_widgets.attention_cost.RIVALS`.
        group: of measured conditions that are compared: ``"untuned"`` (all methods), ``"yarn"``, ``"ntk"`` or
            ``"linear"`` (one method's factors), ``"pairs"`` (some pairs of dimensions changed), ``"dropped"``
            (positions taken away), ``"tuned"`` or ``"alibi"``.
        story: step of the guided tour, -1 for none.
        view: ``"figure"`` or ``"table"``.
        language: ``"zh"``, ``"en"``, or ``""`` for the page's own.

    Raises:
        ValueError, TypeError: data that does not fit; the message names the argument.
        traitlets.TraitError: a state out of range.
    """

    _esm = COMPONENT.esm_path
    _css = COMPONENT.css_path

    curves = t.Dict().tag(sync=True)
    config = t.Dict().tag(sync=True)
    data_sha256 = t.Unicode().tag(sync=True)

    topic = t.Enum(TOPICS, default_value="mask").tag(sync=True)
    kind = t.Enum(KINDS, default_value="window").tag(sync=True)
    causal = t.Bool(True).tag(sync=True)
    window = t.Int(8).tag(sync=True)
    dilation = t.Int(2).tag(sync=True)
    anchors = t.Int(1).tag(sync=True)
    random = t.Int(2).tag(sync=True)
    seed = t.Int(0).tag(sync=True)
    stride = t.Int(8).tag(sync=True)
    sinks = t.Int(4).tag(sync=True)
    tokens = t.Int(48).tag(sync=True)
    layers = t.Int(1).tag(sync=True)
    method = t.Enum(SHOWN_METHODS, default_value="linear").tag(sync=True)
    scale = t.Float(8.0).tag(sync=True)
    rope = t.Enum(("measured", *ROPES), default_value="measured").tag(sync=True)
    model = t.Enum(tuple(MODELS), default_value="Llama-3.1-8B").tag(sync=True)
    sharing = t.Enum(("own", *SHARINGS), default_value="own").tag(sync=True)
    length = t.Int(131072).tag(sync=True)
    wide = t.Int(4096).tag(sync=True)
    bytes_each = t.Float(2.0).tag(sync=True)
    chunk = t.Int(256).tag(sync=True)
    passages = t.Int(5).tag(sync=True)
    found = t.Float(0.9).tag(sync=True)
    budget = t.Float(8.0).tag(sync=True)
    rival = t.Enum(("none", *RIVALS), default_value="none").tag(sync=True)
    group = t.Enum(GROUPS, default_value="untuned").tag(sync=True)
    story = t.Int(-1).tag(sync=True)
    view = t.Enum(("figure", "table"), default_value="figure").tag(sync=True)
    language = t.Enum(("", "zh", "en"), default_value="").tag(sync=True)

    def __init__(
        self,
        curves: Mapping[str, Mapping[str, Any]] | None = None,
        config: Any = None,
        *,
        buckets: Sequence[tuple[int, int]] | None = None,
        distances: Sequence[int] | None = None,
        **state: Any,
    ) -> None:
        values = dict(_published())
        if curves is None and (buckets is not None or distances is not None):
            raise ValueError("curves: got none with buckets or distances, wanted all or none of them")
        if curves is not None or config is not None:
            own = _config(config) if config is not None else dict(values["config"])
            for name in ("trained", "head_dim", "base", "heads", "factor"):
                if not isinstance(own.get(name), (int, float)):
                    raise ValueError(f"config.{name}: got {own.get(name)!r}, wanted a number")
            own["buckets"] = [[int(first), int(end)] for first, end in buckets or ()]
            own["distances"] = [int(distance) for distance in distances or ()]
            measured = {
                str(name): {
                    what: _rows(curve.get(what, ()), f"curves[{name!r}][{what!r}]", wanted)
                    if what in curve
                    else []
                    for what, wanted in (("loss", len(own["buckets"])), ("recall", len(own["distances"])))
                }
                for name, curve in (curves or {}).items()
            }
            values = {"curves": measured, "config": own, "data_sha256": ""}
        unknown = sorted(set(state) - set(self.class_trait_names()))
        if unknown:
            raise TypeError(f"{unknown[0]} is not an argument of LongContextStrategies")
        super().__init__(**{**values, **state})

    @t.validate(*LIMITS)  # type: ignore[untyped-decorator]
    def _in_range(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise t.TraitError(f"{name}: got {value}, wanted {low} to {high}")
        return value

    @property
    def pattern(self) -> Pattern:
        """The pattern that is shown."""
        names = ("kind", "causal", "window", "dilation", "anchors", "random", "seed", "stride", "sinks")
        return Pattern(**{name: getattr(self, name) for name in names})

    def mask(self) -> Mask:
        """The mask that is shown, ``[tokens, tokens]``."""
        return visible(self.pattern, self.tokens)

    @property
    def rotary(self) -> Rotary:
        """The rotations that are shown."""
        own = {name: self.config[name] for name in ("head_dim", "base", "trained")}
        return Rotary(self.method, factor=self.scale, **ROPES.get(self.rope, own))

    def rope_parameters(self) -> dict[str, Any]:
        """The chosen method as transformers takes it: ``from_pretrained(…, rope_parameters=…)``."""
        return self.rotary.rope_parameters()

    @property
    def _priced(self) -> Model:
        """The model with its way, or another, to share keys and values."""
        own = MODELS[self.model]
        return own if self.sharing == "own" else own.shared(self.sharing)

    @property
    def _wide_pattern(self) -> Pattern:
        """The pattern with a window and a stride for contexts that are too long to draw."""
        return Pattern(**{**vars(self.pattern), "window": self.wide, "stride": self.wide})

    def cost(self) -> Cost:
        """The bill that is shown, computed by the Python twin."""
        return cost(self._priced, self._wide_pattern, self.length, bytes_each=self.bytes_each)

    def rival_cost(self) -> Recurrent:
        """The bill of the recurrent model of the same sizes.

        Raises:
            ValueError: ``rival`` is ``"none"``.
        """
        if self.rival == "none":
            raise ValueError(f"rival: got 'none', wanted one of {', '.join(RIVALS)}")
        return recurrent_cost(self._priced, self.rival, self.length, bytes_each=self.bytes_each)

    def crossover(self) -> int | None:
        """Fewest tokens whose keys and values are more than the rival's state, ``None`` if there are none.

        Raises:
            ValueError: ``rival`` is ``"none"``.
        """
        if self.rival == "none":
            raise ValueError(f"rival: got 'none', wanted one of {', '.join(RIVALS)}")
        return crossover(self._priced, self._wide_pattern, self.rival)

    def break_even(self) -> int:
        """Longest text, in tokens, that is worth reading whole; see ``attention_cost.break_even``."""
        retrieval = Retrieval(self.chunk, self.passages, found=self.found)
        return break_even(self._priced, self._wide_pattern, retrieval, budget=self.budget)

    def to_records(self) -> list[dict[str, Any]]:
        """What was measured, one dictionary for each condition, place and seed."""
        records = []
        for name, curve in self.curves.items():
            for what, places in (
                ("loss", self.config["buckets"]),
                ("recall", [[distance, distance] for distance in self.config["distances"]]),
            ):
                for (first, end), seeds in zip(places, curve[what], strict=False):
                    records += [
                        {
                            "condition": name,
                            "measure": what,
                            "from": first,
                            "to": end,
                            "seed": seed,
                            "value": value,
                        }
                        for seed, value in enumerate(seeds)
                    ]
        return records

    def __repr__(self) -> str:
        """Stable from run to run, so that stored outputs can be compared."""
        seen = count(self.pattern, self.tokens)
        return f"LongContextStrategies({self.topic}: {self.kind}, {self.tokens} tokens, {seen} cells)"

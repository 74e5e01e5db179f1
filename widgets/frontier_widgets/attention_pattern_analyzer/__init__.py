"""AttentionPatternAnalyzer: what each head of a model does on a text, and what it is worth."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import anywidget
import numpy as np
import traitlets as t
from numpy.typing import NDArray

from ..architectures import parameters
from ..checkpoints import Checkpoints
from ..components import component
from ..records import Records
from .capture import Captured, capture
from .packing import Packed, pack, unpack
from .patterns import METRICS, is_causal, kind_of, measure, rollout, value_weighted

COMPONENT = component("AttentionPatternAnalyzer")
BINARY = ("attention", "metrics", "norms", "ablation")
"""Parts of an example that are bytes."""

WEIGHTINGS = ("raw", "value", "rollout")
LENSES = ("pattern", *METRICS, "loss", "divergence")
REMOVALS = ("zero", "mean")


@lru_cache(maxsize=1)
def _published() -> dict[str, Any]:
    """The data set that comes with the package, as trait values."""
    data = json.loads(COMPONENT.data_path.read_text("utf8"))
    examples = [
        {**example, **{name: base64.b64decode(example[name]) for name in BINARY}}
        for example in data["examples"]
    ]
    values = {name: data[name] for name in COMPONENT.data_traits}
    return {**values, "examples": examples, "data_sha256": COMPONENT.data_sha256}


def example_of(
    captured: Captured,
    *,
    name: str,
    title: Mapping[str, str] | None = None,
    model: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A reading as the figure takes it.

    Args:
        captured: see :func:`frontier_widgets.attention_capture.capture`.
        name: of the example, unique in a figure.
        title: ``{"zh": …, "en": …}``; the name by default.
        model: ``class``, ``parameters``, ``hub_id``: shown as the source of the numbers.

    Raises:
        ValueError: a number of the reading is not finite: a page could not carry it.
    """
    for part in ("weights", "norms", "loss"):
        value = getattr(captured, part)
        if value is not None and not np.isfinite(value).all():
            raise ValueError(f"captured.{part}: got numbers that are not finite, wanted finite ones")
    causal = captured.keys is None and is_causal(captured.weights)
    metrics = measure(captured.weights, captured.tokens, captured.keys, causal=causal)  # [L, H, metrics]
    packed = pack(captured.weights, causal=causal)

    def floats(values: NDArray[np.floating[Any]] | None) -> bytes:
        return b"" if values is None else np.ascontiguousarray(values, dtype="<f4").tobytes()

    return {
        "name": name,
        "title": dict(title or {}),
        "model": dict(model or {}),
        "tokens": list(captured.tokens),
        "keys": None if captured.keys is None else list(captured.keys),
        "shape": list(captured.weights.shape),
        "causal": causal,
        "form": packed.form,
        "kept": round(packed.kept, 4),
        "loss": captured.loss,
        "attention": packed.data,
        "metrics": floats(metrics),
        "norms": floats(captured.norms),
        "ablation": floats(captured.ablation),
    }


class AttentionPatternAnalyzer(Checkpoints, Records, anywidget.AnyWidget):  # type: ignore[misc]
    """Every head of a model on a text: its pattern, what kind of head it is, and what it is worth.

    ``AttentionPatternAnalyzer()`` shows this book's models. :meth:`from_model` shows any model of
    transformers that gives attention weights. All is computed in the browser, so the figure works without a
    kernel; with one, the reader's choices can be read back: :attr:`selected`, :meth:`weights`,
    :meth:`to_frame`.

    Args:
        examples: readings as :func:`example_of` gives them.
        **state: initial values of the traits below.

    Attributes:
        live: name of the checkpoint that reads a sentence which the reader types, ``""`` for none; one that
            begins with ``classifier-`` reads both ways and gives the sentence a class.
        sentence: what the reader typed; ``examples`` are then this sentence's.
        example: index of the reading that is shown.
        versus: index of the reading that it is compared with, -1 for none.
        layer, head: the head under study.
        token: the token under study.
        direction: ``"from"``: where the token looks; ``"to"``: who looks at it.
        weighting: ``"raw"``, ``"value"`` (times the length of what is brought) or ``"rollout"``.
        residual: share that each layer passes on in the rollout.
        lens: what the grid of heads shows: ``"pattern"``, a metric, ``"loss"`` or ``"divergence"``.
        removal: how a head is taken away: ``"zero"`` or ``"mean"``.
        off: whether the head under study is switched off for the typed sentence.
        x_metric, y_metric: axes of the scatter.
        brush: ``[x from, x to, y from, y to]``: heads outside are dimmed; empty for none.
        view: ``"figure"`` or ``"table"``.
        language: ``"zh"``, ``"en"``, or ``""`` for the page's own.

    Raises:
        ValueError, TypeError: data that does not fit; the message names the argument.
        traitlets.TraitError: a state out of range.
    """

    _esm = COMPONENT.esm_path
    _css = COMPONENT.css_path

    examples = t.List(t.Dict()).tag(sync=True)
    data_sha256 = t.Unicode().tag(sync=True)
    live = t.Unicode().tag(sync=True)
    sentence = t.Unicode().tag(sync=True)
    example = t.Int(0).tag(sync=True)
    versus = t.Int(-1).tag(sync=True)
    layer = t.Int(0).tag(sync=True)
    head = t.Int(0).tag(sync=True)
    token = t.Int(0).tag(sync=True)
    direction = t.Enum(("from", "to"), default_value="from").tag(sync=True)
    weighting = t.Enum(WEIGHTINGS, default_value="raw").tag(sync=True)
    residual = t.Float(0.5).tag(sync=True)
    lens = t.Enum(LENSES, default_value="pattern").tag(sync=True)
    removal = t.Enum(REMOVALS, default_value="zero").tag(sync=True)
    off = t.Bool(False).tag(sync=True)
    x_metric = t.Enum(METRICS, default_value="previous").tag(sync=True)
    y_metric = t.Enum(METRICS, default_value="induction").tag(sync=True)
    brush = t.List(t.Float()).tag(sync=True)
    view = t.Enum(("figure", "table"), default_value="figure").tag(sync=True)
    language = t.Enum(("", "zh", "en"), default_value="").tag(sync=True)

    def __init__(self, examples: Sequence[Mapping[str, Any]] | None = None, **state: Any) -> None:
        unknown = sorted(set(state) - set(self.class_trait_names()))
        if unknown:
            raise TypeError(f"{unknown[0]} is not an argument of AttentionPatternAnalyzer")
        if examples is None:
            values = dict(_published())
        else:
            values = {"examples": [dict(example) for example in examples], "live": "", "data_sha256": ""}
            if not values["examples"]:
                raise ValueError("examples: got none, wanted at least one reading")
            for i, example in enumerate(values["examples"]):
                missing = sorted({"name", "tokens", "shape", "form", "causal", *BINARY} - example.keys())
                if missing:
                    raise ValueError(f"examples[{i}]: got no {missing[0]!r}, wanted what example_of gives")
                if not np.isfinite(example.get("loss") or 0):
                    raise ValueError(f"examples[{i}].loss: got {example['loss']}, wanted a finite number")
        super().__init__(**{**values, **state})

    @classmethod
    def from_model(
        cls,
        model: Any,
        tokenizer: Any,
        text: str | Sequence[int],
        *,
        target: str | Sequence[int] | None = None,
        ablate: bool = False,
        progress: Callable[[int, int], None] | None = None,
        **state: Any,
    ) -> AttentionPatternAnalyzer:
        """The heads of a transformers model on a text.

        Args:
            model: encoder, decoder, or both with ``target``: cross-attention.
            tokenizer: the model's own.
            text: what to read: one text, or its token ids without a batch and without padding.
            target: what an encoder-decoder is to write; its decoder reads it after the start token.
            ablate: take away every head once, by zero and by its mean: two passes for each head.
            progress: called with heads done and heads in all.
            **state: initial values of the traits.

        Raises:
            TypeError: the model, the tokenizer or the text is something else; the message names it.
            ValueError: the model gives no attention weights, or the text does not fit.

        Warns:
            UserWarning: rows of attention do not sum to 1, or lengths of values cannot be measured.
        """
        read = capture(model, tokenizer, text, target=target, ablate=ablate, progress=progress)
        name = type(model).__name__
        described = {"class": name, "parameters": parameters(model)}
        # Two texts of one model stand beside each other: their beginnings tell them apart.
        begins = " ".join(text.split()) if isinstance(text, str) else ""
        begins = begins if len(begins) <= 60 else f"{begins[:59]}…"
        title = {"zh": f"{name}：{begins}", "en": f"{name}: {begins}"} if begins else {}
        if read.elsewhere is not None:
            share = f"{read.elsewhere.mean():.0%}"
            title["zh"] = f"{title.get('zh', name)}（另有 {share} 的注意力不在任何词元上）"
            title["en"] = f"{title.get('en', name)} ({share} of the attention is on no token)"
        return cls([example_of(read, name=name, title=title, model=described)], **state)

    def beside(self, other: AttentionPatternAnalyzer, **state: Any) -> AttentionPatternAnalyzer:
        """A figure of this reading and another one, compared: two texts, or two models."""
        examples = [self.examples[self.example], other.examples[other.example]]
        return type(self)(examples, **{"example": 0, "versus": 1, **state})

    @t.validate("example", "versus", "layer", "head", "token", "residual", "brush")  # type: ignore[untyped-decorator]
    def _in_range(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "brush":
            if len(value) not in (0, 4):
                raise t.TraitError(f"brush: got {len(value)} numbers, wanted none or four")
            return value
        count = len(self.examples)
        limits: dict[str, tuple[float, float]] = {
            "example": (0, count - 1),
            "versus": (-1, count - 1),
            "residual": (0, 1),
        }
        if name not in limits:
            layers, heads, length, _ = self.examples[min(self.example, count - 1)]["shape"]
            limits |= {"layer": (0, layers - 1), "head": (0, heads - 1), "token": (0, length - 1)}
        low, high = limits[name]
        if not low <= value <= high:
            raise t.TraitError(f"{name}: got {value}, wanted {low} to {high}")
        return value

    @property
    def selected(self) -> tuple[int, int]:
        """Layer and head under study."""
        return self.layer, self.head

    @property
    def shown(self) -> dict[str, Any]:
        """The reading that is shown."""
        return dict(self.examples[self.example])

    def _floats(self, name: str, *shape: int) -> NDArray[np.float32] | None:
        data = bytes(self.shown[name])
        return np.frombuffer(data, dtype="<f4").reshape(shape) if data else None

    def metrics_array(self) -> NDArray[np.float32]:
        """All metrics of every head, ``[L, H, metrics]``, in the order of ``attention_patterns.METRICS``."""
        layers, heads, *_ = self.shown["shape"]
        found = self._floats("metrics", layers, heads, len(METRICS))
        if found is None:
            raise ValueError(f"examples[{self.example}].metrics: got none, wanted what example_of gives")
        return found

    def ablation_array(self) -> NDArray[np.float32] | None:
        """Change of the loss and divergence without each head, ``[zero or mean, L, H, 2]``, in nats."""
        layers, heads, *_ = self.shown["shape"]
        return self._floats("ablation", 2, layers, heads, 2)

    def attention_array(self) -> NDArray[np.float32]:
        """The weights that the page carries, ``[L, H, T, S]``, to half a 255th; see ``kept``."""
        shown = self.shown
        layers, heads, length, size = shown["shape"]
        packed = Packed(shown["form"], shown["causal"], bytes(shown["attention"]), shown.get("kept", 1.0))
        return unpack(packed, (layers, heads, length, size))

    def weights(self) -> NDArray[np.float64]:
        """What the figure draws now, ``[T, S]``: attention, weighted by values, or the rollout to the layer.

        Raises:
            ValueError: values are asked for and their lengths are not known.
        """
        attention = self.attention_array()
        found: NDArray[np.float64]
        if self.weighting == "rollout":
            found = rollout(attention, self.residual)[self.layer]
            return found
        if self.weighting == "raw":
            found = attention[self.layer, self.head].astype(np.float64)
            return found
        layers, heads, _, size = self.shown["shape"]
        norms = self._floats("norms", layers, heads, size)
        if norms is None:
            raise ValueError(
                "weighting: got 'value', wanted 'raw' or 'rollout': the lengths of the values are not known"
            )
        return value_weighted(attention[self.layer, self.head], norms[self.layer, self.head])

    def to_records(self) -> list[dict[str, Any]]:
        """One dictionary for each head: the rows of the figure's table and of its CSV."""
        metrics, changes = self.metrics_array(), self.ablation_array()
        records = []
        for layer, head in np.ndindex(metrics.shape[:2]):
            row: dict[str, Any] = {"layer": layer, "head": head, "kind": kind_of(metrics[layer, head])}
            row |= {name: float(value) for name, value in zip(METRICS, metrics[layer, head], strict=True)}
            if changes is not None:
                for i, removal in enumerate(REMOVALS):
                    row[f"loss_{removal}"] = float(changes[i, layer, head, 0])
                    row[f"divergence_{removal}"] = float(changes[i, layer, head, 1])
            records.append(row)
        return records

    def __repr__(self) -> str:
        """Stable from run to run, so that stored outputs can be compared."""
        shown = self.shown
        layers, heads, length, _ = shown["shape"]
        size = f"{layers} layers, {heads} heads, {length} tokens"
        return f"AttentionPatternAnalyzer({shown['name']}: {size}, layer={self.layer}, head={self.head})"

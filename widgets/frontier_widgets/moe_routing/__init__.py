"""MoERouting: the routing of a trained mixture-of-experts model, token by token."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import anywidget
import numpy as np
import traitlets as t
from numpy.typing import NDArray

from ..checkpoints import Checkpoints
from ..components import component
from ..records import Records
from .math import Routing, TokenPath, route, token_path
from .routers import Routed, compare_routers

COMPONENT = component("MoERouting")


@lru_cache(maxsize=1)
def _published() -> dict[str, Any]:
    """The data set that comes with the package, as trait values."""
    data = json.loads(COMPONENT.data_path.read_text("utf8"))
    values = {name: data[name] for name in COMPONENT.data_traits}
    values |= {name: base64.b64decode(data[name]) for name in ("logits", "ablation")}
    return {**values, "top_k": data["top_k"], "data_sha256": COMPONENT.data_sha256}


def _array(value: Any, name: str) -> NDArray[np.float32]:
    """A numpy or torch array, or a sequence of them (one per layer), as float32."""
    if isinstance(value, (list, tuple)) and value and hasattr(value[0], "shape"):
        parts = [_array(part, f"{name}[{i}]") for i, part in enumerate(value)]
        if len({part.shape for part in parts}) > 1:
            shapes = [part.shape for part in parts]
            raise ValueError(f"{name}: got layers of shapes {shapes}, wanted the same shape for each")
        return np.stack(parts)
    if hasattr(value, "detach"):
        value = value.detach().cpu().float().numpy()
    try:
        return np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        wanted = "numbers [snapshots, layers, tokens, experts]"
        raise TypeError(f"{name}: got {type(value).__name__}, wanted {wanted}") from error


def _own(
    logits: Any,
    tokens: Sequence[str] | None,
    groups: Sequence[str] | None,
    group_labels: Mapping[str, Mapping[str, str]] | None,
    snapshots: Sequence[Mapping[str, Any]] | None,
    model: Mapping[str, Any] | None,
    ablation: Any,
) -> dict[str, Any]:
    """The reader's own data as trait values, checked."""
    scores = _array(logits, "logits")
    if scores.ndim not in (2, 3, 4) or 0 in scores.shape:
        wanted = "[tokens, experts], with layers and snapshots before them or not, none of them 0"
        raise ValueError(f"logits: got shape {scores.shape}, wanted {wanted}")
    scores = scores.reshape((1,) * (4 - scores.ndim) + scores.shape)
    if not np.isfinite(scores).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(scores))[0])
        raise ValueError(f"logits: got {scores[where]} at {where}, wanted finite numbers")
    count, _, length, _ = scores.shape
    if tokens is None:
        raise ValueError(f"tokens: got none, wanted {length} strings, one for each token of logits")
    tokens, groups = list(tokens), list(groups or [])
    for name, texts in (("tokens", tokens), ("groups", groups)):
        wrong = next((text for text in texts if not isinstance(text, str)), None)
        if wrong is not None:
            raise TypeError(f"{name}: got {wrong!r} ({type(wrong).__name__}), wanted strings")
        if len(texts) != length and (name == "tokens" or texts):
            raise ValueError(
                f"{name}: got {len(texts)} entries, wanted {length}, one for each token of logits"
            )
    frames = [dict(frame) for frame in snapshots or [{"run": "", "step": step} for step in range(count)]]
    if len(frames) != count:
        raise ValueError(
            f"snapshots: got {len(frames)} entries, wanted {count}, the first dimension of logits"
        )
    for i, frame in enumerate(frames):
        if not isinstance(frame.get("run"), str) or not isinstance(frame.get("step"), int):
            raise ValueError(f"snapshots[{i}]: got {frame}, wanted run (a string) and step (an integer)")
    changes = b""
    if ablation is not None:
        measured = _array(ablation, "ablation")
        full = (count, scores.shape[1], scores.shape[3], 2)
        if measured.shape != full and (count > 1 or measured.shape != full[1:]):
            raise ValueError(
                f"ablation: got shape {measured.shape}, wanted {full}: for each snapshot, layer and expert "
                "the change of the loss without it and the standard error"
            )
        if not np.isfinite(measured).all():
            raise ValueError("ablation: got numbers that are not finite, wanted finite ones")
        changes = np.ascontiguousarray(measured, dtype="<f4").tobytes()
    return {
        "tokens": tokens,
        "groups": groups,
        "group_labels": {name: dict(label) for name, label in (group_labels or {}).items()},
        "snapshots": frames,
        "shape": list(scores.shape),
        "logits": np.ascontiguousarray(scores, dtype="<f4").tobytes(),
        "model": dict(model or {}),
        "ablation": changes,
        "ablation_tokens": 0,
        "data_sha256": "",
        "live": "",
    }


class MoERouting(Checkpoints, Records, anywidget.AnyWidget):  # type: ignore[misc]
    """Which experts see which tokens: step through the router, fill the experts' slots, watch the balance.

    ``MoERouting()`` shows the package's data set, a small trained Mixtral-class model on real text at several
    steps of its training. ``MoERouting(logits=..., tokens=...)`` shows another model. All is computed in
    the browser, so the figure works without a kernel; with one, the reader's choices can be read back.

    Args:
        logits: router scores before softmax, ``[tokens, experts]``, ``[layers, tokens, experts]`` or
            ``[snapshots, layers, tokens, experts]``; numpy, torch, or a sequence with one array per layer
            (``output_router_logits=True`` of transformers). Kept as float32.
        tokens: one string per token.
        groups: one group name per token, for segments of the strip.
        group_labels: ``{group: {"zh": ..., "en": ...}}``.
        snapshots: ``{"run": str, "step": int, "val_loss": float}`` for the first dimension of ``logits``.
        model: ``hub_id``, ``class``, ``parameters`` shown as the source of the numbers.
        ablation: change of the loss in nats when an expert is taken away, and its standard error,
            ``[layers, experts, 2]`` or ``[snapshots, layers, experts, 2]``.
        **state: initial values of the traits below.

    Attributes:
        ablation_tokens: held-out tokens behind ``ablation``, 0 where it is not known.
        live: name of the checkpoint that reads a sentence which the reader types, ``""`` for none.
        sentence: what the reader typed; tokens, logits and shape are then this sentence's.
        run, step: the snapshot shown is the one of ``run`` nearest to ``step``.
        layer: index from 0.
        selected_token: index of the token under study.
        selected_expert: index of the expert under study, -1 for none.
        stage: 0 x, 1 logits, 2 softmax, 3 top-k, 4 renormalise, 5 combine.
        top_k, temperature, capacity_factor, renormalize, priority: as :func:`frontier_widgets.route` takes
            them.
        view: ``"figure"`` or ``"table"``.
        language: ``"zh"``, ``"en"``, or ``""`` for the page's own.

    Raises:
        ValueError, TypeError: data that does not fit; the message names the argument.
        traitlets.TraitError: a state out of range.
    """

    _esm = COMPONENT.esm_path
    _css = COMPONENT.css_path

    tokens = t.List(t.Unicode()).tag(sync=True)
    groups = t.List(t.Unicode()).tag(sync=True)
    group_labels = t.Dict().tag(sync=True)
    snapshots = t.List(t.Dict()).tag(sync=True)
    shape = t.List(t.Int(), minlen=4, maxlen=4, default_value=[0, 0, 0, 0]).tag(sync=True)
    logits = t.Bytes().tag(sync=True, from_json=lambda value, _widget: bytes(value))  # comes as memoryview
    model = t.Dict().tag(sync=True)
    ablation = t.Bytes().tag(sync=True, from_json=lambda value, _widget: bytes(value))
    ablation_tokens = t.Int(0).tag(sync=True)
    data_sha256 = t.Unicode().tag(sync=True)

    live = t.Unicode().tag(sync=True)
    sentence = t.Unicode().tag(sync=True)
    run = t.Unicode().tag(sync=True)
    step = t.Int().tag(sync=True)
    layer = t.Int(0).tag(sync=True)
    selected_token = t.Int(0).tag(sync=True)
    selected_expert = t.Int(-1).tag(sync=True)
    stage = t.Int(5, min=0, max=5).tag(sync=True)
    top_k = t.Int(2).tag(sync=True)
    temperature = t.Float(1.0).tag(sync=True)
    capacity_factor = t.Float(0.0).tag(sync=True)
    renormalize = t.Bool(True).tag(sync=True)
    priority = t.Bool(False).tag(sync=True)
    view = t.Enum(("figure", "table"), default_value="figure").tag(sync=True)
    language = t.Enum(("", "zh", "en"), default_value="").tag(sync=True)

    def __init__(
        self,
        logits: Any = None,
        tokens: Sequence[str] | None = None,
        *,
        groups: Sequence[str] | None = None,
        group_labels: Mapping[str, Mapping[str, str]] | None = None,
        snapshots: Sequence[Mapping[str, Any]] | None = None,
        model: Mapping[str, Any] | None = None,
        ablation: Any = None,
        **state: Any,
    ) -> None:
        if logits is None:
            given = {
                "tokens": tokens,
                "groups": groups,
                "group_labels": group_labels,
                "snapshots": snapshots,
                "model": model,
                "ablation": ablation,
            }
            alone = [name for name, value in given.items() if value is not None]
            if alone:
                raise ValueError(
                    f"logits: got none with {alone[0]}, wanted both for another model or neither"
                )
            values = dict(_published())
        else:
            values = _own(logits, tokens, groups, group_labels, snapshots, model, ablation)
        experts = values["shape"][3]
        frames = values["snapshots"]
        first_run = frames[0]["run"]
        values.setdefault("top_k", min(2, experts))
        values["run"] = first_run
        values["step"] = (
            max(frame["step"] for frame in frames if frame["run"] == state.get("run", first_run))
            if any(frame["run"] == state.get("run", first_run) for frame in frames)
            else 0
        )
        unknown = sorted(set(state) - set(self.class_trait_names()))
        if unknown:
            raise TypeError(f"{unknown[0]} is not an argument of MoERouting")
        super().__init__(**{**values, **state})

    @t.validate(  # type: ignore[untyped-decorator]
        "layer", "selected_token", "selected_expert", "top_k", "temperature", "capacity_factor", "run"
    )
    def _in_range(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        _, layers, tokens, experts = self.shape
        limits = {
            "layer": (0, layers - 1),
            "selected_token": (0, tokens - 1),
            "selected_expert": (-1, experts - 1),
            "top_k": (1, experts),
            "temperature": (0.01, 100.0),
            "capacity_factor": (0.0, 100.0),
        }
        if name == "run":
            runs = list(dict.fromkeys(frame["run"] for frame in self.snapshots))
            if value not in runs:
                raise t.TraitError(f"run: got {value!r}, wanted one of {runs}")
        elif not limits[name][0] <= value <= limits[name][1]:
            raise t.TraitError(f"{name}: got {value}, wanted {limits[name][0]} to {limits[name][1]}")
        return value

    @property
    def snapshot(self) -> int:
        """Index of the snapshot shown: the one of ``run`` nearest to ``step``, the earlier of two."""
        frames = [
            (abs(frame["step"] - self.step), i)
            for i, frame in enumerate(self.snapshots)
            if frame["run"] == self.run
        ]
        return min(frames)[1]

    def logits_array(self) -> NDArray[np.float32]:
        """All router scores, ``[snapshots, layers, tokens, experts]``, float32."""
        return np.frombuffer(self.logits, dtype="<f4").reshape(self.shape)

    def ablation_array(self) -> NDArray[np.float32]:
        """Change of the loss in nats without an expert, and its standard error.

        ``[snapshots, layers, experts, 2]`` in float32, on ``ablation_tokens`` held-out tokens; no snapshots
        where it was not measured, as for a sentence that the reader typed.
        """
        _, layers, _, experts = self.shape
        return np.frombuffer(self.ablation, dtype="<f4").reshape(-1, layers, experts, 2)

    def path(self) -> TokenPath:
        """The way of the selected token through all layers, as the figure shows it now."""
        return token_path(
            self.logits_array()[self.snapshot],
            self.selected_token,
            self.top_k,
            temperature=self.temperature,
            renormalize=self.renormalize,
        )

    def routing(self) -> Routing:
        """The numbers that the figure shows now, computed by the numpy twin."""
        return route(
            self.logits_array()[self.snapshot, self.layer],
            self.top_k,
            temperature=self.temperature,
            capacity_factor=self.capacity_factor,
            renormalize=self.renormalize,
            priority=self.priority,
        )

    def routers(self) -> list[Routed]:
        """Six routers on the scores that the figure shows now, at its capacity factor: the figure's table."""
        return compare_routers(self.logits_array()[self.snapshot, self.layer], self.capacity_factor)

    def to_records(self) -> list[dict[str, Any]]:
        """One dictionary for each token and choice: the rows of the figure's table and of its CSV."""
        routing = self.routing()
        scores = self.logits_array()[self.snapshot, self.layer]
        frame = self.snapshots[self.snapshot]
        records = []
        for token, text in enumerate(self.tokens):
            for rank in range(self.top_k):
                expert = int(routing.experts[token, rank])
                records.append(
                    {
                        "run": frame["run"],
                        "step": frame["step"],
                        "layer": self.layer,
                        "token": token,
                        "text": text,
                        "group": self.groups[token] if self.groups else "",
                        "rank": rank,
                        "expert": expert,
                        "logit": float(scores[token, expert]),
                        "probability": float(routing.probabilities[token, expert]),
                        "weight": float(routing.weights[token, rank]),
                        "kept": bool(routing.kept[token, rank]),
                        "slot": int(routing.slots[token, rank]),
                    }
                )
        return records

    def __repr__(self) -> str:
        """Stable from run to run, so that stored outputs can be compared."""
        _, layers, tokens, experts = self.shape
        where = f"run={self.run!r}, step={self.step}, " if self.run else ""
        return f"MoERouting({tokens} tokens, {layers} layers, {experts} experts, {where}top_k={self.top_k})"

"""Retention: linear attention with a fading state, in three forms, its step, and a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frontier_kernels import ops
from frontier_kernels.autocast import cast_for_autocast, fits
from frontier_kernels.checks import FLOATS, can_look, check_device, check_integer, check_tensor
from frontier_kernels.ops import library, run, sum_dtype
from frontier_kernels.score_normalization import normalized_retention, normalized_retention_step
from frontier_kernels.torch_internals import is_any_autocast_enabled
from frontier_kernels.xpos import query_factors, retain_in_segments

Form = Literal["chunkwise", "parallel", "recurrent"]


def _check(
    name: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...], meaning: str, device: torch.device
) -> None:
    check_tensor(name, tensor)
    if tensor.dtype != dtype:
        raise TypeError(f"{name}: got {tensor.dtype}, wanted {dtype}")
    if tensor.shape != shape:
        raise ValueError(f"{name}: got shape {tuple(tensor.shape)}, wanted {list(shape)} ({meaning})")
    _check_same_device(name, tensor, device)


def _check_same_device(name: str, tensor: Tensor, device: torch.device) -> None:
    if tensor.device != device:
        raise ValueError(f"{name}: got a tensor on {tensor.device}, wanted {device}, as q")


def _check_rows(q: Tensor, k: Tensor, v: Tensor, axes: str) -> None:
    """Check that q and k are ``[axes..., K]`` and v is ``[axes..., V]``, all of one float type."""
    for name, tensor in (("q", q), ("v", v)):
        check_tensor(name, tensor)
        if tensor.ndim != len(axes.split(", ")) + 1 or tensor.shape[-1] == 0:
            raise ValueError(
                f"{name}: got shape {tuple(tensor.shape)}, wanted [{axes}, width] with a width of 1 or more"
            )
    if q.dtype not in FLOATS:
        raise TypeError(f"q: got {q.dtype}, wanted float32, float64, bfloat16 or float16")
    check_device("q", q)
    _check("k", k, q.dtype, tuple(q.shape), "as q", q.device)
    _check("v", v, q.dtype, (*q.shape[:-1], v.shape[-1]), f"{axes} as q", q.device)


def _check_decay(log_decay: Tensor, rows: tuple[int, ...], meaning: str, device: torch.device) -> None:
    """Check that the decay is one for each head or one for each row, in float, at most zero."""
    check_tensor("log_decay", log_decay)
    if not log_decay.dtype.is_floating_point:
        raise TypeError(f"log_decay: got {log_decay.dtype}, wanted a float type")
    if log_decay.shape not in (rows, rows[-1:]):
        raise ValueError(
            f"log_decay: got shape {tuple(log_decay.shape)}, "
            f"wanted {list(rows[-1:])} (heads) or {list(rows)} ({meaning})"
        )
    _check_same_device("log_decay", log_decay, device)
    # A compiled graph cannot look at values: there the operator refuses them itself.
    if can_look(log_decay) and not (log_decay <= 0).all():
        wrong = log_decay.detach()[~(log_decay <= 0)]
        raise ValueError(
            f"log_decay: got {wrong[0].item()}, wanted zero or less: "
            "it is the natural logarithm of a factor of at most one"
        )


def _check_cu_seqlens(cu_seqlens: Tensor, batch: int, time: int, device: torch.device) -> Tensor:
    """The bounds in int64, checked."""
    check_tensor("cu_seqlens", cu_seqlens)
    if cu_seqlens.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"cu_seqlens: got {cu_seqlens.dtype}, wanted torch.int64 or torch.int32")
    if cu_seqlens.ndim != 1 or cu_seqlens.shape[0] == 0:
        raise ValueError(f"cu_seqlens: got shape {tuple(cu_seqlens.shape)}, wanted [sequences + 1]")
    _check_same_device("cu_seqlens", cu_seqlens, device)
    if batch != 1:
        raise ValueError(f"cu_seqlens: got a batch of {batch}, wanted 1 with the sequences packed along time")
    if can_look(cu_seqlens):
        bounds = cu_seqlens.tolist()
        if bounds[0] != 0 or bounds[-1] != time or bounds != sorted(bounds):
            raise ValueError(f"cu_seqlens: got {bounds}, wanted it to rise from 0 to {time}, the steps of q")
    return cu_seqlens.long()


def _scaled(q: Tensor, scale: float | Tensor | None) -> tuple[Tensor, float]:
    """Queries, and the number that the operator multiplies them by.

    The operator takes a number, so a tensor multiplies the queries here, and has its gradient from there.
    """
    if scale is None:
        return q, float(q.shape[-1]) ** -0.5
    if not isinstance(scale, Tensor):
        return q, float(scale)
    if not scale.is_floating_point():
        raise TypeError(f"scale: got {scale.dtype}, wanted a float type")
    if scale.numel() != 1:
        raise ValueError(f"scale: got shape {tuple(scale.shape)}, wanted one number")
    return (q * scale.reshape(())).to(q.dtype), 1.0


def retention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    *,
    form: Form = "chunkwise",
    initial_state: Tensor | None = None,
    return_state: bool = False,
    chunk_size: int | None = None,
    cu_seqlens: Tensor | None = None,
    scale: float | Tensor | None = None,
    normalize_scores: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Read a state that fades and takes in one outer product a step: S = γ S + k vᵀ, o = scale · q S.

    The three forms compute the same numbers, up to rounding. Differentiable once, in reverse mode, with
    respect to every tensor of floats, from the output and from the last state. Under ``torch.autocast`` q, k
    and v are cast to its type, as ``scaled_dot_product_attention`` casts them.

    Args:
        q: queries, ``[B, T, H, K]``, float32, float64, bfloat16 or float16.
        k: keys, as ``q``.
        v: values, ``[B, T, H, V]``; V need not be K.
        log_decay: natural logarithm of γ, zero or less (``-inf`` forgets everything), one for each head
            ``[H]`` or one for each step ``[B, T, H]``.
        form: ``"chunkwise"``; ``"parallel"``, all steps as one chunk, whose scores take T² numbers a head; or
            ``"recurrent"``, one step after the other.
        initial_state: ``[B, H, K, V]`` in float32 (float64 with float64 inputs), zero if ``None``;
            ``[B, H, K + 1, V + 1]`` with ``normalize_scores``.
        return_state: whether to return the last state.
        chunk_size: steps in a chunk of the chunkwise form, 64 if ``None``.
        cu_seqlens: ``[N + 1]`` int64 or int32, rising from 0 to T: B is 1, time holds N sequences one after
            the other, each with a state of its own, and states are ``[N, H, K, V]``.
        scale: multiplies q, ``K ** -0.5`` if ``None``; a number, or a tensor of one, with its gradient.
        normalize_scores: whether to divide each step's output by the larger of the size of its scores' sum
            and the root of its decays' sum, as the paper does before its group norm. The state then holds
            these sums too, ``[B, H, K + 1, V + 1]``: see ``score_normalization.py``.

    Returns:
        The output ``[B, T, H, V]`` in the dtype of ``q``, and the last state in float32 (float64) or
        ``None``. Sums are kept in float32 (float64 for float64).

    Raises:
        TypeError: a dtype is not supported, or differs from that of ``q``.
        ValueError: a shape, a device or a value does not fit; the message names the argument. In a compiled
            graph, which cannot look at values, those of ``log_decay`` and ``cu_seqlens`` raise
            ``RuntimeError``. On a GPU they are not looked at, because that would wait for it: a
            ``log_decay`` above zero grows the state, and what a ``cu_seqlens`` that does not fit gives is
            undefined, but reads and writes nothing foreign.

    Source: Sun et al., "Retentive Network" (2023), section 2.
    """
    q, k, v = cast_for_autocast(q, k, v)
    _check_rows(q, k, v, "batch, time, heads")
    batch, time, heads, key = q.shape
    _check_decay(log_decay, (batch, time, heads), "batch, time, heads", q.device)
    if cu_seqlens is not None:
        cu_seqlens = _check_cu_seqlens(cu_seqlens, batch, time, q.device)
    if initial_state is not None:
        sequences = batch if cu_seqlens is None else cu_seqlens.shape[0] - 1
        extra = int(normalize_scores)
        wanted = (sequences, heads, key + extra, v.shape[-1] + extra)
        meaning = "sequences, heads, K + 1, V + 1" if normalize_scores else "sequences, heads, K, V"
        _check("initial_state", initial_state, sum_dtype(q.dtype), wanted, meaning, q.device)
    if form not in get_args(Form):
        raise ValueError(f"form: got {form!r}, wanted 'chunkwise', 'parallel' or 'recurrent'")
    if chunk_size is not None and form != "chunkwise":
        raise ValueError(f"chunk_size: got {chunk_size} with form={form!r}, wanted None: it has no chunks")
    if chunk_size is not None and (chunk_size := check_integer("chunk_size", chunk_size)) < 1:
        raise ValueError(f"chunk_size: got {chunk_size}, wanted 1 or more")
    # The operator takes 0 for one chunk as long as the sequence, which a graph of any length can hold.
    steps = {"chunkwise": 64 if chunk_size is None else chunk_size, "parallel": 0, "recurrent": 1}[form]
    operator = normalized_retention if normalize_scores else ops.retention
    q, factor = _scaled(q, scale)
    o, state = operator(q, k, v, log_decay.to(sum_dtype(q.dtype)), initial_state, cu_seqlens, steps, factor)
    return cast(Tensor, o), cast(Tensor, state) if return_state else None


def retention_step(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: Tensor,
    log_decay: Tensor,
    *,
    scale: float | Tensor | None = None,
    normalize_scores: bool = False,
) -> Tensor:
    """Decode one step; the state is updated in place. No gradient: call it under ``torch.no_grad()``.

    Args:
        q: query, ``[B, H, K]``, float32, float64, bfloat16 or float16.
        k: key, as ``q``.
        v: value, ``[B, H, V]``.
        state: ``[B, H, K, V]``, contiguous, float32 (float64 with float64 inputs); changed by the call.
            ``[B, H, K + 1, V + 1]`` with ``normalize_scores``.
        log_decay: ``[H]`` or ``[B, H]``, zero or less.
        scale: as in ``retention``.
        normalize_scores: as in ``retention``.

    Returns:
        ``[B, H, V]``, what ``retention`` gives for this step.

    Raises:
        TypeError: a dtype is not supported, or differs from that of ``q``.
        ValueError: a shape or a value does not fit, the state is not contiguous, or a gradient is wanted.

    Source: Sun et al., "Retentive Network" (2023), section 2.1, the recurrent representation.
    """
    compiling = torch.compiler.is_compiling()
    try:
        if torch.is_grad_enabled():
            _refuse_gradients(q=q, k=k, v=v, state=state, log_decay=log_decay, scale=scale)
        if is_any_autocast_enabled():
            q, k, v = cast_for_autocast(q, k, v)
        if isinstance(scale, Tensor):
            q, scale = _scaled(q, scale)
        factor = q.shape[-1] ** -0.5 if scale is None else float(scale)
        wide = sum_dtype(q.dtype)
        if normalize_scores or ops.NOT_COMPILED or compiling:
            _check_step(q, k, v, state, log_decay, normalize_scores)
            operator = normalized_retention_step if normalize_scores else library.retention_step
            o = operator(q, k, v, state, log_decay.to(wide), factor)
        else:
            # The operator checks all that could hurt, in a tenth of the time.
            decay = log_decay if log_decay.dtype == wide else log_decay.to(wide)
            if not (q.device == k.device == v.device == state.device == log_decay.device):
                raise RuntimeError("the tensors lie on different devices")
            if not log_decay.is_floating_point():
                raise RuntimeError("log_decay has no float type")
            o = run(_STEP, q, k, v, state, decay, factor)
    except (RuntimeError, AttributeError, IndexError):
        # What the operator, or torch on the way, has to say, users hear in our words.
        _check_step(q, k, v, state, log_decay, normalize_scores)
        raise
    # A graph that saved the state before has to notice: registered operators do not count changes themselves.
    if not compiling and not state.is_inference():
        torch.autograd.graph.increment_version(state)
    return cast(Tensor, o)


_STEP = library.retention_step.default


def _check_step(
    q: Tensor, k: Tensor, v: Tensor, state: Tensor, log_decay: Tensor, normalize_scores: bool = False
) -> None:
    _check_rows(q, k, v, "batch, heads")
    _check_decay(log_decay, tuple(q.shape[:2]), "batch, heads", q.device)
    extra = int(normalize_scores)
    wanted = (*q.shape[:2], q.shape[-1] + extra, v.shape[-1] + extra)
    meaning = "batch, heads, K + 1, V + 1" if normalize_scores else "batch, heads, K, V"
    _check("state", state, sum_dtype(q.dtype), wanted, meaning, q.device)
    if not state.is_contiguous():
        raise ValueError(
            f"state: got strides {state.stride()}, wanted a contiguous tensor: it is updated in place"
        )


def _refuse_gradients(**named: Tensor | float | None) -> None:
    for name, value in named.items():
        if isinstance(value, Tensor) and value.requires_grad:
            raise ValueError(
                f"{name}: wants a gradient, which decoding in place has not: use torch.no_grad()"
            )


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of neighbouring features of ``x [B, T, H, K]`` by its step's angle, ``[T, 1, K/2]``."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


def _fixed_decay(log_decay: float | Sequence[float] | Tensor, num_heads: int) -> tuple[float, ...]:
    """One number for each head from one for all or one for each; anything that would be learnt is refused."""
    if isinstance(log_decay, Tensor):
        if log_decay.requires_grad:
            raise TypeError("log_decay: got a tensor that wants a gradient, wanted fixed numbers")
        log_decay = cast("float | list[float]", log_decay.tolist())
    try:
        each = [float(log_decay)] * num_heads if isinstance(log_decay, (int, float)) else log_decay
        values = tuple(float(value) for value in each)
    except (TypeError, ValueError):
        raise TypeError(f"log_decay: got {log_decay!r}, wanted one number, or one for each head") from None
    if len(values) != num_heads:
        raise ValueError(f"log_decay: got {len(values)} numbers, wanted one, or {num_heads} (heads)")
    for value in values:
        if not value <= 0:
            raise ValueError(
                f"log_decay: got {value}, wanted zero or less: "
                "it is the natural logarithm of a factor of at most one"
            )
    return values


class RetentionLayer(nn.Module):
    """Multi-scale retention: rotated queries and keys, one fixed decay a head, group norm, swish gate.

    The three forms take ``x [B, T, D]`` and give ``y [B, T, D]`` and the state ``[B, H, K, V]``, or with
    ``normalize_scores`` ``[B, H, K + 1, V + 1]``. They are equal up to rounding; each can go on from any
    other's state when told the position that it left off at.

    Args:
        d_model: width D of a token; a head's K is ``d_model / num_heads``, and even.
        num_heads: H.
        value_dim: width of all heads' values together, ``d_model`` if ``None`` (the paper takes twice that).
        chunk_size: steps in a chunk of the chunkwise form.
        rotary_base: slowest pair of features turns by ``1 / rotary_base`` radians a step, the fastest by 1;
            ``None`` leaves queries and keys as they are.
        log_decay: natural logarithm of what a head keeps of its state each step, zero or less: one number for
            all heads, or one for each. ``None``: head h keeps ``1 - 2 ** (-5 - h)``, as in the paper. It is
            fixed, and no part of the ``state_dict``.
        normalize_scores: as in ``retention``; the group norm takes it out again but for its epsilon.
        xpos_scale_base: distance at which xPos has scaled the first pair of features, the fastest, by 0.29
            (512 in its authors' code); ``None`` for the rotation alone, as in the paper of retention, whose
            decay takes the place of the scaling. Every ``4 · xpos_scale_base`` steps are a call of
            ``retention`` of their own.

    Raises:
        TypeError: ``log_decay`` wants a gradient or is no number; a width or a number of steps is no int.
        ValueError: a width does not divide among the heads, a head's K is odd, or a base or a decay does not
            fit.

    Source: Sun et al., "Retentive Network" (2023), equations 5 to 8; Sun et al., "A Length-Extrapolatable
    Transformer" (2022), section 3.2, for xPos, with the constants of the authors' code.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int = 8,
        *,
        value_dim: int | None = None,
        chunk_size: int = 64,
        rotary_base: float | None = 10000.0,
        log_decay: float | Sequence[float] | Tensor | None = None,
        normalize_scores: bool = False,
        xpos_scale_base: float | None = None,
    ) -> None:
        super().__init__()
        value_dim = d_model if value_dim is None else value_dim
        numbers = {
            "d_model": d_model,
            "num_heads": num_heads,
            "value_dim": value_dim,
            "chunk_size": chunk_size,
        }
        for name, number in numbers.items():
            check_integer(name, number)
        if num_heads < 1 or d_model < 1 or d_model % (2 * num_heads):
            raise ValueError(
                f"d_model: got {d_model} with num_heads={num_heads}, wanted an even width for each head"
            )
        if value_dim < 1 or value_dim % num_heads:
            raise ValueError(f"value_dim: got {value_dim}, wanted a multiple of num_heads={num_heads}")
        if chunk_size < 1:
            raise ValueError(f"chunk_size: got {chunk_size}, wanted 1 or more")
        if rotary_base is not None and not 0 < rotary_base < math.inf:
            raise ValueError(f"rotary_base: got {rotary_base}, wanted a number above 0, or None")
        if xpos_scale_base is not None and not 1 <= xpos_scale_base < math.inf:
            raise ValueError(f"xpos_scale_base: got {xpos_scale_base}, wanted a number of steps, 1 or more")
        self.d_model, self.num_heads, self.value_dim = d_model, num_heads, value_dim
        self.chunk_size, self.rotary_base = chunk_size, rotary_base
        self.normalize_scores, self.xpos_scale_base = normalize_scores, xpos_scale_base
        self._fixed_log_decay = None if log_decay is None else _fixed_decay(log_decay, num_heads)
        self.q_proj = nn.Linear(d_model, d_model, bias=False)
        self.k_proj = nn.Linear(d_model, d_model, bias=False)
        self.v_proj = nn.Linear(d_model, value_dim, bias=False)
        self.gate_proj = nn.Linear(d_model, value_dim, bias=False)
        self.out_proj = nn.Linear(value_dim, d_model, bias=False)
        self.norm = nn.GroupNorm(num_heads, value_dim)

    @property
    def log_decay(self) -> Tensor:
        """``[H]`` in float64: numbers and not a buffer, which a layer in bfloat16 would round. May be set."""
        device = self.q_proj.weight.device
        if self._fixed_log_decay is not None:
            return torch.tensor(self._fixed_log_decay, dtype=torch.float64, device=device)
        heads = torch.arange(self.num_heads, dtype=torch.float64, device=device)
        return torch.log1p(-torch.exp2(-5.0 - heads))

    @log_decay.setter
    def log_decay(self, log_decay: float | Sequence[float] | Tensor) -> None:
        self._fixed_log_decay = _fixed_decay(log_decay, self.num_heads)

    def parallel_forward(
        self, x: Tensor, state: Tensor | None = None, position: int = 0
    ) -> tuple[Tensor, Tensor]:
        """All steps at once, scores of T² a head: for training on short sequences.

        Arguments, results and errors are those of ``recurrent_forward``.
        """
        return self._retain(x, "parallel", state, position)

    def recurrent_forward(
        self, x: Tensor, state: Tensor | None = None, position: int = 0
    ) -> tuple[Tensor, Tensor]:
        """One step after the other, constant memory: for generation, usually with T = 1.

        Args:
            x: ``[B, T, D]``, in the dtype of the layer's parameters.
            state: what the last call returned, ``None`` at the start.
            position: steps before ``x``.

        Returns:
            The output ``[B, T, D]`` and the last state.

        Raises:
            TypeError: the dtype of ``x`` is not the layer's, or that of ``state`` not the one of sums.
            ValueError: a shape, a device or ``position`` does not fit; the message names the argument.
        """
        return self._retain(x, "recurrent", state, position)

    def chunkwise_forward(
        self, x: Tensor, state: Tensor | None = None, position: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Parallel within a chunk, recurrent between chunks: for long sequences.

        Arguments, results and errors are those of ``recurrent_forward``.
        """
        return self._retain(x, "chunkwise", state, position)

    def forward(self, x: Tensor) -> Tensor:
        """The chunkwise form from the start of a sequence, ``[B, T, D]`` to ``[B, T, D]``."""
        return self.chunkwise_forward(x)[0]

    def _place(self, q: Tensor, k: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """Turn and scale the features of ``q, k [B, T, H, K]`` by what their steps ask for."""
        base = self.xpos_scale_base
        if self.rotary_base is None and base is None:
            return q, k
        time, pairs = q.shape[1], q.shape[3] // 2
        turn = torch.zeros(pairs, dtype=torch.float64, device=q.device)  # [K/2]
        if self.rotary_base is not None:
            turn = self.rotary_base ** -torch.linspace(0, 1, pairs, dtype=torch.float64, device=q.device)
        # In float64: at step 10⁵ a float32 angle would be off by up to 0.004.
        steps = torch.arange(position, position + time, dtype=torch.float64, device=q.device)  # [T]
        angle = steps[:, None, None] * turn  # [T, 1, K/2]
        cos, sin = angle.cos(), angle.sin()
        up = 1.0 if base is None else query_factors(time, pairs, base, q.device)
        return (
            _rotate(q, (cos * up).to(q.dtype), (sin * up).to(q.dtype)),
            _rotate(k, (cos / up).to(k.dtype), (sin / up).to(k.dtype)),
        )

    def _retain(self, x: Tensor, form: Form, state: Tensor | None, position: int) -> tuple[Tensor, Tensor]:
        check_tensor("x", x)
        if x.ndim != 3 or x.shape[-1] != self.d_model:
            raise ValueError(f"x: got shape {tuple(x.shape)}, wanted [batch, time, {self.d_model}]")
        weight = self.q_proj.weight
        if not fits(x, weight.dtype):
            raise TypeError(f"x: got {x.dtype}, wanted {weight.dtype}, as the layer's parameters")
        if x.device != weight.device:
            raise ValueError(f"x: got a tensor on {x.device}, wanted {weight.device}, as the layer")
        if (position := check_integer("position", position)) < 0:
            raise ValueError(f"position: got {position}, wanted 0 or more steps before x")
        batch, time, _ = x.shape
        if state is not None:
            widths = [
                d // self.num_heads + int(self.normalize_scores) for d in (self.d_model, self.value_dim)
            ]
            wanted = (batch, self.num_heads, *widths)
            _check("state", state, sum_dtype(x.dtype), wanted, "that of an earlier call", x.device)
        width, base = self.d_model // self.num_heads, self.xpos_scale_base
        q = self.q_proj(x).unflatten(-1, (self.num_heads, width))  # [B, T, H, K]
        k = self.k_proj(x).unflatten(-1, (self.num_heads, width))
        q, k = self._place(q, k, position)
        v = self.v_proj(x).unflatten(-1, (self.num_heads, self.value_dim // self.num_heads))  # [B, T, H, V]

        def retain(q: Tensor, k: Tensor, v: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
            return retention(
                q,
                k,
                v,
                self.log_decay,
                form=form,
                initial_state=state,
                return_state=True,
                chunk_size=self.chunk_size if form == "chunkwise" else None,
                normalize_scores=self.normalize_scores,
            )

        o, last = retain(q, k, v, state) if base is None else retain_in_segments(retain, q, k, v, state, base)
        # Each head is normed by itself, so the scale of a long memory does not drown a short one.
        normed = self.norm(o.reshape(batch * time, self.value_dim)).reshape(batch, time, self.value_dim)
        return self.out_proj(F.silu(self.gate_proj(x)) * normed), cast(Tensor, last)

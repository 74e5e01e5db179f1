"""Retention: linear attention with a fading state, in three forms, its step, and a layer."""

from __future__ import annotations

from typing import Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frontier_kernels import ops
from frontier_kernels.ops import library, run, sum_dtype
from frontier_kernels.router import FLOATS, check_device

Form = Literal["chunkwise", "parallel", "recurrent"]


def _check(
    name: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...], meaning: str, device: torch.device
) -> None:
    if tensor.dtype != dtype:
        raise TypeError(f"{name}: got {tensor.dtype}, wanted {dtype}")
    if tensor.shape != shape:
        raise ValueError(f"{name}: got shape {tuple(tensor.shape)}, wanted {list(shape)} ({meaning})")
    _check_same_device(name, tensor, device)


def _check_same_device(name: str, tensor: Tensor, device: torch.device) -> None:
    if tensor.device != device:
        raise ValueError(f"{name}: got a tensor on {tensor.device}, wanted {device}, as q")


def _can_look(tensor: Tensor) -> bool:
    """Whether values can be checked: a compiled graph has none, and a GPU would have to be waited for."""
    return not torch.compiler.is_compiling() and tensor.device.type == "cpu"


def _check_rows(q: Tensor, k: Tensor, v: Tensor, axes: str) -> None:
    """Check that q and k are ``[axes..., K]`` and v is ``[axes..., V]``, all of one float type."""
    for name, tensor in (("q", q), ("v", v)):
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
    if not log_decay.dtype.is_floating_point:
        raise TypeError(f"log_decay: got {log_decay.dtype}, wanted a float type")
    if log_decay.shape not in (rows, rows[-1:]):
        raise ValueError(
            f"log_decay: got shape {tuple(log_decay.shape)}, "
            f"wanted {list(rows[-1:])} (heads) or {list(rows)} ({meaning})"
        )
    _check_same_device("log_decay", log_decay, device)
    # A compiled graph cannot look at values: there the operator refuses them itself.
    if _can_look(log_decay) and not (log_decay <= 0).all():
        wrong = log_decay.detach()[~(log_decay <= 0)]
        raise ValueError(
            f"log_decay: got {wrong[0].item()}, wanted zero or less: "
            "it is the natural logarithm of a factor of at most one"
        )


def _check_cu_seqlens(cu_seqlens: Tensor, batch: int, time: int, device: torch.device) -> None:
    if cu_seqlens.dtype != torch.int64:
        raise TypeError(f"cu_seqlens: got {cu_seqlens.dtype}, wanted torch.int64")
    if cu_seqlens.ndim != 1 or cu_seqlens.shape[0] == 0:
        raise ValueError(f"cu_seqlens: got shape {tuple(cu_seqlens.shape)}, wanted [sequences + 1]")
    _check_same_device("cu_seqlens", cu_seqlens, device)
    if batch != 1:
        raise ValueError(f"cu_seqlens: got a batch of {batch}, wanted 1 with the sequences packed along time")
    if _can_look(cu_seqlens):
        bounds = cu_seqlens.tolist()
        if bounds[0] != 0 or bounds[-1] != time or bounds != sorted(bounds):
            raise ValueError(f"cu_seqlens: got {bounds}, wanted it to rise from 0 to {time}, the steps of q")


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
    scale: float | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Read a state that fades and takes in one outer product a step: S = γ S + k vᵀ, o = scale · q S.

    The three forms compute the same numbers, up to rounding. Differentiable once with respect to q, k, v,
    log_decay and initial_state, from the output and from the last state.

    Args:
        q: queries, ``[B, T, H, K]``, float32, float64, bfloat16 or float16.
        k: keys, as ``q``.
        v: values, ``[B, T, H, V]``; V need not be K.
        log_decay: natural logarithm of γ, zero or less (``-inf`` forgets everything), one for each head
            ``[H]`` or one for each step ``[B, T, H]``.
        form: ``"chunkwise"``; ``"parallel"``, all steps as one chunk, whose scores take T² numbers a head; or
            ``"recurrent"``, one step after the other.
        initial_state: ``[B, H, K, V]`` in float32 (float64 with float64 inputs), zero if ``None``.
        return_state: whether to return the last state.
        chunk_size: steps in a chunk of the chunkwise form, 64 if ``None``.
        cu_seqlens: ``[N + 1]`` int64, rising from 0 to T: B is 1, time holds N sequences one after the other,
            each with a state of its own, and states are ``[N, H, K, V]``.
        scale: multiplies q, ``K ** -0.5`` if ``None``.

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
    _check_rows(q, k, v, "batch, time, heads")
    batch, time, heads, key = q.shape
    _check_decay(log_decay, (batch, time, heads), "batch, time, heads", q.device)
    if cu_seqlens is not None:
        _check_cu_seqlens(cu_seqlens, batch, time, q.device)
    if initial_state is not None:
        sequences = batch if cu_seqlens is None else cu_seqlens.shape[0] - 1
        wanted = (sequences, heads, key, v.shape[-1])
        _check("initial_state", initial_state, sum_dtype(q.dtype), wanted, "sequences, heads, K, V", q.device)
    if form not in get_args(Form):
        raise ValueError(f"form: got {form!r}, wanted 'chunkwise', 'parallel' or 'recurrent'")
    if chunk_size is not None and form != "chunkwise":
        raise ValueError(f"chunk_size: got {chunk_size} with form={form!r}, wanted None: it has no chunks")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size: got {chunk_size}, wanted 1 or more")
    # The operator takes 0 for one chunk as long as the sequence, which a graph of any length can hold.
    steps = {"chunkwise": 64 if chunk_size is None else chunk_size, "parallel": 0, "recurrent": 1}[form]
    o, state = ops.retention(
        q,
        k,
        v,
        log_decay.to(sum_dtype(q.dtype)),
        initial_state,
        cu_seqlens,
        steps,
        key**-0.5 if scale is None else float(scale),
    )
    return cast(Tensor, o), cast(Tensor, state) if return_state else None


def retention_step(
    q: Tensor, k: Tensor, v: Tensor, state: Tensor, log_decay: Tensor, *, scale: float | None = None
) -> Tensor:
    """Decode one step; the state is updated in place. No gradient: call it under ``torch.no_grad()``.

    Args:
        q: query, ``[B, H, K]``, float32, float64, bfloat16 or float16.
        k: key, as ``q``.
        v: value, ``[B, H, V]``.
        state: ``[B, H, K, V]``, contiguous, float32 (float64 with float64 inputs); changed by the call.
        log_decay: ``[H]`` or ``[B, H]``, zero or less.
        scale: multiplies q, ``K ** -0.5`` if ``None``.

    Returns:
        ``[B, H, V]``, what ``retention`` gives for this step.

    Raises:
        TypeError: a dtype is not supported, or differs from that of ``q``.
        ValueError: a shape or a value does not fit, the state is not contiguous, or a gradient is wanted.
    """
    factor = q.shape[-1] ** -0.5 if scale is None else float(scale)
    if torch.is_grad_enabled():
        _refuse_gradients(q=q, k=k, v=v, state=state, log_decay=log_decay)
    if torch.compiler.is_compiling():
        _check_step(q, k, v, state, log_decay)
        return cast(Tensor, library.retention_step(q, k, v, state, log_decay.to(sum_dtype(q.dtype)), factor))
    # The operator checks all that could hurt, in a tenth of the time; what it says, users hear in our words.
    try:
        if log_decay.dtype != state.dtype:
            log_decay = log_decay.to(state.dtype)
        if not (q.device == k.device == v.device == state.device == log_decay.device):
            raise RuntimeError("the tensors lie on different devices")
        o = run(_STEP, q, k, v, state, log_decay, factor)
    except RuntimeError:
        _check_step(q, k, v, state, log_decay)
        raise
    # A graph that saved the state before has to notice: registered operators do not count changes themselves.
    if not state.is_inference():
        torch.autograd.graph.increment_version(state)
    return cast(Tensor, o)


_STEP = library.retention_step.default


def _check_step(q: Tensor, k: Tensor, v: Tensor, state: Tensor, log_decay: Tensor) -> None:
    _check_rows(q, k, v, "batch, heads")
    _check_decay(log_decay, tuple(q.shape[:2]), "batch, heads", q.device)
    _check("state", state, sum_dtype(q.dtype), (*q.shape, v.shape[-1]), "batch, heads, K, V", q.device)
    if not state.is_contiguous():
        raise ValueError(
            f"state: got strides {state.stride()}, wanted a contiguous tensor: it is updated in place"
        )


def _refuse_gradients(**named: Tensor) -> None:
    for name, tensor in named.items():
        if tensor.requires_grad:
            raise ValueError(
                f"{name}: wants a gradient, which decoding in place has not: use torch.no_grad()"
            )


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of neighbouring features of ``x [B, T, H, K]`` by its step's angle, ``[T, 1, K/2]``."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class RetentionLayer(nn.Module):
    """Multi-scale retention: rotated queries and keys, one fixed decay a head, group norm, swish gate.

    The three forms take ``x [B, T, D]`` and give ``y [B, T, D]`` and the state ``[B, H, K, V]``, equal up to
    rounding; each can go on from any other's state when told the position that it left off at.

    Args:
        d_model: width D of a token; a head's K is ``d_model / num_heads``, and even.
        num_heads: H; head h keeps ``1 - 2 ** (-5 - h)`` of its state each step.
        value_dim: width of all heads' values together, ``d_model`` if ``None`` (the paper takes twice that).
        chunk_size: steps in a chunk of the chunkwise form.
        rotary_base: slowest pair of features turns by ``1 / rotary_base`` radians a step, the fastest by 1.

    Raises:
        ValueError: a width does not divide among the heads, or a head's K is odd.

    Source: Sun et al., "Retentive Network" (2023), equations 5 to 8; the rotation is that of xPos without its
    scaling, whose place the decay takes.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int = 8,
        *,
        value_dim: int | None = None,
        chunk_size: int = 64,
        rotary_base: float = 10000.0,
    ) -> None:
        super().__init__()
        value_dim = d_model if value_dim is None else value_dim
        if num_heads < 1 or d_model < 1 or d_model % (2 * num_heads):
            raise ValueError(
                f"d_model: got {d_model} with num_heads={num_heads}, wanted an even width for each head"
            )
        if value_dim < 1 or value_dim % num_heads:
            raise ValueError(f"value_dim: got {value_dim}, wanted a multiple of num_heads={num_heads}")
        if chunk_size < 1:
            raise ValueError(f"chunk_size: got {chunk_size}, wanted 1 or more")
        self.d_model, self.num_heads, self.value_dim = d_model, num_heads, value_dim
        self.chunk_size, self.rotary_base = chunk_size, rotary_base
        self.q_proj = nn.Linear(d_model, d_model, bias=False)
        self.k_proj = nn.Linear(d_model, d_model, bias=False)
        self.v_proj = nn.Linear(d_model, value_dim, bias=False)
        self.gate_proj = nn.Linear(d_model, value_dim, bias=False)
        self.out_proj = nn.Linear(value_dim, d_model, bias=False)
        self.norm = nn.GroupNorm(num_heads, value_dim)

    @property
    def log_decay(self) -> Tensor:
        """``[H]`` in float64: not a buffer, so that a layer in bfloat16 does not round it."""
        heads = torch.arange(self.num_heads, dtype=torch.float64, device=self.q_proj.weight.device)
        return torch.log1p(-torch.exp2(-5.0 - heads))

    def parallel_forward(
        self, x: Tensor, state: Tensor | None = None, position: int = 0
    ) -> tuple[Tensor, Tensor]:
        """All steps at once, scores of T² a head: for training on short sequences."""
        return self._retain(x, "parallel", state, position)

    def recurrent_forward(
        self, x: Tensor, state: Tensor | None = None, position: int = 0
    ) -> tuple[Tensor, Tensor]:
        """One step after the other, constant memory: for generation, usually with T = 1.

        Args:
            x: ``[B, T, D]``.
            state: what the last call returned, ``None`` at the start.
            position: steps before ``x``.
        """
        return self._retain(x, "recurrent", state, position)

    def chunkwise_forward(
        self, x: Tensor, state: Tensor | None = None, position: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Parallel within a chunk, recurrent between chunks: for long sequences."""
        return self._retain(x, "chunkwise", state, position)

    def forward(self, x: Tensor) -> Tensor:
        """The chunkwise form from the start of a sequence, ``[B, T, D]`` to ``[B, T, D]``."""
        return self.chunkwise_forward(x)[0]

    def _retain(self, x: Tensor, form: Form, state: Tensor | None, position: int) -> tuple[Tensor, Tensor]:
        if x.ndim != 3 or x.shape[-1] != self.d_model:
            raise ValueError(f"x: got shape {tuple(x.shape)}, wanted [batch, time, {self.d_model}]")
        batch, time, _ = x.shape
        pairs = self.d_model // self.num_heads // 2
        turn = self.rotary_base ** -torch.linspace(0, 1, pairs, dtype=torch.float64, device=x.device)  # [K/2]
        # In float64: at step 10⁵ a float32 angle would be off by up to 0.004.
        steps = torch.arange(position, position + time, dtype=torch.float64, device=x.device)  # [T]
        angle = steps[:, None, None] * turn  # [T, 1, K/2]
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        q = _rotate(self.q_proj(x).unflatten(-1, (self.num_heads, 2 * pairs)), cos, sin)  # [B, T, H, K]
        k = _rotate(self.k_proj(x).unflatten(-1, (self.num_heads, 2 * pairs)), cos, sin)
        v = self.v_proj(x).unflatten(-1, (self.num_heads, self.value_dim // self.num_heads))  # [B, T, H, V]
        o, last = retention(
            q,
            k,
            v,
            self.log_decay,
            form=form,
            initial_state=state,
            return_state=True,
            chunk_size=self.chunk_size if form == "chunkwise" else None,
        )
        # Each head is normed by itself, so the scale of a long memory does not drown a short one.
        normed = self.norm(o.reshape(batch * time, self.value_dim)).reshape(batch, time, self.value_dim)
        return self.out_proj(F.silu(self.gate_proj(x)) * normed), cast(Tensor, last)

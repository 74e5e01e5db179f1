"""Retention and its decode step.

Ours takes ``[B, T, H, D]``, as layers have it; the peers get ``[B, H, T, D]``, contiguous, in which they are
faster. All of them give the gradients of q, k and v. Ours gives the decay's too, which no peer can: it is not
asked for in the times that are compared, and shown as a contestant of its own.

The decays are those that yet-another-retnet has built in. Its arithmetic keeps them in the dtype of q, and in
bfloat16 1 - 1/512 is 1, another operator; so it is measured in float32 alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor
from yet_another_retnet import retention as yarn

import frontier_kernels
from benchmarks.case import OURS, Call, Contestant, Goals, Tensors, Work, differentiate
from benchmarks.measure import relative_error
from frontier_kernels import reference

NAMES = ("o", "dq", "dk", "dv", "dlog_decay")
CHUNK = 64
"""Steps in a chunk where a count of FLOPs needs one."""
SCORES = 1 << 26
"""Elements of a matrix of scores up to which the parallel form is measured: 256 MiB in float32."""
ROWS = 1024
"""Queries that the truth takes at once, so that its scores stay small."""

# They keep one mask, of the last length that was asked for. Here two of their forms take turns, and neither
# should build its mask anew for each call.
yarn._build_decay_gammas = lru_cache(maxsize=None)(yarn._build_decay_gammas.__wrapped__)
yarn._build_decay_mask = lru_cache(maxsize=None)(yarn._build_decay_mask.__wrapped__)

Forward = Callable[[Tensor, Tensor, Tensor], Tensor]


def decays(heads: int) -> Tensor:
    """γ of each head, ``[H]`` in float32: 1 - 1/32 to 1 - 1/512, evenly on a logarithmic scale."""
    return 1 - torch.linspace(math.log(1 / 32), math.log(1 / 512), heads).exp()


@dataclass(frozen=True)
class RetentionCase:
    """B sequences of T steps, H heads with keys and values of width D.

    Attributes:
        backward: time forward and backward together, with gradients of q, k and v.
    """

    name: str
    batch: int
    heads: int
    time: int
    width: int
    dtype: str
    backward: bool
    goals: Goals
    operator: str = field(default="retention", init=False)

    @property
    def shape(self) -> tuple[object, ...]:
        return (self.operator, self.batch, self.heads, self.time, self.width)

    def inputs(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """q, k, v and the output's gradient, ``[B, H, T, D]``, at unit scale; bfloat16 can hold them."""
        generator = torch.Generator().manual_seed(self.time)
        shape = (self.batch, self.heads, self.time, self.width)
        q, k, v, grad = (torch.randn(shape, generator=generator).bfloat16().to(dtype) for _ in range(4))
        return q, k, v, grad

    def truth(self) -> Tensors:
        """The parallel form, held against ``reference.py`` at both ends.

        The reference walks the steps one by one and would need minutes and gigabytes. What it gives depends
        on the past alone, and gradients of k and v on the future alone: so the first steps' outputs and
        gradients of q, and the last steps' gradients of k and v, are those of a sequence that has no more
        steps than these, and are compared.
        """
        q, k, v, grad = self.inputs(torch.float64)
        log_decay = decays(self.heads).double().log()
        truth = parallel(q, k, v, grad, log_decay)
        steps = min(self.time, 48)
        for part, names in ((slice(None, steps), ("o", "dq")), (slice(-steps, None), ("dk", "dv"))):
            few = [t[:, :, part].transpose(1, 2).requires_grad_() for t in (q, k, v)]
            o, _ = reference.retention(few[0], few[1], few[2], log_decay)
            found = differentiate(o, few, grad[:, :, part].transpose(1, 2))
            wanted = dict(zip(NAMES, found, strict=False))
            for name in names:
                if not relative_error(truth[name][:, part], wanted[name]) <= 1e-12:
                    raise RuntimeError(f"the truth of {self.name}: {name} is not that of reference.py")
        return truth

    def contestants(self, compiled: bool) -> Sequence[Contestant]:
        q, k, v, grad = self.inputs(getattr(torch, self.dtype))
        by_time = [t.transpose(1, 2).contiguous() for t in (q, k, v, grad)]  # [B, T, H, D]
        log_decay = decays(self.heads).double().log().float()
        field = [Contestant(OURS, partial(self.bind_ours, by_time, log_decay), counts=False)]
        if self.backward:
            wanted = log_decay.clone().requires_grad_()
            with_decay = partial(self.bind_ours, by_time, wanted)
            field.append(Contestant(f"{OURS}, decay's gradient too", with_decay, counts=False))
        peers: dict[str, Forward] = {}
        for chunk in (64, 128):
            if chunk <= max(self.time, CHUNK):
                peers[f"torch chunks in turn, {chunk}"] = ChunksInTurn(self, chunk)
                peers[f"torch chunks at once, {chunk}"] = ChunksAtOnce(self, chunk)
        if compiled:
            # The chunks in turn are as good uncompiled, and would unroll into a graph that takes minutes.
            torch.compiler.reset()
            peers["torch.compile"] = torch.compile(ChunksAtOnce(self, CHUNK), dynamic=False)
        if self.dtype == "float32":
            peers["yet-another-retnet chunkwise"] = yarn_chunkwise
            if self.batch * self.heads * self.time**2 <= SCORES:
                peers["yet-another-retnet parallel"] = yarn_parallel
        field += [Contestant(name, partial(self.bind, peer, q, k, v, grad)) for name, peer in peers.items()]
        attention = partial(self.bind, causal_attention, q, k, v, grad)
        field.append(Contestant("causal attention (SDPA)", attention, counts=False, gated=False))
        return field

    def bind_ours(self, by_time: Sequence[Tensor], log_decay: Tensor) -> Call:
        """``frontier_kernels.retention``; with the decay's gradient if it wants one."""
        q, k, v = (t.clone().requires_grad_() for t in by_time[:3])
        leaves = (q, k, v, log_decay) if log_decay.requires_grad else (q, k, v)

        def run() -> tuple[Tensor, ...]:
            if self.backward:
                o, _ = frontier_kernels.retention(q, k, v, log_decay)
                return differentiate(o, leaves, by_time[3])
            with torch.no_grad():
                return (frontier_kernels.retention(q, k, v, log_decay)[0],)

        return Call(run, lambda results: dict(zip(NAMES, results, strict=False)))

    def bind(self, forward: Forward, q: Tensor, k: Tensor, v: Tensor, grad: Tensor) -> Call:
        """A peer's call, whose tensors are ``[B, H, T, D]``."""
        q, k, v = (t.clone().requires_grad_() for t in (q, k, v))

        def run() -> tuple[Tensor, ...]:
            if self.backward:
                return differentiate(forward(q, k, v), (q, k, v), grad)
            with torch.no_grad():
                return (forward(q, k, v),)

        return Call(run, lambda results: {n: t.transpose(1, 2) for n, t in zip(NAMES, results, strict=False)})

    def work(self) -> Work:
        """Of chunks of 64 steps, half of whose scores the mask leaves; another chunk makes other FLOPs.

        Backward counts twice the forward, as is usual. The kernel does two and a half times, because it makes
        the states once more.
        """
        rows = self.batch * self.heads * self.time
        chunk = min(self.time, CHUNK)
        # Scores and their product with v, half; the state's update and what is read from it.
        flops = 2.0 * rows * self.width * (chunk + 2 * self.width)
        tensor = float(rows * self.width * getattr(torch, self.dtype).itemsize)
        # Forward q, k, v, o; backward these again with o's gradient for o, and three gradients.
        return Work(3 * flops, 11 * tensor) if self.backward else Work(flops, 4 * tensor)


@dataclass(frozen=True)
class StepCase:
    """Decoding: one step of B sequences, H heads of width D, which changes the state ``[B, H, D, D]``.

    Calls follow each other on one state, which stays bounded because it fades.
    """

    name: str
    batch: int
    heads: int
    width: int
    dtype: str
    goals: Goals
    operator: str = field(default="retention step", init=False)
    backward: bool = field(default=False, init=False)

    @property
    def shape(self) -> tuple[object, ...]:
        return (self.operator, self.batch, self.heads, self.width)

    def inputs(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """q, k, v ``[B, H, D]`` and the state in float32 or float64, at unit scale."""
        generator = torch.Generator().manual_seed(self.heads)
        row = (self.batch, self.heads, self.width)
        q, k, v = (torch.randn(row, generator=generator).bfloat16().to(dtype) for _ in range(3))
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        return q, k, v, torch.randn(*row, self.width, generator=generator).bfloat16().to(wide)

    def truth(self) -> Tensors:
        """``reference.py``."""
        q, k, v, state = self.inputs(torch.float64)
        log_decay = decays(self.heads).double().log()
        o, last = reference.retention(q[:, None], k[:, None], v[:, None], log_decay, state)
        return {"o": o[:, 0], "state": last}

    def contestants(self, compiled: bool) -> Sequence[Contestant]:
        field = [
            Contestant(OURS, self.bind_ours, counts=False),
            Contestant("torch in place", partial(self.bind_torch, torch_step)),
        ]
        if compiled:
            torch.compiler.reset()
            step = torch.compile(torch_step, dynamic=False)
            field.append(Contestant("torch.compile", partial(self.bind_torch, step)))
        if self.dtype == "float32":
            field.append(Contestant("yet-another-retnet recurrent", self.bind_yarn))
        return field

    def bind_ours(self) -> Call:
        """``frontier_kernels.retention_step``."""
        q, k, v, state = self.inputs(getattr(torch, self.dtype))
        log_decay = decays(self.heads).double().log().float()

        def run() -> tuple[Tensor, ...]:
            with torch.no_grad():
                return frontier_kernels.retention_step(q, k, v, state, log_decay), state

        return Call(run, lambda results: {"o": results[0], "state": results[1].clone()})

    def bind_torch(self, step: Callable[..., Tensor]) -> Call:
        """The fewest operators of torch, on what they take without a copy."""
        q, k, v, state = self.inputs(getattr(torch, self.dtype))
        flat = state.view(-1, self.width, self.width)  # [B H, D, D]
        query, key, value = q.view(-1, 1, self.width), k.view(-1, self.width, 1), v.view(-1, 1, self.width)
        decay = decays(self.heads).repeat(self.batch)[:, None, None]  # [B H, 1, 1]

        def run() -> tuple[Tensor, ...]:
            with torch.inference_mode():
                return step(query, key, value, flat, decay), state

        return Call(
            run, lambda results: {"o": results[0].to(q.dtype).view_as(q), "state": results[1].clone()}
        )

    def bind_yarn(self) -> Call:
        """Their step, which gives a new state; their key is scaled, not the query, and so is the state."""
        q, k, v, state = self.inputs(torch.float32)
        scale = self.width**-0.5
        state *= scale

        def run() -> tuple[Tensor, ...]:
            nonlocal state
            with torch.inference_mode():
                o, state = yarn.retention_recurrent(q, k, v, state)
            return o, state

        return Call(run, lambda results: {"o": results[0], "state": results[1] / scale})

    def work(self) -> Work:
        state = self.batch * self.heads * self.width**2
        rows = 4 * self.batch * self.heads * self.width * getattr(torch, self.dtype).itemsize
        return Work(5.0 * state, 2 * 4.0 * state + rows)


def parallel(q: Tensor, k: Tensor, v: Tensor, grad: Tensor, log_decay: Tensor) -> Tensors:
    """Retention's parallel form and its gradients, written out with the decay as a matrix.

    q, k, v and the output's gradient are ``[B, H, T, D]``; what it gives is ``[B, T, H, D]``, and the decay's
    gradient ``[H]``. One head after the other and ``ROWS`` queries at a time.
    """
    scale = q.shape[-1] ** -0.5
    o, dq, dk, dv = (torch.zeros_like(t) for t in (v, q, k, v))
    dlog_decay = torch.zeros_like(log_decay)
    steps = torch.arange(q.shape[2], dtype=q.dtype)
    for h in range(q.shape[1]):
        for first in range(0, q.shape[2], ROWS):
            rows = slice(first, min(first + ROWS, q.shape[2]))
            past = slice(0, rows.stop)
            distance = steps[rows, None] - steps[past]  # [rows, past]
            decay = scale * (distance * log_decay[h]).exp().where(distance >= 0, 0)
            for b in range(q.shape[0]):
                scores = q[b, h, rows] @ k[b, h, past].T * decay
                dscores = grad[b, h, rows] @ v[b, h, past].T
                dlog_decay[h] += (scores * dscores * distance).sum()
                dscores *= decay
                o[b, h, rows] = scores @ v[b, h, past]
                dq[b, h, rows] = dscores @ k[b, h, past]
                dk[b, h, past] += dscores.T @ q[b, h, rows]
                dv[b, h, past] += scores.T @ grad[b, h, rows]
    found = {name: t.transpose(1, 2) for name, t in zip(NAMES, (o, dq, dk, dv), strict=False)}
    return found | {"dlog_decay": dlog_decay}


class Chunks:
    """What both vectorised forms share: decays within a chunk of C steps, with the scale, as tables.

    ``within [H, C, C]`` is scale γ^(i - j) at and below the diagonal, ``read [H, C, 1]`` scale γ^(i + 1),
    ``write [H, C, 1]`` γ^(C - 1 - i).
    """

    def __init__(self, case: RetentionCase, chunk: int) -> None:
        if case.time % chunk and case.time > chunk:
            raise ValueError(f"time: got {case.time}, wanted a multiple of the chunk, {chunk}")
        self.chunk = min(chunk, case.time)
        dtype = getattr(torch, case.dtype)
        scale, i = case.width**-0.5, torch.arange(self.chunk, dtype=torch.float64)
        self.log_decay = decays(case.heads).double().log()[:, None, None]  # [H, 1, 1]
        distance = i[:, None] - i
        within = scale * (distance * self.log_decay).exp().where(distance >= 0, 0)
        read, write = ((power[:, None] * self.log_decay).exp() for power in (i + 1, self.chunk - 1 - i))
        self.within, self.read, self.write = within.to(dtype), (scale * read).to(dtype), write.to(dtype)


class ChunksAtOnce(Chunks):
    """All chunks in one batched product; the states between them by one more, with their decays as a matrix.

    That matrix, ``[H, N, N]`` for N chunks, costs N / 2 times what it sums; a loop over the chunks costs an
    operator for each, with its gradient. Neither was the faster one throughout, and ``ChunksInTurn`` has the
    loop.
    """

    def __init__(self, case: RetentionCase, chunk: int) -> None:
        super().__init__(case, chunk)
        n = torch.arange(case.time // self.chunk, dtype=torch.float64)
        distance = n[:, None] - 1 - n
        carry = (distance * self.chunk * self.log_decay).exp().where(distance >= 0, 0)
        self.carry = carry.to(self.within.dtype)  # [H, N, N]

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        batch, heads, time, width = q.shape
        qs, ks, vs = (t.view(batch, heads, -1, self.chunk, width) for t in (q, k, v))  # [B, H, N, C, D]
        within, read, write = (t[:, None] for t in (self.within, self.read, self.write))
        scores = (qs @ ks.transpose(-1, -2)).mul_(within)  # [B, H, N, C, C]
        written = (ks * write).transpose(-1, -2) @ vs  # [B, H, N, D, D]
        states = self.carry @ written.flatten(-2)  # [B, H, N, D D]
        o = torch.baddbmm(
            (scores @ vs).view(-1, self.chunk, width),
            (qs * read).view(-1, self.chunk, width),
            states.view(-1, width, width),
        )
        return o.view(batch, heads, time, width)


class ChunksInTurn(Chunks):
    """One chunk after the other, all heads in one batched product, so that scores and state stay in cache."""

    def __init__(self, case: RetentionCase, chunk: int) -> None:
        super().__init__(case, chunk)
        fade = (self.chunk * self.log_decay).exp().to(self.within.dtype)
        self.within, self.read, self.write, self.fade = (
            t.repeat(case.batch, 1, 1) for t in (self.within, self.read, self.write, fade)
        )  # [B H, ...]

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        batch, heads, time, width = q.shape
        parts = (torch.split(t.view(-1, time, width), self.chunk, 1) for t in (q, k, v))
        state: Tensor | None = None
        outputs = []
        for qs, ks, vs in zip(*parts, strict=True):  # [B H, C, D]
            o = torch.bmm(torch.bmm(qs, ks.transpose(1, 2)).mul_(self.within), vs)
            keys = (ks * self.write).transpose(1, 2)
            if state is None:
                state = torch.bmm(keys, vs)  # [B H, D, D]
            else:
                o = torch.baddbmm(o, qs * self.read, state)
                state = torch.baddbmm(state * self.fade, keys, vs)
            outputs.append(o)
        return torch.cat(outputs, 1).view(batch, heads, time, width)


def yarn_chunkwise(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """yet-another-retnet, one chunk of 64 after the other."""
    state: Tensor | None = None
    outputs = []
    for qs, ks, vs in zip(*(torch.split(t, CHUNK, 2) for t in (q, k, v)), strict=True):
        o, state = yarn.retention_chunkwise(qs, ks, vs, state)
        outputs.append(o)
    return torch.cat(outputs, 2)


def yarn_parallel(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """yet-another-retnet, all scores at once."""
    o: Tensor = yarn.retention_parallel(q, k, v)[0]
    return o


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of the same shape: another function, which shows what retention is up against."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def torch_step(query: Tensor, key: Tensor, value: Tensor, state: Tensor, decay: Tensor) -> Tensor:
    """The state fades and takes in an outer product, both in place, and is read: three operators."""
    query, key, value = (t.to(state.dtype) for t in (query, key, value))
    state.mul_(decay).baddbmm_(key, value)
    # With beta = 0 the first argument only lends its shape, and alpha scales the product for nothing.
    return torch.baddbmm(value, query, state, beta=0, alpha=query.shape[-1] ** -0.5)

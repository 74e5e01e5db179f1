"""``python -m benchmarks.gpu``: our operators on the visible GPU next to plain PyTorch; needs torch alone.

Every case is first compared with the plain version in float32; a case that fails shows no time and fails the
run. Contestants are timed in turns by CUDA events around several calls at once, and the least and the median
of the turns are printed, because a card's clock moves.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import frontier_kernels as fk

TURNS, CALLS = 15, 5
BOUND = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 5e-3}
"""Root mean square of the difference over that of the plain result: rounding of both, and of the weights."""
EXPERTS = [
    (1024, 256, 512, 8, 2),
    (512, 256, 128, 32, 4),
    (8192, 1024, 2048, 8, 2),
    (16, 1024, 2048, 32, 4),
]
"""Tokens, width, hidden, experts, top_k."""
RETENTION = [(1, 2048, 8, 64), (8, 1024, 8, 64), (1, 8192, 16, 128)]
"""Batch, time, heads, head dimension."""
Step = Callable[[], Tensor]


def plain_experts(x: Tensor, routing: fk.Routing, w_in: Tensor, w_out: Tensor) -> Tensor:
    """SwiGLU experts one after the other, as model code without kernels does; it waits for the routing."""
    y = torch.zeros_like(x)
    for e in range(w_in.shape[0]):
        token, slot = (routing.experts == e).nonzero(as_tuple=True)
        gate, up = F.linear(x[token], w_in[e]).chunk(2, -1)
        part = F.linear(F.silu(gate) * up, w_out[e]) * routing.weights[token, slot, None].to(x.dtype)
        y = y.index_add(0, token, part)
    return y


def plain_retention(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, chunk: int = 64) -> Tensor:
    """Chunks of ``[B, H, N, C, ...]`` at once, the states between them one after the other."""
    time, key = q.shape[1], q.shape[-1]
    q, k, v = (
        t.transpose(1, 2).reshape(t.shape[0], t.shape[2], time // chunk, chunk, key).float()
        for t in (q, k, v)
    )
    step = torch.arange(chunk, device=q.device)
    g = log_decay[:, None]  # [H, 1]
    gap = step[:, None] - step
    mask = torch.where(gap >= 0, (g[..., None] * gap).exp(), 0.0)[:, None]  # [H, 1, C, C]
    inside = (q @ k.transpose(-1, -2) * mask) @ v
    written = (k * (g * (chunk - 1 - step)).exp()[:, None, :, None]).transpose(-1, -2) @ v  # [B, H, N, K, V]
    state, states = torch.zeros_like(written[:, :, 0]), []
    for n in range(time // chunk):
        states.append(state)
        state = (g * chunk).exp()[..., None] * state + written[:, :, n]
    across = (q * (g * (step + 1)).exp()[:, None, :, None]) @ torch.stack(states, 2)
    o: Tensor = (inside + across) * key**-0.5
    return o.flatten(2, 3).transpose(1, 2)


def forward_backward(step: Step, leaves: list[Tensor]) -> Step:
    def both() -> Tensor:
        y = step()
        torch.autograd.grad(y, leaves, torch.ones_like(y))
        return y

    return both


def milliseconds(steps: dict[str, Step]) -> dict[str, tuple[float, float]]:
    """Least and median time of a call of each, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(TURNS + 2):
        for name, step in steps.items():
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            start.record()
            for _ in range(CALLS):
                step()
            stop.record()
            stop.synchronize()
            if turn >= 2:  # the first turns load kernels and warm caches
                times[name].append(start.elapsed_time(stop) / CALLS)
    return {name: (min(each), statistics.median(each)) for name, each in times.items()}


def compare(case: str, ours: Step, plain: Step, leaves: list[Tensor], dtype: torch.dtype) -> bool:
    """Print one line, and say whether both gave the same."""
    a, b = ours().detach().double(), plain().detach().double()
    error = float((a - b).square().mean().sqrt() / b.square().mean().sqrt())
    name = f"{case} {str(dtype).removeprefix('torch.')}"
    if not error <= BOUND[dtype]:
        print(f"{name:<58} RED: differs by {error:.1e}, no time", flush=True)
        return False
    steps = {"fwd": ours, "plain fwd": plain}
    steps |= {f"{key}+bwd": forward_backward(step, leaves) for key, step in list(steps.items())}
    found = milliseconds(steps)
    cells = [
        f"{key} {found[key][0]:.3f} ({found[key][1]:.3f}) / {found['plain ' + key][0]:.3f} ms, "
        f"{found['plain ' + key][0] / found[key][0]:.2f}x"
        for key in ("fwd", "fwd+bwd")
    ]
    print(f"{name:<58} {'   '.join(cells)}", flush=True)
    return True


def main() -> int:
    if not torch.cuda.is_available():
        sys.exit("error: no GPU is visible: torch.cuda.is_available() is False")
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    print("least (median) of ours / least of plain PyTorch, ratio", flush=True)
    green = True
    for tokens, width, hidden, experts, top_k in EXPERTS:
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            x, w_in, w_out = (
                (torch.randn(size, device="cuda") / size[-1] ** power).to(dtype).requires_grad_()
                for size, power in (
                    ((tokens, width), 0.0),
                    ((experts, 2 * hidden, width), 0.5),
                    ((experts, width, hidden), 0.5),
                )
            )
            routing = fk.route(torch.randn(tokens, experts, device="cuda"), top_k)
            case = f"experts T{tokens} D{width} H{hidden} E{experts} k{top_k}"
            green &= compare(
                case,
                lambda x=x, r=routing, i=w_in, o=w_out: fk.moe_mlp(x, r, i, o, activation="swiglu"),  # type: ignore[misc]
                lambda x=x, r=routing, i=w_in, o=w_out: plain_experts(x, r, i, o),  # type: ignore[misc]
                [x, w_in, w_out],
                dtype,
            )
    for batch, time, heads, width in RETENTION:
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            q, k, v = (
                torch.randn(batch, time, heads, width, device="cuda").to(dtype).requires_grad_()
                for _ in range(3)
            )
            log_decay = torch.log1p(-torch.exp2(-5.0 - torch.arange(heads, device="cuda") % 8))
            green &= compare(
                f"retention B{batch} T{time} H{heads} D{width}",
                lambda q=q, k=k, v=v, g=log_decay: fk.retention(q, k, v, g)[0],  # type: ignore[misc]
                lambda q=q, k=k, v=v, g=log_decay: plain_retention(q, k, v, g),  # type: ignore[misc]
                [q, k, v],
                dtype,
            )
    return 0 if green else 1


if __name__ == "__main__":
    sys.exit(main())

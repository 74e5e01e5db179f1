"""S4D as a language model: a diagonal linear state space in each block, a convolution when trained.

A channel's state is N complex numbers, one for a pair of conjugate modes: ds/dt = A s + u, A = -exp(a) + ib.
With u held for a step of Δ (zero-order hold) that is s ← Ā s + B̄ u, Ā = exp(Δ A), B̄ = (Ā - 1) / A. The output
y = 2 Re(C s) + D u is then also a convolution of u with the kernel 2 Re(C Ā^t B̄), t = 0, 1, …, which the fast
Fourier transform computes for all steps at once. Neither A nor Δ depends on the input: that is what Mamba
changed.

Source: Gu et al., "On the Parameterization and Initialization of Diagonal State Space Models" (2022).
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers import initialization as init

from frontier_lab.models.causal import TiedCausalLM


class S4DConfig(PreTrainedConfig):  # type: ignore[misc]
    """Sizes of an S4D.

    Args:
        vocab_size: tokens.
        hidden_size: channels D of a token, each with a state of its own.
        num_hidden_layers: blocks.
        state_size: N, complex numbers in a channel's state.
        intermediate_size: width of the feed-forward network.
        time_step_min: smallest Δ at the start; a channel remembers for about 1/Δ steps.
        time_step_max: largest Δ at the start.
        layer_norm_epsilon: added to the variance in the norms.
        initializer_range: standard deviation of the first weights of all linear maps.
    """

    model_type = "s4d"

    vocab_size: int = 1024
    hidden_size: int = 96
    num_hidden_layers: int = 2
    state_size: int = 16
    intermediate_size: int = 384
    time_step_min: float = 0.001
    time_step_max: float = 0.1
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    bos_token_id: int | None = 0
    eos_token_id: int | None = 1
    tie_word_embeddings: bool = True


class S4DLayer(nn.Module):
    """A state space for each channel, then a gated linear map that mixes the channels."""

    def __init__(self, config: S4DConfig) -> None:
        super().__init__()
        self.config = config
        d, n = config.hidden_size, config.state_size
        self.log_time_step = nn.Parameter(torch.empty(d))  # log Δ
        self.log_decay = nn.Parameter(torch.empty(d, n))  # a, log of -Re A
        self.frequency = nn.Parameter(torch.empty(d, n))  # b, Im A
        self.read_out = nn.Parameter(torch.empty(d, n, 2))  # C, real and imaginary part
        self.skip = nn.Parameter(torch.empty(d))  # D
        self.out_proj = nn.Linear(d, 2 * d)

    def discrete(self) -> tuple[Tensor, Tensor]:
        """Ā and 2 C B̄, complex ``[D, N]``: one step's factor, and what a unit input adds to the output."""
        a = torch.complex(-self.log_decay.exp(), self.frequency)  # [D, N]
        log_factor = a * self.log_time_step.exp()[:, None]
        factor = log_factor.exp()
        return factor, 2 * torch.view_as_complex(self.read_out.contiguous()) * (factor - 1) / a

    def kernel(self, length: int) -> Tensor:
        """Response to a unit input, ``[D, length]``: Σ 2 Re(C B̄ Ā^t) for t = 0 … length - 1."""
        a = torch.complex(-self.log_decay.exp(), self.frequency)
        log_factor = a * self.log_time_step.exp()[:, None]  # [D, N]
        _, weight = self.discrete()
        steps = torch.arange(length, device=a.device)
        powers = (log_factor[..., None] * steps).exp()  # [D, N, length]
        return torch.einsum("dn,dnt->dt", weight, powers).real

    def forward(self, u: Tensor) -> Tensor:
        """All steps by convolution: ``u [B, T, D]`` to ``[B, T, D]``."""
        time = u.shape[1]
        # Twice the length, filled with zeros: the transform's convolution goes round in a circle.
        spectrum = torch.fft.rfft(u, 2 * time, dim=1) * torch.fft.rfft(self.kernel(time), 2 * time).T
        y: Tensor = torch.fft.irfft(spectrum, 2 * time, dim=1)[:, :time]  # [B, T, D]
        return self._mix(y + self.skip * u)

    def step(self, u: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """One step by recurrence: ``u [B, D]`` and the complex state ``[B, D, N]`` to output and state."""
        factor, weight = self.discrete()
        kept = 0 if state is None else factor * state
        state = kept + u[..., None]  # [B, D, N], B̄ is in the weight
        y = (weight * state).sum(-1).real  # [B, D]
        return self._mix(y + self.skip * u), state

    def _mix(self, y: Tensor) -> Tensor:
        return F.glu(self.out_proj(F.gelu(y)))


class S4DBlock(nn.Module):
    """State space, then a feed-forward network, each behind a norm and added to its input."""

    def __init__(self, config: S4DConfig) -> None:
        super().__init__()
        d = config.hidden_size
        self.state_space_norm = nn.LayerNorm(d, eps=config.layer_norm_epsilon)
        self.state_space = S4DLayer(config)
        self.feed_forward_norm = nn.LayerNorm(d, eps=config.layer_norm_epsilon)
        self.up = nn.Linear(d, config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, D]`` to ``[B, T, D]``, all steps at once."""
        return self._feed_forward(x + self.state_space(self.state_space_norm(x)))

    def step(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """``[B, D]`` to ``[B, D]``, and the state after it."""
        y, state = self.state_space.step(self.state_space_norm(x), state)
        return self._feed_forward(x + y), state

    def _feed_forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(F.gelu(self.up(self.feed_forward_norm(x))))
        return x + y


class S4DForCausalLM(TiedCausalLM):
    """S4D with a language-modelling head on the embeddings' own weights; float32 only, for its transforms."""

    config_class = S4DConfig

    def __init__(self, config: S4DConfig) -> None:
        super().__init__(config, lambda: S4DBlock(config))

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, S4DLayer):
            config = module.config
            low, high = math.log(config.time_step_min), math.log(config.time_step_max)
            init.uniform_(module.log_time_step, low, high)
            init.constant_(module.log_decay, math.log(0.5))
            modes = torch.arange(config.state_size, dtype=torch.float32, device=module.frequency.device)
            init.copy_(module.frequency, (math.pi * modes).expand_as(module.frequency))  # S4D-Lin
            init.normal_(module.read_out, std=math.sqrt(0.5))
            init.ones_(module.skip)

    def step(self, input_ids: Tensor, state: list[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """One token, by the recurrence: time and memory do not grow with the tokens before it.

        Args:
            input_ids: the next token of each sequence, ``[B]``, int64.
            state: what the last call returned, ``None`` at the start; not changed.

        Returns:
            ``logits [B, vocabulary]`` for the token after it, and the state: a complex ``[B, D, N]`` a block.
        """
        before: list[Tensor] | list[None] = [None] * len(self.blocks) if state is None else state
        x = self.embeddings(input_ids)  # [B, D]
        after = []
        for block, layer in zip(self.blocks, before, strict=True):
            x, kept = cast(S4DBlock, block).step(x, layer)
            after.append(kept)
        return self.head(self.norm(x)), after

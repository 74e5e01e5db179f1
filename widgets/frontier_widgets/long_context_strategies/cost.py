"""What a context costs: operations, bytes and least seconds; the twin of ``cost.ts``.

All numbers are for one sequence. Times are bounds: the machine's peak rate of operations or of bytes,
whichever takes longer, so a real one is slower. ``widgets/tests/golden/attention_cost.json`` holds both
languages to the same numbers.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from .masks import Pattern, count, in_last_row

Sharing = Literal["mha", "gqa", "mqa", "mla"]
SHARINGS: tuple[Sharing, ...] = get_args(Sharing)

Rival = Literal["mamba", "mamba2", "retnet", "rwkv"]
RIVALS: tuple[Rival, ...] = get_args(Rival)
"""Architectures that keep a state of fixed size instead of keys and values."""

BLOCKS: dict[Rival, int] = {"mamba": 2, "mamba2": 2, "retnet": 1, "rwkv": 1}
"""Blocks that take the place of one layer of attention and feed-forward network, at equal parameters.

A block of Mamba has about 6 · width² parameters, the layer that it replaces about 12 · width².
Source: the README of state-spaces/mamba, and a test that counts them.
"""


@dataclass(frozen=True)
class Model:
    """Sizes of a decoder that its costs depend on.

    Attributes:
        width: numbers of a token between the layers.
        layers: that attend.
        heads: of queries.
        kv_heads: of keys and values: all ``heads`` in multi-head attention (MHA), fewer in grouped-query
            attention (GQA), one in multi-query attention (MQA).
        head_dim: of a key; in multi-head latent attention (MLA) both its parts.
        value_dim: of a value.
        latent: numbers a token and layer that MLA keeps instead of keys and values, rotated part included;
            0 for the others.
        parameters: all of them.
        active: those that one token is multiplied with.
    """

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    latent: int
    parameters: int
    active: int

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads", "kv_heads", "head_dim", "value_dim", "parameters", "active"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted 1 or more")
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads: got {self.kv_heads}, wanted a divisor of the {self.heads} heads")
        if self.latent < 0:
            raise ValueError(f"latent: got {self.latent}, wanted 0 or more")

    @property
    def kept(self) -> int:
        """Numbers that a token leaves in the cache of one layer."""
        return self.latent or self.kv_heads * (self.head_dim + self.value_dim)

    def shared(self, sharing: Sharing) -> Model:
        """The same model with another way to share keys and values, its other sizes unchanged.

        ``gqa`` has groups of eight heads, or the nearest divisor below; ``mla`` keeps what DeepSeek-V3 does,
        four and a half times the dimension of a head.

        Raises:
            ValueError: there is no such way.
        """
        if sharing not in SHARINGS:
            raise ValueError(f"sharing: got {sharing!r}, wanted one of {', '.join(SHARINGS)}")
        if sharing == "mla":
            return replace(self, latent=9 * self.value_dim // 2)
        group = {"mha": 1, "mqa": self.heads}.get(sharing, 8)
        while self.heads % group:
            group -= 1
        return replace(self, kv_heads=self.heads // group, latent=0)


@dataclass(frozen=True)
class Machine:
    """An accelerator, by its maker's data sheet.

    Attributes:
        operations: a second, multiplications and additions each counted, at the dtype.
        bandwidth: bytes a second from its memory.
        memory: bytes.
    """

    operations: float
    bandwidth: float
    memory: float


_KNOWN = json.loads((Path(__file__).parents[1] / "data" / "models.json").read_text("utf8"))

MODELS = {name: Model(**sizes) for name, sizes in _KNOWN["models"].items()}
"""Sizes of published configurations; a test builds each, without its weights, and counts."""

H100 = Machine(**_KNOWN["machine"])
"""NVIDIA H100 SXM, bfloat16 without sparsity."""


@dataclass(frozen=True)
class Cost:
    """Of one sequence of ``n`` tokens.

    Attributes:
        cells: pairs of tokens that attend, in one head of one layer.
        share: of the n² there are.
        attention: operations of all scores and weighted sums, reading the whole sequence.
        others: operations of everything else: two for each active parameter and token.
        cache: bytes kept to go on.
        weights: bytes of the parameters.
        prefill: least seconds to read the sequence.
        decode: least seconds for the next token.
        fits: whether weights and cache fit into the machine's memory.
    """

    cells: int
    share: float
    attention: int
    others: int
    cache: int
    weights: int
    prefill: float
    decode: float
    fits: bool


def kept_tokens(pattern: Pattern, n: int) -> int:
    """Tokens whose keys and values later tokens may still need.

    A window drops what it has passed. All others but ``sinks`` keep everything: a token that some later row
    sees cannot be dropped.
    """
    if pattern.kind == "window":
        return min(n, pattern.reach + 1)
    if pattern.kind == "dilated":
        return min(n, pattern.reach * pattern.dilation + 1)
    if pattern.kind == "sinks":
        return min(n, pattern.sinks + pattern.window)
    return n


def cost(model: Model, pattern: Pattern, n: int, *, bytes_each: float = 2, machine: Machine = H100) -> Cost:
    """Cost of a sequence of ``n`` tokens when every layer has the same pattern.

    Args:
        model: its sizes.
        pattern: which tokens attend.
        n: tokens.
        bytes_each: of a number in weights and cache.
        machine: on which.

    Raises:
        ValueError: ``n`` is below 1, or ``bytes_each`` not above 0.
    """
    if not bytes_each > 0:
        raise ValueError(f"bytes_each: got {bytes_each}, wanted above 0")
    cells = count(pattern, n)
    pair = 2 * (model.head_dim + model.value_dim)  # operations of a score and of a weighted value
    attention = model.layers * model.heads * cells * pair
    others = 2 * model.active * n
    # MLA decodes in the latent space: every head's query meets the same latents.
    next_pair = 4 * model.latent if model.latent else pair
    seen = in_last_row(pattern, n)
    next_operations = 2 * model.active + model.layers * model.heads * seen * next_pair
    cache = int(model.layers * kept_tokens(pattern, n) * model.kept * bytes_each)
    moved = (model.active + model.layers * seen * model.kept) * bytes_each
    weights = int(model.parameters * bytes_each)
    read = attention + others
    return Cost(
        cells=cells,
        share=cells / n**2,
        attention=attention,
        others=others,
        cache=cache,
        weights=weights,
        prefill=max(read / machine.operations, weights / machine.bandwidth),
        decode=max(next_operations / machine.operations, moved / machine.bandwidth),
        fits=weights + cache <= machine.memory,
    )


def state_numbers(width: int, rival: Rival) -> int:
    """Numbers that one block of a recurrent model keeps, however long the text, at its published sizes.

    Mamba: twice the width of channels, each with 16 numbers and the last 4 inputs of its convolution.
    Mamba-2: 128 numbers a channel, and 8 groups that share 128 keys and queries, which are convolved too.
    RetNet: heads of 256 keys and 512 values. RWKV-4: two sums, their scale and two last tokens.

    Args:
        width: of a token between the layers.
        rival: which.

    Raises:
        ValueError: there is no such rival.

    Sources: Gu and Dao (2023), Dao and Gu (2024), Sun et al. (2023), Peng et al. (2023), and transformers'
    configurations of Mamba, Mamba-2 and RWKV; a test builds them and counts.
    """
    if rival not in RIVALS:
        raise ValueError(f"rival: got {rival!r}, wanted one of {', '.join(RIVALS)}")
    channels = 2 * width
    if rival == "mamba":
        return channels * (16 + 4)
    if rival == "mamba2":
        return channels * 128 + (channels + 2 * 8 * 128) * 4
    if rival == "retnet":
        return 256 * channels
    return 5 * width


@dataclass(frozen=True)
class Recurrent:
    """Of one sequence that a model with a fixed state reads.

    Attributes:
        state: bytes kept to go on.
        operations: of reading the sequence.
        prefill: least seconds to read it.
        decode: least seconds for the next token.
    """

    state: int
    operations: int
    prefill: float
    decode: float


def recurrent_cost(
    model: Model, rival: Rival, n: int, *, bytes_each: float = 2, machine: Machine = H100
) -> Recurrent:
    """Cost of a recurrent model with the width and the parameters of ``model``, its blocks by ``BLOCKS``.

    A number of the state takes five operations a token: two to decay and to add, one for what is added, two
    to be read.

    Args:
        model: whose sizes it has.
        rival: its architecture.
        n: tokens.
        bytes_each: of a number in weights and state.
        machine: on which.

    Raises:
        ValueError: ``n`` is below 1, ``bytes_each`` not above 0, or there is no such rival.
    """
    if n < 1:
        raise ValueError(f"n: got {n}, wanted 1 or more")
    if not bytes_each > 0:
        raise ValueError(f"bytes_each: got {bytes_each}, wanted above 0")
    numbers = model.layers * state_numbers(model.width, rival) * BLOCKS[rival]
    each = 2 * model.active + 5 * numbers
    # The state is read and written for every token, the weights read.
    moved = (model.active + 2 * numbers) * bytes_each
    return Recurrent(
        state=int(numbers * bytes_each),
        operations=each * n,
        prefill=max(each * n / machine.operations, model.parameters * bytes_each / machine.bandwidth),
        decode=max(each / machine.operations, moved / machine.bandwidth),
    )


def crossover(model: Model, pattern: Pattern, rival: Rival, *, longest: int = 1 << 20) -> int | None:
    """Fewest tokens whose keys and values are more than the rival's state; ``None`` above ``longest``."""
    state = state_numbers(model.width, rival) * BLOCKS[rival]  # for one layer of the model

    def more(n: int) -> bool:
        return kept_tokens(pattern, n) * model.kept > state

    if not more(longest):
        return None
    low, high = 1, longest
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if more(middle) else (middle + 1, high)
    return low


@dataclass(frozen=True)
class Retrieval:
    """Retrieval-augmented generation against reading everything.

    Attributes:
        chunk: tokens of a passage.
        passages: that are read for a question.
        question: tokens of the question.
        found: probability that the right passage is among them.
        answered: probability of a right answer when it is.
    """

    chunk: int = 256
    passages: int = 5
    question: int = 32
    found: float = 0.9
    answered: float = 0.9

    def __post_init__(self) -> None:
        for name in ("chunk", "passages", "question"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted 1 or more")
        for name in ("found", "answered"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted 0 to 1")

    @property
    def read(self) -> int:
        """Tokens that are read for a question."""
        return self.passages * self.chunk + self.question

    @property
    def right(self) -> float:
        """Probability of a right answer; without the passage there is none."""
        return self.found * self.answered


def break_even(
    model: Model,
    pattern: Pattern,
    retrieval: Retrieval,
    *,
    budget: float,
    longest: int = 1 << 20,
    machine: Machine = H100,
) -> int:
    """Longest text, in tokens, that may be read whole at ``budget`` times the operations of one hit.

    Retrieval reads ``retrieval.read`` tokens for a question and has the right passage with probability
    ``found``: ``1 / found`` readings for each time that it has it. Reading whole always has it. With a budget
    of 1 this is also where answering from passages first, and reading whole only after a miss that is
    noticed, costs as much as reading whole at once: ``C + (1 - found) * whole == whole``.

    Returns:
        ``longest`` at most, and ``longest`` where nothing is ever found; no less than ``retrieval.read``.

    Raises:
        ValueError: ``budget`` is below 1.
    """
    if not budget >= 1:
        raise ValueError(f"budget: got {budget}, wanted 1 or more")

    def operations(n: int) -> int:
        one = cost(model, pattern, n, machine=machine)
        return one.attention + one.others

    allowed = budget * operations(retrieval.read) / retrieval.found if retrieval.found else math.inf
    low, high = retrieval.read, max(retrieval.read, longest)
    while low < high:  # the most tokens that are allowed, by halving
        middle = (low + high + 1) // 2
        low, high = (middle, high) if operations(middle) <= allowed else (low, middle - 1)
    return low

"""SmolLM2-135M asked for numbers in texts of up to twice its trained length, with and without stretching.

Facts of four digits stand evenly in chapters of the Bible; the text is read once, and at several lengths
every fact so far is asked for by the key-value cache. Beside them, the end alone is read, as much as the
model was trained on, with the positions as they are. A page cannot afford this (some two
minutes a text and method), so it is measured by a command and kept:
``python -m frontier_lab.studies.smollm2_needles src/frontier_lab/studies/smollm2_needles.json``.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from frontier_lab import hub
from frontier_lab.methods.long_context import with_rope
from frontier_lab.storage import cache, results
from frontier_lab.storage.files import write_json
from frontier_lab.studies.smollm2_extrapolation import BOOKS, FACTOR, HUB_ID, rope_parameters
from frontier_lab.texts import corpus

LENGTHS = (2048, 4096, 8192, 12288, 16384)
"""Tokens read before all facts so far are asked for; the model was trained on 8192."""

TEXTS = 1
TRAINED = 8192
WINDOW = 8100
"""Last tokens that are read alone for ``cut``: the question has room in the trained length."""

METHODS = ("base", "linear", "ntk", "yarn")
THINGS = (
    "The phone number of the bakery",
    "The weight of the iron anchor",
    "The price of the red bicycle",
    "The height of the old lighthouse",
    "The code of the bank vault",
    "The number of the night train",
    "The length of the stone bridge",
    "The account of the tax office",
    "The depth of the blue lake",
    "The page of the lost chapter",
    "The speed of the mail plane",
    "The age of the giant tortoise",
    "The rent of the corner shop",
    "The seat of the opera guest",
    "The distance to the north star",
    "The volume of the water tank",
    "The licence of the yellow taxi",
    "The score of the chess master",
    "The room of the hotel manager",
    "The serial of the broken watch",
    "The fine of the late library book",
    "The altitude of the ski station",
    "The population of the fishing village",
    "The pressure of the steam boiler",
)
"""What the facts are about, one each."""

QUESTION = "\n\nWhat was said above? {} is"
STATEMENT = "\n\n{} is {}.\n\n"


def haystack(tokenizer: PreTrainedTokenizerBase, text: int) -> tuple[list[int], list[int], list[str]]:
    """A text with all facts: token ids, where each fact begins, and the four digits of each.

    Args:
        tokenizer: of the model that is asked.
        text: 0 to ``TEXTS - 1``: which chapters, and the seed of order and digits.
    """
    generator = np.random.default_rng(text)
    numbers = [f"{number:04d}" for number in generator.permutation(10_000)[: len(THINGS)]]
    chapters = corpus.documents("bible")[BOOKS[text + 1] :]
    filler = tokenizer("\n\n".join(chapters[:60])).input_ids
    step = LENGTHS[-1] // len(THINGS)
    ids: list[int] = []
    places = []
    for index, (thing, number) in enumerate(zip(ordered(text), numbers, strict=True)):
        places.append(len(ids))
        ids += tokenizer(STATEMENT.format(thing, number)).input_ids
        ids += filler[len(ids) : (index + 1) * step]
    return ids + filler[len(ids) : LENGTHS[-1]], places, numbers


def ordered(text: int) -> list[str]:
    """The things in the order of a text."""
    return [THINGS[i] for i in np.random.default_rng((text, 1)).permutation(len(THINGS))]


@torch.no_grad()
def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[int],
    facts: Sequence[tuple[int, str, str]],
    lengths: Sequence[int] = LENGTHS,
) -> list[list[bool]]:
    """For every length, whether each fact before it is answered: all four digits the first choice.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer, which makes a token of every digit.
        ids: the text.
        facts: where each begins, thing and digits, in order.
        lengths: tokens read before the questions, rising.
    """
    past, read, found = None, 0, []
    for length in lengths:
        for start in range(read, length, 1024):
            part = torch.tensor([ids[start : min(start + 1024, length)]])
            past = model(
                input_ids=part, past_key_values=past, use_cache=True, logits_to_keep=1
            ).past_key_values
        read = length
        asked = [(thing, number) for place, thing, number in facts if place + 32 <= length]
        found.append([_answered(model, tokenizer, past, thing, number) for thing, number in asked])
    return found


def _answered(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, past: Any, thing: str, number: str
) -> bool:
    question = tokenizer(f"{QUESTION.format(thing)} {number}").input_ids
    choices: Tensor = model(input_ids=torch.tensor([question]), past_key_values=past).logits[0].argmax(-1)
    past.crop(-len(question))
    said: list[int] = choices[-5:-1].tolist()
    return bool(said == question[-4:])


def stored() -> dict[str, Any]:
    """What ``measure`` gave, as it is committed: ``right[method][text][length][fact]``, ``places[text]``.

    ``cut[text][fact]`` is asked after the last ``WINDOW`` tokens of the longest text alone, with the
    positions as they are.
    """
    return results.stored(__file__)


def measure_one(text: int, method: str, window: int | None = None) -> list[list[int]]:
    """Hits of one text by one method, ``[length][fact]``, in bfloat16, the model's own precision.

    Args:
        text: see ``haystack``.
        method: of ``METHODS``.
        window: read so many last tokens of the longest text alone, and ask once.

    Raises:
        RuntimeError: SmolLM2 is not installed.
    """
    if not hub.is_real(HUB_ID):
        raise RuntimeError(f"{HUB_ID}: not installed; `make models` brings it")
    path = hub.path(HUB_ID)
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    scaled = with_rope(model, rope_parameters(model.config)[method])
    frequencies = scaled.model.rotary_emb.inv_freq
    scaled.bfloat16().model.rotary_emb.inv_freq = frequencies  # angles of thousands need all digits
    ids, places, numbers = haystack(tokenizer, text)
    start = 0 if window is None else len(ids) - window
    facts = list(zip((place - start for place in places), ordered(text), numbers, strict=True))
    lengths = LENGTHS if window is None else (window,)
    return [[int(hit) for hit in row] for row in answers(scaled, tokenizer, ids[start:], facts, lengths)]


def measure() -> Mapping[str, Any]:
    """The data set; what is measured of a text and method is kept, so that a killed run goes on."""
    work = cache.folder("smollm2_needles")
    work.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[list[list[int]]]] = {name: [] for name in METHODS}
    cut: list[list[int]] = []

    def once(text: int, method: str, window: int | None = None) -> list[list[int]]:
        kept = work / f"{text}-{method}{'' if window is None else '-cut'}.json"
        if not kept.exists():
            write_json(kept, measure_one(text, method, window))
            print(kept.stem, file=sys.stderr, flush=True)
        hits: list[list[int]] = json.loads(kept.read_text("utf8"))
        return hits

    for text in range(TEXTS):
        for name in METHODS:
            found[name].append(once(text, name))
        cut.append(once(text, "base", WINDOW)[0])
    tokenizer = AutoTokenizer.from_pretrained(hub.path(HUB_ID))
    shutil.rmtree(work)
    return {
        "format": 3,
        "hub_id": HUB_ID,
        "trained": TRAINED,
        "factor": FACTOR,
        "lengths": list(LENGTHS),
        "places": [haystack(tokenizer, text)[1] for text in range(TEXTS)],
        "right": found,
        "window": WINDOW,
        "cut": cut,
    }


if __name__ == "__main__":
    results.write(measure)

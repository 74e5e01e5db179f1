"""A tokenizer of numbers, and no more than ``capture`` needs of one."""

from __future__ import annotations


class Words:
    """``"5 9"`` has the ids 5 and 9.

    Attributes:
        pad_token_id: ``None`` where nothing pads.
        eos_token_id: ``None`` where nothing ends.
    """

    def __init__(self, pad: int | None = None, eos: int | None = None) -> None:
        self.pad_token_id, self.eos_token_id = pad, eos

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [int(word) for word in text.split()]}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [str(one) for one in ids]

"""Public-domain text of three clearly different kinds, committed compressed, checked before use.

Three domains so that it can be measured what the experts of a mixture specialise in: scripture (King James
Bible), hacker lore (the Jargon File) and classical Chinese poems (three hundred Tang, one hundred Song).
Sources, licences and hashes stand in ``corpus.json``; ``texts.corpus.build`` says exactly how the
files were made.
"""

from __future__ import annotations

import functools
import hashlib
import json
import lzma
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
DOMAINS = ("bible", "jargon", "poems")
SEPARATOR = "\x1e"
"""Stands between documents (a chapter, an entry, a poem) in the stored text."""

VALIDATION_STRIDE = 20
"""Every 20th document is held out, so that validation covers the whole of each source."""


@functools.cache
def documents(domain: str) -> tuple[str, ...]:
    """All documents of one domain, in the order of the source.

    Raises:
        ValueError: ``domain`` is not one of ``DOMAINS``, or the stored file does not match its hash.
    """
    if domain not in DOMAINS:
        raise ValueError(f"domain: got {domain!r}, wanted one of {', '.join(DOMAINS)}")
    entry = json.loads((HERE / "corpus.json").read_text("utf8"))["domains"][domain]
    data = (HERE / entry["file"]).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry["sha256"]:
        raise ValueError(
            f"{entry['file']}: got sha256 {digest}, wanted {entry['sha256']}: restore the file from git"
        )
    return tuple(lzma.decompress(data).decode("utf8").split(SEPARATOR))


def split(domain: str, part: Literal["train", "validation"]) -> tuple[str, ...]:
    """The documents of one domain that are trained on, or those held out."""
    held_out = part == "validation"
    return tuple(
        d
        for i, d in enumerate(documents(domain))
        if (i % VALIDATION_STRIDE == VALIDATION_STRIDE - 1) is held_out
    )

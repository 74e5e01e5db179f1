"""Make the committed corpus from three Debian packages: bible-kjv-text, dict-jargon and fortunes-zh.

``apt-get install bible-kjv bible-kjv-text dict-jargon fortunes-zh``, then
``python -m frontier_lab.texts.corpus.build``.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import re
import subprocess
from pathlib import Path

from . import HERE, SEPARATOR

FORTUNES = Path("/usr/share/games/fortunes")
JARGON = Path("/usr/share/dictd/jargon")
BIBLE_STRIDE, BIBLE_TAKEN = 5, 2
"""Two chapters of every five: about as much text as the Jargon File has."""

SOURCES = {
    "bible": {
        "source": "King James Bible (1769 text), from Debian's bible-kjv-text 4.38",
        "licence": "public domain outside the United Kingdom, where the Crown's letters patent apply",
        "document": "a chapter",
    },
    "jargon": {
        "source": "The Jargon File 4.4.7 (2003), from Debian's dict-jargon 4.4.7",
        "licence": "public domain, as the File states itself",
        "document": "an entry",
    },
    "poems": {
        "source": "唐诗三百首 and 宋词一百首, from Debian's fortunes-zh 2.98 (tang300, song100)",
        "licence": "public domain: the poems are seven to fourteen centuries old; "
        "titles, authors and verse only",
        "document": "a poem",
    },
}


def bible() -> list[str]:
    """Two of every five chapters, verse references removed."""
    command = ["bible", "-f", "Gen1:1-Rev22:21"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    chapters: dict[str, list[str]] = {}
    for line in lines:
        reference, _, verse = line.partition(" ")
        chapters.setdefault(reference.split(":")[0], []).append(verse.strip())
    return [" ".join(verses) for i, verses in enumerate(chapters.values()) if i % BIBLE_STRIDE < BIBLE_TAKEN]


def jargon() -> list[str]:
    """One document an entry: the headword, then its text with line breaks and link braces removed."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    def number(text: str) -> int:
        value = 0
        for character in text:
            value = value * 64 + digits.index(character)
        return value

    data = gzip.decompress(JARGON.with_suffix(".dict.dz").read_bytes())
    entries = {}
    for line in JARGON.with_suffix(".index").read_text("utf8").splitlines():
        headword, start, length = line.split("\t")
        if not headword.startswith("00"):
            entries[number(start)] = number(length)
    texts = [data[start : start + length].decode("utf8") for start, length in sorted(entries.items())]
    return [re.sub(r"\s+", " ", re.sub(r"[{}]", "", text)).strip() for text in texts]


def poems() -> list[str]:
    """One document a poem: title, author, then the lines, terminal colours removed."""
    text = "".join((FORTUNES / name).read_text("utf8") for name in ("tang300", "song100"))
    text = re.sub(r"\x1b?\[\d*m", "", text)
    return [
        "\n".join(line.strip() for line in poem.strip().splitlines())
        for poem in text.split("\n%")
        if poem.strip()
    ]


def main() -> None:
    """Write the three files and ``corpus.json``."""
    domains = {}
    for name, collect in {"bible": bible, "jargon": jargon, "poems": poems}.items():
        texts = [text for text in collect() if text]
        joined = SEPARATOR.join(texts)
        data = lzma.compress(joined.encode("utf8"), preset=9 | lzma.PRESET_EXTREME)
        file = f"{name}.txt.xz"
        (HERE / file).write_bytes(data)
        domains[name] = {
            **SOURCES[name],
            "file": file,
            "documents": len(texts),
            "characters": len(joined),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        print(f"{name}: {len(texts)} documents, {len(joined):,} characters, {len(data):,} bytes")
    (HERE / "corpus.json").write_text(
        json.dumps({"domains": domains}, ensure_ascii=False, indent=1) + "\n", "utf8"
    )


if __name__ == "__main__":
    main()

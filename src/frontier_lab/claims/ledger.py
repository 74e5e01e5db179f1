"""The book's claims: what its cells printed, joined with what is said of it in ``book/claims``.

A record has its numbers from the line that a cell tagged ``claim-<name>`` stored, and its words from
``book/claims/<section>/<page>.yml``, in both languages. Reading is strict: what is missing, unknown, left
over or there twice is a problem, which names file and claim. Notebooks are read as JSON, nothing is executed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from frontier_lab.claims import NAME, UNITS, Claim, RefutedError, parse

KINDS = {
    "empirical": ("实测", "empirical"),
    "corrective": ("勘误", "correction of the source"),
    "formula": ("公式或计数", "formula or count"),
}
"""Of claims, in Chinese and English: a measurement, what the source got wrong, what a formula gives."""

PROVING = ("claim-", "check-", "listing-")
"""Beginnings of the tags whose cells prove something: one of them excludes a rival, or derives a sentence."""

HAN = re.compile(r"[\u3001-\u303f\u3400-\u9fff\uff01-\uff60]")
PRINTED = re.compile(rf"✓ ({NAME.pattern}) \| ")
KEYS = {"kind", "model", "of", "baseline", "rival", "seeds", "fared"}
RIVAL_KEYS = {"zh", "en", "excluded_by", "how"}


class LedgerError(ValueError):
    """The ledger is not whole; ``problems`` has a line for each fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Text:
    """The same words in both languages."""

    zh: str
    en: str


@dataclass(frozen=True)
class Rival:
    """The strongest other explanation, and the tag of the cell that excludes it; None: it is not excluded."""

    text: Text
    excluded_by: str | None
    how: Text | None = None


@dataclass(frozen=True)
class Record:
    """A claim of the book.

    ``page`` is such as ``28-1-long-context/1-position-interpolation``; ``cell`` counts all cells of its
    notebook from 0. ``rival`` is None for some formulas alone. ``seeds`` says which checkpoints or parts were
    used where the interval is over something else; empty where no model of the claim was trained here.
    """

    name: str
    page: str
    cell: int
    kind: str
    claim: Claim
    of: Text
    model: Text
    baseline: Text | None = None
    rival: Rival | None = None
    seeds: tuple[int, ...] | None = None
    fared: Text | None = None

    @property
    def tag(self) -> str:
        """Of its cell."""
        return f"claim-{self.name}"


@dataclass(frozen=True)
class Cell:
    """A place in the book: page and cell, counted from 0."""

    page: str
    number: int


# ---- notebooks ---------------------------------------------------------------------------------------------


def notebooks(book: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Page and cells of every notebook of the book, in the order of their names."""
    for file in sorted(book.rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in file.parts:
            page = file.relative_to(book).with_suffix("").as_posix()
            yield page, json.loads(file.read_text("utf8"))["cells"]


def tags(cell: Mapping[str, Any]) -> list[str]:
    """Of a cell, in the order in which they stand."""
    return list(cell.get("metadata", {}).get("tags", []))


def source(cell: Mapping[str, Any]) -> str:
    """Of a cell; a notebook keeps it as one string or as lines."""
    return "".join(cell["source"])


def proving_cells(book: Path) -> dict[str, Cell]:
    """The cell of every tag of the book that begins as ``PROVING`` says; the first where there are more."""
    found: dict[str, Cell] = {}
    for page, cells in notebooks(book):
        for number, cell in enumerate(cells):
            for tag in tags(cell):
                if tag.startswith(PROVING):
                    found.setdefault(tag, Cell(page, number))
    return found


def printed_lines(cell: Mapping[str, Any]) -> dict[str, list[str]]:
    """The lines of claims in a cell's output, by name."""
    found: dict[str, list[str]] = {}
    for output in cell.get("outputs", []):
        for line in "".join(output.get("text", [])).splitlines():
            if match := PRINTED.match(line):
                found.setdefault(match[1], []).append(line)
    return found


def stated(code: str) -> dict[str, str]:
    """What the calls ``claim("name", "statement", ...)`` in a cell's code state, by name."""
    lines = [line for line in code.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return {}
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "claim":
            words = [part.value for part in node.args[:2] if isinstance(part, ast.Constant)]
            if len(words) == 2:
                found[str(words[0])] = str(words[1])
    return found


def _stored(name: str, cell: Mapping[str, Any]) -> Claim:
    """The claim that a cell printed.

    Raises:
        ValueError: it printed none, several, one that cannot be read, or another than its code states.
    """
    lines = printed_lines(cell).get(name, [])
    if len(lines) != 1:
        raise ValueError(f"got {len(lines)} lines of it in the output, wanted one: run `make notebooks`")
    found = parse(lines[0])
    code = stated(source(cell)).get(name, found.statement)
    if code != found.statement:
        raise ValueError(f"the code states {code!r}, the output {found.statement!r}: run `make notebooks`")
    return found


def _lines(book: Path, problems: list[str]) -> dict[str, tuple[Cell, Claim]]:
    """Every claim that a cell stored, by name."""
    found: dict[str, tuple[Cell, Claim]] = {}
    owners: dict[str, Cell] = {}
    for page, cells in notebooks(book):
        for number, cell in enumerate(cells):
            here, place = Cell(page, number), f"{page}.ipynb: cell {number}"
            names = set(printed_lines(cell))
            for tag in tags(cell):
                if not tag.startswith(("claim-", "check-")):
                    continue
                name = tag.removeprefix("claim-")
                names.discard(name)
                if tag in owners:
                    problems.append(f"{place}: {tag} is also the tag of {_shown(owners[tag])}")
                elif tag.startswith("claim-"):
                    try:
                        found[name] = here, _stored(name, cell)
                    except ValueError as error:
                        problems.append(f"{place}: {name}: {error}")
                owners.setdefault(tag, here)
            for name in sorted(names):
                problems.append(f"{place}: {name}: the cell prints its line, and has no tag claim-{name}")
    return found


def _shown(cell: Cell) -> str:
    return f"{cell.page}.ipynb, cell {cell.number}"


# ---- words -------------------------------------------------------------------------------------------------


class _StrictLoader(yaml.SafeLoader):
    """YAML that has no key twice: of two, the plain loader keeps the last and is silent."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]  # type: ignore[no-untyped-call]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: the key {key!r} is there twice")
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _text(value: Any, where: str, problems: list[str]) -> Text:
    """Words in two languages; a fault becomes a problem and empty words."""
    if not isinstance(value, Mapping) or set(value) != {"zh", "en"}:
        got = sorted(map(str, value)) if isinstance(value, Mapping) else repr(value)
        problems.append(f"{where}: got {got}, wanted zh and en")
        value = value if isinstance(value, Mapping) else {}
    words = {}
    for language in ("zh", "en"):
        word = value.get(language, "")
        if language in value and (not isinstance(word, str) or not word.strip()):
            problems.append(f"{where}: {language}: got {word!r}, wanted words (quote a number or a yes)")
        words[language] = str(word).strip()
    if HAN.search(words["en"]):
        problems.append(f"{where}: en: got Chinese, {words['en'][:40]!r}")
    return Text(words["zh"], words["en"])


def _rival(value: Any, where: str, cells: Mapping[str, Cell], problems: list[str]) -> Rival | None:
    if not isinstance(value, Mapping):
        problems.append(f"{where}: got {value!r}, wanted zh, en and excluded_by")
        return None
    if unknown := sorted(map(str, value.keys() - RIVAL_KEYS)):
        problems.append(f"{where}: unknown {', '.join(unknown)}, wanted {', '.join(sorted(RIVAL_KEYS))}")
    text = _text({key: value[key] for key in ("zh", "en") if key in value}, where, problems)
    tag, how = value.get("excluded_by"), None
    if "excluded_by" not in value:
        problems.append(f"{where}: excluded_by is missing: the tag of a cell, or null if nothing excludes it")
    elif tag is not None and tag not in cells:
        problems.append(f"{where}: excluded_by: no cell of the book is tagged {tag!r}")
    if "how" in value:
        how = _text(value["how"], f"{where}: how", problems)
    elif tag is not None:
        problems.append(f"{where}: how is missing: what the cell {tag} shows, in zh and en")
    return Rival(text, tag, how)


def _words(book: Path, problems: list[str]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Page and entry of every claim in ``book/claims``."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for file in sorted((book / "claims").rglob("*.yml")):
        page = file.relative_to(book / "claims").with_suffix("").as_posix()
        place = f"claims/{page}.yml"
        if not (book / f"{page}.ipynb").is_file():
            problems.append(f"{place}: there is no page {page}.ipynb")
        try:
            entries = yaml.load(file.read_text("utf8"), _StrictLoader)  # a SafeLoader
        except yaml.YAMLError as error:
            problems.append(f"{place}: {' '.join(str(error).split())}")
            continue
        if not isinstance(entries, Mapping):
            problems.append(f"{place}: got {type(entries).__name__}, wanted a mapping of claims")
            continue
        for name, entry in entries.items():
            if name in found:
                problems.append(f"{place}: {name}: is also in claims/{found[name][0]}.yml")
            elif not isinstance(entry, Mapping):
                problems.append(f"{place}: {name}: got {entry!r}, wanted {', '.join(sorted(KEYS))}")
            else:
                found[str(name)] = page, entry
    return found


def _record(
    name: str,
    where: Cell,
    claim: Claim,
    entry: Mapping[str, Any],
    cells: Mapping[str, Cell],
    problems: list[str],
) -> Record:
    place = f"claims/{where.page}.yml: {name}"
    if unknown := sorted(map(str, entry.keys() - KEYS)):
        problems.append(f"{place}: unknown {', '.join(unknown)}, wanted {', '.join(sorted(KEYS))}")
    kind = entry.get("kind")
    if kind not in list(KINDS):  # a list in the file cannot be hashed
        problems.append(f"{place}: kind: got {kind!r}, wanted one of {', '.join(KINDS)}")
    texts = {key: _text(entry.get(key), f"{place}: {key}", problems) for key in ("of", "model")}
    for key in ("baseline", "fared"):
        if key in entry:
            texts[key] = _text(entry[key], f"{place}: {key}", problems)
    if ("baseline" in entry) != (claim.baseline is not None):
        problems.append(f"{place}: baseline: wanted words here if the cell's line has one, and only then")
    rival = None
    if "rival" in entry:
        rival = _rival(entry["rival"], f"{place}: rival", cells, problems)
        if rival and rival.excluded_by == f"claim-{name}":
            problems.append(f"{place}: rival: excluded_by: names the claim itself")
    elif kind != "formula":
        problems.append(f"{place}: rival is missing: the strongest other explanation of the number")
    return Record(
        name,
        where.page,
        where.number,
        str(kind),
        claim,
        texts["of"],
        texts["model"],
        texts.get("baseline"),
        rival,
        _seeds(entry, claim, place, problems),
        texts.get("fared"),
    )


def _seeds(entry: Mapping[str, Any], claim: Claim, place: str, problems: list[str]) -> tuple[int, ...] | None:
    seeds, found = entry.get("seeds"), claim.estimate
    if seeds is None:
        if found.n and found.unit != "seed":
            problems.append(
                f"{place}: seeds are missing: the interval is over {UNITS[found.unit][1]}, so say on which "
                "checkpoints (`seeds: []` where none was trained here)"
            )
        return None
    if not isinstance(seeds, list) or not all(type(seed) is int for seed in seeds):
        problems.append(f"{place}: seeds: got {seeds!r}, wanted whole numbers such as [0, 1, 2]")
        return None
    if found.unit == "seed" and "paired" in found.method and len(seeds) != found.n:
        problems.append(f"{place}: seeds: got {len(seeds)}, and the interval is over {found.n}")
    return tuple(seeds)


# ---- the ledger --------------------------------------------------------------------------------------------


def collect(book: Path) -> tuple[list[Record], list[str]]:
    """Every record that can be made, in the order of pages and cells, and what is wrong with the ledger."""
    problems: list[str] = []
    lines, words, cells = _lines(book, problems), _words(book, problems), proving_cells(book)
    records = []
    for name, (page, entry) in words.items():
        if name not in lines:
            if f"claim-{name}" not in cells:
                problems.append(f"claims/{page}.yml: {name}: no cell of the book is tagged claim-{name}")
            continue
        where, claim = lines[name]
        if where.page != page:
            problems.append(f"claims/{page}.yml: {name}: its cell is on {where.page}: move the words there")
        records.append(_record(name, where, claim, entry, cells, problems))
    for name, (where, _) in lines.items():
        if name not in words:
            problems.append(f"{_shown(where)}: {name}: it has no words in claims/{where.page}.yml")
    return sorted(records, key=lambda record: (record.page, record.cell)), problems


def read(book: Path) -> list[Record]:
    """Every claim of the book, in the order of pages and cells; not judged.

    Args:
        book: the folder with the notebooks and ``claims``.

    Raises:
        LedgerError: a line or words are missing, unknown, left over, or there twice.
    """
    records, problems = collect(book)
    if problems:
        raise LedgerError(problems)
    return records


def refuted(records: list[Record]) -> list[str]:
    """One line for each record whose stored interval does not carry its statement."""
    found = []
    for record in records:
        try:
            record.claim.judge()
        except RefutedError as error:
            found.append(f"{record.page}.ipynb: cell {record.cell}: {error}")
    return found

"""The ledger of claims against the prose: what must carry a mark carries one, and says what was measured.

Each check returns problems, one line each, which name file, cell and sentence. ``problems`` calls them all:
the build of the site stops at what it returns, and so does a test.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from claim_numbers import faults, numbers
from sentences import Block, Mark, Sentence, blocks, sentences

from frontier_lab.claims import ledger
from frontier_lab.claims.ledger import HAN, Cell, Record

NOT_YET = (
    "28-2-efficient/",
    "28-4-interpretability/",
    "28-7-case-studies/1-",
    "28-7-case-studies/3-",
    "28-7-case-studies/index",
    "appendix/",
)
"""Beginnings of pages whose prose is not yet bound to the ledger; what they mark is checked all the same."""

ROLES = ("claim", "derived", "setting")
EXCUSED = {"claim", "derived"}
"""Marks of a sentence that asserts something; a citation is as good, a setting where it asserts nothing."""
READING_TIME = re.compile(r"^(?:读完|阅读)\D{0,6}\d+\s*分钟")
PAGE_TITLE = re.compile(r"^\d+(?:\.\d+)+\s")
"""In a table of pages: the link to one."""
GOALS = re.compile(r"^(?:你将)?学会")
QUESTION = re.compile(r"[？?][”」』）)]*$")
LABEL = re.compile(r"^[\s*]*(?:[（(]\s*\d{4}\s*年|[：:]?\s*$)")
"""After a bold span at the start of a sentence: it is the name of an entry, with its date."""
SAID = {
    "zh": re.compile(r"未(?:能|被)?排除|没有(?:被)?排除|(?:不能|无法|未能)排除"),
    "en": re.compile(r"\b(?:not|cannot|never|n't)\b[^.]{0,12}\b(?:excluded?|ruled? out)", re.I),
}
"""That a rival explanation is not excluded."""
LEAST_BOLD = 8
"""Characters, without punctuation and spaces, from which on a bold span can be a statement."""

Page = tuple[str, list[str]]
"""Name of a page and the Markdown of its cells, empty for cells of code."""
Translations = Mapping[str, Sequence[tuple[str, str, int]]]
"""Of each page: string, translation, line in the catalogue."""


# ---- what the checks read ----------------------------------------------------------------------------------


def pages(book: Path) -> Iterator[Page]:
    """Every page with its prose: notebooks, and pages of prose but the one that is made from the ledger."""
    for name, cells in ledger.notebooks(book):
        yield name, [ledger.source(cell) if cell["cell_type"] == "markdown" else "" for cell in cells]
    for file in sorted(book.rglob("*.md")):
        name = file.relative_to(book).with_suffix("").as_posix()
        if name != "evidence":
            yield name, [file.read_text("utf8")]


def translations(catalogues: Mapping[str, Any]) -> Translations:
    """The strings of Babel's catalogues that are translated and not fuzzy."""
    return {
        name: [
            (str(message.id), str(message.string), message.lineno or 0)
            for message in catalogue
            if message.id and message.string and not message.fuzzy
        ]
        for name, catalogue in catalogues.items()
    }


def shown(sentence: Sentence) -> str:
    """The beginning of a sentence, to find it by."""
    words = sentence.words
    return f"「{words[:40]}{'…' if len(words) > 40 else ''}」"


# ---- sentences that must carry a mark ----------------------------------------------------------------------


def is_excused(sentence: Sentence, *, settings: bool = True) -> bool:
    """Whether a sentence says where it comes from, asks, or has no words."""
    roles = {mark.role for mark in sentence.marks}
    marked = roles & EXCUSED or sentence.is_cited or (settings and "setting" in roles)
    return bool(marked or QUESTION.search(sentence.words) or not HAN.search(sentence.words))


def opening(block: Block) -> Iterator[tuple[Sentence, str]]:
    """Sentences of the opening, but for the reading time, what one learns, and in a table titles of pages."""
    goals = GOALS.search(block.words) or (block.kind == "item" and GOALS.search(block.lead))
    if block.section == "" and block.kind in ("paragraph", "item", "row") and not goals:
        for sentence in block.sentences:
            if READING_TIME.search(sentence.words):
                return
            if not is_excused(sentence) and not (block.kind == "row" and PAGE_TITLE.match(sentence.words)):
                yield sentence, "a sentence of the opening"


def bold(block: Block) -> Iterator[tuple[Sentence, str]]:
    """Sentences with a bold statement; a term and the name of a dated entry are none."""
    if not re.fullmatch(r"h\d|head", block.kind):
        for sentence in block.sentences:
            if not is_excused(sentence) and any(is_statement(sentence, span) for span in sentence.bold):
                yield sentence, "a bold statement"


def is_statement(sentence: Sentence, span: str) -> bool:
    """Whether a bold span is long enough for a statement, and no label."""
    rest = sentence.words[len(span) :] if sentence.starts_bold and sentence.words.startswith(span) else None
    if rest is not None and LABEL.match(rest) and not re.search(r"[。！]$", span):
        return False
    said = re.sub(r"[（(][^）)]*[）)]", "", span)  # a term's English, for one
    return len(re.sub(r"[\W\d_]", "", said)) >= LEAST_BOLD and bool(HAN.search(said))


def caption(block: Block) -> Iterator[tuple[Sentence, str]]:
    """Sentences of a caption."""
    first = block.sentences[0] if block.sentences else Sentence("")
    if block.kind == "paragraph" and first.starts_bold and first.bold[0].startswith("图注"):
        for sentence in block.sentences:
            if not is_excused(sentence):
                yield sentence, "a sentence of a caption"


def errata(block: Block) -> Iterator[tuple[Sentence, str]]:
    """Rows of the corrections of the source; a row that is a setting corrects nothing."""
    if block.section.startswith("原文勘误") and block.kind == "row":
        whole = Sentence(block.words, block.marks)
        if not is_excused(whole, settings=False):
            yield whole, "a row of 原文勘误"


def summary(block: Block) -> Iterator[tuple[Sentence, str]]:
    """Sentences of the summary; of a table there, the rows."""
    if block.section.startswith("小结") and block.kind in ("paragraph", "item", "row"):
        whole = [Sentence(block.words, block.marks)]
        for sentence in whole if block.kind == "row" else block.sentences:
            if not is_excused(sentence):
                yield sentence, "a sentence of 小结"


KINDS = (opening, bold, caption, errata, summary)


def unmarked(page: Page) -> list[str]:
    """Sentences that must say where they come from, and do not."""
    name, cells = page
    found = []
    for number, block in blocks(cells):
        seen: set[str] = set()
        for kind in KINDS:
            for sentence, what in kind(block):
                if sentence.words not in seen:
                    seen.add(sentence.words)
                    found.append(f"{name}: cell {number}: {shown(sentence)} is {what} and carries no mark")
    return found


# ---- marks and what they lead to ---------------------------------------------------------------------------


def not_bold(page: Page) -> list[str]:
    """Sentences with ``**`` that a parser takes for stars: what stands in them would be no bold statement."""
    name, cells = page
    return [
        f"{name}: cell {number}: {shown(sentence)} has ** that make nothing bold: move punctuation out"
        for number, block in blocks(cells)
        for sentence in block.sentences
        if "**" in sentence.words
    ]


def misplaced(page: Page) -> list[str]:
    """Marks after the full stop of their sentence, or in a heading."""
    name, cells = page
    found = []
    for number, block in blocks(cells):
        ours = [mark for mark in block.marks if mark.role in ROLES]
        if ours and re.fullmatch(r"h\d|head", block.kind):
            found.append(f"{name}: cell {number}: {block.words[:40]!r}: a heading carries no marks")
        for sentence in block.sentences:
            if not sentence.words.strip("。.") and any(mark.role in ROLES for mark in sentence.marks):
                targets = ", ".join(target for mark in sentence.marks for target in mark.targets)
                found.append(
                    f"{name}: cell {number}: the mark {targets} stands after the full stop of its sentence"
                )
    return found


def leading_nowhere(page: Page, records: Mapping[str, Record], cells_by_tag: Mapping[str, Cell]) -> list[str]:
    """Marks of unknown claims and cells."""
    name, cells = page
    found = []
    for number, block in blocks(cells):
        for sentence in block.sentences:
            for target in sentence.targets("claim"):
                if target not in records:
                    found.append(f"{name}: cell {number}: {shown(sentence)}: there is no claim {target!r}")
            for target in sentence.targets("derived"):
                if target not in cells_by_tag or not target.startswith(("check-", "listing-")):
                    wanted = f"no cell is tagged {target!r} (check-… or listing-…)"
                    found.append(f"{name}: cell {number}: {shown(sentence)}: {wanted}")
    return found


def unused(all_pages: Sequence[Page], records: Mapping[str, Record]) -> list[str]:
    """Claims that no sentence of their page makes."""
    used = {
        (name, target)
        for name, cells in all_pages
        for _, block in blocks(cells)
        for sentence in block.sentences
        for target in sentence.targets("claim")
    }
    return [
        f"{record.page}: cell {record.cell}: no sentence of the page carries the claim {record.name!r}"
        for record in records.values()
        if (record.page, record.name) not in used
    ]


# ---- what marked sentences say -----------------------------------------------------------------------------


def said_wrongly(sentence: Sentence, records: Mapping[str, Record], language: str) -> list[str]:
    """Faults of one sentence: its numbers, and silence about a rival that nothing excludes."""
    claims = [records[target] for target in sentence.targets("claim") if target in records]
    if not claims:
        return []
    found = faults(sentence.words, claims, language)
    for record in claims:
        if record.rival and record.rival.excluded_by is None and not SAID[language].search(sentence.words):
            wanted = {"zh": "未排除", "en": "not excluded"}[language]
            found.append(f"nothing excludes the rival of {record.name}: say so ({wanted})")
    return found


def in_chinese(page: Page, records: Mapping[str, Record]) -> list[str]:
    """Faults of the page's marked sentences; in a table, of the cells with a mark."""
    name, cells = page
    return [
        f"{name}: cell {number}: {shown(sentence)}: {fault}"
        for number, block in blocks(cells)
        for sentence in block.sentences
        for fault in said_wrongly(sentence, records, "zh")
    ]


def in_english(
    name: str, strings: Sequence[tuple[str, str, int]], records: Mapping[str, Record]
) -> list[str]:
    """Faults of the translations of marked strings: their marks, numbers, and numbers against the Chinese."""
    found = []
    for source, translation, line in strings:
        if not re.search(r"\{(?:claim|derived|setting)\}`", source + translation):
            continue
        place = f"{name}.po:{line}"
        ours, theirs = sentences(source, "zh"), sentences(translation, "en")
        if (wanted := marks(ours)) != (got := marks(theirs)):
            found.append(f"{place}: the marks are {written(got)}, wanted {written(wanted)} of the Chinese")
            continue
        for sentence in theirs:
            found += [
                f"{place}: {shown(sentence)}: {fault}" for fault in said_wrongly(sentence, records, "en")
            ]
        for key, values in counted(ours).items():
            if values != (other := counted(theirs).get(key, Counter())):
                both = f"{listed(other)}, in Chinese {listed(values)}"
                found.append(f"{place}: with {', '.join(key)} the numbers are {both}")
    return found


def marks(found: Sequence[Sentence]) -> Counter[Mark]:
    """The ledger's marks of sentences, in whatever order the language has them."""
    return Counter(mark for sentence in found for mark in sentence.marks if mark.role in ROLES)


def written(found: Counter[Mark]) -> str:
    """Marks as they stand in the source."""
    return " ".join(f"{{{mark.role}}}`{','.join(mark.targets)}`" for mark in found.elements()) or "none"


def counted(found: Sequence[Sentence]) -> dict[tuple[str, ...], Counter[float]]:
    """The numbers of sentences by the claims that these carry, without signs, which may be said in words."""
    by_claim: dict[tuple[str, ...], Counter[float]] = {}
    for sentence in found:
        if key := tuple(sorted(sentence.targets("claim"))):
            values = (round(abs(number.value), 9) for number in numbers(sentence.words))
            by_claim.setdefault(key, Counter()).update(values)
    return by_claim


def listed(values: Counter[float]) -> str:
    """Numbers in the order of their size."""
    return ", ".join(f"{value:g}" for value in sorted(values.elements())) or "none"


# ---- all of it ---------------------------------------------------------------------------------------------


def is_held(name: str, part: str = "") -> bool:
    """Whether a page must carry all its marks: one of a section or the appendix, and none of ``NOT_YET``.

    Args:
        name: of the page, such as ``28-1-long-context/2-alibi``.
        part: of the names of pages that are held although ``NOT_YET`` has them.
    """
    return "/" in name and (not name.startswith(NOT_YET) or bool(part and part in name))


def problems(book: Path, catalogues: Mapping[str, Any], part: str = "") -> list[str]:
    """What is wrong between the ledger and the prose, one line each; nothing is wrong if it is empty.

    Args:
        book: the folder with the notebooks and ``claims``.
        catalogues: Babel's catalogue of the English of each page, by its name.
        part: of the names of pages that are held to all their marks although ``NOT_YET`` has them.
    """
    found_records, found = ledger.collect(book)
    found += ledger.refuted(found_records)
    records = {record.name: record for record in found_records}
    tagged, every = ledger.proving_cells(book), list(pages(book))
    for page in every:
        if is_held(page[0], part):
            found += [*unmarked(page), *not_bold(page)]
        found += [*misplaced(page), *leading_nowhere(page, records, tagged), *in_chinese(page, records)]
    found += unused(every, records)
    for name, strings in translations(catalogues).items():
        found += in_english(name, strings, records)
    return found

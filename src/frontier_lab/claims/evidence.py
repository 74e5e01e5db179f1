"""The page ``book/evidence.md``, which is made from the ledger: every claim of the book, by section.

``python -m frontier_lab.claims --write`` writes it; a test fails where it is not what the ledger gives. Its
English needs no translator: ``english`` gives for each of its texts what the ledger, or the title of a page,
has in that language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from frontier_lab.claims import UNITS
from frontier_lab.claims.ledger import (
    HAN,
    KINDS,
    LedgerError,
    Record,
    Text,
    notebooks,
    proving_cells,
    read,
    source,
)

TITLE = Text("证据：全书的论断", "Evidence: every claim of the book")
INTRO = (
    Text(
        "正文里的论断都由单元格判定：单元格算出估计值和 95 % 区间，区间整个落在所说的范围里，论断才成立。"
        "这一页由这些单元格的输出生成，没有一个数字是手写的。",
        "A cell judges each claim of the book: it computes an estimate with its 95 % interval, and the claim "
        "stands only if the whole interval lies within what is said. This page is made from what those cells "
        "printed; none of its numbers is written by hand.",
    ),
    Text(
        "求区间的单位是相互独立的种子、文本或词，而不是同一段文本里的词元。每个论断旁边写着最强的另一种解释，"
        "以及排除它的单元格；没有排除的，也照样写明。",
        "Intervals are over independent units such as seeds, texts or words, not over tokens of one text. "
        "Next to each claim stands the strongest rival explanation and the cell that excludes it; where none "
        "does, the page says so.",
    ),
)
NONE = Text("书里还没有论断。", "The book has no claims yet.")
HEADS = (
    Text("论断", "Claim"),
    Text("测得", "Measured"),
    Text("对照", "Baseline"),
    Text("另一种解释", "Rival explanation"),
    Text("经受的反驳", "Attacks"),
)
NOTE, CELL = Text("页面上的证据", "evidence on the page"), Text("判定它的单元格", "cell that judges it")
EXACT = Text("精确值，没有随机性", "exact: nothing random goes into it")
SEEDS = Text("种子 {}", "seeds {}")
FARED = {
    "excluded": Text("另一种解释已排除", "rival excluded"),
    "open": Text("另一种解释未排除", "rival not excluded"),
    "formula": Text("公式，没有另一种解释", "a formula, which has no rival"),
    "attacked": Text("有反驳的记录", "attacks recorded"),
}
"""How a claim fared: what became of its rival, and whether attacks on it are told."""
FILTERS = (Text("节", "Section"), Text("类别", "Kind"), Text("结果", "How it fared"))
ALL = Text("全部", "All")

Say = Callable[[Text], str]
"""Gives the words of a text in the language of the page."""


def titles(book: Path) -> dict[str, str]:
    """The Chinese title of every page and, under its folder's name, of every section."""
    found = {}
    for file in sorted(book.rglob("*.md")):
        if match := re.search(r"^# (.+?)\s*$", file.read_text("utf8"), re.M):
            found[file.relative_to(book).with_suffix("").as_posix()] = match[1]
    for page, cells in notebooks(book):
        text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
        if match := re.search(r"^# (.+?)\s*$", text, re.M):
            found[page] = match[1]
    sections = {
        page.removesuffix("/index"): title for page, title in found.items() if page.endswith("/index")
    }
    return found | sections


def fared(record: Record) -> list[str]:
    """Keys of ``FARED`` that a claim has."""
    if record.rival is None:
        found = ["formula"]
    else:
        found = ["open" if record.rival.excluded_by is None else "excluded"]
    return [*found, "attacked"] if record.fared else found


def _section(record: Record) -> str:
    return record.page.partition("/")[0]


def _options(say: Say, texts: Mapping[str, Text]) -> str:
    return "".join(f'<option value="{key}">{escape(say(text))}</option>' for key, text in texts.items())


def _filter(records: Sequence[Record], named: Mapping[str, Text], say: Say) -> str:
    """Three lists to choose from; without scripts they stay hidden, and the whole page is there."""
    choices: tuple[Mapping[str, Text], ...] = (
        {section: named[section] for section in dict.fromkeys(map(_section, records))},
        {kind: Text(*names) for kind, names in KINDS.items() if any(r.kind == kind for r in records)},
        {key: text for key, text in FARED.items() if any(key in fared(r) for r in records)},
    )
    lists = "\n".join(
        f'<label>{escape(say(label))} <select name="{name}"><option value="">{escape(say(ALL))}</option>'
        f"{_options(say, texts)}</select></label>"
        for name, label, texts in zip(("section", "kind", "fared"), FILTERS, choices, strict=True)
    )
    return f'<form class="evidence-filter" autocomplete="off" hidden>\n{lists}\n<output></output>\n</form>'


def _measured(record: Record, say: Say) -> Iterator[str]:
    claim, found = record.claim, record.claim.estimate
    if found.n:
        yield f"<b>{claim.shown(found.value)}</b> [{claim.shown(found.low)}, {claim.shown(found.high)}]"
        unit, english = UNITS[found.unit]
        yield escape(say(Text(f"{found.n} {unit}", f"{found.n} {english if found.n > 1 else found.unit}")))
        yield escape(found.method)
    else:
        yield f"<b>{claim.shown(found.value)}</b>"
        yield escape(say(EXACT))
    yield escape(say(record.model))
    if record.seeds:
        seeds = ", ".join(map(str, record.seeds))
        yield escape(say(Text(SEEDS.zh.format(seeds), SEEDS.en.format(seeds))))


def _rival(record: Record, pages: Mapping[str, str], say: Say) -> Iterator[str]:
    rival = record.rival
    if rival is None:
        yield escape(say(FARED["formula"]))
        return
    yield escape(say(rival.text))
    if rival.excluded_by is None:
        yield f"<b>{escape(say(FARED['open']))}</b>"
    else:
        how = say(rival.how) if rival.how else rival.excluded_by
        address = f"{pages[rival.excluded_by]}.html#cell-{rival.excluded_by}"
        yield f'{escape(say(FARED["excluded"]))} <a href="{address}">{escape(how)}</a>'


def _row(record: Record, pages: Mapping[str, str], title: Text, say: Say) -> str:
    claim = record.claim
    address = f"{record.page}.html"
    first = (
        f"<b>{escape(say(record.of))}</b>",
        f"<code>{escape(claim.statement)}</code>",
        escape(say(Text(*KINDS[record.kind]))),
        f'<a href="{address}">{escape(say(title))}</a>',
        f'<a href="{address}#evidence-{record.name}">{escape(say(NOTE))}</a>',
        f'<a href="{address}#cell-{record.tag}">{escape(say(CELL))}</a>',
    )
    baseline = []
    if claim.baseline is not None and record.baseline is not None:
        baseline = [f"<b>{claim.shown(claim.baseline)}</b>", escape(say(record.baseline))]
    history = [escape(say(record.fared))] if record.fared else []
    cells = (first, _measured(record, say), baseline, _rival(record, pages, say), history)
    attributes = (
        f'data-section="{_section(record)}" data-kind="{record.kind}" data-fared="{" ".join(fared(record))}"'
    )
    columns = "\n".join(
        f'<td><span class="evidence-label">{escape(say(head))}</span>{"<br>".join(cell)}</td>'
        for head, cell in zip(HEADS, map(list, cells), strict=True)
    )
    return f"<tr {attributes}>\n{columns}\n</tr>"


def page(
    records: Sequence[Record],
    pages: Mapping[str, str],
    named: Mapping[str, Text],
    say: Say = lambda text: text.zh,
) -> str:
    """The page as Markdown.

    Args:
        records: every claim, those of a section one after the other.
        pages: where each cell stands that excludes a rival, by its tag.
        named: titles of pages and sections, by their names.
        say: the language; Chinese unless another is given.
    """
    parts = [f"# {say(TITLE)}", *map(say, INTRO)]
    if not records:
        return "\n\n".join([*parts, say(NONE)]) + "\n"
    parts.append(_filter(records, named, say))
    heads = "".join(f"<th>{escape(say(head))}</th>" for head in HEADS)
    for section, group in groupby(records, _section):
        rows = (_row(record, pages, named[record.page], say) for record in group)
        table = (
            '<table class="table evidence-table">',
            f"<thead><tr>{heads}</tr></thead>",
            "<tbody>",
            *rows,
            "</tbody>",
            "</table>",
        )
        parts += [f"## {say(named[section])}", "\n".join(table)]
    return "\n\n".join(parts) + "\n"


def _read(book: Path) -> tuple[list[Record], dict[str, str]]:
    return read(book), {tag: cell.page for tag, cell in proving_cells(book).items()}


def chinese(book: Path) -> str:
    """The page of a book, as it is committed."""
    records, pages = _read(book)
    return page(records, pages, {name: Text(title, "") for name, title in titles(book).items()})


def english(book: Path, translated: Mapping[str, str]) -> dict[str, str]:
    """English of every Chinese text of a book's page.

    Args:
        book: the folder with the notebooks and ``claims``.
        translated: English titles of pages, by their names; others keep their Chinese.

    Raises:
        LedgerError: the ledger is not whole, or says the same in Chinese twice, and not in English.
    """
    records, pages = _read(book)
    found: dict[str, str] = {}
    problems = []

    def collect(text: Text) -> str:
        if HAN.search(text.zh) and found.setdefault(text.zh, text.en) != text.en:
            problems.append(
                f"{text.zh!r} is {found[text.zh]!r} in one claim and {text.en!r} in another: keep one"
            )
        return text.zh

    named = {name: Text(title, translated.get(name, title)) for name, title in titles(book).items()}
    page(records, pages, named, collect)
    if problems:
        raise LedgerError(problems)
    return found

"""The ledger of claims in the pages: a mark in each sentence, and a numbered note with its evidence.

``{claim}`name``` becomes a quiet number that leads to a note in the section "Evidence" at the end of its
page, ``{derived}`check-tag``` a link to the cell that asserts a formula, ``{setting}`reading``` nothing. The
notes are part of the page: they are searched, printed, and read without scripts; a script shows them as cards
(``widgets/src/claims``). Their words are the ledger's, in the language of the page: gettext passes them by.
"""

from __future__ import annotations

import functools
import html
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from claim_lines import drawn, minus, written
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.osutil import relative_uri

from frontier_lab.claims import UNITS, Claim
from frontier_lab.claims.ledger import PROVING, Cell, Record, Rival, Text, proving_cells, read

ROOT = Path(__file__).resolve().parents[1]
MEASURES = ROOT / "widgets" / "src" / "claims" / "measures.json"
"""Claims that the reader's browser can measure again, and what it draws afresh for that."""

MARK = 'class="claim-mark"'
"""What a page contains that needs the script of the cards."""

ROLE = re.compile(r"[ ]?\{(claim|derived|setting)\}`([^`]*)`")
WORDS = {
    "title": Text("证据", "Evidence"),
    "intro": Text(
        "句子后面带刻度的小数字通向这里。每条是一个论断：量了什么，95 % 区间有多宽，拿什么作对照，"
        "最强的另一种解释排除了没有。图上的横条是区间，点是估计值，浅色的一段是论断所说的范围："
        "横条整个落在里面，论断才算成立。",
        "The small numbers after sentences lead here. Each note is one claim: what was measured, how wide "
        "its 95 % interval is, what it is held against, and whether the strongest rival explanation has "
        "been excluded. In the picture the bar is the interval and the dot the estimate; the pale stretch is "
        "what is claimed: the claim stands only if the whole bar lies within it.",
    ),
    "mark": Text("证据 {}：{}", "Evidence {}: {}"),
    "derived": Text("推导：看断言它的格子", "Derived: see the cell that asserts it"),
    "result": Text("结果", "Result"),
    "interval": Text("{}，95 % 区间 {} 到 {}", "{}, 95 % interval {} to {}"),
    "exact": Text("{}，精确值，没有随机性", "{}, exact: nothing random goes into it"),
    "claimed": Text("论断", "Claim"),
    "over": Text("样本", "Sample"),
    "model": Text("模型", "Model"),
    "seeds": Text("，种子 {}", ", seed {}"),
    "many": Text("，种子 {}", ", seeds {}"),
    "baseline": Text("对照", "Baseline"),
    "rival": Text("另一种解释", "Rival"),
    "excluded": Text("已排除：", "Excluded: "),
    "open": Text("未排除。", "Not excluded."),
    "also": Text("同时测得", "Also measured"),
    "fared": Text("经受的反驳", "How it fared"),
    "cell": Text("看这个格子", "See the cell"),
    "back": Text("回到句子", "Back to the sentence"),
    "backs": Text("回到第 {} 处", "Back to sentence {}"),
}
STATED = {
    ">": Text("整个区间大于 {}", "the whole interval lies above {}"),
    ">=": Text("整个区间不小于 {}", "the whole interval lies at {} or more"),
    "<": Text("整个区间小于 {}", "the whole interval lies below {}"),
    "<=": Text("整个区间不大于 {}", "the whole interval lies at {} or less"),
    "=": Text("正好是 {}", "exactly {}"),
    "within": Text("没有达到 {} 的差别", "no difference as large as {}"),
    "between": Text("整个区间在 {} 与 {} 之间", "the whole interval lies between {} and {}"),
}
SEES = Text("；真有 {} 的差，这个样本看得出来", "; this sample would have shown one of {}")
METHODS = {
    "t": Text("t 区间", "t interval"),
    "paired t": Text("配对 t 区间", "paired t interval"),
    "Welch t": Text("韦尔奇 t 区间", "Welch t interval"),
    "paired t of logs": Text("对数的配对 t 区间", "paired t interval of logarithms"),
    "Wilson": Text("威尔逊区间", "Wilson interval"),
    "bootstrap": Text("自助法区间", "bootstrap interval"),
    "Agresti Min": Text("阿格雷斯蒂–闵区间", "Agresti–Min interval"),
    "Newcombe": Text("纽科姆区间", "Newcombe interval"),
    "Spearman": Text("斯皮尔曼秩相关的区间", "interval of Spearman's rank correlation"),
    "Pearson": Text("皮尔逊相关的区间", "interval of Pearson's correlation"),
    "cluster bootstrap": Text("整组自助法区间", "cluster bootstrap interval"),
}
"""Words for the methods of ``frontier_lab.claims.estimates``."""

MORE = ("also", "fared")
"""Rows that a card leaves to the note."""

logger = logging.getLogger(__name__)


class claim_mark(nodes.Inline, nodes.TextElement):  # type: ignore[misc]  # docutils names nodes so
    """Numbers of notes in a sentence; ``names`` of the claims, later ``notes``."""


class derived_mark(nodes.Inline, nodes.TextElement):  # type: ignore[misc]
    """A link to the cell that asserts a sentence; ``tag`` of the cell, later ``uri`` and ``label``."""


# ---- roles -------------------------------------------------------------------------------------------------


Made = tuple[list[nodes.Node], list[Any]]


def claim_role(name: str, rawtext: str, text: str, *_: Any, **__: Any) -> Made:
    """``{claim}`a,b```: the evidence of a sentence."""
    return [claim_mark(rawtext, names=[part.strip() for part in text.split(",")])], []


def derived_role(name: str, rawtext: str, text: str, *_: Any, **__: Any) -> Made:
    """``{derived}`check-tag```: the cell that asserts a sentence."""
    return [derived_mark(rawtext, tag=text.strip())], []


def setting_role(name: str, rawtext: str, *_: Any, **__: Any) -> Made:
    """``{setting}`reading```: a sentence that claims nothing; readers see no mark."""
    return [claim_mark(rawtext, names=[])], []


def without_roles(source: str) -> str:
    """Markdown for readers of a notebook, whose programs know no such roles.

    The name of a claim stays, small: it begins the line that its cell printed.
    """
    return ROLE.sub(lambda found: f"<sup>✓ {found[2]}</sup>" if found[1] == "claim" else "", source)


# ---- the ledger --------------------------------------------------------------------------------------------


@functools.cache
def ledger(book: Path) -> Mapping[str, Record]:
    """Every claim of the book by its name."""
    return {record.name: record for record in read(book)}


@functools.cache
def cells(book: Path) -> Mapping[str, Cell]:
    """Every cell that proves something, by its tag."""
    return proving_cells(book)


@functools.cache
def measures() -> Mapping[str, Mapping[str, Any]]:
    """Claims that a browser can measure again: for each the words of what is drawn afresh."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(MEASURES.read_text("utf8"))
    return found


def shown(claim: Claim, number: float) -> str:
    """As the cell printed it, with a minus in the place of a hyphen."""
    return minus(str(number) if isinstance(number, int) else f"{number:.{claim.digits}f}")


def said(text: Text, language: str, *values: object) -> str:
    """Words in the language of the page; only those with values have places for them."""
    words = str(getattr(text, language))
    return words.format(*values) if values else words


def stated(claim: Claim, language: str) -> str:
    """The statement in words."""
    bounds = claim.bounds
    low, high = written(bounds.low), written(bounds.high)
    if bounds.is_absolute:
        key = "within"
    elif math.isinf(bounds.low):
        key = "<=" if bounds.closed else "<"
    elif math.isinf(bounds.high):
        key = ">=" if bounds.closed else ">"
    else:
        key = "=" if bounds.low == bounds.high else "between"
    words = said(STATED[key], language, *((high,) if key in ("within", "<", "<=") else (low, high)))
    if claim.says_no_difference and claim.estimate.detectable is not None:
        words += said(SEES, language, shown(claim, claim.estimate.detectable))
    return words


def result(claim: Claim, language: str) -> str:
    """Estimate and interval in words."""
    found = claim.estimate
    if not found.n:
        return said(WORDS["exact"], language, shown(claim, found.value))
    return said(WORDS["interval"], language, *(shown(claim, x) for x in (found.value, found.low, found.high)))


def sample(claim: Claim, language: str) -> str:
    """What the interval is over."""
    found = claim.estimate
    chinese, english = UNITS[found.unit]
    method = METHODS[found.method]
    if language == "zh":
        return f"{found.n} {chinese}；{method.zh}"
    return f"{found.n} {english if found.n > 1 else found.unit}; {method.en}"


def trained(record: Record, language: str) -> str:
    """The model, with the seeds that were used."""
    words = said(record.model, language)
    if not record.seeds:
        return words
    key = "seeds" if len(record.seeds) == 1 else "many"
    separator = "、" if language == "zh" else ", "
    return words + said(WORDS[key], language, separator.join(map(str, record.seeds)))


# ---- a page ------------------------------------------------------------------------------------------------


def language_of(app: Sphinx) -> str:
    return "en" if app.config.language == "en" else "zh"


def name_cells(doctree: nodes.document) -> None:
    """Give the cells that prove something a place that links lead to."""
    named = set()
    for node in doctree.findall(nodes.container):
        for tag in node.get("cell_metadata", {}).get("tags", []):
            if tag.startswith(PROVING) and tag not in named:
                named.add(tag)
                node["ids"].append(f"cell-{tag}")


def cell_link(app: Sphinx, page: str, tag: str) -> str:
    """Address of a cell, from a page."""
    place = cells(Path(app.srcdir))[tag].page
    here, there = (app.builder.get_target_uri(name) for name in (page, place))
    return f"{'' if place == page else relative_uri(here, there)}#cell-{tag}"


def begun(text: str) -> str:
    """Words that begin a line."""
    return text[:1].upper() + text[1:]


def close_up(mark: nodes.Node) -> None:
    """Take away the space between a sentence and its mark, which English has."""
    siblings = mark.parent.children
    at = siblings.index(mark)
    if at and isinstance(siblings[at - 1], nodes.Text):
        siblings[at - 1] = nodes.Text(siblings[at - 1].astext().rstrip(" "))


def mark_page(app: Sphinx, doctree: nodes.document) -> None:
    """Number the marks of a page and put its notes before its references, or at its end."""
    name_cells(doctree)
    if app.builder.name == "gettext":
        return
    language, page, book = language_of(app), app.env.docname, Path(app.srcdir)
    numbers: dict[str, int] = {}
    places: dict[str, list[str]] = {}
    for derived in list(doctree.findall(derived_mark)):
        close_up(derived)
        if derived["tag"] not in cells(book):
            logger.warning("no cell of the book is tagged %r", derived["tag"], location=derived)
            derived["tag"] = ""
            continue
        derived["uri"] = cell_link(app, page, derived["tag"])
        derived["label"] = said(WORDS["derived"], language)
    for mark in list(doctree.findall(claim_mark)):
        close_up(mark)
        known = [name for name in mark["names"] if name in ledger(book)]
        for name in set(mark["names"]) - set(known):
            logger.warning("the ledger has no claim %r", name, location=mark)
        mark["notes"] = []
        for name in known:
            number = numbers.setdefault(name, len(numbers) + 1)
            place = f"mark-{number}-{len(places.setdefault(name, [])) + 1}"
            places[name].append(place)
            label = said(WORDS["mark"], language, number, said(ledger(book)[name].of, language))
            mark["notes"].append({"number": number, "name": name, "place": place, "label": label})
    if not numbers:
        return
    notes = nodes.enumerated_list(classes=["claim-notes"], enumtype="arabic", prefix="", suffix=".")
    for name in numbers:
        notes += note(app, ledger(book)[name], places[name], language)
    title = nodes.title("", said(WORDS["title"], language))
    intro = nodes.paragraph("", said(WORDS["intro"], language))
    put(doctree, nodes.section("", title, intro, notes, ids=["evidence"], names=["evidence"]))


def put(doctree: nodes.document, section: nodes.section) -> None:
    """Before the page's references, or at its end."""
    top = next(iter(doctree.findall(nodes.section)))
    for node in doctree.findall(lambda node: getattr(node, "tagname", "") == "bibliography"):
        references = node.parent
        while references is not None and references.parent is not top:
            references = references.parent
        if references is not None:
            top.insert(top.index(references), section)
            return
    top += section


def note(app: Sphinx, record: Record, places: list[str], language: str) -> nodes.list_item:
    """One claim with its evidence."""
    item = nodes.list_item(ids=[f"evidence-{record.name}"], classes=["claim-note"])
    heading = nodes.paragraph(
        "", "", nodes.strong("", begun(said(record.of, language))), classes=["claim-of"]
    )
    item += [heading, picture(record, language), rows(app, record, language)]
    links = nodes.paragraph(classes=["claim-links"])
    here = app.env.docname
    links += nodes.reference(
        "", said(WORDS["cell"], language), refuri=cell_link(app, here, record.tag), internal=True
    )
    for number, place in enumerate(places, 1):
        words = "back" if len(places) == 1 else "backs"
        text = f"↩ {said(WORDS[words], language, number)}"
        links += [nodes.Text(" "), nodes.reference("", text, refid=place, classes=["claim-back"])]
    item += links
    return item


def picture(record: Record, language: str) -> nodes.raw:
    """The interval on its line, and what the script has to know to add a point."""
    attributes = f' data-claim="{record.name}"'
    if again := measures().get(record.name):
        fresh = html.escape(again[language])
        attributes += f' data-fresh="{fresh}" data-digits="{record.claim.digits}"'
    svg = drawn(record.claim, said(record.baseline, language) if record.baseline else "", language)
    return nodes.raw("", f'<div class="claim-line"{attributes}>{svg}</div>', format="html")


def rows(app: Sphinx, record: Record, language: str) -> nodes.field_list:
    """What is said of a claim, each with its label."""
    claim = record.claim
    found = nodes.field_list(classes=["claim-rows"])

    def row(key: str, *content: nodes.Node) -> None:
        classes = ["claim-more"] if key in MORE else []
        label = nodes.field_name("", said(WORDS[key], language), classes=classes)
        body = nodes.field_body("", nodes.paragraph("", "", *content), classes=classes)
        found.append(nodes.field("", label, body))

    row("result", nodes.Text(result(claim, language)))
    row("claimed", nodes.Text(f"{stated(claim, language)} "), nodes.literal("", claim.statement))
    if claim.estimate.n:
        row("over", nodes.Text(sample(claim, language)))
    row("model", nodes.Text(trained(record, language)))
    if record.baseline and claim.baseline is not None:
        words = f"{shown(claim, claim.baseline)} · {said(record.baseline, language)}"
        row("baseline", nodes.Text(words))
    if record.rival:
        row("rival", *rival_nodes(app, record.rival, language))
    if claim.values:
        values = ", ".join(f"{name} {shown(claim, value)}" for name, value in claim.values.items())
        row("also", nodes.literal("", values))
    if record.fared:
        row("fared", nodes.Text(begun(said(record.fared, language))))
    return found


def rival_nodes(app: Sphinx, rival: Rival, language: str) -> Iterator[nodes.Node]:
    """The strongest other explanation, and what became of it."""
    stop = "。" if language == "zh" else ". "
    yield nodes.Text(begun(said(rival.text, language)).rstrip("。.") + stop)
    if rival.excluded_by is None:
        yield nodes.strong("", said(WORDS["open"], language))
        return
    yield nodes.strong("", said(WORDS["excluded"], language))
    how = said(rival.how, language) if rival.how else rival.excluded_by
    uri = cell_link(app, app.env.docname, rival.excluded_by)
    yield nodes.reference("", how, refuri=uri, internal=True)


# ---- writers -----------------------------------------------------------------------------------------------


def html_claim(writer: Any, node: claim_mark) -> None:
    links = [
        f'<a id="{note["place"]}" class="claim-link" href="#evidence-{note["name"]}" role="doc-noteref" '
        f'aria-label="{writer.attval(note["label"])}">{note["number"]}</a>'
        for note in node["notes"]
    ]
    writer.body.append(f"<sup {MARK}>{'<span>,</span>'.join(links)}</sup>" if links else "")
    raise nodes.SkipNode


def html_derived(writer: Any, node: derived_mark) -> None:
    if node["tag"]:
        label = writer.attval(node["label"])
        link = f'<a class="derived-link" href="{node["uri"]}" aria-label="{label}" title="{label}">∴</a>'
        writer.body.append(f'<sup class="derived-mark">{link}</sup>')
    raise nodes.SkipNode


def text_claim(writer: Any, node: claim_mark) -> None:
    writer.add_text("".join(f"[{note['number']}]" for note in node["notes"]))
    raise nodes.SkipNode


def latex_claim(writer: Any, node: claim_mark) -> None:
    numbers = ",".join(str(note["number"]) for note in node["notes"])
    writer.body.append(f"\\textsuperscript{{{numbers}}}")
    raise nodes.SkipNode


def skip(writer: Any, node: nodes.Node) -> None:
    raise nodes.SkipNode


def setup_claims(app: Sphinx) -> None:
    """Register roles, nodes and the notes with Sphinx."""
    ledger.cache_clear()
    cells.cache_clear()
    app.add_node(claim_mark, html=(html_claim, None), text=(text_claim, None), latex=(latex_claim, None))
    app.add_node(derived_mark, html=(html_derived, None), text=(skip, None), latex=(skip, None))
    app.add_role("claim", claim_role)
    app.add_role("derived", derived_role)
    app.add_role("setting", setting_role)
    app.connect("doctree-read", mark_page, priority=410)  # before the contents are collected

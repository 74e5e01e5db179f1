"""The English catalogues: complete, and a gap in them stops the build with its file and line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from built_site import ROOT, load_tool, tool


@pytest.fixture(scope="module")
def extraction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what gettext extracts, away from that of a build."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def wanted(extraction: Path) -> dict[str, Catalog]:
    """Every string of the book, extracted anew."""
    fresh = load_tool()
    fresh.WORK = extraction
    return dict(fresh.extract())


def test_every_string_of_the_book_is_translated(wanted: dict[str, Catalog]) -> None:
    assert "28-2-efficient/1-mixture-of-experts" in wanted
    assert sum(len(tool.strings(catalogue)) for catalogue in wanted.values()) > 200
    assert tool.gaps(wanted, tool.read_translations()) == []


def test_collecting_the_strings_again_changes_no_file(wanted: dict[str, Catalog]) -> None:
    found = tool.read_translations()
    for name, template in wanted.items():
        committed = (tool.LOCALE / f"{name}.po").read_bytes()
        again = tool.po_text(tool.updated(template, found[name], tool.known_translations(name)))
        assert again.decode() == committed.decode(), f"{name}.po: run `make messages`"


HEADINGS = {
    "思想": "The idea",
    "从零实现": "From scratch",
    "用库实现": "With a library",
    "实验": "Experiments",
    "活图": "Live figure",
    "原文勘误": "Errata in the source",
    "前沿进展": "Recent work",
    "练习": "Exercises",
    "小结": "Summary",
}
"""The anatomy of a page, which readers find again on the next page."""
BEGINNINGS = {"**一句话**": "**In one sentence**", "**图注**": "**Caption**　"}


def test_the_anatomy_of_a_page_has_one_name_in_english_throughout() -> None:
    other = []
    for name, catalogue in tool.read_translations().items():
        for message in tool.strings(catalogue):
            source, english = str(message.id), str(message.string)
            if source in HEADINGS and english != HEADINGS[source]:
                other.append(f"{name}: {source} is {english!r}, wanted {HEADINGS[source]!r}")
            for start, wanted in BEGINNINGS.items():
                if source.startswith(start) and not english.startswith(wanted):
                    other.append(f"{name}: {english[:30]!r}, wanted {wanted!r} for {start}")
            if "学会：" in source and "练习" in source and "You learn: " not in english:
                other.append(f"{name}: {english!r}, wanted 'You learn: ' for 学会：")
    assert other == []


Change = Callable[[str], str]


def entry_of(text: str) -> str:
    """The last entry of a catalogue, whose string and translation stand on one line each."""
    return text.rstrip("\n").rpartition("\n\n")[2]


def empty(text: str) -> str:
    entry = entry_of(text)
    return text.replace(entry, entry.partition("\nmsgstr")[0] + '\nmsgstr ""')


def fuzzy(text: str) -> str:
    entry = entry_of(text)
    return text.replace(entry, "#, fuzzy\n" + entry)


def copied(text: str) -> str:
    entry = entry_of(text)
    source = entry.partition("\nmsgstr")[0]
    return text.replace(entry, source + source.replace("msgid", "\nmsgstr"))


def missing(text: str) -> str:
    return text.replace(entry_of(text), "")


def left_over(text: str) -> str:
    return text + '\nmsgid "书里没有的一句。"\nmsgstr "A sentence that the book does not have."\n'


def obsolete(text: str) -> str:
    return text + '\n#~ msgid "书里没有的一句。"\n#~ msgstr "A sentence that the book does not have."\n'


@pytest.mark.parametrize(
    ("change", "complaint", "has_line"),
    [
        (empty, "is not translated", True),
        (fuzzy, "is fuzzy", True),
        (copied, "is its own translation", True),
        (missing, "is not in it", False),
        (left_over, "is left over", True),
        (obsolete, "is left over", True),
    ],
)
def test_a_broken_catalogue_is_named_with_its_line(
    wanted: dict[str, Catalog], tmp_path: Path, change: Change, complaint: str, has_line: bool
) -> None:
    folder = tmp_path / "LC_MESSAGES"
    shutil.copytree(tool.LOCALE, folder)
    broken = folder / "glossary.po"
    text = broken.read_text("utf8")
    broken.write_text(change(text), "utf8")
    assert broken.read_text("utf8") != text
    problems = tool.gaps(wanted, tool.read_translations(folder), folder)
    assert len(problems) == 1, problems
    place, _, said = problems[0].partition(": ")
    assert complaint in said
    file, _, line = place.partition(":")
    assert file.endswith("glossary.po")
    assert bool(line) == has_line
    if has_line:
        lines = broken.read_text("utf8").splitlines()
        shown = said.partition("'")[2].partition("'")[0]
        assert shown[:10] in "\n".join(lines[int(line) - 1 : int(line) + 2])


def unquoted(text: str) -> tuple[str, int]:
    """The first translation loses its closing quote."""
    lines = text.split("\n")
    place = next(i for i, line in enumerate(lines) if line.startswith("msgstr") and line.endswith('."'))
    lines[place] = lines[place][:-1]
    return "\n".join(lines), place + 1


def conflicting(text: str) -> tuple[str, int]:
    """As git leaves it behind."""
    before = text.split("\n").index("") + 1
    lines = text.split("\n")
    lines[before:before] = ["<<<<<<< HEAD"]
    return "\n".join(lines), before + 1


def twice(text: str) -> tuple[str, int]:
    """One string with two translations, far apart."""
    again = '\nmsgid "词元（token）"\nmsgstr "piece"\n'
    first = '\nmsgid "词元（token）"\nmsgstr "token"\n'
    return f"{first}{text}{again}", text.count("\n") + 5


def untranslated(text: str) -> tuple[str, int]:
    """A msgstr is gone."""
    lines = text.split("\n")
    place = next(i for i, line in enumerate(lines) if line.startswith('msgstr "'))
    del lines[place]
    after = next(i for i in range(place, len(lines)) if lines[i].startswith("msgid"))
    return "\n".join(lines), after + 1


def misplaced(text: str) -> tuple[str, int]:
    """An escape that gettext does not know."""
    return text + '\nmsgid "甲"\nmsgstr "a\\d"\n', text.count("\n") + 3


@pytest.mark.parametrize("damage", [unquoted, conflicting, twice, untranslated, misplaced])
def test_a_damaged_catalogue_stops_the_build_with_file_and_line(
    damage: Callable[[str], tuple[str, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "LC_MESSAGES"
    shutil.copytree(tool.LOCALE, folder)
    broken = folder / "28-2-efficient" / "1-mixture-of-experts.po"
    text, line = damage(broken.read_text("utf8"))
    broken.write_text(text, "utf8")
    with pytest.raises(SystemExit, match="a catalogue is damaged"):
        tool.read_translations(folder)
    (said,) = capsys.readouterr().err.splitlines()
    assert f"28-2-efficient/1-mixture-of-experts.po:{line}: " in said


@pytest.mark.parametrize(
    ("warning", "line"),
    [
        ("unknown document: 'nowhere.md' [ref.doc]", 8),
        (
            "inconsistent citations in translated message. original: ['{cite:p}`a`'], translated: []",
            4,
        ),
        ("something else about 'nothing that stands there'", None),
    ],
)
def test_a_warning_of_the_english_build_names_the_line_of_the_translation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, warning: str, line: int | None
) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "page.po").write_text(
        'msgid "一"\nmsgstr "one"\n\nmsgid "见 {cite:p}`a`。"\nmsgstr "See there."\n\n'
        '\nmsgid "[那里](there.md)"\nmsgstr "[there](nowhere.md)"\n'
    )
    monkeypatch.setattr(tool, "LOCALE", tmp_path)
    said = tool.translated_at(f"/somewhere/book/part/page.ipynb:40004: WARNING: {warning}")
    assert said.partition("\n")[0].endswith(warning)
    assert said.endswith(f"page.po:{line})") if line else "\n" not in said


def test_a_displayed_formula_with_words_is_refused(tmp_path: Path) -> None:
    template, translated = Catalog(locale="en"), Catalog(locale="en")
    template.add("\nx \\in \\text{前}\n")
    translated.add("\nx \\in \\text{前}\n", "\nx \\in \\text{top}\n")
    (problem,) = tool.gaps({"page": template}, {"page": translated}, tmp_path)
    assert "is a formula: keep words out" in problem


def test_a_catalogue_without_its_page_and_a_page_without_its_catalogue(
    wanted: dict[str, Catalog], tmp_path: Path
) -> None:
    folder = tmp_path / "LC_MESSAGES"
    shutil.copytree(tool.LOCALE, folder)
    (folder / "glossary.po").rename(folder / "gone.po")
    problems = "\n".join(tool.gaps(wanted, tool.read_translations(folder), folder))
    assert "glossary.po: there is no such file: run `make messages`" in problems
    assert "gone.po: there is no such page: run `make messages`" in problems


def test_the_build_ends_before_english_when_a_string_is_not_translated(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wanted: dict[str, Catalog],
    tmp_path: Path,
) -> None:
    fresh = load_tool()
    folder = tmp_path / "LC_MESSAGES"
    shutil.copytree(tool.LOCALE, folder)
    index = folder / "index.po"
    index.write_text(empty(index.read_text("utf8")), "utf8")
    built: list[Any] = []
    monkeypatch.setattr(fresh, "extract", lambda: wanted)
    monkeypatch.setattr(fresh, "read_translations", lambda: tool.read_translations(folder))
    monkeypatch.setattr(fresh, "sphinx", lambda *arguments, **options: built.append(arguments))
    with pytest.raises(SystemExit, match="the English site is not complete"):
        fresh.english()
    assert not built
    assert "index.po:" in capsys.readouterr().err


def test_a_new_string_is_empty_a_changed_one_fuzzy_and_one_without_chinese_its_own_translation() -> None:
    old, template = Catalog(locale="en"), Catalog()
    old.add("专家并行把不同的专家放在不同的设备上。", "Expert parallelism puts experts on different devices.")
    old.add("去掉的一句。", "A sentence that is gone.")
    for text in ("专家并行把不同的专家放到不同的设备上。", "与旧文毫无相似之处", "$E = mc^2$"):
        template.add(text)
    changed, new, formula = tool.strings(tool.updated(template, old))
    assert changed.fuzzy
    assert changed.string.startswith("Expert parallelism")
    assert not new.string
    assert not new.fuzzy
    assert formula.string == formula.id


def test_a_string_that_has_its_english_elsewhere_takes_it_from_there() -> None:
    old, template = Catalog(locale="en"), Catalog()
    old.add("参数", "an old word")
    for text in ("参数", "类"):
        template.add(text)
    found = tool.strings(tool.updated(template, old, {"参数": "parameters", "类": "class"}))
    assert [message.string for message in found] == ["parameters", "class"]
    assert tool.known_translations("glossary") == {}
    assert tool.known_translations("appendix/models")["参数"] == "parameters"


def test_the_frame_of_the_page_speaks_chinese(wanted: dict[str, Catalog], extraction: Path) -> None:
    """Every word that a template marks for translation is in the Chinese catalogue of the frame."""
    made = extraction / "gettext" / "_build" / "gettext" / "sphinx.pot"  # extracted with the book's strings
    ours = ROOT / "site" / "locale" / "zh_CN" / "LC_MESSAGES" / "sphinx.po"
    with made.open("rb") as template, ours.open("rb") as translated:
        marked, catalogue = read_po(template), read_po(translated, locale="zh_CN")
    assert len(tool.strings(marked)) > 4
    for message in tool.strings(marked):
        known = catalogue.get(message.id)
        assert known is not None, f"{message.id!r} is not in it"
        assert known.string, f"{message.id!r} is not translated"

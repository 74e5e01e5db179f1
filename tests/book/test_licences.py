"""The licences are whole, and the notices name what the site is made from, in its authors' words."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTICES = (ROOT / "THIRD_PARTY_NOTICES.md").read_text("utf8")
SHIPPED = (
    "sphinx",
    "pydata-sphinx-theme",
    "sphinx-book-theme",
    "myst-nb",
    "sphinx-copybutton",
    "sphinx-togglebutton",
    "sphinx-design",
    "sphinx-exercise",
    "pygments",
    "sphinxcontrib-katex",
    "anywidget",
    "jupyter-book",
)


def words(text: str) -> str:
    return " ".join(text.split())


def test_code_is_under_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text("utf8")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert re.findall(r"^   (\d)\. ", text, re.M) == [str(i) for i in range(1, 10)]
    assert "END OF TERMS AND CONDITIONS" in text


def test_text_is_under_the_whole_cc_by_licence() -> None:
    text = (ROOT / "LICENSE-TEXT").read_text("utf8")
    assert text.startswith("Attribution 4.0 International\n")
    assert re.findall(r"^Section (\d) -- ", text, re.M) == [str(i) for i in range(1, 9)]
    assert text.rstrip().endswith("Creative Commons may be contacted at creativecommons.org.")


@pytest.mark.parametrize("name", SHIPPED)
def test_notice_repeats_the_copyright_line(name: str) -> None:
    distribution = importlib.metadata.distribution(name)
    files = [
        file for file in distribution.files or [] if re.search(r"dist-info/(licenses/)?LICENSE", str(file))
    ]
    text = Path(str(distribution.locate_file(files[0]))).read_text("utf8")
    line = re.search(r"Copyright \(c\) \d{4}[^\n]*", text)
    assert line is not None, f"{name} has no copyright line"
    assert line[0].strip() in NOTICES, f"THIRD_PARTY_NOTICES.md lacks: {line[0]}"
    version = ".".join(distribution.version.split(".")[:2])
    if name != "pygments":
        assert re.search(rf"\| [\w .-]+ {re.escape(version)} \|", NOTICES), (
            f"THIRD_PARTY_NOTICES.md has no {name} {version}"
        )


def test_notices_name_everything_vendored() -> None:
    folders = [path.name for path in (ROOT / "site" / "assets" / "vendor").iterdir()]
    assert folders
    assert [name for name in folders if name.lower() not in NOTICES.lower()] == []


def test_notices_name_every_corpus() -> None:
    domains = json.loads(
        (ROOT / "src" / "frontier_lab" / "texts" / "corpus" / "corpus.json").read_text("utf8")
    )["domains"]
    for name, entry in domains.items():
        assert f"| {name} | {entry['source']} | {entry['licence']} |" in NOTICES


def test_licence_texts_are_there_for_every_licence_named() -> None:
    for name in ("MIT", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "OFL-1.1"):
        assert f"\n### {name}\n" in NOTICES
    assert "LIABLE FOR ANY CLAIM" in words(NOTICES)
    assert "PERMISSION & CONDITIONS" in NOTICES

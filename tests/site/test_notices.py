"""``THIRD_PARTY_NOTICES.md`` names what the built site carries, and nothing else."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest
from built_site import ROOT

OURS = ("book.css", "icons.css", "search.js", "evidence.js", "frontier-*.js", "vendor/katex/LICENSE")
"""Files in ``_static`` that others did not write; the last is a licence itself."""

FRAMES = "../28-4-interpretability/1-attention-visualization.html"
CARRIED: dict[str, tuple[tuple[str, ...], str]] = {
    "Sphinx": (
        (
            *("basic.css", "doctools.js", "documentation_options.js", "language_data.js", "searchtools.js"),
            *("sphinx_highlight.js", "translations.js"),
        ),
        "",
    ),
    "PyData Sphinx Theme": (
        ("styles/pydata-sphinx-theme.css", "styles/theme.css", "scripts/pydata-sphinx-theme.js"),
        "",
    ),
    "Sphinx Book Theme": (("styles/sphinx-book-theme.css", "scripts/sphinx-book-theme.js"), ""),
    "Bootstrap": (("scripts/bootstrap.js", "scripts/bootstrap.js.LICENSE.txt"), "Bootstrap"),
    "Font Awesome Free": (("styles/pydata-sphinx-theme.css",), "Font Awesome Free"),
    "MyST-NB": (("mystnb.*.css",), ""),
    "sphinx-copybutton": (
        ("copybutton.css", "copybutton.js", "copybutton_funcs.js", "copy-button.svg", "check-solid.svg"),
        "",
    ),
    "clipboard.js": (("clipboard.min.js",), "clipboard.js"),
    "sphinx-togglebutton": (("togglebutton.css", "togglebutton.js"), ""),
    "sphinx-design": (("sphinx-design.min.css", "design-tabs.js"), ""),
    "Octicons": (("sphinx-design.min.css",), "sd-octicon"),
    "Pygments": (("pygments.css",), ""),
    "KaTeX": (("vendor/katex/katex.min.css",), ""),
    "KaTeX fonts": (("vendor/katex/fonts/*.woff2",), ""),
    "sphinxcontrib-katex": (("katex-math.css",), ""),
    "BertViz": ((FRAMES,), "renderVis("),
    "jQuery": ((FRAMES,), "jquery.org/license"),
    "d3-selection": ((FRAMES,), "schemeCategory10:"),
    "@huggingface/tokenizers": (
        ("frontier-component-MoERouting.js", "frontier-component-AttentionPatternAnalyzer.js"),
        "ByteFallback",
    ),
    "WordNet": (("frontier-checkpoint-attack-tables.js",), "disciples adherents"),
    "d3-scale": (
        tuple(
            f"frontier-component-{name}.js"
            for name in (
                "LongContextStrategies",
                "AttentionPatternAnalyzer",
                "ModelMerging",
                "ThresholdExplorer",
            )
        ),
        "invalid format: ",
    ),
}
"""What shows that a row is true: files below ``_static``, and what one of them says."""


def rows() -> list[str]:
    """Names in the first column of the table about the built site, without versions."""
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text("utf8")
    table = notices.partition("## In the built site")[2].partition("\n## ")[0]
    first = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")][2:]
    return [re.split(r" \d|,", name)[0] for name in first]


def test_every_row_is_about_something_that_can_be_looked_for() -> None:
    assert set(rows()) == set(CARRIED)


@pytest.mark.parametrize("name", CARRIED)
def test_the_site_carries_what_a_row_names(site: Path, name: str) -> None:
    patterns, said = CARRIED[name]
    found = [[file for file in (site / "_static").glob(pattern) if file.is_file()] for pattern in patterns]
    missing = [pattern for pattern, files in zip(patterns, found, strict=True) if not files]
    assert not missing, (
        f"{name}: the site has no {', '.join(missing)}: take the row out, or correct this list"
    )
    texts = [file.read_bytes() for files in found for file in files] if said else [b""]
    assert any(said.encode() in text for text in texts), f"{name}: none of {patterns} says {said!r}"


def test_every_file_of_the_site_has_a_row_or_is_ours(site: Path) -> None:
    static = site / "_static"
    known = [*OURS, *(pattern for patterns, _ in CARRIED.values() for pattern in patterns)]
    names = [file.relative_to(static).as_posix() for file in sorted(static.rglob("*")) if file.is_file()]
    assert len(names) > 40
    unknown = [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in known)]
    assert not unknown, f"THIRD_PARTY_NOTICES.md has no row for {unknown}"

"""The build tool: quick when nothing has changed, the same bytes each time, clear about what is wrong."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml
from built_site import ROOT, load_tool, tool
from frontier_widgets import components

from frontier_lab.figure_data.browser_models import CLASSIFIERS, MODELS, SNAPSHOTS, TEXTS
from frontier_lab.figure_data.task_vectors import NAMES

MEGABYTE = 1_000_000
ATTENTION_PAGE = "28-4-interpretability/1-attention-visualization"


def digests(folder: Path) -> dict[str, str]:
    """Hash of every file in a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_a_second_build_has_nothing_to_do(site: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in site.rglob("*")}
    started = time.monotonic()
    command = [sys.executable, "-m", "tools.site", "build"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 10
    assert "up to date" in done.stdout
    assert done.stdout.rstrip().endswith(str(site / "index.html"))
    assert {file: file.stat().st_mtime_ns for file in site.rglob("*")} == before


@pytest.mark.slow
def test_a_build_from_nothing_gives_the_same_bytes(site: Path, tmp_path: Path) -> None:
    fresh = load_tool()
    fresh.WORK = tmp_path / "work"
    fresh.make(tmp_path / "html")
    again, committed = digests(tmp_path / "html"), digests(site)
    assert again.keys() == committed.keys()
    assert [name for name in again if again[name] != committed[name]] == []


def test_every_input_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fresh = load_tool()
    names = [file.relative_to(ROOT).as_posix() for file in fresh.inputs()]
    for part in (
        "_config.yml",
        "book/_toc.yml",
        "book/index.md",
        "site/assets/book.css",
        "site/frontier_site.py",
    ):
        assert part in names
    assert any(name.endswith("static/host.js") for name in names)
    assert any(name.endswith("1-mixture-of-experts.po") for name in names)
    assert not any(name.endswith((".mo", ".pyc")) for name in names)
    monkeypatch.setattr(fresh, "ROOT", tmp_path)
    source = tmp_path / "book" / "index.md"
    source.parent.mkdir()
    monkeypatch.setattr(fresh, "INPUTS", ("book",))
    seen = set()
    for text in ("one", "two"):
        source.write_text(text)
        seen.add(fresh.fingerprint())
    source.rename(source.with_name("other.md"))
    seen.add(fresh.fingerprint())
    monkeypatch.setattr(fresh, "repository_url", lambda: "https://github.com/someone/book")
    seen.add(fresh.fingerprint())
    assert len(seen) == 4


def test_what_a_build_imports_and_embeds_is_an_input(
    site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fresh = load_tool()
    read = [file.relative_to(ROOT).as_posix() for file in fresh.inputs()]
    weights = {f"src/frontier_lab/checkpoints/{name}/model.safetensors" for name in MODELS}
    in_page = [
        name
        for name in read
        if name.startswith("src/frontier_lab/")
        and "frontierCheckpoints" in (ROOT / name).read_text("utf8", "replace")
    ]
    assert weights <= set(read)
    assert len(in_page) == 1
    monkeypatch.setattr(fresh, "ROOT", tmp_path)
    monkeypatch.setattr(fresh, "inputs", lambda: [tmp_path / name for name in read])
    seen = {fresh.fingerprint()}
    changes = sorted([*weights, *in_page])
    for name in changes:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
        seen.add(fresh.fingerprint())
        with (tmp_path / name).open("ab") as file:
            file.write(b" ")
        seen.add(fresh.fingerprint())
    assert len(seen) == 1 + 2 * len(changes)


def test_a_module_that_the_extension_newly_imports_is_an_input_with_what_it_reads(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "site", tmp_path / "site", ignore=shutil.ignore_patterns("__pycache__"))
    extension = tmp_path / "site" / "frontier_site.py"
    extension.write_text(extension.read_text("utf8") + "\nimport throw_away\n", "utf8")
    for folder in ("src", "book"):
        (tmp_path / folder).mkdir()
    module, data = tmp_path / "src" / "throw_away.py", tmp_path / "src" / "data.json"
    module.write_text(
        "from pathlib import Path\ndef setup(app):\n    Path(__file__).with_name('data.json').read_text()\n"
    )
    data.write_text("{}")
    (tmp_path / "book" / "conf.py").write_text("extensions = ['myst_nb', 'frontier_site', 'throw_away']\n")
    (tmp_path / "book" / "index.md").write_text("# Book\n")
    work = tmp_path / "_build" / "work"
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        str(tmp_path / "book"),
        str(work / "zh" / "_build" / "html"),
    ]
    paths = os.pathsep.join([str(tmp_path / "site"), str(tmp_path / "src")])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fresh = load_tool()
    fresh.ROOT, fresh.WORK = tmp_path, work
    seen = {fresh.fingerprint()}
    for file in (module, data):
        file.write_text(file.read_text() + "\n")
        seen.add(fresh.fingerprint())
    data.unlink()
    seen.add(fresh.fingerprint())
    assert len(seen) == 4


def test_the_archive_is_the_same_each_time(site: Path, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        tool.pack(site, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        packed = {name.removeprefix("frontier-transformers/") for name in archive.namelist()}
    assert packed == set(digests(site))


def test_an_archive_of_no_site_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="run `make book` first"):
        tool.pack(tmp_path / "html", tmp_path / "offline.zip")


def test_a_failed_build_shows_the_warnings_and_leaves_the_site(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = load_tool()
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "book" / "index.md").write_text(
        "# 标题\n\n[一个不存在的页面](nowhere.md)\n\n{cite:p}`nobody2026`\n"
    )
    (tmp_path / "book" / "glossary.md").write_text("词元（token）\n")
    (tmp_path / "book" / "references.bib").write_text("")
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(config, allow_unicode=True))
    (tmp_path / "site").symlink_to(ROOT / "site")
    fresh.ROOT, fresh.WORK = tmp_path, tmp_path / "_build" / "work"
    before = digests(site)
    with pytest.raises(SystemExit, match="the zh build failed"):
        fresh.sphinx("zh")
    said = capsys.readouterr().err
    assert "nowhere" in said
    assert "nobody2026" in said
    assert digests(site) == before


def test_a_formula_that_cannot_be_set_ends_the_build() -> None:
    program = (
        "from formulas import setup_formulas\n"
        "from sphinxcontrib.katex import render_latex\n"
        "setup_formulas()\n"
        "assert '<math' in render_latex(r'\\frac{a}{b}')\n"
        "render_latex(r'\\frac{a')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "KaTeX parse error" in done.stderr


def test_the_address_of_a_figures_script_changes_with_it(site: Path) -> None:
    """After a new release a browser must not put yesterday's script into today's page."""
    found = set()
    for page in site.rglob("*.html"):
        found |= set(re.findall(r'src="[^"]*(frontier-[^"]*)"', page.read_text("utf8")))
    assert len(found) == 8, found
    for address in found:
        assert re.fullmatch(r"frontier-(host|claims|component-\w+)\.js\?v=[0-9a-f]{8}", address)


def test_english_pages_share_the_files_of_the_chinese_ones(site: Path) -> None:
    own = sorted(file.name for file in (site / "en" / "_static").rglob("*") if file.is_file())
    assert own == ["documentation_options.js"]


def test_what_a_site_adds_to_its_pages_is_small(site: Path) -> None:
    """The files that pages share, the search, and each page and its notebook in both languages."""
    names = digests(site)
    size = {name: (site / name).stat().st_size for name in names}
    # What is loaded when a reader types a sentence or measures a claim, and by no page before.
    weights = [name for name in names if re.match("_static/frontier-(checkpoint-|texts-|measures)", name)]
    tables, measures = 1, 1
    models = len(MODELS) + len(NAMES) + len(SNAPSHOTS) + len(CLASSIFIERS)
    assert len(weights) == models + len(TEXTS) + tables + measures
    assert max(size[name] for name in weights) < 1.7 * MEGABYTE
    # Each is loaded by the pages that show it.
    figures = [name for name in names if name.startswith("_static/frontier-component-")]
    assert len(figures) == len(components())
    assert max(size[name] for name in figures) < 0.19 * MEGABYTE
    shared = (name for name in names if name.startswith("_static/") and name not in {*weights, *figures})
    assert sum(size[name] for name in shared) < 1.1 * MEGABYTE
    pages = [name for name in names if name.endswith(".html")]
    index = sum(size[name] for name in names if name.endswith("searchindex.js"))
    assert index < 10_000 * len(pages), f"{index} bytes for {len(pages)} pages"
    for source in (site / "_sources").rglob("*.*"):
        page = source.relative_to(site / "_sources").with_suffix("").as_posix()
        notebook = source.relative_to(site).as_posix()
        four = sum(size[name] for name in (f"{page}.html", f"en/{page}.html", notebook, f"en/{notebook}"))
        most = 6 if page == ATTENTION_PAGE else 2.5  # BertViz's views carry their own libraries
        assert four < most * MEGABYTE, f"{page}: {four} bytes"
    unused = re.compile(r"\.map$|\.ttf$|\.po$|\.mo$|fontawesome|locales/|/thebe|\.doctree")
    assert [name for name in names if unused.search(name)] == []


def test_every_icon_that_a_page_names_is_drawn(site: Path) -> None:
    drawn = set(
        re.findall(r"^\.(fa-[a-z-]+) \{\n  --icon", (site / "_static" / "icons.css").read_text(), re.M)
    )
    styles = {"fa-solid", "fa-lg"}
    for page in site.rglob("*.html"):
        for classes in re.findall(r'class="([^"]*\bfa-[^"]*)"', page.read_text("utf8")):
            named = {name for name in classes.split() if name.startswith("fa-")}
            assert named - styles <= drawn, f"{page.name}: {named - styles - drawn} has no mask in icons.css"


def test_the_styles_that_draw_formulas_are_those_of_the_program_that_sets_them(site: Path) -> None:
    from sphinxcontrib import katex

    style = (site / "_static" / "vendor" / "katex" / "katex.min.css").read_text()
    assert re.search(r'\.katex-version:after\{content:"([^"]+)"', style)[1] == katex.katex_version
    fonts = set(re.findall(r"url\((fonts/[^)]+)\)", style))
    folder = site / "_static" / "vendor" / "katex"
    assert fonts == {f"fonts/{file.name}" for file in (folder / "fonts").iterdir()}
    assert (folder / "LICENSE").is_file()


def test_code_is_left_without_a_mark_only_where_it_has_the_colour_of_text(site: Path) -> None:
    from pygments.token import STANDARD_TYPES, Operator

    sys.path.insert(0, str(ROOT / "site"))
    from code_colours import PLAIN

    style = (site / "_static" / "pygments.css").read_text()
    for scheme in ("light", "dark"):
        colours = dict(
            re.findall(rf'\[data-theme="{scheme}"\] \.highlight(?: \.(\w+))? \{{([^}}]*)\}}', style)
        )
        ink = re.search(r"(?<!-)color: [^ ;]+", colours[""])[0]
        for kind in PLAIN - {Operator}:
            assert colours[STANDARD_TYPES[kind]].strip() == ink, f"{kind} in the {scheme} scheme"
    page = (site / "28-1-long-context" / "4-rag.html").read_text("utf8")
    marks = set(re.findall(r'<span class="([a-z0-9]{1,3})">', page))
    assert {"ow", "k", "s2"} <= marks
    assert not {STANDARD_TYPES[kind] for kind in PLAIN} & marks

"""The book's Sphinx extension: live figures, one language from the other, and pages that need no network.

What it does to a page: the widgets' code and published data go into one registry script for the whole site;
buttons for the other language, Colab and the notebook are added; scripts and styles that a page does not use
are left out. Chinese in code, outputs and drawings is translated with the page's own message catalogue, and
so is the notebook that the page offers.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import frontier_widgets
import inputs
import nbformat
from babel.messages.mofile import read_mo
from claim_marks import MARK, setup_claims, without_roles
from code_colours import setup_code_colours
from docutils import nodes
from downloads import HAN, SEGMENT, in_english, translated_html, translated_lines, with_live_figures
from drawings import with_room
from formulas import setup_formulas
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.locale import init
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.osutil import relative_uri

from frontier_lab.figure_data import attack_tables, browser_models, task_vectors

COMPONENT = re.compile(r"data-component=|vnd\.jupyter\.widget-view\+json")
CODE = r'<div class="highlight"'
MATH = r'class="katex"'
TOGGLE = r'class="[^"]*\b(?:toggle|dropdown)\b'
USED_WITH = {
    "clipboard.min.js": CODE,
    "copybutton.js": CODE,
    "copybutton.css": CODE,
    "togglebutton.js": TOGGLE,
    "togglebutton.css": TOGGLE,
    "design-tabs.js": "sd-tab-set",
    "sphinx-design.min.css": r'class="[^"]*\bsd-',
    "katex.min.css": MATH,
    "katex-math.css": MATH,
    "mystnb": r'class="cell\b',
}
"""Beginnings of the names of scripts and styles, and what a page must contain to load them."""
UNUSED = (
    *(
        "scripts/fontawesome.js",
        "scripts/fontawesome.js.LICENSE.txt",
        "vendor/fontawesome",
        "images",
        "locales",
    ),
    *("webpack-macros.html", "sbt-webpack-macros.html", "file.png", "minus.png", "plus.png"),
)
"""Files of the themes that no page loads."""
ACCESSIBLE = {
    '<summary aria-label="Toggle hidden content">': "<summary>",  # it is named by the text that it shows
    'role="doc-biblioentry"': 'role="listitem"',  # the former may not stand in the list that it stands in
}
"""What myst-nb and docutils write, and what a screen reader should get."""
INPUTS = "frontier-inputs.txt"
"""Beside the doctrees: what this build read of the repository."""
COLAB = "https://colab.research.google.com/github/"


def literal_text(node: nodes.Node) -> list[str]:
    """The Chinese in a node that gettext leaves alone: lines of code and output, text in HTML."""
    if isinstance(node, nodes.literal_block):
        found = [line.strip() for line in node.astext().splitlines()]
    elif isinstance(node, nodes.raw) and node.get("format") == "html":
        found = [html.unescape(text).strip() for text in SEGMENT.findall(node.astext())]
    else:
        found = []
    return [text for text in found if HAN.search(text)]


class TranslateLiterals(SphinxPostTransform):  # type: ignore[misc]
    """Puts the catalogue's English in the place of Chinese in code, outputs and drawings, which get room."""

    default_priority = 8  # after myst-nb has chosen which output to show, before highlighting

    def run(self, **kwargs: Any) -> None:
        builder = self.app.builder
        if builder.name == "gettext":
            self.collect(builder)
            return
        if self.config.language == "en":
            self.translate()
        for node in list(self.document.findall(nodes.raw)):
            self.put(node, with_room(node.astext()))

    def collect(self, builder: Any) -> None:
        """Add the texts to the page's catalogue, where ``make messages`` finds them."""
        from sphinx.builders.gettext import MsgOrigin

        catalogue = builder.catalogs[self.env.docname]
        for node in self.document.findall(nodes.Node):
            for text in literal_text(node):
                catalogue.add(text, MsgOrigin(self.env.docname, node.line or 0))

    def translate(self) -> None:
        folders = [str(Path(self.app.srcdir, folder)) for folder in self.config.locale_dirs]
        catalogue, known = init(folders, "en", self.env.docname, "frontier")
        if not known:
            return
        for node in list(
            self.document.findall(lambda node: isinstance(node, (nodes.literal_block, nodes.raw)))
        ):
            source = node.astext()
            translated = translated_lines if isinstance(node, nodes.literal_block) else translated_html
            self.put(node, translated(source, catalogue.gettext))

    def put(self, node: nodes.Element, source: str) -> None:
        """Give a node another text, if it is another."""
        if source == node.astext():
            return
        node.rawsource = source  # Sphinx highlights only a block whose text is its source
        node.children = []
        node += nodes.Text(source)


def translate_captions(app: Sphinx, doctree: nodes.document) -> None:
    """Captions of the table of contents: ``_toc.yml`` adds them after Sphinx has translated the page."""
    if app.config.language != "en":
        return
    folders = [str(Path(app.srcdir, folder)) for folder in app.config.locale_dirs]
    catalogue, _ = init(folders, "en", app.env.docname, "frontier")
    for contents in doctree.findall(addnodes.toctree):
        if contents.get("caption"):
            contents["caption"] = catalogue.gettext(contents["caption"])


def saved_widgets(env: Any, document: str) -> dict[str, Any]:
    """The script with a page's saved widgets, as its attributes and ``body``; empty where it has none."""
    from myst_nb.sphinx_ import NbMetadataCollector

    _, options = NbMetadataCollector.get_js_files(env, document).get("ipywidgets_state", (None, {}))
    found: dict[str, Any] = options
    return found


def slim_widget_state(app: Sphinx, env: Any) -> None:
    """Take out of each page's saved widget state what the registry carries once for all of them."""
    for document in env.found_docs:
        options = saved_widgets(env, document)
        if not options:
            continue
        state = frontier_widgets.slim_state(json.loads(options["body"].replace("<\\/", "</")))
        options["body"] = json.dumps(state, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def write_scripts(app: Sphinx, env: Any) -> None:
    """Write the figures' scripts, before any page: Sphinx puts a hash of each into its address."""
    if app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    for name in frontier_widgets.components():
        script = frontier_widgets.registry_script([name])
        (static / f"frontier-component-{name}.js").write_text(script, "utf8")
    shutil.copyfile(frontier_widgets.HOST, static / "frontier-host.js")
    shutil.copyfile(frontier_widgets.CLAIMS, static / "frontier-claims.js")
    shutil.copyfile(frontier_widgets.MEASURES, static / "frontier-measures.js")


def page_context(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Buttons, and the figures' scripts where a page has figures."""
    english = app.config.language == "en"
    here = app.builder.get_target_uri(pagename)
    root = relative_uri(here, "")  # from this page to the root of its language
    root = "" if root == "#" else root
    context["other_language"] = "zh-CN" if english else "en"
    context["other_name"] = "中文" if english else "English"
    context["other_page"] = f"{root}../{here}" if english else f"{root}en/{here}"
    notebook = f"{pagename}.ipynb" if context.get("page_source_suffix") == ".ipynb" else None
    context["notebook_url"] = notebook and f"{root}_sources/{notebook}"
    repository = app.config.frontier_repository
    path = repository.removeprefix("https://github.com/")
    on_colab = notebook and path != repository  # Colab opens notebooks from GitHub alone
    context["colab_url"] = (
        f"{COLAB}{path}/blob/{app.config.frontier_branch}/book/{notebook}" if on_colab else None
    )
    body = context.get("body") or ""
    for written, wanted in ACCESSIBLE.items():
        body = body.replace(written, wanted)
    context["body"] = body
    for files in (context["script_files"], context["css_files"]):
        files[:] = [file for file in files if is_used(str(file.filename or ""), body)]
    if pagename in ("search", "evidence"):
        app.add_js_file(f"{pagename}.js")
    if MARK in body:
        app.add_js_file("frontier-claims.js", loading_method="defer")
    if COMPONENT.search(body):
        saved = saved_widgets(app.env, pagename).get("body", "")
        for name in frontier_widgets.components():
            # In a <div data-component="Name">, or in the page's saved widgets.
            if f'data-component="{name}"' in body or f'.{name}"' in saved:
                app.add_js_file(f"frontier-component-{name}.js", loading_method="defer")
        app.add_js_file("frontier-host.js", loading_method="defer")


def is_used(filename: str, body: str) -> bool:
    """Whether a page with this body needs a script or style."""
    name = filename.rpartition("/")[2]
    needs = [pattern for start, pattern in USED_WITH.items() if name.startswith(start)]
    return not needs or any(re.search(pattern, body) for pattern in needs)


def write_notebooks(app: Sphinx) -> None:
    """Put the notebooks that pages offer in the place of the committed ones, which Sphinx copied."""
    for file in sorted(Path(app.outdir, "_sources").rglob("*.ipynb")):
        page = file.relative_to(Path(app.outdir, "_sources")).with_suffix("")
        notebook = nbformat.read(file, as_version=4)
        if app.config.language == "en":
            notebook = in_english(notebook, catalogue(app, page.as_posix()))
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = without_roles(cell.source)
        file.write_text(nbformat.writes(with_live_figures(notebook), version=4) + "\n", "utf8")


def catalogue(app: Sphinx, page: str) -> dict[str, str]:
    """What the English build says for each Chinese string of a page; empty where it has no catalogue."""
    for folder in app.config.locale_dirs:
        compiled = Path(app.srcdir, folder, "en", "LC_MESSAGES", f"{page}.mo")
        if compiled.is_file():
            with compiled.open("rb") as stream:
                return {str(message.id): str(message.string) for message in read_mo(stream) if message.id}
    return {}


def finish(app: Sphinx, error: Exception | None) -> None:
    """Write the checkpoints and the notebooks to download; take away what no page loads."""
    if error or app.builder.format != "html":
        return
    write_notebooks(app)
    static = Path(app.outdir, "_static")
    for name in (*browser_models.MODELS, *browser_models.SNAPSHOTS, *browser_models.CLASSIFIERS):
        (static / f"frontier-checkpoint-{name}.js").write_text(browser_models.script(name), "utf8")
    for name in task_vectors.NAMES:
        (static / f"frontier-checkpoint-{name}.js").write_text(task_vectors.script(name), "utf8")
    tables = attack_tables.script(attack_tables.NAME)
    (static / f"frontier-checkpoint-{attack_tables.NAME}.js").write_text(tables, "utf8")
    for name in browser_models.TEXTS:
        (static / f"frontier-texts-{name}.js").write_text(browser_models.texts_script(name), "utf8")
    for name in UNUSED:
        place = static / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    for file in static.rglob("*.map"):
        file.unlink()
    Path(app.doctreedir, INPUTS).write_text("\n".join(inputs.recorded()), "utf8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    inputs.record()
    setup_formulas()
    setup_code_colours()
    setup_claims(app)
    app.add_config_value("frontier_repository", "", "html")
    app.add_config_value("frontier_branch", "main", "html")
    app.add_post_transform(TranslateLiterals)
    app.connect("doctree-read", translate_captions, priority=400)  # before the contents are collected
    app.connect("env-updated", slim_widget_state)
    app.connect("env-updated", write_scripts)
    app.connect("html-page-context", page_context)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
